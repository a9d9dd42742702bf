"""Progress in text: nothing, one live line on a terminal, or plain lines in a log file."""

from typing import TextIO, final

from nautilus.report.format import format_duration
from nautilus.report.line import RateMeter, status_line
from nautilus.report.output import Cadence, Output
from nautilus.report.record import ProgressRecord

LIVE_INTERVAL = 0.1
"""Seconds between two drawings of a live line: faster is flicker."""

PLAIN_INTERVAL = (10.0, 600.0)
"""Shortest and longest time in seconds between two plain lines of one phase."""

_PLAIN_SHARE = 0.02


@final
class Silent:
    """Writes nothing."""

    def update(self, record: ProgressRecord) -> None:
        """Ignore the record."""

    def note(self, text: str) -> None:
        """Ignore the text."""

    def close(self) -> None:
        """Do nothing."""


@final
class LiveLine:
    """One line on a terminal that is drawn over itself; each phase leaves its last line behind.

    Parameters
    ----------
    stream
        A terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._output = Output(stream)
        self._rate = RateMeter()
        self._cadence = Cadence(LIVE_INTERVAL)
        self._drawn = ""
        self._pending: tuple[ProgressRecord, float | None] | None = None

    def update(self, record: ProgressRecord) -> None:
        """Draw the record, unless the line was drawn a moment ago."""
        if self._cadence.is_new_phase(record):
            self._finish_line()
        self._pending = (record, self._rate.update(record))
        if self._cadence.is_due(record):
            self._draw()

    def note(self, text: str) -> None:
        """Write the text below the line."""
        self._finish_line()
        self._output.write(f"{text}\n")

    def close(self) -> None:
        """Draw what is still to be drawn and go to a new line."""
        self._finish_line()

    def _draw(self) -> None:
        if self._pending is None:
            return
        # One column stays free: some terminals wrap as soon as the last one is filled.
        columns = self._output.columns() - 1
        line = status_line(*self._pending, width=columns)
        self._output.write("\r" + line.ljust(min(len(self._drawn), columns)))
        self._drawn, self._pending = line, None

    def _finish_line(self) -> None:
        self._draw()
        if self._drawn:
            self._output.write("\n")
            self._drawn = ""


@final
class PlainLines:
    """Whole lines for a log file or a pipe, ever more rarely as the run grows older.

    Two lines of one phase are at least 10 seconds and a fiftieth of the run's age apart (at most
    10 minutes), so that a day's log is a few hundred lines.

    Parameters
    ----------
    stream
        Any text stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._output = Output(stream)
        self._rate = RateMeter()
        shortest, longest = PLAIN_INTERVAL
        self._cadence = Cadence(shortest, _PLAIN_SHARE, longest)
        self._pending: tuple[ProgressRecord, float | None] | None = None

    def update(self, record: ProgressRecord) -> None:
        """Write the record if the phase is new or the last line is old enough."""
        if self._cadence.is_new_phase(record):
            self._write()
        self._pending = (record, self._rate.update(record))
        if self._cadence.is_due(record):
            self._write()

    def note(self, text: str) -> None:
        """Write the text, after the last record."""
        self._write()
        self._output.write(f"{text}\n")

    def close(self) -> None:
        """Write the last record, unless it has been written."""
        self._write()

    def _write(self) -> None:
        if self._pending is not None:
            record, rate = self._pending
            elapsed = format_duration(record.elapsed_seconds)
            self._output.write(f"[{elapsed}] {status_line(record, rate)}\n")
            self._pending = None
