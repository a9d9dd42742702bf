"""Modes at random: exact answers, and which modes can be seen."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from draws import components, deviations, marginal_distances

from nautilus.errors import SettingsError
from nautilus.testing import problems
from nautilus.testing.problems.correlated import CorrelatedMixture, correlated_mixture

FAMILIES = {
    f"{family.__name__}-{number}": (family, number)
    for family in (problems.random_modes, problems.correlated_modes)
    for number in range(4)
}


@pytest.mark.parametrize("name", FAMILIES)
def test_answers_match_independent_draws(name: str) -> None:
    family, number = FAMILIES[name]
    problem = family(number)
    draw = components(problem)
    assert deviations(problem, draw).max() < 1.0
    assert marginal_distances(problem, draw).max() < 1.0


@pytest.mark.parametrize("name", FAMILIES)
def test_problems_are_of_the_stated_kind_and_the_same_each_time(name: str) -> None:
    family, number = FAMILIES[name]
    problem, again = family(number), family(number)
    weights = problem.mode_weights
    assert problem.name == f"{family.__name__.replace('_', '-')}-{number}"
    assert weights is not None
    assert 4 <= problem.n_dim <= 12
    assert 2 <= len(weights) <= 8
    assert problem.log_z == pytest.approx(0.0, abs=1e-3)
    points = np.random.default_rng(0).random((40, problem.n_dim))
    log_l = problem.log_likelihood(points)
    np.testing.assert_array_equal(log_l, again.log_likelihood(points))
    one_by_one = [problem.log_likelihood(points[i : i + 1])[0] for i in range(40)]
    np.testing.assert_array_equal(log_l, one_by_one)
    pickled = pickle.loads(pickle.dumps(problem))
    assert pickled.memberships is not None
    assert problem.memberships is not None
    np.testing.assert_array_equal(pickled.memberships(points), problem.memberships(points))


def test_correlated_modes_stretch_along_turned_axes() -> None:
    likelihood = problems.correlated_modes(0).log_likelihood
    assert isinstance(likelihood, CorrelatedMixture)
    largest = []
    for whitening in likelihood.whitenings:
        covariance = np.linalg.inv(whitening.T @ whitening)
        lengths = np.sqrt(np.linalg.eigvalsh(covariance))
        assert lengths.min() >= 0.01 * (1 - 1e-9)
        assert lengths.max() <= 0.05 * (1 + 1e-9)
        deviations = np.sqrt(np.diagonal(covariance))
        correlation = covariance / np.outer(deviations, deviations)
        largest.append(np.abs(correlation - np.eye(len(lengths))).max())
    assert max(largest) > 0.25


def test_a_component_that_crosses_a_wall_is_refused() -> None:
    with pytest.raises(SettingsError, match="beyond the walls"):
        correlated_mixture(
            "cut", np.ones(1), np.full((1, 2), 0.5), 0.1**2 * np.eye(2)[None], "Too wide."
        )


def test_visibility_is_the_share_of_the_basins_in_the_highest_parts() -> None:
    """Two equal cones on [0, 1]: each basin is half of every contour; a low plateau is nowhere."""

    def log_likelihood(points: np.ndarray) -> np.ndarray:
        return -np.abs(np.abs(points[:, 0] - 0.5) - 0.25)

    def memberships(points: np.ndarray) -> np.ndarray:
        left = (points[:, 0] < 0.5) * 1.0
        return np.stack([left, 1.0 - left, np.zeros(len(points))], axis=1)

    two = replace(
        problems.flat(1),
        log_likelihood=log_likelihood,
        memberships=memberships,
        mode_weights=np.array([0.5, 0.5, 0.0]),
    )
    found = problems.visibility(two, n=250_000, seed=3)
    assert found.sum() == pytest.approx(6.0, abs=1e-9)
    assert found[2] == 0.0
    # The sixth part has e^-5 of the points, and its share a standard error of 0.012.
    assert found[0] == pytest.approx(3.0, abs=0.08)


def test_visibility_of_a_narrow_mode_is_its_share_of_the_volume() -> None:
    """A dimension down: normals far apart whose contours are intervals with known lengths."""
    pair = problems.normal_mixture(
        "pair", np.array([0.5, 0.5]), np.array([[0.2], [0.7]]), np.array([[0.001], [0.05]]), ""
    )
    found = problems.visibility(pair, n=100_000)
    grid = (np.arange(100_000) + 0.5) / 100_000
    assert pair.memberships is not None
    order = np.argsort(-pair.log_likelihood(grid[:, None]))
    narrow = pair.memberships(grid[order, None])[:, 0] > 0.5
    exact = sum(narrow[: round(len(grid) * np.exp(-j))].mean() for j in range(6))
    assert found[0] == pytest.approx(exact, abs=0.15)  # shares of 674 points
    assert problems.hidden_weight(pair, n=20_000) == 0.0


def test_visibility_needs_modes() -> None:
    with pytest.raises(SettingsError, match="a problem with modes"):
        problems.visibility(problems.gaussian(2), n=1000)
    with pytest.raises(SettingsError, match="n=10"):
        problems.visibility(problems.bimodal(2), n=10)
    with pytest.raises(SettingsError, match="number=-1"):
        problems.random_modes(-1)


def test_the_lists_name_forty_problems_each_and_the_others_between_them() -> None:
    for listed, hidden in (
        (problems.RANDOM_MODES, problems.HIDDEN_RANDOM_MODES),
        (problems.CORRELATED_MODES, problems.HIDDEN_CORRELATED_MODES),
    ):
        assert len(listed) == 40
        assert sorted(listed + hidden) == list(range(max(listed) + 1))


@pytest.mark.parametrize("number", [2, 11, 0, 8])
def test_the_lists_are_those_of_the_visibilities(number: int) -> None:
    """Four that are far from the limit; benchmarks/visibility.py makes the lists anew."""
    hidden = problems.hidden_weight(problems.random_modes(number), n=100_000)
    assert (hidden < 0.02) == (number in problems.RANDOM_MODES)
