"""The problems of the statistical tests, in dimensions that make for short runs."""

from collections.abc import Callable
from functools import partial

from .base import Problem
from .curved import correlated_funnel, eggbox, shells, steep_funnel
from .mixtures import bimodal, four_modes, round_gaussian, spike_and_slab
from .normal import gaussian, ridge, very_peaked
from .products import corner, loggamma, mostly_forbidden, phases, uninformed, walls
from .rosenbrock import rosenbrock
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
        "round-3": round_gaussian,
        "gaussian-3": partial(gaussian, 3),
        "gaussian-6": partial(gaussian, 6),
        "loggamma-2": partial(loggamma, 2),
        "loggamma-4": partial(loggamma, 4),
        "rosenbrock-2": partial(rosenbrock, 2),
        "rosenbrock-3": partial(rosenbrock, 3),
        "correlated-funnel-3": partial(correlated_funnel, 3),
        "steep-funnel-3": partial(steep_funnel, 3),
        "shells-2": partial(shells, 2),
        "shells-6": partial(shells, 6),
        "eggbox": eggbox,
        "spike-and-slab-3": partial(spike_and_slab, 3),
        "spike-on-slab-4": partial(spike_and_slab, 4, offset=0.0),
        "plateau-3": partial(plateau, 3),
        "staircase-3": partial(staircase, 3),
        "phases-3": partial(phases, 2),
        "flat-2": partial(flat, 2),
        "noisy-gaussian-4": partial(noisy_gaussian, 4),
        "very-peaked-2": partial(very_peaked, 2),
        "unnormalised-3": partial(unnormalised, 3),
        "mostly-forbidden-2": partial(mostly_forbidden, 2),
        "corner-4": partial(corner, 4),
        "walls-5": partial(walls, 5),
        "bimodal-3": partial(bimodal, 3),
        "student-3": partial(student, 3),
        "four-modes-5": partial(four_modes, 5),
        "banana-2": partial(banana, 2),
        "ridge-4": partial(ridge, 4),
        "uninformed-15": partial(uninformed, 15),
    }
