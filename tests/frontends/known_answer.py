"""What the scripts share: an evidence by quadrature, and how an answer is told to the driver."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def quadrature(
    log_likelihood: Callable[[Sequence[float]], float],
    limits: Sequence[tuple[float, float]],
    n: int = 60,
) -> tuple[float, np.ndarray]:
    """Return log Z and the posterior means under a uniform prior, by the midpoint rule.

    Parameters
    ----------
    log_likelihood
        Takes the parameters, a list of numbers.
    limits
        Lower and upper end of each parameter.
    n
        Midpoints for each parameter.
    """
    axes = [low + (np.arange(n) + 0.5) / n * (high - low) for low, high in limits]
    grid = np.array(list(itertools.product(*axes)))
    log_l = np.array([float(log_likelihood(list(point))) for point in grid])
    weights = np.exp(log_l - log_l.max())
    return float(log_l.max() + np.log(weights.mean())), weights @ grid / weights.sum()


def tell(version: str, **numbers: Any) -> None:
    """Print the answer as the last line: what the driver reads.

    Parameters
    ----------
    version
        Version of the front end.
    numbers
        Each a pair of what was found and what is right, and how far apart they may be.
    """
    found = {name: [float(x) for x in triple] for name, triple in numbers.items()}
    print(json.dumps({"version": version, "numbers": found}))
