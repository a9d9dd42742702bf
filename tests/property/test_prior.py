"""Priors: what must hold for every one of them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from nautilus.prior import Prior

unit = st.floats(0, 1)
bound = st.floats(-1e6, 1e6)
DISTRIBUTIONS = [
    stats.norm(3, 2),
    stats.gamma(1.0, scale=0.5),
    stats.beta(2, 3),
    stats.truncnorm(-1, 4, loc=2),
    stats.loguniform(1e-4, 10),
    stats.rayleigh(scale=0.26),
    stats.cauchy(),
]


def one(dist):
    prior = Prior()
    prior.add_parameter("a", dist=dist)
    return prior


@given(bound, bound, unit)
def test_uniform_stays_between_its_bounds_and_inverts(low, high, u):
    assume(low < high)
    value = one((low, high)).unit_to_physical([u])[0]
    assert low <= value <= high
    # One rounding of a value as large as the bounds is what an inverse can cost.
    slack = 4 * np.finfo(float).eps * max(abs(low), abs(high))
    assert abs((value - low) - u * (high - low)) <= slack


@given(bound, bound, unit, unit)
def test_uniform_keeps_the_order_of_points(low, high, u, v):
    assume(low < high)
    values = one((low, high)).unit_to_physical([[min(u, v)], [max(u, v)]])[:, 0]
    slack = 4 * np.finfo(float).eps * max(abs(low), abs(high))
    assert values[0] <= values[1] + slack


@pytest.mark.parametrize("dist", DISTRIBUTIONS, ids=lambda dist: dist.dist.name)
@given(u=st.floats(1e-5, 1 - 1e-5))
def test_quantiles_invert_the_distribution_on_both_sides(dist, u):
    value = one(dist).unit_to_physical([u])[0]
    np.testing.assert_allclose(dist.cdf(value), u, rtol=1e-9)
    np.testing.assert_allclose(dist.sf(value), 1 - u, rtol=1e-9)


@given(st.lists(st.sampled_from(["free", "fixed", "tied"]), max_size=8), st.data())
def test_dictionaries_and_arrays_tell_the_same(kinds, data):
    prior = Prior()
    prior.add_parameter("x_0", dist=stats.norm())
    for kind in kinds:
        tied = data.draw(st.sampled_from(prior.keys))
        prior.add_parameter(dist={"free": (-1, 1), "fixed": 4, "tied": tied}[kind])
    points = np.array(
        data.draw(
            st.lists(
                st.lists(unit, min_size=prior.n_dim, max_size=prior.n_dim), min_size=1, max_size=3
            )
        )
    )
    physical = prior.unit_to_physical(points)
    named = prior.unit_to_dictionary(points)
    assert list(named) == prior.keys
    assert 1 + kinds.count("free") == prior.dimensionality() == len(prior.free_keys)
    np.testing.assert_array_equal(
        np.column_stack([named[key] for key in prior.free_keys]), physical
    )
    for key, dist in zip(prior.keys, prior.dists, strict=True):
        if isinstance(dist, str):
            np.testing.assert_array_equal(named[key], named[dist])
        elif isinstance(dist, float):
            np.testing.assert_array_equal(named[key], dist)


@pytest.mark.parametrize("dist", DISTRIBUTIONS, ids=lambda dist: dist.dist.name)
def test_uniform_points_follow_the_distribution(dist, seed):
    points = np.random.default_rng(seed).random((20_000, 1))
    values = one(dist).unit_to_physical(points)[:, 0]
    assert stats.kstest(values, dist.cdf).pvalue > 1e-4
    # Negative control: the test sees points that are a little off.
    skewed = one(dist).unit_to_physical(points**1.1)[:, 0]
    assert stats.kstest(skewed, dist.cdf).pvalue < 1e-4
