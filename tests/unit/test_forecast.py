"""The forecast: what follows from a law, from a run, and when nothing is said."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import gamma

from nautilus import Prior, ProgressRecord, Sampler
from nautilus.errors import SettingsError
from nautilus.report import ForecastGoal, Prediction, forecast, predict, with_forecast

GOAL = ForecastGoal(n_eff=0, f_unseen=0.0025)
STEP, CALLS = 0.6, 500


def record(**changes):
    values = {
        "phase": "exploration", "n_proposals": 12, "n_like": 34_500, "n_eff": 0.0,
        "log_z": -98.9, "log_z_err": 0.02, "f_live": 1.0, "eta": 0.4, "elapsed_seconds": 10.0,
        "likelihood_seconds": 8.0, "own_seconds": 2.0, "message": "contour",
    }  # fmt: skip
    return ProgressRecord(**{**values, **changes})


def climb(log_l_of_log_v, n, per_call=0.01, own=0.1):
    """Return plans of a climb whose contours hold smaller volumes by the same factor each."""
    return [
        record(
            n_like=CALLS * (i + 1), log_volume=-STEP * i, log_level=log_l_of_log_v(-STEP * i),
            likelihood_seconds=per_call * CALLS * (i + 1), own_seconds=own * i,
            elapsed_seconds=per_call * CALLS * (i + 1) + own * i,
        )
        for i in range(n)
    ]  # fmt: skip


def power_law(power, scale):
    return lambda log_v: -scale * math.exp(power * log_v)


def exact_end(power, scale, f_unseen):
    """Return log V where the climb's own estimate of what is above the cap is small enough."""
    z = gamma(1 + 1 / power) * scale ** (-1 / power)
    unit = z / gamma(1 + 1 / power)
    total = quad(lambda v: math.exp(-(v**power)), 0, 50 ** (1 / power), limit=500)[0]
    assert unit * total == pytest.approx(z)

    def excess(log_v):
        slope = power * scale * math.exp(power * log_v)
        log_l = -scale * math.exp(power * log_v)
        return math.exp(log_l + log_v) / z * slope / (1 - slope) - f_unseen

    bulk = -math.log(power * scale) / power
    return brentq(excess, bulk - 40, bulk - 1e-3 / power)


class TestClimb:
    @pytest.mark.parametrize("f_unseen", [0.0025, 0.05])
    @pytest.mark.parametrize("n_dim", [2, 4, 10])
    def test_a_gaussian_ends_where_it_must(self, n_dim, f_unseen):
        power, scale = 2 / n_dim, 1e6
        plans = climb(power_law(power, scale), 8)
        end = predict(plans, dataclasses.replace(GOAL, f_unseen=f_unseen)).end
        to_end = (plans[-1].log_volume - exact_end(power, scale, f_unseen)) / STEP * CALLS
        assert end[0] - plans[-1].n_like == pytest.approx(
            to_end, abs=15
        )  # slopes are those of steps

    def test_then_the_posterior_is_imitated_and_sampled(self):
        plans = climb(power_law(1.0, 1e6), 8)
        (bare, _) = predict(plans, GOAL).end
        (imitated, _) = predict(plans, dataclasses.replace(GOAL, n_imitation=1000)).end
        (least, _) = predict(plans, dataclasses.replace(GOAL, n_least=700)).end
        fresh = dataclasses.replace(GOAL, n_eff=9000, is_kept=False)
        (sampled, _) = predict(plans, fresh).end
        assert (imitated - bare, least - bare) == pytest.approx((1000, 700))
        assert sampled - bare == pytest.approx(10_000)

    def test_points_above_the_bulk_count(self):
        plans = climb(power_law(1.0, 1e6), 8)
        goal = dataclasses.replace(GOAL, n_eff=9000)
        kept = predict(plans, goal).end[0]
        fresh = predict(plans, dataclasses.replace(goal, is_kept=False)).end[0]
        above = (-math.log(1e6) - exact_end(1.0, 1e6, 0.0025)) / STEP * CALLS
        assert fresh - kept == pytest.approx(0.75 * above / 0.9, rel=0.01)

    def test_when_the_climb_is_over_the_rest_follows(self):
        plans = [*climb(power_law(1.0, 1e6), 8), record(n_like=4500, f_live=0.001)]
        goal = dataclasses.replace(GOAL, n_imitation=1000)
        assert predict(plans, goal).end[0] == pytest.approx(4500 + 1000)

    def test_seconds_of_the_likelihood(self):
        plans = climb(power_law(1.0, 1e6), 8, own=0.0)
        n_like, seconds = predict(plans, GOAL).end
        assert seconds == pytest.approx(0.01 * n_like)

    def test_seconds_of_a_run_that_was_just_continued(self):
        """Its clocks stand at what earlier processes spent."""
        now = record(
            phase="sampling", f_live=0.0, n_like=20_000, likelihood_seconds=2000.0,
            own_seconds=500.0, elapsed_seconds=2500.0, n_proposals=50,
        )  # fmt: skip
        n_like, seconds = predict([now], dataclasses.replace(GOAL, n_eff=9000)).end
        assert n_like == pytest.approx(30_000)
        assert 1000 < seconds - 2500 < 1200

    def test_seconds_of_its_own_grow_with_the_stages(self):
        even = climb(power_law(1.0, 1e6), 12, per_call=0.0)
        grown = [dataclasses.replace(p, own_seconds=p.own_seconds**2) for p in even]
        n_left = (predict(even, GOAL).end[0] - even[-1].n_like) / CALLS + 1
        ahead = [predict(p, GOAL).end[1] - p[-1].elapsed_seconds for p in (even, grown)]
        assert ahead[0] == pytest.approx(0.1 * n_left)
        as_lately = (grown[-1].own_seconds - grown[-3].own_seconds) / 2
        assert 1.2 < ahead[1] / (as_lately * n_left) <= 2.0001

    @pytest.mark.parametrize(
        "law",
        [
            lambda log_v: -3.0 * log_v,  # a power of the distance: there is no top in sight
            lambda log_v: math.exp(-log_v),  # ever steeper
            lambda _: -1.0,  # a plateau
        ],
    )
    def test_a_climb_without_end_has_no_prediction(self, law):
        assert predict(climb(law, 12), GOAL).end is None

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_nothing_is_known_at_first(self, n):
        assert predict(climb(power_law(1.0, 1e6), n), GOAL).end is None

    def test_a_share_that_hardly_falls_predicts_nothing(self):
        """Once from 0.998 to 0.995 in 500 calls; what is left of it is no logarithm."""
        plans = [record(n_like=500 * i, f_live=1 - 0.001 * i) for i in range(1, 9)]
        assert predict(plans, GOAL).end is None


def sampling(n_like, n_eff, **more):
    return record(phase="sampling", n_like=n_like, n_eff=n_eff, f_live=0.0, **more)


class TestSampling:
    goal = dataclasses.replace(GOAL, n_eff=10_000)

    def test_it_goes_on_as_in_the_last_stages(self):
        plans = [sampling(1000, 100), sampling(2000, 200), sampling(3000, 1000)]
        plans += [sampling(4000, 1500), sampling(5000, 2000)]
        assert predict(plans, self.goal).end[0] == pytest.approx(5000 + 8000 / 0.5)

    def test_the_first_plan_takes_the_usual_efficiency(self):
        assert predict([sampling(2000, 1000)], self.goal).end[0] == pytest.approx(12_000)

    def test_a_sample_that_does_not_grow_has_no_prediction(self):
        assert predict([sampling(1000, 500), sampling(2000, 500)], self.goal).end is None

    def test_enough_is_enough(self):
        now = sampling(1000, 10_000)
        ahead = forecast(now, [predict([now], self.goal)], self.goal)
        assert (ahead.n_like, ahead.seconds) == ((0, 0), (0, 0))
        assert now.left == ()


def said(*ends, phase="exploration", every=100):
    """Return predictions made one after the other from 1000 calls on."""
    return [
        Prediction(phase, 1000 + every * i, None if end is None else (end, end / 100))
        for i, end in enumerate(ends)
    ]


class TestRange:
    now = record(n_like=1200, elapsed_seconds=12.0)

    def test_it_spans_what_was_predicted_lately(self):
        ahead = forecast(self.now, said(3000, 3200, 2800), GOAL)
        assert ahead.n_like == pytest.approx((1600 / 1.15, 2000 * 1.15))
        assert ahead.seconds == pytest.approx((16 / 1.15, 20 * 1.15))

    @pytest.mark.parametrize(
        "predictions", [said(), said(3000, 3000), said(3000, None, 3000), said(2000, 6000, 3000)]
    )
    def test_nothing_is_said_if_it_would_not_be_worth_it(self, predictions):
        ahead = forecast(self.now, predictions, GOAL)
        assert (ahead.n_like, ahead.seconds) == (None, None)

    def test_old_errors_are_forgiven(self):
        late = record(n_like=1600, elapsed_seconds=16.0)
        ahead = forecast(late, said(90_000, 3000, 3000, 3000, every=200), GOAL)
        assert ahead.n_like == pytest.approx((1400 / 1.15, 1400 * 1.15))
        assert forecast(self.now, said(90_000, 3000, 3000), GOAL).n_like is None

    def test_calls_may_be_known_and_seconds_not(self):
        unsteady = [
            dataclasses.replace(p, end=(3000, seconds))
            for p, seconds in zip(said(1, 1, 1), (20.0, 90.0, 40.0), strict=True)
        ]
        ahead = forecast(self.now, unsteady, GOAL)
        assert ahead.n_like is not None
        assert ahead.seconds is None

    def test_it_counts_down_within_a_stage(self):
        predictions = said(3000, 3000, 3000)
        later = record(n_like=1450, elapsed_seconds=14.0)
        assert forecast(later, predictions, GOAL).n_like == pytest.approx(
            (1550 / 1.15, 1550 * 1.15)
        )

    def test_what_exploration_expected_counts_until_sampling_has_told(self):
        now = sampling(1200, 10.0, elapsed_seconds=12.0)
        goal = dataclasses.replace(GOAL, n_eff=1000)
        assert forecast(now, said(3000, 4000, 3000), goal).n_like == pytest.approx(
            (1800 / 1.15, 2800 * 1.15)
        )
        told = [*said(3000, 4000), *said(3000, phase="sampling")]
        assert forecast(now, told, goal).n_like == pytest.approx((1800 / 1.15, 1800 * 1.15))

    def test_the_limit_of_calls_bounds_it(self):
        predictions = said(3000, 3200, 2800)
        bounded = dataclasses.replace(GOAL, n_like_max=3000)
        assert forecast(self.now, predictions, bounded).n_like == pytest.approx((1600 / 1.15, 1800))
        bounded = dataclasses.replace(GOAL, n_like_max=1500)
        ahead = forecast(self.now, predictions, bounded)
        assert (ahead.n_like, ahead.seconds) == ((300, 300), None)
        past = dataclasses.replace(GOAL, n_like_max=1100)
        assert forecast(self.now, predictions, past).n_like == (0, 0)

    def test_with_forecast_fills_the_record(self):
        filled = with_forecast(self.now, said(3000, 3000, 3000), GOAL)
        assert filled.n_like_forecast == pytest.approx((1800 / 1.15, 1800 * 1.15))
        assert filled.seconds_forecast == pytest.approx((18 / 1.15, 18 * 1.15))
        assert filled.left == ("1,600 to 2,100 calls", "16 to 21 s")


@pytest.mark.parametrize(
    "wrong",
    [{"n_eff": -1}, {"f_unseen": 0}, {"f_unseen": 1.5}, {"n_like_max": -1}, {"n_least": math.nan},
     {"n_imitation": -1}],
)  # fmt: skip
def test_goals_have_ranges(wrong):
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"{name} is"):
        ForecastGoal(**{"n_eff": 100, "f_unseen": 0.01, **wrong})


def test_a_run_knows_its_end_from_half_of_it_on():
    """Calls alone: they are the same on every machine. The statistics are in the benchmark."""
    prior = Prior()
    for name in "abc":
        prior.add_parameter(name, dist=(-10, 10))
    sampler = Sampler(
        prior, lambda x: -50 * np.sum(x**2, axis=-1), n_live=200, n_networks=0, seed=1,
        vectorized=True, pass_dict=False,
    )  # fmt: skip
    records = []
    sampler.run(n_eff=3000, callback=records.append)
    exploring = [r for r in records if r.phase == "exploration"]
    assert exploring[0].n_like_forecast is None
    told = [r for r in records if sampler.n_like / 2 < r.n_like < 0.95 * sampler.n_like]
    assert len(told) >= 5
    for r in told:
        low, high = r.n_like_forecast
        assert 0.5 < math.sqrt(low * high) / (sampler.n_like - r.n_like) < 2
    assert records[-1].left == ()
