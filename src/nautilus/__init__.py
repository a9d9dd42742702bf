"""Posterior samples and Bayesian evidence for expensive likelihoods."""

import logging

from nautilus._version import __version__
from nautilus.errors import (
    BackendError,
    EdgeMassWarning,
    LikelihoodError,
    NautilusError,
    NautilusWarning,
    NoResultError,
    PriorError,
    SettingsError,
    UntrustedResultWarning,
    UnusedKeywordWarning,
    WorkerLostError,
)
from nautilus.posterior import Draws, Posterior
from nautilus.prior import Prior
from nautilus.report import ProgressRecord
from nautilus.run.stop import StopReason
from nautilus.sampler import RunOutcome, Sampler

__all__ = [
    "BackendError",
    "Draws",
    "EdgeMassWarning",
    "LikelihoodError",
    "NautilusError",
    "NautilusWarning",
    "NoResultError",
    "Posterior",
    "Prior",
    "PriorError",
    "ProgressRecord",
    "RunOutcome",
    "Sampler",
    "SettingsError",
    "StopReason",
    "UntrustedResultWarning",
    "UnusedKeywordWarning",
    "WorkerLostError",
    "__version__",
]

logging.getLogger("nautilus").addHandler(logging.NullHandler())
