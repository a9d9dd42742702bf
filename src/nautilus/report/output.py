"""A text stream that cannot end a run, and the rhythm of writing to it."""

import logging
import os
from math import inf
from typing import TextIO, final

from nautilus.report.record import ProgressRecord

_DEFAULT_COLUMNS = 80
_logger = logging.getLogger("nautilus")


@final
class Output:
    """Writes to a stream until the stream is gone.

    A terminal that was closed or a pipe whose reader has left must not cost a run that took days,
    so the first failure is logged and everything after it is dropped.

    Parameters
    ----------
    stream
        Any text stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def write(self, text: str) -> None:
        """Write the text and flush; characters that the stream cannot encode become ``?``."""
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream has been closed.
            self._stream = None
            _logger.warning("Progress is no longer shown, its stream is gone: %s", error)

    def columns(self) -> int:
        """Return the width of the terminal at this moment, or 80 if it does not tell."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns if self._stream else 0
        except (OSError, ValueError, AttributeError):
            columns = 0
        # A pseudo terminal that nobody sized says 0.
        return columns if columns > 1 else _DEFAULT_COLUMNS


@final
class Cadence:
    """Decides which records are shown: the first, each new phase, and one per interval.

    Parameters
    ----------
    shortest
        Least number of seconds between two shown records of one phase.
    share
        The same as a share of the run's age, where that is longer.
    longest
        Upper bound for that in seconds.
    """

    def __init__(self, shortest: float, share: float = 0.0, longest: float = inf) -> None:
        self._shortest, self._share, self._longest = shortest, share, longest
        self._phase: str | None = None
        self._shown_at = 0.0

    def is_new_phase(self, record: ProgressRecord) -> bool:
        """Say whether the record begins a phase."""
        return record.phase != self._phase

    def is_due(self, record: ProgressRecord) -> bool:
        """Say whether to show the record; the answer yes counts as shown."""
        now = record.elapsed_seconds
        interval = min(self._longest, max(self._shortest, self._share * now))
        is_due = self.is_new_phase(record) or now - self._shown_at >= interval
        if is_due:
            self._phase, self._shown_at = record.phase, now
        return is_due
