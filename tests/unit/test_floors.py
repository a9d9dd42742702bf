"""Likelihoods that are one low value nearly everywhere, of any size, or constant."""

import warnings

import numpy as np
import pytest

import nautilus
from nautilus import (
    NoResultError,
    Prior,
    Sampler,
    SettingsError,
    UntrustedResultWarning,
    UnusualSettingWarning,
)
from nautilus._numerics import reference_of
from nautilus._streams import stream
from nautilus.geometry.coordinates import Coordinates
from nautilus.proposal.neighbourhoods import surround
from nautilus.result import UNFINISHED
from nautilus.run.landscape import above_floor, floor_finding, landscape
from nautilus.run.level import choose_level
from nautilus.run.state import Ledger, Phase, Stage
from nautilus.run.stop import StopReason

LOWEST = -float(np.finfo(float).max)
FLOORS = (-np.inf, -69.0, pytest.param(-1e30, marks=pytest.mark.long), -1e100, LOWEST)
SHARE = 2e-3
SHORT = {"n_live": 50, "n_update": 150, "n_eff": 500}
"""A run that draws enough points from the prior for a box with a share of 0.01."""


def unit_cube(points):
    return points


def box(floor, share=SHARE):
    """Return a likelihood that rises inside a small square, and its exact log evidence."""
    side = share**0.5

    def log_l(points):
        inside = ((points > 0.3) & (points < 0.3 + side)).all(axis=1)
        return np.where(inside, 3.0 * (points[:, 0] - 0.3) / side, floor)

    return log_l, np.logaddexp(np.log(share * np.expm1(3.0) / 3.0), floor)


def run_of(log_l, n_dim=2, *, n_live=100, n_update=None, seed=3, **goal):
    sampler = Sampler(
        unit_cube, log_l, n_dim=n_dim, n_live=n_live, n_update=n_update, vectorized=True,
        pass_dict=False, seed=seed, n_networks=1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UntrustedResultWarning)
        sampler.run(**goal)
    return sampler


class TestLandscape:
    def test_the_floor_is_the_lowest_value_if_points_share_it(self):
        assert above_floor(np.array([1.0, -5.0, -5.0, 2.0])).tolist() == [True, False, False, True]
        assert above_floor(np.array([-np.inf, 0.0, -np.inf])).tolist() == [False, True, False]
        assert above_floor(np.array([1.0, -5.0, 2.0])).all()
        assert not above_floor(np.full(4, -69.0)).any()

    @pytest.mark.parametrize("floor", [-69.0, -1e30, -1e100])
    def test_a_floor_without_evidence_is_left_out(self, floor):
        log_l = np.array([-1.0, floor, floor, -2.0])
        assert landscape(log_l, np.zeros(4)).tolist() == [-1.0, -np.inf, -np.inf, -2.0]

    @pytest.mark.parametrize("offset", [0.0, 1e18, -1e18])
    def test_a_floor_that_holds_evidence_stays(self, offset):
        log_l = np.array([0.0, 0.0, np.spacing(abs(offset) + 1.0)]) + offset
        log_g = np.array([0.0, 0.0, np.log(1e100) + abs(offset) / 1e15])
        assert landscape(log_l, log_g).tolist() == log_l.tolist()

    def test_what_no_two_points_share_is_no_floor(self):
        log_l = np.array([-1.0, -1e30, -2.0])
        assert landscape(log_l, np.zeros(3)) is log_l

    def test_densities_count(self):
        # A peak that was drawn from a thousand times as often as the floor is as much narrower.
        log_l = np.array([0.0, -7.0, -7.0])
        assert landscape(log_l, np.array([7.0, 0.0, 0.0])).tolist() == log_l.tolist()
        assert landscape(log_l, np.zeros(3)).tolist() == [0.0, -np.inf, -np.inf]


def ledger_of(log_l, counts):
    stages = tuple(Stage(Phase.EXPLORATION, np.array(row)) for row in counts)
    return Ledger(np.full((len(log_l), 1), 0.5), np.array(log_l), None, stages)


class TestFindings:
    def test_few_points_of_the_prior_above_the_floor_are_told(self):
        log_l = [-69.0] * 96 + [0.0] * 4
        assert floor_finding(ledger_of(log_l, [[100]])).startswith("only 4 of 100 points")
        # What was drawn from around them says nothing about other parts.
        log_l += [-69.0] + [0.0] * 49
        assert floor_finding(ledger_of(log_l, [[100], [1, 49]])).startswith("only 4 of 101 points")

    def test_enough_of_them_or_no_floor_are_not(self):
        assert floor_finding(ledger_of([-69.0] * 95 + [0.0] * 5, [[100]])) == ""
        assert floor_finding(ledger_of([1.0, 2.0], [[2]])) == ""

    def test_one_value_everywhere_is_told_with_what_it_may_hide(self):
        told = floor_finding(ledger_of([-7.25] * 1000, [[1000]]))
        assert told.startswith("log L is -7.25 at all 1,000 points")
        assert "0.003 of the prior" in told


class TestNeighbourhoods:
    def test_the_density_is_that_of_what_is_drawn(self, seed):
        points = np.array([[0.02, 0.5], [0.7, 0.93]])
        proposal = surround(points, np.array([0.1]), (1,))
        drawn = np.concatenate([proposal.chunk(stream(seed, "draw", j)) for j in range(60)])
        assert ((drawn > 0) & (drawn < 1)).all()
        counts, *_ = np.histogram2d(*drawn.T, bins=10, range=[(0, 1), (0, 1)])
        # Midpoints of fine cells integrate the density over the coarse ones.
        n = 400
        grid = (np.arange(n) + 0.5) / n
        fine = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
        mass = np.exp(proposal.log_density(fine)).reshape(10, n // 10, 10, n // 10).mean((1, 3))
        mass /= 100
        expected = len(drawn) * mass
        often = expected > 50
        often[[0, -1]] = False  # cells at a wall are not fine enough
        pulls = (counts - expected)[often] / np.sqrt(expected[often])
        assert often.sum() > 5
        assert np.abs(pulls).max() < 5.0  # a false alarm in a hundred thousand

    @pytest.mark.parametrize("u", [2.0**-53, 1.0 - 2.0**-53])
    def test_those_at_a_wall_lose_nothing(self, u, seed):
        proposal = surround(np.array([[u]]), np.array([0.1, 1e-3]), ())
        drawn = proposal.chunk(stream(seed, "draw"))
        assert len(drawn) > 1000  # of 1024
        assert np.mean(np.abs(drawn - u) < 0.01) > 0.9

    def test_they_are_as_large_as_the_part(self, seed):
        centre = np.array([[0.1, 0.5, 0.8]])
        for volume in (1e-2, 1e-5):
            side = volume ** (1.0 / 3.0)
            drawn = surround(centre, np.array([side]), ()).chunk(stream(seed, "draw"))
            inside = (np.abs(drawn - centre) < 0.5 * side).all(axis=1)
            assert 0.2 < inside.mean() < 0.8

    def test_those_of_a_part_across_the_seam_of_a_circle_are_not_cut(self, seed):
        points = np.array([[0.99], [0.01]])
        drawn = surround(points, np.array([0.05]), (0,)).chunk(stream(seed, "draw"))
        assert np.isnan(Coordinates(np.array([np.nan])).cuts).all()
        near = np.minimum(drawn, 1 - drawn) < 0.1
        assert near.mean() > 0.9


@pytest.fixture(scope="module")
def expected():
    """Return the run whose floor is a likelihood of zero."""
    return run_of(box(-np.inf, 0.01)[0], **SHORT)


class TestRuns:
    @pytest.mark.parametrize("floor", FLOORS)
    def test_the_height_of_the_floor_changes_neither_calls_nor_answer(self, floor, expected):
        log_l, log_z = box(floor, 0.01)
        sampler = run_of(log_l, **SHORT) if floor > -np.inf else expected
        assert sampler.n_like == expected.n_like < 5000
        assert abs(sampler.log_z - log_z) < 5 * sampler.log_z_err
        assert sampler.log_z == pytest.approx(expected.log_z, abs=1e-9)
        assert sampler.result.findings == ()

    @pytest.mark.parametrize("floor", [-np.inf, pytest.param(-69.0, marks=pytest.mark.long)])
    def test_a_few_points_are_enough_to_find_the_rest(self, floor):
        log_l, log_z = box(floor)
        sampler = run_of(log_l, n_live=50, n_eff=300, seed=2)
        assert abs(sampler.log_z - log_z) < 5 * sampler.log_z_err
        assert sampler.n_like < 4000
        (finding,) = sampler.result.findings
        assert finding.startswith("only ")
        assert "points drawn from the whole prior have a log L above its floor" in finding

    def test_a_floor_that_matters_is_part_of_the_landscape(self):
        log_l, log_z = box(-3.0)
        sampler = run_of(log_l, n_update=200, n_eff=500)
        assert abs(sampler.log_z - log_z) < 5 * sampler.log_z_err
        assert sampler.result.findings == ()


class TestConstants:
    @pytest.mark.parametrize("value", [0.0, -69.0, 1e18, -1e16, -1e18, 1e140, -1e100])
    @pytest.mark.parametrize("discard", [False, True])
    def test_n_eff_is_the_number_of_points(self, value, discard):
        sampler = run_of(
            lambda x: np.full(len(x), value), n_live=50, n_eff=1500, discard_exploration=discard
        )
        n_sampled = sampler.n_like - 500
        n = n_sampled if discard else sampler.n_like
        assert n == 1500
        assert sampler.log_z == pytest.approx(value, rel=1e-12, abs=1e-12)
        assert sampler.n_eff == pytest.approx(n, rel=1e-12)
        assert sampler.n_eff <= n
        assert sampler.result.tail_index == 0.0
        (finding,) = sampler.result.findings
        assert finding.startswith(f"log L is {value:.6g} at all {sampler.n_like:,} points")

    def test_the_least_that_is_drawn(self):
        sampler = run_of(lambda x: np.zeros(len(x)), n_live=50, n_eff=10)
        assert sampler.n_like == 20 * 50
        with pytest.warns(UntrustedResultWarning, match="at all 1,000 points"):
            sampler.run(n_eff=10)
        assert sampler.n_like == 20 * 50
        with pytest.warns(UntrustedResultWarning, match="at all 1,200 points"):
            sampler.run(n_eff=1200)
        assert sampler.n_like == 1200

    def test_the_finding_goes_when_something_is_found(self):
        corner = 1.0 - 0.05**0.5
        calls = []

        def log_l(points):
            calls.append(len(points))
            late = sum(calls) > 900
            return np.where((points > corner).all(axis=1) & late, 0.0, -69.0)

        sampler = run_of(log_l, n_live=50, n_eff=1000)
        assert not any("at all" in text for text in sampler.result.findings)
        assert sampler.log_z > -5

    def test_zero_everywhere_ends_with_a_reason(self):
        sampler = run_of(lambda x: np.full(len(x), -np.inf), n_live=50, n_eff=10)
        assert sampler.n_like == 20 * 50
        assert StopReason.NO_LIKELIHOOD.value in sampler._session.stop_reason
        with pytest.raises(NoResultError, match="none of the first 1000 points has a finite"):
            _ = sampler.result


class TestTwoFloors:
    """A floor above minus infinity, or above another floor, is not taken for the landscape."""

    @pytest.mark.parametrize("lower", [-np.inf, pytest.param(-1e100, marks=pytest.mark.long)])
    def test_what_stands_above_both_is_found_or_doubted(self, lower):
        def log_l(x):
            if np.all(np.abs(x - 0.8) < 0.02):
                return -0.5 * float(np.sum(((x - 0.8) / 0.005) ** 2))
            return lower if x[0] < 0.1 else -69.0

        for seed in range(2):
            sampler = Sampler(
                lambda u: u, log_l, n_dim=2, n_live=100, n_update=300, n_networks=1, seed=seed
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UntrustedResultWarning)
                is_done = sampler.run(n_eff=300)
            is_right = abs(sampler.log_z + 8.7587) < 5 * sampler.log_z_err
            assert is_right if is_done else sampler.result.findings


def normal(points):
    return -0.5 * ((points - 0.4) ** 2).sum(axis=1) / 0.05**2


@pytest.fixture(scope="module")
def plain():
    """Return a run of values around zero."""
    return run_of(normal, n_eff=800)


class TestHugeValues:
    @pytest.mark.parametrize(
        "offset", [1e9, *(pytest.param(x, marks=pytest.mark.long) for x in (-1e9, 1e12)), -1e13]
    )
    def test_an_offset_changes_n_eff_by_its_rounding_only(self, offset, plain):
        moved = run_of(lambda x: offset + normal(x), n_eff=800)
        assert moved.n_like == plain.n_like
        assert moved.n_eff == pytest.approx(plain.n_eff, rel=0.02)
        steps = np.spacing(abs(offset))
        assert moved.log_z - offset == pytest.approx(plain.log_z, abs=0.005 + 2 * steps)
        assert moved.result.findings == ()

    def test_the_reference_is_the_peak_of_huge_values_only(self):
        assert reference_of(np.array([-3.0, 1e6])) == 0.0
        assert reference_of(np.array([-np.inf, -1e18, -2e18])) == -1e18
        assert reference_of(np.array([-1e100, -2.0])) == 0.0
        assert reference_of(np.full(3, -np.inf)) == 0.0
        assert reference_of(np.empty(0)) == 0.0

    @pytest.mark.parametrize("offset", [0.0, 2.0**60, -(2.0**70)])
    def test_the_next_contour_is_a_value_of_log_l(self, offset, seed):
        rng = np.random.default_rng(seed)
        log_l = offset + np.spacing(abs(offset) or 1.0) * rng.integers(0, 1000, 400)
        level = choose_level(log_l, np.zeros(400), 100.0)
        assert level.log_level in log_l
        assert (log_l > level.log_level).sum() == pytest.approx(100 * 0.65, abs=70)


def quadratic_prior():
    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    return prior


class TestFirstPoints:
    """A result is there after any number of calls."""

    @pytest.mark.parametrize("n", [1, 2, 7, 99])
    def test_the_prefix_of_the_first_stage_is_the_answer(self, n, tmp_path):
        path = tmp_path / "run.nautilus"
        values = []

        def log_l(p):
            values.append(-(p["a"] ** 2))
            return values[-1]

        sampler = Sampler(quadratic_prior(), log_l, n_live=50, seed=1, filepath=path)
        sampler.run(n_like_max=n)
        result = sampler.result
        of_prior = values[8:]  # after the test before the run
        assert result.n_like == len(result.log_l) == n == len(of_prior)
        assert result.log_l.tolist() == of_prior
        assert result.log_z == pytest.approx(np.log(np.mean(np.exp(of_prior))), rel=1e-12)
        assert result.findings == (UNFINISHED,)
        assert result.log_z_err == np.inf
        points, log_w, log_l_of = sampler.posterior()
        assert len(points) == len(log_w) == len(log_l_of) == n
        assert sampler.n_eff == result.n_eff <= n
        loaded = nautilus.load(path)
        assert loaded.log_z == result.log_z
        assert loaded.array.tolist() == result.array.tolist()
        assert loaded.n_like == n

    def test_points_behind_an_unfinished_one_do_not_count(self):
        sampler = Sampler(quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=50, seed=1)
        sampler.run(n_like_max=10)
        state = sampler._session.state
        done = state.pending.is_done.copy()
        done[3] = False
        holed = nautilus.run.state.replace(
            state, pending=nautilus.run.state.replace(state.pending, is_done=done)
        )
        seen = holed.with_first_points()
        assert seen.ledger.n_points == 3
        assert seen.n_like == holed.n_like == 9

    def test_it_changes_nothing_of_the_run(self):
        whole, parts = (
            Sampler(quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=50, n_networks=1, seed=1)
            for _ in range(2)
        )
        whole.run(n_eff=300)
        for n in (3, 50, 97, 100, 130):
            parts.run(n_eff=300, n_like_max=n)
            assert len(parts.posterior()[0]) <= n
        parts.run(n_eff=300)
        assert whole.log_z == parts.log_z
        assert whole.result.log_weights.tobytes() == parts.result.log_weights.tobytes()

    def test_without_a_finite_value_there_is_none(self):
        sampler = Sampler(quadratic_prior(), lambda _: -np.inf, n_live=50, seed=1)
        sampler.run(n_like_max=5)
        with pytest.raises(NoResultError, match="none of the first 5 points"):
            sampler.posterior()


class TestSmallLimits:
    """Limits below the size of a vectorised call let a run get on."""

    def make(self, path=None, **more):
        return Sampler(
            quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=50, n_networks=1, seed=1,
            vectorized=True, filepath=path, **more,
        )  # fmt: skip

    def test_the_first_one_lowers_the_size_once(self, tmp_path):
        path = tmp_path / "run.nautilus"
        sampler = self.make(path)
        with pytest.warns(UnusualSettingWarning, match="n_batch is lowered from 256 to 30"):
            sampler.run(n_like_max=30)
        assert sampler.n_like == 30
        sampler.run(n_like_max=70)
        assert sampler.n_like == 60
        sampler.close()
        again = self.make(path)
        assert again.n_like == 60
        again.run(n_like_max=90)
        assert again.n_like == 90

    @pytest.mark.parametrize("limit", [0.5, 1])
    def test_the_least_one_leaves_a_run_that_goes_on_from_its_file(self, tmp_path, limit):
        path = tmp_path / "run.nautilus"
        sampler = self.make(path)
        with pytest.warns(UnusualSettingWarning, match="n_batch is lowered from 256 to 2 "):
            sampler.run(n_like_max=limit)
        assert sampler.n_like == 2
        sampler.close()
        again = self.make(path)
        again.run(n_like_max=10)
        assert again.n_like == 10

    def test_later_ones_allow_for_one_call(self):
        sampler = self.make(n_batch=40)
        sampler.run(n_like_max=40)
        for _ in range(5):
            before = sampler.n_like
            sampler.run(n_like_max=before + 1)
            assert before < sampler.n_like <= before + 40
        sampler.run(n_like_max=sampler.n_like)
        assert sampler.n_like <= before + 40

    def test_a_larger_size_in_the_file_is_another_run(self, tmp_path):
        path = tmp_path / "run.nautilus"
        with self.make(path, n_batch=40) as sampler:
            sampler.run(n_like_max=40)
        with pytest.raises(nautilus.CheckpointMismatchError, match="n_batch is 40 in the file"):
            self.make(path, n_batch=20)


class TestUnusualSettings:
    @pytest.mark.parametrize("n_live", [1, 10, 49])
    def test_few_points_are_said_to_be_few_and_taken(self, n_live):
        with pytest.warns(UnusualSettingWarning, match=f"n_live is {n_live}: contours with so few"):
            sampler = Sampler(
                quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=n_live, n_networks=1, seed=1
            )
        sampler.run(n_eff=200)
        assert abs(sampler.log_z - np.log(np.sqrt(np.pi) / 10)) < 5 * sampler.log_z_err

    def test_a_wide_geometry_is_bounded(self):
        with pytest.warns(UnusualSettingWarning, match=r"enlarge_per_dim is 5000; 1e\+03 is used"):
            sampler = Sampler(
                quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=50, enlarge_per_dim=5000
            )
        assert sampler._session.config.build.enlarge == pytest.approx(1000.0)

    @pytest.mark.parametrize(("f_live", "used"), [(0.0, 1e-12), (7.0, 1.0)])
    def test_shares_beyond_all_use_are_bounded(self, f_live, used):
        sampler = Sampler(quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=50, seed=1)
        with pytest.warns(UnusualSettingWarning, match=f"f_live is {f_live:g}; {used:g} is used"):
            sampler.run(f_live=f_live, n_like_max=20)
        assert sampler._session.goal.f_live == used

    @pytest.mark.parametrize("settings", [{"n_live": 0}, {"n_live": 2.5}, {"enlarge_per_dim": 0.9}])
    def test_values_without_meaning_are_refused(self, settings):
        with pytest.raises(SettingsError, match=f"{next(iter(settings))} is"):
            Sampler(quadratic_prior(), lambda p: -(p["a"] ** 2), **settings)


class TestLargeSupport:
    """A large `n_live` asks for support of the contours, not for large stages."""

    @pytest.mark.parametrize(
        ("n_live", "n_update"), [(100, 100), (500, 500), (2000, 500), (3000, 600), (10_000, 2000)]
    )
    def test_contours_stay_small(self, n_live, n_update):
        sampler = Sampler(quadratic_prior(), lambda p: -(p["a"] ** 2), n_live=n_live)
        config = sampler._session.config
        assert (config.n_live, config.n_stage) == (n_live, n_update)
