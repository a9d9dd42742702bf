"""Which answers are right, which are wrong and say so, and which are silently wrong; at what cost.

    python benchmarks/scoreboard.py --quick              # half an hour on two cores
    python benchmarks/scoreboard.py --full --page        # hours; writes scoreboard.md and .jsonl
    python benchmarks/scoreboard.py --problems 'random-modes-*' --seeds 0 1 2 --n-eff 10000
    python benchmarks/scoreboard.py compare main . --problems rosenbrock-5 --seeds 0 1 2 3
    python benchmarks/scoreboard.py others               # the public package and dynesty

Problems are those of ``nautilus.testing.problems.gallery``. Each run is a process of its own
with one numerical thread, and works on a copy of the source made at the start: edit meanwhile what
you like. Rows are kept in ``.benchmark/scoreboard.jsonl`` as they come, keyed by package, code,
problem, seed, wanted effective sample size and settings; what is there already, or in the committed
``benchmarks/scoreboard.jsonl``, is not run again, unless it broke off or had less time.

``compare`` takes two states of the code, each a revision, a folder that holds ``src/nautilus``, or
a file of rows, and runs both on the problems of this checkout, alternately. ``others`` runs the
public package and dynesty, in environments of their own that it makes in ``.benchmark``, on ten
problems with random modes and ten of which modes are hardly visible, unless others are named.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from catalogue import ROOT
from compare import REQUIREMENTS, code_version, python_of
from scoreboard_problems import beside, chosen, families, full, quick
from scoreboard_runs import (
    STORE,
    Code,
    Row,
    code_of,
    collect,
    copies,
    identity,
    make_tasks,
    read_rows,
    tidy_when_ended,
    write_rows,
)
from scoreboard_tables import comparison, page
from scoreboard_verdict import line

PUBLISHED = Path(__file__).with_name("scoreboard.jsonl")
PAGE = PUBLISHED.with_suffix(".md")
QUICK_SEEDS, FULL_SEEDS = range(2), range(5)
QUICK_SIZES, FULL_SIZES = (1000.0,), (1000.0, 10_000.0)


def run(arguments: Sequence[str]) -> int:
    """Run the scoreboard, and show or write its page; return 1 if a run broke off."""
    given = run_arguments(arguments)
    known = read_rows(PUBLISHED, given.rows)
    with copies(str(ROOT)) as (here,):
        code = code_of(here)
        tasks = make_tasks(
            [code], given.problems, given.seeds, given.n_eff, given.settings, given.timeout
        )
        rows = collect(tasks, here, known, given.rows, given.workers, line)
    named = {(row["problem"], row["problem_code"]) for row in rows}
    others = list(
        {
            identity(row): row
            for row in known
            if row["package"] != "ours" and (row["problem"], row["problem_code"]) in named
        }.values()
    )
    facts = {
        "command": f"`{shlex.join(['python', 'benchmarks/scoreboard.py', *arguments])}`",
        "digest of the code": f"`{code.version}`",
        "keywords of the sampler": f"`{json.dumps(given.settings)}`"
        if given.settings
        else "defaults",
        "seconds for each run at most": f"{given.timeout:,.0f}",
    }
    text = page(rows, others, facts, families())
    print(text)
    if given.page:
        write_rows(PUBLISHED, [*rows, *others])
        PAGE.write_text(text, encoding="utf-8")
    return int(any(row["status"] == "broken" for row in rows))


def compare(arguments: Sequence[str]) -> int:
    """Compare two states of the code; return 1 if a run broke off."""
    given = compare_arguments(arguments)
    sources = [s for s in (given.first, given.second) if not s.endswith(".jsonl")]
    with copies(str(ROOT), *sources) as (here, *folders):
        codes = dict(zip(sources, map(code_of, folders), strict=True))
        versions = [code.version for code in codes.values()]
        if len(versions) == 2 and versions[0] == versions[1]:
            raise SystemExit(f"{given.first} and {given.second} have the same code: {versions[0]}.")
        tasks = make_tasks(
            list(codes.values()), given.problems, given.seeds, given.n_eff, given.settings,
            given.timeout,
        )  # fmt: skip
        known = read_rows(PUBLISHED, given.rows)
        made = collect(tasks, here, known, given.rows, given.workers, line)
    sides = [
        [row for row in made if row["code"] == codes[name].version]
        if name in codes
        else read_rows(Path(name))
        for name in (given.first, given.second)
    ]
    pairs = paired(*sides)
    if not pairs:
        raise SystemExit(f"{given.first} and {given.second} have no run in common.")
    print(comparison(pairs, (given.first, given.second)))
    return int(any(row["status"] == "broken" for row in made))


def paired(first: Sequence[Row], second: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return the rows of the same runs of two states of the code."""
    latest = {identity(row | {"code": ""}): row for row in second}
    unique = {identity(row | {"code": ""}): row for row in first}
    return [(row, latest[key]) for key, row in unique.items() if key in latest]


def others(arguments: Sequence[str]) -> int:
    """Run other packages; return 1 if a run broke off."""
    given = others_arguments(arguments)
    for package in given.packages:
        python_of(package)  # made before the first run, and once
    codes = [Code(package, code_version(package)) for package in given.packages]
    with copies(str(ROOT)) as (here,):
        tasks = make_tasks(
            codes, given.problems, given.seeds, given.n_eff, given.settings, given.timeout
        )
        known = read_rows(PUBLISHED, given.rows)
        rows = collect(tasks, here, known, given.rows, given.workers, line)
    print(page([], rows, {}, families()))
    return int(any(row["status"] == "broken" for row in rows))


def _parser(name: str, timeout: float) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python benchmarks/scoreboard.py{name}",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--problems", nargs="+", metavar="NAME", help="patterns, 'random-modes-*'")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--n-eff", nargs="+", type=float, help="each makes runs of its own")
    parser.add_argument("--settings", type=json.loads, default={}, help="sampler keywords as JSON")
    parser.add_argument("--timeout", type=float, default=timeout, help="most seconds of a run")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--rows", type=Path, default=STORE, help=f"default: {STORE}")
    return parser


def run_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line of a pass; the quick one if neither it nor problems are named."""
    parser = _parser("", 3600.0)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="quick problems, n_eff 1000, 2 seeds")
    kind.add_argument("--full", action="store_true", help="n_eff 1000 and 10000, 5 seeds")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name} and its rows")
    given = parser.parse_args(arguments)
    every = full() if given.full else quick()
    named = chosen(given.problems) if given.problems else every
    is_pass = given.full or given.quick
    given.problems = [name for name in named if name in every] if is_pass else named
    given.seeds = given.seeds or (FULL_SEEDS if given.full else QUICK_SEEDS)
    given.n_eff = given.n_eff or (FULL_SIZES if given.full else QUICK_SIZES)
    return given


def compare_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line of a comparison; the quick problems if none are named."""
    parser = _parser(" compare", 3600.0)
    parser.add_argument("first", help="revision, folder with src/nautilus, or file of rows")
    parser.add_argument("second", help="the same")
    given = parser.parse_args(arguments)
    given.problems = chosen(given.problems) if given.problems else quick()
    given.seeds = given.seeds or QUICK_SEEDS
    given.n_eff = given.n_eff or QUICK_SIZES
    return given


def others_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line of runs of other packages; ten of each random kind if not named."""
    parser = _parser(" others", 7200.0)
    parser.add_argument("--packages", nargs="+", choices=REQUIREMENTS, default=list(REQUIREMENTS))
    given = parser.parse_args(arguments)
    given.problems = chosen(given.problems) if given.problems else beside()
    given.seeds = given.seeds or [0]
    given.n_eff = given.n_eff or [10_000.0]
    return given


def main(arguments: Sequence[str]) -> int:
    """Do what the first word of the command line says, a pass if it is an option."""
    commands = {"compare": compare, "others": others}
    with tidy_when_ended():
        if arguments and arguments[0] in commands:
            return commands[arguments[0]](arguments[1:])
        return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
