"""Problems with known answers: exact evidence, and moments and marginals where known.

All live in the unit cube with a uniform prior. `catalogue` lists those of the statistical
tests with their dimensions, `gallery` these and harder ones, which the sampler is measured on;
each factory takes a dimension, or a number, of your choice.
"""

from ._catalogue import catalogue, noisy_gaussian
from ._gallery import gallery
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
from .corners import corners
from .curved import correlated_funnel, eggbox, shells, steep_funnel
from .logistic import logistic_regression
from .mixtures import (
    bimodal,
    four_modes,
    heavy_spike,
    normal_mixture,
    round_gaussian,
    spike_and_slab,
)
from .normal import gaussian, ridge, very_peaked
from .planets import two_planets
from .products import corner, loggamma, mostly_forbidden, phases, uninformed, walls
from .random_modes import (
    CORRELATED_MODES,
    HIDDEN_CORRELATED_MODES,
    HIDDEN_RANDOM_MODES,
    RANDOM_MODES,
    correlated_modes,
    hidden_weight,
    random_modes,
    visibility,
)
from .rosenbrock import rosenbrock, rosenbrock_pairs
from .rough import ball_on_floor, flat, noisy, plateau, staircase, unnormalised
from .tails import banana, student, student_modes
from .turned import cigar, lumpy, normal_pair

__all__ = [
    "CORRELATED_MODES",
    "HIDDEN_CORRELATED_MODES",
    "HIDDEN_RANDOM_MODES",
    "RANDOM_MODES",
    "Axis",
    "ExponentialAxis",
    "FlatAxis",
    "LogGammaAxis",
    "MixtureAxis",
    "NormalAxis",
    "Problem",
    "VonMisesAxis",
    "ball_on_floor",
    "banana",
    "bimodal",
    "catalogue",
    "cigar",
    "corner",
    "corners",
    "correlated_funnel",
    "correlated_modes",
    "eggbox",
    "flat",
    "four_modes",
    "gallery",
    "gaussian",
    "heavy_spike",
    "hidden_weight",
    "loggamma",
    "logistic_regression",
    "lumpy",
    "mostly_forbidden",
    "noisy",
    "noisy_gaussian",
    "normal_mixture",
    "normal_pair",
    "phases",
    "plateau",
    "product_problem",
    "random_modes",
    "ridge",
    "rosenbrock",
    "rosenbrock_pairs",
    "round_gaussian",
    "shells",
    "spike_and_slab",
    "staircase",
    "steep_funnel",
    "student",
    "student_modes",
    "two_planets",
    "uninformed",
    "unit_prior",
    "unnormalised",
    "very_peaked",
    "visibility",
    "walls",
]
