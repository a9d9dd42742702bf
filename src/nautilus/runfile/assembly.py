"""From the rows of a run file to stages and the ledger."""

from typing import Any

import numpy as np

from nautilus._types import BlobArray, FloatArray
from nautilus.errors import CheckpointDamagedError, CheckpointError
from nautilus.run.state import Ledger, PendingStage, Stage, empty_ledger
from nautilus.runfile.consistency import check_log_l, check_points
from nautilus.runfile.record import Draws, Results


def join_points(draws: list[Draws], n_points: int, n_dim: int) -> FloatArray:
    """Return the points of a stage, shape (n, d), in the order in which they were drawn."""
    if any(part.points.ndim != 2 or part.points.shape[1] != n_dim for part in draws):
        raise CheckpointDamagedError(f"points of a stage do not have {n_dim} dimensions.")
    points = _joined([part.points for part in draws])
    if len(points) != n_points:
        raise CheckpointDamagedError(f"a stage has {len(points)} points; expected {n_points}.")
    check_points(points)
    return points


def fill_stage(stage: Stage, points: FloatArray, parts: list[Results]) -> PendingStage:
    """Return a stage with all results that were saved."""
    n = len(points)
    log_l, is_done = np.full(n, np.nan), np.zeros(n, dtype=bool)
    blobs = _empty_blobs(parts, n)
    for part in parts:
        rows = part.rows
        is_good = rows.ndim == 1 and part.log_l.shape == rows.shape and len(rows) > 0
        if not is_good or rows.min() < 0 or rows.max() >= n or is_done[rows].any():
            raise CheckpointDamagedError("results of a stage do not belong to its points.")
        check_log_l(part.log_l)
        log_l[rows], is_done[rows] = part.log_l, True
        if blobs is not None:
            blobs[rows] = part.blobs
    if is_done.sum() != sum(len(part.rows) for part in parts):
        raise CheckpointDamagedError("results of a stage occur twice.")
    return PendingStage(stage, points, log_l, blobs, is_done)


def _empty_blobs(parts: list[Results], n_points: int) -> BlobArray | None:
    """Return blobs for all points of a stage, zero where nothing is known yet."""
    if not parts or all(part.blobs is None for part in parts):
        return None
    given = [part.blobs for part in parts if part.blobs is not None]
    entry = (given[0].shape[1:], given[0].dtype)
    alike = all((blobs.shape[1:], blobs.dtype) == entry for blobs in given)
    if (
        len(given) < len(parts)
        or not alike
        or any(blobs.shape[:1] != part.rows.shape for blobs, part in zip(given, parts, strict=True))
    ):
        raise CheckpointDamagedError("blobs of a stage do not fit together.")
    try:
        return np.zeros((n_points, *entry[0]), entry[1])
    except (MemoryError, ValueError) as error:  # of points that are not evaluated yet
        raise CheckpointError(f"blobs of a stage cannot be held ({error}).") from error


def join_parameters(
    stored: list[list[Any]], stages: list[PendingStage], n_columns: int
) -> FloatArray:
    """Return the parameters of the first stages that were drawn, shape (m, p)."""
    if len(stored) > len(stages):
        raise CheckpointDamagedError(f"it has parameters of {len(stored)} stages.")
    joined = [np.empty((0, n_columns))]
    for parts, stage in zip(stored, stages, strict=False):
        if any(part.array.ndim != 2 or part.array.shape[1] != n_columns for part in parts):
            raise CheckpointDamagedError(f"points of a stage do not have {n_columns} parameters.")
        array = _joined([part.array for part in parts])
        if len(array) != len(stage.points):
            raise CheckpointDamagedError(f"a stage has parameters of {len(array)} points.")
        joined.append(array)
    return np.concatenate(joined)


def _joined(pieces: list[FloatArray]) -> FloatArray:
    """Return one array; most have one piece, and all of them together may fill the memory."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def join_ledger(stages: list[PendingStage], n_dim: int) -> Ledger:
    """Return the ledger of complete stages."""
    if not all(stage.is_done.all() for stage in stages):
        raise CheckpointDamagedError("a complete stage lacks results.")
    if not stages:
        return empty_ledger(n_dim)
    return Ledger(
        np.concatenate([stage.points for stage in stages]),
        np.concatenate([stage.log_l for stage in stages]),
        _join_blobs([stage.blobs for stage in stages]),
        tuple(stage.stage for stage in stages),
    )


def _join_blobs(pieces: list[BlobArray | None]) -> BlobArray | None:
    given = [piece for piece in pieces if piece is not None]
    if not given:
        return None
    first = given[0]
    alike = all((b.shape[1:], b.dtype) == (first.shape[1:], first.dtype) for b in given)
    if len(given) < len(pieces) or not alike:
        raise CheckpointDamagedError("blobs of stages do not fit together.")
    # Joining might choose another byte order.
    joined = np.empty((sum(map(len, given)), *first.shape[1:]), first.dtype)
    np.concatenate(given, out=joined)
    return joined
