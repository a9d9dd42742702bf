"""A run that is stopped anywhere, by anything, and goes on from its file is the run."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautilus import NautilusError, Prior, Sampler, load

N_LIKE = 1200
"""More calls than the run takes."""

KINDS = ("limit", "interrupt", "error", "callback", "exit", "time")


class SomeError(Exception):
    """Whatever may happen."""


def bent(p):
    return -10 * ((p["a"] - p["b"] ** 2) ** 2 + (p["b"] - 0.2) ** 2), p["a"] > p["b"]


def make_prior():
    prior = Prior()
    for name in "ab":
        prior.add_parameter(name, dist=(-1, 1))
    return prior


class Stopping:
    """Raises at one of its calls."""

    def __init__(self, n, error):
        self.n, self.error, self.n_calls = n, error, 0

    def __call__(self, p):
        self.n_calls += 1
        if self.n_calls == self.n:
            raise self.error
        return bent(p)


def carry_on(path, log_l=bent, pool=None, **limits):
    """Carry the run in a file on until it stops."""
    with Sampler(
        make_prior(), log_l, filepath=path, pool=pool, n_live=50, n_update=120, n_networks=1,
        neural_network_kwargs={"hidden_layer_sizes": (8,), "max_iter": 3}, seed=6, n_recheck=1,
        save_interval=0.0,
    ) as sampler:  # fmt: skip
        is_done = bool(sampler.run(f_live=0.2, n_eff=250, **limits))
        return bits(sampler.result) if is_done else None


def bits(result):
    arrays = (result.array, result.log_weights, result.log_l, result.blobs)
    return (*(a.tobytes() for a in arrays), result.log_z.hex(), result.n_like, result.findings)


def stop(path, kind, n, pool):
    """Stop the run in a file after some calls or steps."""

    def callback(_):
        nonlocal n
        n -= 30
        if n < 0:
            raise SomeError

    limits = {
        "limit": {"n_like_max": n}, "callback": {"callback": callback}, "time": {"timeout": 0.0},
    }  # fmt: skip
    errors = {"interrupt": KeyboardInterrupt, "error": SomeError, "exit": SystemExit}
    log_l = Stopping(n, errors[kind]) if kind in errors else bent
    try:
        carry_on(path, log_l, pool, **limits.get(kind, {}))
    except (KeyboardInterrupt, SystemExit, SomeError, NautilusError):
        return


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    path = tmp_path_factory.mktemp("straight") / "run.nautilus"
    found = carry_on(path)
    assert found[-2] < N_LIKE
    return found


STOP = st.tuples(st.sampled_from(KINDS), st.integers(0, N_LIKE), st.booleans())


@pytest.mark.parametrize("n_examples", [4, pytest.param(40, marks=pytest.mark.long)])
def test_a_run_that_is_stopped_anywhere_is_the_run(n_examples, expected, tmp_path_factory):
    @settings(max_examples=n_examples)
    @given(stops=st.lists(STOP, min_size=1, max_size=4))
    def check(stops):
        path = tmp_path_factory.mktemp("stopped") / "run.nautilus"
        for kind, n, is_threaded in stops:
            with ThreadPoolExecutor(2) if is_threaded else nullcontext() as pool:
                stop(path, kind, n, pool)
        found = carry_on(path)
        assert found == expected
        assert bits(load(path)) == expected

    check()


def test_numbers_that_differ_are_seen(expected, tmp_path):
    """Negative control: the comparison notices the last bit of one weight."""
    path = tmp_path / "run.nautilus"
    assert carry_on(path) == expected
    result = load(path)
    weights = result.log_weights.copy()
    weights[17] = np.nextafter(weights[17], 0)
    assert bits(result)[1] == expected[1] != weights.tobytes()
