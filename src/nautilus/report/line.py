"""A record as one line of text that fits where it is written."""

from collections import deque
from typing import final

from nautilus.report.format import format_count, format_log_z, format_rate
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
    short, long = ("", "") if not record.left else (record.left[-1], ", ".join(record.left))
    # The number says how early a part is left out or shortened; 0 stays for good.
    parts = [
        (0, record.phase),
        (7, f"{format_count(record.n_proposals)} proposals"),
        (2, f"{format_count(record.n_like)} calls"),
        (6, "" if rate is None else format_rate(rate)),
        (4, f"n_eff {format_count(record.n_eff)}"),
        (1, f"log Z {format_log_z(record.log_z, record.log_z_err)}"),
        (2, _found(record)),
        (5, f"left: {long}" if long else ""),
        (8, " ".join(record.message.split())),
    ]
    parts = [part for part in parts if part[1]]
    while width is not None and len(_join(parts)) > width and len(parts) > 1:
        last = parts.index(max(parts, key=lambda part: part[0]))
        if parts[last][0] == 5:
            parts[last] = (3, f"left: {short}")
        else:
            del parts[last]
    return _join(parts)[:width]


def reached(n_like: int, log_z: float, log_z_err: float) -> str:
    """Write how far a run is: ``"34,500 calls, log Z -98.903 +- 0.021"``."""
    return f"{format_count(n_like)} calls, log Z {format_log_z(log_z, log_z_err)}"


def _join(parts: list[tuple[int, str]]) -> str:
    return SEPARATOR.join(text for _, text in parts)


def _found(record: ProgressRecord) -> str:
    n_findings = len(record.findings)
    return f"{n_findings} finding{'s' * (n_findings > 1)}" if n_findings else ""
