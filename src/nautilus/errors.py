"""Every exception and warning of the package."""


class NautilusError(Exception):
    """Base class of all errors raised by this package."""


class PriorError(NautilusError, ValueError):
    """A prior was described or used in a way that has no meaning."""


class PriorTypeError(PriorError, TypeError):
    """A prior was given something of a type that has no meaning there."""


class SettingsError(NautilusError, ValueError):
    """A keyword has a value that the sampler cannot use."""


class KeywordError(SettingsError, TypeError):
    """A call got a keyword that it does not take; the message says which one may be meant."""


class LikelihoodError(NautilusError, RuntimeError):
    """The likelihood raised, or returned something that is not a log-likelihood.

    Attributes
    ----------
    parameters
        The parameters, as the likelihood received them, or None.
    point
        The point in the unit cube, shape (d,), or None.
    remote_traceback
        Traceback of the worker as text; empty if there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        parameters: object = None,
        point: object = None,
        remote_traceback: str = "",
    ) -> None:
        super().__init__(message)
        self.parameters = parameters
        self.point = point
        self.remote_traceback = remote_traceback


class BackendError(NautilusError, RuntimeError):
    """What was given as ``pool`` cannot be used, or broke."""


class WorkerLostError(BackendError):
    """A worker died again and again while it evaluated the same points."""


class NoResultError(NautilusError, RuntimeError, ValueError):
    """A result was asked for before there is one."""


class CheckpointError(NautilusError, RuntimeError):
    """A run file cannot be used as it was meant to be; the classes below say why."""


class CheckpointDamagedError(CheckpointError):
    """A run file is incomplete, or was changed by something else than this package."""


class CheckpointForeignError(CheckpointError):
    """The file is not a run file."""


class CheckpointVersionError(CheckpointError):
    """A run file has a form that this version of the package does not read."""


class CheckpointLockedError(CheckpointError):
    """A run file belongs to another process."""


class CheckpointBusyError(CheckpointLockedError):
    """Another process reads a run file for so long that it cannot be written."""


class CheckpointMismatchError(CheckpointError):
    """A run file holds another run than the one that is to be continued or saved."""


class CheckpointStorageError(CheckpointError):
    """The file system does not let a run file be found, read or written."""


class NautilusWarning(UserWarning):
    """Base class of all warnings of this package."""


class UnusedKeywordWarning(NautilusWarning):
    """A keyword of the public interface has no meaning for this algorithm."""


class UnusualSettingWarning(NautilusWarning):
    """A keyword has a value that can hardly be meant, or that had to be changed."""


class EdgeMassWarning(NautilusWarning):
    """Posterior mass is piled up at an edge of the prior, or in a tail of it."""


class UntrustedResultWarning(NautilusWarning):
    """The run ended with a finding that says its result is not to be trusted."""


class CheckpointNameWarning(NautilusWarning):
    """The name of a run file promises another format than it has; said once in a process."""


class CheckpointKeptWarning(NautilusWarning):
    """A file of the public package stood where a run file is made; it has another name now."""


class SaveDelayedWarning(NautilusWarning):
    """A run could not be saved at this moment; the next save holds everything."""


class StaleLockWarning(NautilusWarning):
    """A run file was left by a process that ended without closing it, and is taken over."""
