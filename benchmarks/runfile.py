"""What a run file costs: share of the wall time, bytes, and how both grow.

    python benchmarks/runfile.py                     # everything that is not measured yet
    python benchmarks/runfile.py --parts share       # a part of it
    python benchmarks/runfile.py --render            # write the tables again

Parts:

- share: the problem of ``examples/parallel.py`` without a file and with one, for likelihoods of 10,
  1 and 0 ms, serial and with four workers;
- growth: a synthetic run in 30 dimensions that is saved up to a million evaluations;
- singly: synthetic runs of which each result is saved alone, as those of very slow likelihoods are.

Each run is a fresh process with one numerical thread, see ``runfile_one.py`` and
``runfile_growth.py``. Rows are appended to ``runfile.jsonl``; a run whose rows are there (same
code, settings and machine) is not repeated. The tables go to ``runfile.md`` and, with ``--page``,
between two marks of ``docs/checkpointing.md``. The status is 1 if a run failed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from catalogue import ROOT
from compare import HERE, code_version, machine_label, read_rows
from runfile_tables import PART_NAMES, render, with_tables

from nautilus.evaluate.threads import THREAD_VARIABLES

Row = dict[str, Any]

PAGE = ROOT / "docs" / "checkpointing.md"
FOLDER = ROOT / ".benchmark"
"""Where the run files are made: folders for temporary files may lie in memory."""

N_EFF = 5000.0
SEEDS = (1, 2, 3)
SCRIPTS = {"share": "runfile_one.py", "growth": "runfile_growth.py", "singly": "runfile_growth.py"}
MILLION = 1_000_000


def wanted(parts: Iterable[str]) -> list[Row]:
    """Return the settings of all runs of some parts."""
    by_part: dict[str, list[Row]] = {
        "share": [
            {"sleep": sleep, "workers": workers, "n_eff": N_EFF, "seed": seed}
            for sleep, workers in ((0.01, 1), (0.01, 4), (0.001, 1), (0.001, 4), (0.0, 1))
            for seed in SEEDS
        ],
        "growth": [
            synthetic(30, n_blobs, n_stage, n_stage // 4, n_new, MILLION)
            for n_stage, n_new in ((2000, 1), (20_000, 2))
            for n_blobs in (0, 3)
        ],
        "singly": [
            synthetic(n_dim, n_blobs, 500, 1, 1, 10_000) for n_dim in (3, 30) for n_blobs in (0, 3)
        ],
    }
    return [{"part": part, **key} for part in parts for key in by_part[part]]


def synthetic(n_dim: int, n_blobs: int, n_stage: int, n_chunk: int, n_new: int, n_most: int) -> Row:
    """Return the settings of a synthetic run.

    Stages have `n_stage` points, of which `n_chunk` are saved at once, each with so many numbers
    as blobs; so many new proposals come with a stage.
    """
    return {
        "n_dim": n_dim, "n_blobs": n_blobs, "n_stage": n_stage, "n_chunk": n_chunk, "n_new": n_new,
        "n_most": n_most, "seed": 1,
    }  # fmt: skip


def measure(key: Row) -> list[Row]:
    """Return the rows of one run; none (and its error printed) if it failed."""
    FOLDER.mkdir(exist_ok=True)
    command = [sys.executable, str(HERE / SCRIPTS[key["part"]]), str(FOLDER)]
    for name, value in key.items():
        if name != "part":
            command += [f"--{name.replace('_', '-')}", str(value)]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr, flush=True)
        return []
    return [key | json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def run_all(given: argparse.Namespace) -> int:
    """Measure what is missing, one run at a time; return the number of failed runs."""
    known = read_rows(given.results)
    stamp = {"code": code_version("ours"), "label": machine_label()}
    n_failed = 0
    for key in wanted(given.parts):
        if any((key | stamp).items() <= row.items() for row in known):
            continue
        rows = measure(key)
        n_failed += not rows
        print("" if rows else "failed:", *key.items(), flush=True)
        with given.results.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(stamp | row) + "\n" for row in rows)
    return n_failed


def main() -> int:
    """Measure, write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PART_NAMES, default=PART_NAMES)
    parser.add_argument("--results", type=Path, default=HERE / "runfile.jsonl")
    parser.add_argument("--table", type=Path, default=HERE / "runfile.md")
    parser.add_argument("--render", action="store_true", help="only write the tables")
    parser.add_argument("--page", action="store_true", help="also those of the documentation")
    given = parser.parse_args()
    n_failed = 0 if given.render else run_all(given)
    rows = read_rows(given.results)
    given.table.write_text("# What a run file costs\n\n" + render(rows), encoding="utf-8")
    if given.page:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    print(f"Wrote {given.table}")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
