"""The time that a run takes: in all, and waiting for the likelihood."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from nautilus.evaluate.evaluation import Evaluated, Evaluation
from nautilus.runfile import Clocks


class Stopwatch:
    """Counts the seconds of a run over all calls of `Sampler.run`.

    Attributes
    ----------
    clocks
        What was counted when it was looked at last.
    """

    def __init__(self) -> None:
        self.clocks = Clocks()
        self._before, self._started = 0.0, time.monotonic()

    def start(self) -> None:
        """Begin a call of `Sampler.run`."""
        self._before, self._started = self.clocks.elapsed, time.monotonic()

    def restore(self, clocks: Clocks) -> None:
        """Go on from what other processes counted; this call began before."""
        self.clocks, self._before = clocks, clocks.elapsed

    @property
    def seconds(self) -> float:
        """How long this call has taken."""
        return time.monotonic() - self._started

    def look(self) -> None:
        """Count the time until now."""
        self.clocks = replace(self.clocks, elapsed=self._before + self.seconds)

    def time(self, evaluate: Callable[[], Evaluation]) -> "TimedChunks":
        """Begin an evaluation, and count what is spent on beginning it and waiting for it."""
        start = time.monotonic()
        chunks = evaluate()
        self._waited(time.monotonic() - start)
        return TimedChunks(chunks, self._waited)

    def _waited(self, seconds: float) -> None:
        self.clocks = replace(self.clocks, likelihood=self.clocks.likelihood + seconds)


class TimedChunks:
    """Finished chunks of an evaluation, with the seconds spent waiting for each.

    Parameters
    ----------
    chunks
        The evaluation, under way.
    waited
        Is told the seconds.
    """

    def __init__(self, chunks: Evaluation, waited: Callable[[float], None]) -> None:
        self._chunks = chunks
        self._waited = waited

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Evaluated:
        start = time.monotonic()
        try:
            return next(self._chunks)
        finally:
            self._waited(time.monotonic() - start)

    def cancel(self) -> None:
        """Begin nothing more."""
        self._chunks.cancel()

    def close(self) -> None:
        """Give up what is not finished."""
        self._chunks.close()
