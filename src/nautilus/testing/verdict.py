"""The judgement on repeated runs: findings for each problem, and the table that shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray
from nautilus.errors import SettingsError
from nautilus.testing import checks
from nautilus.testing.campaign import Row
from nautilus.testing.checks import Finding, split_rate
from nautilus.testing.marginals import exact_averages
from nautilus.testing.problems import Problem

FAMILY_RATE = 1e-3
"""False-alarm rate of each kind of check over all problems together."""

COLUMNS = (
    "problem", "d", "runs", "calls kept", "calls fresh", "error kept", "ratio", "worst",
    "error fresh", "ratio", "worst", "averages", "marginals", "CPU s", "verdict",
)  # fmt: skip

LEGEND = (
    "*kept*: all points; *fresh*: the same run continued with exploration discarded until the "
    "effective sample size was reached again. *calls*: median number of likelihood calls until "
    "then. *error*: mean of log Z minus the exact value, with its standard error. *ratio*: scatter "
    "of log Z over the quoted error. *worst*: largest error of one run in quoted ones. "
    "*averages*: posterior means, variances and shares below known quantiles, pooled over the "
    "runs, largest deviation in standard errors (kept / fresh). *marginals*: largest distance of "
    "distribution functions times the root of the effective sample size (kept / fresh). *CPU s*: "
    "median seconds of a run."
)
RATES = (
    f"Each kind of check has a false-alarm rate of {FAMILY_RATE:g} over all problems together. In "
    f"any case a run more than {checks.WORST:g} quoted errors away fails."
)


@dataclass(frozen=True)
class Verdict:
    """What the runs on one problem showed.

    Attributes
    ----------
    problem
        Name of the problem.
    findings
        One for each check, each named with what was judged.
    cells
        The problem's line in the table.
    pulls_kept, pulls_fresh
        Errors of log Z in units of the quoted ones, of all runs, with points kept and with
        exploration discarded.
    """

    problem: str
    findings: tuple[Finding, ...]
    cells: tuple[str, ...]
    pulls_kept: FloatArray
    pulls_fresh: FloatArray

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(finding.passed for finding in self.findings)


def _column(rows: Sequence[Row], name: str) -> FloatArray:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _judge_side(
    side: str, problem: Problem, rows: Sequence[Row], rate: float, cap: float
) -> tuple[list[Finding], FloatArray]:
    """Judge the runs with points kept, or those with exploration discarded."""
    log_z, errors = _column(rows, "log_z"), _column(rows, "log_z_err")
    reasons = [row.reason for row in rows if not row.is_success]
    text = f"{len(reasons)} runs without success: {'; '.join(sorted(set(reasons)))}"
    findings = [
        Finding("runs", len(reasons), (0, 0), text),
        checks.bias(log_z, problem.log_z, rate, cap),
        checks.scatter(log_z, errors, problem.log_z, rate),
        checks.worst(log_z, errors, problem.log_z),
    ]
    # A run that broke off has no points; it has failed the first check already.
    read = [row for row in rows if row.values]
    truths = exact_averages(problem)
    if read and len(truths):
        values, value_errors = _column(read, "values"), _column(read, "errors")
        findings += checks.averages("averages", values, value_errors, truths, rate)
    if read and problem.marginals:
        distances, sizes = _column(read, "distances"), _column(read, "sizes")
        findings.append(checks.uniformity(distances, sizes, rate))
    named = [Finding(f"{f.name} ({side})", f.statistic, f.bound, f.text) for f in findings]
    return named, checks.pulls(log_z, errors, problem.log_z)


def _by_seed(rows: Sequence[Row], is_fresh: bool) -> list[Row]:
    return sorted((row for row in rows if row.is_fresh == is_fresh), key=lambda row: row.seed)


def judge(
    problem: Problem, rows: Sequence[Row], n_problems: int, cap: float = checks.CAP
) -> Verdict:
    """Judge all runs on one problem.

    Parameters
    ----------
    problem
        Problem with the exact answers.
    rows
        Two rows for each of at least two seeds.
    n_problems
        Number of problems in the campaign, among which `FAMILY_RATE` is split, and again
        between points kept and exploration discarded.
    cap
        Largest mean error of log Z, see `nautilus.testing.checks.bias`.

    Returns
    -------
    verdict
        Findings and the line of the table.

    Raises
    ------
    SettingsError
        If the two kinds of rows do not belong to the same seeds.
    """
    kept, fresh = _by_seed(rows, is_fresh=False), _by_seed(rows, is_fresh=True)
    if [row.seed for row in kept] != [row.seed for row in fresh]:
        raise SettingsError(
            f"The rows of {problem.name} have seeds {[row.seed for row in kept]} with points kept "
            f"and {[row.seed for row in fresh]} with exploration discarded: pass both of each run."
        )
    rate = split_rate(FAMILY_RATE, 2 * n_problems)
    findings_kept, pulls_kept = _judge_side("kept", problem, kept, rate, cap)
    findings_fresh, pulls_fresh = _judge_side("fresh", problem, fresh, rate, cap)
    log_z = [_column(side, "log_z") for side in (kept, fresh)]
    errors = [_column(side, "log_z_err") for side in (kept, fresh)]
    together = [
        checks.agreement(log_z[0], log_z[1], split_rate(FAMILY_RATE, n_problems), cap),
        checks.agreement_of_each(log_z[0], errors[0], log_z[1], errors[1]),
    ]
    findings = (*findings_kept, *findings_fresh, *together)
    cells = _cells(problem, kept, fresh, findings)
    return Verdict(problem.name, findings, cells, pulls_kept, pulls_fresh)


def _cells(
    problem: Problem, kept: Sequence[Row], fresh: Sequence[Row], findings: Sequence[Finding]
) -> tuple[str, ...]:
    by_name = {finding.name: finding for finding in findings}

    def shown(name: str, form: str) -> str:
        sides = [by_name.get(f"{name} ({side})") for side in ("kept", "fresh")]
        return " / ".join(format(f.statistic, form) for f in sides if f is not None) or "-"

    def evidence(side: str, rows: Sequence[Row]) -> list[str]:
        with np.errstate(invalid="ignore"):  # as in checks.bias
            error = _column(rows, "log_z").std(ddof=1) / np.sqrt(len(rows))
        return [
            f"{by_name[f'bias ({side})'].statistic:+.4f} ± {error:.4f}",
            f"{by_name[f'scatter ({side})'].statistic:.2f}",
            f"{by_name[f'worst ({side})'].statistic:.1f}",
        ]

    passed = all(finding.passed for finding in findings)
    return (
        problem.name,
        str(problem.n_dim),
        str(len(kept)),
        f"{np.median(_column(kept, 'n_like')):,.0f}",
        f"{np.median(_column(fresh, 'n_like')):,.0f}",
        *evidence("kept", kept),
        *evidence("fresh", fresh),
        shown("averages, all runs", ".1f"),
        shown("marginals", ".2f"),
        f"{np.median(_column(fresh, 'cpu_seconds')):.1f}",
        "passed" if passed else "**FAILED**",
    )


def pooled(verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Return the ratio of scatter to quoted errors over all problems, kept and fresh.

    Parameters
    ----------
    verdicts
        Verdicts of all problems. Problems whose runs are all exact have no scatter and do not
        take part.
    """
    sides = {
        "kept": np.concatenate([verdict.pulls_kept for verdict in verdicts]),
        "fresh": np.concatenate([verdict.pulls_fresh for verdict in verdicts]),
    }
    rate = split_rate(FAMILY_RATE, 2)
    found = {side: checks.pooled_ratio(x, rate) for side, x in sides.items() if len(x)}
    return tuple(
        Finding(f"{f.name} ({side})", f.statistic, f.bound, f.text) for side, f in found.items()
    )


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a Markdown table, one line for each problem."""
    return markdown_table(COLUMNS, [verdict.cells for verdict in verdicts])


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first and the last column left, the others right aligned."""
    rule = ("---",) + ("--:",) * (len(columns) - 2) + ("---",)
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, rule, *rows))


def report(
    verdicts: Sequence[Verdict], facts: Mapping[str, str], title: str = "Statistical tests"
) -> str:
    """Return the page on a campaign in Markdown.

    Parameters
    ----------
    verdicts
        Verdicts of all problems.
    facts
        What to say about the campaign, such as the command that made it, by keyword.
    title
        Heading of the page.
    """
    over_all = pooled(verdicts)
    failed = [(v.problem, f) for v in verdicts for f in v.findings if not f.passed]
    failed += [("all problems", f) for f in over_all if not f.passed]
    lines = [
        f"# {title}",
        "",
        "Repeated runs on problems with exact answers; made by a program, not by hand.",
        "",
        *[f"- {name}: {value}" for name, value in facts.items()],
        "",
        LEGEND,
        "",
        RATES,
        "",
        table(verdicts),
        "",
        *[f"- {finding.text} ({finding.name})" for finding in over_all],
        "",
        "## Failed checks" if failed else "All checks passed.",
        "",
        *[f"- {problem}, {finding.name}: {finding.text}" for problem, finding in failed],
    ]
    return "\n".join(lines).rstrip() + "\n"
