"""Proposals: what must hold for every base, every emulator and every target."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nautilus.emulator.emulator import EmulatorSettings
from nautilus.emulator.network import Network, new_network
from nautilus.emulator.target import FLOOR, LearningScale
from nautilus.geometry.coordinates import Coordinates, log_prior_density
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.build import build_proposal
from nautilus.proposal.norm import normalise
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget

seeds = st.integers(0, 2**32)
SETTINGS = BuildSettings(EmulatorSettings(n_networks=0), norm_error=0.01, n_norm_chunks_max=10)


def serial(function, tasks):
    return [function(*task) for task in tasks]


def any_mixture(d, n_components, rng):
    raw = rng.normal(size=(n_components, d, d))
    scale = 0.1 * raw @ raw.transpose(0, 2, 1) + 0.05 * np.eye(d)
    return Mixture(
        np.log(rng.dirichlet(np.ones(n_components))),
        rng.normal(size=(n_components, d)),
        np.linalg.cholesky(scale),
        rng.choice([3.0, 10.0, np.inf], n_components),
    )


def any_network(n_inputs, rng):
    start = new_network((n_inputs, 6), rng)
    return Network(
        tuple(rng.normal(scale=3.0, size=w.shape).astype(np.float32) for w in start.weights),
        tuple(rng.normal(scale=3.0, size=b.shape).astype(np.float32) for b in start.biases),
    )


@cache
def template(d):
    """Return a sound proposal, of which the parts are then exchanged."""
    points = np.random.default_rng(d).random((200, d))
    log_l = -np.sum((points - 0.5) ** 2, axis=1)
    return build_proposal(
        points, log_l, np.zeros(200), CappedTarget(np.inf), SETTINGS, (1, 1), serial
    )


def any_proposal(d, n_components, periodic, log_level, rng):
    cuts = np.full(d, np.nan)
    if periodic:
        cuts[0] = (rng.integers(64) + 0.5) / 64
    sound = template(d)
    emulator = replace(
        sound.emulator,
        coordinates=Coordinates(cuts),
        scale=LearningScale(reference=-1.0, width=2.0),
        baseline=None,
        networks=(any_network(d + 2 * periodic, rng), any_network(d + 2 * periodic, rng)),
        amplitude=1.0,
        log_l_max=2.0,
    )
    proposal = replace(
        sound,
        coordinates=Coordinates(cuts),
        base=any_mixture(d, n_components, rng),
        emulator=emulator,
        target=CappedTarget(log_level, 1.0),
        log_ceiling=rng.normal(),
        floors=rng.uniform(0.01, 0.5, n_components),
        lifts=1.0 + 3.0 * rng.random(n_components),
    )
    return normalise(proposal, SETTINGS, (1, 1), serial)


proposals = st.builds(
    any_proposal,
    d=st.integers(1, 3),
    n_components=st.integers(1, 3),
    periodic=st.booleans(),
    log_level=st.sampled_from([-3.0, 0.0, np.inf]),
    rng=seeds.map(np.random.default_rng),
)


@settings(max_examples=25)
@given(proposals, seeds)
def test_the_density_integrates_to_one_whatever_the_emulator_says(proposal, seed):
    # By draws from another density with wider tails, in the space without walls.
    wide = proposal.base.scaled(1.3, dof=2.0)
    space = wide.draw(40_000, np.random.default_rng(seed))
    points = proposal.coordinates.to_cube(space)
    inside = ((points > 0) & (points < 1)).all(axis=1)
    inside &= np.isfinite(proposal.coordinates.to_space(points)).all(axis=1)
    ratio = np.zeros(len(points))
    log_q = proposal.log_density(points[inside]) + log_prior_density(space[inside])
    ratio[inside] = np.exp(log_q - wide.log_density(space[inside]))
    # 6 standard errors: a right density fails one of these examples at a rate below 1e-7.
    error = np.hypot(ratio.std() / np.sqrt(len(ratio)), proposal.log_norm_error)
    assert error < 0.05
    assert abs(ratio.mean() - 1) < 6 * error


@settings(max_examples=25)
@given(proposals, seeds)
def test_draws_are_inside_and_average_like_the_density(proposal, seed):
    rng = np.random.default_rng(seed)
    points = np.concatenate([proposal.chunk(rng) for _ in range(3)])
    assert np.all((points > 0) & (points < 1))
    log_q = proposal.log_density(points)
    assert np.isfinite(log_q).all()
    # For h normalised in the space, the mean of h / q over draws of q is one. Tails of h are
    # lighter than those of q, so that the mean has a variance.
    centre = proposal.base.means[:1]
    narrow = Mixture(np.zeros(1), centre, proposal.base.cholesky[:1], np.full(1, np.inf))
    space = proposal.coordinates.to_space(points)
    log_h = narrow.scaled(0.8).log_density(space) - log_prior_density(space)
    ratio = np.exp(log_h - log_q)
    error = np.hypot(ratio.std() / np.sqrt(len(ratio)), proposal.log_norm_error)
    assert abs(ratio.mean() - 1) < 6 * error + 0.01


@given(st.integers(1, 4), st.integers(1, 4), seeds)
@settings(max_examples=25)
def test_mixtures_are_drawn_as_dense_as_they_say(d, n_components, seed):
    rng = np.random.default_rng(seed)
    mixture = any_mixture(d, n_components, rng)
    other = mixture.scaled(0.7)
    points = mixture.draw(20_000, rng)
    ratio = np.exp(other.log_density(points) - mixture.log_density(points))
    assert abs(ratio.mean() - 1) < 6 * ratio.std() / np.sqrt(len(ratio))


@given(
    st.lists(st.floats(1e-12, 1 - 1e-12), min_size=1, max_size=4),
    st.floats(0, 1, exclude_max=True),
)
def test_coordinates_invert(values, cut):
    u = np.array(values)[:, None]
    for cuts in (np.nan, cut):
        chart = Coordinates(np.array([cuts]))
        back = chart.to_cube(chart.to_space(u))
        np.testing.assert_allclose((back - u + 0.5) % 1.0, 0.5, rtol=0, atol=1e-13)


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3),
    st.lists(st.floats(-1e7, 1e7), min_size=2, max_size=20, unique=True),
)
def test_the_learning_scale_keeps_order_and_inverts(reference, width, values):
    scale = LearningScale(reference, width)
    log_l = np.sort(values)
    learned = scale.compress(log_l)
    assert np.all(np.diff(learned) >= 0)
    limit = width * np.expm1(FLOOR)
    kept = np.abs(log_l - reference) < limit
    slack = 1e-10 * (abs(reference) + limit)
    assert np.all(np.abs(scale.expand(learned) - log_l)[kept] <= slack)


@pytest.mark.parametrize("dof", [3.0, np.inf])
def test_the_mean_of_ratios_sees_a_wrong_density(dof, seed):
    # Negative control of the tests above: ten per cent of width are seen.
    rng = np.random.default_rng(seed)
    right = Mixture(np.zeros(1), np.zeros((1, 1)), np.ones((1, 1, 1)), np.full(1, dof))
    points = right.draw(20_000, rng)
    ratio = np.exp(
        right.scaled(0.7).log_density(points) - right.scaled(1.1, dof).log_density(points)
    )
    assert abs(ratio.mean() - 1) > 6 * ratio.std() / np.sqrt(len(ratio))
    assert stats.norm.sf(6) < 1e-8
