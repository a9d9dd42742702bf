"""Problems with known answers: exact evidence, and moments and marginals where known.

All live in the unit cube with a uniform prior. `catalogue` lists them with the dimensions that
the statistical tests use; each factory takes a dimension of your choice.
"""

from ._catalogue import catalogue, noisy_gaussian
from .axes import (
    Axis,
    ExponentialAxis,
    FlatAxis,
    LogGammaAxis,
    MixtureAxis,
    NormalAxis,
    VonMisesAxis,
    product_problem,
)
from .base import Problem, unit_prior
from .curved import correlated_funnel, eggbox, rosenbrock, shells, steep_funnel
from .mixtures import bimodal, four_modes, normal_mixture, round_gaussian, spike_and_slab
from .normal import gaussian, ridge, very_peaked
from .products import corner, loggamma, mostly_forbidden, phases, uninformed, walls
from .random_modes import correlated_modes, hidden_weight, random_modes, visibility
from .rough import flat, noisy, plateau, staircase, unnormalised
from .tails import banana, student

__all__ = [
    "Axis",
    "ExponentialAxis",
    "FlatAxis",
    "LogGammaAxis",
    "MixtureAxis",
    "NormalAxis",
    "Problem",
    "VonMisesAxis",
    "banana",
    "bimodal",
    "catalogue",
    "corner",
    "correlated_funnel",
    "correlated_modes",
    "eggbox",
    "flat",
    "four_modes",
    "gaussian",
    "hidden_weight",
    "loggamma",
    "mostly_forbidden",
    "noisy",
    "noisy_gaussian",
    "normal_mixture",
    "phases",
    "plateau",
    "product_problem",
    "random_modes",
    "ridge",
    "rosenbrock",
    "round_gaussian",
    "shells",
    "spike_and_slab",
    "staircase",
    "steep_funnel",
    "student",
    "uninformed",
    "unit_prior",
    "unnormalised",
    "very_peaked",
    "visibility",
    "walls",
]
