"""One set of points on its way through the workers."""

import math
from contextlib import suppress

import numpy as np

from nautilus._types import FloatArray
from nautilus.evaluate.answers import place_of
from nautilus.evaluate.backends import was_signalled
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.calls import ChunkResult, timed_out_chunk
from nautilus.evaluate.chunks import Chunk, ChunkRule, Cutter
from nautilus.evaluate.flight import N_RETRIES, Loss
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.limit import ENDING_SECONDS
from nautilus.evaluate.parameters import physical_of, row_of

Results = list[tuple[Chunk, ChunkResult]]
"""Finished chunks."""


class Batch:
    """Points to be evaluated, and which of them no worker has yet.

    Parameters
    ----------
    likelihood
        What they are evaluated with.
    points
        Points in the unit cube, shape (n, d).
    layout
        Layout of the blobs, or None if these points are to tell it.
    test_rule
        How they are cut if this is the test before a run, otherwise None.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        points: FloatArray,
        layout: BlobLayout | None,
        test_rule: ChunkRule | None = None,
    ) -> None:
        self._likelihood = likelihood
        self._points = points
        self._test_rule = test_rule
        self._cutter = Cutter(len(points))
        self._rescued: Results = []
        self.layout = layout
        self.is_cancelled = False

    @property
    def is_test(self) -> bool:
        """Whether this is the test before a run."""
        return self._test_rule is not None

    @property
    def is_taken(self) -> bool:
        """Whether there are no more chunks to take."""
        return self._cutter.is_empty

    def take(self, rule: ChunkRule) -> Chunk | None:
        """Return the next chunk, or None when all are taken."""
        return self._cutter.next(self._test_rule or rule)

    def put_back(self, chunk: Chunk) -> None:
        """Let a chunk travel again."""
        self._cutter.put_back(chunk)

    def points_of(self, chunk: Chunk) -> FloatArray:
        """Return the points of a chunk, shape (m, d)."""
        return self._points[chunk.start : chunk.stop]

    def describe(self, chunk: Chunk) -> str:
        """Say in words which points a chunk has."""
        points = self.points_of(chunk)
        place = f"at {np.array2string(points[0], separator=', ')} in the unit cube"
        with suppress(Exception):  # the prior's, while another error is being described
            place = place_of(row_of(physical_of(self._likelihood, points[:1]), 0), points[0])
        if len(points) == 1:
            return f"1 point, {place}"
        return f"{len(points)} points, the first of them {place}"

    def rescue(self, loss: Loss[Chunk]) -> bool:
        """Look for the one point over which workers die, and see to it if its call hung.

        Returns
        -------
        bool
            Whether the loss needs no error: points of a chunk are tried one by one, and a call
            that was ended with its worker has a result, which `rescued` returns.
        """
        chunk, limit = loss.job.key, self._likelihood.call_timeout or math.inf
        if chunk.n_points > 1 and not self._likelihood.vectorized:
            self._cutter.split(chunk, N_RETRIES)
            return True
        # No pool says why a worker ended; one that hung ended so long after its start at least, and
        # not by a signal.
        is_hang = loss.seconds > limit + ENDING_SECONDS and not was_signalled(loss.error)
        if chunk.n_points > 1 or not is_hang:
            return False
        point = self.points_of(chunk)
        result = timed_out_chunk(self._likelihood, point, self.layout, loss.seconds)
        self._rescued.append((chunk, result))
        return True

    def cancel(self) -> None:
        """Let no more chunks travel; what is under way may come back if it does soon."""
        self.is_cancelled = True

    def rescued(self) -> Results:
        """Return and forget results of calls that were ended with their workers."""
        results, self._rescued = self._rescued, []
        return results
