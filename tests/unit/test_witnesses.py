"""Points of parts that a proposal would forget, and their neighbourhoods."""

from dataclasses import replace

import numpy as np
import pytest

from nautilus._streams import stream
from nautilus.emulator.emulator import EmulatorSettings
from nautilus.proposal.build import build_proposal
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.norm import normalise
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.proposal.witnesses import (
    DOF,
    FAIR_LEAST,
    N_WITNESSES,
    SHARE_EACH,
    SHARE_MAX,
    Surroundings,
    log_density_elsewhere,
    witness_neighbourhoods,
)
from nautilus.run.state import DensityTable, Ledger, Phase, RunState, Stage
from nautilus.run.unexpected import N_SIGMA, unexpected_points

SETTINGS = BuildSettings(emulator=EmulatorSettings(n_networks=0), norm_error=0.01)
ADDRESS = (3, 1)
LEVEL = -20.0
NONE = np.empty(0, np.int64)
ISLAND = np.array([0.9, 0.9, 0.9])


def serial(function, tasks):
    return [function(*task) for task in tasks]


def hill(points):
    return -100.0 * np.sum((points - 0.4) ** 2, axis=1)


def with_island(points):
    return np.maximum(hill(points), -8e3 * np.sum((points - ISLAND) ** 2, axis=1))


@pytest.fixture(scope="module")
def built():
    """Return points, and a proposal for a contour that knows nothing about the island."""
    points = np.random.default_rng(7).random((2000, 3))
    points = points[np.linalg.norm(points - ISLAND, axis=1) > 0.1]
    log_l = hill(points)
    target = CappedTarget(LEVEL)
    n = len(points)
    return points, build_proposal(points, log_l, np.zeros(n), target, SETTINGS, ADDRESS, serial)


def on_island(n, radius=0.02):
    steps = np.random.default_rng(1).standard_normal((n, 3))
    steps *= radius / np.linalg.norm(steps, axis=1, keepdims=True)
    return ISLAND + steps * np.random.default_rng(2).random((n, 1)) ** (1 / 3)


def find(built, extra, unexpected=NONE, log_g=0.0):
    points, proposal = built
    points = np.concatenate([points, extra])
    densities = np.concatenate([np.zeros(len(points) - len(extra)), np.full(len(extra), log_g)])
    return witness_neighbourhoods(proposal, points, with_island(points), densities, unexpected)


class TestWitnesses:
    def test_a_proposal_that_is_fair_has_none(self, built):
        assert find(built, np.empty((0, 3))) is None

    def test_a_point_that_is_hardly_reached_is_one(self, built):
        proposal = built[1]
        log_fair = -np.log(np.mean(hill(built[0]) > LEVEL))
        extra = on_island(1)
        assert proposal.log_density(extra)[0] < log_fair + np.log(FAIR_LEAST)
        neighbourhoods, share = find(built, extra)
        assert share == SHARE_EACH
        # It stands alone: neighbourhoods of several widths lie about the very point.
        space = proposal.coordinates.to_space(extra)
        np.testing.assert_allclose(neighbourhoods.means, np.repeat(space, 3, axis=0))
        widths = neighbourhoods.cholesky[:, 0, 0]
        np.testing.assert_allclose(widths / widths[0], [1.0, 0.5, 0.25])

    def test_a_component_on_the_point_itself_does_not_hide_it(self, built):
        points, proposal = built
        extra = on_island(1)
        space = proposal.coordinates.to_space(extra)
        spike = replace(
            proposal.base, log_shares=np.zeros(1), means=space,
            cholesky=1e-3 * np.eye(3)[None], dof=np.array([np.inf]),
        )  # fmt: skip
        spiked = normalise(proposal.with_neighbourhoods(spike, 0.1), SETTINGS, ADDRESS, serial)
        assert spiked.log_density(extra)[0] > proposal.log_density(extra)[0] + 10.0
        np.testing.assert_allclose(
            log_density_elsewhere(spiked, extra, space), proposal.log_density(extra), atol=0.2
        )
        assert find((points, spiked), extra) is not None

    def test_elsewhere_is_everywhere_where_no_component_is_centred(self, built):
        points, proposal = built
        space = proposal.coordinates.to_space(points[:200])
        np.testing.assert_allclose(
            log_density_elsewhere(proposal, points[:200], space),
            proposal.log_density(points[:200]),
            atol=1e-9,
        )

    def test_an_unexpected_point_is_one_though_the_density_there_is_fair(self, built):
        points, proposal = built
        inside = np.flatnonzero(hill(points) > LEVEL)
        space = proposal.coordinates.to_space(points[inside])
        surroundings = Surroundings.of(space, np.ones(len(inside)))
        alone = surroundings.are_alone(np.arange(len(inside)))
        assert find(built, np.empty((0, 3)), inside[alone][:1]) is not None

    def test_one_in_a_crowd_is_not(self, built):
        points = built[0]
        crowd = 0.4 + 0.002 * np.random.default_rng(3).standard_normal((20, 3))
        unexpected = np.array([len(points)])
        assert find(built, crowd, unexpected) is None

    def test_a_crowd_is_surrounded_as_a_whole(self, built):
        crowd = on_island(40)
        neighbourhoods, share = find(built, crowd, log_g=5.0)
        assert neighbourhoods.n_components == N_WITNESSES
        assert share == SHARE_MAX
        space = built[1].coordinates.to_space(crowd)
        spread = space.std(axis=0).max()
        assert np.all(np.abs(neighbourhoods.means - space.mean(axis=0)) < 2.0 * spread)
        widths = np.linalg.norm(neighbourhoods.cholesky, axis=2)
        assert np.all(widths < 3.0 * spread)
        assert np.all(widths > 0.2 * spread)

    def test_those_that_stand_for_most_volume_come_first(self, built):
        points, proposal = built
        apart = np.array([[0.9, 0.1, 0.9], [0.1, 0.9, 0.9]])
        extra = np.concatenate([on_island(30), apart])

        def everywhere(x):
            return np.where(x[:, 2] > 0.85, 0.0, hill(x))

        log_g = np.concatenate([np.zeros(len(points)), np.full(30, 4.0), np.zeros(2)])
        whole = np.concatenate([points, extra])
        log_l = np.concatenate([hill(points), everywhere(extra)])
        neighbourhoods, _ = witness_neighbourhoods(proposal, whole, log_l, log_g, NONE)
        space = proposal.coordinates.to_space(apart)
        for point in space:
            assert np.any(np.all(np.isclose(neighbourhoods.means, point), axis=1))

    def test_too_few_points_inside_have_none(self, built):
        points, proposal = built
        high = replace(proposal, target=CappedTarget(-1e-9))
        assert (
            witness_neighbourhoods(high, points, hill(points), np.zeros(len(points)), NONE) is None
        )


@pytest.mark.parametrize("flat", [1, 3])
def test_points_that_differ_along_few_axes_have_surroundings(flat):
    space = np.random.default_rng(4).standard_normal((60, 3))
    space[:, :flat] = 0.25
    surroundings = Surroundings.of(space, np.ones(60))
    assert np.isfinite(surroundings.white).all()
    neighbourhoods = surroundings.neighbourhoods(np.array([0, 1]))
    drawn = neighbourhoods.draw(100, np.random.default_rng(5))
    assert np.isfinite(neighbourhoods.log_density(drawn)).all()


def test_one_point_that_stands_for_nearly_all_leaves_a_shape(built):
    points, proposal = built
    extra = on_island(1)
    log_g = np.zeros(len(points) + 1)
    log_g[np.argmax(hill(points))] = -800.0
    whole = np.concatenate([points, extra])
    unexpected = np.array([len(points)])
    found = witness_neighbourhoods(proposal, whole, with_island(whole), log_g, unexpected)
    assert found is not None
    assert np.isfinite(found[0].cholesky).all()


class TestNeighbourhoods:
    def test_draws_come_from_there_as_often_as_stated_and_the_density_is_exact(self, built):
        proposal = built[1]
        found = find(built, on_island(8))
        safe = normalise(proposal.with_neighbourhoods(*found), SETTINGS, ADDRESS, serial)
        drawn = np.concatenate([safe.chunk(stream(5, "test", j)) for j in range(60)])
        near = np.linalg.norm(drawn - ISLAND, axis=1) < 0.15
        # The other draws hardly ever come near; tails of neighbourhoods reach farther.
        assert 0.6 * found[1] < near.mean() < 1.2 * found[1]
        # The integral of the density over a box is the share of the draws there.
        box = np.random.default_rng(9).uniform(0.8, 1.0, (20000, 3))
        volume = np.exp(safe.log_density(box)) * 0.2**3
        is_in = np.all(drawn > 0.8, axis=1)
        error = np.hypot(volume.std() / np.sqrt(len(box)), is_in.std() / np.sqrt(len(drawn)))
        assert abs(volume.mean() - is_in.mean()) < 5.0 * error + 0.03 * is_in.mean()

    def test_they_have_tails_and_equal_shares(self, built):
        neighbourhoods, _ = find(built, on_island(2))
        assert np.all(neighbourhoods.dof == DOF)
        np.testing.assert_allclose(np.exp(neighbourhoods.log_shares), 1 / 6)


class TestUnexpected:
    @pytest.fixture
    def state(self, built):
        """Return the state of a run after a stage for the contour, most of it on the island."""
        points, proposal = built
        fresh = np.concatenate([on_island(5), np.full((1, 3), 0.4), np.full((1, 3), 0.1)])
        whole = np.concatenate([points, fresh])
        stages = (
            Stage(Phase.EXPLORATION, np.array([len(points)])),
            Stage(Phase.EXPLORATION, np.array([0, len(fresh)])),
        )
        log_q = np.stack([np.zeros(len(whole)), proposal.log_density(whole)], axis=1)
        ledger = Ledger(whole, with_island(whole), None, stages)
        return RunState(ledger, (CubeProposal(3), proposal), DensityTable(log_q))

    def test_points_that_were_predicted_to_lie_outside_are_unexpected(self, built, state):
        n = len(built[0])
        assert unexpected_points(state, LEVEL).tolist() == list(range(n, n + 5))

    def test_only_those_inside_the_contour_count(self, built, state):
        log_l = with_island(state.ledger.points)
        level = np.sort(log_l[len(built[0]) :][:5])[2]
        found = unexpected_points(state, level)
        assert set(found) == set(len(built[0]) + np.flatnonzero(log_l[len(built[0]) :][:5] > level))

    def test_an_emulator_that_knows_its_error_expects_them(self, built, state):
        proposal = state.proposals[1]
        emulator = proposal.emulator
        island = on_island(5)
        log_l, _ = emulator.log_likelihood_and_error(island, proposal.coordinates.to_space(island))
        scale = emulator.scale
        rise = scale.compress(with_island(island)) - scale.compress(log_l)
        error = scale.width * rise.max() / N_SIGMA * 1.01
        crude = replace(proposal, emulator=replace(emulator, errors=np.full(
            emulator.gates.n_components, error)))  # fmt: skip
        assert (
            unexpected_points(replace(state, proposals=(CubeProposal(3), crude)), LEVEL).size == 0
        )

    def test_draws_from_the_cube_and_for_the_posterior_were_not_predicted(self, state):
        posterior = replace(state.proposals[1], target=CappedTarget(np.inf))
        state = replace(state, proposals=(CubeProposal(3), posterior))
        assert unexpected_points(state, LEVEL).size == 0
