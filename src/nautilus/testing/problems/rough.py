"""Likelihoods that are flat, stepped, noisy or far from normalised."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, ndtri
from scipy.stats import chi2

from nautilus._types import FloatArray

from .base import Function, Problem, require
from .normal import gaussian

CUBE_VARIANCE = 1.0 / 12.0
BALL_CENTRE = 0.4


@dataclass(frozen=True)
class RadialSteps:
    """Log-likelihood that is constant between spheres about the centre of the cube.

    Parameters
    ----------
    radii
        Ascending radii, at most 1/2.
    levels
        log L inside each sphere and, last, outside all: one more than `radii`.
    """

    radii: tuple[float, ...]
    levels: tuple[float, ...]

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        radius = np.sqrt(((points - 0.5) ** 2).sum(axis=1))
        levels = np.array(self.levels, dtype=np.float64)
        return np.asarray(levels[np.searchsorted(self.radii, radius)])


def _radial(name: str, n_dim: int, steps: RadialSteps, description: str) -> Problem:
    """Evidence and moments from the volumes and mean squares of balls, in closed form."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    radii = np.asarray(steps.radii)
    log_ball = 0.5 * n_dim * np.log(np.pi) - gammaln(0.5 * n_dim + 1.0)
    ball = np.exp(log_ball + n_dim * np.log(radii))
    volume = np.diff(np.concatenate([[0.0], ball, [1.0]]))
    square = np.concatenate([[0.0], ball * radii**2 / (n_dim + 2.0), [CUBE_VARIANCE]])
    peak = max(steps.levels)
    relative = np.exp(np.asarray(steps.levels) - peak)
    evidence = float(relative @ volume)
    return Problem(
        name=name,
        n_dim=n_dim,
        log_likelihood=steps,
        log_z=peak + float(np.log(evidence)),
        description=description,
        mean=np.full(n_dim, 0.5),
        variance=np.full(n_dim, float(relative @ np.diff(square)) / evidence),
    )


def plateau(n_dim: int = 3, radius: float = 0.2, outside: float = -10.0) -> Problem:
    """Return log L = 0 inside a ball and a constant outside it.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    radius
        Radius of the ball, in (0, 1/2].
    outside
        log L outside the ball, -inf allowed.

    Raises
    ------
    SettingsError
        If `radius` is out of range.
    """
    require(0.0 < radius <= 0.5, "radius", radius, "a length in (0, 1/2]")
    steps = RadialSteps((radius,), (0.0, outside))
    return _radial(f"plateau-{n_dim}", n_dim, steps, "Plateau in a ball; volumes of balls.")


def staircase(n_dim: int = 3, n_steps: int = 10, height: float = 2.0) -> Problem:
    """Return log L that falls in equal steps with the distance from the centre.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    n_steps
        Number of steps between the centre and radius 1/2, at least 1.
    height
        Fall of log L at each step, positive.

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_steps >= 1, "n_steps", n_steps, "at least 1")
    require(height > 0.0, "height", height, "a positive number")
    radii = tuple(0.5 * (i + 1) / n_steps for i in range(n_steps))
    levels = tuple(-height * i for i in range(n_steps + 1))
    steps = RadialSteps(radii, levels)
    return _radial(f"staircase-{n_dim}", n_dim, steps, "Steps in radius; volumes of balls.")


@dataclass(frozen=True)
class BallOnFloor:
    """Log-likelihood of a Gaussian with peak 1 in a ball, and one value outside it.

    Parameters
    ----------
    radius
        Radius of the ball, whose centre has all coordinates at 0.4; twice the Gaussian's width.
    floor
        log L outside.
    """

    radius: float
    floor: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        square = ((points - BALL_CENTRE) ** 2).sum(axis=1)
        return np.where(square < self.radius**2, -2.0 * square / self.radius**2, self.floor)


def ball_on_floor(n_dim: int = 3, share: float = 1e-3, floor: float = -69.0) -> Problem:
    """Return a Gaussian in a small ball and one low value of log L nearly everywhere.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    share
        Volume of the ball, positive, so that its radius is at most 0.4.
    floor
        log L outside the ball: whatever a code returns for impossible points, -inf allowed.

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(share > 0.0, "share", share, "a positive volume")
    log_unit_ball = 0.5 * n_dim * np.log(np.pi) - gammaln(0.5 * n_dim + 1.0)
    radius = float(np.exp((np.log(share) - log_unit_ball) / n_dim))
    require(radius <= BALL_CENTRE, "share", share, "the volume of a ball inside the cube")
    width = 0.5 * radius
    log_peak = n_dim * np.log(np.sqrt(2.0 * np.pi) * width) + chi2.logcdf(4.0, n_dim)
    log_z = float(np.logaddexp(log_peak, np.log1p(-share) + floor))
    # Moments about the centre of the ball; those of the floor are the cube's without the ball's.
    ball, density = float(np.exp(log_peak - log_z)), float(np.exp(floor - log_z))
    offset = 0.5 - BALL_CENTRE
    square = CUBE_VARIANCE + offset**2 - share * radius**2 / (n_dim + 2.0)
    square *= density
    square += ball * width**2 * chi2.cdf(4.0, n_dim + 2) / chi2.cdf(4.0, n_dim)
    return Problem(
        name=f"ball-on-floor{floor:g}-{n_dim}",
        n_dim=n_dim,
        log_likelihood=BallOnFloor(radius, floor),
        log_z=log_z,
        description="Gaussian in a ball and a floor outside; chi-squared distribution functions "
        "and the volume of the ball.",
        mean=np.full(n_dim, BALL_CENTRE + density * offset),
        variance=np.full(n_dim, square - (density * offset) ** 2),
    )


@dataclass(frozen=True)
class ConstantLikelihood:
    """Log-likelihood with one value everywhere."""

    value: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the value once for each point."""
        return np.full(len(points), self.value)


def flat(n_dim: int = 2, value: float = 0.0) -> Problem:
    """Return the likelihood that knows nothing: log L = log Z = `value` everywhere."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    return Problem(
        name=f"flat-{n_dim}",
        n_dim=n_dim,
        log_likelihood=ConstantLikelihood(value),
        log_z=float(value),
        description="Constant likelihood; the evidence is the constant.",
        mean=np.full(n_dim, 0.5),
        variance=np.full(n_dim, CUBE_VARIANCE),
    )


@dataclass(frozen=True)
class ShiftedLikelihood:
    """Another log-likelihood plus a constant."""

    log_likelihood: Function
    offset: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        return self.log_likelihood(points) + self.offset


def unnormalised(n_dim: int = 3, offset: float = 1e6) -> Problem:
    """Return a correlated Gaussian with a huge constant added to log L; log Z = `offset`."""
    problem = gaussian(n_dim)
    return replace(
        problem,
        name=f"unnormalised-{n_dim}",
        log_likelihood=ShiftedLikelihood(problem.log_likelihood, offset),
        log_z=problem.log_z + offset,
        description=f"{problem.description} A constant of {offset:g} is added to log L.",
    )


def _hash_normals(points: FloatArray, seed: int) -> FloatArray:
    """Return one standard normal number per point, a function of the point's bits alone.

    The bits are mixed by the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
    """
    bits = np.ascontiguousarray(points, dtype=np.float64).view(np.uint64)
    state = np.full(len(points), seed, dtype=np.uint64)
    for i in range(points.shape[1]):
        state = state + np.uint64(0x9E3779B97F4A7C15) ^ bits[:, i]
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    uniform = ((state >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return np.asarray(ndtri(uniform))


@dataclass(frozen=True)
class NoisyLikelihood:
    """Another log-likelihood with scatter that is fixed for each point."""

    log_likelihood: Function
    scale: float
    seed: int

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        return self.log_likelihood(points) + self.scale * _hash_normals(points, self.seed)


def noisy(problem: Problem, scale: float = 0.05, seed: int = 0) -> Problem:
    """Return the problem with normal scatter in log L, the same at each call for one point.

    Parameters
    ----------
    problem
        Problem to be disturbed.
    scale
        Standard deviation of the scatter in log L, not negative.
    seed
        Another seed gives another pattern; a non-negative integer.

    Notes
    -----
    The scatter at different points is independent, so an average of L over many points
    converges to the average of L exp(scale^2 / 2): log Z grows by scale^2 / 2 and the posterior
    stays as it is.

    Raises
    ------
    SettingsError
        If `scale` or `seed` is negative.
    """
    require(scale >= 0.0, "scale", scale, "a number that is not negative")
    require(seed >= 0, "seed", seed, "an integer that is not negative")
    return replace(
        problem,
        name=f"noisy-{problem.name}",
        log_likelihood=NoisyLikelihood(problem.log_likelihood, scale, seed),
        log_z=problem.log_z + 0.5 * scale**2,
        description=f"{problem.description} Normal scatter of {scale:g} in log L, which adds "
        "half its square to log Z.",
    )
