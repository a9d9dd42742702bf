"""What goes to ``logging.getLogger("nautilus")``."""

import logging
from collections.abc import Iterable
from typing import final

from nautilus.report.line import reached, status_line
from nautilus.report.record import EXPLORATION, ProgressRecord

logger = logging.getLogger("nautilus")


@final
class LogReporter:
    """Logs what happens in a run.

    Each record is a DEBUG line; a phase that begins and a message that is new are INFO; a sampling
    phase that falls back to exploration is a WARNING, because it costs calls nobody planned. Each
    line says how far the run is.
    """

    def __init__(self) -> None:
        self._phase: str | None = None
        self._message = ""

    def update(self, record: ProgressRecord) -> None:
        """Log the record."""
        if record.phase != self._phase:
            self._log_phase(record)
        if record.message and record.message != self._message:
            logger.info("%s (%s)", record.message, _reached(record))
        self._phase, self._message = record.phase, record.message
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", status_line(record, None))

    def note(self, text: str) -> None:
        """Ignore the text: it is meant for people who watch."""

    def close(self) -> None:
        """Do nothing."""

    def _log_phase(self, record: ProgressRecord) -> None:
        if self._phase is not None and record.phase == EXPLORATION:
            logger.warning("Exploration re-opened (%s)", _reached(record))
        else:
            logger.info("The %s phase begins (%s)", record.phase, _reached(record))


def _reached(record: ProgressRecord) -> str:
    return reached(record.n_like, record.log_z, record.log_z_err)


def log_stop(
    stop_reason: str, how_far: str, findings: Iterable[str], notes: Iterable[str] = ()
) -> None:
    """Log why a run stopped and where (INFO), and findings and notes on its result (WARNING)."""
    logger.info("Run stopped: %s (%s)", stop_reason, how_far)
    log_findings(findings)
    log_notes(notes)


def log_findings(findings: Iterable[str]) -> None:
    """Log what says that a result is not to be trusted (WARNING)."""
    for finding in findings:
        logger.warning("Finding: %s", finding)


def log_notes(notes: Iterable[str]) -> None:
    """Log what is to be known of a run although it goes on (WARNING)."""
    for note in notes:
        logger.warning("Note: %s", note)
