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
    factories: list[Callable[[], Problem]] = [
        seed3,
        partial(gaussian, 5),
        partial(gaussian, 10),
        partial(loggamma, 2),
        partial(loggamma, 6),
        partial(rosenbrock, 2),
        partial(rosenbrock, 4),
        partial(correlated_funnel, 5),
        partial(steep_funnel, 4),
        partial(shells, 2),
        partial(shells, 5),
        eggbox,
        partial(spike_and_slab, 5),
        partial(spike_and_slab, 5, offset=0.0),
        plateau,
        staircase,
        phases,
        flat,
        noisy_gaussian,
        very_peaked,
        unnormalised,
        mostly_forbidden,
        corner,
        walls,
        bimodal,
        student,
        four_modes,
        banana,
        ridge,
        uninformed,
    ]
    return {factory().name: factory for factory in factories}
