"""What is written beside the algorithm's own values, and what is read back."""

from dataclasses import dataclass, field

from nautilus._types import BlobArray, FloatArray, IntArray, freeze
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.counts import Counts
from nautilus.run.config import Goal
from nautilus.run.detection import DetectionLimit
from nautilus.run.state import Phase


@dataclass(frozen=True)
class Clocks:
    """Seconds spent on a run so far, by all processes that carried it on.

    Parameters
    ----------
    elapsed
        From beginning to end.
    likelihood
        Of these, waiting for the likelihood.
    """

    elapsed: float = 0.0
    likelihood: float = 0.0


@dataclass(frozen=True)
class Account:
    """Bookkeeping of a run beside its state.

    Parameters
    ----------
    clocks
        Seconds spent so far.
    counts
        What the likelihood was asked for so far.
    layout
        Layout of the blobs; None before the likelihood was called.
    goal
        What the run was to reach when it was carried on last, or None.
    stop_reason
        Why it stopped then; empty while it goes on, and if its process was killed.
    """

    clocks: Clocks = field(default_factory=Clocks)
    counts: Counts = field(default_factory=Counts)
    layout: BlobLayout | None = None
    goal: Goal | None = None
    stop_reason: str = ""


@dataclass(frozen=True)
class Answer:
    """What the complete stages say; may be older than the last of them.

    Parameters
    ----------
    log_weights
        Normalised weights of the first N points of the ledger, shape (N,).
    log_z, log_z_err, n_eff, eta, tail_index, findings
        See `nautilus.Posterior`.
    discard_exploration
        Whether only points of the sampling phase count.
    detection_limit
        How large a part could have been missed.
    """

    log_weights: FloatArray
    log_z: float
    log_z_err: float
    n_eff: float
    eta: float
    tail_index: float
    findings: tuple[str, ...]
    discard_exploration: bool
    detection_limit: DetectionLimit

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class Progress:
    """Where a run stands, and how much of everything belongs to it.

    Parameters
    ----------
    phase, n_surprises, n_rounds, n_detours, findings, f_remaining, n_live, n_before,
    start_log_l
        See `nautilus.run.state.RunState`.
    n_stages
        Number of complete stages.
    is_pending
        Whether one more stage is being evaluated.
    n_proposals, n_emulators
        Numbers of proposals, and of emulators that they share.
    n_like
        Number of evaluated points, those of an unfinished stage included.
    n_saves
        Number of times that the run was saved.
    account
        What is told beside.
    """

    phase: Phase
    n_surprises: int
    n_rounds: int
    n_detours: int
    findings: tuple[str, ...]
    f_remaining: float
    n_live: int | None
    n_before: int
    start_log_l: FloatArray
    n_stages: int
    is_pending: bool
    n_proposals: int
    n_emulators: int
    n_like: int
    n_saves: int
    account: Account

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class Draws:
    """Points of a stage in the unit cube, shape (m, d), in the order in which they were drawn."""

    points: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class Parameters:
    """Physical parameters of points of a stage, shape (m, p), in the same order."""

    array: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class Results:
    """What the likelihood returned for some points of a stage.

    Parameters
    ----------
    rows
        Numbers of the points within the stage, shape (m,).
    log_l
        Log-likelihood, shape (m,).
    blobs
        What it returned besides, one entry per point, or None.
    """

    rows: IntArray
    log_l: FloatArray
    blobs: BlobArray | None

    def __post_init__(self) -> None:
        freeze(self)
