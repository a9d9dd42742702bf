"""The exact answers of the problems of the gallery, each computed again by other means."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from draws import (
    Array,
    Draw,
    components,
    deviations,
    independent,
    marginal_distances,
    mixture,
    multivariate,
    normals,
)
from scipy import integrate, optimize, stats

from nautilus.errors import SettingsError
from nautilus.testing import problems
from nautilus.testing.problems import Problem, catalogue, gallery
from nautilus.testing.problems.logistic import DESIGN
from nautilus.testing.problems.planets import ERROR, HIGHEST, LOWEST, TIMES, VELOCITIES
from nautilus.testing.problems.tails import StudentMixture


def round_components(problem: Problem) -> Draw:
    """Draw from the Student components as scipy.stats has them."""
    likelihood = problem.log_likelihood
    assert isinstance(likelihood, StudentMixture)
    eye = np.eye(problem.n_dim)
    parts = [
        stats.multivariate_t(c, s**2 * eye, df=likelihood.freedom)
        for c, s in zip(likelihood.centres, likelihood.scales, strict=True)
    ]
    shares = list(likelihood.shares)
    return mixture(shares, [multivariate(p) for p in parts], [p.logpdf for p in parts])


def beta_axes(n_dim: int, cut: float) -> Draw:
    stretch = 1 - 2 * cut
    shapes = [((0.1, 0.15), (0.15, 0.1))[i % 2] for i in range(n_dim)]
    return independent([stats.beta(a, b, -cut / stretch, 1 / stretch) for a, b in shapes])


def ball_and_cube(n_dim: int, width: float) -> Draw:
    ball = stats.multivariate_normal(np.full(n_dim, 0.4), width**2 * np.eye(n_dim))

    def cube(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        return rng.random((n, n_dim)), np.zeros(n)

    def log_cube(x: Array) -> Array:
        return np.where(np.all((x >= 0) & (x <= 1), axis=1), 0.0, -np.inf)

    return mixture([0.5, 0.5], [multivariate(ball), cube], [ball.logpdf, log_cube])


def rosenbrock_pairs(n_dim: int) -> Draw:
    """Draw x about 1 and y about its square, and turn both into shares of the prior."""
    prior = stats.norm(0, 3)

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        first = stats.norm(0.7, 0.75)
        x = first.rvs(size=(n, n_dim // 2), random_state=rng)
        second = stats.norm(x**2, np.sqrt(1 / 20))
        y = second.rvs(size=x.shape, random_state=rng)
        log_pdf = first.logpdf(x) - prior.logpdf(x) + second.logpdf(y) - prior.logpdf(y)
        points = prior.cdf(np.stack([x, y], axis=2).reshape(n, n_dim))
        return points, log_pdf.sum(axis=1)

    return draw


def frequencies(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Draw ordered shares of the band, half of them with one near the strong planet's."""
    near = stats.truncnorm(-3, 3, (1 / 7.4 - LOWEST) / (HIGHEST - LOWEST), 0.03)
    one = np.where(rng.random(n) < 0.5, near.rvs(size=n, random_state=rng), rng.random(n))
    pair = np.sort(np.stack([one, rng.random(n)], axis=1), axis=1)
    # Either of the two may have been the one; ordered uniform shares have the density 2.
    log_pdf = np.log(0.5 + 0.25 * near.pdf(pair).sum(axis=1))
    return pair, log_pdf


def planets(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Draw frequencies, then amplitudes from what they are given the frequencies."""
    pair, log_pdf = frequencies(rng, n)
    phase = 2 * np.pi * (LOWEST + (HIGHEST - LOWEST) * pair[:, :, None]) * TIMES
    rows = [np.cos(phase[:, 0]), np.sin(phase[:, 0]), np.cos(phase[:, 1]), np.sin(phase[:, 1])]
    design = np.stack([*rows, np.ones_like(rows[0])], axis=1)
    covariance = np.linalg.inv(design @ design.transpose(0, 2, 1) / ERROR**2 + np.eye(5) / 25)
    mean = (covariance @ (design @ VELOCITIES / ERROR**2)[:, :, None])[:, :, 0]
    root = np.linalg.cholesky(covariance)
    white = rng.standard_normal((n, 5))
    amplitudes = mean + (root @ white[:, :, None])[:, :, 0]
    log_pdf = log_pdf + stats.norm.logpdf(white).sum(axis=1)
    log_pdf -= np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    log_pdf -= stats.norm(0, 5).logpdf(amplitudes).sum(axis=1)
    shares = stats.norm(0, 5).cdf(amplitudes)
    return np.column_stack([pair[:, 1] ** 2, pair[:, 0] / pair[:, 1], shares]), log_pdf


def coefficients(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Draw the coefficients of the regression about the most probable ones."""

    def cost(beta: Array) -> float:
        return np.logaddexp(0, -beta @ DESIGN).sum() + (beta**2).sum() / 50

    found = optimize.minimize(cost, np.zeros(5), method="BFGS")
    wide = stats.multivariate_t(found.x, 1.3 * found.hess_inv, df=6)
    beta = wide.rvs(size=n, random_state=rng)
    prior = stats.norm(0, 5)
    return prior.cdf(beta), wide.logpdf(beta) - prior.logpdf(beta).sum(axis=1)


CASES: dict[str, tuple[Problem, Draw]] = {
    "cigar-10": (problems.cigar(), components(problems.cigar())),
    "normal-pair-15": (problems.normal_pair(), components(problems.normal_pair())),
    "lumpy-0": (problems.lumpy(0), components(problems.lumpy(0))),
    "lumpy-1": (problems.lumpy(1), components(problems.lumpy(1))),
    "heavy-spike-5": (
        problems.heavy_spike(),
        normals([0.1, 0.9], np.outer([0.5, 0.6], np.ones(5)), np.outer([0.1, 0.01], np.ones(5))),
    ),
    "student-modes-4": (
        problems.student_modes(4),
        round_components(problems.student_modes(4)),
    ),
    "student-8": (problems.student(8), round_components(problems.student(8))),
    "corners-5": (problems.corners(5), beta_axes(5, 1e-4)),
    "corners-2": (problems.corners(2, 1e-2), beta_axes(2, 1e-2)),
    "ball-on-floor-69-3": (problems.ball_on_floor(3), ball_and_cube(3, 0.031)),
    "ball-on-floor-inf-2": (problems.ball_on_floor(2, 0.01, -np.inf), ball_and_cube(2, 0.03)),
    "ball-on-floor-3-2": (problems.ball_on_floor(2, 0.3, -3.0), ball_and_cube(2, 0.15)),
    "rosenbrock-pairs-2": (problems.rosenbrock_pairs(2), rosenbrock_pairs(2)),
    "two-planets-7": (problems.two_planets(), planets),
    "logistic-regression-5": (problems.logistic_regression(), coefficients),
}


@pytest.mark.parametrize("name", CASES)
def test_answers_match_independent_draws(name: str) -> None:
    problem, draw = CASES[name]
    assert problem.name == name
    assert deviations(problem, draw).max() < 1.0
    assert (marginal_distances(problem, draw) < 1.0).all()


@pytest.mark.parametrize("name", CASES)
def test_likelihoods_are_vectorised_pure_and_picklable(name: str) -> None:
    problem, _ = CASES[name]
    points = np.random.default_rng(1).random((30, problem.n_dim))
    points.setflags(write=False)
    log_l = problem.log_likelihood(points)
    assert log_l.shape == (30,)
    assert log_l.dtype == np.float64
    assert problem.log_likelihood(points[:0]).shape == (0,)
    one_by_one = [problem.log_likelihood(points[i : i + 1])[0] for i in range(30)]
    np.testing.assert_array_equal(log_l, one_by_one)
    again = pickle.loads(pickle.dumps(problem))
    np.testing.assert_array_equal(again.log_likelihood(points), log_l)
    if problem.memberships is not None:
        assert problem.mode_weights is not None
        given = problem.memberships(points)
        np.testing.assert_array_equal(again.memberships(points), given)
        assert given.shape == (30, len(problem.mode_weights))
        np.testing.assert_allclose(given.sum(axis=1), 1.0, rtol=1e-12)
        assert problem.mode_weights.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_corners_of_the_cube_have_a_value(name: str) -> None:
    problem, _ = CASES[name]
    corners = np.stack([np.zeros(problem.n_dim), np.ones(problem.n_dim)])
    assert not np.isnan(problem.log_likelihood(corners)).any()
    if problem.memberships is not None:
        assert np.isfinite(problem.memberships(corners)).all()


def test_names_are_those_of_the_problems_and_factories_can_be_pickled() -> None:
    known = gallery()
    assert set(catalogue()) < set(known)
    assert sum(name.startswith("random-modes-") for name in known) == 129
    for name, factory in known.items():
        problem = pickle.loads(pickle.dumps(factory))()
        assert problem.name == name
        assert problem.mean is not None
        assert problem.variance is not None


def test_rosenbrock_pairs_by_adaptive_quadrature() -> None:
    def density(y: float, x: float) -> float:
        prior = np.exp(-(x * x + y * y) / 18) / (18 * np.pi)
        return prior * np.exp(-10 * (x * x - y) ** 2 - (x - 1) ** 2)

    total = integrate.dblquad(
        density, -5, 6, lambda x: x * x - 2.5, lambda x: x * x + 2.5, epsabs=1e-10
    )[0]
    assert problems.rosenbrock_pairs(10).log_z == pytest.approx(5 * np.log(total), abs=1e-6)
    assert problems.rosenbrock_pairs(10).log_z == pytest.approx(-21.4021, abs=5e-5)


def test_the_cigar_is_as_long_and_as_thin_as_it_says() -> None:
    likelihood = problems.cigar(6, ratio=50.0, length=0.05).log_likelihood
    whitening = likelihood.whitenings[0]
    lengths = np.sqrt(np.linalg.eigvalsh(np.linalg.inv(whitening.T @ whitening)))
    np.testing.assert_allclose(lengths, [0.001] * 5 + [0.05], rtol=1e-6)


def test_corners_hold_the_mass() -> None:
    """Most of each axis is within a tenth of its ends, and all corners count."""
    problem = problems.corners(4)
    assert problem.mode_weights is not None
    assert len(problem.mode_weights) == 16
    assert problem.mode_weights.min() > 0.02
    for cdf in problem.marginals.values():
        assert cdf(np.array(0.1)) + 1 - cdf(np.array(0.9)) > 0.6


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: problems.cigar(1), "n_dim=1"),
        (lambda: problems.cigar(3, length=0.2), "length=0.2"),
        (lambda: problems.cigar(3, ratio=0.5), "ratio=0.5"),
        (lambda: problems.normal_pair(3, share=1.0), "share=1.0"),
        (lambda: problems.normal_pair(3, correlation=1.0), "correlation=1.0"),
        (lambda: problems.lumpy(-1), "number=-1"),
        (lambda: problems.correlated_modes(-1), "number=-1"),
        (lambda: problems.corners(0), "n_dim=0"),
        (lambda: problems.corners(2, cut=0.0), "cut=0.0"),
        (lambda: problems.student_modes(2, freedom=0.0), "freedom=0.0"),
        (lambda: problems.ball_on_floor(2, share=0.6), "share=0.6"),
        (lambda: problems.rosenbrock_pairs(3), "n_dim=3"),
    ],
)
def test_impossible_parameters_are_refused(build: Callable[[], Problem], name: str) -> None:
    with pytest.raises(SettingsError, match=name.replace(".", r"\.") + ".*pass "):
        build()
