"""What is written beside the algorithm's own values, and what is read back."""

from dataclasses import dataclass

from nautilus._types import BlobArray, FloatArray, IntArray, freeze
from nautilus.run.state import Phase, RunState
from nautilus.runfile.header import RunHeader


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
class Progress:
    """Where a run stands, and how much of everything belongs to it.

    Parameters
    ----------
    phase, n_surprises, n_rounds, n_detours, findings, f_remaining
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
    clocks
        Seconds spent so far.
    """

    phase: Phase
    n_surprises: int
    n_rounds: int
    n_detours: int
    findings: tuple[str, ...]
    f_remaining: float
    n_stages: int
    is_pending: bool
    n_proposals: int
    n_emulators: int
    n_like: int
    n_saves: int
    clocks: Clocks


@dataclass(frozen=True)
class Draws:
    """Points of a stage in the unit cube, shape (m, d), in the order in which they were drawn."""

    points: FloatArray

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


@dataclass(frozen=True)
class SavedRun:
    """A run as it was saved last.

    Parameters
    ----------
    header
        Which run it is.
    state
        Complete and valid; its table of densities was computed anew.
    clocks
        Seconds spent so far.
    """

    header: RunHeader
    state: RunState
    clocks: Clocks
