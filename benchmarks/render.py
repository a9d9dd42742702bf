"""Turn measured rows into the tables of ``results.md``."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from catalogue import NAMES

Row = dict[str, Any]

REFERENCE_NAMES = {
    "gauss10": "gaussian-10",
    "gauss20": "gaussian-20",
    "loggamma10": "loggamma-10",
    "rosenbrock5": "rosenbrock-5",
    "funnel10": "steep-funnel-10",
    "seed3": "round-3",
    "exoplanet14": "k2-24",
    "shells10": "shells-10",
    "funnelcorr10": "correlated-funnel-10",
}

HEAD = """# This package beside the public one

Public package: nautilus-sampler 1.0.6 with its defaults. Every run goes on until the effective
sample size is 10,000: first with all points kept, then with exploration discarded and topped up.
One process, one numerical thread, no pool, vectorised likelihood.

Made with

    python benchmarks/compare.py{option}

and more seeds of single problems with its options `--only` and `--seeds`; means over seeds where
there are several. *Ratio* is ours over public. *Own* seconds are CPU seconds of the process minus
those spent in the likelihood (wall seconds are in `results.jsonl`); they are compared only where
both packages ran on the same machine since the same boot.
"""

REFERENCE_NOTE = (
    "\n\\* calls and log Z of the public package taken from `{file}` (one seed, on another "
    "machine; seconds of that file are not comparable and not shown).\n"
)
LOG_Z_PROBLEM = "k2-24"
LOG_Z_NOTE = (
    "\nTruth is exact except for K2-24; an importance sample, `k2_24_evidence.py`, gives "
    "-98.896 +- 0.002.\n"
)


def from_reference(row: Row) -> Row | None:
    """Return a row of an older file in today's terms, without its seconds; None if unknown."""
    problem = REFERENCE_NAMES.get(row["problem"])
    if problem is None:
        return None
    keys = (
        "seed",
        "n_like_keep",
        "n_like",
        "n_eff_keep",
        "n_eff",
        "log_z_keep",
        "log_z",
    )
    picked = {key: row[key] for key in keys}
    return {
        **picked,
        "package": "public",
        "code": row["package"],
        "problem": problem,
        "label": "reference",
        "log_z_true": row["log_z_true"],
    }


def latest(rows: Iterable[Row], package: str, problem: str) -> list[Row]:
    """Return the rows of the code and settings that were measured last, one per seed."""
    chosen = [row for row in rows if (row["package"], row["problem"]) == (package, problem)]
    if not chosen:
        return []
    setting = ("code", "n_eff_wanted", "n_live", "label")
    last = [chosen[-1].get(key) for key in setting]
    same = [row for row in chosen if [row.get(key) for key in setting] == last]
    return list({row["seed"]: row for row in same}.values())


def mean(rows: Sequence[Row], key: str) -> float | None:
    """Return the mean of a column, None where a row lacks it."""
    values = [row.get(key) for row in rows]
    return (
        None if not values or None in values else fmean(float(v) for v in values if v is not None)
    )


def number(value: float | None, form: str = ",.0f") -> str:
    """Return a number as text, a dash for None."""
    return "-" if value is None else format(value, form)


def ratio(ours: float | None, public: float | None) -> str:
    """Return the quotient as text, a dash where one side is missing."""
    return "-" if ours is None or not public else f"{ours / public:.2f}"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, first column left, the others right aligned."""
    rule = ["--"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *body)) + "\n"


def calls_row(name: str, ours: list[Row], public: list[Row]) -> list[str]:
    """Return calls and their ratios, points kept and exploration discarded."""
    cells = [name, f"{len(ours)}/{len(public)}"]
    for key in ("n_like_keep", "n_like"):
        a, b = mean(ours, key), mean(public, key)
        cells += [number(a), number(b), ratio(a, b)]
    return cells


def accuracy_row(name: str, ours: list[Row], public: list[Row], truth: float | None) -> list[str]:
    """Return log Z minus truth with quoted errors, and the effective sample sizes."""
    cells = [name, number(truth, ".4f")]
    for suffix in ("_keep", ""):
        for rows in (ours, public):
            log_z, error = (
                mean(rows, f"log_z{suffix}"),
                mean(rows, f"log_z_err{suffix}"),
            )
            gap = None if log_z is None or truth is None else log_z - truth
            cells.append(number(gap, "+.3f") + ("" if error is None else f" ({error:.3f})"))
    return [
        *cells,
        number(mean(ours, "n_eff_keep")),
        number(mean(public, "n_eff_keep")),
    ]


def cost_row(name: str, ours: list[Row], public: list[Row]) -> list[str]:
    """Return own seconds and memory; the ratio only within one machine and boot."""
    cells = [name]
    comparable = {row["label"] for row in ours} == {row["label"] for row in public}
    for key in ("own_cpu_seconds_keep", "own_cpu_seconds"):
        a, b = mean(ours, key), mean(public, key)
        cells += [
            number(a, ".1f"),
            number(b, ".1f"),
            ratio(a, b) if comparable else "-",
        ]
    calls, own = mean(ours, "n_like_keep"), mean(ours, "own_cpu_seconds_keep")
    per_thousand = None if calls is None or own is None else own / calls * 1000.0
    memory = [number(mean(rows, "peak_mib")) for rows in (ours, public)]
    return [*cells, number(per_thousand, ".2f"), *memory]


def render(rows: list[Row], reference: list[Row], reference_file: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    rows
        Measured rows in the order in which they were measured.
    reference
        Rows of an older file for problems on which the public package was not run here.
    reference_file
        Name of that file, for the note below the tables.
    """
    known = [row for row in map(from_reference, reference) if row is not None]
    calls, accuracy, cost = [], [], []
    for name in NAMES:
        ours, measured = latest(rows, "ours", name), latest(rows, "public", name)
        public = measured or latest(known, "public", name)
        if not ours and not public:
            continue
        shown = name if measured or not public else name + "\\*"
        truth = mean(ours or public, "log_z_true")
        calls.append(calls_row(shown, ours, public))
        accuracy.append(accuracy_row(shown, ours, public, truth))
        cost.append(cost_row(shown, ours, public))
    option = f" --public-calls {reference_file}" if reference_file else ""
    parts = [
        HEAD.format(option=option),
        "\n## Likelihood calls\n\n",
        table(CALLS_HEAD, calls),
    ]
    parts += [
        "\n## log Z minus truth (quoted error)\n\n",
        table(ACCURACY_HEAD, accuracy),
    ]
    if any(row["problem"] == LOG_Z_PROBLEM for row in rows):
        parts.append(LOG_Z_NOTE)
    parts += ["\n## Own CPU seconds and memory\n\n", table(COST_HEAD, cost)]
    if reference_file:
        parts.append(REFERENCE_NOTE.format(file=reference_file))
    return "".join(parts)


CALLS_HEAD = (
    "problem",
    "seeds ours/public",
    "kept: ours",
    "public",
    "ratio",
    "discarded: ours",
    "public",
    "ratio",
)
ACCURACY_HEAD = (
    "problem",
    "truth",
    "kept: ours",
    "public",
    "discarded: ours",
    "public",
    "n_eff kept: ours",
    "public",
)
COST_HEAD = (
    "problem",
    "kept: ours",
    "public",
    "ratio",
    "discarded: ours",
    "public",
    "ratio",
    "ours per 1,000 calls",
    "peak MiB: ours",
    "public",
)
