"""The normalisation of a learned proposal."""

from dataclasses import replace

import numpy as np

from nautilus._streams import stream
from nautilus._types import RunTasks
from nautilus.proposal.learned import CHUNK, LearnedProposal
from nautilus.proposal.settings import BuildSettings


def normalise(
    proposal: LearnedProposal,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> LearnedProposal:
    """Estimate A from numbered chunks of trials until its error is small enough."""
    total, squares, n = 0.0, 0.0, 0
    n_chunks = 2
    while True:
        tasks = [(proposal, (*address, j)) for j in range(n // CHUNK, n_chunks)]
        for first, second in run_tasks(_norm_chunk, tasks):
            total, squares, n = total + first, squares + second, n + CHUNK
        mean = total / n
        error = np.sqrt(max(squares / n - mean * mean, 0.0) / n) / mean
        if error <= settings.norm_error or n_chunks >= settings.n_norm_chunks_max:
            break
        wanted = n_chunks * (error / settings.norm_error) ** 2
        n_chunks = int(min(max(n_chunks + 1, np.ceil(wanted)), settings.n_norm_chunks_max))
    return replace(proposal, log_norm=float(np.log(mean)), log_norm_error=float(error))


def _norm_chunk(proposal: LearnedProposal, address: tuple[int, int, int]) -> tuple[float, float]:
    accept = proposal.acceptance(stream(address[0], "norm", *address[1:]))
    return float(accept.sum()), float((accept * accept).sum())
