"""Writing what is new of a state; all of it belongs into one transaction."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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

ToParameters = Callable[[FloatArray], FloatArray]
"""Turns points of the unit cube, shape (n, d), into physical parameters, shape (n, p)."""

SLAB_BYTES = 2**25
"""Points of a stage are written in rows of about this size: SQLite has none above a gigabyte."""


@dataclass(frozen=True)
class Written:
    """What a file holds, as the very objects of the state that was written or read last.

    Parameters
    ----------
    proposals
        In the order of their numbers.
    emulators
        Those that proposals share, in the order of their numbers.
    stages
        Complete ones and the pending one alike.
    n_parts
        Number of rows of results of each stage.
    n_parameters
        Number of stages, from the first on, of which the file has the parameters.
    n_saves
        Number of saves.
    mark
        Digest of the progress, by which a file is known to hold this and nothing newer.
    """

    proposals: tuple[Proposal, ...] = ()
    emulators: tuple[Emulator, ...] = ()
    stages: tuple[PendingStage, ...] = ()
    n_parts: tuple[int, ...] = ()
    n_parameters: int = 0
    n_saves: int = 0
    mark: bytes = b""


def stages_of(state: RunState) -> tuple[PendingStage, ...]:
    """Return all stages in the form of a pending one; of complete ones everything is done."""
    ledger, views, start = state.ledger, list[PendingStage](), 0
    for stage in ledger.stages:
        rows = slice(start, start + stage.n_points)
        blobs = None if ledger.blobs is None else ledger.blobs[rows]
        done = np.ones(stage.n_points, dtype=bool)
        views.append(PendingStage(stage, ledger.points[rows], ledger.log_l[rows], blobs, done))
        start = rows.stop
    return (*views, *([] if state.pending is None else [state.pending]))


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
    stages = stages_of(state)
    _require_growth(before, state.proposals, stages)
    if mark_of(connection) != before.mark:
        # An interrupt between a commit and its being noted: the file is ahead of what is known.
        before = _empty(connection, before)
    emulators = _write_proposals(connection, before, state.proposals)
    n_parts = tuple(
        _write_stage(connection, number, before, stage) for number, stage in enumerate(stages)
    )
    n_parameters = before.n_parameters
    if to_parameters is not None:
        for number in range(n_parameters, len(state.ledger.stages)):
            _write_parameters(connection, number, to_parameters(stages[number].points))
            n_parameters = number + 1
    if answer is not None:
        write_row(connection, "answer", 0, 0, answer)
    written = Written(
        state.proposals, emulators, stages, n_parts, n_parameters, before.n_saves + 1
    )  # fmt: skip
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
        n_stages=len(state.ledger.stages),
        is_pending=state.pending is not None,
        n_proposals=len(state.proposals),
        n_emulators=len(written.emulators),
        n_like=state.n_like,
        n_saves=written.n_saves,
        account=account,
    )


def _require_growth(
    before: Written, proposals: tuple[Proposal, ...], stages: tuple[PendingStage, ...]
) -> None:
    pairs = list(zip(before.stages, stages, strict=False))
    has_grown = (
        len(proposals) >= len(before.proposals)
        and len(stages) >= len(before.stages)
        and all(old is new for old, new in zip(before.proposals, proposals, strict=False))
        and all(old.stage is new.stage for old, new in pairs)
        and not any((old.is_done & ~new.is_done).any() for old, new in pairs)
    )
    if not has_grown:
        raise CheckpointMismatchError(
            "the state that is to be saved did not grow from the one in the file. Load the run and"
            " carry that state on, or save this one to another file."
        )


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


def _write_stage(
    connection: sqlite3.Connection, number: int, before: Written, stage: PendingStage
) -> int:
    """Write what is new of a stage, and return the number of its rows of results."""
    if number >= len(before.stages):
        write_row(connection, "stages", number, 0, stage.stage)
        for part, rows in enumerate(_slabs(stage.points, np.arange(len(stage.points)))):
            write_row(connection, "draws", number, part, Draws(stage.points[rows]))
        return _write_results(connection, number, 0, stage, np.flatnonzero(stage.is_done))
    old = before.stages[number]
    if _are_kept(old, stage):
        fresh = np.flatnonzero(stage.is_done & ~old.is_done)
        return _write_results(connection, number, before.n_parts[number], stage, fresh)
    connection.execute("DELETE FROM results WHERE number = ?", (number,))
    return _write_results(connection, number, 0, stage, np.flatnonzero(stage.is_done))


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


def _write_parameters(connection: sqlite3.Connection, number: int, array: FloatArray) -> None:
    for part, rows in enumerate(_slabs(array, np.arange(len(array)))):
        values = np.ascontiguousarray(array[rows], dtype=np.float64)
        write_row(connection, "parameters", number, part, Parameters(values))


def _slabs(entries: np.ndarray, rows: IntArray) -> Iterator[IntArray]:
    """Yield the numbers of entries in groups that are not too large for a row."""
    each = max(entries.nbytes // max(len(entries), 1), 1)
    n_most = max(SLAB_BYTES // each, 1)
    for start in range(0, len(rows), n_most):
        yield rows[start : start + n_most]
