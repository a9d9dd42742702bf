"""How long tests wait for what is bound to happen."""

import time

SECONDS = 900
"""Far longer than the slowest machine needs, and shorter than the limit on a whole test."""


def wait_for(condition, pause=0.01):
    """Return when a condition holds; fail if it does not in a quarter of an hour."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(pause)
