import functools
import operator
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nautilus import Prior, Sampler
from nautilus.errors import BackendError, SettingsError
from nautilus.evaluate.factory import BuildError, BuiltLikelihood
from nautilus.evaluate.likelihood import Likelihood


class Factory:
    """Counts how often it was asked in this process; can be pickled, what it makes cannot."""

    n_built = 0

    def __call__(self):
        type(self).n_built += 1
        return lambda x, power=2: -(x["a"] ** power)


@pytest.fixture(autouse=True)
def count_anew(monkeypatch):
    monkeypatch.setattr(Factory, "n_built", 0)


@pytest.fixture
def prior():
    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    return prior


def test_a_process_builds_once():
    built = BuiltLikelihood(Factory())
    assert Factory.n_built == 0
    assert [built({"a": 3}), built({"a": 2}, power=3)] == [-9, -8]
    assert built.build() is built.build()
    assert Factory.n_built == 1


def test_threads_build_once():
    built = BuiltLikelihood(Factory())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: built({"a": 1}), range(64)))
    assert Factory.n_built == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_builds_its_own():
    built = BuiltLikelihood(Factory())
    built.build()
    child = os.fork()
    if child == 0:
        built.build()
        built.build()
        os._exit(Factory.n_built)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    built.build()
    assert Factory.n_built == 1


def test_only_the_factory_travels():
    built = BuiltLikelihood(functools.partial(functools.partial, operator.add, 2))
    assert built(3) == 5
    copy = pickle.loads(pickle.dumps(built))
    assert copy._function is None
    assert copy(4) == 6


def test_a_factory_that_raises_is_named_with_its_traceback():
    def factory():
        raise OSError("no such table")

    with pytest.raises(
        BuildError, match=r"likelihood_factory raised OSError: no such table"
    ) as error:
        BuiltLikelihood(factory).build()
    assert 'raise OSError("no such table")' in error.value.remote_traceback


def test_a_factory_that_makes_no_function_is_named():
    with pytest.raises(BuildError, match=r"returned -1\.0, which cannot be called"):
        BuiltLikelihood(lambda: -1.0).build()


@pytest.mark.parametrize("pool", [None, 2])
def test_a_sampler_says_what_is_wrong_with_a_factory(prior, pool):
    def factory():
        raise OSError("no such table")

    with (
        Sampler(prior, likelihood_factory=factory, pool=(pool, None)) as sampler,
        pytest.raises(BackendError, match="likelihood_factory raised OSError: no such table"),
    ):
        sampler.run(n_like_max=100)


def test_a_factory_is_tried_again_after_it_failed():
    answers = iter([None, abs])
    built = BuiltLikelihood(lambda: next(answers))
    with pytest.raises(BuildError, match="returned None"):
        built(-1)
    assert built(-1) == 1


@pytest.mark.parametrize("pool", [None, 2])
def test_a_factory_gives_the_numbers_of_its_likelihood(prior, pool):
    def factory():
        lock = threading.Lock()  # cannot be sent

        def log_l(parameters):
            with lock:
                return -(parameters["a"] ** 2)

        return log_l

    settings = {"n_live": 50, "n_networks": 1, "neural_network_kwargs": {"max_iter": 4}, "seed": 3}
    found = []
    for likelihood in ({"likelihood": factory()}, {"likelihood_factory": factory}):
        where = None if "likelihood" in likelihood else (pool, None)
        with Sampler(prior, **likelihood, **settings, pool=where) as sampler:
            sampler.run(n_eff=100)
            found.append((sampler.log_z, sampler.n_like))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "neither is given"),
        ({"likelihood": None, "likelihood_factory": None}, "neither is given"),
        ({"likelihood": abs, "likelihood_factory": Factory()}, "both are given"),
        ({"likelihood_factory": "make"}, "likelihood_factory is 'make', which cannot be called"),
        ({"likelihood": 3.0}, "likelihood is 3.0, which cannot be called"),
    ],
)
def test_a_sampler_wants_one_of_the_two(prior, given, message):
    with pytest.raises(SettingsError, match=message):
        Sampler(prior, **given)


@pytest.mark.parametrize(
    "value", [0, -1, 0.0009, 1.1e8, np.inf, np.nan, True, "1", [1.0], 1j], ids=str
)
def test_a_time_limit_without_meaning_is_refused(prior, value):
    with pytest.raises(SettingsError, match=r"call_timeout is .*between 0\.001 and 1e\+08"):
        Sampler(prior, abs, call_timeout=value)


@pytest.mark.parametrize("value", [None, 0.001, 1, np.float32(2.5), 1e8], ids=str)
def test_a_time_limit_is_any_number_of_seconds(prior, value):
    assert Likelihood(abs, prior, call_timeout=value).call_timeout == value
    Sampler(prior, abs, call_timeout=value).close()
