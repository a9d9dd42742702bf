"""A second run with another seed: compared, counted, kept, and never at the cost of the first."""

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
from small_sampler import GOAL, SMALL

import nautilus
from nautilus import (
    CheckpointMismatchError,
    CheckpointStorageError,
    Prior,
    Sampler,
    SettingsError,
    StopReason,
    UntrustedResultWarning,
)
from nautilus._streams import replica_seed
from nautilus.replica import DIFFERS

N_TEST = 8
"""Calls that try the likelihood before a run."""


def make_prior():
    prior = Prior()
    prior.add_parameter("a", dist=(-3, 3))
    prior.add_parameter("phase", dist=(0, 2 * np.pi), periodic=True)
    return prior


def easy(p):
    return -0.5 * (p["a"] / 0.5) ** 2 + 2.0 * np.cos(p["phase"])


class Counting:
    """Counts its calls, and raises at some of them."""

    def __init__(self, at=(), error=KeyboardInterrupt):
        self.n_calls, self.at, self.error = 0, set(at), error

    def __call__(self, p):
        self.n_calls += 1
        if self.n_calls in self.at:
            self.at.remove(self.n_calls)
            raise self.error
        return easy(p)


class Forgetful:
    """A likelihood with two modes, the second of which vanishes after some calls."""

    def __init__(self, n_calls, then=easy):
        self.n_left, self.then = n_calls, then

    def __call__(self, p):
        self.n_left -= 1
        if self.n_left < 0:
            return self.then(p)
        return np.logaddexp(easy(p), 1.0 + easy({**p, "a": p["a"] - 2.0}))


def make(likelihood=easy, **changes):
    return Sampler(make_prior(), likelihood, **{**SMALL, **changes})


def bits(result):
    parts = (result.array, result.log_weights, result.log_l)
    numbers = float(result.log_z).hex(), float(result.log_z_err).hex(), result.n_like, result.seed
    return [part.tobytes() for part in parts], numbers, result.findings, result.notes


def both(sampler):
    return bits(sampler.result), bits(sampler.replica)


@pytest.fixture(scope="module")
def pair():
    """Return what two runs give that nothing disturbs."""
    sampler = make()
    assert sampler.run(replicate=True, **GOAL)
    return sampler


@pytest.fixture(scope="module")
def first():
    """Return a run without a second one, which tests that go on with it copy."""
    sampler = make()
    assert sampler.run(**GOAL)
    return sampler


def copy_of(sampler):
    return pickle.loads(pickle.dumps(sampler))


@pytest.fixture(scope="module")
def n_first():
    """Return how many calls a run makes on two modes."""
    sampler = make(Forgetful(10**9))
    assert sampler.run(**GOAL)
    return N_TEST + sampler.n_like


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.nautilus"


def differing(first, second):
    return f"they differ: {first.seed} and {second.seed}"


class TestAgreement:
    def test_an_easy_problem_has_no_finding_whatever_the_seed(self, pair):
        other = make(seed=1)
        assert other.run(replicate=True, **GOAL)
        for sampler in (pair, other):
            assert sampler.stop_reason is StopReason.GOAL
            assert sampler.result.findings == ()

    def test_the_first_run_is_what_it_is_without(self, first, pair):
        assert first.replica is None
        assert bits(first.result)[:2] == bits(pair.result)[:2]
        assert first.result.notes == ()

    def test_the_second_is_the_run_of_a_seed_that_follows_from_the_first(self, pair):
        seed = replica_seed(11)
        assert seed == 2169900037562547175  # as long as the numbers of a seed are those of it
        assert replica_seed(12) != seed
        alone = make(seed=seed)
        assert alone.run(**GOAL)
        assert bits(alone.result) == bits(pair.replica)

    def test_its_cost_is_counted_and_told(self):
        counting = Counting()
        sampler = make(counting)
        sampler.run(replicate=True, **GOAL)
        first, second = sampler.result, sampler.replica
        assert sampler.n_like == first.n_like
        assert second.n_like > 300
        assert counting.n_calls == 2 * N_TEST + first.n_like + second.n_like
        assert first.run.n_calls == N_TEST + first.n_like
        assert second.run.n_calls == N_TEST + second.n_like
        seed, n_like = second.seed, f"{second.n_like:,}"
        assert first.notes == (
            f"a second run (seed {seed}) took {n_like} further calls and found the same",
        )

    @pytest.mark.parametrize("pool", [2, pytest.param((None, 2), marks=pytest.mark.long)])
    def test_processes_give_the_same_bits(self, pool, pair):
        with make(pool=pool) as sampler:
            assert sampler.run(replicate=True, **GOAL)
            assert both(sampler) == both(pair)

    def test_only_the_sampling_phase_can_be_compared(self, first):
        results = []
        sampler = copy_of(first)
        assert sampler.run(
            discard_exploration=True, replicate=lambda *given: results.extend(given), **GOAL
        )
        assert [len(result) for result in results] == [len(sampler.result), len(sampler.replica)]
        assert len(sampler.result) < sampler.n_like

    def test_a_sampler_that_was_pickled_has_both(self, pair):
        copy = copy_of(pair)
        assert both(copy) == both(pair)
        assert copy.run(replicate=True, **GOAL)
        assert both(copy) == both(pair)


class TestDifference:
    def test_a_mode_that_the_second_run_does_not_see_is_a_finding(self, n_first):
        sampler = make(Forgetful(n_first))
        with pytest.warns(UntrustedResultWarning, match="the mean of a is 1") as caught:
            assert sampler.run(replicate=True, **GOAL)
        assert len(caught) == 1
        assert sampler.stop_reason is StopReason.UNTRUSTED
        (finding,) = sampler.result.findings
        assert finding.startswith(DIFFERS)
        assert "log Z is" in finding
        assert "phase" not in finding
        assert sampler.replica.findings == ()
        assert sampler.replica.stop_reason == StopReason.GOAL.value

    def test_a_second_run_that_finds_nothing_at_all(self, n_first):
        sampler = make(Forgetful(n_first + N_TEST, lambda _: -np.inf), n_recheck=0)
        with pytest.warns(UntrustedResultWarning, match="found no point with a finite"):
            assert sampler.run(replicate=True, **GOAL)
        assert sampler.stop_reason is StopReason.UNTRUSTED
        assert sampler.replica is None or sampler.replica.stop_reason

    def test_the_finding_is_in_the_file_and_stays_with_the_run(self, path):
        finding = f"{DIFFERS}they differ: 11 and {replica_seed(11)}"
        with make(filepath=path) as sampler:
            with pytest.warns(UntrustedResultWarning, match="they differ"):
                sampler.run(replicate=differing, **GOAL)
            assert sampler.result.findings == (finding,)
            before = bits(sampler.result)[:3]
        loaded = nautilus.load(path)
        assert loaded.findings == (finding,)
        assert loaded.stop_reason == StopReason.UNTRUSTED.value
        with make(filepath=path) as sampler:
            with pytest.warns(UntrustedResultWarning, match="they differ"):
                assert sampler.run(**GOAL)
            assert sampler.stop_reason is StopReason.UNTRUSTED
            assert bits(sampler.result)[:3] == before

    def test_a_later_comparison_takes_the_place_of_an_earlier_one(self, path):
        longer = {**GOAL, "n_eff": 1200}
        with make(filepath=path) as sampler:
            with pytest.warns(UntrustedResultWarning, match="they differ"):
                sampler.run(replicate=differing, **GOAL)
            n_first = sampler.replica.n_like
            assert sampler.run(replicate=True, **longer)
            assert sampler.replica.n_like > n_first
            assert sampler.stop_reason is StopReason.GOAL
            assert sampler.result.findings == ()
        assert nautilus.load(path).findings == ()
        assert nautilus.load(path).stop_reason == StopReason.GOAL.value

    @pytest.mark.parametrize("value", [1, "yes", None])
    def test_what_is_neither_a_switch_nor_a_function(self, value):
        sampler = make()
        with pytest.raises(SettingsError, match=r"replicate is .*give True, False, or a function"):
            sampler.run(replicate=value)
        assert sampler.n_like == 0

    @pytest.mark.parametrize("answer", [True, "", 3])
    def test_a_function_that_returns_no_sentence(self, answer, pair):
        sampler = copy_of(pair)
        with pytest.raises(SettingsError, match="expected a sentence"):
            sampler.run(replicate=lambda *_: answer, **GOAL)
        assert sampler.stop_reason is StopReason.INTERRUPTED
        assert sampler.run(replicate=True, **GOAL)
        assert both(sampler) == both(pair)


class TestInterrupted:
    def test_the_first_result_is_intact_and_the_second_run_goes_on(self, pair, capsys):
        n_first = N_TEST + pair.n_like
        counting = Counting([n_first + 450])
        sampler = make(counting)
        with pytest.raises(KeyboardInterrupt, match="130"):
            sampler.run(replicate=True, **GOAL)
        told = capsys.readouterr().err
        assert "the first of two runs is complete" in told
        assert "in memory only" in told
        assert sampler.stop_reason is StopReason.INTERRUPTED
        assert sampler.result.stop_reason == StopReason.GOAL.value
        assert bits(sampler.result)[:3] == bits(pair.result)[:3]
        (note,) = sampler.result.notes
        assert note.endswith("is not complete: nothing was compared")
        assert 0 < sampler.replica.n_like < 450
        assert sampler.run(replicate=True, **GOAL)
        assert both(sampler) == both(pair)
        # Only the chunk that was interrupted was asked for twice.
        assert 0 < counting.n_calls - (n_first + N_TEST + pair.replica.n_like) < 100

    def test_an_error_in_the_second_run(self, pair):
        sampler = make(Counting([N_TEST + pair.n_like + 450], ValueError("broken")))
        with pytest.raises(nautilus.LikelihoodError, match="broken"):
            sampler.run(replicate=True, **GOAL)
        assert sampler.stop_reason is StopReason.INTERRUPTED
        assert bits(sampler.result)[:3] == bits(pair.result)[:3]
        assert sampler.run(replicate=True, **GOAL)
        assert bits(sampler.result) == bits(pair.result)
        assert bits(sampler.replica)[:3] == bits(pair.replica)[:3]
        assert sampler.replica.notes == ("the likelihood raised 1 times",)

    def test_a_finding_that_cannot_be_saved_is_held_and_saved_later(self, path, monkeypatch):
        sampler = make(filepath=path)
        opened, fail = sampler._session._checkpoint.open, []

        def open_or_fail(config):
            if fail:
                raise CheckpointStorageError("the disk is away")
            return opened(config)

        def judge(*_):
            fail.append(True)
            return "they differ"

        monkeypatch.setattr(sampler._session._checkpoint, "open", open_or_fail)
        with pytest.raises(CheckpointStorageError, match="away"):
            sampler.run(replicate=judge, **GOAL)
        assert sampler.stop_reason is StopReason.INTERRUPTED
        assert sampler.result.findings == (DIFFERS + "they differ",)
        assert sampler.result.notes[0].endswith("further calls")
        assert nautilus.load(path).findings == ()
        fail.clear()
        with pytest.warns(UntrustedResultWarning, match="they differ"):
            assert sampler.run(**GOAL)
        assert nautilus.load(path).findings == (DIFFERS + "they differ",)

    @pytest.mark.parametrize("n", [3, 450])
    def test_the_same_script_goes_on_with_the_files(self, n, path, pair):
        n_first = N_TEST + pair.n_like
        with (
            pytest.raises(KeyboardInterrupt, match="130"),
            make(Counting([n_first + n]), filepath=path) as sampler,
        ):
            sampler.run(replicate=True, **GOAL)
        beside = path.with_name("run.replica.nautilus")
        assert beside.exists() == (n > N_TEST)
        assert nautilus.load(path).log_z == pair.log_z
        counting = Counting()
        with make(counting, filepath=path) as sampler:
            assert sampler.run(replicate=True, **GOAL)
            assert both(sampler) == both(pair)
        n_again = 3 + (3 if n > N_TEST else N_TEST)
        n_missing = counting.n_calls - n_again
        assert n_missing == pair.replica.n_like or 0 < n_missing < pair.replica.n_like - n + 100
        again = Counting()
        with make(again, filepath=path) as sampler:
            assert sampler.run(replicate=True, **GOAL)
            assert both(sampler) == both(pair)
        assert again.n_calls == 3 + 3
        assert nautilus.load(beside).log_z == pair.replica.log_z
        assert set(path.parent.iterdir()) == {path, beside}


class TestLimits:
    def test_calls_of_both_count(self, first, pair):
        sampler, most = copy_of(first), pair.n_like + 333
        assert not sampler.run(replicate=True, n_like_max=most, **GOAL)
        assert sampler.stop_reason is StopReason.CALLS
        assert sampler.n_like + sampler.replica.n_like == most
        assert sampler.result.stop_reason == StopReason.GOAL.value
        assert sampler.run(replicate=True, **GOAL)
        assert both(sampler) == both(pair)

    def test_a_vectorised_call_is_not_cut_to_fit(self, pair):
        sampler = make(vectorized=True, n_batch=50, n_recheck=0)
        first = make(vectorized=True, n_batch=50)
        first.run(**GOAL)
        assert not sampler.run(replicate=True, n_like_max=first.n_like + 49, **GOAL)
        assert (sampler.stop_reason, sampler.replica) == (StopReason.CALLS, None)
        assert "took 0 further calls and is not complete" in sampler.result.notes[0]
        assert sampler.run(replicate=True, **GOAL)
        assert sampler.replica.n_like > 300

    def test_time_of_both_counts(self, monkeypatch, first):
        given = []

        def stop(second, _goal, limits):
            given.append(limits.timeout)
            return StopReason.TIME

        sampler = copy_of(first)
        assert sampler._session.seconds > 0
        monkeypatch.setattr(type(sampler._session._watch), "seconds", 40.0)
        session = sampler._session
        goal, limits = session.goal, nautilus.limits.Limits(100.0)
        reason = sampler._replica.run(session, goal, limits, differing, stop)
        assert (reason, given) == (StopReason.TIME, [60.0])
        assert sampler.stop_reason is StopReason.TIME

    def test_nothing_is_compared_before_the_first_run_is_complete(self):
        sampler = make()
        assert not sampler.run(replicate=True, n_like_max=300, **GOAL)
        assert sampler.stop_reason is StopReason.CALLS
        assert sampler.replica is None
        assert sampler.result.notes == ()


class TestFiles:
    def test_a_file_of_another_second_run_is_told_before_anything_runs(self, path):
        beside = path.with_name("run.replica.nautilus")
        with make(filepath=beside, seed=replica_seed(12)) as sampler:
            sampler.run(n_like_max=60)
        counting = Counting()
        with make(counting, filepath=path) as sampler:
            with pytest.raises(
                CheckpointMismatchError, match=r"run\.replica.*another run"
            ) as caught:
                sampler.run(replicate=True, **GOAL)
            assert "second run that replicate makes" in caught.value.__notes__[0]
            assert counting.n_calls == 0
        with make(filepath=path, resume="overwrite") as sampler:
            assert sampler.run(replicate=True, **GOAL)
            assert sampler.run(replicate=True, f_live=0.1, n_eff=500)
        assert len(list(path.parent.glob("run.replica-*.nautilus"))) == 1

    def test_a_file_that_is_named_later(self, path, pair):
        sampler = copy_of(pair)
        sampler.filepath = path
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert sampler.run(replicate=True, **GOAL)
        assert both(sampler) == both(pair)
        assert nautilus.load(path.with_name("run.replica.nautilus")).log_z == pair.replica.log_z


class TestProgress:
    def test_a_callback_hears_of_both_and_may_change_no_pool(self):
        told = []
        sampler = make()

        def callback(record):
            told.append(record.n_like)
            with pytest.raises(SettingsError, match="while run"):
                sampler.pool_l = 2

        assert sampler.run(replicate=True, callback=callback, **GOAL)
        starts = [n for before, n in pairwise(told) if n < before]
        assert starts == [0]
        assert told[-1] == sampler.replica.n_like

    def test_verbose_runs_say_what_the_second_one_found(self, capsys):
        sampler = make()
        sampler.run(replicate=True, verbose=True, **GOAL)
        told = capsys.readouterr().err
        assert f"seed={sampler.replica.seed}" in told
        assert "further calls and found the same" in told
