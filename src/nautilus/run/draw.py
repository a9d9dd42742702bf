"""Draw the points of a stage from its mixture."""

import numpy as np

from nautilus._streams import stream
from nautilus._types import FloatArray, IntArray, RunTasks
from nautilus.proposal.base import Proposal

N_FRUITLESS_MAX = 10000
"""A proposal that gives no point in so many chunks is broken."""

N_CHUNKS_AHEAD = 64
"""Most chunks that are asked for at once."""


def draw_stage(
    proposals: tuple[Proposal, ...],
    counts: IntArray,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> FloatArray:
    """Return counts[k] points from each proposal k, ordered by proposal.

    Parameters
    ----------
    proposals
        One for each count.
    counts
        Points wanted of each, shape (K,).
    address
        Seed of the run and number of the stage; proposal and chunk complete it.
    run_tasks
        Draws chunks elsewhere; how many it is given at once changes nothing.
    """
    pieces = []
    for k in np.flatnonzero(counts):
        wanted, found, n_chunks = int(counts[k]), list[FloatArray](), 0
        n_found, batch = 0, 1
        while n_found < wanted:
            if n_chunks >= N_FRUITLESS_MAX * (n_found + 1):
                raise RuntimeError(f"proposal {k} gave {n_found} points in {n_chunks} chunks")
            tasks = [
                (proposals[k], (*address, int(k), j)) for j in range(n_chunks, n_chunks + batch)
            ]
            found += run_tasks(_chunk, tasks)
            n_chunks += batch
            n_found = sum(map(len, found))
            missing = (wanted - n_found) * n_chunks / max(n_found, 1)
            batch = int(np.clip(np.ceil(missing), 1, N_CHUNKS_AHEAD))
        pieces.append(np.concatenate(found)[:wanted])
    return np.concatenate(pieces)


def _chunk(proposal: Proposal, address: tuple[int, int, int, int]) -> FloatArray:
    return proposal.chunk(stream(address[0], "draw", *address[1:]))
