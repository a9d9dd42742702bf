"""Components for points that a fitted mixture covers badly."""

import numpy as np
import pytest

from nautilus.geometry.fit import fit_mixture
from nautilus.geometry.gaps import cover_gaps
from nautilus.geometry.mixture import Mixture, standard_normal


def thin_line(rng, n):
    """Return points on a thin line, whose density is known, from end to end evenly."""
    along = rng.uniform(-3.0, 3.0, n)
    across = 0.01 * rng.standard_normal(n)
    return np.column_stack([along, across]), -0.5 * (across / 0.01) ** 2


def test_nothing_is_added_where_the_mixture_is_the_target(seed):
    points = np.random.default_rng(seed).standard_normal((500, 3))
    mixture = standard_normal(3)
    assert cover_gaps(mixture, points, mixture.log_density(points), np.ones(500)) is None


def test_components_stand_where_the_mixture_ends_too_early(seed):
    rng = np.random.default_rng(seed)
    points, log_target = thin_line(rng, 2000)
    middle = Mixture(np.zeros(1), np.zeros((1, 2)), np.diag([0.8, 0.01])[None], np.full(1, np.inf))
    gaps = cover_gaps(middle, points, log_target, np.ones(2000))
    assert gaps is not None
    assert (np.abs(gaps.means[:, 0]) > 1.2).all()
    assert gaps.means[:, 0].min() < -2.0
    assert gaps.means[:, 0].max() > 2.0


def test_components_are_shaped_by_neighbours_of_similar_density(seed):
    rng = np.random.default_rng(seed)
    points, log_target = thin_line(rng, 2000)
    off_line = np.column_stack([rng.uniform(-3.0, 3.0, 500), rng.uniform(-1.0, 1.0, 500)])
    points = np.concatenate([points, off_line])
    log_target = np.concatenate([log_target, -0.5 * (off_line[:, 1] / 0.01) ** 2])
    weights = np.concatenate([np.ones(2000), np.full(500, 1e-3)])
    middle = Mixture(np.zeros(1), np.zeros((1, 2)), np.diag([0.8, 0.01])[None], np.full(1, np.inf))
    gaps = cover_gaps(middle, points, log_target, weights)
    assert gaps is not None
    covariances = gaps.cholesky @ gaps.cholesky.transpose(0, 2, 1)
    assert (np.sqrt(covariances[:, 1, 1]) < 0.05).all()


@pytest.mark.parametrize("n_max", [1, 5, 24])
def test_no_more_components_than_allowed_and_shares_sum_to_one(seed, n_max):
    points, log_target = thin_line(np.random.default_rng(seed), 1000)
    middle = Mixture(np.zeros(1), np.zeros((1, 2)), np.diag([0.5, 0.01])[None], np.full(1, np.inf))
    gaps = cover_gaps(middle, points, log_target, np.ones(1000), n_max)
    assert gaps is not None
    assert 1 <= gaps.n_components <= n_max
    assert np.exp(gaps.log_shares).sum() == pytest.approx(1.0)


def test_a_fit_to_all_points_leaves_little_to_cover(seed):
    points, log_target = thin_line(np.random.default_rng(seed), 2000)
    mixture = fit_mixture(points, np.ones(2000), 2000.0)
    gaps = cover_gaps(mixture, points, log_target, np.ones(2000))
    assert gaps is None or gaps.n_components < 24


def test_a_point_far_above_all_others_gets_a_component_of_finite_width(seed):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((300, 4))
    log_target = -0.5 * np.sum(points**2, axis=1)
    points = np.concatenate([points, np.full((1, 4), 5.0)])
    log_target = np.append(log_target, 20.0)
    gaps = cover_gaps(standard_normal(4), points, log_target, np.ones(301))
    assert gaps is not None
    assert gaps.log_density(points[-1:])[0] < 60.0


def test_a_cluster_of_few_points_is_not_joined_to_its_neighbour(seed):
    rng = np.random.default_rng(seed)
    large = 0.1 * rng.standard_normal((500, 2))
    small = [5.0, 0.0] + 0.1 * rng.standard_normal((5, 2))
    points = np.concatenate([large, small])
    log_target = np.concatenate([-50.0 * (large**2).sum(axis=1), np.zeros(5)])
    mixture = Mixture(np.zeros(1), np.zeros((1, 2)), 0.1 * np.eye(2)[None], np.full(1, np.inf))
    gaps = cover_gaps(mixture, points, log_target, np.ones(505))
    assert gaps is not None
    near = np.abs(gaps.means[:, 0] - 5.0) < 1.0
    assert near.any()
    assert np.linalg.norm(gaps.cholesky[near], axis=(1, 2)).max() < 1.0
