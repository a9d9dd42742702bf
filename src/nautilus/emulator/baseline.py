"""Local quadratic models of log L, blended by the components of a mixture."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from nautilus._types import FloatArray
from nautilus._weights import worth
from nautilus.geometry.fit import moments, safe_cholesky


@dataclass(frozen=True)
class Baseline:
    """Sum over experts of responsibility times a quadratic polynomial.

    Parameters
    ----------
    centres
        Origin of each expert's own coordinates in the unit cube, shape (K, d).
    whitening
        Matrices to those coordinates, shape (K, d, d).
    coefficients
        Constant, linear and quadratic coefficients of each expert, shape (K, p)
        with p = (d + 1) (d + 2) / 2.
    """

    centres: FloatArray
    whitening: FloatArray
    coefficients: FloatArray

    def local(self, points: FloatArray, k: int) -> FloatArray:
        """Return the points in the coordinates of expert k, shape (n, d)."""
        return np.asarray((points - self.centres[k]) @ self.whitening[k].T)

    def predict(
        self, points: FloatArray, responsibilities: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the blended quadratic (n,) and the blended coordinates (n, d)."""
        value = np.zeros(len(points))
        blended = np.zeros_like(points)
        for k in range(len(self.centres)):
            share = responsibilities[:, k]
            local = self.local(points, k)
            blended += share[:, None] * local
            value += share * quadratic(local, self.coefficients[k])
        return value, blended


def n_coefficients(n_dim: int) -> int:
    """Return the number of coefficients of a quadratic polynomial."""
    return (n_dim + 1) * (n_dim + 2) // 2


def quadratic(local: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Evaluate one expert's polynomial, shape (n,)."""
    d = local.shape[1]
    matrix = np.zeros((d, d))
    matrix[np.triu_indices(d)] = coefficients[1 + d :]
    return np.asarray(
        coefficients[0]
        + local @ coefficients[1 : 1 + d]
        + np.einsum("ij,ij->i", local @ matrix, local)
    )


def fit_baseline(
    points: FloatArray,
    log_l: FloatArray,
    importance: FloatArray,
    responsibilities: FloatArray,
    target_weights: FloatArray,
) -> Baseline:
    """Fit each expert by weighted least squares.

    Parameters
    ----------
    points
        Unit cube, cut open; shape (n, d).
    log_l
        Finite values, shape (n,).
    importance
        Weight of each squared error, shape (n,).
    responsibilities
        Of the experts, shape (n, K).
    target_weights
        Where the target has its mass: they set centre and axes, shape (n,).
    """
    n_experts, d = responsibilities.shape[1], points.shape[1]
    centres = np.empty((n_experts, d))
    whitening = np.empty((n_experts, d, d))
    coefficients = np.empty((n_experts, n_coefficients(d)))
    for k in range(n_experts):
        own = responsibilities[:, k]
        mass = target_weights * own
        if min(worth(mass), worth(importance * own)) <= d + 1:
            own = np.ones(len(points))  # an expert with hardly a point of its own stands for all
            mass = target_weights if worth(target_weights) > d + 1 else own
        centres[k], covariance = moments(points, mass)
        whitening[k] = np.linalg.inv(safe_cholesky(covariance))
        local = (points - centres[k]) @ whitening[k].T
        coefficients[k] = _least_squares(local, log_l, importance * own)
    return Baseline(centres, whitening, coefficients)


def _least_squares(local: FloatArray, log_l: FloatArray, weights: FloatArray) -> FloatArray:
    """Solve for the polynomial; each column is scaled, a small ridge keeps it determined."""
    d = local.shape[1]
    rows, columns = np.triu_indices(d)
    design = np.column_stack([np.ones(len(local)), local, local[:, rows] * local[:, columns]])
    share = weights / weights.sum()
    shift = float(share @ log_l)
    weighted = design * share[:, None]
    normal = design.T @ weighted
    scale = np.sqrt(np.maximum(np.diagonal(normal), 1e-30))
    normal = normal / np.outer(scale, scale)
    normal[np.diag_indices_from(normal)] += 1e-7
    solution = cho_solve(cho_factor(normal), (weighted.T @ (log_l - shift)) / scale) / scale
    solution[0] += shift
    return np.asarray(solution)
