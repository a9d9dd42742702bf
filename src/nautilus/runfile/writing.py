"""Writing what is new of a state; all of it belongs into one transaction."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from operator import is_

import numpy as np

from nautilus._types import FloatArray, IntArray
from nautilus.emulator.emulator import Emulator
from nautilus.errors import CheckpointMismatchError
from nautilus.proposal.base import Proposal
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.state import PendingStage, RunState
from nautilus.runfile.codec import encode
from nautilus.runfile.record import Account, Answer, Draws, Parameters, Progress, Results
from nautilus.runfile.schema import TABLES, Table, digest_of
from nautilus.runfile.written import Written, blob_type_of

ToParameters = Callable[[FloatArray], FloatArray]
"""Turns points of the unit cube, shape (n, d), into physical parameters, shape (n, p)."""

SLAB_BYTES = 2**25
"""Points of a stage are written in rows of about this size: SQLite has none above a gigabyte."""

MERGED_BYTES = 2**16
"""Rows of results that are smaller than this on average become one when their stage is complete: a
row takes some hundred bytes beside its arrays, and wastes up to a page."""


def _stages_from(state: RunState, first: int) -> Iterator[PendingStage]:
    """Yield the stages from a number on as pending ones; of complete ones everything is done."""
    ledger = state.ledger
    start = ledger.n_points - sum(stage.n_points for stage in ledger.stages[first:])
    for stage in ledger.stages[first:]:
        rows = slice(start, start + stage.n_points)
        blobs = None if ledger.blobs is None else ledger.blobs[rows]
        done = np.ones(stage.n_points, dtype=bool)
        yield PendingStage(stage, ledger.points[rows], ledger.log_l[rows], blobs, done)
        start = rows.stop
    if state.pending is not None:
        yield state.pending


def write_row(
    connection: sqlite3.Connection,
    table: Table,
    number: int,
    part: int,
    value: object,
    parts: tuple[object, ...] = (),
) -> bytes:
    """Write one value and return its digest; a row of the same number and part is replaced."""
    encoded = encode(value, parts)
    digest = digest_of(table, number, part, encoded.header, encoded.data)
    connection.execute(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - a name of ours
        (number, part, encoded.header, encoded.data, digest),
    )
    return digest


def write_state(
    connection: sqlite3.Connection,
    before: Written,
    state: RunState,
    account: Account,
    to_parameters: ToParameters | None = None,
    answer: Answer | None = None,
) -> Written:
    """Write what a state has that the file has not, and return what the file then holds.

    Raises
    ------
    CheckpointMismatchError
        If the state did not grow from what the file holds.
    """
    _require_growth(before, state)
    if mark_of(connection) != before.mark:
        # An interrupt between a commit and its being noted: the file is ahead of what is known.
        before = _empty(connection, before)
    written = Written(
        state.proposals,
        _write_proposals(connection, before, state.proposals),
        state.ledger.stages,
        blob_type_of(state.ledger),
        state.pending,
        _write_stages(connection, before, state),
        _write_parameters(connection, before, state, to_parameters),
        before.n_saves + 1,
    )
    if answer is not None:
        write_row(connection, "answer", 0, 0, answer)
    mark = write_row(connection, "progress", 0, 0, _progress(state, account, written))
    return replace(written, mark=mark)


def mark_of(connection: sqlite3.Connection) -> bytes:
    """Return the digest of the progress in a file; empty if there is none."""
    row = connection.execute("SELECT digest FROM progress").fetchone()
    return bytes(row[0]) if row else b""


def _empty(connection: sqlite3.Connection, before: Written) -> Written:
    """Remove all that is not written only once, so that everything is written anew."""
    for table in TABLES:
        if table not in {"run", "answer"}:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
    return Written(n_saves=before.n_saves + 1)


def _progress(state: RunState, account: Account, written: Written) -> Progress:
    return Progress(
        phase=state.phase,
        n_surprises=state.n_surprises,
        n_rounds=state.n_rounds,
        n_detours=state.n_detours,
        findings=state.findings,
        f_remaining=state.f_remaining,
        n_live=state.n_live,
        n_before=state.n_before,
        start_log_l=state.start_log_l,
        n_stages=len(state.ledger.stages),
        is_pending=state.pending is not None,
        n_proposals=len(state.proposals),
        n_emulators=len(written.emulators),
        n_like=state.n_like,
        n_saves=written.n_saves,
        account=account,
    )


def _require_growth(before: Written, state: RunState) -> None:
    stages = state.ledger.stages
    n_complete, n_proposals = len(before.complete), len(before.proposals)
    has_grown = (
        _are_same(before.proposals, state.proposals[:n_proposals])
        and _are_same(before.complete, stages[:n_complete])
        and (before.pending is None or _has_grown(before.pending, n_complete, state))
    )
    if not has_grown:
        raise CheckpointMismatchError(
            "the state that is to be saved did not grow from the one in the file. Load the run and"
            " carry that state on, or save this one to another file."
        )


def _are_same(old: tuple[object, ...], new: tuple[object, ...]) -> bool:
    return len(old) == len(new) and all(map(is_, old, new))


def _has_grown(old: PendingStage, number: int, state: RunState) -> bool:
    """Tell whether a stage that was pending is still there with all that was known of it."""
    if number < len(state.ledger.stages):
        return state.ledger.stages[number] is old.stage
    new = state.pending
    return new is not None and new.stage is old.stage and not (old.is_done & ~new.is_done).any()


def _write_proposals(
    connection: sqlite3.Connection, before: Written, proposals: tuple[Proposal, ...]
) -> tuple[Emulator, ...]:
    emulators = before.emulators
    for number in range(len(before.proposals), len(proposals)):
        proposal = proposals[number]
        if isinstance(proposal, LearnedProposal) and not any(
            proposal.emulator is known for known in emulators
        ):
            write_row(connection, "emulators", len(emulators), 0, proposal.emulator)
            emulators = (*emulators, proposal.emulator)
        write_row(connection, "proposals", number, 0, proposal, emulators)
    return emulators


def _write_stages(connection: sqlite3.Connection, before: Written, state: RunState) -> int:
    """Write what is new of all stages, and return the number of rows of results of the last one.

    Complete stages stay as they are, unless longer texts made the type of their blobs another one.
    """
    n_complete, n_parts = len(before.complete), 0
    is_retyped = n_complete > 0 and before.blob_type != blob_type_of(state.ledger)
    first = 0 if is_retyped else n_complete
    for number, stage in enumerate(_stages_from(state, first), first):
        if number < n_complete:
            n_parts = _write_anew(connection, number, stage)
        elif number == n_complete and before.pending is not None:
            n_parts = _write_more(connection, number, before.pending, before.n_parts, stage)
        else:
            n_parts = _write_stage(connection, number, stage)
    return n_parts


def _write_stage(connection: sqlite3.Connection, number: int, stage: PendingStage) -> int:
    write_row(connection, "stages", number, 0, stage.stage)
    for part, rows in enumerate(_slabs(stage.points, np.arange(len(stage.points)))):
        write_row(connection, "draws", number, part, Draws(stage.points[rows]))
    return _write_results(connection, number, 0, stage, np.flatnonzero(stage.is_done))


def _write_more(
    connection: sqlite3.Connection, number: int, old: PendingStage, n_parts: int, new: PendingStage
) -> int:
    fresh = np.flatnonzero(new.is_done & ~old.is_done)
    if not _are_kept(old, new) or _is_scattered(new, n_parts + min(len(fresh), 1)):
        return _write_anew(connection, number, new)
    return _write_results(connection, number, n_parts, new, fresh)


def _write_anew(connection: sqlite3.Connection, number: int, stage: PendingStage) -> int:
    connection.execute("DELETE FROM results WHERE number = ?", (number,))
    return _write_results(connection, number, 0, stage, np.flatnonzero(stage.is_done))


def _is_scattered(stage: PendingStage, n_parts: int) -> bool:
    """Tell whether the results of a stage are complete, and in many rows that are small."""
    n_bytes = 2 * stage.log_l.nbytes + (0 if stage.blobs is None else stage.blobs.nbytes)
    return bool(n_parts > 1 and stage.is_done.all() and n_bytes < n_parts * MERGED_BYTES)


def _are_kept(old: PendingStage, new: PendingStage) -> bool:
    """Tell whether the results of a stage are as they were written.

    A complete stage has minus infinity where the likelihood returned a very negative number, and
    types of blobs become wider as blobs come.
    """
    done = old.is_done
    if not done.any():
        return True
    is_same_type = (old.blobs is None) == (new.blobs is None) and (
        old.blobs is None or new.blobs is None or old.blobs.dtype == new.blobs.dtype
    )
    return is_same_type and old.log_l[done].tobytes() == new.log_l[done].tobytes()


def _write_results(
    connection: sqlite3.Connection, number: int, part: int, stage: PendingStage, fresh: IntArray
) -> int:
    weighed = stage.log_l if stage.blobs is None else stage.blobs
    for rows in _slabs(weighed, fresh):
        blobs = None if stage.blobs is None else stage.blobs[rows]
        write_row(connection, "results", number, part, Results(rows, stage.log_l[rows], blobs))
        part += 1
    return part


def _write_parameters(
    connection: sqlite3.Connection,
    before: Written,
    state: RunState,
    to_parameters: ToParameters | None,
) -> int:
    """Write parameters, and return of how many stages the file has them.

    They are complete ones, and the first of all once there are points of it to be read.
    """
    if to_parameters is None:
        return before.n_parameters
    n_stages = max(len(state.ledger.stages), min(state.n_drawn, 1))
    new = islice(_stages_from(state, before.n_parameters), n_stages - before.n_parameters)
    for number, stage in enumerate(new, before.n_parameters):
        array = to_parameters(stage.points)
        for part, rows in enumerate(_slabs(array, np.arange(len(array)))):
            values = np.ascontiguousarray(array[rows], dtype=np.float64)
            write_row(connection, "parameters", number, part, Parameters(values))
    return n_stages


def _slabs(entries: np.ndarray, rows: IntArray) -> Iterator[IntArray]:
    """Yield the numbers of entries in groups that are not too large for a row."""
    each = max(entries.nbytes // max(len(entries), 1), 1)
    n_most = max(SLAB_BYTES // each, 1)
    for start in range(0, len(rows), n_most):
        yield rows[start : start + n_most]
