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
        "gaussian-8": partial(gaussian, 8),
        "loggamma-2": partial(loggamma, 2),
        "loggamma-5": partial(loggamma, 5),
        "rosenbrock-2": partial(rosenbrock, 2),
        "rosenbrock-3": partial(rosenbrock, 3),
        "correlated-funnel-4": partial(correlated_funnel, 4),
        "steep-funnel-3": partial(steep_funnel, 3),
        "shells-2": partial(shells, 2),
        "shells-5": partial(shells, 5),
        "eggbox": eggbox,
        "spike-and-slab-3": partial(spike_and_slab, 3),
        "spike-on-slab-4": partial(spike_and_slab, 4, offset=0.0),
        "plateau-3": partial(plateau, 3),
        "staircase-3": partial(staircase, 3),
        "phases-3": partial(phases, 2),
        "flat-2": partial(flat, 2),
        "noisy-gaussian-4": partial(noisy_gaussian, 4),
        "very-peaked-3": partial(very_peaked, 3),
        "unnormalised-3": partial(unnormalised, 3),
        "mostly-forbidden-3": partial(mostly_forbidden, 3),
        "corner-4": partial(corner, 4),
        "walls-5": partial(walls, 5),
        "bimodal-3": partial(bimodal, 3),
        "student-4": partial(student, 4),
        "four-modes-5": partial(four_modes, 5),
        "banana-4": partial(banana, 4),
        "ridge-6": partial(ridge, 6),
        "uninformed-15": partial(uninformed, 15),
    }
