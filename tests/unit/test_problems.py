"""The exact answers of the problems, each computed again by other means."""

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from draws import (
    Array,
    Draw,
    deviations,
    equicorrelated,
    independent,
    marginal_distances,
    mixture,
    multivariate,
    normals,
)
from scipy import integrate, stats

from nautilus.errors import SettingsError
from nautilus.testing import problems
from nautilus.testing.problems import Problem, catalogue
from nautilus.testing.problems.curved import EGGBOX_PEAKS


def loggamma_axes(n_dim: int) -> Draw:
    def pair(family: Callable) -> tuple[Draw, Callable]:
        parts = [family(1 / 3), family(2 / 3)]
        draws = [independent([p]) for p in parts]
        return mixture([0.5, 0.5], draws, [lambda x, p=p: p.logpdf(x[:, 0]) for p in parts])

    def skewed(loc: float) -> stats.rv_continuous:
        return stats.loggamma(1, loc=loc, scale=1 / 30)

    def normal(loc: float) -> stats.rv_continuous:
        return stats.norm(loc=loc, scale=1 / 30)

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        rest = [skewed(2 / 3)] * ((n_dim - 2) // 2) + [normal(2 / 3)] * (
            n_dim - 2 - (n_dim - 2) // 2
        )
        drawn = [pair(skewed)(rng, n), pair(normal)(rng, n)]
        # A mixture returns its components one after another: shuffle before joining the axes.
        drawn = [(x[order], f[order]) for (x, f) in drawn for order in [rng.permutation(n)]]
        drawn += [independent([axis])(rng, n) for axis in rest]
        return np.concatenate([x for x, _ in drawn], axis=1), np.sum([f for _, f in drawn], axis=0)

    return draw


def rosenbrock_chain(n_dim: int) -> Draw:
    """Draw each coordinate about the square of the one before."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        first = stats.norm(1.0, np.sqrt(0.5))
        x = [first.rvs(size=n, random_state=rng)]
        log_pdf = first.logpdf(x[0])
        for _ in range(n_dim - 1):
            step = stats.norm(x[-1] ** 2, np.sqrt(1.0 / 200.0))
            x.append(step.rvs(size=n, random_state=rng))
            log_pdf += step.logpdf(x[-1])
        return np.stack(x, axis=1) / 10 + 0.5, log_pdf + n_dim * np.log(10)

    return draw


def funnel(n_dim: int, neck: float, slope: float, width: float, correlation: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        first = stats.norm(0.5, neck)
        x = first.rvs(size=n, random_state=rng)
        spread = width * np.exp(slope * (x - 0.5))
        k = n_dim - 1
        rest = stats.multivariate_normal(
            np.zeros(k), (1 - correlation) * np.eye(k) + correlation * np.ones((k, k))
        )
        y = rest.rvs(size=n, random_state=rng).reshape(n, k)
        log_pdf = first.logpdf(x) + rest.logpdf(y) - k * np.log(spread)
        return np.column_stack([x, 0.5 + spread[:, None] * y]), log_pdf

    return draw


def shell_pair(n_dim: int) -> Draw:
    """Draw radius and direction about one of the centres."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        radius = stats.norm(2.0, 0.1).rvs(size=n, random_state=rng)
        direction = rng.standard_normal((n, n_dim))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        x = radius[:, None] * direction
        x[:, 0] += rng.choice([-3.5, 3.5], size=n)
        log_area = np.log(2) + 0.5 * n_dim * np.log(np.pi) - float(stats.gamma(1).logpdf(0))
        log_area -= float(
            np.log(
                np.abs(integrate.quad(lambda t: t ** (0.5 * n_dim - 1) * np.exp(-t), 0, np.inf)[0])
            )
        )
        log_pdf = -np.inf
        for centre in (-3.5, 3.5):
            r = np.sqrt((x[:, 1:] ** 2).sum(axis=1) + (x[:, 0] - centre) ** 2)
            one = stats.norm(2.0, 0.1).logpdf(r) - log_area - (n_dim - 1) * np.log(r)
            log_pdf = np.logaddexp(log_pdf, one - np.log(2))
        return x / 12 + 0.5, log_pdf + n_dim * np.log(12)

    return draw


def bananas(n_dim: int) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        x = rng.normal(0.5, 0.1, size=(n, n_dim // 2))
        centre = 0.3 + 8.0 * (x - 0.5) ** 2
        y = rng.normal(centre, 0.02)
        log_pdf = stats.norm(0.5, 0.1).logpdf(x) + stats.norm(centre, 0.02).logpdf(y)
        return np.stack([x, y], axis=2).reshape(n, n_dim), log_pdf.sum(axis=1)

    return draw


def phase_axes() -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        angle = stats.vonmises(20.0)
        turns = angle.rvs(size=(n, 2), random_state=rng) / (2 * np.pi)
        rest, log_rest = independent([stats.norm(0.4, 0.05)])(rng, n)
        log_pdf = angle.logpdf(2 * np.pi * turns).sum(axis=1) + 2 * np.log(2 * np.pi) + log_rest
        return np.column_stack([turns % 1.0, rest]), log_pdf

    return draw


def uniform(n_dim: int) -> Draw:
    return independent([stats.uniform()] * n_dim)


def core_and_cube(n_dim: int, width: float) -> Draw:
    core = stats.multivariate_normal(np.full(n_dim, 0.5), width**2 * np.eye(n_dim))
    cube = uniform(n_dim)
    inside = [core.logpdf, lambda x: np.where(np.all((x >= 0) & (x <= 1), axis=1), 0.0, -np.inf)]
    return mixture([0.5, 0.5], [multivariate(core), cube], inside)


def peaks_and_cube() -> Draw:
    """Draw about the peaks of the egg box, where (2 + cos cos)^5 falls by 1/2 at 1 / 316."""
    peaks = [stats.multivariate_normal([i / 5, j / 5], 0.005**2) for i, j in EGGBOX_PEAKS]
    draws = [multivariate(p) for p in peaks]
    shares = [0.2] + [0.8 / len(peaks)] * len(peaks)

    def log_cube(x: Array) -> Array:
        return np.where(np.all((x >= 0) & (x <= 1), axis=1), 0.0, -np.inf)

    return mixture(shares, [uniform(2), *draws], [log_cube, *(p.logpdf for p in peaks)])


def four_mode_draw() -> Draw:
    rng = np.random.default_rng(0)
    centres = rng.uniform(0.2, 0.8, size=(4, 5))
    widths = np.exp(rng.uniform(np.log(0.015), np.log(0.05), size=(4, 5)))
    return normals(list(rng.dirichlet(np.full(4, 5.0))), centres, widths)


def round_pair(n_dim: int, shares: list[float], centres: list[float], widths: list[float]) -> Draw:
    return normals(shares, np.outer(centres, np.ones(n_dim)), np.outer(widths, np.ones(n_dim)))


DRAWS: dict[str, Draw] = {
    "round-3": independent([stats.norm(0.5, 0.1)] * 3),
    "gaussian-3": equicorrelated(3, 0.05, 0.5),
    "gaussian-6": equicorrelated(6, 0.05, 0.5),
    "loggamma-2": loggamma_axes(2),
    "loggamma-4": loggamma_axes(4),
    "rosenbrock-2": rosenbrock_chain(2),
    "rosenbrock-3": rosenbrock_chain(3),
    "correlated-funnel-3": funnel(3, 0.05, 10.0, 0.05, 0.95),
    "steep-funnel-3": funnel(3, 0.1, 20.0, 0.01, 0.0),
    "shells-2": shell_pair(2),
    "shells-6": shell_pair(6),
    "eggbox": peaks_and_cube(),
    "spike-and-slab-3": round_pair(3, [0.5, 0.5], [0.5, 0.6], [0.1, 0.01]),
    "spike-on-slab-4": round_pair(4, [0.5, 0.5], [0.5, 0.5], [0.1, 0.01]),
    "plateau-3": uniform(3),
    "staircase-3": core_and_cube(3, 0.05),
    "phases-3": phase_axes(),
    "flat-2": uniform(2),
    "noisy-gaussian-4": equicorrelated(4, 0.05, 0.5),
    "very-peaked-2": equicorrelated(2, 1e-6, 0.5),
    "unnormalised-3": equicorrelated(3, 0.05, 0.5),
    "mostly-forbidden-2": independent([stats.uniform(0.65, 0.3)] * 2),
    "corner-4": independent([stats.expon(scale=0.02)] * 4),
    "walls-5": independent([stats.norm(c, 0.1) for c in (0.0, 1.05, 0.5, -0.1, 0.0)]),
    "bimodal-3": round_pair(3, [0.3, 0.7], [0.25, 0.7], [0.02, 0.06]),
    "student-3": multivariate(stats.multivariate_t(np.full(3, 0.5), 0.02**2 * np.eye(3), df=3)),
    "four-modes-5": four_mode_draw(),
    "banana-2": bananas(2),
    "ridge-4": equicorrelated(4, 0.05, 0.9999),
    "uninformed-15": independent([stats.norm(0.4, 0.05)] * 5 + [stats.uniform()] * 10),
}


def test_every_problem_is_checked() -> None:
    assert set(DRAWS) == set(catalogue())
    assert all(factory().name == name for name, factory in catalogue().items())


@pytest.mark.parametrize("name", sorted(DRAWS))
def test_evidence_and_moments_match_independent_draws(name: str) -> None:
    assert deviations(catalogue()[name](), DRAWS[name]).max() < 1.0


@pytest.mark.parametrize("name", [name for name in sorted(DRAWS) if catalogue()[name]().marginals])
def test_marginals_match_independent_draws(name: str) -> None:
    problem = catalogue()[name]()
    assert marginal_distances(problem, DRAWS[name]).max() < 1.0


@pytest.mark.parametrize("change", ["log_z", "mean", "variance", "mode_weights"])
def test_wrong_answers_are_found(change: str) -> None:
    problem = problems.bimodal(3)
    assert problem.mean is not None
    assert problem.variance is not None
    assert problem.mode_weights is not None
    wrong = {
        "log_z": {"log_z": problem.log_z + 0.01},
        "mean": {"mean": problem.mean + 0.005},
        "variance": {"variance": problem.variance * 1.05},
        "mode_weights": {"mode_weights": problem.mode_weights + np.array([0.01, -0.01])},
    }[change]
    assert deviations(replace(problem, **wrong), DRAWS["bimodal-3"]).max() > 1.0


@pytest.mark.parametrize(
    ("problem", "log_z", "tolerance"),
    [
        (problems.round_gaussian(), -4.150941399278043, 1e-14),
        (problems.rosenbrock(5), -19.732428739026, 1e-11),
        (problems.rosenbrock(10), -43.1084, 1e-4),
        (problems.correlated_funnel(10), -0.000316756511635332, 1e-12),
        (problems.steep_funnel(10), -0.05011350026470405, 1e-10),
        # Feroz, Hobson & Bridges (2009), table of the shells, and egg box
        (problems.shells(2), -1.75, 5e-3),
        (problems.shells(5), -5.67, 5e-3),
        (problems.shells(10), -14.59, 5e-3),
        (problems.shells(20), -36.09, 5e-3),
        (problems.eggbox(), 235.856, 5e-4),
        (problems.plateau(2, 0.25, -np.inf), np.log(np.pi / 16), 1e-14),
        (problems.unnormalised(2, -1e6), -1e6, 1e-9),
    ],
    ids=lambda value: value.name if isinstance(value, Problem) else "",
)
def test_known_evidences(problem: Problem, log_z: float, tolerance: float) -> None:
    assert problem.log_z == pytest.approx(log_z, abs=tolerance)


def test_rosenbrock_in_two_dimensions_by_adaptive_quadrature() -> None:
    problem = problems.rosenbrock(2)
    x, u = np.linspace(-5, 5, 4001), np.linspace(-5, 5, 4001)
    inner = [integrate.simpson(np.exp(-100 * (u - a * a) ** 2 - (1 - a) ** 2), x=u) for a in x]
    assert problem.log_z == pytest.approx(np.log(integrate.simpson(inner, x=x) / 100), abs=1e-8)


def test_eggbox_by_the_trapezoidal_rule_on_its_periodic_continuation() -> None:
    nodes = np.arange(2000) / 1000.0
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    log_l = problems.eggbox().log_likelihood(grid)
    assert problems.eggbox().log_z == pytest.approx(
        243.0 + np.log(np.mean(np.exp(log_l - 243.0))), abs=1e-11
    )


@pytest.mark.parametrize("name", sorted(DRAWS))
def test_likelihoods_are_vectorised_pure_and_picklable(name: str) -> None:
    problem = catalogue()[name]()
    points = np.random.default_rng(1).random((50, problem.n_dim))
    points.setflags(write=False)
    log_l = problem.log_likelihood(points)
    assert log_l.shape == (50,)
    assert log_l.dtype == np.float64
    assert not np.isnan(log_l).any()
    assert problem.log_likelihood(points[:0]).shape == (0,)
    one_by_one = [problem.log_likelihood(points[i : i + 1])[0] for i in range(50)]
    np.testing.assert_allclose(log_l, one_by_one, rtol=1e-12)
    again = pickle.loads(pickle.dumps(problem))
    np.testing.assert_array_equal(again.log_likelihood(points), log_l)
    assert again.log_z == problem.log_z
    assert set(again.marginals) == set(problem.marginals)


def test_moments_are_read_only() -> None:
    mean = problems.gaussian(2).mean
    assert mean is not None
    with pytest.raises(ValueError, match="read-only"):
        mean[0] = 0.0


@pytest.mark.parametrize(
    "name", [name for name in sorted(DRAWS) if catalogue()[name]().memberships is not None]
)
def test_memberships_are_probabilities_of_as_many_modes_as_there_are_weights(name: str) -> None:
    problem = catalogue()[name]()
    assert problem.memberships is not None
    assert problem.mode_weights is not None
    given = problem.memberships(np.random.default_rng(2).random((200, problem.n_dim)))
    assert given.shape == (200, len(problem.mode_weights))
    assert given.min() >= 0.0
    np.testing.assert_allclose(given.sum(axis=1), 1.0, rtol=1e-12)
    assert problem.mode_weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert problem.memberships(np.empty((0, problem.n_dim))).shape == (0, len(problem.mode_weights))


def test_unit_prior_is_the_identity() -> None:
    points = np.random.default_rng(0).random((4, 2))
    assert problems.unit_prior(points) is points


def test_periodic_axes_join_at_their_ends() -> None:
    problem = problems.phases(2)
    low, high = np.array([[0.0, 0.3, 0.4]]), np.array([[1.0, 0.3, 0.4]])
    assert problem.periodic == (0, 1)
    np.testing.assert_allclose(problem.log_likelihood(low), problem.log_likelihood(high))


def test_forbidden_regions_are_minus_infinity() -> None:
    points = np.random.default_rng(0).random((20_000, 3))
    forbidden = problems.mostly_forbidden().log_likelihood(points) == -np.inf
    assert 0.98 < forbidden.mean() < 1.0
    assert np.isneginf(problems.plateau(3, outside=-np.inf).log_likelihood(points)).any()


def test_noise_is_normal_fixed_and_follows_the_seed() -> None:
    quiet = problems.flat(3)
    points = np.random.default_rng(5).random((20_000, 3))
    noise = problems.noisy(quiet, 0.3, seed=1).log_likelihood(points)
    assert stats.kstest(noise / 0.3, "norm").pvalue > 1e-6
    np.testing.assert_array_equal(
        noise[::-1], problems.noisy(quiet, 0.3, seed=1).log_likelihood(points[::-1])
    )
    other = problems.noisy(quiet, 0.3, seed=2).log_likelihood(points)
    nearby = problems.noisy(quiet, 0.3, seed=1).log_likelihood(np.nextafter(points, 2.0))
    swapped = problems.noisy(quiet, 0.3, seed=1).log_likelihood(points[:, ::-1])
    for changed in (other, nearby, swapped):
        assert abs(np.corrcoef(noise, changed)[0, 1]) < 5 / np.sqrt(len(noise))


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: problems.gaussian(0), "n_dim=0"),
        (lambda: problems.gaussian(3, sigma=0.3), "sigma=0.3"),
        (lambda: problems.gaussian(3, correlation=-0.5), "correlation=-0.5"),
        (lambda: problems.ridge(3, thinness=1.0), "thinness=1.0"),
        (lambda: problems.loggamma(1), "n_dim=1"),
        (lambda: problems.rosenbrock(1), "n_dim=1"),
        (lambda: problems.steep_funnel(1), "n_dim=1"),
        (lambda: problems.shells(1), "n_dim=1"),
        (lambda: problems.spike_and_slab(2, offset=0.6), "offset=0.6"),
        (lambda: problems.spike_and_slab(2, spike_share=1.0), "spike_share=1.0"),
        (lambda: problems.student(2, freedom=0.0), "freedom=0.0"),
        (lambda: problems.banana(3), "n_dim=3"),
        (lambda: problems.uninformed(2, 3), "n_informed=3"),
        (lambda: problems.corner(2, 0.0), "scale=0.0"),
        (lambda: problems.mostly_forbidden(2, 0.4), "width=0.4"),
        (lambda: problems.phases(0), "n_phases=0"),
        (lambda: problems.plateau(2, 0.6), "radius=0.6"),
        (lambda: problems.staircase(2, 0), "n_steps=0"),
        (lambda: problems.noisy(problems.flat(2), -1.0), "scale=-1.0"),
    ],
)
def test_impossible_parameters_are_refused(build: Callable[[], Problem], name: str) -> None:
    with pytest.raises(SettingsError, match=name.replace(".", r"\.") + ".*pass "):
        build()
