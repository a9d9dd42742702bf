"""Why a run stopped."""

from enum import StrEnum


class StopReason(StrEnum):
    """Why a run stopped; each member is the sentence that a user reads."""

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
