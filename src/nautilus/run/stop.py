"""Why a run stopped."""

from dataclasses import dataclass
from enum import Enum
from typing import final


class StopReason(Enum):
    """Each member carries the sentence that a user reads."""

    GOAL = "the wanted effective sample size was reached"
    UNTRUSTED = "the wanted effective sample size was reached, but with findings"
    CALLS = "the limit of likelihood calls was reached; run() continues"
    TIME = "the time limit was reached; run() continues"
    INTERRUPTED = "the run was interrupted; run() continues"
    NO_LIKELIHOOD = "no point with a finite log-likelihood was found; a larger n_live looks further"

    @property
    def is_success(self) -> bool:
        """Whether the goal of the run was reached."""
        return self in {StopReason.GOAL, StopReason.UNTRUSTED}


@final
@dataclass(frozen=True)
class RunOutcome:
    """What `Sampler.run` returns: true if the goal was reached.

    Attributes
    ----------
    reason
        Why the run stopped.
    """

    reason: StopReason

    def __bool__(self) -> bool:
        return self.reason.is_success
