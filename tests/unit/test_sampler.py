"""The façade: its keywords, its results, and runs that stop anywhere and go on."""

import functools
import inspect
import re
import warnings
from dataclasses import replace
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest
from scipy import stats
from small_sampler import GOAL, SMALL

from nautilus import (
    BackendError,
    EdgeMassWarning,
    LikelihoodError,
    NoResultError,
    Posterior,
    Prior,
    PriorError,
    ProgressRecord,
    Sampler,
    SettingsError,
    StopReason,
    UntrustedResultWarning,
    UnusedKeywordWarning,
)
from nautilus.testing import problems


def make_prior():
    prior = Prior()
    prior.add_parameter("a", dist=(-3, 3))
    prior.add_parameter("b", dist=stats.norm(0, 2))
    return prior


def _banana():
    """Return a bent log L; a function within a function travels to processes as it is."""

    def banana(p):
        return -0.5 * (p["a"] / 1.2) ** 2 - 0.5 * ((p["b"] - 0.3 * p["a"] ** 2 + 1) / 0.8) ** 2

    return banana


banana = _banana()


def banana_with_blobs(p):
    return banana(p), p["a"] + p["b"], np.array([p["a"], 1.0])


def banana_log_z():
    """Return the evidence with the prior above, by quadrature."""
    a = np.linspace(-3, 3, 2001)
    b = 0.3 * a**2 - 1
    # The integral over b is that of a product of two normal densities.
    inner = stats.norm.pdf(b, 0, np.hypot(2, 0.8)) * 0.8 * np.sqrt(2 * np.pi)
    return np.log(np.trapezoid(np.exp(-0.5 * (a / 1.2) ** 2) * inner, a) / 6)


def make(likelihood=banana, prior=None, **changes):
    return Sampler(prior or make_prior(), likelihood, **{**SMALL, **changes})


def numbers(sampler):
    points, log_w, log_l = sampler.posterior()
    return points, log_w, log_l, sampler.log_z, sampler.log_z_err, sampler.n_eff, sampler.n_like


def assert_same(first, second):
    for one, other in zip(numbers(first), numbers(second), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def reference():
    sampler = make()
    assert sampler.run(**GOAL)
    return sampler


@pytest.fixture(scope="module")
def blobbed():
    sampler = make(banana_with_blobs)
    assert sampler.run(**GOAL)
    return sampler


@pytest.fixture(scope="module")
def told():
    """Return a run without networks, and what its callback was told."""
    records = []
    sampler = make(n_networks=0)
    assert sampler.run(f_live=0.2, n_eff=200, callback=records.append)
    return sampler, records


class TestKeywords:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("n_live", 0, "at least 1"),
            ("n_live", 100.5, "whole number"),
            ("n_live", "many", "whole number"),
            ("n_live", True, "whole number"),
            ("n_live", None, "whole number"),
            ("n_update", 0, "at least 1"),
            ("n_like_new_bound", 0, "at least 1"),
            ("enlarge_per_dim", 0.9, "of at least 1"),
            ("enlarge_per_dim", np.nan, "a number"),
            ("enlarge_per_dim", "1.1", "a number"),
            ("n_points_min", 0, "at least 1"),
            ("n_networks", -1, "between 0 and 64"),
            ("n_networks", 2.5, "whole number"),
            ("periodic", [2], "between 0 and 1"),
            ("periodic", [-1], "between 0 and 1"),
            ("seed", -1, "between 0 and"),
            ("seed", "lucky", "whole number"),
            ("n_batch", 0, "at least 1"),
            ("n_batch", 1.5, "whole number"),
            ("on_error", "ignore", "raise, -inf, retry"),
            ("on_nan", "zero", "raise, -inf"),
            ("blobs_dtype", "strange", "data type"),
            ("filepath", 3, "name of a file, or None"),
            ("filepath", b"run.nautilus", "name of a file, or None"),
            ("filepath", "/", "not of a folder"),
            ("resume", 1, 'give True, False or "overwrite"'),
            ("resume", "append", 'give True, False or "overwrite"'),
            ("save_interval", -1, "of at least 0"),
            ("n_recheck", 1.5, "whole number"),
            ("recheck_tolerance", np.nan, "a number"),
            ("take_over", "yes", "True or False"),
        ],
    )
    def test_a_wrong_value_is_named_with_what_is_expected(self, name, value, expected):
        with pytest.raises(SettingsError, match=name) as caught:
            make(**{name: value})
        text = str(caught.value)
        assert expected in text
        assert repr(value[0] if isinstance(value, list) else value) in text

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("hidden_layer_sizes", (10, 0), "between 1 and 4096"),
            ("hidden_layer_sizes", "wide", "whole number"),
            ("learning_rate_init", 0, "between 1e-08 and 1"),
            ("batch_size", 0, "at least 1"),
            ("max_iter", -5, "at least 1"),
        ],
    )
    def test_a_wrong_value_for_networks_too(self, name, value, expected):
        with pytest.raises(SettingsError, match=name) as caught:
            make(neural_network_kwargs={name: value})
        assert expected in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("n_eff", -1, "of at least 0"),
            ("n_eff", "all", "a number"),
            ("n_eff", np.nan, "a number"),
            ("f_live", -1, "of at least 0"),
            ("f_live", "0.1", "give a number"),
            ("n_like_max", -3, "of at least 0"),
            ("n_shell", -1, "at least 0"),
            ("n_shell", 0.5, "whole number"),
            ("timeout", -1.0, "of at least 0"),
            ("timeout", None, "a number"),
            ("callback", 3, "a function"),
            ("grace", -1, "of at least 0"),
            ("deadline", "tomorrow", 'a datetime, seconds since 1970, "slurm"'),
            ("deadline", True, 'a datetime, seconds since 1970, "slurm"'),
        ],
    )
    def test_a_wrong_limit_is_refused_before_anything_runs(self, name, value, expected):
        sampler = make()
        with pytest.raises(SettingsError, match=name) as caught:
            sampler.run(**{name: value})
        assert expected in str(caught.value)
        assert sampler.n_like == 0

    def test_what_has_no_meaning_is_said_and_left_out(self):
        with pytest.warns(UnusedKeywordWarning, match="alpha, solver have no meaning"):
            make(neural_network_kwargs={"solver": "adam", "alpha": 0.1})
        for value in (100, 50, np.inf, -1):
            assert make(split_threshold=value, resume=False).split_threshold == value

    def test_warnings_point_at_the_line_that_makes_the_sampler(self):
        line = inspect.currentframe().f_lineno + 2
        with pytest.warns(UnusedKeywordWarning) as caught:
            Sampler(make_prior(), banana, neural_network_kwargs={"solver": "adam"})
        assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]

    def test_a_likelihood_that_is_no_function_is_refused(self):
        with pytest.raises(SettingsError, match=r"likelihood is 3\.0.*give a function"):
            make(3.0)

    def test_a_prior_that_is_none_is_refused(self):
        with pytest.raises(PriorError, match="n_dim"):
            Sampler(lambda u: u, banana)
        with pytest.raises(PriorError, match="no free parameter"):
            make(prior=Prior())
        with pytest.raises(PriorError, match="2 free parameters"):
            make(n_dim=3)

    @pytest.mark.parametrize("pool", [0, -2, "many", 2.5, (1, 2, 3)])
    def test_a_pool_that_is_none_is_refused(self, pool):
        with pytest.raises(BackendError, match="pool"):
            make(pool=pool)

    def test_whole_numbers_may_come_as_any_type(self):
        sampler = make(n_live=60.0, seed=np.int64(3), n_networks=np.float64(1))
        assert sampler.seed == 3
        assert isinstance(sampler.seed, int)


class TestBeforeARun:
    def test_nothing_is_known(self):
        sampler = make()
        assert (sampler.log_z, sampler.log_z_err, sampler.stop_reason) == (None, np.inf, None)
        assert (sampler.n_eff, sampler.n_like, sampler.eta) == (0, 0, 0)
        assert (sampler.f_live, sampler.n_dim) == (1.0, 2)
        for ask in (sampler.posterior, lambda: sampler.result):
            with pytest.raises(NoResultError, match=r"Call run\(\) first"):
                ask()

    def test_a_broken_likelihood_is_found_by_the_test(self):
        calls = []

        def broken(p):
            calls.append(1)
            return "high"

        sampler = make(broken)
        with pytest.raises(LikelihoodError, match="test before the run"):
            sampler.run(**GOAL)
        assert len(calls) <= 8
        assert sampler.n_like == 0


class TestSeeds:
    def test_the_same_seed_gives_the_same_bits(self, reference):
        again = make()
        again.run(**GOAL)
        assert_same(again, reference)

    def test_a_seed_that_was_drawn_is_known_and_can_be_used_again(self):
        first = make(seed=None)
        again = make(seed=first.seed)
        assert again.seed == first.seed
        assert make(seed=None).seed != first.seed
        for sampler in (first, again):
            sampler.run(n_like_max=200)
        assert_same(first, again)

    @pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**62 + 3, 2**63 - 1])
    def test_every_digit_of_a_seed_counts(self, seed):
        assert make(seed=seed).seed == seed

    def test_another_seed_gives_other_numbers(self, reference):
        other = make(seed=12)
        other.run(n_like_max=120, **GOAL)
        assert not np.array_equal(other.posterior()[0], reference.posterior()[0][:120])


class TestAnswer:
    def test_the_evidence_is_right(self, reference):
        assert abs(reference.log_z - banana_log_z()) < 5 * reference.log_z_err
        assert 0 < reference.log_z_err < 0.1
        assert reference.n_eff >= 400

    def test_the_result_says_the_same_as_the_attributes(self, reference):
        result = reference.result
        assert isinstance(result, Posterior)
        assert result.names == ("a", "b")
        for name in ("log_z", "log_z_err", "n_eff", "n_like", "eta", "seed"):
            assert getattr(result, name) == getattr(reference, name)
        assert reference.eta == reference.n_eff / reference.n_like
        assert result.findings == ()
        assert result.stop_reason == StopReason.GOAL.value
        np.testing.assert_array_equal(result.array, reference.posterior()[0])

    def test_weights_and_likelihoods_belong_to_the_points(self, reference):
        points, log_w, log_l = reference.posterior()
        assert points.shape == (reference.n_like, 2)
        assert np.isclose(np.exp(log_w).sum(), 1.0)
        known = [banana({"a": a, "b": b}) for a, b in points]
        np.testing.assert_allclose(log_l, known, rtol=1e-12)

    def test_points_can_be_a_dictionary(self, reference):
        points = reference.posterior()[0]
        named, log_w, _ = reference.posterior(return_as_dict=True)
        assert list(named) == ["a", "b"]
        np.testing.assert_array_equal(np.column_stack([named["a"], named["b"]]), points)
        assert len(log_w) == len(points)

    def test_equal_weights_follow_the_weights(self, reference):
        points, log_w, log_l = reference.posterior(equal_weight=True)
        np.testing.assert_allclose(log_w, -np.log(len(points)))
        assert len(np.unique(points, axis=0)) == len(points) == len(log_l)
        weighted, weights, _ = reference.posterior()
        expected = 1 / np.exp(weights).max()
        assert abs(len(points) - expected) < 5 * np.sqrt(expected)
        mean = np.exp(weights) @ weighted
        error = weighted.std(axis=0) / np.sqrt(len(points))
        assert np.all(np.abs(points.mean(axis=0) - mean) < 5 * error)

    def test_a_boost_repeats_points(self, reference):
        few = len(reference.posterior(equal_weight=True)[0])
        points = reference.posterior(equal_weight=True, equal_weight_boost=5)[0]
        assert 4 * few < len(points) < 6 * few
        assert len(np.unique(points, axis=0)) < len(points)
        for boost in (0, -1, np.inf):
            with pytest.raises(SettingsError, match="equal_weight_boost"):
                reference.posterior(equal_weight=True, equal_weight_boost=boost)

    def test_exploration_can_be_discarded_and_taken_back(self, reference):
        kept = numbers(reference)
        reference.discard_exploration = True
        fresh = numbers(reference)
        eta = reference.eta
        reference.discard_exploration = False
        assert len(fresh[0]) < len(kept[0])
        assert fresh[5] < kept[5]
        assert eta == fresh[5] / len(fresh[0])
        assert abs(fresh[3] - kept[3]) < 4 * np.hypot(fresh[4], kept[4])
        np.testing.assert_array_equal(fresh[0], kept[0][-len(fresh[0]) :])
        for one, other in zip(numbers(reference), kept, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_likelihood_calls_are_counted(self):
        calls = []
        sampler = make(lambda p: calls.append(1) or banana(p))
        sampler.run(n_like_max=200)
        assert sampler.n_like == 200
        assert 200 <= len(calls) <= 208  # with those of the test before the run

    def test_blobs_come_through(self, blobbed, reference):
        points, _, log_l, blobs = blobbed.posterior(return_blobs=True)
        np.testing.assert_array_equal(points, reference.posterior()[0])
        assert len(blobs) == len(log_l)
        first, second = (blobs[name] for name in blobs.dtype.names)
        np.testing.assert_allclose(first, points.sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(second, np.column_stack([points[:, 0], np.ones(len(points))]))
        equal = blobbed.posterior(equal_weight=True, return_blobs=True)
        np.testing.assert_allclose(equal[3][blobs.dtype.names[0]], equal[0].sum(axis=1))
        np.testing.assert_array_equal(blobbed.result.blobs, blobs)

    def test_what_is_returned_may_be_written_to(self, blobbed):
        before = blobbed.posterior(return_blobs=True)
        for array in blobbed.posterior(return_blobs=True):
            array[:] = 0
        for one, other in zip(blobbed.posterior(return_blobs=True), before, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_blobs_that_are_not_there_cannot_be_had(self, reference):
        with pytest.raises(SettingsError, match="returns no blobs"):
            reference.posterior(return_blobs=True)


class Interrupted:
    """A likelihood that is interrupted at some of its calls, once each."""

    def __init__(self, error, at):
        self.error, self.at, self.n_calls = error, set(at), 0

    def __call__(self, p):
        self.n_calls += 1
        if self.n_calls in self.at:
            self.at.remove(self.n_calls)
            raise self.error
        return banana(p)


class TestGoingOn:
    def test_processes_give_the_same_bits(self, reference):
        with make(pool=2) as sampler:
            assert sampler.run(**GOAL)
            assert_same(sampler, reference)

    def test_a_run_in_pieces_is_the_run(self, reference):
        sampler, n_most = make(), 0
        while True:
            n_most += 73
            if sampler.run(n_like_max=n_most, **GOAL):
                break
            assert sampler.stop_reason is StopReason.CALLS
            assert sampler.n_like == n_most
        assert_same(sampler, reference)

    def test_a_pause_is_no_reason_to_warn_but_is_said(self):
        sampler = make()
        sampler.run(n_like_max=300, **GOAL)
        (finding,) = sampler.result.findings
        assert finding.startswith("the run stopped before the sampling phase")
        assert sampler.result.stop_reason == StopReason.CALLS.value

    def test_a_limit_below_what_was_spent_stops_at_once(self, reference):
        sampler = make()
        sampler.run(n_like_max=150, **GOAL)
        sampler.run(n_like_max=100, **GOAL)
        assert sampler.stop_reason is StopReason.CALLS
        assert sampler.n_like == 150

    def test_a_finished_run_stays_as_it_is(self, reference):
        before = numbers(reference)
        assert reference.run(**GOAL)
        for one, other in zip(numbers(reference), before, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_higher_goal_goes_on_from_there(self):
        sampler = make(n_networks=0)
        sampler.run(f_live=0.2, n_eff=100)
        before = sampler.posterior()[0]
        assert sampler.run(f_live=0.2, n_eff=1500)
        assert sampler.n_eff >= 1500
        np.testing.assert_array_equal(sampler.posterior()[0][: len(before)], before)
        assert sampler.run(f_live=0.2, n_eff=300, discard_exploration=True, n_shell=1200)
        assert sampler.discard_exploration
        assert len(sampler.posterior()[0]) >= 1200

    @pytest.mark.parametrize(
        ("error", "caught"),
        [
            (KeyboardInterrupt(), KeyboardInterrupt),
            (ZeroDivisionError("no"), LikelihoodError),
        ],
        ids=["interrupt", "exception"],
    )
    def test_what_breaks_in_the_likelihood_is_no_end(self, error, caught, reference):
        likelihood = Interrupted(error, at=[10, 100, 123, 300, 500])
        sampler, n_broken, n_like = make(likelihood), 0, 0
        while True:
            try:
                assert sampler.run(**GOAL)
            except caught:
                n_broken += 1
                assert sampler.n_like >= n_like
                n_like = sampler.n_like
                if sampler.log_z is not None:
                    assert sampler.result.stop_reason == StopReason.INTERRUPTED.value
            else:
                break
        assert n_broken == 5
        assert_same(sampler, reference)

    def test_batches_of_a_vectorised_likelihood_stay_together(self):
        class Batched:
            """Its last digits depend on the company of a point, like those of matrix products."""

            def __init__(self, at):
                self.at, self.n_calls = at, 0

            def __call__(self, p):
                self.n_calls += 1
                if self.n_calls in self.at:
                    raise KeyboardInterrupt("stop")
                return banana(p) + 1e-9 * np.mean(p["a"])

        whole = make(Batched(()), vectorized=True, n_batch=40)
        assert whole.run(**GOAL)
        broken = make(Batched((3, 4, 9, 15)), vectorized=True, n_batch=40)
        for _ in range(4):
            with pytest.raises(KeyboardInterrupt, match="130"):
                broken.run(**GOAL)
        assert broken.run(**GOAL)
        assert_same(broken, whole)

    def test_a_vectorised_call_with_a_passing_nan_is_made_again_as_it_was(self):
        class Flawed:
            """Returns NaN for one point of one call; its last digits depend on the company."""

            def __init__(self, at):
                self.at, self.sizes = at, []

            def __call__(self, p):
                self.sizes.append(len(p["a"]))
                log_l = banana(p) + 1e-9 * np.mean(p["a"])
                if len(self.sizes) == self.at:
                    log_l[7] = np.nan
                return log_l

        whole, flawed = Flawed(at=None), Flawed(at=3)
        reference = make(whole, vectorized=True, n_batch=40)
        assert reference.run(**GOAL)
        broken = make(flawed, vectorized=True, n_batch=40)
        with pytest.raises(LikelihoodError, match="nan"):
            broken.run(**GOAL)
        assert broken.run(**GOAL)
        assert_same(broken, reference)
        assert flawed.sizes == [*whole.sizes[:3], *whole.sizes[2:]]

    def test_a_smaller_f_live_climbs_on(self):
        sampler, shares = make(n_networks=0), []
        assert sampler.run(f_live=1.0, n_eff=100, callback=lambda r: shares.append(r.f_live))
        before, n_like = shares[-1], sampler.n_like
        assert sampler.run(f_live=1.0, n_eff=100)
        assert sampler.n_like == n_like
        assert sampler.run(f_live=before, n_eff=100, callback=lambda r: shares.append(r.f_live))
        assert shares[-1] < before / 4
        assert sampler.n_like > n_like

    def test_an_infinite_goal_runs_until_a_limit(self):
        sampler = make(n_networks=0)
        sampler.run(n_eff=np.inf, n_like_max=3000)
        assert sampler.stop_reason is StopReason.CALLS
        assert 2500 < sampler.n_like <= 3000
        assert sampler.n_eff > 500

    def test_what_breaks_in_the_callback_is_no_end(self, reference):
        sampler, seen = make(), []

        def callback(record):
            seen.append(record)
            if len(seen) in {1, 2, 7}:
                raise KeyError("a typing error")

        for _ in range(3):
            with pytest.raises(KeyError, match="typing error"):
                sampler.run(callback=callback, **GOAL)
        assert sampler.run(callback=callback, **GOAL)
        assert_same(sampler, reference)

    def test_time_that_is_up_ends_a_run(self, reference, monkeypatch):
        likelihood = Interrupted(None, at=[])
        clock = SimpleNamespace(monotonic=lambda: float(likelihood.n_calls))
        monkeypatch.setattr("nautilus.stopwatch.time", clock)
        sampler = make(likelihood)
        outcome = sampler.run(timeout=300, **GOAL)
        assert (outcome, sampler.stop_reason) == (False, StopReason.TIME)
        assert 0 < sampler.n_like < reference.n_like
        assert sampler.run(**GOAL)
        assert_same(sampler, reference)

    def test_no_time_is_no_calls(self):
        sampler = make()
        assert not sampler.run(timeout=0)
        assert sampler.stop_reason is StopReason.TIME
        assert sampler.n_like == 0

    def test_a_closed_sampler_keeps_its_result(self):
        with make() as sampler:
            sampler.run(n_like_max=150)
        assert len(sampler.posterior()[0]) == sampler.n_like == 150
        with pytest.raises(BackendError, match="closed"):
            sampler.run(n_like_max=300)


class TestProgress:
    def test_a_callback_sees_every_step(self, told):
        sampler, records = told
        assert all(isinstance(record, ProgressRecord) for record in records)
        n_like = [record.n_like for record in records]
        assert n_like == sorted(n_like)
        assert {record.phase for record in records} == {"exploration", "sampling"}
        last = records[-1]
        assert (last.n_like, last.log_z, last.log_z_err, last.n_eff) == (
            sampler.n_like, sampler.log_z, sampler.log_z_err, sampler.n_eff,
        )  # fmt: skip
        seconds = [record.elapsed_seconds for record in records]
        assert seconds == sorted(seconds)
        for record in records:
            parts = record.likelihood_seconds + record.own_seconds
            assert np.isclose(parts, record.elapsed_seconds)
            assert 0 <= record.f_live <= 1

    @pytest.mark.parametrize("is_fresh", [False, True])
    def test_records_count_the_calls_that_eta_counts(self, is_fresh, told):
        sampler, records = told
        if is_fresh:
            sampler, records = cloudpickle.loads(cloudpickle.dumps(sampler)), []
            goal = {"f_live": 0.2, "n_eff": 200, "discard_exploration": True}
            sampler.run(**goal, callback=records.append)
        assert 0 < records[-1].eta == sampler.eta
        n_counted = len(sampler.posterior()[0])
        assert (n_counted < sampler.n_like) == is_fresh
        assert sampler.eta == pytest.approx(sampler.n_eff / n_counted)

    def test_a_run_is_silent_unless_asked(self, capsys):
        make().run(n_like_max=130)
        captured = capsys.readouterr()
        assert captured.out + captured.err == ""
        make().run(n_like_max=130, verbose=True)
        captured = capsys.readouterr()
        assert "seed" in captured.out + captured.err


class TestOutcomes:
    def test_reasons_are_said(self, reference):
        outcome = reference.run(**GOAL)
        assert outcome is True
        assert reference.stop_reason is StopReason.GOAL

    def test_findings_are_warned_of(self, told):
        sampler = cloudpickle.loads(cloudpickle.dumps(told[0]))
        session = sampler._session
        session.state = replace(session.state, findings=("two and two are five",))
        with pytest.warns(UntrustedResultWarning, match="two and two are five"):
            outcome = sampler.run(f_live=0.2, n_eff=200)
        assert (outcome, sampler.stop_reason) == (True, StopReason.UNTRUSTED)
        assert "two and two are five" in sampler.result.findings

    def test_a_posterior_at_the_edge_of_the_prior_is_warned_of(self):
        sampler = make(lambda p: -3000 * (p["a"] + 3), n_networks=0)
        with pytest.warns(EdgeMassWarning, match="lower edge of the prior of a;"):
            sampler.run(f_live=0.2, n_eff=200)

    def test_a_circle_has_no_edge(self):
        sampler = make(
            lambda p: 3000 * np.cos(2 * np.pi * (p["a"] + 3) / 6), n_networks=0, periodic=[0]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", EdgeMassWarning)
            assert sampler.run(f_live=0.2, n_eff=200)
        assert np.abs(sampler.posterior()[0][:, 0]).max() > 2.999

    @pytest.mark.parametrize("zero", [-np.inf, -1.7e308])
    def test_any_very_negative_number_may_stand_for_zero(self, zero):
        sampler = make(lambda p: -8 * p["a"] ** 2 if abs(p["a"]) < 1 else zero, n_networks=0)
        assert sampler.run(f_live=0.2, n_eff=300)
        exact = np.log(0.25 * np.sqrt(2 * np.pi) / 6)  # all but 6e-5 of it
        assert abs(sampler.log_z - exact) < 5 * sampler.log_z_err

    def test_small_stages_are_no_surprise(self):
        sampler = make(n_networks=0, n_live=50, n_update=50, n_like_new_bound=50)
        assert sampler.run(n_eff=500)
        assert sampler.stop_reason is StopReason.GOAL
        assert sampler._session.state.n_surprises == 0
        assert not sampler.result.findings

    def test_a_likelihood_of_zero_is_a_reason(self):
        sampler = make(
            lambda p: np.full(len(p["a"]), -np.inf), n_live=50, n_update=50, vectorized=True
        )
        outcome = sampler.run()
        assert (outcome, sampler.stop_reason) == (False, StopReason.NO_LIKELIHOOD)
        assert sampler.log_z is None
        with pytest.raises(NoResultError, match=r"none of the first .* check the likelihood"):
            sampler.posterior()

    def test_without_a_sampling_phase_there_is_none_to_show(self):
        sampler = make(n_networks=0)
        sampler.run(n_like_max=150)
        sampler.discard_exploration = True
        with pytest.raises(NoResultError, match=r"not reached the sampling phase.*run"):
            _ = sampler.result

    def test_what_was_counted_away_is_said(self, caplog):
        def flawed(p):
            if p["a"] > 2.5:
                raise ZeroDivisionError
            return np.nan if p["b"] > 3 else banana(p)

        sampler = make(flawed, n_networks=0, on_error="-inf", on_nan="-inf")
        with caplog.at_level("WARNING", "nautilus"):
            sampler.run(f_live=0.5, n_eff=200)
        raised, nan = sampler.result.notes
        assert re.fullmatch(r"the likelihood raised [1-9]\d* times", raised)
        assert re.fullmatch(r"the likelihood returned NaN at [1-9]\d* points", nan)
        assert all(text in sampler.result.summary() for text in (raised, nan))
        logged = [entry.getMessage() for entry in caplog.records]
        assert len(logged) > 2  # when it happened first, and at the end
        assert logged[-2:] == [f"Note: {raised}", f"Note: {nan}"]

    @pytest.mark.parametrize("n_eff", [0, pytest.param(1, marks=pytest.mark.long)])
    def test_a_small_goal_has_a_sampling_phase_still(self, n_eff):
        sampler = make(n_networks=0)
        assert sampler.run(f_live=0.5, n_eff=n_eff)
        sampler.discard_exploration = True
        assert np.isfinite(sampler.log_z)

    def test_fewest_points_of_the_sampling_phase_are_kept(self):
        sampler = make(n_networks=0)
        assert sampler.run(f_live=0.5, n_eff=1, n_shell=901)
        sampler.discard_exploration = True
        assert len(sampler.posterior()[0]) >= 901


def offset(shift, u, scale=1.0):
    return scale * u + shift


def named(u):
    return {"x": 2 * u[0] - 1, "both": np.array([u[0], u[1]])}


class TestPriors:
    def test_a_function_with_arguments(self):
        def likelihood(centre, x, width=1.0):
            return -0.5 * np.sum(((x - centre) / width) ** 2)

        sampler = Sampler(
            offset, likelihood, n_dim=2, prior_args=(-5.0,), prior_kwargs={"scale": 10.0},
            likelihood_args=[1.0], likelihood_kwargs={"width": 0.8}, **SMALL,
        )  # fmt: skip
        assert sampler.run(f_live=0.1, n_eff=300)
        known = np.log(2 * np.pi * 0.8**2 / 100)
        assert abs(sampler.log_z - known) < 5 * sampler.log_z_err
        points, log_w, _ = sampler.posterior()
        mean = np.exp(log_w) @ points
        assert np.all(np.abs(mean - 1.0) < 5 * 0.8 / np.sqrt(sampler.n_eff))
        assert sampler.result.names == ("x_0", "x_1")
        with pytest.raises(SettingsError, match="return_as_dict"):
            sampler.posterior(return_as_dict=True)

    def test_a_function_that_names_its_parameters(self):
        sampler = Sampler(named, lambda p: -(p["x"] ** 2) - p["both"][1], n_dim=2, **SMALL)
        sampler.run(n_like_max=150)
        points = sampler.posterior()[0]
        assert list(points) == ["x", "both"]
        assert points["both"].shape == (150, 2)
        np.testing.assert_allclose(points["x"], 2 * points["both"][:, 0] - 1)
        assert sampler.result.names == ("x", "both_0", "both_1")

    @pytest.mark.parametrize(
        ("prior", "message"),
        [
            (lambda u: {"v": u, "v_0": 1.0}, "columns v_0, v_1, v_0; .*different names"),
            (lambda u: {1: u[0], "1": u[1]}, "columns 1, 1; .*different names"),
            (lambda _: {"model": "A"}, "columns of nothing; at least one real number"),
            (lambda u: u[5], "IndexError: index 5"),
        ],
        ids=["doubled", "numbers", "text", "raises"],
    )
    def test_a_function_without_a_result_is_found_before_the_run(self, prior, message):
        seen = []
        sampler = Sampler(prior, seen.append, n_dim=2, pass_dict=None, **SMALL)
        with pytest.raises(PriorError, match=message):
            sampler.run()
        assert not seen

    @pytest.mark.parametrize("n_batch", [2, 8])
    def test_axes_in_the_wrong_order_are_found_before_the_run(self, n_batch):
        seen = []
        sampler = Sampler(
            lambda u: np.array([u[..., i] for i in range(n_batch)]), seen.append, n_dim=n_batch,
            vectorized=True, n_batch=n_batch, **SMALL,
        )  # fmt: skip
        with pytest.raises(PriorError, match="one row for each point"):
            sampler.run()
        assert not seen

    def test_what_is_no_number_stays_out_of_the_result(self):
        def prior(u):
            return {"x": u[0], 7: u[1], "model": "A", "edge": np.inf}

        sampler = Sampler(prior, lambda p: -p["x"] if p["model"] == "A" else 0, n_dim=2, **SMALL)
        sampler.run(n_like_max=300)
        points = sampler.posterior()[0]
        assert list(points) == ["x", 7, "model", "edge"]
        assert set(points["model"]) == {"A"}
        assert sampler.result.names == ("x", "7", "edge")
        assert np.isposinf(sampler.result.samples["edge"]).all()
        complete = sampler.result.samples["7"]
        np.testing.assert_array_equal(complete, points[7][: len(complete)])

    def test_arguments_make_no_difference(self, reference):
        def likelihood(x):
            return banana({"a": x[0], "b": x[1]})

        sampler = make(likelihood, pass_dict=False)
        sampler.run(**GOAL)
        assert_same(sampler, reference)

    def test_one_dimension_is_enough(self):
        prior = Prior()
        prior.add_parameter("x", dist=(-10, 10))
        sampler = make(lambda p: stats.norm.logpdf(p["x"]), prior=prior)
        assert sampler.run(f_live=0.05, n_eff=500)
        assert abs(sampler.log_z - np.log(1 / 20)) < 5 * sampler.log_z_err
        assert sampler.posterior()[0].shape == (sampler.n_like, 1)

    def test_periodic_axes_come_from_keyword_and_prior(self):
        prior = Prior()
        prior.add_parameter("x", dist=(0, 1))
        prior.add_parameter("phase", dist=(0, 2 * np.pi), periodic=True)
        prior.add_parameter("other", dist=(0, 1))
        sampler = make(lambda p: 0.0, prior=prior, periodic=[2])
        assert sampler._session.config.build.periodic == (1, 2)


ENDS_WELL = {
    "plateau": functools.partial(problems.plateau, 2),
    "plateau in zero": functools.partial(problems.plateau, 2, outside=-np.inf),
    "steps": functools.partial(problems.staircase, 2),
    "zero in most of the prior": functools.partial(problems.mostly_forbidden, 2),
    "extremely peaked": functools.partial(problems.very_peaked, 2),
    "unnormalised": functools.partial(problems.unnormalised, 2),
    "noisy": lambda: problems.noisy(problems.gaussian(2), 0.05),
    "periodic": functools.partial(problems.phases, 2),
}


# The short statistical suite has the first and the last of these, and others are variants.
LONG = ("plateau", "zero in most of the prior", "unnormalised", "periodic")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in ENDS_WELL],
)
def test_strange_likelihoods_end_well(name):
    problem = ENDS_WELL[name]()
    sampler = Sampler(
        problems.unit_prior, problem.log_likelihood, n_dim=problem.n_dim, vectorized=True,
        periodic=problem.periodic, n_live=60, n_update=200, n_networks=0, seed=3,
    )  # fmt: skip
    assert sampler.run(f_live=0.1, n_eff=300, n_like_max=30_000)
    assert sampler.stop_reason is StopReason.GOAL
    assert sampler.n_eff >= 300
    slack = 1e-9 * abs(problem.log_z)
    assert abs(sampler.log_z - problem.log_z) < 5 * sampler.log_z_err + slack
    assert sampler.log_z_err < 0.2


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("n_batch", [1, 4])
def test_small_batches_hold_in_the_test_before_the_run_too(n_batch, pad):
    sizes = set()

    def log_l(x):
        sizes.add(len(x))
        return -0.5 * np.sum((x - 0.5) ** 2, axis=1)

    sampler = Sampler(
        lambda u: u, log_l, n_dim=2, vectorized=True, n_batch=n_batch, pad_batch=pad, **SMALL
    )
    sampler.run(n_like_max=150)
    assert sampler.n_like <= 150
    assert max(sizes) == n_batch
    assert sizes == {n_batch} or not pad
