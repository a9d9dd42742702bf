"""What every test shares."""

import os
import signal
import struct
from dataclasses import fields, is_dataclass

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


def bits_of(value):
    """Return what two values share if and only if they are the same to the last bit."""
    if is_dataclass(value):
        parts = tuple((f.name, bits_of(getattr(value, f.name))) for f in fields(value))
        return (type(value), parts)
    if isinstance(value, tuple):
        return tuple(map(bits_of, value))
    if isinstance(value, float):
        return (float, struct.pack("<d", value))
    if hasattr(value, "tobytes"):  # NumPy is not to be loaded before the number of threads is set
        order = (value.flags.c_contiguous, value.flags.f_contiguous)
        return (value.dtype, value.shape, order, value.tobytes())
    return (type(value), value)


@pytest.fixture(scope="session")
def bits():
    """Return the function that gives what two values share if all their bits are the same."""
    return bits_of


@pytest.fixture(scope="session")
def small_run():
    """Return what a small run needs."""
    from small_run import SmallRun  # noqa: PLC0415 - as above

    return SmallRun()


@pytest.fixture(scope="session")
def grown(small_run):
    """Return the states of a small run after each step."""
    from nautilus.run.state import new_state  # noqa: PLC0415 - as above

    start = new_state(2)
    return [start, *small_run.carry_on(start)]
