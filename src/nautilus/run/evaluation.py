"""What the loop asks of whoever evaluates points."""

from collections.abc import Callable, Iterator
from typing import Protocol

from nautilus._types import BlobArray, FloatArray, IntArray


class Chunk(Protocol):
    """Part of a stage that was evaluated."""

    @property
    def index(self) -> IntArray:
        """Which points."""
        ...

    @property
    def log_l(self) -> FloatArray:
        """Their log-likelihood."""
        ...

    @property
    def blobs(self) -> BlobArray | None:
        """What the likelihood returned besides."""
        ...


class Chunks(Protocol):
    """Parts of a stage in the order in which they are finished."""

    def __iter__(self) -> Iterator[Chunk]:
        """Return an iterator, which waits for chunks."""
        ...

    def cancel(self) -> None:
        """Begin nothing more; what is finished soon is still returned, then iteration stops."""
        ...

    def close(self) -> None:
        """Give up what is not finished; may come before the first chunk was asked for."""
        ...


Evaluate = Callable[[FloatArray], Chunks]
"""Evaluates points of shape (n, d). The call itself gets the first chunks under way, so that
other work can be done while workers evaluate; iteration keeps them busy."""
