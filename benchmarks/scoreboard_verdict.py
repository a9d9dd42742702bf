"""Whether the answer of a run is right, and whether the run says so."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

Row = dict[str, Any]

NATS = 0.05
"""Smaller errors of log Z do not matter."""

LIMIT = 5.0
"""Quoted errors that an answer may be off; one run in two million by chance."""

PULLS = {"mean": "mean_pull", "sd": "sd_pull", "weight": "weight_pull"}

RIGHT, CAUTIOUS = "right", "right with a finding"
TOLD, SILENT = "wrong with a finding", "silently wrong"
NO_RESULT, LATE = "no result", "timed out"
VERDICTS = (RIGHT, CAUTIOUS, TOLD, SILENT, NO_RESULT, LATE)
WRONG = (TOLD, SILENT)


def is_beyond(pull: float | None) -> bool:
    """Tell whether an error is too many quoted ones; an error that is no number is."""
    return pull is not None and not abs(pull) <= LIMIT


def wrong_parts(row: Row) -> tuple[str, ...]:
    """Return which answers of a run are wrong: "log Z", "mean", "sd", "weight".

    log Z is wrong when it is off by more than five quoted errors and more than 0.05; the others
    when one of them is off by more than five of its errors.
    """
    error = row["log_z_error"]
    is_far = not abs(error) <= NATS and is_beyond(row["log_z_pull"])
    wrong = ["log Z"] if is_far or not isfinite(error) else []
    return (*wrong, *(name for name, key in PULLS.items() if is_beyond(row[key])))


def verdict(row: Row, parts: Sequence[str] = ("log Z", *PULLS)) -> str:
    """Return one of `VERDICTS`, judged by all that is known exactly or by some of it."""
    if row["status"] == "timed out":
        return LATE
    if row["status"] != "done":
        return NO_RESULT
    is_wrong = any(part in parts for part in wrong_parts(row))
    if row["findings"]:
        return TOLD if is_wrong else CAUTIOUS
    return SILENT if is_wrong else RIGHT


def share(part: int, whole: int) -> str:
    """Return a share in per cent with its counts, a dash of nothing."""
    return f"{part / whole:.1%} ({part}/{whole})" if whole else "-"


def line(row: Row) -> str:
    """Return what a run gave in a line."""
    size = "" if row["n_eff"] is None else f" n_eff {row['n_eff']:,.0f}"
    head = f"{row['package']} {row['problem']} seed {row['seed']}{size}: "
    if "log_z" not in row:
        return f"{head}{verdict(row)}: {row['stop_reason']}"
    pulls = [f"{name} {row[key]:.1f}" for name, key in PULLS.items() if row[key] is not None]
    explored = row["n_exploration"]
    return (
        f"{head}{row['n_like']:,} calls ({'-' if explored is None else f'{explored:,}'}),"
        f" {row['own_cpu_seconds']:.1f} s, {row['peak_mib']} MiB, log Z {row['log_z_error']:+.4f}"
        f" ± {row['log_z_err']:.4f} ({row['log_z_pull']:+.1f}) {' '.join(pulls)}: {verdict(row)}"
        + "".join(f"; {text}" for text in row["findings"])
    )
