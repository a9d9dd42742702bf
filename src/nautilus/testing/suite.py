"""The statistical suite as a command: ``python -m nautilus.testing.suite --help``."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nautilus.errors import SettingsError
from nautilus.testing.campaign import Estimator, Row, Task, code_digest, quoted, run_tasks
from nautilus.testing.checks import CAP
from nautilus.testing.control import whole_history
from nautilus.testing.problems import catalogue
from nautilus.testing.verdict import Verdict, judge, pooled, report


@dataclass(frozen=True)
class Plan:
    """What the suite runs.

    Attributes
    ----------
    problems
        Names from the catalogue.
    n_seeds
        Runs per problem, with seeds 0, 1, ..., at least 2.
    n_eff
        Effective sample size of each run.
    timeout
        Most seconds of a run, for each of its two parts.
    n_workers
        Runs made at a time.
    cap
        Largest mean error of log Z. Where a few runs leave it more uncertain than that, choose
        a larger one.
    settings
        Further keywords of the sampler; values as JSON knows them.
    """

    problems: tuple[str, ...]
    n_seeds: int = 20
    n_eff: float = 4000.0
    timeout: float = 600.0
    n_workers: int = 2
    cap: float = CAP
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = catalogue()
        unknown = [name for name in self.problems if name not in known]
        if unknown or not self.problems:
            raise SettingsError(f"problems={unknown}: pass names among {', '.join(known)}.")
        if self.n_seeds < 2:
            raise SettingsError(f"n_seeds={self.n_seeds}: pass at least 2, to see the scatter.")

    def tasks(self) -> list[Task]:
        """Return all runs, one seed after the other so that each problem is seen early."""
        known = catalogue()
        return [
            Task(name, known[name], seed, self.n_eff, self.timeout, self.settings)
            for seed in range(self.n_seeds)
            for name in self.problems
        ]


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file of rows; none if there is no file.

    A last line cut short by a kill is left out.
    """
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]


def read_rows(path: Path) -> list[Row]:
    """Return the rows stored so far."""
    return [Row.from_json(line) for line in whole_lines(path)]


def mend(path: Path) -> None:
    """Drop a last line that was cut short, so that the next one starts on a line of its own."""
    if path.exists():
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")


def collect(plan: Plan, path: Path, estimator: Estimator = quoted) -> list[Row]:
    """Make the runs of a plan that are not stored yet, and return the rows of all.

    Parameters
    ----------
    plan
        What to run.
    path
        File of rows, one JSON object per line; made if it is not there. Rows of other settings
        or of another version of the code stay in the file and are not used, and runs that broke
        off or did not reach their goal in time are made again.
    estimator
        What to judge instead of the sampler's own evidence; use one file for each.
    """
    tasks = {task.key: task for task in plan.tasks()}
    path.parent.mkdir(parents=True, exist_ok=True)
    mend(path)
    known = [row for row in read_rows(path) if row.key in tasks]
    unfinished = {row.key for row in known if not row.is_success}
    rows = [row for row in known if row.key not in unfinished]
    stored = {row.key for row in rows}
    missing = [task for key, task in tasks.items() if key not in stored]
    with path.open("a", encoding="utf-8") as file:
        for number, pair in enumerate(run_tasks(missing, plan.n_workers, estimator), 1):
            # Both rows in one write: a run is stored as a whole or not at all.
            file.write("".join(row.to_json() + "\n" for row in pair))
            file.flush()
            rows += pair
            tell(f"[{number}/{len(missing)}] " + _line(pair))
    return rows


def tell(text: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _line(pair: Sequence[Row]) -> str:
    kept, fresh = pair
    answers = [f"{row.n_like:,} calls, log Z {row.log_z:.4f} ± {row.log_z_err:.4f}" for row in pair]
    return (
        f"{kept.problem} seed {kept.seed}: kept {answers[0]}; fresh {answers[1]}; "
        f"{fresh.cpu_seconds:.1f} s; {fresh.reason} {' '.join(fresh.findings)}"
    )


def assess(plan: Plan, rows: Sequence[Row]) -> list[Verdict]:
    """Judge the rows of a plan, problem by problem."""
    known = catalogue()
    return [
        judge(known[name](), [r for r in rows if r.problem == name], len(plan.problems), plan.cap)
        for name in plan.problems
    ]


def has_passed(verdicts: Sequence[Verdict]) -> bool:
    """Tell whether every check passed, those over all problems included."""
    return all(v.passed for v in verdicts) and all(f.passed for f in pooled(verdicts))


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m nautilus.testing.suite",
        description="Run the sampler on problems with known answers and judge what it says.",
    )
    parser.add_argument("--problems", nargs="+", default=list(catalogue()), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=20, help="runs per problem")
    parser.add_argument("--n-eff", type=float, default=4000.0, help="effective sample size")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds per run and part")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--cap", type=float, default=CAP, help="largest mean error of log Z")
    parser.add_argument("--settings", type=json.loads, default={}, help="sampler keywords as JSON")
    parser.add_argument("--rows", type=Path, help="default: out/statistical.jsonl")
    parser.add_argument("--table", type=Path, help="default: docs/statistical.md")
    parser.add_argument(
        "--control",
        action="store_true",
        help="judge a deliberately biased estimator: the suite must fail; its files are others,"
        " out/control.jsonl and docs/statistical-control.md",
    )
    given = parser.parse_args(arguments)
    # Rows do not say which estimator made them.
    name = ("control", "statistical-control") if given.control else ("statistical", "statistical")
    given.rows = given.rows or Path(f"out/{name[0]}.jsonl")
    given.table = given.table or Path(f"docs/{name[1]}.md")
    return given


def main(arguments: Sequence[str]) -> int:
    """Run the suite, write its table, and return 0 if every check passed, else 1.

    Parameters
    ----------
    arguments
        Command line, without the program; ``--help`` describes it.
    """
    given = _arguments(arguments)
    plan = Plan(
        problems=tuple(given.problems),
        n_seeds=given.seeds,
        n_eff=given.n_eff,
        timeout=given.timeout,
        n_workers=given.workers,
        cap=given.cap,
        settings=given.settings,
    )
    estimator = whole_history if given.control else quoted
    verdicts = assess(plan, collect(plan, given.rows, estimator))
    facts = {
        "command": f"`{shlex.join(['python', '-m', 'nautilus.testing.suite', *arguments])}`",
        "digest of the code that was tested": f"`{code_digest()}`",
        "runs per problem": str(plan.n_seeds),
        "effective sample size wanted": f"{plan.n_eff:,.0f}",
        "largest mean error of log Z allowed in any case": f"{plan.cap:g}",
        "keywords of the sampler": f"`{json.dumps(plan.settings)}`"
        if plan.settings
        else "defaults",
    }
    if given.control:
        facts["what is judged"] = (
            "a deliberately biased estimator of log Z in place of the sampler's: the suite must "
            "find it wrong (see `nautilus.testing.control`)"
        )
    page = report(verdicts, facts, "Negative control" if given.control else "Statistical tests")
    given.table.parent.mkdir(parents=True, exist_ok=True)
    given.table.write_text(page, encoding="utf-8")
    tell(page)
    return 0 if has_passed(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
