"""Warnings name the line of the user, however many frames of ours lie between."""

import warnings
from contextlib import contextmanager

import pytest

from nautilus import Prior, Sampler, UnusualSettingWarning
from nautilus._warn import warn_user


@contextmanager
def nothing():
    yield


def test_one_frame_outside_is_the_user():
    with pytest.warns(UserWarning, match="odd") as caught:
        nothing()(warn_user)("odd", UserWarning)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("settings", [{"n_live": 10}, {"enlarge_per_dim": 1e9}])
def test_those_of_the_door_name_the_line_that_makes_the_sampler(settings):
    prior = Prior()
    prior.add_parameter("a")
    with pytest.warns(UnusualSettingWarning) as caught:
        Sampler(prior, lambda p: p["a"], **settings)
    assert caught[0].filename == __file__


def test_those_of_a_run_name_the_line_that_runs_it():
    prior = Prior()
    prior.add_parameter("a")
    sampler = Sampler(prior, lambda p: p["a"], vectorized=True, n_live=60, seed=1)
    with pytest.warns(UnusualSettingWarning, match="n_batch") as caught:
        sampler.run(n_like_max=5)
    assert caught[0].filename == __file__


def test_filters_of_the_user_hold():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="odd"):
            warn_user("odd", UserWarning)
