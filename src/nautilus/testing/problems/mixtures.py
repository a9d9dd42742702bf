"""Mixtures of normal densities: modes far apart, a spike beside a slab."""

from dataclasses import dataclass, replace

import numpy as np

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI, AxisCDF, NormalAxis
from .base import Memberships, Problem, require


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """Log-likelihood of a mixture of axis-parallel normal densities.

    Parameters
    ----------
    shares
        Factor of each component, shape (k,).
    centres, widths
        Shape (k, d).
    """

    shares: FloatArray
    centres: FloatArray
    widths: FloatArray

    def log_terms(self, points: FloatArray) -> FloatArray:
        """Return the log of each component, shape (n, k), at points of shape (n, d)."""
        terms = np.empty((len(points), len(self.shares)))
        rows = zip(self.shares, self.centres, self.widths, strict=True)
        for m, (share, centre, width) in enumerate(rows):
            deviation = (points - centre) / width
            log_norm = np.log(share) - np.log(width).sum() - len(width) * LOG_SQRT_2_PI
            terms[:, m] = log_norm - 0.5 * (deviation * deviation).sum(axis=1)
        return terms

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        return np.asarray(np.logaddexp.reduce(self.log_terms(points), axis=1))


@dataclass(frozen=True, eq=False)
class MixtureCDF:
    """Marginal distribution function of a mixture; shares are those inside the cube."""

    shares: FloatArray
    cdfs: tuple[AxisCDF, ...]

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the probability below each point, shape as given."""
        terms = [s * cdf(points) for s, cdf in zip(self.shares, self.cdfs, strict=True)]
        return np.asarray(np.sum(terms, axis=0))


def normal_mixture(
    name: str, shares: FloatArray, centres: FloatArray, widths: FloatArray, description: str
) -> Problem:
    """Return a mixture of axis-parallel normals, cut at the walls of the cube exactly.

    Parameters
    ----------
    name, description
        As in `Problem`.
    shares
        Factors, shape (k,); log Z is the log of their sum but for the cut.
    centres, widths
        Centres and standard deviations, shape (k, d).
    """
    n_dim = centres.shape[1]
    axes = [
        [NormalAxis(float(c), float(w)) for c, w in zip(*row, strict=True)]
        for row in zip(centres, widths, strict=True)
    ]
    inside = np.array([np.prod([a.mass(np.ones(())) for a in row]) for row in axes])
    moments = np.array([[a.moments() for a in row] for row in axes])
    evidence = float(shares @ inside)
    posterior = shares * inside / evidence
    mean, square = np.einsum("k,kdm->md", posterior, moments)
    marginals = {
        i: MixtureCDF(posterior, tuple(AxisCDF(row[i]) for row in axes)) for i in range(n_dim)
    }
    likelihood = NormalMixture(shares, centres, widths)
    several = len(shares) > 1
    return Problem(
        name=name,
        n_dim=n_dim,
        log_likelihood=likelihood,
        log_z=float(np.log(evidence)),
        description=description,
        mean=mean,
        variance=square - mean**2,
        marginals=marginals,
        memberships=Memberships(likelihood.log_terms) if several else None,
        mode_weights=posterior if several else None,
    )


def round_gaussian() -> Problem:
    """Return the 3-D Gaussian whose peak is 1: log L = -sum (u - 1/2)^2 / (2 0.1^2)."""
    shares = np.array([(2.0 * np.pi * 0.1**2) ** 1.5])
    return normal_mixture(
        "round-3",
        shares,
        np.full((1, 3), 0.5),
        np.full((1, 3), 0.1),
        "Round Gaussian of width 0.1 with peak 1, cut at 5 standard deviations; product of "
        "three normal distribution functions.",
    )


def spike_and_slab(n_dim: int = 5, offset: float = 0.1, spike_share: float = 0.5) -> Problem:
    """Return a spike of width 0.01 on or beside a slab of width 0.1.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    offset
        Distance of the spike from the slab's centre on each axis. 0 puts it on the slab's peak,
        where any sampler climbs into it. The default, one slab width, puts it on the slab's
        flank: in 5 dimensions the part where it rises above the slab fills less than 0.1 % of
        the slab's contour at that height. At 0.3 it lies outside the slab's bulk.
    spike_share
        Share of the evidence in the spike, in (0, 1).

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(abs(offset) <= 0.4, "offset", offset, "a value in [-0.4, 0.4], inside the cube")
    require(0.0 < spike_share < 1.0, "spike_share", spike_share, "a fraction in (0, 1)")
    centres = np.array([np.full(n_dim, 0.5), np.full(n_dim, 0.5 + offset)])
    widths = np.array([np.full(n_dim, 0.1), np.full(n_dim, 0.01)])
    return normal_mixture(
        f"spike-and-slab-{n_dim}" if offset else f"spike-on-slab-{n_dim}",
        np.array([1.0 - spike_share, spike_share]),
        centres,
        widths,
        "Two normalised round Gaussians, widths 0.1 and 0.01, cut at the walls exactly.",
    )


def bimodal(n_dim: int = 4) -> Problem:
    """Return two far Gaussians: 30 % with width 0.02 at 0.25, 70 % with width 0.06 at 0.7."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    centres = np.array([np.full(n_dim, 0.25), np.full(n_dim, 0.7)])
    widths = np.array([np.full(n_dim, 0.02), np.full(n_dim, 0.06)])
    return normal_mixture(
        f"bimodal-{n_dim}",
        np.array([0.3, 0.7]),
        centres,
        widths,
        "Two normalised round Gaussians of unequal width and share, cut at the walls exactly.",
    )


def heavy_spike(n_dim: int = 5, offset: float = 0.1) -> Problem:
    """Return a spike that holds 90 % of the evidence inside a slab, as `spike_and_slab`."""
    problem = spike_and_slab(n_dim, offset, 0.9)
    return replace(problem, name=f"heavy-spike-{n_dim}")


def four_modes(n_dim: int = 6, seed: int = 0) -> Problem:
    """Return four Gaussians with random centres, widths (0.015 to 0.05) and shares."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.2, 0.8, size=(4, n_dim))
    widths = np.exp(rng.uniform(np.log(0.015), np.log(0.05), size=(4, n_dim)))
    return normal_mixture(
        f"four-modes-{n_dim}",
        rng.dirichlet(np.full(4, 5.0)),
        centres,
        widths,
        "Four axis-parallel normalised Gaussians with random centres, widths and shares, cut at "
        "the walls exactly.",
    )
