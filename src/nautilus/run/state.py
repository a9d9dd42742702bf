"""The values that a run consists of; nothing here is ever changed in place."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from nautilus._types import BlobArray, BoolArray, FloatArray, IntArray, RunTasks, freeze
from nautilus.proposal.base import Proposal
from nautilus.proposal.cube import CubeProposal

LOG_ZERO = -1e150
"""Smaller values, such as the most negative number, are meant as the logarithm of zero."""


class Phase(StrEnum):
    """What points were drawn for; decided before they are drawn."""

    EXPLORATION = "exploration"
    SAMPLING = "sampling"


@dataclass(frozen=True)
class Stage:
    """Points drawn from one mixture that was fixed before.

    Parameters
    ----------
    phase
        What the points were drawn for.
    counts
        How many points came from each proposal, shape (number of proposals at
        that time,). The first entry, that of the unit cube, is positive.
    """

    phase: Phase
    counts: IntArray

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def n_points(self) -> int:
        """Number of points of the complete stage."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Ledger:
    """Every evaluation of every complete stage, in the order of stages.

    Parameters
    ----------
    points
        Unit cube, shape (N, d).
    log_l
        Log-likelihood, shape (N,); minus infinity is legal.
    blobs
        What the likelihood returned besides, one entry per point, or None.
    stages
        The complete stages; their sizes sum to N.
    """

    points: FloatArray
    log_l: FloatArray
    blobs: BlobArray | None
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def n_points(self) -> int:
        """Number of evaluations N."""
        return len(self.log_l)

    @property
    def stage_of_point(self) -> IntArray:
        """Number of the stage of each point, shape (N,)."""
        return np.repeat(np.arange(len(self.stages)), [stage.n_points for stage in self.stages])

    @property
    def proposal_of_point(self) -> IntArray:
        """Number of the proposal that each point was drawn from, shape (N,)."""
        pieces = [np.repeat(np.arange(len(s.counts)), s.counts) for s in self.stages]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)

    def append(
        self, stage: Stage, points: FloatArray, log_l: FloatArray, blobs: BlobArray | None
    ) -> "Ledger":
        """Return a ledger with one more complete stage."""
        if blobs is None:
            joined = None
        else:
            joined = blobs if self.blobs is None else np.concatenate([self.blobs, blobs])
        return Ledger(
            np.concatenate([self.points, points]),
            np.concatenate([self.log_l, np.where(log_l < LOG_ZERO, -np.inf, log_l)]),
            joined,
            (*self.stages, stage),
        )


def empty_ledger(n_dim: int) -> Ledger:
    """Return the ledger of a run that has not begun."""
    return Ledger(np.empty((0, n_dim)), np.empty(0), None, ())


@dataclass(frozen=True)
class DensityTable:
    """Log density of the first K proposals at every point, shape (N, K).

    It follows from ledger and proposals and is kept only to save time. Every proposal that a
    complete stage was drawn from has its column; the newest ones may have none yet, because no
    weight depends on them.
    """

    log_q: FloatArray

    def __post_init__(self) -> None:
        freeze(self)

    def extend(
        self, ledger: Ledger, proposals: tuple[Proposal, ...], run_tasks: RunTasks
    ) -> "DensityTable":
        """Return the table for a longer ledger or more proposals.

        Densities are computed stage by stage, so that the arithmetic never sees
        another grouping of points, however the run was interrupted.
        """
        n_old, k_old = self.log_q.shape
        table = np.empty((ledger.n_points, len(proposals)))
        table[:n_old, :k_old] = self.log_q
        places, tasks, start = [], [], 0
        for stage in ledger.stages:
            rows = slice(start, start + stage.n_points)
            for k, proposal in enumerate(proposals):
                if start >= n_old or k >= k_old:
                    places.append((rows, k))
                    tasks.append((proposal, ledger.points[rows]))
            start += stage.n_points
        for (rows, k), values in zip(places, run_tasks(_log_density, tasks), strict=True):
            table[rows, k] = values
        return DensityTable(table)


def _log_density(proposal: Proposal, points: FloatArray) -> FloatArray:
    return proposal.log_density(points)


@dataclass(frozen=True)
class PendingStage:
    """A stage whose points are drawn but not all evaluated.

    Parameters
    ----------
    stage
        Its composition.
    points
        Unit cube, shape (n, d).
    log_l
        Log-likelihood where evaluated, shape (n,).
    blobs
        What the likelihood returned besides where evaluated, or None.
    is_done
        Which points are evaluated, shape (n,).
    """

    stage: Stage
    points: FloatArray
    log_l: FloatArray
    blobs: BlobArray | None
    is_done: BoolArray

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def n_done(self) -> int:
        """Number of evaluated points."""
        return int(self.is_done.sum())

    def fill(self, index: IntArray, log_l: FloatArray, blobs: BlobArray | None) -> "PendingStage":
        """Return the stage with some more points evaluated."""
        values, done, kept = self.log_l.copy(), self.is_done.copy(), self.blobs
        values[index], done[index] = log_l, True
        if blobs is not None:
            if kept is None:
                kept = np.zeros((len(values), *blobs.shape[1:]), blobs.dtype)
            else:
                kept = kept.astype(np.promote_types(kept.dtype, blobs.dtype))
            kept[index] = blobs
        return PendingStage(self.stage, self.points, values, kept, done)

    def split(self, n: int) -> tuple["PendingStage", "PendingStage"]:
        """Return the first n points and the others; all have to come from the cube."""
        parts = []
        for rows in (slice(0, n), slice(n, None)):
            blobs = None if self.blobs is None else self.blobs[rows]
            points, done = self.points[rows], self.is_done[rows]
            stage = Stage(self.stage.phase, np.array([len(points)]))
            parts.append(PendingStage(stage, points, self.log_l[rows], blobs, done))
        return parts[0], parts[1]


@dataclass(frozen=True)
class RunState:
    """A run between two steps.

    Parameters
    ----------
    ledger
        Complete stages.
    proposals
        All densities that points were or will be drawn from; the first is the cube.
    table
        Their densities at the points of the ledger. Those that complete stages were drawn from
        are always there; that of a proposal which only the pending stage is drawn from may be
        computed while its points are being evaluated.
    phase
        What the next stage is for.
    n_surprises
        Sampling stages that brought a surprise and re-opened exploration.
    n_rounds
        Stages with the posterior as target since the last contour or re-opening.
    n_detours
        Rounds with the posterior as target because the ladder had stalled, since the
        last surprise.
    pending
        The stage that is being evaluated, or None.
    findings
        What was noticed that says the result is not to be trusted.
    f_remaining
        Share of the evidence above the last cap, as far as known.
    n_live
        Effective points wanted inside each contour, if it was raised; None for the number that
        the run was configured with.
    n_before
        Number of stages from before it was raised.
    start_log_l
        Log-likelihood at the start points of the configuration, NaN where it is not known yet,
        shape (m,); empty before the run begins.
    """

    ledger: Ledger
    proposals: tuple[Proposal, ...]
    table: DensityTable
    phase: Phase = Phase.EXPLORATION
    n_surprises: int = 0
    n_rounds: int = 0
    n_detours: int = 0
    pending: PendingStage | None = None
    findings: tuple[str, ...] = ()
    f_remaining: float = 1.0
    n_live: int | None = None
    n_before: int = 0
    start_log_l: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def n_drawn(self) -> int:
        """Drawn points evaluated so far, those of an unfinished stage included."""
        return self.ledger.n_points + (self.pending.n_done if self.pending else 0)

    @property
    def n_like(self) -> int:
        """All points evaluated so far: start points too."""
        return self.n_drawn + int((~np.isnan(self.start_log_l)).sum())

    def with_first_points(self) -> "RunState":
        """Return the state with what is finished of the first stage as if that was a stage.

        For results at any moment, not to be carried on. Only the points before the first
        unfinished one count, so that those whose calls are quick are not preferred. Once a stage
        is complete this is the state itself.
        """
        pending = self.pending
        if pending is None or self.ledger.n_points > 0 or not pending.is_done[0]:
            return self
        n = len(pending.points) if pending.is_done.all() else int(np.argmin(pending.is_done))
        first, rest = pending.split(n)
        ledger = self.ledger.append(first.stage, first.points, first.log_l, first.blobs)
        return replace(self, ledger=ledger, table=DensityTable(np.zeros((n, 1))), pending=rest)

    @property
    def is_table_complete(self) -> bool:
        """Whether the densities of all proposals are known at all points of the ledger."""
        return self.table.log_q.shape == (self.ledger.n_points, len(self.proposals))

    def with_all_densities(self, run_tasks: RunTasks) -> "RunState":
        """Return the state with a complete table."""
        if self.is_table_complete:
            return self
        return replace(self, table=self.table.extend(self.ledger, self.proposals, run_tasks))


def new_state(n_dim: int) -> RunState:
    """Return the state of a run that has not begun."""
    return RunState(empty_ledger(n_dim), (CubeProposal(n_dim),), DensityTable(np.empty((0, 1))))
