"""The judgement on simulated data sets and on the pair of normals, table by table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nautilus._numerics import split_rate
from nautilus._types import FloatArray
from nautilus.comparison import FALSE_ALARM_RATE
from nautilus.run.stop import StopReason
from nautilus.testing import checks
from nautilus.testing.calibration import factors
from nautilus.testing.calibration.ranks import right_width, uniform_ranks
from nautilus.testing.calibration.studies import N_DRAWS, Row
from nautilus.testing.findings import Finding
from nautilus.testing.marginals import averages

FAMILY_RATE = 1e-3
"""False-alarm rate of each kind of check over everything that it is applied to."""

FOUND_SHARE = 0.2
"""A mode counts as found if the run gives it this share of its exact weight."""

SUCCESSES = {reason.value for reason in StopReason if reason.is_success}

Groups = Mapping[str, Sequence[Row]]
"""Rows by what they have in common, such as the model."""


@dataclass(frozen=True)
class Table:
    """One table of the page, and what was found on the way.

    Attributes
    ----------
    columns
        Headings; the first column is text, the others are numbers.
    lines
        Cells.
    findings
        What decides whether the page passes.
    """

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    findings: tuple[Finding, ...]


def by_name(rows: Sequence[Row], study: str) -> dict[str, list[Row]]:
    """Return the rows of a study by the name of what was run, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["study"] == study:
            groups.setdefault(row["name"], []).append(row)
    return groups


def complete(rows: Sequence[Row], n_wanted: int) -> Finding:
    """Check that all runs were made and reached their goal."""
    n_bad = n_wanted - sum(set(row["reason"].split("; ")) <= SUCCESSES for row in rows)
    return Finding("runs", n_bad, (0, 0), f"{n_bad} of {n_wanted} runs without success")


def judge_ranks(groups: Groups) -> Table:
    """Judge the ranks of each quantity of each model."""
    kinds = [(name, quantity) for name in groups for quantity in groups[name][0]["ranks"]]
    rate = split_rate(FAMILY_RATE, max(len(kinds), 1))
    lines, findings = [], list[Finding]()
    for name, quantity in kinds:
        pair = _of_ranks(groups[name], "ranks", name, quantity, rate)
        findings += pair
        lines.append((
            f"{name}: {quantity}", str(len(groups[name])), *_cells(pair), _verdict(*pair),
        ))  # fmt: skip
    columns = ("quantity", "data sets", "smallest tail", "allowed", "width", "allowed", "verdict")
    return Table(columns, tuple(lines), tuple(findings))


def judge_control(groups: Groups) -> Table:
    """Judge ranks among draws that are too narrow: for each model, some check has to fail."""
    n_kinds = sum(len(rows[0]["ranks"]) for rows in groups.values())
    rate = split_rate(FAMILY_RATE, max(n_kinds, 1))
    lines, findings = [], []
    for name, rows in groups.items():
        failed = 0
        for quantity in rows[0]["narrow"]:
            pair = _of_ranks(rows, "narrow", name, quantity, rate)
            failed += sum(not finding.passed for finding in pair)
            lines.append((f"{name}: {quantity}", str(len(rows)), *_cells(pair), _verdict(*pair)))
        text = f"control {name}: {failed} checks of posteriors that are too narrow fail"
        findings.append(Finding(f"control {name}", failed, (1, np.inf), text))
    columns = ("quantity", "data sets", "smallest tail", "allowed", "width", "allowed", "verdict")
    return Table(columns, tuple(lines), tuple(findings))


def _of_ranks(
    rows: Sequence[Row], kind: str, name: str, quantity: str, rate: float
) -> tuple[Finding, Finding]:
    ranks = np.array([row[kind][quantity] for row in rows])
    label = f"{quantity} ({name})"
    return (
        uniform_ranks(label, ranks, N_DRAWS, rate), right_width(label, ranks, N_DRAWS, rate),
    )  # fmt: skip


def _cells(pair: tuple[Finding, Finding]) -> tuple[str, str, str, str]:
    ranks, width = pair
    return (
        f"{ranks.statistic:.2g}", f"{ranks.bound[0]:.2g}", f"{width.statistic:.2f}",
        f"{width.bound[0]:.2f} to {width.bound[1]:.2f}",
    )  # fmt: skip


def judge_replicas(groups: Groups) -> Table:
    """Judge how often a run and its replica are said to differ, which are both right here."""
    rate = split_rate(FAMILY_RATE, max(len(groups), 1))
    lines, findings = [], []
    for name, rows in groups.items():
        n_differ = sum(row["differs"] for row in rows)
        most = int(stats.binom.isf(rate, len(rows), FALSE_ALARM_RATE))
        text = f"{name}: {n_differ} of {len(rows)} pairs of runs differ, allowed {most}"
        findings.append(Finding(f"replicas {name}", n_differ, (0, most), text))
        lines.append((name, str(len(rows)), str(n_differ), str(most), _verdict(findings[-1])))
    columns = ("model", "pairs of runs", "differ", "allowed", "verdict")
    return Table(columns, tuple(lines), tuple(findings))


def judge_factors(groups: Groups) -> Table:
    """Judge the probabilities of models, for each pair of them."""
    rate = split_rate(FAMILY_RATE, max(2 * len(groups), 1))
    lines, findings = [], []
    for name, rows in groups.items():
        second = factors.probability_of_second(np.array([row["log_z"] for row in rows]))
        came = np.array([row["is_second"] for row in rows])
        found = [factors.average_is_prior(second, rate), factors.come_true(second, came, rate)]
        bins = factors.binned(second, came)
        lines.append((
            name, str(len(rows)), f"{second.mean():.3f}", f"0.500 ± {found[0].bound[1]:.3f}",
            *(
                f"{n_found} of {expected:.1f} ({size})" if size else "-"
                for size, expected, n_found in zip(
                    bins.sizes, bins.expected, bins.found, strict=True
                )
            ),
            f"{found[1].statistic:.2g}", _verdict(*found),
        ))  # fmt: skip
        findings += [Finding(f"{f.name} ({name})", f.statistic, f.bound, f.text) for f in found]
    ends = [f"{a:.1f} to {b:.1f}" for a, b in zip(factors.EDGES, factors.EDGES[1:], strict=False)]
    columns = ("models", "data sets", "average", "allowed", *ends, "chance", "verdict")
    return Table(columns, tuple(lines), tuple(findings))


def judge_evidences(groups: Groups) -> Table:
    """Judge log Z of the models whose evidence is known, and of the pair of normals."""
    answers = {name: _evidences(rows) for name, rows in groups.items()}
    known = {name: parts for name, parts in answers.items() if len(parts[0])}
    rate = split_rate(FAMILY_RATE, max(len(known), 1))
    lines, findings = [], []
    for name, (deviations, errors) in known.items():
        found = [
            checks.bias(deviations, 0.0, rate),
            checks.scatter(deviations, errors, 0.0, rate),
            checks.worst(deviations, errors, 0.0),
        ]
        findings += [Finding(f"{f.name} ({name})", f.statistic, f.bound, f.text) for f in found]
        error = deviations.std(ddof=1) / np.sqrt(len(deviations))
        lines.append((
            name, str(len(deviations)), f"{found[0].statistic:+.4f} ± {error:.4f}",
            f"{found[1].statistic:.2f}", f"{found[2].statistic:.1f}", _verdict(*found),
        ))  # fmt: skip
    columns = ("log Z of", "values", "mean error", "ratio", "worst", "verdict")
    return Table(columns, tuple(lines), tuple(findings))


def _evidences(rows: Sequence[Row]) -> tuple[FloatArray, FloatArray]:
    """Return errors of log Z and quoted errors where the exact value is known, shape (m,)."""
    log_z, errors, exact = (
        np.concatenate([np.atleast_1d(np.array(row[name], dtype=np.float64)) for row in rows])
        for name in ("log_z", "log_z_err", "exact_log_z")
    )
    is_known = np.isfinite(exact)
    return (log_z - exact)[is_known], errors[is_known]


def judge_pair(groups: Groups) -> Table:
    """Judge the weights of the two modes, for each number of live points."""
    rate = split_rate(FAMILY_RATE, max(len(groups), 1))
    lines, findings = [], []
    for n_live, rows in groups.items():
        weights = np.array([row["weights"] for row in rows])[:, :1]
        errors = np.array([row["weight_errors"] for row in rows])[:, :1]
        exact = np.array(rows[0]["exact_weights"])
        found = averages("weight", weights, errors, exact[:1], rate)
        findings += [
            Finding(f"{f.name} (n_live {n_live})", f.statistic, f.bound, f.text) for f in found
        ]
        both = np.mean([np.all(row["weights"] >= FOUND_SHARE * exact) for row in rows])
        scatter = weights.std(ddof=1)
        lines.append((
            n_live, str(len(rows)), f"{np.median([row['n_like'] for row in rows]):,.0f}",
            f"{np.median([row['cpu_seconds'] for row in rows]):.0f}", f"{both:.0%}",
            f"{weights.mean():.4f} ± {scatter / np.sqrt(len(rows)):.4f}", f"{exact[0]:.4f}",
            f"{found[0].statistic:.1f}", str(sum(bool(row["findings"]) for row in rows)),
            _verdict(*found),
        ))  # fmt: skip
    columns = (
        "n_live", "runs", "calls", "CPU s", "found both", "weight of the first", "exact",
        "worst", "with finding", "verdict",
    )  # fmt: skip
    return Table(columns, tuple(lines), tuple(findings))


def _verdict(*findings: Finding) -> str:
    return "passed" if all(finding.passed for finding in findings) else "**failed**"
