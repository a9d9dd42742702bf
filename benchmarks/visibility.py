"""Which of the problems with modes at random can be seen: lists their numbers anew.

    python benchmarks/visibility.py          # some minutes
    python benchmarks/visibility.py --modes  # visibility and weight of each mode too

A problem is listed if its hidden modes, those of a visibility below 0.02, have less than 2 % of the
evidence; `nautilus.testing.problems.visibility` says what that is. The lists in
`nautilus.testing.problems` are those that this program prints.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from nautilus.testing.problems import (
    CORRELATED_MODES,
    RANDOM_MODES,
    correlated_modes,
    random_modes,
    visibility,
)

FAMILIES = {
    "RANDOM_MODES": (random_modes, RANDOM_MODES),
    "CORRELATED_MODES": (correlated_modes, CORRELATED_MODES),
}


def modes_of(name: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return visibility and weight of the modes of one problem, both of shape (k,)."""
    problem = FAMILIES[name][0](number)
    assert problem.mode_weights is not None
    return visibility(problem), problem.mode_weights


def main() -> None:
    """Print the lists, and say whether they are those of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", action="store_true", help="print each mode too")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.workers) as pool:
        for name, (_, stored) in FAMILIES.items():
            listed = []
            numbers = range(max(stored) + 1)
            for number, (seen, weights) in enumerate(pool.map(partial(modes_of, name), numbers)):
                if arguments.modes:
                    pairs = zip(seen, weights, strict=True)
                    print(name, number, *(f"{s:.4f}:{w:.3f}" for s, w in pairs), flush=True)
                if weights[seen < 0.02].sum() < 0.02:
                    listed.append(number)
            print(f"{name} = {listed}")
            print("as stored" if tuple(listed) == stored else "NOT as stored", flush=True)


if __name__ == "__main__":
    main()
