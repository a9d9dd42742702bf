"""What a run tells about itself after each step."""

from dataclasses import dataclass
from math import isfinite, nan
from typing import Protocol, final

from nautilus._rows import html_of, text_of
from nautilus.errors import SettingsError
from nautilus.report.format import (
    format_count,
    format_count_range,
    format_duration,
    format_duration_range,
    format_log_z,
    format_number,
)

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
        Its standard error; NaN or infinite as long as it is not known: until a sampling stage
        stands.
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
        Fewest and most likelihood calls that are likely still to come; None if nothing can be
        said, because what was predicted lately did not agree.
    seconds_forecast
        The same in seconds.
    message
        What happened in this step, in a few words; often empty.
    findings
        Sentences that say why the result is not to be trusted, as far as is known now.
    log_level, log_volume
        Natural logarithms of the likelihood on the last contour of the exploration and of the
        prior volume inside; NaN before there is one.
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
    n_like_forecast: tuple[float, float] | None = None
    seconds_forecast: tuple[float, float] | None = None
    message: str = ""
    findings: tuple[str, ...] = ()
    log_level: float = nan
    log_volume: float = nan

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise SettingsError(f"phase is {self.phase!r}; expected one of {PHASES}.")

    @property
    def left(self) -> tuple[str, ...]:
        """The forecasts in words, calls before time; empty if there is none, or nothing left."""
        if self.n_like_forecast is None or self.n_like_forecast[1] < 1:
            return ()
        calls = f"{format_count_range(*self.n_like_forecast)} calls"
        if self.seconds_forecast is None:
            return (calls,)
        return calls, format_duration_range(*self.seconds_forecast)

    def __repr__(self) -> str:
        return text_of(*self._told())

    def _repr_html_(self) -> str:
        return html_of(*self._told())

    def _contour(self) -> str:
        if not isfinite(self.log_level):
            return ""
        return f"at log L = {self.log_level:.6g}, log V = {self.log_volume:.4g}"

    def _told(self) -> tuple[str, list[tuple[str, str]]]:
        waited = format_duration(self.likelihood_seconds)
        return "ProgressRecord", [
            ("phase", self.phase),
            ("proposals", format_count(self.n_proposals)),
            ("calls", format_count(self.n_like)),
            ("n_eff", f"{format_count(self.n_eff)} (eta {format_number(self.eta)})"),
            ("log Z", format_log_z(self.log_z, self.log_z_err)),
            ("f_live", format_number(self.f_live)),
            ("elapsed", f"{format_duration(self.elapsed_seconds)}, {waited} for the likelihood"),
            ("contour", self._contour()),
            ("left", " or ".join(self.left)),
            *(("finding", finding) for finding in self.findings),
            ("message", self.message),
        ]


class Reporter(Protocol):
    """Where progress goes."""

    def update(self, record: ProgressRecord) -> None:
        """Take the record of a step that has been committed."""

    def note(self, text: str) -> None:
        """Take a line or a table that stands on its own, such as the summary at the end."""

    def close(self) -> None:
        """Leave everything tidy; may be called more than once, and after an exception."""
