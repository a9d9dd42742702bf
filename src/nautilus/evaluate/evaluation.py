"""Points on their way, as their owner sees them."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Self

import numpy as np

from nautilus._types import BlobArray, FloatArray, IntArray
from nautilus.evaluate.batch import Batch, Results


@dataclass(frozen=True)
class Evaluated:
    """A finished chunk.

    Parameters
    ----------
    index
        Which of the points, shape (m,).
    log_l
        Natural logarithm of the likelihood, shape (m,), finite or -inf.
    blobs
        One entry per point, shape (m, ...), or None if the likelihood returns none.
    """

    index: IntArray
    log_l: FloatArray
    blobs: BlobArray | None


class Evaluation:
    """Finished parts of a batch, in the order in which they come.

    Parameters
    ----------
    batch
        The points, some of which are under way.
    results
        Yields what is finished.
    """

    def __init__(self, batch: Batch, results: Generator[Results, None, None]) -> None:
        self._batch = batch
        self._results = results

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Evaluated:
        while True:
            found = [pair for pair in next(self._results) if len(pair[1].index)]
            if found:
                return _joined(found)

    def cancel(self) -> None:
        """Start no more calls: what ends soon is still returned, then iteration stops."""
        self._batch.cancel()

    def close(self) -> None:
        """Give up what is not finished."""
        self._results.close()


def _joined(results: Results) -> Evaluated:
    blobs = [result.blobs for _, result in results if result.blobs is not None]
    return Evaluated(
        np.concatenate([chunk.start + result.index for chunk, result in results]),
        np.concatenate([result.log_l for _, result in results]),
        np.concatenate(blobs) if blobs else None,
    )
