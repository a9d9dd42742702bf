"""The problems of the statistical tests, in dimensions that make for short runs."""

from collections.abc import Callable
from functools import partial

from .base import Problem
from .curved import correlated_funnel, eggbox, rosenbrock, shells, steep_funnel
from .mixtures import bimodal, four_modes, seed3, spike_and_slab
from .normal import gaussian, ridge, very_peaked
from .products import corner, loggamma, mostly_forbidden, phases, uninformed, walls
from .rough import flat, noisy, plateau, staircase, unnormalised
from .tails import banana, student


def noisy_gaussian(n_dim: int = 4, scale: float = 0.05) -> Problem:
    """Return the correlated Gaussian with a few per cent of scatter in log L."""
    return noisy(gaussian(n_dim), scale)


def catalogue() -> dict[str, Callable[[], Problem]]:
    """Return the factories of all problems by name, each with its dimension set.

    Returns
    -------
    factories
        ``factories[name]()`` builds the problem called ``name``.
    """
    return {
        "seed3": seed3,
        "gaussian-5": partial(gaussian, 5),
        "gaussian-10": partial(gaussian, 10),
        "loggamma-2": partial(loggamma, 2),
        "loggamma-6": partial(loggamma, 6),
        "rosenbrock-2": partial(rosenbrock, 2),
        "rosenbrock-4": partial(rosenbrock, 4),
        "correlated-funnel-5": partial(correlated_funnel, 5),
        "steep-funnel-3": partial(steep_funnel, 3),
        "shells-2": partial(shells, 2),
        "shells-5": partial(shells, 5),
        "eggbox": eggbox,
        "spike-and-slab-3": partial(spike_and_slab, 3),
        "spike-on-slab-5": partial(spike_and_slab, 5, offset=0.0),
        "plateau-3": partial(plateau, 3),
        "staircase-3": partial(staircase, 3),
        "phases-3": partial(phases, 2),
        "flat-2": partial(flat, 2),
        "noisy-gaussian-4": partial(noisy_gaussian, 4),
        "very-peaked-3": partial(very_peaked, 3),
        "unnormalised-3": partial(unnormalised, 3),
        "mostly-forbidden-3": partial(mostly_forbidden, 3),
        "corner-5": partial(corner, 5),
        "walls-5": partial(walls, 5),
        "bimodal-4": partial(bimodal, 4),
        "student-5": partial(student, 5),
        "four-modes-6": partial(four_modes, 6),
        "banana-4": partial(banana, 4),
        "ridge-6": partial(ridge, 6),
        "uninformed-15": partial(uninformed, 15),
    }
