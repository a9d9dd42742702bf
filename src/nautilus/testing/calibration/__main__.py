"""The command: make the runs, judge them, write the page."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nautilus.errors import SettingsError
from nautilus.testing.calibration import judge
from nautilus.testing.calibration.models import model_pairs, models
from nautilus.testing.calibration.page import make_page
from nautilus.testing.calibration.studies import OWN_PARTS, STUDIES, Task, collect
from nautilus.testing.campaign import code_digest
from nautilus.testing.suite import tell

PAIR_LIVE = (250, 500, 1000)
"""Numbers of live points with which the pair of normals is run."""

PAIR_N_EFF = 2000.0
"""Effective sample size of these runs: weights of modes are to be seen."""


def make_tasks(studies: Sequence[str], n_sets: int, n_runs: int, n_eff: float) -> list[Task]:
    """Return all runs, those of one number side by side so that everything is seen early."""
    names = {
        "ranks": list(models()),
        "factors": list(model_pairs()),
        "pair": [str(n_live) for n_live in PAIR_LIVE],
    }
    sizes = {"ranks": n_sets, "factors": n_sets, "pair": n_runs}
    return [
        Task(study, name, number, PAIR_N_EFF if study == "pair" else n_eff)
        for study in studies
        for number in range(sizes[study])
        for name in names[study]
    ]


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m nautilus.testing.calibration",
        description="Simulate data sets, sample them, and judge whether posteriors, probabilities"
        " of models and weights of modes are as often right as they say.",
    )
    parser.add_argument("--studies", nargs="+", default=list(STUDIES), choices=list(STUDIES))
    parser.add_argument("--sets", type=int, default=300, help="simulated data sets of each model")
    parser.add_argument("--runs", type=int, default=100, help="runs on the pair for each n_live")
    parser.add_argument("--n-eff", type=float, default=500.0, help="effective sample size")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--rows", type=Path, default=Path("out/calibration.jsonl"))
    parser.add_argument("--page", type=Path, default=Path("docs/calibration.md"))
    given = parser.parse_args(arguments)
    for name in ("sets", "runs"):
        if getattr(given, name) < 2:
            raise SettingsError(f"--{name} is {getattr(given, name)}: give at least 2.")
    return given


def main(arguments: Sequence[str]) -> int:
    """Make the runs, write the page, and return 0 if every check passed, else 1.

    Parameters
    ----------
    arguments
        Command line, without the program; ``--help`` describes it.
    """
    given = _arguments(arguments)
    tasks = make_tasks(given.studies, given.sets, given.runs, given.n_eff)
    rows = collect(tasks, given.rows, given.workers, tell)
    groups = {study: judge.by_name(rows, study) for study in STUDIES}
    named = {f"n_live {name}": rows for name, rows in groups["pair"].items()}
    tables = {
        "ranks": judge.judge_ranks(groups["ranks"]),
        "control": judge.judge_control(groups["ranks"]),
        "replicas": judge.judge_replicas(groups["ranks"]),
        "factors": judge.judge_factors(groups["factors"]),
        "pair": judge.judge_pair(groups["pair"]),
        "evidences": judge.judge_evidences(groups["ranks"] | groups["factors"] | named),
    }
    n_doubted = sum(bool(row["findings"]) for row in rows)
    facts = {
        "command": f"`{shlex.join(['python', '-m', 'nautilus.testing.calibration', *arguments])}`",
        "digest of the code that was tested": f"`{code_digest(*OWN_PARTS)}`",
        "effective sample size wanted": f"{given.n_eff:,.0f}; {PAIR_N_EFF:,.0f} for the two modes",
        "runs that ended with a finding": f"{n_doubted} of {len(rows)}",
        "CPU time": f"{sum(row['cpu_seconds'] for row in rows) / 3600:.1f} hours",
    }
    runs = judge.complete(rows, len(tasks))
    page = make_page(tables, facts, runs)
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text(page, encoding="utf-8")
    tell(page)
    findings = [runs, *(finding for table in tables.values() for finding in table.findings)]
    return 0 if all(finding.passed for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
