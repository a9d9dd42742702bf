"""What is known of a run beside its result."""

from dataclasses import dataclass
from typing import final


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
    n_calls: int
    elapsed_seconds: float
    likelihood_seconds: float
    call_seconds: float
    prior: tuple[str, ...]
    package: str
    created: str
