"""Numbers for people: counts, rates, durations, and values beside their errors."""

from math import floor, inf, isfinite, log10, ulp

UNKNOWN = "?"
"""Stands for a number that is not known."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MAX_DECIMALS = 12


def format_count(count: float) -> str:
    """Write a count: ``"34,500"`` below a million, ``"1.23M"`` above; ``"?"`` if it is no count.

    Parameters
    ----------
    count
        A non-negative number, whole or not (an effective sample size).

    Returns
    -------
    str
        At most 9 characters for counts below 1e15.
    """
    if not isfinite(count) or count < 0:
        return UNKNOWN
    whole = floor(count + 0.5)
    if whole < 1_000_000:
        return f"{whole:,}"
    for unit, size in (("M", 1e6), ("G", 1e9)):
        # 999.996 and above would be written as 1000.00.
        if whole / size < 999.995:
            return f"{whole / size:.2f}{unit}"
    return f"{whole / 1e12:.2f}T"


def format_rate(per_second: float | None) -> str:
    """Write a rate in the unit in which it exceeds one: per second, minute, hour or day.

    Parameters
    ----------
    per_second
        Events per second, non-negative; None if it is not known.

    Returns
    -------
    str
        Such as ``"1,230/s"``, ``"3.2/min"``; ``"?/s"`` if it is not known.
    """
    if per_second is None or not isfinite(per_second) or per_second < 0:
        return f"{UNKNOWN}/s"
    if per_second == 0:
        return "0/s"
    for unit, seconds in (("s", 1), ("min", _MINUTE), ("h", _HOUR)):
        rate = per_second * seconds
        if rate >= 9.95:
            return f"{format_count(rate)}/{unit}"
        if rate >= 1:
            return f"{rate:.1f}/{unit}"
    return f"{per_second * _DAY:.1f}/d"


def format_duration(seconds: float | None) -> str:
    """Write a duration with its two largest units.

    Parameters
    ----------
    seconds
        Non-negative duration in seconds; None if it is not known.

    Returns
    -------
    str
        Such as ``"0.4 s"``, ``"4 min 10 s"``, ``"3 h 05 min"``, ``"2 d 04 h"``; ``"?"`` if it is
        not known.
    """
    if seconds is None or not isfinite(seconds) or seconds < 0:
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = floor(seconds + 0.5)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    minutes = floor(seconds / _MINUTE + 0.5)
    if minutes < _DAY // _MINUTE:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = floor(seconds / _HOUR + 0.5)
    return f"{hours // 24:,} d {hours % 24:02d} h"


def format_count_range(low: float, high: float) -> str:
    """Write a range of counts with two digits: ``"12,000 to 25,000"``, ``"about 900"``."""
    ends = [format_count(float(f"{count:.2g}")) for count in (low, high)]
    return _join_range(ends, "")


def format_duration_range(low: float, high: float) -> str:
    """Write a range of seconds in one unit: ``"2 to 4 min"``, ``"about 3 h"``."""
    if high < 1.0:
        return "less than 1 s"
    units = (("s", 1, _MINUTE), ("min", _MINUTE, _HOUR), ("h", _HOUR, 2 * _DAY), ("d", _DAY, inf))
    unit, size = next((unit, size) for unit, size, limit in units if high <= limit)
    is_fine = unit != "s" and low < 3 * size
    ends = [
        f"{value / size:.1f}" if is_fine else format_count(value / size) for value in (low, high)
    ]
    return _join_range([text.removesuffix(".0") for text in ends], f" {unit}")


def _join_range(ends: list[str], unit: str) -> str:
    low, high = ends
    return f"about {high}{unit}" if low == high else f"{low} to {high}{unit}"


def format_value(value: float, error: float) -> str:
    """Write a value with as many digits as its error justifies.

    Parameters
    ----------
    value
        Any number.
    error
        Its error, which is given two digits. If it is not a positive finite number, the value is
        written with six digits.

    Returns
    -------
    str
        Such as ``"-98.903"`` for an error of 0.021.
    """
    if not isfinite(value):
        return f"{value}"
    if not isfinite(error) or error <= 0:
        return f"{value:.6g}"
    decimals = 1 - floor(log10(error))
    if abs(value) >= 1e9 or (abs(value) < 1e-3 and decimals > 6):
        exponent = floor(log10(max(abs(value), error)))
        return f"{value:.{min(max(1, decimals + exponent), _MAX_DECIMALS)}e}"
    return f"{value:.{min(max(0, decimals), _MAX_DECIMALS)}f}"


def format_log_z(log_z: float, log_z_err: float) -> str:
    """Write log Z beside its error, which is given two digits.

    Returns
    -------
    str
        Such as ``"-98.903 +- 0.021"``; ``"-98.90 +- ?"`` if the error is not known, and
        ``"-98.90342 +- 0"`` if there is none.
    """
    if not isfinite(log_z):
        return f"{UNKNOWN} +- {UNKNOWN}"
    if abs(log_z_err) < ulp(log_z):  # numbers of its size have larger steps
        return f"{log_z:.10g} +- 0"
    if isfinite(log_z_err) and log_z_err > 0:
        return f"{format_value(log_z, log_z_err)} +- {format_value(log_z_err, log_z_err)}"
    return f"{log_z:.2f} +- {UNKNOWN}" if abs(log_z) < 1e9 else f"{log_z:.6g} +- {UNKNOWN}"


def format_number(value: float) -> str:
    """Write a diagnostic with three digits, ``"?"`` if it is not finite."""
    return f"{value:.3g}" if isfinite(value) else UNKNOWN
