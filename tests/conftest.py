"""What every test shares."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Before NumPy is loaded, here and in the processes that tests start: more threads than cores
# slow everything down, and the order of sums depends on their number.
for variable in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM"):
    os.environ[f"{variable}_THREADS"] = "1"

# A shell that starts this in the background lets Ctrl-C be ignored, also by what is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture
def seed() -> int:
    """Return the seed of every test that needs random numbers."""
    return 20240607
