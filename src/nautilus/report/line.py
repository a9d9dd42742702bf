"""A record as one line of text that fits where it is written."""

from collections import deque
from typing import final

from nautilus.report.format import format_count, format_duration, format_log_z, format_rate
from nautilus.report.record import ProgressRecord

SEPARATOR = " | "
_RATE_WINDOW_SECONDS = 30.0


@final
class RateMeter:
    """Likelihood calls per second over the last half minute, of this run alone."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def update(self, record: ProgressRecord) -> float | None:
        """Take a record and return calls per second, or None before there is a first interval."""
        now = record.elapsed_seconds
        self._marks.append((now, record.n_like))
        while len(self._marks) > 2 and self._marks[1][0] <= now - _RATE_WINDOW_SECONDS:
            self._marks.popleft()
        since, calls = self._marks[0]
        return (record.n_like - calls) / (now - since) if now > since else None


def status_line(record: ProgressRecord, rate: float | None, width: int | None = None) -> str:
    """Write a record as one line.

    Parameters
    ----------
    record
        What to show.
    rate
        Likelihood calls per second, or None if not known.
    width
        Most characters allowed; None for any number. What matters least is left out first.

    Returns
    -------
    str
        The line, without a line end.
    """
    # The number says how early a part is left out; 0 stays for good.
    parts = [
        (0, record.phase),
        (5, f"{format_count(record.n_proposals)} proposals"),
        (2, f"{format_count(record.n_like)} calls"),
        (4, "" if rate is None else format_rate(rate)),
        (1, f"n_eff {format_count(record.n_eff)}"),
        (1, f"log Z {format_log_z(record.log_z, record.log_z_err)}"),
        (3, _left(record)),
        (6, " ".join(record.message.split())),
    ]
    parts = [part for part in parts if part[1]]
    while width is not None and len(_join(parts)) > width and len(parts) > 1:
        parts.remove(max(parts, key=lambda part: part[0]))
    return _join(parts)[:width]


def _join(parts: list[tuple[int, str]]) -> str:
    return SEPARATOR.join(text for _, text in parts)


def _left(record: ProgressRecord) -> str:
    if record.n_like_forecast is None:
        return ""
    calls = f"{format_count(record.n_like_forecast)} calls"
    if record.seconds_forecast is None:
        return f"left: {calls}"
    return f"left: {calls}, {format_duration(record.seconds_forecast)}"
