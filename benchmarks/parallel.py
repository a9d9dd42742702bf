"""What pools buy: seconds, efficiency and bytes on the problem of ``examples/parallel.py``.

    python benchmarks/parallel.py                             # everything that is not measured yet
    python benchmarks/parallel.py --parts backends bytes      # parts of it
    python benchmarks/parallel.py --render                    # write the tables again

Parts:

- backends: a likelihood of 10 ms, serial and with four workers of each kind;
- public: the public package likewise, in the environment of ``compare.py``;
- efficiency: 1 to 16 workers that sleep, at 10 and at 100 ms per call;
- bytes: what is sent to four processes and back, also with a likelihood that holds 200 MB;
- cluster: 10 to 10,000 workers on a virtual clock (see ``cluster.py``).

Each run but those of the last part is a fresh process with one numerical thread. Rows are appended
to ``parallel.jsonl``; a run whose row is there (same code, settings and machine) is not repeated.
The tables go to ``parallel.md`` and, with ``--page``, between two marks of ``docs/parallel.md``.
The status is 1 if a run failed, or if log Z is not the same to the last bit wherever it should be.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cluster
from catalogue import ROOT
from compare import HERE, PUBLIC_ENVIRONMENT, code_version, machine_label, python_of, read_rows
from parallel_tables import PART_NAMES, render, with_tables

from nautilus.evaluate.threads import THREAD_VARIABLES

Row = dict[str, Any]

PAGE = ROOT / "docs" / "parallel.md"

N_EFF = 10_000.0
SLEEP = 0.01
LONG_SLEEP = 0.1
N_LIKE_LONG = 4000
"""Calls after which runs with long calls end: with one worker these take seven minutes."""
N_WORKERS = 4
EFFICIENCY_WORKERS = (1, 2, 4, 8, 16)
MEGABYTES = 200.0
SEED = 1
MPI_BACKENDS = {"mpi": [], "mpi4py": ["-m", "mpi4py.futures"]}
"""Backends whose script `mpiexec` starts, with options of Python."""


def wanted(parts: Iterable[str], n_eff: float | None, sleep: float | None) -> list[Row]:
    """Return the settings of all runs of some parts; `n_eff` and `sleep` replace their own."""
    short = {"sleep": SLEEP, "n_eff_wanted": N_EFF}
    long = {"sleep": LONG_SLEEP, "n_eff_wanted": N_EFF, "n_like_max": N_LIKE_LONG}
    by_part: dict[str, list[Row]] = {
        "backends": [
            {**short, "backend": "serial", "workers": 1},
            *(
                {**short, "backend": name, "workers": N_WORKERS}
                for name in ("processes", "mpi4py", "mpi", "dask")
            ),
        ],
        "public": [
            {**short, "backend": name, "workers": n}
            for name, n in (("serial", 1), ("processes", N_WORKERS), ("mpi4py", N_WORKERS))
        ],
        "efficiency": [
            {**setting, "backend": "processes", "workers": n}
            for setting in (short, long)
            for n in EFFICIENCY_WORKERS
        ],
        "bytes": [
            {**short, "backend": name, "workers": N_WORKERS, "megabytes": size}
            for name in ("counted", "processes")
            for size in (0.0, MEGABYTES)
        ],
        "cluster": [
            {"n_eff_wanted": N_EFF, "n_update": n_update, "workers": n}
            for n_update in cluster.N_UPDATES
            for n in cluster.WORKERS
        ],
    }
    given = {"n_eff_wanted": n_eff, "sleep": sleep}
    replaced = {key: value for key, value in given.items() if value is not None}
    return [
        {
            "part": part,
            **key,
            **{name: replaced.get(name, key[name]) for name in key.keys() & given},
        }
        for part in parts
        for key in by_part[part]
    ]


def command_of(key: Row) -> list[str]:
    """Return the command line of a run."""
    is_public = key["part"] == "public"
    python = public_python_with_mpi() if is_public else Path(sys.executable)
    script = "parallel_public.py" if is_public else "parallel_one.py"
    command = [str(python), str(HERE / script), key["backend"]]
    if key["backend"] in MPI_BACKENDS:
        beside = os.pathsep.join((str(python.parent), os.environ["PATH"]))
        launcher = shutil.which("mpiexec", path=beside) or "mpiexec"
        command[1:1] = MPI_BACKENDS[key["backend"]]
        command = [launcher, "-n", str(key["workers"] + 1), *command]
    command += ["--seed", str(SEED), "--workers", str(key["workers"])]
    command += ["--sleep", str(key["sleep"]), "--n-eff", str(key["n_eff_wanted"])]
    for name in ("n_like_max", "megabytes"):
        if name in key:
            command += [f"--{name.replace('_', '-')}", str(key[name])]
    return command


def public_python_with_mpi() -> Path:
    """Return the Python of the public package's environment, with MPI."""
    python = python_of("public")
    if not list(PUBLIC_ENVIRONMENT.rglob("mpi4py/__init__.py")):
        install = ("-m", "pip", "install", "--quiet", "mpi4py>=4.0", "mpich>=4.2")
        subprocess.run([str(python), *install], check=True)
    return python


def measure(key: Row) -> Row | None:
    """Return the row of one run; None (and its error printed) if it failed."""
    if key["part"] == "cluster":
        return key | cluster.measure(key["n_update"], key["workers"], key["n_eff_wanted"])
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    done = subprocess.run(
        command_of(key), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr, flush=True)
        return None
    measured: Row = json.loads(done.stdout.splitlines()[-1])
    return key | measured


def run_all(given: argparse.Namespace) -> int:
    """Measure what is missing, one run at a time; return the number of failed runs."""
    known = read_rows(given.results)
    label, n_failed = machine_label(), 0
    for key in wanted(given.parts, given.n_eff, given.sleep):
        package = "public" if key["part"] == "public" else "ours"
        stamp = {"code": code_version(package), "label": label}
        if any((key | stamp).items() <= row.items() for row in known):
            continue
        row = measure(key)
        print("failed:" if row is None else "", *(row or key).items(), flush=True)
        n_failed += row is None
        if row is not None:
            with given.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(stamp | row) + "\n")
    return n_failed


def disagreements(rows: Iterable[Row]) -> list[set[tuple[str, int]]]:
    """Return differing pairs of log Z and calls of runs that only differ in where they ran."""
    found: dict[tuple[Any, ...], set[tuple[str, int]]] = defaultdict(set)
    setting = ("code", "label", "n_eff_wanted", "n_like_max")
    for row in rows:
        if "log_z_hex" in row:
            key = tuple(row.get(name) for name in setting)
            found[key].add((row["log_z_hex"], row["n_like"]))
    return [answers for answers in found.values() if len(answers) > 1]


def main() -> int:
    """Measure, compare, write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PART_NAMES, default=PART_NAMES)
    parser.add_argument("--n-eff", type=float, help="instead of each part's own")
    parser.add_argument("--sleep", type=float, help="seconds per call, instead of each part's own")
    parser.add_argument("--results", type=Path, default=HERE / "parallel.jsonl")
    parser.add_argument("--table", type=Path, default=HERE / "parallel.md")
    parser.add_argument("--render", action="store_true", help="only write the tables")
    parser.add_argument("--page", action="store_true", help="also those of the documentation")
    given = parser.parse_args()
    n_failed = 0 if given.render else run_all(given)
    rows = read_rows(given.results)
    different = disagreements(rows)
    for answers in different:
        print(f"log Z and calls should be equal but are {sorted(answers)}", file=sys.stderr)
    given.table.write_text("# Parallel runs\n\n" + render(rows), encoding="utf-8")
    if given.page:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    print(f"Wrote {given.table}")
    return int(n_failed > 0 or bool(different))


if __name__ == "__main__":
    sys.exit(main())
