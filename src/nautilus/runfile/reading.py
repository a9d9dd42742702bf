"""Reading a state back; everything is checked before it is believed."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from nautilus._types import FloatArray, RunTasks
from nautilus.emulator.emulator import Emulator
from nautilus.errors import CheckpointDamagedError
from nautilus.run.state import (
    DensityTable,
    RunState,
    Stage,
)
from nautilus.runfile.assembly import (
    fill_stage,
    join_ledger,
    join_parameters,
    join_points,
)
from nautilus.runfile.codec import Encoded, decode
from nautilus.runfile.consistency import (
    check_answer,
    check_counts,
    check_header,
    check_proposals,
    check_start_points,
    check_support,
)
from nautilus.runfile.header import RunHeader
from nautilus.runfile.record import Account, Answer, Draws, Parameters, Progress, Results
from nautilus.runfile.registry import PROPOSALS
from nautilus.runfile.schema import TABLES, Table, digest_of, pages_of
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
        Physical parameters of the first points that were drawn, shape (n, p); of all of the ledger
        but for those that the prior failed to give.
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
    """Return all rows; belongs into a transaction, so that they fit together.

    Raises
    ------
    CheckpointDamagedError
        If they are larger than the file, which rows that share pages could be by any factor.
    """
    rows, n_left = dict[Table, list[Row]](), math.prod(pages_of(connection))
    for table in TABLES:
        rows[table] = []
        for row in connection.execute(
            f"SELECT number, part, header, data, digest FROM {table}"  # noqa: S608 - names of ours
            " ORDER BY number, part"
        ):
            n_left -= len(row) + sum(len(entry) for entry in row if isinstance(entry, (str, bytes)))
            if n_left < 0:
                raise CheckpointDamagedError("its rows are larger than the file.")
            rows[table].append(row)
    return Raw(rows)


def build(raw: Raw) -> SavedRun:
    """Return what the rows say.

    Raises
    ------
    CheckpointDamagedError
        If they do not say anything that makes sense.
    """
    (header,) = raw.one_each("run", 1, (RunHeader,))
    check_header(header)
    (progress,) = raw.one_each("progress", 1, (Progress,))
    emulators = raw.one_each("emulators", progress.n_emulators, (Emulator,))
    proposals = raw.one_each("proposals", progress.n_proposals, PROPOSALS, emulators)
    n_dim = header.config.n_dim
    check_proposals(proposals, n_dim)
    if progress.n_stages < 0:
        raise CheckpointDamagedError(f"it has {progress.n_stages} stages.")
    n_all = progress.n_stages + int(progress.is_pending)
    check_support(progress, n_all)
    check_start_points(progress, header)
    stages = raw.one_each("stages", n_all, (Stage,))
    draws = _by_stage(raw.table("draws", (Draws,)), n_all)
    results = _results_by_stage(raw, n_all)
    views = []
    for number, stage in enumerate(stages):
        check_counts(stage, len(proposals))
        points = join_points(draws[number], stage.n_points, n_dim)
        views.append(fill_stage(stage, points, results[number]))
    complete, pending = views[: progress.n_stages], views[progress.n_stages :]
    state = RunState(
        join_ledger(complete, n_dim), proposals, DensityTable(np.empty((0, 1))), progress.phase,
        progress.n_surprises, progress.n_rounds, progress.n_detours,
        pending[0] if pending else None, progress.findings, progress.f_remaining,
        progress.n_live, progress.n_before, progress.start_log_l,
    )  # fmt: skip
    if state.n_like != progress.n_like:
        raise CheckpointDamagedError(f"it has {state.n_like} points, not {progress.n_like}.")
    stored = raw.table("parameters", (Parameters,))
    parameters = join_parameters(stored, views, len(header.parameters))
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


def _answer(raw: Raw, state: RunState) -> Answer | None:
    if not raw.rows["answer"]:
        return None
    (answer,) = raw.one_each("answer", 1, (Answer,))
    check_answer(answer, state.ledger)
    return answer  # type: ignore[no-any-return]


def _check_layout(account: Account, state: RunState) -> None:
    layout, blobs = account.layout, state.ledger.blobs
    if layout is None:
        return
    if blobs is None and state.pending is not None:
        blobs = state.pending.blobs
    try:
        shape, n_bytes = layout.shape, layout.dtype.itemsize
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise CheckpointDamagedError(f"its blobs have no layout ({error}).") from error
    is_strange = blobs is not None and (not layout.fields or shape != blobs.shape[1:])
    if n_bytes > ENTRY_MAX or is_strange:
        raise CheckpointDamagedError("its blobs are not as their layout says.")
