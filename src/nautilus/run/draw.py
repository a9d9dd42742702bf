"""Draw the points of a stage from its mixture."""

import numpy as np

from nautilus._streams import stream
from nautilus._types import FloatArray, IntArray, RunTasks
from nautilus.proposal.base import Proposal

N_FRUITLESS_MAX = 10000
"""A proposal that gives no point in so many chunks is broken."""

N_CHUNKS_AHEAD = 64
"""Most chunks of one proposal that are asked for at once."""


def draw_stage(
    proposals: tuple[Proposal, ...],
    counts: IntArray,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> FloatArray:
    """Return counts[k] points from each proposal k, ordered by proposal.

    They are asked for in rounds, all proposals together, so that many workers find work.

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
    found = {int(k): list[FloatArray]() for k in np.flatnonzero(counts)}
    while asked := [
        (k, j) for k, chunks in found.items() for j in _next_chunks(k, int(counts[k]), chunks)
    ]:
        tasks = [(proposals[k], (*address, k, j)) for k, j in asked]
        for (k, _), points in zip(asked, run_tasks(_chunk, tasks), strict=True):
            found[k].append(points)
    return np.concatenate([np.concatenate(found[k])[: counts[k]] for k in found])


def _next_chunks(k: int, wanted: int, chunks: list[FloatArray]) -> range:
    """Return the numbers of the next chunks to ask proposal k for, none if it gave enough."""
    n_chunks, n_found = len(chunks), sum(map(len, chunks))
    if n_found >= wanted:
        return range(0)
    if n_chunks >= N_FRUITLESS_MAX * (n_found + 1):
        raise RuntimeError(f"proposal {k} gave {n_found} points in {n_chunks} chunks")
    missing = (wanted - n_found) * n_chunks / max(n_found, 1)
    return range(n_chunks, n_chunks + int(np.clip(np.ceil(missing), 1, N_CHUNKS_AHEAD)))


def _chunk(proposal: Proposal, address: tuple[int, int, int, int]) -> FloatArray:
    return proposal.chunk(stream(address[0], "draw", *address[1:]))
