"""The page of the scoreboard, and the comparison of two states of the code."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log
from statistics import fmean, median
from typing import Any

from render import number, table
from scoreboard_problems import FAMILIES
from scoreboard_verdict import (
    CAUTIOUS,
    LATE,
    NO_RESULT,
    PULLS,
    RIGHT,
    SILENT,
    VERDICTS,
    line,
    share,
    verdict,
)

Row = dict[str, Any]

LEGEND = """\
Medians over seeds: *calls* of the likelihood, those of the *exploration*, *CPU s* of the sampler
alone, *MiB* at the peak of the process. Worst over seeds: error of *log Z* in nats and (in quoted
errors); largest error of a posterior *mean*, a standard deviation (*sd*) and the *weight* of a mode
in their standard errors from the weights of the points. A run is *wrong* if log Z is off by more
than five quoted errors and more than 0.05, or one of the others by more than five of its errors. It
is *silently* wrong if there is no finding. The largest of many errors is large: of 20 normal
numbers one is beyond three errors in one run of 19, beyond five in one of 90,000. The weight of a
mode is not taken to be known better than by as many points as count. Errors of means and standard
deviations below a thousandth of the latter, and of weights below 0.001, make no run wrong.
"""
BESIDE = """\
To be judged by log Z alone: its error is the one that dynesty quotes, and n_eff^-1/2 for the public
package, as its documentation says. That of volumes is missing in those of means and weights.

"""
FAMILY_HEAD = (
    "family", "problems", "runs", "calls", *VERDICTS, "silent / runs", "in log Z alone / runs",
    "silent / no finding", "finding / right",
)  # fmt: skip
PROBLEM_HEAD = (
    "problem", "d", "runs", "calls", "exploration", "CPU s", "MiB", "log Z", "mean", "sd",
    "weight", *VERDICTS,
)  # fmt: skip
COMPARE_HEAD = (
    "problem", "runs", "same numbers", "calls", "exploration", "CPU s", "worst log Z", SILENT,
    "changes of verdict",
)  # fmt: skip


def families_table(rows: Sequence[Row], family_of: Mapping[str, str]) -> str:
    """Return counts and rates for each family of problems."""
    body = []
    for family in FAMILIES:
        mine = [row for row in rows if family_of[row["problem"]] == family]
        if mine:
            body.append(_family_cells(family, mine))
    return table(FAMILY_HEAD, body)


def _family_cells(family: str, rows: Sequence[Row]) -> list[str]:
    counts = Counter(verdict(row) for row in rows)
    in_log_z = Counter(verdict(row, ["log Z"]) for row in rows)
    return [
        family,
        str(len({row["problem"] for row in rows})),
        str(len(rows)),
        _median(rows, "n_like"),
        *(str(counts[name]) for name in VERDICTS),
        share(counts[SILENT], len(rows)),
        share(in_log_z[SILENT], len(rows)),
        share(counts[SILENT], counts[SILENT] + counts[RIGHT]),
        share(counts[CAUTIOUS], counts[CAUTIOUS] + counts[RIGHT]),
    ]


def problems_table(rows: Sequence[Row]) -> str:
    """Return a line for each problem, in the order of the rows."""
    names = dict.fromkeys(row["problem"] for row in rows)
    return table(
        PROBLEM_HEAD,
        (_problem_cells(name, [row for row in rows if row["problem"] == name]) for name in names),
    )


def _problem_cells(name: str, rows: Sequence[Row]) -> list[str]:
    counts = Counter(verdict(row) for row in rows)
    return [
        name,
        number(rows[0].get("n_dim")),
        str(len(rows)),
        *(_median(rows, key) for key in ("n_like", "n_exploration")),
        _median(rows, "own_cpu_seconds", ",.1f"),
        _median(rows, "peak_mib"),
        _worst_log_z(rows),
        *(number(max(_known(rows, key), default=None), ".1f") for key in PULLS.values()),
        *(_count(counts[verdict_], verdict_) for verdict_ in VERDICTS),
    ]


def _count(n: int, name: str) -> str:
    if n == 0:
        return ""
    return f"**{n}**" if name == SILENT else str(n)


def _known(rows: Iterable[Row], key: str) -> list[float]:
    return [row[key] for row in rows if row.get(key) is not None]


def _median(rows: Iterable[Row], key: str, form: str = ",.0f") -> str:
    known = _known(rows, key)
    return number(median(known) if known else None, form)


def _worst_log_z(rows: Sequence[Row]) -> str:
    errors, pulls = _known(rows, "log_z_error"), _known(rows, "log_z_pull")
    if not errors:
        return "-"
    return f"{max(errors, key=abs):+.3f} ({max(pulls, key=abs):+.1f})"


def page(
    rows: Sequence[Row],
    others: Sequence[Row],
    facts: Mapping[str, str],
    family_of: Mapping[str, str],
) -> str:
    """Return the page: families and problems for each size of runs, runs that are not right.

    Parameters
    ----------
    rows
        Runs of this package.
    others
        Runs of other packages on problems of this page.
    facts
        What to say about the pass, by keyword.
    family_of
        Family of each problem.
    """
    parts = ["# Scoreboard\n\nMade by `benchmarks/scoreboard.py`, whose docstring says how.\n\n"]
    parts += [f"- {name}: {value}\n" for name, value in facts.items()]
    parts += ["\n", LEGEND]
    for size in dict.fromkeys(row["n_eff"] for row in rows):
        mine = [row for row in rows if row["n_eff"] == size]
        parts += [f"\n## Effective sample size {size:,.0f}\n\n", families_table(mine, family_of)]
        parts += ["\n", problems_table(mine)]
    for package in dict.fromkeys(row["package"] for row in others):
        mine = [row for row in others if row["package"] == package]
        versions = ", ".join(dict.fromkeys(row["code"] for row in mine))
        parts += [f"\n## Beside it: {versions}\n\n", BESIDE, families_table(mine, family_of)]
        parts += ["\n", problems_table(mine)]
    return "".join([*parts, findings_section(rows), not_right_section([*rows, *others])])


def findings_section(rows: Iterable[Row]) -> str:
    """Return what findings say, how often, and how often with a right answer."""
    n_all: Counter[str] = Counter()
    n_right: Counter[str] = Counter()
    for row in rows:
        told = {re.sub(r"[-+]?\d[\d,.]*", "#", text) for text in row.get("findings", ())}
        n_all.update(told)
        n_right.update(told if verdict(row) == CAUTIOUS else ())
    if not n_all:
        return ""
    body = ([text, str(n), str(n_right[text])] for text, n in n_all.most_common())
    return "\n## Findings\n\n" + table(("finding", "runs", "of these right"), body)


def not_right_section(rows: Iterable[Row]) -> str:
    """Return a line for each run that is not simply right."""
    lines = [f"- {line(row)}\n" for row in rows if verdict(row) != RIGHT]
    return "".join(["\n## Runs that are not simply right\n\n", *lines]) if lines else ""


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers."""
    return exp(fmean(log(ratio) for ratio in ratios))


def comparison(pairs: Sequence[tuple[Row, Row]], names: tuple[str, str]) -> str:
    """Return how the second of two states of the code does beside the first.

    Parameters
    ----------
    pairs
        Rows of the same run with both.
    names
        What the two are called.
    """
    head = (
        f"Second over first, first is {names[0]}, second is {names[1]}: geometric means over runs"
        " of which both have the numbers; worst log Z is an error in nats and (in quoted ones).\n"
    )
    parts = [head]
    for size in dict.fromkeys(first["n_eff"] for first, _ in pairs):
        mine = [pair for pair in pairs if pair[0]["n_eff"] == size]
        problems = dict.fromkeys(first["problem"] for first, _ in mine)
        body = [
            _compare_cells(name, [pair for pair in mine if pair[0]["problem"] == name])
            for name in problems
        ]
        body.append(_compare_cells("**all**", mine))
        parts += [f"\nEffective sample size {size:,.0f}\n\n", table(COMPARE_HEAD, body)]
    return "".join(parts)


def _compare_cells(name: str, pairs: Sequence[tuple[Row, Row]]) -> list[str]:
    changes = Counter(f"{verdict(a)} → {verdict(b)}" for a, b in pairs if verdict(a) != verdict(b))
    same = sum(_numbers(a) == _numbers(b) for a, b in pairs)
    sides = list(zip(*pairs, strict=True))
    worst = [_worst_log_z(rows) for rows in sides]
    silent = [str(sum(verdict(row) == SILENT for row in rows)) for rows in sides]
    return [
        name,
        str(len(pairs)),
        str(same),
        *(_ratio(pairs, key) for key in ("n_like", "n_exploration", "own_cpu_seconds")),
        " → ".join(worst),
        " → ".join(silent),
        "; ".join(f"{n} {change}" for change, n in changes.most_common()),
    ]


def _numbers(row: Row) -> tuple[Any, ...]:
    return row["status"], row.get("n_like"), row.get("log_z"), row.get("log_z_err")


def _ratio(pairs: Iterable[tuple[Row, Row]], key: str) -> str:
    """Return the mean ratio over pairs that ended by themselves with a positive number."""
    ended = [p for p in pairs if all(verdict(row) not in {NO_RESULT, LATE} for row in p)]
    ratios = [b[key] / a[key] for a, b in ended if a.get(key) and b.get(key)]
    return f"{geometric_mean(ratios):.3f}" if ratios else "-"
