"""What several processes buy for a likelihood that takes ten milliseconds.

    python examples/parallel.py             # serial
    python examples/parallel.py --pool 4    # four worker processes, the same numbers

`time.sleep` stands for an expensive computation; the problem is a three-dimensional Gaussian.
"""

import argparse
import time
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nautilus import Prior, Sampler

N_DIM = 3


def build_prior() -> Prior:
    """Return a uniform prior on the unit cube."""
    prior = Prior()
    for _ in range(N_DIM):
        prior.add_parameter()
    return prior


def log_likelihood(x: NDArray[np.float64], sleep: float) -> float:
    """Return log L of a Gaussian of width 0.1 about the centre, after ``sleep`` seconds."""
    time.sleep(sleep)
    return float(np.sum(-((x - 0.5) ** 2) / (2.0 * 0.1**2)))


def parse_arguments() -> argparse.Namespace:
    """Return the command line as a namespace."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=int, default=1, help="number of processes (default 1)")
    parser.add_argument("--sleep", type=float, default=0.01, help="seconds per call (default 0.01)")
    parser.add_argument("--n-eff", type=float, default=10000.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Run and print the time beside what the likelihood alone would take."""
    arguments = parse_arguments()
    sampler = Sampler(
        build_prior(),
        partial(log_likelihood, sleep=arguments.sleep),
        pass_dict=False,
        pool=arguments.pool,
        seed=arguments.seed,
    )
    start = time.perf_counter()
    sampler.run(n_eff=arguments.n_eff, verbose=True)
    total = time.perf_counter() - start

    asleep = sampler.n_like * arguments.sleep
    print(f"log Z = {sampler.log_z:.3f} +- {sampler.log_z_err:.3f}")
    print(f"{sampler.n_like:,} calls, effective sample size {sampler.n_eff:,.0f}")
    print(
        f"Total time {total:.1f} s with {arguments.pool} process(es); "
        f"the calls one after another sleep for {asleep:.1f} s."
    )


if __name__ == "__main__":
    main()
