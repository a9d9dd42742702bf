"""Posterior samples and Bayesian evidence for expensive likelihoods."""

import logging

from nautilus._version import __version__
from nautilus.errors import (
    BackendError,
    CheckpointBusyError,
    CheckpointDamagedError,
    CheckpointError,
    CheckpointForeignError,
    CheckpointKeptWarning,
    CheckpointLockedError,
    CheckpointMismatchError,
    CheckpointNameWarning,
    CheckpointStorageError,
    CheckpointVersionError,
    EdgeMassWarning,
    KeywordError,
    LikelihoodError,
    NautilusError,
    NautilusWarning,
    NoResultError,
    PriorError,
    PriorTypeError,
    SaveDelayedWarning,
    SettingsError,
    StaleLockWarning,
    UntrustedResultWarning,
    UnusedKeywordWarning,
    UnusualSettingWarning,
    WorkerLostError,
)
from nautilus.loading import load
from nautilus.posterior import Draws, Posterior
from nautilus.prior import Prior
from nautilus.report import ProgressRecord
from nautilus.run.stop import StopReason
from nautilus.run_information import RunInformation
from nautilus.sampler import Sampler

__all__ = [
    "BackendError",
    "CheckpointBusyError",
    "CheckpointDamagedError",
    "CheckpointError",
    "CheckpointForeignError",
    "CheckpointKeptWarning",
    "CheckpointLockedError",
    "CheckpointMismatchError",
    "CheckpointNameWarning",
    "CheckpointStorageError",
    "CheckpointVersionError",
    "Draws",
    "EdgeMassWarning",
    "KeywordError",
    "LikelihoodError",
    "NautilusError",
    "NautilusWarning",
    "NoResultError",
    "Posterior",
    "Prior",
    "PriorError",
    "PriorTypeError",
    "ProgressRecord",
    "RunInformation",
    "Sampler",
    "SaveDelayedWarning",
    "SettingsError",
    "StaleLockWarning",
    "StopReason",
    "UntrustedResultWarning",
    "UnusedKeywordWarning",
    "UnusualSettingWarning",
    "WorkerLostError",
    "__version__",
    "load",
]

logging.getLogger("nautilus").addHandler(logging.NullHandler())
