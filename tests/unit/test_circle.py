"""Periodic parameters: what is said of them, with exact answers."""

import copy
import pickle

import numpy as np
import pytest
from scipy.stats import norm, vonmises

from nautilus import Prior, Sampler, load
from nautilus._circle import unwrap
from nautilus.errors import SettingsError
from nautilus.parameters import circles_of
from nautilus.posterior import Posterior
from nautilus.prior import as_prior_map

CIRCLES = {"radians": (0.0, 2 * np.pi), "signed": (-np.pi, np.pi), "degrees": (-180.0, 180.0)}


def make(values, periodic, log_weights=None):
    """Return a posterior of one parameter."""
    n = len(values)
    return Posterior(
        names=("phase",), array=np.reshape(values, (n, 1)),
        log_weights=np.zeros(n) if log_weights is None else log_weights, log_l=np.zeros(n),
        log_z=0.0, log_z_err=0.1, n_eff=float(n), n_like=n, eta=1.0, tail_index=0.0, seed=1,
        periodic=periodic,
    )  # fmt: skip


def wrapped_normal(mean, std, ends, n=4001):
    """Return the quantiles of a normal distribution, wound around a circle, out of order."""
    low, high = ends
    values = norm(mean, std).ppf((np.arange(n) + 0.5) / n)
    np.random.default_rng(1).shuffle(values)
    return low + np.mod(values - low, high - low)


@pytest.mark.parametrize("ends", CIRCLES.values(), ids=CIRCLES.keys())
@pytest.mark.parametrize("place", [-0.01, 0.001, 0.02, 0.3, 0.5, 0.98])
def test_a_wrapped_normal_has_its_own_moments_and_quantiles(ends, place):
    period = ends[1] - ends[0]
    mean, std = ends[0] + place * period, 0.03 * period
    posterior = make(wrapped_normal(mean, std, ends), [ends])
    expected = mean + period * (place < 0)  # within the range
    tolerance = 1e-4 * period
    assert posterior.mean() == pytest.approx(expected, abs=tolerance)
    assert posterior.std() == pytest.approx(std, rel=2e-3)
    assert posterior.quantile(0.5) == pytest.approx(expected, abs=tolerance)
    tails = norm(expected, std).ppf([0.025, 0.975])
    np.testing.assert_allclose(posterior.interval(0.95), [tails], atol=tolerance)
    np.testing.assert_allclose(posterior.quantile([0.025, 0.975])[:, 0], tails, atol=tolerance)


def test_without_the_circle_the_same_values_say_nothing():
    """Negative control: a phase of 0.1 +- 0.1 on a line."""
    values = wrapped_normal(0.1, 0.1, (0, 2 * np.pi))
    on_a_line, on_a_circle = make(values, None), make(values, [(0, 2 * np.pi)])
    assert on_a_line.std() > 2
    assert on_a_line.mean() > 1
    assert on_a_circle.mean() == pytest.approx(0.1, abs=1e-4)
    assert on_a_circle.std() == pytest.approx(0.1, rel=2e-3)


def test_weights_count():
    values = np.concatenate([wrapped_normal(0.1, 0.05, (0, 1)), wrapped_normal(0.6, 0.05, (0, 1))])
    log_w = np.repeat([0.0, -np.inf], 4001)
    posterior = make(values, [(0, 1)], log_w)
    assert posterior.mean() == pytest.approx(0.1, abs=1e-4)
    assert posterior.std() == pytest.approx(0.05, rel=2e-3)


def test_the_cut_goes_through_no_mode():
    """Opposite the mean of a large and a small mode lies the small one."""
    values = np.concatenate([wrapped_normal(0.0, 0.02, (0, 1)), wrapped_normal(0.5, 0.04, (0, 1))])
    log_w = np.repeat(np.log([0.95, 0.05]), 4001)
    line = make(values, [(0, 1)], log_w).unwrapped[4001:, 0]
    assert np.ptp(line) < 0.4
    assert line.std() == pytest.approx(0.04, rel=2e-3)


def test_values_far_from_the_cut_keep_every_bit():
    values = wrapped_normal(0.5, 0.03, (0, 1))
    posterior = make(values, [(0, 1)])
    np.testing.assert_array_equal(posterior.unwrapped, posterior.array)
    np.testing.assert_array_equal(posterior.mean(), make(values, None).mean())


def test_lines_stay_lines():
    posterior = make(wrapped_normal(0.5, 0.03, (0, 1)), None)
    assert posterior.unwrapped is posterior.array
    assert make([0.1, 0.9], [(np.nan, np.nan)]).periodic is None


@pytest.mark.parametrize("turns", [-3, 0, 1, 7])
def test_whole_turns_do_not_matter(turns):
    values = wrapped_normal(0.1, 0.1, (0, 2 * np.pi)) + 2 * np.pi * turns
    assert make(values, [(0, 2 * np.pi)]).mean() == pytest.approx(0.1, abs=1e-4)


def test_a_full_circle_and_a_single_point():
    even = (np.arange(3600) + 0.5) / 3600
    full = make(even, [(0, 1)])
    assert full.std() == pytest.approx(12**-0.5, rel=1e-6)
    assert 0 <= full.mean()[0] <= 1
    single = make([0.999], [(0, 1)])
    assert (single.mean()[0], single.std()[0]) == (0.999, 0.0)
    both_ends = make([0.0, 1.0], [(0, 1)])  # one point
    assert both_ends.std() == pytest.approx(0.0)


def test_only_the_columns_that_are_periodic_are_moved():
    array = np.stack([wrapped_normal(0.0, 0.02, (0, 1))] * 2, axis=1)
    ends = np.array([[np.nan, np.nan], [0.0, 1.0]])
    lines = unwrap(array, np.zeros(len(array)), ends)
    np.testing.assert_array_equal(lines[:, 0], array[:, 0])
    assert lines[:, 1].std() < 0.03 < array[:, 0].std()


def test_covariance_is_that_of_the_unwrapped_values():
    phase = wrapped_normal(0.0, 0.02, (0, 1))
    other = 3.0 * (np.mod(phase + 0.5, 1.0) - 0.5)
    n = len(phase)
    posterior = Posterior(
        names=("phase", "other"), array=np.stack([phase, other], axis=1), log_weights=np.zeros(n),
        log_l=np.zeros(n), log_z=0.0, log_z_err=0.1, n_eff=float(n), n_like=n, eta=1.0,
        tail_index=0.0, seed=1, periodic=[(0, 1), (np.nan, np.nan)],
    )  # fmt: skip
    np.testing.assert_allclose(posterior.covariance(), 4e-4 * np.array([[1, 3], [3, 9]]), rtol=4e-3)


def test_tables_say_so():
    posterior = make(wrapped_normal(0.1, 0.1, (0, 2 * np.pi)), [(0, 2 * np.pi)])
    row = posterior.summary().splitlines()[1].split()
    assert row == ["phase", "0.1000", "0.1000", "0.1000", "[0.0006,", "0.1994]"]
    assert "<td>0.1000</td><td>0.1000</td><td>0.1000</td>" in posterior._repr_html_()
    assert repr(posterior).splitlines()[2].split() == ["phase", "0.1000", "0.1000"]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_know_it(clone):
    posterior = clone(make(wrapped_normal(0.1, 0.1, (0, 1)), [(0, 1)]))
    np.testing.assert_array_equal(posterior.periodic, [(0, 1)])
    assert not posterior.periodic.flags.writeable
    np.testing.assert_array_equal(posterior.to_dict()["periodic"], [(0, 1)])


@pytest.mark.parametrize(
    "ends", [[(1, 0)], [(0, 0)], [(0, np.inf)], [(0, np.nan)], [(0, 1), (0, 1)], (0, 1)]
)
def test_ranges_that_are_none(ends):
    with pytest.raises(SettingsError, match=r"periodic h(as|olds)"):
        make([0.1, 0.2], ends)


class TestWhichParametersAreCircles:
    def ends(self, prior, axes, **keywords):
        return circles_of(as_prior_map(prior, **keywords), axes)

    def test_those_of_a_prior(self):
        prior = Prior()
        prior.add_parameter("a", (1, 3))
        prior.add_parameter("fixed", 2.0)
        prior.add_parameter("angle", (-np.pi, np.pi), periodic=True)
        prior.add_parameter("bent", vonmises(2.0), periodic=True)
        expected = [[np.nan, np.nan], [-np.pi, np.pi], [-np.pi, np.pi]]
        for pass_dict in (True, False):
            ends = self.ends(prior, prior.periodic, pass_dict=pass_dict)
            np.testing.assert_allclose(ends, expected, atol=1e-6)

    def test_those_named_by_the_keyword(self):
        prior = Prior()
        prior.add_parameter("hours", (0, 24))
        np.testing.assert_array_equal(self.ends(prior, (0,)), [[0, 24]])
        assert self.ends(prior, ()) is None

    @pytest.mark.parametrize("vectorized", [False, True])
    def test_those_of_a_function(self, vectorized):
        def function(u):
            phase, other = u[..., 0], u[..., 1]
            return np.stack([other, 360 * phase, -phase, np.sin(6.28 * phase), phase * other], -1)

        ends = self.ends(function, (0,), n_dim=2, vectorized=vectorized)
        nan = [np.nan, np.nan]
        np.testing.assert_array_equal(ends, [nan, [0, 360], [-1, 0], nan, nan])

    def test_those_of_a_function_that_returns_a_dictionary(self):
        ends = self.ends(lambda u: {"x": u[1], "phase": 2 * u[0]}, (0,), n_dim=2)
        np.testing.assert_array_equal(ends, [[np.nan, np.nan], [0, 2]])

    def test_a_function_without_a_value_at_the_end_has_no_circle(self):
        def function(u):
            if u[0] == 0:
                raise ZeroDivisionError("no value at 0")
            return 1 / u

        assert self.ends(function, (0,), n_dim=1) is None


@pytest.fixture
def phase_run(tmp_path):
    prior = Prior()
    prior.add_parameter("a", (-5, 5))
    prior.add_parameter("phase", (0, 2 * np.pi), periodic=True)

    def log_likelihood(p):
        offset = np.mod(p["phase"] - 0.1 + np.pi, 2 * np.pi) - np.pi
        return -0.5 * (p["a"] ** 2 + (offset / 0.1) ** 2)

    path = tmp_path / "run.nautilus"
    sampler = Sampler(prior, log_likelihood, n_live=100, n_networks=1, seed=1, filepath=path)
    sampler.run(n_eff=1000)
    return sampler, path


def test_a_run_and_its_file_know_their_circles(phase_run):
    sampler, path = phase_run
    for posterior in (sampler.result, load(path)):
        np.testing.assert_array_equal(posterior.periodic, [[np.nan, np.nan], [0, 2 * np.pi]])
        assert posterior.mean()[1] == pytest.approx(0.1, abs=0.02)
        assert posterior.std()[1] == pytest.approx(0.1, rel=0.2)
        low, high = posterior.interval(0.95)[1]
        assert (low, high) == pytest.approx((-0.096, 0.296), abs=0.05)
    np.testing.assert_array_equal(load(path).mean(), sampler.result.mean())
