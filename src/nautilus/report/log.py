"""What goes to ``logging.getLogger("nautilus")``."""

import logging
from collections.abc import Iterable
from typing import final

from nautilus.report.line import status_line
from nautilus.report.record import EXPLORATION, ProgressRecord

logger = logging.getLogger("nautilus")


@final
class LogReporter:
    """Logs what happens in a run.

    Each record is a DEBUG line; a phase that begins and a message that is new are INFO; a sampling
    phase that falls back to exploration is a WARNING, because it costs calls nobody planned.
    """

    def __init__(self) -> None:
        self._phase: str | None = None
        self._message = ""

    def update(self, record: ProgressRecord) -> None:
        """Log the record."""
        if record.phase != self._phase:
            self._log_phase(record)
        if record.message and record.message != self._message:
            logger.info("%s", record.message)
        self._phase, self._message = record.phase, record.message
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", status_line(record, None))

    def note(self, text: str) -> None:
        """Ignore the text: it is meant for people who watch."""

    def close(self) -> None:
        """Do nothing."""

    def _log_phase(self, record: ProgressRecord) -> None:
        if self._phase is not None and record.phase == EXPLORATION:
            logger.warning("Exploration re-opened after %d likelihood calls", record.n_like)
        else:
            logger.info("The %s phase begins at %d likelihood calls", record.phase, record.n_like)


def log_stop(stop_reason: str, findings: Iterable[str], notes: Iterable[str] = ()) -> None:
    """Log why a run stopped (INFO), and findings and notes on its result (WARNING)."""
    logger.info("Run stopped: %s", stop_reason)
    for finding in findings:
        logger.warning("Finding: %s", finding)
    log_notes(notes)


def log_notes(notes: Iterable[str]) -> None:
    """Log what is to be known of a run although it goes on (WARNING)."""
    for note in notes:
        logger.warning("Note: %s", note)
