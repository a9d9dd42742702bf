"""What a run tells about itself after each step."""

from dataclasses import dataclass
from typing import Protocol, final

from nautilus.errors import SettingsError

EXPLORATION = "exploration"
SAMPLING = "sampling"
PHASES = (EXPLORATION, SAMPLING)


@final
@dataclass(frozen=True, slots=True)
class ProgressRecord:
    """The state of a run in a few numbers; what a user's ``callback`` receives.

    Attributes
    ----------
    phase
        ``"exploration"`` or ``"sampling"``.
    n_proposals
        Densities that points have been drawn from so far.
    n_like
        Likelihood calls so far, those of earlier runs that were continued included.
    n_eff
        Effective sample size of the points that count for the answer.
    log_z
        Natural logarithm of the evidence; -inf as long as no point has any likelihood.
    log_z_err
        Its standard error; NaN or infinite as long as it is not known.
    f_live
        Estimated share of the evidence above the cap of the last contour, between 0 and 1.
    eta
        Effective sample size per likelihood call.
    elapsed_seconds
        Wall time of the run; it never decreases while one reporter is in use.
    likelihood_seconds
        Wall time spent waiting for the likelihood.
    own_seconds
        Wall time spent by the sampler itself.
    n_like_forecast
        Likelihood calls that are still to come, or None if there is no forecast.
    seconds_forecast
        Seconds that are still to come, or None if there is no forecast.
    message
        What happened in this step, in a few words; often empty.
    """

    phase: str
    n_proposals: int
    n_like: int
    n_eff: float
    log_z: float
    log_z_err: float
    f_live: float
    eta: float
    elapsed_seconds: float
    likelihood_seconds: float
    own_seconds: float
    n_like_forecast: float | None = None
    seconds_forecast: float | None = None
    message: str = ""

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise SettingsError(f"phase is {self.phase!r}; expected one of {PHASES}.")


class Reporter(Protocol):
    """Where progress goes."""

    def update(self, record: ProgressRecord) -> None:
        """Take the record of a step that has been committed."""

    def note(self, text: str) -> None:
        """Take a line or a table that stands on its own, such as the summary at the end."""

    def close(self) -> None:
        """Leave everything tidy; may be called more than once, and after an exception."""
