"""What the forecast of a run is worth: predicted against actual.

    OMP_NUM_THREADS=1 python benchmarks/forecast.py          # makes the runs that are missing
    python benchmarks/forecast.py --page                     # writes the page from those stored

Every problem of the statistical suite is run once. What a forecast is made from, a few numbers for
each stage that was planned, is kept in forecast.jsonl, so that another rule can be tried on the
same runs. The page shows what was told when a tenth, a quarter, a half and three quarters of all
calls had been made, beside what was still to come. Seconds are judged as if a call of the
likelihood took 10 ms more than it does: these problems cost nothing, and the sampler's own seconds
depend on what else the machine is doing.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from math import isfinite, nan, sqrt
from pathlib import Path
from typing import Any

from nautilus import ProgressRecord, Sampler
from nautilus.report import Forecast, ForecastGoal, forecast, predict
from nautilus.report.format import format_count
from nautilus.testing.problems import catalogue, unit_prior

ROWS = Path(__file__).with_name("forecast.jsonl")
PAGE = Path(__file__).with_name("forecast.md")
N_EFF = 10_000.0
N_STAGE = 500
F_UNSEEN = 0.0025
SHARES = (0.1, 0.25, 0.5, 0.75)
SECONDS_PER_CALL = 0.01
COLUMNS = ("n_like", "n_eff", "f_live", "log_level", "log_volume", "likelihood_seconds",
           "own_seconds")  # fmt: skip
GOAL = ForecastGoal(n_eff=N_EFF, f_unseen=F_UNSEEN, n_least=N_STAGE, n_imitation=2 * N_STAGE)

Row = dict[str, Any]


def run(name: str, seed: int) -> Row:
    """Make one run, and return what its forecasts are made from."""
    problem = catalogue()[name]()
    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=problem.n_dim, pass_dict=False,
        vectorized=True, periodic=list(problem.periodic), seed=seed,
    )  # fmt: skip
    records: list[ProgressRecord] = []
    sampler.run(n_eff=N_EFF, callback=records.append)
    # A stage is planned at the calls at which the last one was completed.
    plans = [r for r, later in pairwise(records) if _is_plan(r, later)]
    rows = [[r.phase[0], *(_rounded(getattr(r, name)) for name in COLUMNS)] for r in plans]
    last = records[-1]
    seconds = last.likelihood_seconds, last.own_seconds
    return {"problem": name, "seed": seed, "n_like": sampler.n_like, "seconds": seconds,
            "plans": rows}  # fmt: skip


def _is_plan(record: ProgressRecord, later: ProgressRecord) -> bool:
    return bool(record.message) and later.n_like > record.n_like


def _rounded(value: float) -> float | None:
    return float(f"{value:.8g}") if isfinite(value) else None


def plans_of(row: Row, seconds_per_call: float) -> list[ProgressRecord]:
    """Return the stored plans of a run whose likelihood takes so much longer."""
    plans = []
    for phase, *numbers in row["plans"]:
        known = {k: nan if v is None else v for k, v in zip(COLUMNS, numbers, strict=True)}
        known["likelihood_seconds"] += seconds_per_call * known["n_like"]
        plans.append(
            ProgressRecord(
                phase={"e": "exploration", "s": "sampling"}[phase], n_proposals=len(plans),
                log_z=nan, log_z_err=nan, eta=nan,
                elapsed_seconds=known["likelihood_seconds"] + known["own_seconds"],
                **known | {"n_like": int(known["n_like"])},
            )
        )  # fmt: skip
    return plans


def told(row: Row, share: float) -> tuple[Forecast, tuple[float, float]]:
    """Return what was told at a share of all calls, and calls and seconds still to come."""
    plans = plans_of(row, SECONDS_PER_CALL)
    prefixes = list(accumulate(([plan] for plan in plans), lambda all_, more: all_ + more))
    n_now = share * row["n_like"]
    known = [some for some in prefixes if some[-1].n_like <= n_now] or prefixes[:1]
    predictions = [predict(some, GOAL) for some in known]
    now = known[-1][-1]
    ahead = forecast(replace(now, n_like=int(n_now)), predictions, GOAL)
    total = sum(row["seconds"]) + SECONDS_PER_CALL * row["n_like"]
    # Within a stage the likelihood alone takes time.
    waited = now.elapsed_seconds + SECONDS_PER_CALL * (n_now - now.n_like)
    seconds = forecast(
        replace(now, n_like=int(n_now), elapsed_seconds=waited), predictions, GOAL
    ).seconds
    return replace(ahead, seconds=seconds), (row["n_like"] - n_now, total - waited)


def factor(ends: tuple[float, float], actual: float) -> float:
    """Return by how much the middle of a range is off, at least one."""
    middle = sqrt(max(ends[0], 1e-9) * max(ends[1], 1e-9))
    return max(middle / actual, actual / middle)


def page_of(rows: Sequence[Row]) -> str:
    """Return the page."""
    judged = [[told(row, share) for share in SHARES] for row in rows]
    lines = [
        "# Forecasts", "",
        "Predicted against actual, made by `benchmarks/forecast.py`; its docstring says how.", "",
        "| at | told | off by < 2 | in the range | median factor | seconds told | off by < 2 |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for i, share in enumerate(SHARES):
        lines.append(_summary_line(share, [run[i] for run in judged]))
    heads = " | ".join(f"left at {share:.0%}: told (actual)" for share in SHARES)
    lines += ["", f"| problem | calls | {heads} |", "|---|--:|" + "--:|" * len(SHARES)]
    for row, run_judged in zip(rows, judged, strict=True):
        cells = " | ".join(_cell(ahead, left) for ahead, (left, _) in run_judged)
        lines.append(f"| {row['problem']} | {row['n_like']:,} | {cells} |")
    return "\n".join([*lines, ""])


def _summary_line(share: float, judged: Sequence[tuple[Forecast, tuple[float, float]]]) -> str:
    calls = [(f.n_like, left) for f, (left, _) in judged if f.n_like is not None]
    seconds = [(f.seconds, left) for f, (_, left) in judged if f.seconds is not None]
    factors = sorted(factor(*pair) for pair in calls)
    n_good = [sum(factor(*pair) < 2 for pair in some) for some in (calls, seconds)]
    n_inside = sum(ends[0] <= left <= ends[1] for ends, left in calls)
    middle = f"{factors[len(factors) // 2]:.2f}" if factors else ""
    return (
        f"| {share:.0%} | {len(calls)} of {len(judged)} | {n_good[0]} | {n_inside} | {middle} |"
        f" {len(seconds)} | {n_good[1]} |"
    )


def _cell(ahead: Forecast, left: float) -> str:
    if ahead.n_like is None:
        return f"exploring ({format_count(left)})"
    low, high = (format_count(float(f"{end:.2g}")) for end in ahead.n_like)
    mark = "**" if factor(ahead.n_like, left) >= 2 else ""
    return f"{mark}{low} to {high}{mark} ({format_count(left)})"


def read() -> list[Row]:
    """Return the runs stored so far."""
    if not ROWS.exists():
        return []
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the runs that are missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", nargs="+", default=list(catalogue()), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="make no runs, write the page alone")
    given = parser.parse_args(arguments)
    stored = {(row["problem"], row["seed"]) for row in read()}
    for name in () if given.page else given.problems:
        if (name, given.seed) not in stored:
            row = run(name, given.seed)
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name}: {row['n_like']:,} calls", flush=True)
    PAGE.write_text(page_of(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
