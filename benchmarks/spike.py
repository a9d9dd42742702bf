"""How often a spike on the flank of a slab is found, by n_live.

    OMP_NUM_THREADS=1 python benchmarks/spike.py         # ten seeds for each n_live, prints a table
    python benchmarks/spike.py --n-live 500 --seeds 3    # fewer

Half of the evidence is a round Gaussian of width 0.1, half one of width 0.01 on its flank, one
tenth away on each of five axes. Where the spike rises above the slab it fills less than 0.1 % of
the slab's contour, and nothing on the slab points to it: whether a run sees it is a matter of
chance and of n_live. A run that misses it cannot know. A spike counts as found if a quarter of the
posterior is within ten of its widths on each axis: 51 % are, and 2.5 % of the slab alone.
"""

import argparse
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import fmean

import numpy as np

from nautilus import Sampler
from nautilus.testing.problems import spike_and_slab, unit_prior

N_DIM = 5
OFFSET = 0.1
WIDTH = 0.01
N_EFF = 2000.0


def run(n_live: int, seed: int) -> tuple[bool, int]:
    """Return whether the spike was found, and the number of calls."""
    problem = spike_and_slab(N_DIM, OFFSET)
    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=N_DIM, n_live=n_live, pass_dict=False,
        vectorized=True, seed=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler.run(n_eff=N_EFF)
    result = sampler.result
    distance = np.abs(result.array - (0.5 + OFFSET)).max(axis=1)
    share = float(result.weights[distance < 10 * WIDTH].sum() / result.weights.sum())
    return share > 0.25, result.n_like


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n-live", type=int, nargs="+", default=[250, 500, 1000, 2000, 4000])
    parser.add_argument("--seeds", type=int, default=10, help="runs for each n_live")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    given = parser.parse_args(arguments)
    print("| `n_live` | found | calls where found | calls where missed |\n|--:|--:|--:|--:|")
    for n_live in given.n_live:
        with ProcessPoolExecutor(given.workers) as executor:
            results = list(executor.map(partial(run, n_live), range(given.seeds)))
        calls = [[n for found, n in results if found is wanted] for wanted in (True, False)]
        means = [f"{round(fmean(some), -2):,.0f}" if some else "" for some in calls]
        n_found = len(calls[0])
        print(f"| {n_live} | {n_found} of {given.seeds} | {means[0]} | {means[1]} |", flush=True)


if __name__ == "__main__":
    main()
