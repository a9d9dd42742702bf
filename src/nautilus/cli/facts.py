"""What a run file tells, as plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, final

from nautilus.loading import answer_of
from nautilus.result import join_findings, known_error, notes_of
from nautilus.run.config import Goal
from nautilus.run.state import RunState
from nautilus.run.support import current_config
from nautilus.runfile import Answer, Inspection, inspect_run
from nautilus.runfile.lock import fate_of, this_process


@final
@dataclass(frozen=True)
class Writer:
    """The process that has a run open, or had when it was killed.

    Parameters
    ----------
    host
        Name of its machine.
    pid
        Its number there.
    fate
        What became of it; unknown of processes on other machines and in other containers.
    """

    host: str
    pid: int
    fate: Literal["running", "ended", "unknown"]


@final
@dataclass(frozen=True, kw_only=True)
class Result:
    """What the complete stages say, or said some stages ago.

    Parameters
    ----------
    n_points
        Number of points that it is made of.
    discard_exploration
        Whether only those of the sampling phase count.
    log_z, log_z_err, n_eff, eta, tail_index
        See `nautilus.Posterior`.
    """

    n_points: int
    discard_exploration: bool
    log_z: float
    log_z_err: float
    n_eff: float
    eta: float
    tail_index: float


@final
@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a run file tells; names and meaning stay as they are from version to version.

    Parameters
    ----------
    path, n_bytes, n_rows, schema_version
        The file; its rows are as they were written.
    package, created
        Version of the package that began the run, and when, as ISO 8601 in universal time.
    seed, n_dim, n_live
        As for `nautilus.Sampler`.
    parameters, prior
        Names, and the prior in words.
    phase, n_stages, n_proposals
        See `nautilus.RunInformation`.
    n_points, n_complete, n_pending
        Points that were evaluated; how many of them belong to complete stages; points of the
        stage under way that are still to be evaluated.
    n_calls, n_saves
        Points for which the likelihood was called, tests and repetitions included; saves.
    result
        Evidence and effective sample size, or None before there are any.
    findings, notes
        See `nautilus.Posterior`.
    goal
        What `run` was asked to reach, or None.
    elapsed_seconds, likelihood_seconds, own_seconds, call_seconds
        Wall time of all processes that carried the run on; waiting for the likelihood; the rest;
        and time spent in calls, summed over workers.
    stop_reason
        Why the run stopped; empty while it goes on, and if its process was killed.
    writer
        The process that has it open, or was killed while it had; None if it was closed.
    """

    path: str
    n_bytes: int
    n_rows: int
    schema_version: int
    package: str
    created: str
    seed: int
    n_dim: int
    n_live: int
    parameters: tuple[str, ...]
    prior: tuple[str, ...]
    phase: str
    n_stages: int
    n_proposals: int
    n_points: int
    n_complete: int
    n_pending: int
    n_calls: int
    n_saves: int
    result: Result | None
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    goal: Goal | None
    elapsed_seconds: float
    likelihood_seconds: float
    own_seconds: float
    call_seconds: float
    stop_reason: str
    writer: Writer | None

    def to_json(self) -> Mapping[str, Any]:
        """Return plain values that JSON knows; what is not finite becomes None."""
        return {name: _for_json(value) for name, value in asdict(self).items()}


def read_facts(path: Path, *, computes: bool) -> Facts:
    """Return what a file tells; it is only read.

    Parameters
    ----------
    path
        The file.
    computes
        Whether the result is computed anew if points came in since it was stored.

    Raises
    ------
    CheckpointError
        If the file cannot be used.
    """
    found = inspect_run(path)
    saved = found.saved
    header, state, account = saved.header, saved.state, saved.account
    discards = account.goal is not None and account.goal.discard_exploration
    answer = answer_of(saved, discards, None) if computes else saved.answer
    clocks = account.clocks
    return Facts(
        path=str(path), n_bytes=found.n_pages * found.page_bytes, n_rows=found.n_rows,
        schema_version=found.version, package=header.package, created=header.created,
        seed=header.config.seed, n_dim=header.config.n_dim,
        n_live=current_config(header.config, state).n_live,
        parameters=header.parameters, prior=header.prior,
        phase=state.phase.value, n_stages=len(state.ledger.stages),
        n_proposals=len(state.proposals), n_points=state.n_like,
        n_complete=state.ledger.n_points,
        n_pending=0 if state.pending is None else len(state.pending.points) - state.pending.n_done,
        n_calls=account.counts.n_calls, n_saves=saved.written.n_saves,
        result=None if answer is None else _result(answer, state),
        findings=state.findings if answer is None else join_findings(state, answer),
        notes=notes_of(account.counts), goal=account.goal,
        elapsed_seconds=clocks.elapsed, likelihood_seconds=clocks.likelihood,
        own_seconds=max(clocks.elapsed - clocks.likelihood, 0.0),
        call_seconds=account.counts.seconds, stop_reason=account.stop_reason,
        writer=_writer(found),
    )  # fmt: skip


def _result(answer: Answer, state: RunState) -> Result:
    return Result(
        n_points=len(answer.log_weights), discard_exploration=answer.discard_exploration,
        log_z=answer.log_z, log_z_err=known_error(state, answer.log_z_err),
        n_eff=answer.n_eff, eta=answer.eta, tail_index=answer.tail_index,
    )  # fmt: skip


def _writer(found: Inspection) -> Writer | None:
    owner = found.owner
    if owner is None:
        return None
    return Writer(owner.host, owner.pid, fate_of(owner, this_process()))


def _for_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _for_json(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_for_json(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
