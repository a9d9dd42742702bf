"""From the public keywords to when a call of `Sampler.run` ends."""

import os
from dataclasses import dataclass
from typing import final

import numpy as np

from nautilus.deadline import seconds_left
from nautilus.evaluate.flight import GRACE_SECONDS
from nautilus.settings import number


@final
@dataclass(frozen=True)
class Limits:
    """When a call of `run` ends, whatever it has reached.

    Parameters
    ----------
    timeout
        Seconds from its beginning, or infinity.
    grace
        Seconds that calls of the likelihood under way may go on then.
    """

    timeout: float = np.inf
    grace: float = GRACE_SECONDS


def make_limits(timeout: object, deadline: object, grace: object) -> Limits:
    """Return what the public keywords say.

    Raises
    ------
    SettingsError
        If a value has no meaning.
    """
    waited = number("grace", grace, 0.0)
    left = seconds_left(deadline, waited, os.environ)
    return Limits(min(number("timeout", timeout, 0.0), left), waited)
