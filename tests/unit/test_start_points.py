"""Points that a user knows are evaluated first, guide the exploration, and have no weight."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, chi2, norm

from nautilus import Prior, Sampler, SettingsError, StopReason
from nautilus.errors import CheckpointMismatchError, PriorError, UntrustedResultWarning
from nautilus.parameters import N_START_MOST

SMALL = {"n_live": 50, "n_update": 150, "n_networks": 0, "seed": 3}
CENTRE = 0.3


def identity(u):
    return u


def smooth(u):
    return float(-0.5 * np.sum((u - CENTRE) ** 2) / 0.1**2)


def make(likelihood=smooth, n_dim=2, **more):
    return Sampler(identity, likelihood, n_dim, pass_dict=False, **SMALL | more)


def numbers(sampler):
    result = sampler.result
    return result.log_z, result.n_like, result.log_l.tobytes(), result.log_weights.tobytes()


class Recorder:
    """A likelihood that notes where it was called, and may be interrupted at some call."""

    def __init__(self, likelihood=smooth, stop=None):
        self.likelihood, self.stop, self.calls = likelihood, stop, []

    def __call__(self, u):
        self.calls.append(np.array(u))
        if len(self.calls) == self.stop:
            raise KeyboardInterrupt
        return self.likelihood(u)


class Island:
    """A likelihood of zero but in a small ball."""

    def __init__(self, n_dim, width):
        self.n_dim, self.width = n_dim, width

    def __call__(self, u):
        r2 = float(np.sum((u - CENTRE) ** 2)) / self.width**2
        return -0.5 * r2 if r2 < 16.0 else -np.inf

    @property
    def log_z(self):
        peak = 0.5 * self.n_dim * np.log(2 * np.pi * self.width**2)
        return peak + np.log(chi2(self.n_dim).cdf(16.0))


class TestWhatIsDone:
    def test_they_are_evaluated_first_and_counted(self):
        points = np.array([[0.31, 0.32], [0.9, 0.1]])
        recorder = Recorder()
        with make(recorder, start_points=points) as sampler:
            sampler.run(n_eff=200, n_like_max=2)
            assert sampler.stop_reason is StopReason.CALLS
            np.testing.assert_array_equal(recorder.calls[-2:], points)
            assert sampler.n_like == 2
            sampler.run(n_eff=200)
            assert sampler.n_like == len(sampler.result) + 2
            assert not np.any(np.all(sampler.result.array == points[:, None], axis=2))

    def test_where_all_is_known_they_change_no_number(self):
        with make() as plain, make(start_points=[[0.3, 0.3]]) as told:
            for sampler in (plain, told):
                sampler.run(n_eff=200)
            log_z, n_like, *weights = numbers(told)
            assert (log_z, n_like - 1, *weights) == numbers(plain)

    @pytest.mark.parametrize(("n_dim", "width"), [(2, 1e-4), (5, 5e-3)])
    def test_an_island_in_nothing_is_found(self, n_dim, width):
        island = Island(n_dim, width)
        start = np.full(n_dim, CENTRE + 0.5 * width)
        with make(island, n_dim) as lost, make(island, n_dim, start_points=start) as told:
            lost.run(n_eff=300)
            assert lost.stop_reason is StopReason.NO_LIKELIHOOD
            # That no draw from the whole prior saw it is said nevertheless.
            with pytest.warns(UntrustedResultWarning, match="only 0 of .* from the whole prior"):
                told.run(n_eff=300)
            assert abs(told.log_z - island.log_z) < 5.0 * told.log_z_err

    def test_islands_that_are_none_are_searched_for_as_always(self):
        with make(lambda _: -np.inf, start_points=[0.5, 0.5]) as sampler:
            sampler.run(n_eff=200)
            assert sampler.stop_reason is StopReason.NO_LIKELIHOOD
            assert sampler.n_like == 1 + 20 * SMALL["n_live"]

    def test_a_number_that_stands_for_zero_is_no_island(self):
        lowest = -float(np.finfo(float).max)
        with make(lambda _: lowest, start_points=[0.5, 0.5]) as sampler:
            sampler.run(n_eff=200)
            assert sampler.stop_reason is StopReason.NO_LIKELIHOOD
            assert not np.isfinite(sampler._session.state.start_log_l).any()

    def test_in_many_dimensions_sizes_do_not_vanish(self):
        def spike(u):
            r2 = float(np.sum((u - CENTRE) ** 2))
            return -r2 if r2 < 1e-6 else -np.inf

        with make(spike, 120, start_points=np.full(120, CENTRE)) as sampler:
            sampler.run(n_eff=200, n_like_max=260)
            proposal = sampler._session.state.proposals[1]
            widths = proposal.mixture.cholesky[:, 0, 0]
            np.testing.assert_allclose(widths[2:] / widths[1:-1], 0.25)  # the first is cut

    def test_a_second_run_has_them_too(self):
        recorder = Recorder()
        with make(recorder, start_points=[0.25, 0.25]) as sampler:
            sampler.run(n_eff=200, replicate=True)
            assert sum(np.array_equal(call, [0.25, 0.25]) for call in recorder.calls) == 2


class TestForms:
    @pytest.fixture
    def prior(self):
        prior = Prior()
        prior.add_parameter("a", dist=(-5, 5))
        prior.add_parameter("b", dist=norm(1, 2))
        prior.add_parameter("c", dist=beta(2, 3))
        prior.add_parameter("d", dist="a")
        prior.add_parameter("e", dist=4.0)
        return prior

    @pytest.mark.parametrize(
        "points",
        [
            [[1.0, -3.0, 0.2], [5.0, 9.0, 0.9]],
            {"a": [1.0, 5.0], "b": [-3.0, 9.0], "c": [0.2, 0.9], "e": [4.0, 4.0]},
        ],
    )
    def test_parameters_of_a_prior_are_those_that_the_likelihood_gets(self, prior, points):
        seen = []

        def log_l(p):
            seen.append([p[key] for key in prior.keys])
            return -0.5 * p["a"] ** 2

        with Sampler(prior, log_l, **SMALL, start_points=points) as sampler:
            sampler.run(n_eff=100, n_like_max=2)
        wanted = [[1.0, -3.0, 0.2, 1.0, 4.0], [5.0, 9.0, 0.9, 5.0, 4.0]]
        np.testing.assert_allclose(seen[-2:], wanted, rtol=1e-9)

    def test_one_point_of_one_number_each_is_one_point(self, prior):
        sampler = Sampler(prior, smooth, **SMALL, start_points={"a": 1, "b": 2, "c": 0.5})
        assert len(sampler._session.config.start_points) == 1
        assert sampler.start_points == {"a": 1, "b": 2, "c": 0.5}

    def test_the_inverse_of_a_prior_is_one(self, prior):
        unit = np.random.default_rng(2).random((200, 3))
        unit[0], unit[1] = 1e-12, 1.0 - 1e-12
        back = prior.physical_to_unit(prior.unit_to_physical(unit))
        np.testing.assert_allclose(back, unit, rtol=1e-6, atol=1e-15)

    @pytest.mark.parametrize("value", [[-5.0, 1.0, 0.0], [5.0, 1.0, 1.0]])
    def test_ends_of_a_prior_are_within_the_cube(self, prior, value):
        config = Sampler(prior, smooth, **SMALL, start_points=value)._session.config
        assert all(0.0 < u < 1.0 for u in config.start_points[0])

    def test_what_is_outside_has_no_place_in_the_cube(self, prior):
        with pytest.raises(PriorError, match=r"value 7\.0 for parameter 'a'.* -5.0 to 5.0"):
            prior.physical_to_unit([7.0, 1.0, 0.5])

    @pytest.mark.parametrize(
        ("points", "told"),
        [
            ([7.0, 1.0, 0.5], "value 7.0 for parameter 'a'"),
            ([[1.0, 2.0]], r"shape \(1, 2\).* \(3,\) or \(n, 3\)"),
            (np.zeros((2, 2, 3)), r"shape \(2, 2, 3\)"),
            ([1.0, np.nan, 0.5], "finite numbers"),
            ("optimum", "type str"),
            ({"a": 1.0}, r"\['b', 'c'\] are missing"),
            ({"a": [1.0], "b": [1.0, 2.0], "c": [0.5]}, "shapes"),
            (np.zeros((N_START_MOST + 1, 3)), "1,001 points.*such as every 2th"),
        ],
    )
    def test_others_are_refused_with_a_reason(self, prior, points, told):
        with pytest.raises(SettingsError, match=told):
            Sampler(prior, smooth, **SMALL, start_points=points)

    def test_a_function_has_points_of_the_cube(self):
        with pytest.raises(SettingsError, match=r"reach from 0.5 to 3.*points of the unit cube"):
            make(start_points=[0.5, 3.0])
        with pytest.raises(SettingsError, match="names"):
            make(start_points={"a": 1.0})


class TestFiles:
    POINTS = np.linspace(0.2, 0.8, 12).reshape(6, 2)

    @pytest.mark.parametrize("stop", [11, 300, 900])
    def test_a_script_that_was_killed_is_repeated(self, tmp_path, stop):
        """While they are evaluated (after eight trial calls), and later."""

        def script(likelihood, path):
            with make(
                likelihood, filepath=path, save_interval=0, start_points=self.POINTS
            ) as sampler:
                sampler.run(n_eff=200)
                return numbers(sampler)

        whole = script(smooth, None)
        path = tmp_path / "run.nautilus"
        with pytest.raises(KeyboardInterrupt, match="130"):
            script(Recorder(stop=stop), path)
        assert script(smooth, path) == whole

    def test_what_was_evaluated_is_not_evaluated_again(self, tmp_path):
        path = tmp_path / "run.nautilus"
        settings = {"filepath": path, "save_interval": 0, "start_points": self.POINTS}
        with make(**settings) as sampler:
            sampler.run(n_eff=200, n_like_max=4)
        recorder = Recorder()
        with make(recorder, **settings) as sampler:
            assert sampler.n_like == 4
            sampler.run(n_eff=200, n_like_max=8)
        again = np.array(recorder.calls)
        assert [np.any(np.all(again == point, axis=1)) for point in self.POINTS] == [False] * 4 + [
            True
        ] * 2

    @pytest.mark.parametrize(
        ("points", "told"),
        [
            (None, "start_points has 6 points in the file and 0 now"),
            (POINTS + 0.01, "start_points are other points in the file"),
        ],
    )
    def test_others_are_another_run(self, tmp_path, points, told):
        path = tmp_path / "run.nautilus"
        with make(filepath=path, start_points=self.POINTS) as sampler:
            sampler.run(n_eff=200, n_like_max=10)
        with pytest.raises(CheckpointMismatchError, match=told):
            make(filepath=path, start_points=points)

    def test_a_run_of_another_dimension_is_told_as_such(self, tmp_path):
        path = tmp_path / "run.nautilus"
        with make(filepath=path, start_points=[0.5, 0.5]) as sampler:
            sampler.run(n_eff=200, n_like_max=10)
        with pytest.raises(CheckpointMismatchError, match="n_dim is 2 in the file and 3 now"):
            make(n_dim=3, filepath=path, start_points=[0.5, 0.5, 0.5])

    def test_another_library_may_round_differently(self, tmp_path):
        path = tmp_path / "run.nautilus"
        with make(filepath=path, start_points=self.POINTS) as sampler:
            sampler.run(n_eff=200, n_like_max=10)
        with make(filepath=path, start_points=self.POINTS * (1.0 + 1e-12)) as sampler:
            assert sampler.n_like == 10
            kept = sampler._session.config.start_points
        assert kept == replace(sampler._session.config).start_points
        np.testing.assert_array_equal(kept, self.POINTS)
