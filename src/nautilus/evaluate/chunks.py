"""Cutting a set of points into chunks."""

from collections import deque
from dataclasses import dataclass, replace

TARGET_SECONDS = 0.3
"""Time that a chunk of scalar calls should take: long beside sending it, short beside a stage."""
N_MOST = 5000
"""Points in one chunk of scalar calls at most, so that very cheap likelihoods are saved often."""


@dataclass(frozen=True)
class Chunk:
    """Points `start` to `stop` of the set.

    `has_payload` tells whether the likelihood travels with it, `n_lost` how often workers died over
    points among which these were.
    """

    start: int
    stop: int
    has_payload: bool = False
    n_lost: int = 0

    @property
    def n_points(self) -> int:
        """Number of points."""
        return self.stop - self.start


@dataclass(frozen=True)
class ChunkRule:
    """How large chunks are.

    Parameters
    ----------
    n_fixed
        Points in each chunk, or None to let the measured call time decide.
    n_workers
        Workers among which points are shared.
    seconds_per_call
        Measured time for one point, or None before the first call.
    """

    n_fixed: int | None
    n_workers: int
    seconds_per_call: float | None = None

    def measured(self, seconds: float, n_calls: int) -> "ChunkRule":
        """Return the rule after a chunk; older measurements count half as much with each newer."""
        if n_calls == 0:
            return self
        new = seconds / n_calls
        old = new if self.seconds_per_call is None else self.seconds_per_call
        return replace(self, seconds_per_call=0.5 * (old + new))

    def n_points(self, n_left: int) -> int:
        """Return the number of points in the next chunk when `n_left` are left."""
        if self.n_fixed is not None:
            return min(self.n_fixed, n_left)
        if self.seconds_per_call is None:
            return 1
        n_timely = int(min(TARGET_SECONDS / max(self.seconds_per_call, 1e-9), N_MOST))
        # Towards the end chunks get smaller, so that no worker waits long for the last one.
        n_fair = n_left if self.n_workers == 1 else -(-n_left // (2 * self.n_workers))
        return max(1, min(n_timely, n_fair))

    @property
    def n_ahead(self) -> int:
        """Number of chunks to have under way.

        One more per worker hides the time of sending; where calls are long this is not worth the
        longer wait after a cancellation.
        """
        is_long = (self.seconds_per_call or 0.0) * (self.n_fixed or 1) > TARGET_SECONDS
        return self.n_workers if self.n_workers == 1 or is_long else 2 * self.n_workers


class Cutter:
    """The chunks of one set of points that are still to be evaluated."""

    def __init__(self, n_points: int) -> None:
        self._n_points = n_points
        self._start = 0
        self._again: deque[Chunk] = deque()

    def next(self, rule: ChunkRule) -> Chunk | None:
        """Return the next chunk, or None when all are taken."""
        if self._again:
            return self._again.popleft()
        if self._start == self._n_points:
            return None
        start = self._start
        self._start += rule.n_points(self._n_points - start)
        return Chunk(start, self._start)

    def put_back(self, chunk: Chunk) -> None:
        """Let a chunk travel again."""
        self._again.append(replace(chunk, has_payload=False))

    def split(self, chunk: Chunk, n_lost: int) -> None:
        """Let the points of a chunk travel again, each by itself, as lost `n_lost` times."""
        self._again.extend(Chunk(i, i + 1, n_lost=n_lost) for i in range(chunk.start, chunk.stop))

    @property
    def is_empty(self) -> bool:
        """Whether all chunks are taken."""
        return not self._again and self._start == self._n_points
