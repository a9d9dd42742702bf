"""Turn rows of ``runfile.jsonl`` into tables."""

import itertools
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from parallel_tables import BEGIN, END
from render import number, table

Row = dict[str, Any]

KEPT = ("points_bytes", "log_l_bytes", "blobs_bytes", "proposals_bytes")
"""What cannot be had again."""
ALL = (*KEPT, "parameters_bytes", "weights_bytes")
"""With what is there to be read without the model."""

ORDER = (
    ("sleep", -1), ("workers", 1), ("n_stage", 1), ("n_dim", 1), ("n_blobs", 1), ("n_points", 1),
)  # fmt: skip
"""Columns by which rows are sorted."""

HEAD = """Made by `benchmarks/runfile.py`, with one numerical thread, on a local disk.
"""
SHARE_NOTE = """
The problem of `examples/parallel.py`, a Gaussian in three dimensions whose likelihood sleeps, to an
effective sample size of {n_eff:,.0f}: medians of {n_seeds} seeds, each run without a file and then
with one. *Saving* is the time spent on the file, measured where it is spent, over that of the whole
run, from the least to the most of the seeds; the difference of the seconds is mostly noise of the
machine. What of it is spent *on the processor* does not depend on the disk and who else uses it: a
write of one page took between {least:.1f} and {most:.1f} ms until it was safe. *At risk* is the
longest time that a result waited for being saved, *at most* the longest save.
"""
GROWTH_NOTE = """
Synthetic runs in {n_dim} dimensions: random points, proposals like those of a real run, a quarter
of a stage in each save within it. *Blobs* are the numbers beside each log L. Milliseconds are
medians per save since the row above: of a new proposal with the points of its stage, of results
within the stage, and of the complete stage with its parameters and, at each tenth more points, with
the weights of all; *at most* is the longest of all saves. *All arrays* are points, log L, blobs,
proposals, parameters and weights as they are in memory; the last two follow from the others and the
prior, and are there for readers that have no model. *Open* checks every page, *load* reads
everything, *result* is `nautilus.load` of a run that stopped.
"""
SINGLY_NOTE = """
The worst case for sizes: each result is saved alone, as it is where calls take minutes. Rows of a
stage become one when it is complete.
"""


def latest(rows: Iterable[Row], part: str) -> list[Row]:
    """Return the rows of a part with the code and machine that were measured last, in order."""
    chosen = [row for row in rows if row["part"] == part]
    same = [row for row in chosen if all(row[key] == chosen[-1][key] for key in ("code", "label"))]
    return sorted(same, key=lambda row: [row.get(key, 0.0) * sign for key, sign in ORDER])


def share(rows: list[Row]) -> str:
    """Return the table of real runs."""
    head = (
        "ms per call", "workers", "calls", "seconds without file", "with", "saving",
        "on the processor", "saves", "ms per save", "at most", "at risk, s", "MB written",
        "MB of file",
    )  # fmt: skip
    body = []
    for (sleep, workers), group in itertools.groupby(
        rows, lambda row: (row["sleep"], row["workers"])
    ):
        some = list(group)
        shares = [
            [row[f"saving_{kind}seconds"] / row["seconds"] for row in some] for kind in ("", "cpu_")
        ]
        middle = {key: median(row[key] for row in some) for key in SHOWN}
        body.append(
            [
                f"{1000 * sleep:g}",
                str(workers),
                number(middle["n_like"]),
                number(middle["seconds_without"], ".1f"),
                number(middle["seconds"], ".1f"),
                *(f"{min(found):.2%} - {max(found):.2%}" for found in shares),
                number(middle["n_saves"]),
                number(1e3 * middle["save_median"], ".1f"),
                number(1e3 * max(row["save_max"] for row in some), ".0f"),
                number(max(row["at_risk_seconds"] for row in some), ".1f"),
                number(middle["written_bytes"] / 1e6, ".1f"),
                number(middle["file_bytes"] / 1e6, ".2f"),
            ]
        )
    n_seeds = len({row["seed"] for row in rows})
    page = [1e3 * row["sync_seconds"] for row in rows]
    return table(head, body) + SHARE_NOTE.format(
        n_eff=rows[0]["n_eff"], n_seeds=n_seeds, least=min(page), most=max(page)
    )


SHOWN = (
    "n_like", "seconds_without", "seconds", "n_saves", "save_median", "written_bytes", "file_bytes",
)  # fmt: skip


def sizes(row: Row) -> list[str]:
    """Return the size of a file, beside all arrays and beside those that cannot be had again."""
    size = row["file_bytes"]
    return [
        number(size / 1e6, ".1f"),
        *(number(size / sum(row[key] for key in keys), ".2f") for keys in (ALL, KEPT)),
    ]


SIZES = ("MB of file", "over all arrays", "over those that cannot be had again")


def growth(rows: list[Row]) -> str:
    """Return the table of runs up to a million evaluations."""
    head = (
        "points per stage", "blobs", "evaluations", "ms: proposal", "results", "stage", "at most",
        "µs per evaluation", *SIZES, "s: open", "load", "result",
    )  # fmt: skip
    body = [
        [
            number(row["n_stage"]),
            str(row["n_blobs"]),
            number(row["n_points"]),
            *(number(1e3 * row[f"{kind}_median"], ".1f") for kind in KINDS),
            number(1e3 * max(row[f"{kind}_max"] for kind in KINDS), ".0f"),
            number(1e6 * row["saving_seconds"] / row["n_new_points"], ".0f"),
            *sizes(row),
            *(number(row[f"{kind}_seconds"], ".2f") for kind in ("open", "load", "result")),
        ]
        for row in rows
    ]
    return table(head, body) + GROWTH_NOTE.format(n_dim=rows[0]["n_dim"])


KINDS = ("plan", "part", "stage")


def singly(rows: list[Row]) -> str:
    """Return the table of runs whose results are saved one by one."""
    head = ("dimensions", "blobs", "evaluations", "saves", "ms per save", "at most", *SIZES)
    body = [
        [
            str(row["n_dim"]),
            str(row["n_blobs"]),
            number(row["n_points"]),
            number(row["n_saves"]),
            number(1e3 * row["part_median"], ".1f"),
            number(1e3 * row["part_max"], ".0f"),
            *sizes(row),
        ]
        for row in rows
    ]
    return table(head, body) + SINGLY_NOTE


PARTS: dict[str, tuple[str, Callable[[list[Row]], str]]] = {
    "share": ("Share of the time", share),
    "growth": ("Up to a million evaluations", growth),
    "singly": ("Results saved one by one", singly),
}
PART_NAMES = tuple(PARTS)


def with_tables(page: str, rows: list[Row]) -> str:
    """Return the text of a page with the tables between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + _tables(rows) + "\n" + END + after


def render(rows: list[Row]) -> str:
    """Return the tables of all parts that were measured, without a title."""
    return HEAD + _tables(rows)


def _tables(rows: list[Row]) -> str:
    texts = []
    for part, (title, write) in PARTS.items():
        chosen = latest(rows, part)
        if chosen:
            texts.append(f"\n### {title}\n\n{write(chosen)}")
    return "".join(texts)
