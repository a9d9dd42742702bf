"""Where a condition ceases to hold."""

from collections.abc import Callable


def highest(holds: Callable[[float], bool], low: float, high: float, n_steps: int) -> float:
    """Return the highest value between two at which a condition holds.

    Parameters
    ----------
    holds
        The condition; it holds below some value and not above it.
    low, high
        Where to look.
    n_steps
        How often the interval is halved.
    """
    for _ in range(n_steps):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
