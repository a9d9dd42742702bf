"""The envelope of a proposal: its base, how draws are thinned, and what is never refused."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from nautilus._types import select_rows
from nautilus.geometry.coordinates import Coordinates, log_prior_density
from nautilus.geometry.mixture import Mixture, combine, standard_normal
from nautilus.geometry.walls import reach_walls
from nautilus.proposal.coverage import cover
from nautilus.proposal.envelope import (
    FIRST_WIDENING,
    ceiling_for,
    choose_base,
    choose_ceiling,
    choose_floors,
    thin_out,
)
from nautilus.proposal.learned import CHUNK, LearnedProposal, base_log_density, draw_base
from nautilus.proposal.lift import LIFT_MAX, POINTS_WANTED, choose_lifts
from nautilus.proposal.seen import Seen, temper
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget

SETTINGS = BuildSettings()
COORDINATES = Coordinates(np.full(2, np.nan))


@dataclass(frozen=True)
class Formula:
    """An emulator that is a formula, wrong by so much beyond a line."""

    error: float = 0.0
    line: float = np.inf
    formula: Callable = field(kw_only=True)

    def log_likelihood(self, points, space, margin=0.0):
        return self.formula(points) - self.error * (points[:, 0] > self.line)


def bell(points, centre=0.5):
    return -0.5 * (((points - centre) / 0.1) ** 2).sum(axis=1)


def two_bells(points):
    return np.logaddexp(bell(points, 0.2), bell(points, 0.8))


def seen_by(log_likelihood, target, n=20_000):
    points = np.random.default_rng(3).random((n, 2))
    log_l = log_likelihood(points)
    log_target = target.log_value(log_l)
    weights = np.exp(log_target - log_target.max())
    return Seen(points, COORDINATES.to_space(points), log_l, np.zeros(n), log_target, weights)


class TestFloors:
    TARGET = CappedTarget(np.inf)

    def two_components(self):
        """Return a base for two bells."""
        centres = COORDINATES.to_space(np.array([[0.2, 0.2], [0.8, 0.8]]))
        factors = 0.5 * np.eye(2)[None].repeat(2, axis=0)
        bells = Mixture(np.log([0.5, 0.5]), centres, factors, np.full(2, np.inf))
        return combine([bells, standard_normal(2)], [0.98, 0.02])

    def proposal(self, emulator, base, seen):
        """Return a proposal without floors."""
        log_ceiling, none = choose_ceiling(cover(base, seen), SETTINGS), np.zeros(0)
        lifts = np.ones(base.n_components)
        return LearnedProposal(
            COORDINATES, base, emulator, self.TARGET, log_ceiling, none, lifts, 0.0, 0.0
        )

    def floors(self, emulator, base):
        """Return the floors of the components over the smallest one, and the smallest one."""
        seen = seen_by(emulator.formula, self.TARGET)
        proposal = self.proposal(emulator, base, seen)
        points, space = draw_base(base, COORDINATES, CHUNK, np.random.default_rng(7))
        accept = thin_out(proposal.log_ratio(points, space), proposal.log_ceiling)
        floors = choose_floors(proposal, seen, space, accept, SETTINGS)
        assert np.all((floors > 0) & (floors <= 1))
        mean = accept.mean()
        least = SETTINGS.base_share * mean / (1 - SETTINGS.base_share + SETTINGS.base_share * mean)
        return floors / least, least

    def test_a_good_emulator_is_believed(self):
        assert np.isclose(self.floors(Formula(formula=bell), standard_normal(2))[0], 1.0)

    def test_one_that_rejects_a_known_part_is_believed_less(self):
        # A tenth of the target lies beyond the line.
        found = [
            self.floors(Formula(error, 0.628, formula=bell), standard_normal(2))[0][0]
            for error in (0.5, 5.0, 500.0)
        ]
        assert np.isclose(found[0], 1.0)
        assert found[1] > 2.0
        assert found[2] >= found[1]

    def test_one_that_rejects_nearly_all_is_hardly_used(self):
        found, least = self.floors(Formula(50.0, 0.45, formula=bell), standard_normal(2))
        assert found[0] * least > 0.3

    def test_no_single_change_makes_the_weights_more_even(self):
        def spread(floors):
            filled = replace(proposal, floors=floors)
            log_accept = filled._log_base_and_accept(seen.points, seen.space)[1]
            excess = log_target - base_log_density(base, seen.space) - log_accept
            trials = filled._log_base_and_accept(points, space)[1]
            return np.exp(trials).mean() * float(seen.weights @ np.exp(excess - peak))

        emulator = Formula(5.0, 0.6, formula=two_bells)
        seen = seen_by(emulator.formula, self.TARGET)
        log_target, base = seen.log_target, self.two_components()
        peak = float((log_target - base_log_density(base, seen.space)).max())
        proposal = self.proposal(emulator, base, seen)
        points, space = draw_base(base, COORDINATES, CHUNK, np.random.default_rng(7))
        accept = thin_out(proposal.log_ratio(points, space), proposal.log_ceiling)
        floors = choose_floors(proposal, seen, space, accept, SETTINGS)
        best = spread(floors)
        for k in range(len(floors)):
            for other in np.geomspace(floors.min(), 1.0, 8):
                changed = np.where(np.arange(len(floors)) == k, other, floors)
                # Known points are thinned to a sample that stands for all of them.
                assert spread(changed) > 0.97 * best
        common = np.geomspace(floors.min(), 1.0, 8)
        assert best < 0.95 * min(spread(np.full(3, floor)) for floor in common)

    def test_only_the_component_that_is_rejected_gets_a_floor(self):
        base = self.two_components()
        believed, least = self.floors(Formula(formula=two_bells), base)
        rejected, _ = self.floors(Formula(500.0, 0.5, formula=two_bells), base)
        assert np.allclose(believed, 1.0)
        assert rejected[1] > 3.0 * rejected[0]
        assert rejected[1] * least > 0.2


def funnel(points):
    """A neck whose width falls by a factor of thousands: few points see the end of it."""
    log_width = -2.0 - 12.0 * (0.9 - points[:, 0])
    return -0.5 * ((points[:, 1] - 0.5) / np.exp(log_width)) ** 2 - log_width


def in_the_funnel(n, log_level):
    """Points of which half lie deep in the neck, with their density."""
    rng = np.random.default_rng(5)
    low = np.where(rng.random(n) < 0.5, 0.0, 0.45)
    x = low + 0.45 * rng.random(n)
    width = np.exp(-2.0 - 12.0 * (0.9 - x))
    y = 0.5 + width * rng.standard_normal(n)
    inside = (y > 0) & (y < 1)
    points = np.column_stack([x, y])[inside]
    log_l = funnel(points)
    deviation = (points[:, 1] - 0.5) / width[inside]
    log_g = -0.5 * deviation**2 - np.log(width[inside])
    target = CappedTarget(log_level, 0.0)
    boost = np.log(np.exp(target.log_value(log_l) - log_g)[log_l <= log_level].sum())
    boost -= np.log(np.exp(target.log_value(log_l) - log_g)[log_l > log_level].sum())
    target = CappedTarget(log_level, float(boost))
    log_target = target.log_value(log_l)
    weights = temper(log_target - log_g, 6.0)
    space = COORDINATES.to_space(points)
    return Seen(points, space, log_l, log_g, log_target, weights), target


class TestBase:
    def test_a_narrow_inside_gets_a_part_of_its_own(self, seed):
        seen, target = in_the_funnel(2000, 6.0)
        rng = np.random.default_rng(seed)
        one = seen.fit(SETTINGS, np.random.default_rng(seed))
        fitted, known = choose_base(seen, target, SETTINGS, rng)
        base = known.base
        assert fitted.n_components > one.n_components
        inside = seen.log_l > target.log_level
        draws = COORDINATES.to_cube(base.draw(20_000, rng))
        assert np.mean(funnel(draws) > target.log_level) > 0.15
        assert np.isfinite(base_log_density(base, seen.space[inside])).all()

    def test_a_plain_target_is_fitted_as_one(self, seed):
        target = CappedTarget(-2.0, 0.0)
        seen = seen_by(bell, target)
        fitted, _ = choose_base(seen, target, SETTINGS, np.random.default_rng(seed))
        one = seen.fit(SETTINGS, np.random.default_rng(seed))
        one = reach_walls(one, FIRST_WIDENING * SETTINGS.enlarge)
        np.testing.assert_array_equal(fitted.means, one.means)

    @pytest.mark.parametrize("log_level", [np.inf, 1e9, -1e9])
    def test_an_empty_part_is_no_accident(self, log_level, seed):
        target = CappedTarget(log_level, 0.0)
        seen = seen_by(bell, target, 500)
        fitted, known = choose_base(seen, target, SETTINGS, np.random.default_rng(seed))
        assert fitted.n_components >= 1
        assert np.isfinite(known.base.log_density(seen.space)).all()


class TestCeiling:
    def test_it_cuts_off_the_share_that_is_allowed(self):
        seen = seen_by(bell, CappedTarget(np.inf))
        base = combine([standard_normal(2).scaled(0.5)], [1.0])
        log_ceiling = choose_ceiling(cover(base, seen), SETTINGS)
        ratio = seen.log_target - base.log_density(seen.space) + log_prior_density(seen.space)
        kept = np.exp(np.minimum(log_ceiling - ratio, 0.0))
        cut = 1 - float(seen.weights @ kept / seen.weights.sum())
        assert np.isclose(cut, SETTINGS.cut_off_max)

    def test_nor_more_where_one_point_dominates(self):
        seen = seen_by(bell, CappedTarget(np.inf), 300)
        log_target = np.where(np.arange(300) == 5, 20.0, seen.log_target)
        seen = replace(seen, log_target=log_target, weights=np.exp(log_target - 20.0))
        base = standard_normal(2)
        log_ceiling = choose_ceiling(cover(base, seen), SETTINGS)
        kept = np.exp(
            np.minimum(log_ceiling - log_target + base_log_density(base, seen.space), 0.0)
        )
        cut = 1 - float(seen.weights @ kept / seen.weights.sum())
        assert np.isclose(cut, SETTINGS.cut_off_max)

    def test_no_part_is_cut_off_deeply(self):
        # A hundredth of the target lies where the base is too low by far.
        seen = seen_by(two_bells, CappedTarget(np.inf))
        share = np.where(seen.points[:, 0] > 0.5, 0.01, 1.0)
        seen = replace(
            seen, weights=seen.weights * share, log_target=seen.log_target + np.log(share)
        )
        centre = COORDINATES.to_space(np.array([[0.2, 0.2]]))
        main = replace(standard_normal(2).scaled(0.5), means=centre)
        base = combine([main, standard_normal(2)], [0.9999, 0.0001])
        log_ratio = seen.log_target - base_log_density(base, seen.space)
        log_ceiling = choose_ceiling(cover(base, seen), SETTINGS)
        kept = np.exp(np.minimum(log_ceiling - log_ratio, 0.0))
        far = seen.points[:, 0] > 0.5
        assert seen.weights[far] @ kept[far] > 0.5 * seen.weights[far].sum()
        plain = choose_ceiling(cover(base, seen), replace(SETTINGS, cut_deep_max=1.0 - 1e-9))
        kept = np.exp(np.minimum(plain - log_ratio, 0.0))
        assert seen.weights[far] @ kept[far] < 0.1 * seen.weights[far].sum()

    @pytest.mark.parametrize("acceptance", [0.03, 0.3, 0.9])
    def test_the_ceiling_for_an_acceptance_gives_it(self, acceptance, seed):
        log_ratio = 3.0 * np.random.default_rng(seed).standard_normal(5000)
        log_ceiling = ceiling_for(log_ratio, acceptance)
        found = np.exp(np.minimum(log_ratio - log_ceiling, 0.0)).mean()
        assert np.isclose(found, acceptance, rtol=1e-6)


class TestCoverage:
    def test_it_is_the_base_at_the_points_of_weight(self):
        seen = seen_by(two_bells, CappedTarget(np.inf))
        base = combine([standard_normal(2).scaled(0.5), standard_normal(2)], [0.3, 0.7])
        known, heavy = cover(base, seen), seen.heavy
        assert 0 < heavy.sum() < len(heavy)
        np.testing.assert_allclose(known.log_base, base_log_density(base, seen.space[heavy]))
        np.testing.assert_allclose(known.responsibilities, base.responsibilities(seen.space[heavy]))
        np.testing.assert_array_equal(known.log_target, seen.log_target[heavy])
        np.testing.assert_array_equal(known.weights, seen.weights[heavy])

    def test_other_shares_need_no_other_look(self):
        seen = seen_by(two_bells, CappedTarget(np.inf))
        base = combine([standard_normal(2).scaled(0.5), standard_normal(2)], [0.3, 0.7])
        factors = np.array([4.0, 1.0])
        known, anew = cover(base, seen).reweighted(factors), cover(base.reweighted(factors), seen)
        np.testing.assert_allclose(known.base.log_shares, anew.base.log_shares)
        np.testing.assert_allclose(known.log_base, anew.log_base)
        np.testing.assert_allclose(known.responsibilities, anew.responsibilities)


class TestLifts:
    def base(self):
        centres = COORDINATES.to_space(np.array([[0.2, 0.2], [0.8, 0.8]]))
        factors = 0.35 * np.eye(2)[None].repeat(2, axis=0)
        return Mixture(np.log([0.9, 0.1]), centres, factors, np.full(2, np.inf))

    def seen(self, n_far):
        """Return many points of the first bell and a few of the second."""
        rng = np.random.default_rng(11)
        centres = np.repeat([0.2, 0.8], [300, n_far])[:, None]
        points = centres + 0.1 * rng.standard_normal((300 + n_far, 2))
        points = points[((points > 0) & (points < 1)).all(axis=1)]
        log_l = two_bells(points)
        one = np.ones(len(points))
        return Seen(points, COORDINATES.to_space(points), log_l, log_l, log_l, one)

    def test_what_many_points_know_is_not_lifted(self):
        np.testing.assert_array_equal(choose_lifts(cover(self.base(), self.seen(300))), [1.0, 1.0])

    @pytest.mark.parametrize("n_far", [2, 6, 9])
    def test_a_part_that_few_points_know_is_lifted(self, n_far):
        lifts = choose_lifts(cover(self.base(), self.seen(n_far)))
        assert lifts[0] == 1.0
        wanted = POINTS_WANTED * 6
        np.testing.assert_allclose(lifts[1], min(wanted / n_far, LIFT_MAX), rtol=0.15)

    def test_points_stand_for_the_lifted_target(self):
        seen, base = self.seen(3), self.base()
        after = cover(base, seen).lifted(np.array([1.0, 3.0]))
        factor = after.weights / seen.weights
        np.testing.assert_allclose(after.log_target, seen.log_target + np.log(factor))
        far = seen.points.sum(axis=1) > 1.2
        assert far.sum() == 3
        np.testing.assert_allclose(factor[far], 3.0, rtol=0.05)
        assert factor[~far].mean() < 1.1

    def test_nobody_knows_a_component_without_points(self):
        far = replace(self.base(), means=np.array([[-0.8, -0.8], [30.0, 30.0]]))
        assert choose_lifts(cover(far, self.seen(1))).max() == LIFT_MAX


class TestTemper:
    def test_points_without_weight_stay_so(self):
        log_weights = np.array([-np.inf, 0.0, -3.0, -np.inf, -1.0])
        found = temper(log_weights, 6.0)  # more than there are: all that weigh anything count alike
        np.testing.assert_allclose(found, [0.0, 1.0, 1.0, 0.0, 1.0], atol=1e-6)

    def test_one_heavy_point_is_brought_down(self):
        found = temper(np.array([50.0, *np.zeros(40)]), 12.0)
        assert np.isclose(found.sum() ** 2 / (found**2).sum(), 12.0)
        assert found[0] == 1.0


class TestSeen:
    def test_typical_points_follow_the_weights(self):
        seen = seen_by(bell, CappedTarget(np.inf))
        chosen = seen.typical(5000)
        assert np.all(np.diff(chosen) >= 0)
        share = seen.weights / seen.weights.sum()
        counts = np.bincount(chosen, minlength=len(share))
        assert np.all(np.abs(counts - 5000 * share) < 1.0 + 1e-9)

    def test_a_part_keeps_what_belongs_together(self):
        seen = seen_by(bell, CappedTarget(np.inf), 300)
        part = select_rows(seen, seen.points[:, 0] > 0.5)
        assert np.all(part.points[:, 0] > 0.5)
        np.testing.assert_array_equal(part.log_l, bell(part.points))
        np.testing.assert_array_equal(part.space, COORDINATES.to_space(part.points))
        np.testing.assert_array_equal(part.weights, np.exp(part.log_target - seen.log_target.max()))
