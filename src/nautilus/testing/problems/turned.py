"""Turned normal densities: a cigar, two far modes, many components that overlap."""

import numpy as np

from nautilus._types import FloatArray

from .base import Problem, require
from .correlated import correlated_mixture, random_covariances, random_rotation


def cigar(n_dim: int = 10, ratio: float = 100.0, length: float = 0.08, seed: int = 0) -> Problem:
    """Return a normal density with one long axis in a random direction.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2.
    ratio
        The long axis in units of the others, at least 1.
    length
        Standard deviation along the long axis, in (0, 0.09], clear of the walls.
    seed
        Seed of the direction, not negative.

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 2, "n_dim", n_dim, "at least 2")
    require(ratio >= 1.0, "ratio", ratio, "a number of at least 1")
    require(0.0 < length <= 0.09, "length", length, "a width in (0, 0.09], inside the cube")
    direction = random_rotation(np.random.default_rng(seed), n_dim)[:, 0]
    short = length / ratio
    covariance = short**2 * np.eye(n_dim)
    covariance += (length**2 - short**2) * np.outer(direction, direction)
    return correlated_mixture(
        f"cigar-{n_dim}",
        np.ones(1),
        np.full((1, n_dim), 0.5),
        covariance[None],
        f"Normalised Gaussian, one axis {ratio:g} times longer than the others, turned.",
    )


def normal_pair(n_dim: int = 15, share: float = 0.3, correlation: float = 0.8) -> Problem:
    """Return two far normal densities of unit width on [-20, 20]^d, correlated each in its way.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    share
        Evidence of the first, whose centre has all coordinates at -5, in (0, 1); the other one
        is at 5.
    correlation
        Correlation of neighbouring axes in the first, and minus that in the second, in (-1, 1);
        it falls like a power with the distance between axes.

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(0.0 < share < 1.0, "share", share, "a fraction in (0, 1)")
    require(abs(correlation) < 1.0, "correlation", correlation, "a value in (-1, 1)")
    axis = np.arange(n_dim)
    lag = np.abs(axis[:, None] - axis)
    covariances = np.stack([correlation**lag, (-correlation) ** lag]) / 40.0**2
    return correlated_mixture(
        f"normal-pair-{n_dim}",
        np.array([share, 1.0 - share]),
        0.5 + np.outer([-5.0, 5.0], np.ones(n_dim)) / 40.0,
        covariances,
        "Two normalised Gaussians, far from each other, with opposite correlations.",
    )


LUMPS = 12


def lumpy(number: int) -> Problem:
    """Return twelve turned normals that overlap: one part with a rough surface.

    Parameters
    ----------
    number
        Which problem of this family, not negative: the seed. In d = 3 to 10 dimensions, with
        standard deviations along the principal axes log-uniform in [0.02, 0.05], centres within
        0.17 / sqrt(d) of the middle on each axis, shares Dirichlet(1, ..., 1).

    Raises
    ------
    SettingsError
        If `number` is negative.
    """
    require(number >= 0, "number", number, "an integer that is not negative")
    rng = np.random.default_rng([2, number])
    d = int(rng.integers(3, 11))
    lengths = np.exp(rng.uniform(np.log(0.02), np.log(0.05), size=(LUMPS, d)))
    covariances = random_covariances(rng, lengths)
    offsets: FloatArray = rng.uniform(-0.17, 0.17, size=(LUMPS, d)) / np.sqrt(d)
    return correlated_mixture(
        f"lumpy-{number}",
        rng.dirichlet(np.ones(LUMPS)),
        0.5 + offsets,
        covariances,
        f"{LUMPS} overlapping normalised Gaussians with covariances at random.",
    )
