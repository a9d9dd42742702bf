"""The algorithm on simple proposals with exact answers; its values, decisions and loop."""

from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln, logsumexp

from nautilus.emulator.emulator import EmulatorSettings
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.run.config import Config, Goal
from nautilus.run.draw import _chunk, draw_stage
from nautilus.run.estimate import combine_stages, estimate, pareto_tail_index, phase_rows
from nautilus.run.level import choose_level
from nautilus.run.loop import N_SEARCH, answer, commit, steps
from nautilus.run.mixture import (
    history_log_density,
    own_log_density,
    shares,
    stage_log_densities,
)
from nautilus.run.plan import plan_cube, plan_posterior
from nautilus.run.shares import whole_counts
from nautilus.run.state import (
    DensityTable,
    Ledger,
    PendingStage,
    Phase,
    RunState,
    Stage,
    _log_density,
    empty_ledger,
    new_state,
)
from nautilus.run.stop import StopReason
from nautilus.run.trust import StageView, view_last_stage
from nautilus.testing.checks import bias, scatter

FALSE_ALARM = 1e-4
EXPLORE, SAMPLE = Phase.EXPLORATION, Phase.SAMPLING
BOTH = frozenset(Phase)


def serial(function, tasks):
    return [function(*task) for task in tasks]


@dataclass(frozen=True)
class Betas:
    """A mixture of products of beta densities, with a known or a mistaken norm."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[tuple[float, ...], ...]
    mistake: float = 0.0
    log_norm_error: float = 0.0

    def chunk(self, rng):
        which = rng.integers(len(self.a), size=64)
        return rng.beta(np.array(self.a)[which], np.array(self.b)[which])

    def log_density(self, points):
        log_x, log_y = np.log(points), np.log1p(-points)
        parts = [
            np.sum(log_x * (np.array(a) - 1) + log_y * (np.array(b) - 1) - betaln(a, b), axis=1)
            for a, b in zip(self.a, self.b, strict=True)
        ]
        return logsumexp(parts, axis=0) - np.log(len(parts)) + self.mistake


def play(seed, proposals, plan, log_likelihood):
    """Return ledger and table of stages of fixed sizes, as a run would have made them."""
    ledger, table = empty_ledger(proposals[0].n_dim), DensityTable(np.empty((0, 0)))
    for t, (phase, numbers) in enumerate(plan):
        counts = np.array(numbers)
        points = draw_stage(proposals[: len(counts)], counts, (seed, t), serial)
        ledger = ledger.append(Stage(phase, counts), points, log_likelihood(points), None)
    return ledger, table.extend(ledger, proposals, serial)


POSTERIOR = Betas(((6.0, 4.0),), ((9.0, 4.0),))
LOG_Z = np.log(2.5)
PROPOSALS = (
    CubeProposal(2),
    Betas(((3.0, 2.0),), ((5.0, 3.0),)),
    Betas(((5.0, 4.0),), ((8.0, 5.0),)),
    Betas(((9.0, 2.0),), ((3.0, 2.0),)),  # looks elsewhere
)
PLAN = [
    (EXPLORE, [100]),
    (EXPLORE, [20, 130]),
    (SAMPLE, [10, 40, 150]),
    (SAMPLE, [10, 20, 60, 60]),
]


def log_likelihood(points):
    return LOG_Z + POSTERIOR.log_density(points)


def test_the_densities_of_this_file_are_those_of_scipy(seed):
    points = np.random.default_rng(seed).random((50, 2))
    known = stats.beta.logpdf(points, [6.0, 4.0], [9.0, 4.0]).sum(axis=1)
    np.testing.assert_allclose(POSTERIOR.log_density(points), known, rtol=1e-10, atol=1e-10)


class TestMixture:
    ledger, table = play(1, PROPOSALS, PLAN, log_likelihood)

    def test_shares_are_counts_over_sizes(self):
        np.testing.assert_allclose(
            shares(self.ledger.stages, 4),
            [
                [1, 0, 0, 0],
                [2 / 15, 13 / 15, 0, 0],
                [0.05, 0.2, 0.75, 0],
                [1 / 15, 2 / 15, 0.4, 0.4],
            ],
        )

    def test_densities_of_stages_are_sums_of_those_of_proposals(self):
        with np.errstate(divide="ignore"):
            log_a = np.log(shares(self.ledger.stages, 4))
        known = logsumexp(self.table.log_q[:, None, :] + log_a, axis=2)
        found = stage_log_densities(self.table.log_q, self.ledger.stages)
        np.testing.assert_allclose(found, known, rtol=1e-10, atol=1e-12)
        own = own_log_density(found, self.ledger)
        np.testing.assert_array_equal(own[:100], found[:100, 0])
        np.testing.assert_array_equal(own[-150:], found[-150:, 3])

    def test_the_history_counts_every_draw_once(self):
        drawn = np.array([140, 190, 210, 60]) / 600
        known = logsumexp(self.table.log_q + np.log(drawn), axis=1)
        found = history_log_density(self.table.log_q, self.ledger.stages)
        np.testing.assert_allclose(found, known, rtol=1e-10, atol=1e-12)

    def test_proposals_that_were_not_drawn_from_do_not_count(self):
        log_q = np.column_stack([np.zeros(3), [700.0, -np.inf, 0.0]])
        stage = (Stage(EXPLORE, np.array([3, 0])),)
        np.testing.assert_array_equal(history_log_density(log_q, stage), np.zeros(3))
        np.testing.assert_allclose(stage_log_densities(log_q, stage)[1:, 0], np.zeros(2))

    def test_points_remember_stage_and_proposal(self):
        np.testing.assert_array_equal(np.bincount(self.ledger.stage_of_point), [100, 150, 200, 150])
        np.testing.assert_array_equal(
            np.flatnonzero(np.diff(self.ledger.proposal_of_point)),
            [119, 249, 259, 299, 449, 459, 479, 539],
        )


@pytest.fixture(scope="module")
def repeated():
    """Run many times with fixed sizes."""
    return [
        estimate(*play(seed, PROPOSALS, PLAN, log_likelihood), PROPOSALS, BOTH)
        for seed in range(300)
    ]


class TestEstimate:
    def test_the_evidence_is_right_on_average(self, repeated):
        z = np.exp([e.log_z for e in repeated])
        assert bias(z, 2.5, FALSE_ALARM, cap=0.02).passed

    def test_each_stage_alone_is_right_on_average(self, repeated):
        for t in range(len(PLAN)):
            z = np.exp([e.stage_log_z[t] for e in repeated])
            assert bias(z, 2.5, FALSE_ALARM, cap=1.0).passed

    def test_the_quoted_error_is_the_scatter(self, repeated):
        log_z = np.array([e.log_z for e in repeated])
        errors = np.array([e.log_z_err for e in repeated])
        assert scatter(log_z, errors, LOG_Z, FALSE_ALARM).passed
        # Negative control: errors a third too small or too large are seen.
        assert not scatter(log_z, errors / 1.33, LOG_Z, FALSE_ALARM).passed
        assert not scatter(log_z, errors * 1.33, LOG_Z, FALSE_ALARM).passed

    def test_errors_of_norms_are_part_of_it(self):
        sigma = 0.05
        log_z, errors, blind = [], [], []
        for seed in range(200):
            mistakes = sigma * np.random.default_rng((1, seed)).normal(size=4)
            proposals = (
                PROPOSALS[0],
                *(
                    replace(p, mistake=m, log_norm_error=sigma)
                    for p, m in zip(PROPOSALS[1:], mistakes, strict=False)
                ),
            )
            ledger, table = play(seed, proposals, PLAN, log_likelihood)
            found = estimate(ledger, table, proposals, BOTH)
            log_z.append(found.log_z)
            errors.append(found.log_z_err)
            exact = tuple(
                p if k == 0 else replace(p, log_norm_error=0.0) for k, p in enumerate(proposals)
            )
            blind.append(estimate(ledger, table, exact, BOTH).log_z_err)
        log_z, errors, blind = map(np.array, (log_z, errors, blind))
        assert scatter(log_z, errors, LOG_Z, FALSE_ALARM).passed
        # Negative control: without the errors of the norms the quoted ones are too small.
        assert not scatter(log_z, blind, LOG_Z, FALSE_ALARM).passed

    def test_coefficients_and_weights_sum_to_one(self, repeated):
        for found in repeated[:20]:
            assert np.isclose(found.stage_coefficients.sum(), 1.0)
            assert np.all(found.stage_coefficients > 0)
            assert np.isclose(np.exp(found.log_weights).sum(), 1.0)
            weights = np.exp(found.log_weights)
            assert np.isclose(found.n_eff, weights.sum() ** 2 / np.sum(weights**2))

    def test_better_stages_count_more(self, repeated):
        per_point = np.mean([e.stage_coefficients for e in repeated], axis=0) / [100, 150, 200, 150]
        assert np.argmax(per_point) == 2
        assert np.argmin(per_point) == 0

    def test_it_is_the_sum_of_the_stages(self, repeated):
        for found in repeated[:20]:
            parts = np.log(found.stage_coefficients) + found.stage_log_z
            assert np.isclose(logsumexp(parts), found.log_z)

    def test_weighted_points_have_the_moments_of_the_posterior(self):
        means = []
        for seed in range(100):
            ledger, table = play(seed, PROPOSALS, PLAN, log_likelihood)
            found = estimate(ledger, table, PROPOSALS, BOTH)
            means.append(np.exp(found.log_weights) @ ledger.points)
        means = np.array(means)
        error = means.std(axis=0, ddof=1) / 10
        assert np.all(np.abs(means.mean(axis=0) - [0.4, 0.5]) < 4.5 * error)

    def test_only_the_phases_asked_for_count(self):
        ledger, table = play(3, PROPOSALS, PLAN, log_likelihood)
        fresh = estimate(ledger, table, PROPOSALS, frozenset({SAMPLE}))
        rows = phase_rows(ledger, SAMPLE)
        np.testing.assert_array_equal(rows, np.arange(600) >= 250)
        alone = Ledger(ledger.points[rows], ledger.log_l[rows], None, tuple(ledger.stages[2:]))
        known = estimate(alone, DensityTable(table.log_q[rows]), PROPOSALS, BOTH)
        assert (fresh.log_z, fresh.log_z_err, fresh.n_eff) == (
            known.log_z, known.log_z_err, known.n_eff,
        )  # fmt: skip
        np.testing.assert_array_equal(fresh.log_weights[rows], known.log_weights)
        assert np.all(fresh.log_weights[~rows] == -np.inf)
        np.testing.assert_array_equal(fresh.stage_coefficients[:2], [0, 0])
        assert np.isnan(fresh.stage_log_z[:2]).all()

    @pytest.mark.parametrize("offset", [-1e6, 1e6])
    def test_a_constant_in_log_l_moves_log_z_and_nothing_else(self, offset):
        ledger, table = play(3, PROPOSALS, PLAN, log_likelihood)
        plain = estimate(ledger, table, PROPOSALS, BOTH)
        moved = estimate(replace(ledger, log_l=ledger.log_l + offset), table, PROPOSALS, BOTH)
        assert np.isclose(moved.log_z - offset, plain.log_z, atol=1e-8)
        np.testing.assert_allclose(
            [moved.log_z_err, moved.n_eff, *moved.stage_coefficients],
            [plain.log_z_err, plain.n_eff, *plain.stage_coefficients],
            rtol=1e-6,
        )

    def test_points_of_no_likelihood_are_part_of_the_mean(self):
        def half(points):
            return np.where(points[:, 1] < 0.5, log_likelihood(points), -np.inf)

        found = [
            estimate(*play(seed, PROPOSALS, PLAN, half), PROPOSALS, BOTH) for seed in range(100)
        ]
        z = np.exp([e.log_z for e in found])
        assert bias(z, 1.25, FALSE_ALARM, cap=0.05).passed
        assert scatter(
            np.log(z), np.array([e.log_z_err for e in found]), np.log(1.25), FALSE_ALARM
        ).passed

    @pytest.mark.parametrize("phases", [frozenset({SAMPLE}), BOTH], ids=["phase", "likelihood"])
    def test_nothing_is_known_without_points_that_count(self, phases):
        ledger, table = play(3, PROPOSALS, PLAN[:2], lambda points: np.full(len(points), -np.inf))
        found = estimate(ledger, table, PROPOSALS, phases)
        assert (found.log_z, found.log_z_err, found.n_eff) == (-np.inf, np.inf, 0.0)
        assert np.all(found.log_weights == -np.inf)
        assert found.log_weights.shape == (250,)
        empty = estimate(empty_ledger(2), DensityTable(np.empty((0, 1))), PROPOSALS[:1], phases)
        assert empty.log_z == -np.inf

    def test_a_flat_likelihood_drawn_from_the_cube_is_exact(self):
        cube = (CubeProposal(2),)
        ledger, table = play(1, cube, [(EXPLORE, [300]), (SAMPLE, [200])], lambda x: 0 * x[:, 0])
        found = estimate(ledger, table, cube, BOTH)
        assert abs(found.log_z) < 1e-12
        assert found.log_z_err < 1e-12
        assert np.isclose(found.n_eff, 500)


class TestTraps:
    """What simpler weights get wrong."""

    LEFT, RIGHT = (40.0, 160.0), (160.0, 40.0)

    def test_a_stage_that_missed_a_mode_does_not_promote_itself(self):
        both = Betas(((self.LEFT[0],), (self.RIGHT[0],)), ((self.LEFT[1],), (self.RIGHT[1],)))
        left = Betas(((self.LEFT[0],),), ((self.LEFT[1],),))
        proposals = (CubeProposal(1), both, left)
        plan = [(EXPLORE, [200, 200, 0]), (EXPLORE, [2, 0, 398])]
        n_missed = 0
        for seed in range(30):
            ledger, table = play(seed, proposals, plan, both.log_density)
            found = estimate(ledger, table, proposals, BOTH)
            if found.stage_log_z[1] > -0.65:
                continue
            n_missed += 1
            assert found.stage_coefficients[1] < 0.1
            assert abs(found.log_z) < 0.2
            # Negative control: by its own variance the blind stage is the better one.
            log_m = stage_log_densities(table.log_q, ledger.stages)
            w = np.exp(ledger.log_l - own_log_density(log_m, ledger))
            own = [1 / (w[rows].var() + 1e-12) for rows in (slice(0, 400), slice(400, 800))]
            assert own[1] > own[0]
        assert n_missed > 5

    def test_weights_by_the_whole_history_are_biased_and_ours_are_not(self):
        """A proposal fitted to points has too much density exactly there."""
        n, width = 30, 0.004

        def fit(points):
            spread = width * np.array([-0.5, 0.5])
            low, high = np.clip(points[:, None] + spread, 0, 1).T

            def log_density(x):
                inside = (x[:, :1] > low) & (x[:, :1] < high)
                with np.errstate(divide="ignore"):
                    return np.log(np.mean(inside / (high - low), axis=1))

            return low, high, log_density

        ours, history = [], []
        for seed in range(1500):
            rng = np.random.default_rng((2, seed))
            first = rng.random(n)
            low, high, log_density = fit(first)
            which = rng.integers(n, size=n // 2)
            narrow = rng.uniform(low[which], high[which])
            points = np.concatenate([first, rng.random(n - n // 2), narrow])[:, None]
            stages = (
                Stage(EXPLORE, np.array([n])),
                Stage(EXPLORE, np.array([n - n // 2, n // 2])),
            )
            log_q = np.column_stack([np.zeros(2 * n), log_density(points)])
            ledger = Ledger(points, np.zeros(2 * n), None, stages)
            log_m = stage_log_densities(log_q, stages)
            w = np.exp(-own_log_density(log_m, ledger))
            ours.append(0.5 * w[:n].mean() + 0.5 * w[n:].mean())
            history.append(np.exp(-history_log_density(log_q, stages)).mean())
        assert bias(np.array(ours), 1.0, FALSE_ALARM, cap=1.0).passed
        assert not bias(np.array(history), 1.0, FALSE_ALARM, cap=1.0).passed
        assert np.mean(history) < 0.8

    def test_a_lone_stage_has_all_the_weight(self):
        ledger, table = play(1, PROPOSALS, PLAN[:1], log_likelihood)
        log_m = stage_log_densities(table.log_q, ledger.stages)
        np.testing.assert_array_equal(combine_stages(ledger, log_m, np.array([100])), [1.0])


class TestTailIndex:
    @pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
    def test_it_is_that_of_a_generalised_pareto_distribution(self, shape):
        n, n_repeats = 10_000, 40
        found = [
            pareto_tail_index(stats.genpareto.rvs(shape, size=n, random_state=seed))
            for seed in range(n_repeats)
        ]
        n_tail = 3 * np.sqrt(n)
        known = (n_tail * shape + 5) / (n_tail + 10)  # as the fit is drawn to one half
        error = np.std(found, ddof=1) / np.sqrt(n_repeats)
        assert error < 0.025
        assert abs(np.mean(found) - known) < 4.5 * error + 0.01

    def test_the_unit_of_the_weights_does_not_matter(self, seed):
        weights = stats.genpareto.rvs(0.6, size=2000, random_state=seed)
        plain = pareto_tail_index(weights)
        assert np.isclose(pareto_tail_index(weights * 1e-30), plain)
        assert np.isclose(pareto_tail_index(np.append(weights, np.zeros(500))), plain)

    def test_few_weights_have_no_tail_to_speak_of(self):
        assert np.isnan(pareto_tail_index(np.arange(1.0, 20.0) ** 4))
        assert np.isnan(pareto_tail_index(np.zeros(1000)))

    def test_weights_that_are_all_alike_are_harmless(self):
        assert not pareto_tail_index(np.ones(1000)) > 0.5


class TestLevel:
    @staticmethod
    def log_l(points):
        return -40 * np.sum((points - 0.5) ** 2, axis=1)

    def test_uniform_points_measure_volume_and_support(self, seed):
        points = np.random.default_rng(seed).random((2000, 2))
        level = choose_level(self.log_l(points), np.zeros(2000), 200)
        inside = self.log_l(points) > level.log_level
        assert abs(inside.sum() - 200) <= 1
        assert abs(level.support - 200) <= 1
        assert np.isclose(level.log_volume, np.log(inside.mean()))
        true_volume = np.pi * -level.log_level / 40
        assert abs(level.log_volume - np.log(true_volume)) < 4.5 / np.sqrt(level.support)
        likelihood = np.exp(self.log_l(points))
        assert np.isclose(level.f_inside, likelihood[inside].sum() / likelihood.sum())

    def test_points_from_elsewhere_count_by_their_density(self, seed):
        proposal = Betas(((4.0, 3.0),), ((4.0, 5.0),))
        points = draw_stage((proposal,), np.array([3000]), (seed, 0), serial)
        level = choose_level(self.log_l(points), proposal.log_density(points), 200)
        true_volume = np.pi * -level.log_level / 40
        assert abs(level.log_volume - np.log(true_volume)) < 4.5 / np.sqrt(level.support)
        inside = self.log_l(points) > level.log_level
        inverse = np.exp(-proposal.log_density(points[inside]))
        assert np.isclose(level.support, inverse.sum() ** 2 / (inverse**2).sum())
        assert 30 < level.support < 240

    @pytest.mark.parametrize("n_live", [50, 400])
    def test_the_boost_brings_half_of_the_target_inside(self, n_live, seed):
        points = np.random.default_rng(seed).random((2000, 2))
        log_l = self.log_l(points)
        level = choose_level(log_l, np.zeros(2000), n_live)
        target = np.exp(CappedTarget(level.log_level, level.log_boost).log_value(log_l))
        share = target[log_l > level.log_level].sum() / target.sum()
        assert share >= 0.5 - 1e-9
        assert level.log_boost == 0 or np.isclose(share, 0.5)

    @pytest.mark.parametrize("n_live", [400, 4000])
    def test_what_remains_bounds_the_evidence_above_the_cap(self, n_live, seed):
        points = np.random.default_rng(seed).random((20000, 2))
        level = choose_level(10 * self.log_l(points), np.zeros(20000), n_live)
        # For a normal likelihood in two dimensions L = exp(-x), with V proportional to x.
        x = -level.log_level
        exact = 1 - np.exp(-x) * (1 + x)
        assert 0.9 * exact < level.f_remaining < 8 * exact

    @pytest.mark.parametrize("slope", [0.5, 0.9])
    def test_a_steep_rise_warns_of_what_points_hardly_reach(self, slope, seed):
        # L = X^-s with X the enclosed volume: few points lie where most of the evidence is.
        volume = np.random.default_rng(seed).random(5000)
        level = choose_level(-slope * np.log(volume), np.zeros(5000), 500)
        exact = slope * np.exp((1 - slope) * level.log_volume)
        assert 0.7 * exact < level.f_remaining

    def test_a_steep_rise_asks_for_more_support(self, seed):
        volume = np.random.default_rng(seed).random(20000)
        steep = choose_level(-0.9 * np.log(volume), np.zeros(20000), 500)
        flat = choose_level(-30.0 * volume, np.zeros(20000), 500)
        assert abs(steep.support - 500) <= 1
        assert 149 <= flat.support < 500

    def test_more_support_means_a_lower_contour(self, seed):
        points = np.random.default_rng(seed).random((2000, 2))
        levels = [choose_level(self.log_l(points), np.zeros(2000), n) for n in (50, 100, 400, 1600)]
        assert np.all(np.diff([level.log_level for level in levels]) < 0)
        assert np.all(np.diff([level.f_inside for level in levels]) > 0)

    def test_a_flat_likelihood_has_no_contour(self):
        level = choose_level(np.full(500, 3.0), np.zeros(500), 100)
        assert (level.log_level, level.f_inside, level.support) == (np.inf, 0.0, 0.0)

    def test_a_top_plateau_that_is_well_supported_is_the_end_of_the_ladder(self):
        log_l = np.where(np.arange(1000) < 300, 0.0, -10.0)
        assert choose_level(log_l, np.zeros(1000), 100).f_inside == 0.0

    def test_a_small_top_plateau_is_inside_the_contour_of_its_rim(self):
        log_l = np.where(np.arange(1000) < 30, 0.0, -10.0)
        level = choose_level(log_l, np.zeros(1000), 100)
        assert level.log_level == -10.0
        assert np.isclose(level.log_volume, np.log(0.03))
        assert np.isclose(level.support, 30)
        assert level.f_inside > 0.99

    def test_contours_end_where_the_likelihood_vanishes(self, seed):
        points = np.random.default_rng(seed).random((2000, 2))
        log_l = np.where(np.arange(2000) < 60, self.log_l(points), -np.inf)
        level = choose_level(log_l, np.zeros(2000), 100)
        assert level.log_level == log_l[:60].min()
        assert np.isclose(level.f_inside, 1.0)
        assert np.isclose(level.support, 60)

    @pytest.mark.parametrize("offset", [-1e6, 1e6])
    def test_a_constant_in_log_l_moves_the_contour_and_nothing_else(self, offset, seed):
        points = np.random.default_rng(seed).random((500, 2))
        plain = choose_level(self.log_l(points), np.zeros(500), 100)
        moved = choose_level(self.log_l(points) + offset, np.zeros(500), 100)
        assert np.isclose(moved.log_level - offset, plain.log_level, atol=1e-8)
        assert np.isclose(moved.f_inside, plain.f_inside)
        assert np.isclose(moved.log_boost, plain.log_boost, atol=1e-6)


class TestCounts:
    @given(
        st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda x: sum(x) > 0.1),
        st.integers(20, 10_000),
    )
    def test_they_are_whole_and_close_to_their_shares(self, raw, n):
        share = np.array(raw) / sum(raw)
        counts = whole_counts(share, n)
        assert counts.sum() == n
        assert counts.min() >= 0
        assert counts[0] >= 1
        assert np.abs(counts - share * n).max() < 2

    def test_the_cube_is_never_left_out(self):
        np.testing.assert_array_equal(whole_counts(np.array([0.0, 0.3, 0.7]), 10), [1, 3, 6])


class TestValues:
    stage = Stage(SAMPLE, np.array([2, 0, 3]))

    def pending(self):
        return PendingStage(
            self.stage, np.zeros((5, 1)), np.full(5, np.nan), None, np.zeros(5, bool)
        )

    def test_chunks_fill_a_stage_in_any_order(self):
        empty = self.pending()
        half = empty.fill(np.array([3, 1]), np.array([3.0, -np.inf]), None)
        whole = half.fill(np.array([4, 0, 2]), np.array([4.0, 0.0, 2.0]), None)
        np.testing.assert_array_equal(whole.log_l, [0, -np.inf, 2, 3, 4])
        assert (empty.n_done, half.n_done, whole.n_done) == (0, 2, 5)
        assert np.isnan(empty.log_l).all()
        assert whole.blobs is None

    def test_blobs_widen_as_they_come(self):
        half = self.pending().fill(np.array([1]), np.array([0.0]), np.array(["no"]))
        whole = half.fill(np.array([0, 4]), np.zeros(2), np.array(["yes", "perhaps"]))
        assert whole.blobs.tolist() == ["yes", "no", "", "", "perhaps"]
        assert half.blobs.tolist() == ["", "no", "", "", ""]

    def test_blobs_keep_their_shape_and_names(self):
        named = np.array([(1.5, [1, 2])], dtype=[("a", float), ("b", int, 2)])
        filled = self.pending().fill(np.array([2]), np.zeros(1), named)
        assert filled.blobs.dtype == named.dtype
        assert filled.blobs[2] == named[0]
        rows = self.pending().fill(np.array([2]), np.zeros(1), np.ones((1, 2, 3))).blobs
        assert rows.shape == (5, 2, 3)

    def test_a_ledger_grows_at_its_end(self):
        first = empty_ledger(2).append(
            Stage(EXPLORE, np.array([3])), np.zeros((3, 2)), np.arange(3.0), np.array(["a"] * 3)
        )
        second = first.append(
            self.stage, np.ones((5, 2)), np.arange(3.0, 8.0), np.array(["later"] * 5)
        )
        assert (first.n_points, second.n_points) == (3, 8)
        np.testing.assert_array_equal(second.log_l, np.arange(8.0))
        np.testing.assert_array_equal(second.stage_of_point, [0, 0, 0, 1, 1, 1, 1, 1])
        np.testing.assert_array_equal(second.proposal_of_point, [0, 0, 0, 0, 0, 2, 2, 2])
        assert second.blobs.tolist() == ["a"] * 3 + ["later"] * 5
        assert first.blobs.tolist() == ["a"] * 3
        assert empty_ledger(2).stage_of_point.shape == (0,)
        assert empty_ledger(2).proposal_of_point.shape == (0,)

    def test_nothing_computed_can_be_changed_in_place(self):
        stage = Stage(EXPLORE, np.array([3]))
        points, values = np.full((3, 2), 0.5), np.zeros(3)
        ledger = Ledger(points, values, None, (stage,))
        pending = PendingStage(stage, points, values, None, np.zeros(3, dtype=bool))
        table = DensityTable(np.zeros((3, 1)))
        for array in (stage.counts, ledger.log_l, pending.is_done, pending.points, table.log_q):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1

    def test_a_table_computes_only_what_is_new(self):
        asked = []

        def run(function, tasks):
            asked.extend((proposal, len(points)) for proposal, points in tasks)
            return serial(function, tasks)

        ledger, whole = play(1, PROPOSALS, PLAN, log_likelihood)
        short = Ledger(ledger.points[:250], ledger.log_l[:250], None, ledger.stages[:2])
        table = DensityTable(np.empty((0, 1))).extend(short, PROPOSALS[:2], run)
        table = table.extend(short, PROPOSALS[:3], run)
        assert sorted(n for _, n in asked) == [100] * 3 + [150] * 3
        asked.clear()
        table = table.extend(ledger, PROPOSALS, run)
        assert sum(n for _, n in asked) == 250 + 4 * 350
        np.testing.assert_array_equal(table.log_q, whole.log_q)

    def test_a_new_run_has_the_cube_and_nothing_else(self):
        state = new_state(3)
        assert (state.n_like, len(state.proposals), state.pending) == (0, 1, None)
        assert answer(state, discard_exploration=False).log_z == -np.inf

    def test_every_reason_says_what_happened(self):
        assert len({reason.value for reason in StopReason}) == len(StopReason)
        good = {reason for reason in StopReason if reason.is_success}
        assert good == {StopReason.GOAL, StopReason.UNTRUSTED}
        for reason in (StopReason.CALLS, StopReason.TIME, StopReason.INTERRUPTED):
            assert "run() continues" in reason.value


class TestTrust:
    def state(self, plan, seed=1, likelihood=log_likelihood):
        ledger, table = play(seed, PROPOSALS, plan, likelihood)
        return RunState(ledger, PROPOSALS, table)

    def test_a_stage_like_the_others_is_calm(self):
        view = view_last_stage(self.state(PLAN[:3]))
        assert view.is_calm(200)
        assert 0.5 < view.efficiency <= 1
        assert abs(view.deviation) < 4

    def test_a_stage_that_finds_more_is_not(self):
        far = Betas(((16000.0, 16000.0),), ((1000.0, 1000.0),))

        def spiked(points):
            return np.logaddexp(log_likelihood(points), np.log(7.0) + far.log_density(points))

        proposals = (*PROPOSALS[:3], far)
        ledger, table = play(1, proposals, [*PLAN[:3], (SAMPLE, [10, 20, 60, 110])], spiked)
        view = view_last_stage(RunState(ledger, proposals, table))
        assert view.deviation > 4
        assert not view.is_calm(200)

    def test_one_heavy_point_is_a_surprise(self):
        assert StageView(0.9, 0.004, 0.0).is_calm(1000)
        assert not StageView(0.9, 0.1, 0.0).is_calm(1000)
        assert not StageView(0.9, 0.004, 5.0).is_calm(1000)
        assert not StageView(0.9, 0.004, -5.0).is_calm(1000)
        assert not StageView(0.001, 0.004, 0.0).is_calm(1000)

    def test_a_stage_without_likelihood_is_not_calm(self):
        state = self.state(PLAN[:1], likelihood=lambda points: np.full(len(points), -np.inf))
        assert not view_last_stage(state).is_calm(100)


@dataclass(frozen=True)
class Chunk:
    index: np.ndarray
    log_l: np.ndarray
    blobs: np.ndarray | None


class Evaluation:
    """Evaluates in chunks of any size and order, and counts."""

    def __init__(self, function, seed=None, n_chunk=10_000):
        self.function, self.n_chunk, self.n_calls, self.n_open = function, n_chunk, 0, 0
        self.rng = None if seed is None else np.random.default_rng(seed)

    def __call__(self, points):
        order = np.arange(len(points)) if self.rng is None else self.rng.permutation(len(points))
        self.n_open += 1
        return Evaluating(self, points, order)


@dataclass
class Evaluating:
    """What is under way from the call on, and has to be closed; one chunk outlives the end."""

    owner: Evaluation
    points: np.ndarray
    order: np.ndarray
    n_more: float = np.inf

    def cancel(self):
        self.n_more = min(self.n_more, 1)

    def __iter__(self):
        for start in range(0, len(self.points), self.owner.n_chunk):
            if self.n_more <= 0:
                return
            self.n_more -= 1
            index = self.order[start : start + self.owner.n_chunk]
            self.owner.n_calls += len(index)
            points = self.points[index]
            yield Chunk(index, self.owner.function(points), points[:, :1].copy())

    def close(self):
        self.owner.n_open -= 1


CONFIG = Config(
    n_dim=2,
    seed=5,
    n_live=60,
    n_stage=150,
    n_stage_max=1000,
    build=BuildSettings(emulator=EmulatorSettings(n_networks=0), norm_error=0.03),
)
GOAL = Goal(f_live=0.1, n_eff=400.0)


def follow(state, goal, evaluate, **changes):
    """Return the state at the end of a run, the reason, and all messages."""
    last, messages = None, []
    for step in steps(state, CONFIG, goal, evaluate, serial, **changes):
        last = step
        if step.message:
            messages.append(step.message)
    return last.state, last.stop, messages


def assert_same(first, second):
    np.testing.assert_array_equal(first.ledger.points, second.ledger.points)
    np.testing.assert_array_equal(first.ledger.log_l, second.ledger.log_l)
    np.testing.assert_array_equal(first.ledger.blobs, second.ledger.blobs)
    np.testing.assert_array_equal(first.table.log_q, second.table.log_q)
    assert [s.phase for s in first.ledger.stages] == [s.phase for s in second.ledger.stages]
    assert answer(first, False).log_z == answer(second, False).log_z


@pytest.fixture(scope="module")
def finished():
    return follow(new_state(2), GOAL, Evaluation(log_likelihood))


class TestLoop:
    def test_it_explores_and_samples_until_the_goal(self, finished):
        state, stop, messages = finished
        assert stop is StopReason.GOAL
        found = answer(state, discard_exploration=False)
        assert found.n_eff >= 400
        assert abs(found.log_z - LOG_Z) < 5 * found.log_z_err
        phases = [stage.phase for stage in state.ledger.stages]
        assert phases == sorted(phases)  # no sampling before exploration has ended
        assert phases[-1] is SAMPLE
        assert messages[0] == "drawing from the prior"
        assert state.pending is None
        assert all(stage.counts[0] > 0 for stage in state.ledger.stages)

    def test_points_are_evaluated_once(self):
        evaluate = Evaluation(log_likelihood, seed=1, n_chunk=7)
        state, _, _ = follow(new_state(2), GOAL, evaluate)
        assert evaluate.n_calls == state.n_like == state.ledger.n_points

    @pytest.mark.parametrize("n_chunk", [13, 100])
    def test_order_and_size_of_chunks_change_nothing(self, finished, n_chunk):
        state, stop, _ = follow(new_state(2), GOAL, Evaluation(log_likelihood, 3, n_chunk))
        assert stop is finished[1]
        assert_same(state, finished[0])

    def test_limits_of_calls_are_kept_and_change_nothing(self, finished):
        state, stop = new_state(2), None
        for n_most in (0, 1, 60, 120, 121, 300, 555, 800):
            evaluate = Evaluation(log_likelihood, seed=n_most, n_chunk=11)
            state, stop, _ = follow(state, replace(GOAL, n_like_max=n_most), evaluate)
            if stop is not StopReason.CALLS:
                break
            assert state.n_like == n_most
        state, stop, _ = follow(state, GOAL, Evaluation(log_likelihood))
        assert stop is finished[1]
        assert_same(state, finished[0])

    def test_what_is_evaluated_when_a_run_is_left_is_kept(self, finished):
        state, rng = new_state(2), np.random.default_rng(0)
        n_calls, stop = 0, None
        while stop is None:
            evaluate = Evaluation(log_likelihood, seed=1, n_chunk=29)
            run = steps(state, CONFIG, GOAL, evaluate, serial)
            for _ in range(rng.integers(1, 60)):
                step = next(run)
                state, stop = step.state, step.stop
                if stop is not None:
                    break
            run.close()
            assert evaluate.n_open == 0
            n_calls += evaluate.n_calls
        assert_same(state, finished[0])
        assert n_calls == state.n_like

    def test_an_error_in_a_chunk_leaves_the_state_before_it(self, finished):
        state = new_state(2)

        def broken(points):
            yield from list(Evaluation(log_likelihood, seed=1, n_chunk=40)(points))[:2]
            raise OSError("the disk is on fire")

        def fail():
            nonlocal state
            for step in steps(state, CONFIG, GOAL, broken, serial):
                state = step.state

        for n_like in (80, 120, 200):
            with pytest.raises(OSError, match="on fire"):
                fail()
            assert state.n_like == n_like
        state, _, _ = follow(state, GOAL, Evaluation(log_likelihood))
        assert_same(state, finished[0])

    def test_time_ends_a_run_between_two_chunks(self, finished):
        answers = iter([False] * 20 + [True] * 1000)
        evaluate = Evaluation(log_likelihood, seed=1, n_chunk=29)
        state, stop, _ = follow(new_state(2), GOAL, evaluate, is_over=lambda: next(answers))
        assert stop is StopReason.TIME
        assert 0 < state.n_like < finished[0].n_like
        state, _, _ = follow(state, GOAL, evaluate)
        assert_same(state, finished[0])

    def test_a_finished_run_stays_finished(self, finished):
        evaluate = Evaluation(log_likelihood)
        state, stop, _ = follow(finished[0], GOAL, evaluate)
        assert (stop, evaluate.n_calls) == (finished[1], 0)
        assert state.ledger is finished[0].ledger

    def test_a_higher_goal_goes_on_from_there(self, finished):
        state, stop, _ = follow(finished[0], replace(GOAL, n_eff=1500), Evaluation(log_likelihood))
        assert stop is StopReason.GOAL
        assert answer(state, discard_exploration=False).n_eff >= 1500
        n = finished[0].n_like
        np.testing.assert_array_equal(state.ledger.points[:n], finished[0].ledger.points)

    def test_points_of_the_sampling_phase_alone_can_be_the_goal(self, finished):
        goal = replace(GOAL, discard_exploration=True, n_shell=700)
        state, stop, _ = follow(finished[0], goal, Evaluation(log_likelihood))
        assert stop is StopReason.GOAL
        fresh = answer(state, discard_exploration=True)
        assert fresh.n_eff >= 400
        assert phase_rows(state.ledger, SAMPLE).sum() >= 700
        assert abs(fresh.log_z - LOG_Z) < 5 * fresh.log_z_err

    def test_a_likelihood_of_zero_ends_with_a_reason(self):
        evaluate = Evaluation(lambda points: np.full(len(points), -np.inf))
        state, stop, _ = follow(new_state(2), GOAL, evaluate)
        assert stop is StopReason.NO_LIKELIHOOD
        assert state.n_like == evaluate.n_calls == N_SEARCH * CONFIG.n_live


class Watch:
    """Writes down in which order a run evaluates, computes densities, draws and says something."""

    def __init__(self):
        self.events = []
        self.evaluation = Evaluation(log_likelihood, n_chunk=100)

    def evaluate(self, points):
        self.events.append("start")
        evaluating = self.evaluation(points)

        def chunks():
            for chunk in evaluating:
                self.events.append("chunk")
                yield chunk

        return chunks()

    def run_tasks(self, function, tasks):
        names = {_log_density: "densities", _chunk: "draw"}
        if function in names:
            self.events.append(names[function])
        return serial(function, tasks)

    def follow(self):
        """Return for each kind of stage what happened before and after it was announced."""
        kinds, kind, before = {}, "", ()
        for step in steps(new_state(2), CONFIG, GOAL, self.evaluate, self.run_tasks):
            if step.message == "stage complete":
                kinds.setdefault(kind, set()).add((before, self.take()))
            elif step.message:
                kind, before = step.message.split()[0], self.take()
        return kinds

    def take(self):
        """Return what happened since this was last asked, repetitions left out."""
        taken, self.events = self.events, []
        return tuple(event for event, _ in groupby(taken))


class TestDensitiesThatCanWait:
    def test_they_are_computed_while_points_are_being_evaluated(self):
        kinds = Watch().follow()
        plain = ("start", "chunk", "densities")
        assert kinds["drawing"] == {(("draw",), plain)}
        assert kinds["contour"] == {(("draw",), ("start", "densities", "chunk", "densities"))}
        # The densities of an imitation of the posterior decide on its share.
        assert kinds["imitating"] == {(("densities", "draw"), plain)}

    def test_a_run_can_be_left_after_every_step(self, finished):
        state, stop, n_waiting = new_state(2), None, 0
        evaluate = Evaluation(log_likelihood, seed=1, n_chunk=29)
        while stop is None:
            run = steps(state, CONFIG, GOAL, evaluate, serial)
            step = next(run)
            run.close()
            assert evaluate.n_open == 0
            state, stop = step.state, step.stop
            n_used = max((len(stage.counts) for stage in state.ledger.stages), default=0)
            known = state.table.log_q.shape
            assert known[0] == state.ledger.n_points
            assert n_used <= known[1] <= len(state.proposals)
            if not state.is_table_complete:
                n_waiting += 1
                assert state.pending.n_done == 0
        assert n_waiting > 1
        assert evaluate.n_calls == state.n_like
        assert_same(state, finished[0])

    def test_no_answer_depends_on_them(self):
        answers = []
        for step in steps(new_state(2), CONFIG, GOAL, Evaluation(log_likelihood), serial):
            state = step.state
            whole = state.with_all_densities(serial)
            assert whole.is_table_complete
            assert (whole is state) == state.is_table_complete
            if whole is not state:
                found, known = answer(state, False), answer(whole, False)
                answers.append((found.log_z, found.log_z_err, found.n_eff))
                assert answers[-1] == (known.log_z, known.log_z_err, known.n_eff)
                np.testing.assert_array_equal(found.log_weights, known.log_weights)
        assert len(answers) > 1

    @pytest.mark.parametrize("error", [OSError("no room"), KeyboardInterrupt()], ids=repr)
    @pytest.mark.parametrize("remainder", [0, 1, 2])
    def test_a_failure_among_them_loses_nothing(self, finished, error, remainder):
        n_asked, n_failed, n_kept = 0, 0, 0

        def moody(function, tasks):
            nonlocal n_asked
            if function is _log_density:
                n_asked += 1
                if n_asked % 3 == remainder:
                    raise error
            return serial(function, tasks)

        state, stop = new_state(2), None
        evaluate = Evaluation(log_likelihood, seed=1, n_chunk=29)
        while stop is None:
            try:
                for step in steps(state, CONFIG, GOAL, evaluate, moody):
                    state, stop = step.state, step.stop
            except type(error):
                n_failed += 1
                n_kept += state.pending is not None and state.pending.n_done > 0
            assert evaluate.n_open == 0
        assert n_failed > 1
        # An interrupt leaves what was under way, another error the whole stage.
        assert n_kept > 0
        assert evaluate.n_calls == state.n_like
        assert_same(state, finished[0])

    def test_an_error_that_stays_is_raised_once_the_stage_is_evaluated(self, finished):
        def broken(function, tasks):
            if function is _log_density and len({id(proposal) for proposal, _ in tasks}) > 1:
                raise OSError("no room")
            return serial(function, tasks)

        def stop_at_contour(state):
            reached = [state]
            run = steps(state, CONFIG, GOAL, Evaluation(log_likelihood), broken)
            with pytest.raises(OSError, match="no room"):
                reached.extend(step.state for step in run)
            return reached[-1]

        state = stop_at_contour(new_state(2))
        assert len(state.ledger.stages) == 1
        assert state.pending.is_done.all()
        assert len(state.proposals) == 2
        again = stop_at_contour(state)
        assert again.ledger is state.ledger
        assert_same(follow(again, GOAL, Evaluation(log_likelihood))[0], finished[0])


def test_a_later_proposal_of_any_height_leaves_earlier_stages_alone():
    stages = (
        Stage(Phase.EXPLORATION, np.array([10])),
        Stage(Phase.EXPLORATION, np.array([1, 9])),
    )
    log_q = np.array([[0.0, 1400.0], [0.0, -1400.0]])
    found = stage_log_densities(log_q, stages)
    np.testing.assert_array_equal(found[:, 0], [0.0, 0.0])
    np.testing.assert_allclose(found[:, 1], [1400.0 + np.log(0.9), np.log(0.1)])


@pytest.fixture(scope="module")
def after_a_spike():
    """Return a run of two stages in which one early point dwarfs all others."""
    build = BuildSettings(emulator=EmulatorSettings(n_networks=0))
    config = Config(5, 0, 500, 500, 5000, 1, build)
    state = plan_cube(new_state(5), config, np.inf, EXPLORE, serial)
    spike = state.pending.points[7]
    height = 10.0 + np.max(-50 * np.sum((state.pending.points - 0.5) ** 2, axis=1))

    def log_l(points):
        inside = np.abs(points - spike).max(axis=1) < 0.01
        return np.where(inside, height, -50 * np.sum((points - 0.5) ** 2, axis=1))

    def evaluated(state):
        points = state.pending.points
        pending = state.pending.fill(np.arange(len(points)), log_l(points), None)
        return commit(replace(state, pending=pending), serial)

    first = evaluated(state)
    return evaluated(plan_posterior(first, config, 1000, True, serial))


class TestOneHeavyPoint:
    """One point that dwarfs all others: a poor estimate may come out, no wrong one."""

    def test_the_proposal_is_not_a_point(self, after_a_spike):
        points = after_a_spike.ledger.points
        assert len(np.unique(points, axis=0)) == len(points)

    def test_the_estimate_says_how_poor_it_is(self, after_a_spike):
        found = answer(after_a_spike, False)
        assert found.n_eff < 5
        assert 0.5 < found.log_z_err < np.inf


class TestExtremes:
    def test_a_density_that_was_not_used_may_be_of_any_size(self):
        stages = (Stage(EXPLORE, np.array([40, 0])), Stage(EXPLORE, np.array([20, 20])))
        points = np.random.default_rng(0).random((80, 1))
        log_q = np.column_stack([np.zeros(80), np.full(80, -5.0)])
        log_q[:40, 1] = 900.0
        proposals = (CubeProposal(1), CubeProposal(1))
        found = estimate(
            Ledger(points, np.zeros(80), None, stages), DensityTable(log_q), proposals, BOTH
        )
        assert np.isfinite(found.log_z_err)

    @pytest.mark.parametrize("gap", [20.0, 36.0, 60.0])
    def test_a_stage_that_alone_reaches_a_point_keeps_its_share(self, gap):
        # The second stage has far more density at one point of the first than the first has.
        stages = (Stage(EXPLORE, np.array([100, 0])), Stage(EXPLORE, np.array([50, 50])))
        points = np.random.default_rng(0).random((200, 1))
        log_m = np.zeros((200, 2))
        log_m[3, 1] = gap
        ledger = Ledger(points, np.zeros(200), None, stages)
        shares_found = combine_stages(ledger, log_m, np.array([100, 100]))
        np.testing.assert_allclose(shares_found, 0.5, atol=0.02)
