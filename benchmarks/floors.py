"""How runs fare whose log L is one low value over nearly all of the prior.

    python benchmarks/floors.py [--seeds 10] [--n-eff 2000] [--page]

Inside a ball of the given share of the prior the likelihood is a Gaussian whose width is half of
the radius; outside log L is the floor. Each run is one row: calls, error of log Z in nats and in
quoted errors, findings. A run is right within five quoted errors, or says in a finding that it may
be wrong; a run that is neither is silently wrong.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np

from nautilus import NoResultError, Sampler
from nautilus.testing.problems import ball_on_floor, unit_prior

ROWS = Path(__file__).parents[1] / ".benchmark" / "floors.jsonl"
PAGE = Path(__file__).with_name("floors.md")
SHARES = (1e-2, 1e-3, 1e-4)
FLOORS = (-np.inf, -69.0, -1e30, -1e100, -float(np.finfo(float).max))
DIMENSIONS = (2, 3, 4)


def run_one(case: tuple[int, float, float, int, float]) -> dict[str, object]:
    """Make one run."""
    n_dim, share, floor, seed, n_eff = case
    problem = ball_on_floor(n_dim, share, floor)
    row = {
        "n_dim": n_dim, "share": share, "floor": str(floor), "seed": seed, "n_eff": n_eff,
        "error": None, "sigmas": None, "findings": [],
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = Sampler(
            unit_prior, problem.log_likelihood, n_dim=n_dim, vectorized=True, seed=seed
        )
        sampler.run(n_eff=n_eff)
        row["calls"] = sampler.n_like
        try:
            result = sampler.result
        except NoResultError as error:
            return row | {"findings": [str(error)]}
    error = result.log_z - problem.log_z
    return row | {
        "error": error, "sigmas": float(np.divide(error, result.log_z_err)),
        "findings": list(result.findings),
    }  # fmt: skip


def verdict(row: dict[str, object]) -> str:
    """Say how a run ended."""
    if row["sigmas"] is not None and abs(row["sigmas"]) < 5.0:
        return "right, with a finding" if row["findings"] else "right"
    return "wrong, with a finding" if row["findings"] else "silently wrong"


def table(rows: list[dict[str, object]]) -> Iterator[str]:
    """Yield a line for each share, dimension and floor."""
    yield (
        "| share | d | floor | median calls | largest error in quoted ones | right"
        " | right, with a finding | wrong, with a finding | silently wrong |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for share, n_dim, floor in product(SHARES, DIMENSIONS, FLOORS):
        mine = [
            r for r in rows
            if (r["share"], r["n_dim"], r["floor"]) == (share, n_dim, str(floor))
        ]  # fmt: skip
        if not mine:
            continue
        verdicts = [verdict(r) for r in mine]
        right = [abs(r["sigmas"]) for r in mine if verdict(r).startswith("right")]
        yield (
            f"| {share:g} | {n_dim} | {floor:.3g} | {np.median([r['calls'] for r in mine]):,.0f}"
            f" | {max(right, default=np.nan):.1f} | {verdicts.count('right')}"
            f" | {verdicts.count('right, with a finding')}"
            f" | {verdicts.count('wrong, with a finding')} | {verdicts.count('silently wrong')} |"
        )


def main() -> None:
    """Make the runs that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--n-eff", type=float, default=2000.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--page", action="store_true", help=f"write the table to {PAGE.name}")
    arguments = parser.parse_args()
    seeds, n_eff = range(arguments.seeds), [arguments.n_eff]
    cases = [
        (n_dim, share, floor, seed, wanted)
        for seed, share, n_dim, floor, wanted in product(seeds, SHARES, DIMENSIONS, FLOORS, n_eff)
    ]
    ROWS.parent.mkdir(exist_ok=True)
    rows = []
    with ProcessPoolExecutor(arguments.workers) as pool, ROWS.open("w", encoding="utf-8") as out:
        for row in pool.map(run_one, cases):
            rows.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
    text = "\n".join(table(rows))
    print(text)
    if arguments.page:
        PAGE.write_text(
            f"# Floors\n\nMade by `python benchmarks/floors.py --seeds {arguments.seeds} --n-eff"
            f" {arguments.n_eff:g} --page`; its docstring tells what is run.\n\n{text}\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
