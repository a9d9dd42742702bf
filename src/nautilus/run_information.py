"""What is known of a run beside its result."""

from dataclasses import dataclass
from typing import final

from nautilus._rows import html_of, text_of


@final
@dataclass(frozen=True, kw_only=True)
class RunInformation:
    """What is known of a run beside its result.

    Attributes
    ----------
    n_dim
        Dimensions of the unit cube.
    n_live
        Effective number of points that contours of the exploration hold inside.
    phase
        What the run was doing last: "exploration" or "sampling".
    n_stages
        Complete stages.
    n_proposals
        Densities that points were drawn from, the prior included.
    n_exploration
        Points that were evaluated in the exploration.
    n_calls
        Points for which the likelihood was called, tests and repetitions included.
    elapsed_seconds
        Wall time, over all processes that carried the run on.
    likelihood_seconds
        Of these, the seconds spent waiting for the likelihood.
    call_seconds
        Time spent in calls of the likelihood, summed over workers.
    prior
        The prior in words, ``"name: distribution"``.
    package
        Version of this package that began the run.
    created
        When it began, as ISO 8601 in universal time; empty if it is not kept in a file.
    """

    n_dim: int
    n_live: int
    phase: str
    n_stages: int
    n_proposals: int
    n_exploration: int
    n_calls: int
    elapsed_seconds: float
    likelihood_seconds: float
    call_seconds: float
    prior: tuple[str, ...]
    package: str
    created: str

    def __repr__(self) -> str:
        return text_of(*self._told())

    def _repr_html_(self) -> str:
        return html_of(*self._told())

    def _told(self) -> tuple[str, list[tuple[str, str]]]:
        begun = f"{self.created}, by " if self.created else ""
        return "RunInformation", [
            ("dimensions", f"{self.n_dim}"),
            ("n_live", f"{self.n_live:,}"),
            ("phase", self.phase),
            ("stages", f"{self.n_stages} complete, from {self.n_proposals} proposals"),
            ("exploration", f"{self.n_exploration:,} points"),
            ("calls", f"{self.n_calls:,}, tests and repetitions included"),
            ("elapsed", f"{self.elapsed_seconds:,.1f} s"),
            ("likelihood", f"{self.likelihood_seconds:,.1f} s waited for"),
            ("calls took", f"{self.call_seconds:,.1f} s, summed over workers"),
            *(("prior", text) for text in self.prior),
            ("begun", f"{begun}nautilus {self.package}"),
        ]
