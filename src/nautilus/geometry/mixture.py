"""Mixtures of multivariate normal and Student t densities."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import gammaln

from nautilus._types import FloatArray, IntArray

LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of K normal or Student t densities in d dimensions.

    Parameters
    ----------
    log_shares
        Natural logarithm of the shares, shape (K,); the shares sum to one.
    means
        Centres, shape (K, d).
    cholesky
        Lower Cholesky factors of the scale matrices, shape (K, d, d).
    dof
        Degrees of freedom, shape (K,); infinity means a normal density.
    """

    log_shares: FloatArray
    means: FloatArray
    cholesky: FloatArray
    dof: FloatArray

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return int(self.log_shares.shape[0])

    @property
    def n_dim(self) -> int:
        """Number of dimensions d."""
        return int(self.means.shape[1])

    def component_log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density of each component without its share, shape (n, K)."""
        n, d = points.shape
        inverse = np.linalg.inv(self.cholesky)
        # All components in one matrix product; a loop over them costs several times as much.
        white = points @ inverse.reshape(-1, d).T
        white -= np.einsum("kij,kj->ki", inverse, self.means).ravel()
        white = white.reshape(n, self.n_components, d)
        out = np.einsum("nki,nki->nk", white, white)
        log_det = np.log(np.diagonal(self.cholesky, axis1=1, axis2=2)).sum(axis=1)
        normal = np.isinf(self.dof)
        out[:, normal] = -0.5 * (out[:, normal] + d * LOG_2PI) - log_det[normal]
        nu = self.dof[~normal]
        constant = gammaln(0.5 * (nu + d)) - gammaln(0.5 * nu) - 0.5 * d * np.log(nu * np.pi)
        heavy = np.log1p(out[:, ~normal] / nu)
        out[:, ~normal] = constant - log_det[~normal] - 0.5 * (nu + d) * heavy
        return np.asarray(out)

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density of points of shape (n, d), shape (n,)."""
        terms, peak = self._relative_terms(points)
        return np.asarray(np.log(terms.sum(axis=1)) + peak)

    def log_density_and_blend(
        self, points: FloatArray, values: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the log density, shape (n,), and means of values that components have.

        The means are weighted with the responsibilities. For `values` of shape (K,) or (K, m)
        they have shape (n,) or (n, m).
        """
        terms, peak = self._relative_terms(points)
        total = terms.sum(axis=1)
        blend = np.asarray((terms @ values).T / total).T
        return np.log(total) + peak, blend

    def responsibilities(self, points: FloatArray) -> FloatArray:
        """Return the probability of each component given each point, shape (n, K)."""
        terms, _ = self._relative_terms(points)
        return np.asarray(terms / terms.sum(axis=1, keepdims=True))

    def log_density_and_responsibilities(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return both for the price of one, shapes (n,) and (n, K)."""
        terms, peak = self._relative_terms(points)
        total = terms.sum(axis=1)
        return np.log(total) + peak, terms / total[:, None]

    def _relative_terms(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the terms of the density over the largest, (n, K), and its logarithm, (n,)."""
        terms = self.component_log_density(points) + self.log_shares
        peak = terms.max(axis=1)
        np.exp(terms - peak[:, None], out=terms)
        return terms, peak

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw n points, shape (n, d)."""
        shares = np.exp(self.log_shares)
        component: IntArray = rng.choice(self.n_components, size=n, p=shares / shares.sum())
        normal = rng.standard_normal((n, self.n_dim))
        nu = self.dof[component]
        heavy = np.isfinite(nu)
        stretch = np.ones(n)
        stretch[heavy] = np.sqrt(nu[heavy] / rng.chisquare(nu[heavy]))
        points = np.empty((n, self.n_dim))
        for k in range(self.n_components):
            mine = component == k
            points[mine] = self.means[k] + (normal[mine] * stretch[mine, None]) @ self.cholesky[k].T
        return points

    def reweighted(self, factors: FloatArray) -> Self:
        """Return the mixture with its shares multiplied by factors, shape (K,), and normalised."""
        log_shares = self.log_shares + np.log(factors)
        log_shares = log_shares - np.logaddexp.reduce(log_shares)
        return type(self)(log_shares, self.means, self.cholesky, self.dof)

    def scaled(self, factor: float, dof: float = np.inf) -> Self:
        """Return the mixture with all lengths scaled and new degrees of freedom."""
        return type(self)(
            self.log_shares, self.means, self.cholesky * factor, np.full(self.n_components, dof)
        )


def standard_normal(n_dim: int) -> Mixture:
    """Return the standard normal density as a mixture of one component."""
    return Mixture(np.zeros(1), np.zeros((1, n_dim)), np.eye(n_dim)[None], np.full(1, np.inf))


def combine(mixtures: list[Mixture], shares: list[float]) -> Mixture:
    """Return the mixture of mixtures with the given shares, which sum to one."""
    return Mixture(
        np.concatenate([m.log_shares + np.log(a) for m, a in zip(mixtures, shares, strict=True)]),
        np.concatenate([m.means for m in mixtures]),
        np.concatenate([m.cholesky for m in mixtures]),
        np.concatenate([m.dof for m in mixtures]),
    )
