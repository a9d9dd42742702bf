"""What stages are drawn from, what is trained again, and when the ladder has stalled."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus.emulator.emulator import EmulatorSettings
from nautilus.proposal.build import build_proposal
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.run.config import Config, Goal
from nautilus.run.estimate import Estimate
from nautilus.run.loop import is_stalled, next_plan
from nautilus.run.plan import (
    is_worth_refitting,
    ladder_settings,
    look_up,
    recent_emulator,
    sampling_size,
    sampling_wanted,
)
from nautilus.run.shares import guard_shares, posterior_shares
from nautilus.run.state import DensityTable, Ledger, Phase, RunState, Stage, new_state
from nautilus.run.trust import StageView

BUILD = BuildSettings(emulator=EmulatorSettings(n_networks=0), norm_error=0.03)
CONFIG = Config(n_dim=2, seed=5, n_live=60, n_stage=150, n_stage_max=1000, build=BUILD)


def serial(function, tasks):
    return [function(*task) for task in tasks]


def peak(points):
    return -40.0 * np.sum((points - 0.5) ** 2, axis=1)


def from_cube(n):
    """Return the state of a run that has drawn n points from the cube."""
    points = np.random.default_rng(4).random((n, 2))
    ledger = Ledger(points, peak(points), None, (Stage(Phase.EXPLORATION, np.array([n])),))
    return RunState(ledger, (CubeProposal(2),), DensityTable(np.zeros((n, 1))))


@pytest.fixture(scope="module")
def learned():
    """Return a proposal that was built; tests give it other targets."""
    points = np.random.default_rng(4).random((300, 2))
    target = CappedTarget(-2.0)
    return build_proposal(points, peak(points), np.zeros(300), target, BUILD, (5, 1), serial)


POSTERIOR = CappedTarget(np.inf)
PLAIN = CappedTarget(-9.0)
BOOSTED = CappedTarget(-1.0, 0.7)


def guards_after(learned, *targets):
    """Return the fixed shares of proposals with these targets, all behind the cube."""
    return guard_shares((CubeProposal(2), *(replace(learned, target=target) for target in targets)))


class TestGuards:
    @given(targets=st.lists(st.sampled_from([PLAIN, BOOSTED, POSTERIOR]), max_size=30))
    def test_they_leave_most_to_imitations(self, learned, targets):
        shares = guards_after(learned, *targets, POSTERIOR)
        assert len(shares) == len(targets) + 2
        assert np.all(shares >= 0)
        assert shares[0] == 0.005
        assert shares[-1] == 0.0
        assert shares.sum() < 0.18

    def test_they_are_those_of_the_manual(self, learned):
        ladder = [PLAIN] * 2 + [BOOSTED] * 8
        shares = guards_after(learned, *ladder, POSTERIOR, POSTERIOR)
        plain, boosted = [0.01, 0.06], [0, 0.0125] * 4
        np.testing.assert_allclose(shares, [0.005, *plain, *boosted, 0.05, 0.0], atol=1e-12)

    def test_the_last_contour_that_was_not_boosted_has_the_widest_tails(self, learned):
        # A re-opened climb may come to contours without a boost again: the later one counts.
        shares = guards_after(learned, PLAIN, BOOSTED, PLAIN, BOOSTED, POSTERIOR)
        np.testing.assert_allclose(shares[[1, 3]], [0.01, 0.06], atol=1e-12)

    @pytest.mark.parametrize("n", range(4, 41))
    def test_four_boosted_contours_are_spread_over_the_ladder(self, learned, n):
        shares = guards_after(learned, PLAIN, *[BOOSTED] * n, POSTERIOR)[2 : 2 + n]
        chosen = np.flatnonzero(shares)
        np.testing.assert_allclose(shares[chosen], 0.0125, atol=1e-12)
        assert len(chosen) == 4
        assert chosen[-1] == n - 1
        assert chosen[0] <= n // 4
        assert np.ptp(np.diff(chosen)) <= 1

    @pytest.mark.parametrize("n", [2, 3])
    def test_fewer_than_four_share_what_there_is(self, learned, n):
        shares = guards_after(learned, PLAIN, *[BOOSTED] * n, POSTERIOR)[2 : 2 + n]
        assert np.isclose(shares.sum(), 0.05)
        assert shares[-1] > 0

    def test_a_lone_boosted_contour_stands_for_all(self, learned):
        shares = guards_after(learned, BOOSTED, POSTERIOR)
        np.testing.assert_allclose(shares, [0.005, 0.1, 0.0], atol=1e-12)

    def test_if_all_are_boosted_the_last_one_guards_the_tails(self, learned):
        shares = guards_after(learned, *[BOOSTED] * 4, POSTERIOR)
        np.testing.assert_allclose(shares[1:-1], [0.0125] * 3 + [0.0625], atol=1e-12)

    def test_without_boosted_contours_imitations_get_their_share(self, learned):
        shares = guards_after(learned, PLAIN, PLAIN, POSTERIOR)
        np.testing.assert_allclose(shares, [0.005, 0.01, 0.06, 0.0], atol=1e-12)

    def test_without_contours_there_is_the_cube(self, learned):
        np.testing.assert_allclose(guards_after(learned, POSTERIOR), [0.005, 0.0], atol=1e-12)

    def test_only_the_posterior_just_before_counts_as_the_previous_one(self, learned):
        shares = guards_after(learned, POSTERIOR, POSTERIOR, POSTERIOR)
        np.testing.assert_allclose(shares, [0.005, 0, 0.05, 0.0], atol=1e-12)
        shares = guards_after(learned, POSTERIOR, PLAIN, POSTERIOR)
        np.testing.assert_allclose(shares, [0.005, 0, 0.07, 0.0], atol=1e-12)


class TestImitationsShare:
    """Imitations of the posterior with densities that are made up."""

    n = 20_000

    def shares(self, learned, *densities):
        """Return what imitations with these densities get if the posterior is 2 u."""
        points = np.random.default_rng(8).random((self.n, 2))
        ledger = Ledger(points, np.log(2 * points[:, 0]), None, (Stage(
            Phase.EXPLORATION, np.array([self.n])
        ),))  # fmt: skip
        imitation = replace(learned, target=POSTERIOR)
        with np.errstate(divide="ignore"):
            columns = [np.zeros(self.n), *(np.log(q(points[:, 0])) for q in densities)]
        state = replace(
            new_state(2), ledger=ledger, proposals=(CubeProposal(2), *[imitation] * len(densities)),
            table=DensityTable(np.stack(columns, axis=1)),
        )  # fmt: skip
        shares = posterior_shares(state)
        assert np.isclose(shares.sum(), 1.0, rtol=0, atol=1e-12)
        return shares

    def test_a_lone_one_gets_all_but_what_is_fixed(self, learned):
        shares = self.shares(learned, lambda u: 3 * u**2)
        np.testing.assert_allclose(shares, [0.005, 0.995], atol=1e-12)

    def test_the_best_gets_all_but_what_is_fixed(self, learned):
        high, low = (lambda u: 7 * u**6), (lambda u: 7 * (1 - u) ** 6)
        shares = self.shares(learned, lambda u: 2 * u, high, low)
        np.testing.assert_allclose(shares, [0.005, 0.945, 0.05, 0.0], atol=0.02)
        assert shares[-1] == 0.0

    def test_two_halves_share_by_mass(self, learned):
        def low(u):
            return np.where(u < 0.5, 8 * u, 0.0)

        def high(u):
            return np.where(u < 0.5, 0.0, 8 * u / 3)

        shares = self.shares(learned, low, high)
        np.testing.assert_allclose(shares, [0.005, 0.25, 0.745], atol=0.02)
        # Two more that are of no use, one of which is the previous one, change nothing in that.
        junk = [lambda u: 40 * (1 - u) ** 39] * 2
        shares = self.shares(learned, low, high, *junk)
        np.testing.assert_allclose(shares, [0.005, 0.236, 0.709, 0.05, 0.0], atol=0.02)

    def test_no_other_division_has_less_varied_weights(self, learned):
        densities = [lambda u: 3 * u**2, lambda u: 1.5 * np.sqrt(u), lambda u: 12 * u**2 * (1 - u)]
        shares = self.shares(learned, *densities)
        u = (np.arange(100_000) + 0.5) / 100_000
        q = np.stack([np.ones_like(u), *(density(u) for density in densities)], axis=1)

        def second_moment(shares):
            return np.mean((2 * u) ** 2 / (q @ shares))

        best = second_moment(shares)
        for k in (1, 2, 3):
            for other in {1, 2, 3} - {k}:
                moved = shares.copy()
                step = min(0.1, moved[k] - (0.05 if k == 2 else 0.0))
                moved[k] -= step
                moved[other] += step
                assert second_moment(moved) > best - 1e-3

    def test_only_the_newest_six_take_part(self, learned):
        shares = self.shares(learned, lambda u: 2 * u, *[lambda u: 3 * u**2] * 6)
        assert shares[1] == 0.0

    def test_densities_beyond_the_range_of_numbers_are_harmless(self, learned):
        shares = self.shares(learned, lambda u: 2 * u, lambda u: np.where(u < 0.1, 1e300, 0.0))
        assert np.isfinite(shares).all()
        assert shares[1] > 0.9


class TestLadderSettings:
    FULL = BuildSettings(
        emulator=EmulatorSettings(n_networks=5, hidden_layers=(7,)), periodic=(1,), enlarge=1.3
    )

    def test_a_contour_costs_less(self):
        cheap = ladder_settings(self.FULL)
        assert 0 < cheap.emulator.n_networks < self.FULL.emulator.n_networks
        updates = cheap.emulator.schedule.n_updates_max, self.FULL.emulator.schedule.n_updates_max
        assert updates[0] < updates[1]

    def test_it_differs_in_nothing_else(self):
        cheap, full = ladder_settings(self.FULL), self.FULL.emulator
        schedule = replace(cheap.emulator.schedule, n_updates_max=full.schedule.n_updates_max)
        emulator = replace(cheap.emulator, n_networks=full.n_networks, schedule=schedule)
        assert replace(cheap, emulator=emulator) == self.FULL

    @pytest.mark.parametrize(("n", "fewer"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)])
    def test_half_of_the_networks_do_and_one_stays(self, n, fewer):
        full = replace(self.FULL, emulator=replace(self.FULL.emulator, n_networks=n))
        assert ladder_settings(full).emulator.n_networks == fewer


class TestRecentEmulator:
    def test_nothing_was_trained_for_the_cube(self):
        assert recent_emulator(new_state(2), -1.0) is None

    def test_the_first_ones_train_their_own_and_then_every_second_one(self, learned):
        state, trained_for = new_state(2), []
        for number in range(1, 11):
            emulator = recent_emulator(state, learned.emulator.log_l_max - 4.0)
            if emulator is None:
                emulator = replace(learned.emulator, number=number)
            trained_for.append(emulator.number)
            proposals = (*state.proposals, replace(learned, emulator=emulator))
            state = replace(state, proposals=proposals)
        assert trained_for == [1, 2, 3, 4, 4, 6, 6, 8, 8, 10]

    def test_none_serves_a_contour_above_all_that_it_can_predict(self, learned):
        emulator = replace(learned.emulator, number=5)
        state = new_state(2)
        proposals = (*state.proposals, *[replace(learned, emulator=emulator)] * 5)
        state = replace(state, proposals=proposals)
        assert recent_emulator(state, emulator.log_l_max - 0.1) is emulator
        assert recent_emulator(state, emulator.log_l_max + 0.1) is None


N_GRID = 2000
HALF = 0.5


class Half:
    """The uniform density on the half of the cube with x < 1/2."""

    log_norm_error = 0.0

    def log_density(self, points):
        with np.errstate(divide="ignore"):
            return np.log(np.where(points[:, 0] < HALF, 2.0, 0.0))


def middles(n, low, high):
    """Return the middles of n cells of equal width, with a second coordinate of no meaning."""
    x = low + (np.arange(n) + 0.5) * (high - low) / n
    return np.column_stack([x, np.full(n, 0.5)])


def climbed(learned, volumes):
    """Return a state whose contours had these volumes; infinity stands for the posterior.

    Likelihood falls with x, so that the volume inside a contour is its x. Stages came from the
    cube and from half of it, on grids, so that estimates of volumes are exact.
    """
    cube = middles(N_GRID, 0, 1)
    points = np.concatenate([cube, cube, middles(3 * N_GRID, 0, HALF)])
    stages = (
        Stage(Phase.EXPLORATION, np.array([N_GRID, 0])),
        Stage(Phase.EXPLORATION, np.array([N_GRID, 3 * N_GRID])),
    )
    levels = [np.inf if math.isinf(v) else -math.log(v) for v in volumes]
    contours = tuple(replace(learned, target=CappedTarget(level)) for level in levels)
    proposals = (CubeProposal(2), Half(), *contours)
    ledger = Ledger(points, -np.log(points[:, 0]), None, stages)
    table = DensityTable(np.empty((0, 0))).extend(ledger, proposals, serial)
    return RunState(ledger, proposals, table)


class TestStalled:
    LADDER = (0.4, 0.39, 0.38, 0.37, 0.36, 0.35)

    @pytest.mark.parametrize(("gain", "stalled"), [(0.0, True), (0.17, True), (0.19, False)])
    def test_six_contours_must_gain_three_hundredths_each(self, learned, gain, stalled):
        state = climbed(learned, self.LADDER)
        assert is_stalled(state, CONFIG, math.log(0.4) - gain) is stalled

    def test_only_the_last_six_contours_count(self, learned):
        state = climbed(learned, (0.9, 0.8, 0.7, *self.LADDER))
        assert is_stalled(state, CONFIG, math.log(0.4) - 0.17)
        state = climbed(learned, (0.4, 0.4, 0.4, 0.9, *self.LADDER[1:]))
        assert not is_stalled(state, CONFIG, math.log(0.4))

    @pytest.mark.parametrize("n", range(6))
    def test_fewer_contours_are_not_judged(self, learned, n):
        assert not is_stalled(climbed(learned, [0.4] * n), CONFIG, math.log(0.4))

    def test_volumes_are_measured_by_density_and_not_by_counts(self, learned):
        state = climbed(learned, self.LADDER)
        share = np.mean(state.ledger.points[:, 0] < 0.4)
        assert np.isclose(share, 0.64)  # most points were drawn where x is small
        # Counted, the contours would have gained 0.47 e-folds more than they did.
        assert is_stalled(state, CONFIG, math.log(0.4) - 0.1)

    @pytest.mark.parametrize("place", range(6))
    def test_a_round_with_the_posterior_gives_the_ladder_another_chance(self, learned, place):
        volumes = [0.4] * 6
        volumes[place] = np.inf
        assert not is_stalled(climbed(learned, volumes), CONFIG, math.log(0.4))

    def test_an_older_round_is_forgotten(self, learned):
        assert is_stalled(climbed(learned, (np.inf, *[0.4] * 6)), CONFIG, math.log(0.4))


class TestTurn:
    """What the loop does about it."""

    GOAL = Goal(f_live=1e-3)

    def after(self, learned, *levels, n_rounds=0):
        """Return the next step of a ladder with contours at these levels."""
        state = from_cube(800)
        contours = tuple(replace(learned, target=CappedTarget(level)) for level in levels)
        proposals = (*state.proposals, *contours)
        table = state.table.extend(state.ledger, proposals, serial)
        state = replace(state, proposals=proposals, table=table, n_rounds=n_rounds)
        return next_plan(state, CONFIG, self.GOAL, serial)

    def test_a_ladder_that_rises_goes_on(self, learned):
        level = look_up(from_cube(800), CONFIG).log_level
        step = self.after(learned, *[level - 5.0] * 6)
        assert step.message.startswith("contour")
        assert step.state.proposals[-1].target.log_level == level
        assert step.state.n_rounds == 0

    def test_it_ends_well_below_the_share_that_was_asked_for(self):
        share = look_up(from_cube(800), CONFIG).f_remaining
        messages = [
            next_plan(from_cube(800), CONFIG, Goal(f_live=f_live), serial).message
            for f_live in (2.0 * share, 3.9 * share, 4.1 * share)
        ]
        assert [m.startswith("contour") for m in messages] == [True, True, False]

    def test_one_that_has_stalled_turns_to_the_posterior_for_one_round(self, learned):
        level = look_up(from_cube(800), CONFIG).log_level
        step = self.after(learned, *[level] * 6)
        assert step.message == "imitating the posterior"
        assert step.state.f_remaining > self.GOAL.f_live
        assert step.state.proposals[-1].target.log_level == np.inf
        assert step.state.n_rounds == 1
        step = self.after(learned, *[level] * 6, np.inf, n_rounds=1)
        assert step.message.startswith("contour")
        assert step.state.n_rounds == 0

    @pytest.mark.parametrize(("n", "given_up"), [(11, False), (12, True)])
    def test_a_ladder_that_never_ends_is_given_up_with_a_finding(self, learned, n, given_up):
        state = replace(from_cube(800), n_detours=n)
        step = next_plan(state, CONFIG, self.GOAL, serial)
        assert step.message.startswith("contour") is not given_up
        text = "the ladder of contours stopped rising before its end"
        assert (text in step.state.findings) is given_up

    def test_only_rounds_of_a_stalled_ladder_count(self, learned):
        level = look_up(from_cube(800), CONFIG).log_level
        assert self.after(learned, *[level] * 6).state.n_detours == 1
        assert self.after(learned, *[level - 5.0] * 6).state.n_detours == 0
        done = next_plan(from_cube(800), CONFIG, Goal(f_live=5.0), serial)
        assert (done.message, done.state.n_detours) == ("imitating the posterior", 0)

    def test_small_stages_may_gain_less(self, learned):
        state = climbed(learned, TestStalled.LADDER)
        small = replace(CONFIG, n_stage=CONFIG.n_live // 4)
        assert is_stalled(state, CONFIG, math.log(0.4) - 0.1)
        assert not is_stalled(state, small, math.log(0.4) - 0.1)


NOTHING = Estimate(0.0, 0.1, 0.0, np.zeros(0), np.zeros(0), np.zeros(0), 0.0)


class TestSamplingStages:
    """Sizes of stages that sample, with 150 points per contour and 1000 at most per stage."""

    @staticmethod
    def size(missing, n_sampled=0, efficiency=0.5, n_shell=1, config=CONFIG):
        goal = Goal(n_eff=10_000.0, n_shell=n_shell)
        current = replace(NOTHING, n_eff=10_000.0 - missing)
        wanted = sampling_wanted(config, goal, current, n_sampled, efficiency)
        return sampling_size(config, wanted, n_sampled, efficiency)

    def test_the_first_is_small_whatever_is_missing(self):
        assert self.size(9_000) == 400
        assert self.size(0) == 200

    def test_a_later_one_aims_a_little_beyond_what_is_missing(self):
        assert self.size(500, n_sampled=2_000) == 1_050

    def test_none_is_more_than_twice_all_before_it(self):
        assert self.size(5_000, n_sampled=600) == 1_200

    def test_the_limit_holds(self):
        assert self.size(9_000, n_sampled=20_000) == 4_000

    def test_little_is_topped_up_by_a_small_stage(self):
        config = replace(CONFIG, n_stage=500)
        assert self.size(10, n_sampled=5_000, config=config) == 200
        assert self.size(10, n_sampled=0, config=config) == 500

    @given(
        st.integers(0, 9_999), st.integers(0, 10**6), st.floats(0.02, 1.0), st.integers(50, 5_000)
    )
    def test_none_is_a_surprise_because_it_is_small(self, missing, n_sampled, efficiency, n_stage):
        config = replace(CONFIG, n_stage=n_stage, n_stage_max=n_stage)
        n_points = self.size(missing, n_sampled, efficiency, config=config)
        assert StageView(0.6 * efficiency, 0.001, 0.0).is_calm(n_points)

    def test_hardly_any_efficiency_is_not_taken_for_none(self):
        assert self.size(1_000, n_sampled=50_000, efficiency=0.0) == 5_000
        assert self.size(20, n_sampled=50_000, efficiency=0.0) == 5_000

    def test_n_shell_is_reached(self):
        assert self.size(0, n_sampled=2_000, n_shell=3_000) == 1_000

    @pytest.mark.parametrize(
        ("n_wanted", "efficiency", "worth_it"),
        [(1_000, 0.5, True), (999, 0.5, False), (5_000, 0.95, False), (5_000, 0.89, True)],
    )
    def test_neither_good_proposals_nor_small_remainders_are_worth_training(
        self, n_wanted, efficiency, worth_it
    ):
        assert is_worth_refitting(n_wanted, 10_000, efficiency) == worth_it

    def test_the_first_is_always_worth_it_while_proposals_are_not_good(self):
        assert is_worth_refitting(200, 0, 0.5)
