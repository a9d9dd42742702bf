"""Components next to a wall of the cube."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from nautilus.geometry.coordinates import Coordinates, log_prior_density
from nautilus.geometry.fit import fit_mixture
from nautilus.geometry.mixture import Mixture
from nautilus.geometry.walls import reach_walls

COORDINATES = Coordinates(np.full(2, np.nan))
WIDENING = 1.4


def one(mean, cholesky):
    return Mixture(
        np.zeros(1), np.array([mean], float), np.array([cholesky], float), np.full(1, np.inf)
    )


def covariance(mixture):
    return mixture.cholesky[0] @ mixture.cholesky[0].T


def cube_density(mixture, points):
    space = COORDINATES.to_space(points)
    return np.exp(mixture.log_density(space) - log_prior_density(space))


def seen_in_the_cube(mean, width):
    """Return mean and width of a normal density in the cube that ends at the walls."""
    centre, scale = norm.cdf(mean), width * norm.pdf(mean)

    def density(z):
        return norm.pdf(norm.cdf(z), centre, scale) * norm.pdf(z)

    zeroth, first, second = (
        quad(lambda z, k=k: z**k * density(z), -9, 9, points=[mean], limit=500)[0] for k in range(3)
    )
    return first / zeroth, np.sqrt(second / zeroth - (first / zeroth) ** 2)


@pytest.mark.parametrize("side", [0, 1])
def test_a_strip_without_points_along_a_wall_is_covered(side):
    # A cluster fills the outer 6 % of an axis; by chance no point lies in its last third.
    points = np.column_stack([np.linspace(0.94, 0.98, 12), np.linspace(0.45, 0.55, 12)[::-1]])
    points[::2, 1] = 1.0 - points[::2, 1]
    strip = np.column_stack([np.linspace(0.983, 0.995, 7), np.full(7, 0.5)])
    points, strip = (np.abs(side - p) for p in (points, strip))
    fitted = fit_mixture(COORDINATES.to_space(points), np.ones(12), 12.0, n_max=1)
    reached = reach_walls(fitted, WIDENING).scaled(WIDENING)
    typical = np.median(cube_density(reached, points))
    least = cube_density(reached, strip).min()
    assert least > 0.04 * typical
    assert least > 3.0 * cube_density(fitted.scaled(WIDENING), strip).min()


@pytest.mark.parametrize(("mean", "width"), [(1.7, 0.15), (-2.0, 0.15), (2.5, 0.12)])
def test_a_component_at_a_wall_has_the_moments_of_its_image(mean, width):
    reached = reach_walls(one([mean, 0.0], np.diag([width, 0.1])), WIDENING)
    centre, spread = seen_in_the_cube(mean, WIDENING * width)
    assert spread > 1.05 * WIDENING * width
    np.testing.assert_allclose(reached.means[0, 0], centre, atol=0.05 * spread)
    np.testing.assert_allclose(np.sqrt(covariance(reached)[0, 0]), spread / WIDENING, rtol=0.03)
    assert reached.means[0, 1] == 0.0


@pytest.mark.parametrize("mean", [0.4, 3.0, 7.0, 8.0])
@pytest.mark.parametrize("width", [0.05, 0.3, 2.0])
def test_both_walls_are_alike(mean, width):
    factor = np.array([[width, 0.0], [0.02, 0.3]])
    high, low = (
        reach_walls(one([sign * mean, 0.1], np.diag([sign, 1.0]) @ factor), WIDENING)
        for sign in (1.0, -1.0)
    )
    mirror = np.diag([-1.0, 1.0])
    np.testing.assert_allclose(high.means, low.means @ mirror, rtol=1e-9)
    np.testing.assert_allclose(covariance(high), mirror @ covariance(low) @ mirror, rtol=1e-9)


@pytest.mark.parametrize(
    ("mean", "factor"),
    [
        ([0.4, -0.3], [[0.05, 0.0], [0.02, 0.04]]),
        # Wide in the cube, though no wall is near: 0.1 about the middle.
        ([0.0, 0.0], [[0.1 / norm.pdf(0.0), 0.0], [0.0, 0.1 / norm.pdf(0.0)]]),
    ],
)
def test_far_from_walls_nothing_changes(mean, factor):
    mixture = one(mean, factor)
    reached = reach_walls(mixture, WIDENING)
    np.testing.assert_array_equal(reached.means, mixture.means)
    np.testing.assert_array_equal(reached.cholesky, mixture.cholesky)


def test_given_the_axis_at_the_wall_the_others_are_as_before():
    mixture = one([1.7, 0.3], [[0.2, 0.0], [0.05, 0.1]])
    reached = reach_walls(mixture, WIDENING)
    before, after = covariance(mixture), covariance(reached)
    assert after[0, 0] > 1.1 * before[0, 0]
    slope = before[0, 1] / before[0, 0]
    np.testing.assert_allclose(after[0, 1] / after[0, 0], slope)
    np.testing.assert_allclose(after[1, 1] - slope * after[0, 1], 0.1**2)
    shift = reached.means[0] - mixture.means[0]
    np.testing.assert_allclose(shift[1], slope * shift[0])


def test_in_a_corner_each_axis_gets_its_own_mean():
    width, correlation = 0.15, -0.95
    shape = width**2 * np.array([[1.0, correlation], [correlation, 1.0]])
    reached = reach_walls(one([1.7, 1.7], np.linalg.cholesky(shape)), WIDENING)
    alone = reach_walls(one([1.7, 0.0], np.diag([width, 1.0])), WIDENING)
    np.testing.assert_allclose(reached.means[0], alone.means[0, 0], rtol=1e-9)
    assert np.all(np.diag(covariance(reached)) >= covariance(alone)[0, 0] * (1 - 1e-9))


@pytest.mark.parametrize("mean", [-36.0, -8.0, 0.0, 8.0])
@pytest.mark.parametrize("width", [1e-9, 0.3, 30.0])
def test_no_component_shrinks_or_breaks(mean, width):
    mixture = one([mean, 0.1], np.diag([width, 1.0]))
    reached = reach_walls(mixture, WIDENING)
    assert np.isfinite(reached.means).all()
    assert np.isfinite(reached.cholesky).all()
    assert np.all(np.diag(covariance(reached)) >= np.diag(covariance(mixture)) * (1 - 1e-9))
    # It stays on its side of the cube, and inside of what numbers can tell from a wall.
    assert abs(ndtr(reached.means[0, 0]) - 0.5) <= abs(ndtr(mean) - 0.5) + 0.3
