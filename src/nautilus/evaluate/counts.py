"""What the likelihood was asked for."""

from dataclasses import dataclass

from nautilus.evaluate.calls import ChunkResult


@dataclass(frozen=True)
class Counts:
    """What the likelihood was asked for so far, tests and repetitions included.

    Parameters
    ----------
    n_calls
        Points for which it was called.
    seconds
        Time spent in it, summed over workers.
    n_errors
        How often it raised.
    n_nan
        How often it returned NaN.
    """

    n_calls: int = 0
    seconds: float = 0.0
    n_errors: int = 0
    n_nan: int = 0

    def plus(self, result: ChunkResult) -> "Counts":
        """Return the counts after a chunk."""
        return Counts(
            self.n_calls + result.n_calls,
            self.seconds + result.seconds,
            self.n_errors + result.n_errors,
            self.n_nan + result.n_nan,
        )
