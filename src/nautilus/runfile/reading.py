"""Reading a state back; everything is checked before it is believed."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from nautilus._types import BlobArray, FloatArray, RunTasks
from nautilus.emulator.emulator import Emulator
from nautilus.errors import CheckpointDamagedError
from nautilus.proposal.cube import CubeProposal
from nautilus.run.state import (
    DensityTable,
    Ledger,
    PendingStage,
    RunState,
    Stage,
    empty_ledger,
)
from nautilus.runfile.codec import Encoded, decode
from nautilus.runfile.header import RunHeader
from nautilus.runfile.record import Account, Answer, Draws, Parameters, Progress, Results
from nautilus.runfile.registry import PROPOSALS
from nautilus.runfile.schema import TABLES, Table, digest_of
from nautilus.runfile.written import Written, blob_type_of

Row = tuple[Any, ...]

ENTRY_MAX = 2**30
"""Bytes of a blob of one point, of which there are never so many."""


@dataclass(frozen=True)
class Raw:
    """All rows of a file, as they stand there, in the order of number and part."""

    rows: dict[Table, list[Row]]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(map(len, self.rows.values()))

    @property
    def n_bytes(self) -> int:
        """Bytes of headers and data; to be asked for once `build` has found that they are."""
        return sum(len(row[2]) + len(row[3]) for rows in self.rows.values() for row in rows)

    @property
    def mark(self) -> bytes:
        """The digest of the progress, of which `build` has found that it is there."""
        return bytes(self.rows["progress"][0][4])

    def table(
        self, table: Table, types: tuple[type[Any], ...], parts: Sequence[object] = ()
    ) -> list[list[Any]]:
        """Return the values of a table, those of all parts of a number together."""
        found: list[list[Any]] = []
        for number, part, header, data, digest in self.rows[table]:
            is_first = part == 0
            if (number, part) != ((len(found), 0) if is_first else self._next(found)):
                raise CheckpointDamagedError(f"row ({number}, {part}) of {table} is out of order.")
            checked = _check(table, number, part, header, data, digest)
            value = _decode(table, number, types, checked, parts)
            if is_first:
                found.append([value])
            else:
                found[-1].append(value)
        return found

    @staticmethod
    def _next(found: list[list[Any]]) -> tuple[int, int]:
        return (len(found) - 1, len(found[-1])) if found else (0, 0)

    def one_each(
        self, table: Table, n: int, types: tuple[type[Any], ...], parts: Sequence[object] = ()
    ) -> tuple[Any, ...]:
        """Return the values of a table that has so many rows, each of one part."""
        found = self.table(table, types, parts)
        if len(found) != n or any(len(entries) != 1 for entries in found):
            raise CheckpointDamagedError(f"table {table} has {len(found)} rows; expected {n}.")
        return tuple(entries[0] for entries in found)


@dataclass(frozen=True)
class SavedRun:
    """A run as it was saved last.

    Parameters
    ----------
    header
        Which run it is.
    state
        Complete and valid, but perhaps without its table of densities, which is not stored.
    account
        What is told beside.
    parameters
        Physical parameters of the first points of the ledger, shape (n, p); of all of them but
        for those that the prior failed to give.
    answer
        What the complete stages said when it was written last, or None.
    written
        What the file holds, for the next save.
    """

    header: RunHeader
    state: RunState
    account: Account
    parameters: FloatArray
    answer: Answer | None
    written: Written

    def with_densities(self, run_tasks: RunTasks) -> "SavedRun":
        """Return the run with the densities of all points under all proposals."""
        with threadpool_limits(1):  # the last digits depend on the number of threads
            return replace(self, state=self.state.with_all_densities(run_tasks))


def read_rows(connection: sqlite3.Connection) -> Raw:
    """Return all rows; belongs into a transaction, so that they fit together."""
    return Raw(
        {
            table: connection.execute(
                f"SELECT number, part, header, data, digest FROM {table}"  # noqa: S608 - names of ours
                " ORDER BY number, part"
            ).fetchall()
            for table in TABLES
        }
    )


def build(raw: Raw) -> SavedRun:
    """Return what the rows say.

    Raises
    ------
    CheckpointDamagedError
        If they do not say anything that makes sense.
    """
    (header,) = raw.one_each("run", 1, (RunHeader,))
    (progress,) = raw.one_each("progress", 1, (Progress,))
    emulators = raw.one_each("emulators", progress.n_emulators, (Emulator,))
    proposals = raw.one_each("proposals", progress.n_proposals, PROPOSALS, emulators)
    n_dim = header.config.n_dim
    if not proposals or proposals[0] != CubeProposal(n_dim):
        raise CheckpointDamagedError(f"its first proposal is not the cube of {n_dim} dimensions.")
    n_all = progress.n_stages + int(progress.is_pending)
    stages = raw.one_each("stages", n_all, (Stage,))
    draws = _by_stage(raw.table("draws", (Draws,)), n_all)
    results = _results_by_stage(raw, n_all)
    views = []
    for number, stage in enumerate(stages):
        _check_counts(stage, len(proposals))
        points = _join_points(draws[number], stage.n_points, n_dim)
        views.append(_fill(stage, points, results[number]))
    complete, pending = views[: progress.n_stages], views[progress.n_stages :]
    state = RunState(
        _join_ledger(complete, n_dim), proposals, DensityTable(np.empty((0, 1))), progress.phase,
        progress.n_surprises, progress.n_rounds, progress.n_detours,
        pending[0] if pending else None, progress.findings, progress.f_remaining,
    )  # fmt: skip
    if state.n_like != progress.n_like:
        raise CheckpointDamagedError(f"it has {state.n_like} points, not {progress.n_like}.")
    stored = raw.table("parameters", (Parameters,))
    parameters = _join_parameters(stored, complete, len(header.parameters))
    answer = _answer(raw, state)
    _check_layout(progress.account, state)
    written = Written(
        proposals, emulators, state.ledger.stages, blob_type_of(state.ledger), state.pending,
        len(results[-1]) if pending else 0, len(stored), progress.n_saves, raw.mark,
    )  # fmt: skip
    return SavedRun(header, state, progress.account, parameters, answer, written)


def _check(
    table: Table, number: object, part: object, header: object, data: object, digest: object
) -> Encoded:
    if (
        not isinstance(number, int)
        or not isinstance(part, int)
        or not isinstance(header, str)
        or not isinstance(data, bytes)
        or digest != digest_of(table, number, part, header, data)
    ):
        raise CheckpointDamagedError(f"row ({number}, {part}) of {table} is not as it was written.")
    return Encoded(header, data)


def _decode(
    table: Table,
    number: int,
    types: tuple[type[Any], ...],
    encoded: Encoded,
    parts: Sequence[object],
) -> Any:
    try:
        return decode(types, encoded, parts)
    except CheckpointDamagedError as error:
        raise CheckpointDamagedError(f"row {number} of {table}: {error}") from error


def _by_stage(found: list[list[Any]], n_stages: int) -> list[list[Any]]:
    if len(found) != n_stages:
        raise CheckpointDamagedError(f"it has points of {len(found)} stages; expected {n_stages}.")
    return found


def _results_by_stage(raw: Raw, n_stages: int) -> list[list[Results]]:
    """Return the results of each stage; the last one may have none yet."""
    found = raw.table("results", (Results,))
    return _by_stage(found if len(found) == n_stages else [*found, []], n_stages)


def _check_counts(stage: Stage, n_proposals: int) -> None:
    counts = stage.counts
    is_good = counts.ndim == 1 and 0 < len(counts) <= n_proposals
    if not is_good or counts.min() < 0 or counts[0] == 0 or counts.max() > 2**40:
        raise CheckpointDamagedError(f"a stage has the counts {counts.tolist()}.")


def _join_points(draws: list[Draws], n_points: int, n_dim: int) -> FloatArray:
    if any(part.points.ndim != 2 or part.points.shape[1] != n_dim for part in draws):
        raise CheckpointDamagedError(f"points of a stage have not {n_dim} dimensions.")
    points = _joined([part.points for part in draws])
    if len(points) != n_points:
        raise CheckpointDamagedError(f"a stage has {len(points)} points; expected {n_points}.")
    return points


def _fill(stage: Stage, points: FloatArray, parts: list[Results]) -> PendingStage:
    """Return a stage with all results that were saved."""
    n = len(points)
    log_l, is_done = np.full(n, np.nan), np.zeros(n, dtype=bool)
    blobs = _empty_blobs(parts, n)
    for part in parts:
        rows = part.rows
        is_good = rows.ndim == 1 and part.log_l.shape == rows.shape and len(rows) > 0
        if not is_good or rows.min() < 0 or rows.max() >= n or is_done[rows].any():
            raise CheckpointDamagedError("results of a stage do not belong to its points.")
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
    return np.zeros((n_points, *entry[0]), entry[1])


def _join_parameters(
    stored: list[list[Any]], stages: list[PendingStage], n_columns: int
) -> FloatArray:
    if len(stored) > len(stages):
        raise CheckpointDamagedError(f"it has parameters of {len(stored)} stages.")
    joined = [np.empty((0, n_columns))]
    for parts, stage in zip(stored, stages, strict=False):
        if any(part.array.ndim != 2 or part.array.shape[1] != n_columns for part in parts):
            raise CheckpointDamagedError(f"points of a stage have not {n_columns} parameters.")
        array = _joined([part.array for part in parts])
        if len(array) != len(stage.points):
            raise CheckpointDamagedError(f"a stage has parameters of {len(array)} points.")
        joined.append(array)
    return np.concatenate(joined)


def _joined(pieces: list[FloatArray]) -> FloatArray:
    """Return one array; most have one piece, and all of them together may fill the memory."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _answer(raw: Raw, state: RunState) -> Answer | None:
    if not raw.rows["answer"]:
        return None
    (answer,) = raw.one_each("answer", 1, (Answer,))
    weights = answer.log_weights
    if weights.ndim != 1 or len(weights) > state.ledger.n_points:
        raise CheckpointDamagedError(f"it has weights of shape {weights.shape}.")
    return answer  # type: ignore[no-any-return]


def _check_layout(account: Account, state: RunState) -> None:
    layout, blobs = account.layout, state.ledger.blobs
    if layout is None:
        return
    try:
        shape, n_bytes = layout.shape, layout.dtype.itemsize
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise CheckpointDamagedError(f"its blobs have no layout ({error}).") from error
    is_strange = blobs is not None and (not layout.fields or shape != blobs.shape[1:])
    if n_bytes > ENTRY_MAX or is_strange:
        raise CheckpointDamagedError("its blobs are not as their layout says.")


def _join_ledger(stages: list[PendingStage], n_dim: int) -> Ledger:
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
