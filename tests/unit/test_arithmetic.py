"""Switches for floating-point errors, which users set for their own code."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import nautilus
from nautilus import Posterior, Prior, Sampler
from nautilus._arithmetic import (
    ErrorState,
    arithmetic_of_user,
    error_state_of_user,
    in_own_arithmetic,
    own_arithmetic,
)

RAISE = dict.fromkeys(np.geterr(), "raise")
IGNORE = dict.fromkeys(np.geterr(), "ignore")


def prior_of(n_dim):
    prior = Prior()
    for _ in range(n_dim):
        prior.add_parameter(dist=(-1, 1))
    return prior


def narrow(x):
    return -0.5 * float(np.sum((x / 0.05) ** 2))


def flat_disc(x):
    return 0.0 if float(np.sum(x**2)) < 0.1 else -np.inf


def flat_disc_on_a_floor(x):
    return 0.0 if float(np.sum(x**2)) < 0.1 else -1e300


def sampler_of(log_l, pool=None, n_dim=2, **more):
    settings = {"n_live": 50, "n_update": 150, "n_networks": 1, "seed": 1, "pass_dict": False}
    return Sampler(prior_of(n_dim), log_l, pool=pool, **settings | more)


def read_everything(result):
    result.to_dict(), result.summary(), result.quantile(0.5), result.interval()
    result.std(), result.weights, result.information, result.resample(), repr(result)


@pytest.mark.parametrize("mode", ["raise", "warn"])
@pytest.mark.parametrize("log_l", [narrow, flat_disc, flat_disc_on_a_floor])
def test_what_users_set_does_not_reach_our_arithmetic(log_l, mode, tmp_path):
    path = tmp_path / "run.nautilus"

    def run(filepath):
        with sampler_of(log_l, filepath=filepath) as sampler:
            sampler.run(n_eff=300, n_like_max=3000)
            points, log_w, _ = sampler.posterior(equal_weight=True)
            read_everything(sampler.result)
            for name in dir(sampler):
                getattr(sampler, name)
            sampler.shell_bound_occupation()
            return sampler.log_z, sampler.log_z_err, sampler.eta, len(points), len(log_w)

    expected = run(None)
    with np.errstate(all=mode):
        assert run(path) == expected
        read_everything(nautilus.load(path, discard_exploration=False))


def test_likelihood_prior_and_callback_have_what_the_user_set():
    def to_physical(u):
        seen["prior"] = np.geterr()
        return 2 * u - 1

    def log_l(x):
        seen["likelihood"] = np.geterr()
        return narrow(x)

    def build():
        seen["factory"] = np.geterr()
        return log_l

    def look(_):
        seen["callback"] = np.geterr()

    expected = RAISE | {"over": "ignore"}
    seen = {}
    with np.errstate(**expected):
        sampler = Sampler(to_physical, n_dim=1, likelihood_factory=build, n_live=50, seed=1)
        sampler.run(n_like_max=200, callback=look)
        assert np.geterr() == expected
    assert seen == dict.fromkeys(("prior", "likelihood", "factory", "callback"), expected)


def test_threads_have_what_the_user_set():
    def log_l(x):
        seen.append(np.geterr())
        return narrow(x)

    seen = []
    with ThreadPoolExecutor(2) as pool, np.errstate(all="raise"):
        sampler_of(log_l, pool).run(n_like_max=400)
    assert seen
    assert all(state == RAISE for state in seen)


def test_what_a_likelihood_warns_of_reaches_the_user():
    def log_l(x):
        return float(np.log(np.minimum(x[0], 0.0)))

    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
        warnings.simplefilter("always")
        with pytest.raises(nautilus.LikelihoodError, match="nan"):
            sampler_of(log_l).run(n_like_max=300)
    texts = {str(one.message) for one in caught}
    assert texts
    assert all("encountered in log" in text for text in texts)


def test_a_run_within_a_likelihood_has_what_is_set_there():
    def log_l(x):
        seen.append(np.geterr())
        return narrow(x)

    def outer(x):
        if not seen:
            with np.errstate(under="raise"):
                sampler_of(log_l).run(n_like_max=100)
        return narrow(x)

    seen = []
    with np.errstate(**IGNORE):
        sampler_of(outer).run(n_like_max=100)
    assert all(state == IGNORE | {"under": "raise"} for state in seen)


def test_a_function_that_is_called_for_errors_stays_in_its_process():
    errors = []
    with np.errstate(call=lambda kind, _: errors.append(kind), divide="call"):
        state = error_state_of_user()
        with own_arithmetic(), arithmetic_of_user():
            np.ones(1) / np.zeros(1)
    assert errors == ["divide by zero"]
    assert pickle.loads(pickle.dumps(state)) == ErrorState(state.modes | {"divide": "warn"})


def test_methods_and_properties_of_a_class_run_in_our_own():
    @in_own_arithmetic
    class Value:
        @property
        def one(self):
            return np.geterr()

        @classmethod
        def two(cls):
            return np.geterr()

        def three(self):
            return np.geterr()

    value = Value()
    with np.errstate(all="raise"):
        assert [value.one, value.two(), value.three()] == [IGNORE] * 3
        assert np.geterr() == RAISE


def test_a_result_of_the_user_is_computed_in_our_own():
    with np.errstate(all="raise"):
        result = Posterior(
            names=("a",), array=np.array([[1e-200], [2e-200]]), log_weights=np.array([0.0, -800.0]),
            log_l=np.zeros(2), log_z=0.0, log_z_err=0.1, n_eff=1.0, n_like=2, eta=0.5,
            tail_index=0.1, seed=1,
        )  # fmt: skip
        read_everything(result)
        prior = Prior()
        prior.add_parameter(dist=(0, 1e-300))
        assert prior.unit_to_physical([1e-300]) == 0.0
