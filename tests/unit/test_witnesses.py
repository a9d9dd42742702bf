"""Points of parts that a proposal would forget, and their neighbourhoods."""

from dataclasses import replace

import numpy as np
import pytest

from nautilus._streams import stream
from nautilus.emulator.emulator import EmulatorSettings
from nautilus.proposal.build import build_proposal
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.neighbourhoods import DOF, FINER, N_FINER
from nautilus.proposal.norm import normalise
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.proposal.witnesses import (
    FAIR_LEAST,
    N_LONE,
    SHARE_MAX,
    Inside,
    Part,
    Surroundings,
    log_density_elsewhere,
    witness_neighbourhoods,
)
from nautilus.run.state import DensityTable, Ledger, Phase, RunState, Stage
from nautilus.run.witnesses import N_SIGMA, find_witnesses

SETTINGS = BuildSettings(emulator=EmulatorSettings(n_networks=0), norm_error=0.01)
ADDRESS = (3, 1)
LEVEL = -20.0
NONE = np.empty(0, np.int64)
NO_POINTS = np.empty((0, 3))
ISLAND, OTHER = np.array([[0.9, 0.9, 0.9], [0.9, 0.1, 0.9]])


def serial(function, tasks):
    return [function(*task) for task in tasks]


def hill(points):
    return -100.0 * np.sum((points - 0.4) ** 2, axis=1)


def with_island(points):
    return np.maximum(hill(points), -8e3 * np.sum((points - ISLAND) ** 2, axis=1))


@pytest.fixture(scope="module")
def built():
    """Return points, and a proposal for a contour that knows nothing about islands."""
    points = np.random.default_rng(7).random((2000, 3))
    for island in (ISLAND, OTHER):
        points = points[np.linalg.norm(points - island, axis=1) > 0.1]
    log_l = hill(points)
    target = CappedTarget(LEVEL)
    n = len(points)
    return points, build_proposal(points, log_l, np.zeros(n), target, SETTINGS, ADDRESS, serial)


def on_island(n, radius=0.02):
    steps = np.random.default_rng(1).standard_normal((n, 3))
    steps *= radius / np.linalg.norm(steps, axis=1, keepdims=True)
    return ISLAND + steps * np.random.default_rng(2).random((n, 1)) ** (1 / 3)


N = 200
"""Points that are to be drawn."""

EACH = 2 * (3 + 1) / N
"""Share of a part."""


def find(built, extra=NO_POINTS, witnesses=NONE, log_g=0.0, known=NO_POINTS, log_l=with_island):
    """Return what is found if more points are there; witnesses are counted from the first of them.

    Parameters
    ----------
    built
        Points, and a proposal.
    extra
        More points, drawn with density `log_g`.
    witnesses, known
        See `witness_neighbourhoods`.
    log_l
        The likelihood.
    """
    points, proposal = built
    whole = np.concatenate([points, extra])
    densities = np.concatenate([np.zeros(len(points)), np.broadcast_to(log_g, len(extra))])
    return witness_neighbourhoods(
        proposal, whole, log_l(whole), densities, len(points) + witnesses, known, N
    )


def space_of(built, points):
    return built[1].coordinates.to_space(points)


class TestWitnesses:
    def test_a_proposal_that_is_fair_has_none(self, built):
        assert find(built) is None

    def test_a_point_that_is_hardly_reached_is_one(self, built):
        proposal = built[1]
        log_fair = -np.log(np.mean(hill(built[0]) > LEVEL))
        extra = on_island(1)
        assert proposal.log_density(extra)[0] < log_fair + np.log(FAIR_LEAST)
        neighbourhoods, share = find(built, extra)
        fairness = np.exp(proposal.log_density(extra)[0] - log_fair)
        assert share == pytest.approx(EACH * (1.0 - fairness / FAIR_LEAST), rel=0.02)
        np.testing.assert_allclose(neighbourhoods.means, space_of(built, extra))

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
        np.testing.assert_allclose(
            log_density_elsewhere(proposal, points[:200], space_of(built, points[:200])),
            proposal.log_density(points[:200]),
            atol=1e-9,
        )

    def test_too_few_points_inside_have_none(self, built):
        points, proposal = built
        high = replace(proposal, target=CappedTarget(-1e-9))
        assert find((points, high)) is None
        assert find((points, high), known=ISLAND[None]) is None


class TestParts:
    def test_witnesses_near_each_other_are_one(self, built):
        neighbourhoods, share = find(built, on_island(40), log_g=5.0)
        assert neighbourhoods.n_components == 1
        assert share == EACH

    def test_those_far_from_each_other_are_two(self, built):
        def two_islands(x):
            return np.maximum(with_island(x), -8e3 * np.sum((x - OTHER) ** 2, axis=1))

        extra = np.concatenate([on_island(6), on_island(6) - ISLAND + OTHER])
        neighbourhoods, share = find(built, extra, log_l=two_islands)
        assert share == 2 * EACH
        np.testing.assert_allclose(np.exp(neighbourhoods.log_shares), 0.5)
        for centre in (ISLAND, OTHER):
            near = np.linalg.norm(neighbourhoods.means - space_of(built, centre[None]), axis=1)
            assert near.min() < 0.1

    def test_one_that_the_proposal_knows_is_left_alone_among_others(self, built):
        crowd = 0.4 + 0.002 * np.random.default_rng(3).standard_normal((20, 3))
        assert find(built, crowd, np.arange(20)) is None

    def test_one_that_it_knows_is_kept_if_it_stands_alone_and_has_several(self, built):
        """Small parts die out by chance if they are drawn from as others are."""
        points, proposal = built
        known = on_island(3)
        around = replace(
            proposal.base, log_shares=np.zeros(1), means=space_of(built, ISLAND[None]),
            cholesky=0.08 * np.eye(3)[None], dof=np.array([np.inf]),
        )  # fmt: skip
        fair = normalise(proposal.with_neighbourhoods(around, 0.05), SETTINGS, ADDRESS, serial)
        log_fair = -np.log(np.mean(hill(points) > LEVEL))
        assert np.all(fair.log_density(known) > log_fair + np.log(FAIR_LEAST))
        assert find((points, fair), known, np.arange(3)) is not None
        assert find((points, fair), known[:2], np.arange(2)) is None

    def test_few_that_are_lone_count(self, built):
        rng = np.random.default_rng(8)
        far = rng.uniform(0.0, 1.0, (400, 3))
        far = far[np.linalg.norm(far - 0.4, axis=1) > 0.62]
        apart = far[:1]
        for point in far:
            if np.linalg.norm(apart - point, axis=1).min() > 0.3:
                apart = np.concatenate([apart, point[None]])
        assert len(apart) > N_LONE + 1

        def spikes(x):
            is_spike = (np.linalg.norm(x[:, None] - apart, axis=2) < 1e-9).any(axis=1)
            return np.where(is_spike, 0.0, hill(x))

        neighbourhoods, share = find(built, apart, log_l=spikes)
        assert neighbourhoods.n_components == N_LONE
        assert 0.5 * N_LONE * EACH < share <= N_LONE * EACH

    def test_all_together_get_no_more_than_a_share(self, built):
        points, proposal = built
        found = witness_neighbourhoods(
            proposal, np.concatenate([points, on_island(3)]),
            np.append(hill(points), np.zeros(3)), np.zeros(len(points) + 3), NONE, NO_POINTS, 10,
        )  # fmt: skip
        assert found[1] == SHARE_MAX


class TestShapes:
    @pytest.fixture
    def typical(self, built):
        """Return the scale of the neighbourhood of a lone point, shape (3,)."""
        neighbourhoods, _ = find(built, on_island(1))
        return np.linalg.norm(neighbourhoods.cholesky[0], axis=1)

    def test_a_part_is_surrounded_as_a_whole(self, built):
        crowd = on_island(200)
        neighbourhoods, _ = find(built, crowd, log_g=5.0)
        space = space_of(built, crowd)
        assert np.all(np.abs(neighbourhoods.means[0] - space.mean(axis=0)) < 0.2 * space.std(0))
        widths = np.linalg.norm(neighbourhoods.cholesky[0], axis=1)
        np.testing.assert_allclose(widths, space.std(axis=0), rtol=0.1)

    def test_points_that_stand_for_little_volume_do_not_shrink_it(self, built):
        wide, narrow = on_island(30), on_island(100, radius=0.002)
        log_g = np.repeat([0.0, 8.0], [30, 100])
        neighbourhoods, _ = find(built, np.concatenate([wide, narrow]), log_g=log_g)
        widths = np.linalg.norm(neighbourhoods.cholesky[0], axis=1)
        np.testing.assert_allclose(widths, space_of(built, wide).std(axis=0), rtol=0.3)

    def test_one_that_stands_for_nearly_all_is_not_all_there_is(self, built):
        log_g = np.array([0.0, 50.0, 50.0, 50.0])
        extra = on_island(4)
        neighbourhoods, _ = find(built, extra, log_g=log_g)
        space = space_of(built, extra)
        assert np.linalg.norm(neighbourhoods.means[0] - space[0]) > 1e-3
        assert np.all(np.linalg.norm(neighbourhoods.cholesky[0], axis=1) > 0.2 * space.std(axis=0))

    def test_points_that_a_user_knows_have_neighbourhoods_of_many_sizes(self, built, typical):
        neighbourhoods, share = find(built, known=ISLAND[None])
        assert 0.5 * EACH < share <= EACH
        assert neighbourhoods.n_components == N_FINER
        np.testing.assert_allclose(
            neighbourhoods.means, np.tile(space_of(built, ISLAND[None]), (N_FINER, 1))
        )
        widths = np.linalg.norm(neighbourhoods.cholesky, axis=2)
        np.testing.assert_allclose(widths[0], typical, rtol=0.05)
        np.testing.assert_allclose(widths[1:] / widths[:-1], 1.0 / FINER)

    def test_once_something_was_drawn_there_its_volume_tells_the_size(self, built):
        crowd = on_island(100)
        neighbourhoods, _ = find(built, crowd, log_g=5.0, known=ISLAND[None])
        assert neighbourhoods.n_components == 1
        widths = np.linalg.norm(neighbourhoods.cholesky[0], axis=1)
        np.testing.assert_allclose(widths, space_of(built, crowd).std(axis=0), rtol=0.2)

    @pytest.mark.parametrize("flat", [1, 3])
    def test_points_may_differ_along_few_axes(self, flat):
        space = np.random.default_rng(4).standard_normal((60, 3))
        space[:, :flat] = 0.25
        is_witness = np.arange(60) < 2
        around = Surroundings.of(Inside(space, np.zeros(60), np.zeros(60), is_witness))
        assert np.isfinite(around.white).all()
        parts = [Part(np.array([0, 1]), 1.0, False), Part(np.array([0]), 1.0, True)]
        neighbourhoods = around.neighbourhoods(parts, np.array([1.0, 3.0]))
        np.testing.assert_allclose(np.exp(neighbourhoods.log_shares), [0.25, 0.75])
        drawn = neighbourhoods.draw(100, np.random.default_rng(5))
        assert np.isfinite(neighbourhoods.log_density(drawn)).all()

    def test_witnesses_may_be_one_and_the_same_point(self, built):
        neighbourhoods, _ = find(built, np.tile(on_island(1), (5, 1)))
        assert np.isfinite(neighbourhoods.cholesky).all()
        assert np.all(np.diagonal(neighbourhoods.cholesky[0]) > 0.0)

    def test_one_point_may_stand_for_nearly_all_inside(self, built):
        points, proposal = built
        log_g = np.zeros(len(points) + 1)
        log_g[np.argmax(hill(points))] = -800.0
        whole = np.concatenate([points, on_island(1)])
        found = witness_neighbourhoods(
            proposal, whole, with_island(whole), log_g, np.array([len(points)]), NO_POINTS, N
        )
        assert found is None or np.isfinite(found[0].cholesky).all()


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

    def test_they_have_tails(self, built):
        neighbourhoods, _ = find(built, on_island(2))
        assert np.all(neighbourhoods.dof == DOF)


class TestFinding:
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
        assert find_witnesses(state, LEVEL).tolist() == list(range(n, n + 5))

    def test_only_those_inside_the_contour_count(self, built, state):
        log_l = with_island(state.ledger.points)
        level = np.sort(log_l[len(built[0]) :][:5])[2]
        found = find_witnesses(state, level)
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
        assert find_witnesses(replace(state, proposals=(CubeProposal(3), crude)), LEVEL).size == 0

    def test_points_that_were_drawn_in_neighbourhoods_count_though_they_are_expected(
        self, built, state
    ):
        proposal = built[1]
        n = len(built[0])
        rough = replace(
            proposal.emulator, errors=np.full_like(proposal.emulator.errors, 1e3)
        )  # expects anything
        proposal = replace(proposal, emulator=rough)
        found, share = find(built, on_island(5))
        safe = normalise(proposal.with_neighbourhoods(found, share), SETTINGS, ADDRESS, serial)
        island = on_island(5)
        assert np.all(safe.share_of_neighbourhoods(island) > 0.9)
        assert np.all(safe.share_of_neighbourhoods(np.full((1, 3), 0.4)) < 0.1)
        assert not proposal.share_of_neighbourhoods(island).any()
        for known, expected in ((proposal, []), (safe, list(range(n, n + 5)))):
            there = replace(state, proposals=(CubeProposal(3), known))
            assert find_witnesses(there, LEVEL).tolist() == expected

    def test_draws_from_the_cube_and_for_the_posterior_were_not_predicted(self, state):
        posterior = replace(state.proposals[1], target=CappedTarget(np.inf))
        state = replace(state, proposals=(CubeProposal(3), posterior))
        assert find_witnesses(state, LEVEL).size == 0
