"""The problems that the sampler is measured on, far more and harder than those of the tests."""

from collections.abc import Callable
from functools import partial

import numpy as np

from ._catalogue import catalogue
from .base import Problem
from .corners import corners
from .curved import correlated_funnel, shells, steep_funnel
from .logistic import logistic_regression
from .mixtures import four_modes, heavy_spike, spike_and_slab
from .normal import gaussian, ridge
from .planets import two_planets
from .products import loggamma
from .random_modes import (
    CORRELATED_MODES,
    HIDDEN_CORRELATED_MODES,
    HIDDEN_RANDOM_MODES,
    RANDOM_MODES,
    correlated_modes,
    random_modes,
)
from .rosenbrock import rosenbrock, rosenbrock_pairs
from .rough import ball_on_floor
from .tails import banana, student, student_modes
from .turned import cigar, lumpy, normal_pair

N_LUMPY = 6

_HARDER: dict[str, Callable[[], Problem]] = {
    "gaussian-10": partial(gaussian, 10),
    "gaussian-20": partial(gaussian, 20),
    "gaussian-30": partial(gaussian, 30),
    "loggamma-10": partial(loggamma, 10),
    "ridge-10": partial(ridge, 10),
    "cigar-5": partial(cigar, 5),
    "cigar-10": partial(cigar, 10),
    "student-8": partial(student, 8),
    "banana-6": partial(banana, 6),
    "rosenbrock-5": partial(rosenbrock, 5),
    "rosenbrock-10": partial(rosenbrock, 10),
    "rosenbrock-pairs-10": partial(rosenbrock_pairs, 10),
    "correlated-funnel-10": partial(correlated_funnel, 10),
    "steep-funnel-10": partial(steep_funnel, 10),
    "shells-10": partial(shells, 10),
    "four-modes-6": partial(four_modes, 6),
    "normal-pair-15": partial(normal_pair, 15),
    "student-modes-4": partial(student_modes, 4),
    "student-modes-8": partial(student_modes, 8),
    "spike-and-slab-5": partial(spike_and_slab, 5),
    "heavy-spike-5": partial(heavy_spike, 5),
    "corners-4": partial(corners, 4),
    "corners-8": partial(corners, 8),
    "ball-on-floor-inf-3": partial(ball_on_floor, 3, floor=-np.inf),
    "ball-on-floor-69-3": partial(ball_on_floor, 3, floor=-69.0),
    "ball-on-floor-1e+30-3": partial(ball_on_floor, 3, floor=-1e30),
    "two-planets-7": two_planets,
    "logistic-regression-5": logistic_regression,
}


def gallery() -> dict[str, Callable[[], Problem]]:
    """Return the factories of all problems that the sampler is measured on, by name.

    Returns
    -------
    factories
        ``factories[name]()`` builds the problem called ``name``: those of `catalogue`, harder
        ones and higher dimensions of the same kinds, and the families by number, also those of
        which modes are hidden. Each can be pickled.
    """
    known = catalogue() | _HARDER
    known |= {f"lumpy-{i}": partial(lumpy, i) for i in range(N_LUMPY)}
    for i in sorted(RANDOM_MODES + HIDDEN_RANDOM_MODES):
        known[f"random-modes-{i}"] = partial(random_modes, i)
    for i in sorted(CORRELATED_MODES + HIDDEN_CORRELATED_MODES):
        known[f"correlated-modes-{i}"] = partial(correlated_modes, i)
    return known
