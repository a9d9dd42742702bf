"""Components next to a wall of the cube."""

import numpy as np
import pytest
from scipy.special import ndtr

from nautilus.geometry.coordinates import Coordinates, log_prior_density
from nautilus.geometry.fit import fit_mixture
from nautilus.geometry.mixture import Mixture
from nautilus.geometry.walls import reach_walls

COORDINATES = Coordinates(np.full(2, np.nan))


def one(mean, cholesky):
    return Mixture(
        np.zeros(1), np.array([mean], float), np.array([cholesky], float), np.full(1, np.inf)
    )


def cube_density(mixture, points):
    space = COORDINATES.to_space(points)
    return np.exp(mixture.log_density(space) - log_prior_density(space))


@pytest.mark.parametrize("side", [0, 1])
def test_a_strip_without_points_along_a_wall_is_covered(side):
    # A cluster fills the outer 8 % of an axis; by chance no point lies in its last third.
    points = np.column_stack([np.linspace(0.925, 0.97, 12), np.linspace(0.45, 0.55, 12)[::-1]])
    points[::2, 1] = 1.0 - points[::2, 1]
    strip = np.column_stack([np.linspace(0.975, 0.99, 7), np.full(7, 0.5)])
    points, strip = (np.abs(side - p) for p in (points, strip))
    fitted = fit_mixture(COORDINATES.to_space(points), np.ones(12), 12.0, n_max=1)
    reached = reach_walls(fitted, 1.4)
    typical = np.median(cube_density(reached.scaled(1.4), points))
    least = cube_density(reached.scaled(1.4), strip).min()
    assert least > 0.04 * typical
    assert least > 3.0 * cube_density(fitted.scaled(1.4), strip).min()


def test_far_from_walls_nothing_changes():
    mixture = one([0.4, -0.3], [[0.05, 0.0], [0.02, 0.04]])
    reached = reach_walls(mixture, 1.4)
    np.testing.assert_allclose(reached.means, mixture.means, atol=1e-3)
    np.testing.assert_allclose(reached.cholesky, mixture.cholesky, rtol=0.02)


def test_only_the_axis_at_the_wall_is_widened():
    mixture = one([1.7, 0.0], [[0.2, 0.0], [0.05, 0.1]])
    reached = reach_walls(mixture, 1.4)
    first, second = np.diag(reached.cholesky[0] @ reached.cholesky[0].T)
    assert first > 1.1 * 0.2**2
    np.testing.assert_allclose(second, 0.05**2 + 0.1**2, rtol=0.03)
    correlation = 0.05 / np.hypot(0.05, 0.1)
    found = (reached.cholesky[0] @ reached.cholesky[0].T)[0, 1] / np.sqrt(first * second)
    np.testing.assert_allclose(found, correlation, rtol=1e-9)


@pytest.mark.parametrize("mean", [-36.0, -8.0, 0.0, 8.0])
@pytest.mark.parametrize("width", [1e-9, 0.3, 30.0])
def test_no_component_shrinks_or_breaks(mean, width):
    mixture = one([mean, 0.1], np.diag([width, 1.0]))
    reached = reach_walls(mixture, 1.4)
    assert np.isfinite(reached.means).all()
    assert np.isfinite(reached.cholesky).all()
    assert np.all(np.diag(reached.cholesky[0]) >= np.diag(mixture.cholesky[0]) * (1 - 1e-12))
    assert 0 <= ndtr(reached.means[0, 0]) <= 1
