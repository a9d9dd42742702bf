"""Points that the user knows: evaluated first, for orientation only."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

import numpy as np

from nautilus._types import FloatArray
from nautilus.run.config import Config
from nautilus.run.evaluation import Evaluate
from nautilus.run.state import LOG_ZERO, RunState


def n_start_points_left(state: RunState, config: Config) -> int:
    """Return how many of them are not evaluated yet."""
    return len(config.start_points) - int((~np.isnan(state.start_log_l)).sum())


def fill_start_points(
    state: RunState,
    config: Config,
    n_most: int,
    evaluate: Evaluate,
    is_over: Callable[[], bool],
) -> Generator[RunState, None, None]:
    """Evaluate up to `n_most` of those that are left; blobs there are not kept."""
    log_l = np.full(len(config.start_points), np.nan)
    log_l[: len(state.start_log_l)] = state.start_log_l
    missing = np.flatnonzero(np.isnan(log_l))[:n_most]
    if len(missing) == 0:
        return
    with closing(evaluate(np.array(config.start_points)[missing])) as chunks:
        for chunk in chunks:
            log_l = log_l.copy()
            log_l[missing[chunk.index]] = np.where(chunk.log_l < LOG_ZERO, -np.inf, chunk.log_l)
            state = replace(state, start_log_l=log_l)
            yield state
            if is_over():
                chunks.cancel()


def start_points_above(
    state: RunState, config: Config, log_level: float
) -> tuple[FloatArray, FloatArray]:
    """Return those with a log L above a level, shape (m, d), and their log L, shape (m,)."""
    is_above = state.start_log_l > log_level
    points = np.array(config.start_points).reshape(-1, config.n_dim)
    return points[: len(is_above)][is_above], state.start_log_l[is_above]
