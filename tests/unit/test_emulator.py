"""The learning scale, local quadratics, networks and their training, and the whole emulator."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from nautilus._streams import stream
from nautilus.emulator import training
from nautilus.emulator.baseline import fit_baseline, n_coefficients, quadratic
from nautilus.emulator.emulator import EmulatorSettings
from nautilus.emulator.fit import HELD_OUT, TrainingSet, _choose, fit_emulator
from nautilus.emulator.network import Network, new_network
from nautilus.emulator.target import FLOOR, LearningScale
from nautilus.emulator.training import Schedule, train
from nautilus.geometry.coordinates import cut_periodic
from nautilus.geometry.fit import fit_mixture


def serial(function, tasks):
    return [function(*task) for task in tasks]


def backwards(function, tasks):
    return [function(*task) for task in reversed(tasks)][::-1]


class TestLearningScale:
    scale = LearningScale(reference=-3.0, width=2.0)
    limit = 2.0 * np.expm1(FLOOR)

    def test_expand_inverts_compress_within_the_limits(self):
        log_l = np.linspace(-3.0 - self.limit, -3.0 + self.limit, 1001)
        np.testing.assert_allclose(
            self.scale.expand(self.scale.compress(log_l)), log_l, rtol=1e-12, atol=1e-12
        )

    def test_order_is_kept(self):
        log_l = np.linspace(-3.0 - self.limit, -3.0 + self.limit, 1001)
        assert np.all(np.diff(self.scale.compress(log_l)) > 0)
        assert np.all(np.diff(self.scale.expand(np.linspace(-FLOOR, FLOOR, 1001))) > 0)

    def test_beyond_the_limits_all_is_one(self):
        log_l = np.array([-np.inf, -1e300, -3.0 - 1.01 * self.limit, 1e300, np.inf])
        np.testing.assert_allclose(self.scale.compress(log_l), FLOOR * np.array([-1, -1, -1, 1, 1]))
        np.testing.assert_allclose(
            self.scale.expand(np.array([-99.0, 99.0])), [-3.0 - self.limit, -3.0 + self.limit]
        )

    def test_differences_at_the_reference_stay_in_proportion(self):
        near = self.scale.compress(np.array([-3.0, -3.0 + 1e-6]))
        assert near[0] == 0.0
        np.testing.assert_allclose(near[1], 0.5e-6, rtol=1e-5)

    def test_slope_is_the_derivative_in_units_of_the_width(self):
        log_l = np.linspace(-40.0, 30.0, 72)  # the kink at the reference is left out
        step = 1e-6
        difference = self.scale.compress(log_l + step) - self.scale.compress(log_l - step)
        np.testing.assert_allclose(
            self.scale.slope(log_l), difference / (2 * step) * self.scale.width, rtol=1e-6
        )


class TestBaseline:
    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_a_quadratic_is_found_exactly(self, d, seed):
        rng = np.random.default_rng(seed)
        points = rng.random((4 * n_coefficients(d), d))
        slope, matrix = rng.normal(size=d), rng.normal(scale=30.0, size=(d, d))

        def log_l(x):
            return 7.0 + x @ slope - np.einsum("ni,ij,nj->n", x - 0.4, matrix, x - 0.4)

        n = len(points)
        baseline = fit_baseline(
            points, log_l(points), rng.random(n), np.ones((n, 1)), rng.random(n)
        )
        fresh = rng.random((50, d))
        value, _ = baseline.predict(fresh, np.ones((50, 1)))
        assert baseline.coefficients.shape == (1, n_coefficients(d))
        spread = log_l(fresh).std() + 1.0
        np.testing.assert_allclose(value, log_l(fresh), rtol=0, atol=1e-4 * spread)

    def test_the_polynomial_is_written_out(self):
        local = np.array([[2.0, 3.0]])
        # 1 + 10 x + 100 y + 1000 x^2 + 10^4 x y + 10^5 y^2
        coefficients = np.array([1.0, 10.0, 100.0, 1e3, 1e4, 1e5])
        assert quadratic(local, coefficients)[0] == 1 + 20 + 300 + 4000 + 60000 + 900000

    def test_each_expert_is_exact_on_its_own_side(self, seed):
        rng = np.random.default_rng(seed)
        points = rng.random((300, 2))
        left = (points[:, 0] < 0.5).astype(float)
        log_l = np.where(left > 0, -50 * points[:, 1] ** 2, 3 - 80 * (points[:, 0] - 0.8) ** 2)
        experts = np.column_stack([left, 1 - left])
        baseline = fit_baseline(points, log_l, np.ones(300), experts, np.ones(300))
        value, blended = baseline.predict(points, experts)
        np.testing.assert_allclose(value, log_l, atol=1e-3)
        own = np.where(left[:, None] > 0, baseline.local(points, 0), baseline.local(points, 1))
        np.testing.assert_allclose(blended, own)
        # Each expert sees its own points centred and of unit covariance.
        np.testing.assert_allclose(own[left > 0].mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(np.cov(own[left > 0].T, ddof=0), np.eye(2), atol=1e-6)

    def test_importance_decides_where_it_must_bend(self, seed):
        x = np.random.default_rng(seed).random((400, 1))
        log_l = np.sin(9 * x[:, 0])
        near = np.exp(-0.5 * ((x[:, 0] - 0.3) / 0.03) ** 2) + 1e-9
        baseline = fit_baseline(x, log_l, near, np.ones((400, 1)), np.ones(400))
        value, _ = baseline.predict(x, np.ones((400, 1)))
        assert np.sqrt(np.average((value - log_l) ** 2, weights=near)) < 0.02
        assert np.abs(value - log_l).max() > 0.5

    def test_an_expert_without_points_stands_for_all(self, seed):
        points = np.random.default_rng(seed).random((200, 2))
        experts = np.column_stack([np.ones(200), np.zeros(200)])
        baseline = fit_baseline(points, points[:, 0], np.ones(200), experts, np.ones(200))
        value, _ = baseline.predict(points, np.full((200, 2), 0.5))
        np.testing.assert_allclose(value, points[:, 0], atol=1e-4)

    @pytest.mark.parametrize("n_own", [1, 2, 3])
    def test_so_does_one_with_hardly_a_point(self, seed, n_own):
        points = np.random.default_rng(seed).random((200, 2))
        own = np.where(np.arange(200) < n_own, 1.0, 1e-200)
        experts = np.column_stack([1.0 - own, own])
        baseline = fit_baseline(points, points[:, 0], np.ones(200), experts, np.ones(200))
        value, _ = baseline.predict(points, np.tile([0.0, 1.0], (200, 1)))
        np.testing.assert_allclose(value, points[:, 0], atol=1e-4)

    def test_one_heavy_point_does_not_set_the_axes(self, seed):
        points = np.random.default_rng(seed).random((200, 2))
        heavy = np.where(np.arange(200) == 7, 1.0, 1e-250)
        baseline = fit_baseline(points, points[:, 0], np.ones(200), np.ones((200, 1)), heavy)
        value, _ = baseline.predict(points, np.ones((200, 1)))
        np.testing.assert_allclose(value, points[:, 0], atol=1e-4)

    def test_fewer_points_than_coefficients_are_no_accident(self, seed):
        points = np.random.default_rng(seed).random((8, 3))
        baseline = fit_baseline(points, points[:, 0], np.ones(8), np.ones((8, 1)), np.ones(8))
        value, _ = baseline.predict(points, np.ones((8, 1)))
        np.testing.assert_allclose(value, points[:, 0], atol=1e-2)


def double(network):
    return Network(
        tuple(w.astype(np.float64) for w in network.weights),
        tuple(b.astype(np.float64) for b in network.biases),
    )


class TestTraining:
    def test_predict_is_the_formula(self, seed):
        rng = np.random.default_rng(seed)
        network = new_network((3, 5, 4), rng)
        inputs = rng.normal(size=(6, 3)).astype(np.float32)
        hidden = np.tanh(inputs @ network.weights[0] + network.biases[0])
        hidden = np.tanh(hidden @ network.weights[1] + network.biases[1])
        known = (hidden @ network.weights[2] + network.biases[2])[:, 0]
        np.testing.assert_allclose(network.predict(inputs), known, rtol=1e-5)
        assert network.predict(inputs).dtype == np.float32

    def test_the_gradient_is_that_of_finite_differences(self, seed):
        rng = np.random.default_rng(seed)
        network = double(new_network((3, 6, 4), rng))
        network = training.unfold(training.flatten(network) + 0.3 * rng.normal(size=57), network)
        inputs, targets, weights = rng.normal(size=(20, 3)), rng.normal(size=20), rng.random(20)
        start = training.flatten(network)
        found = training.Learner(network, 0.1).differentiate(inputs, targets, weights)

        def loss(parameters):
            residual = training.unfold(parameters, network).predict(inputs) - targets
            return np.sum(weights * residual**2) / weights.sum()

        step = 1e-5
        known = [
            (loss(start + step * axis) - loss(start - step * axis)) / (2 * step)
            for axis in np.eye(len(start))
        ]
        np.testing.assert_allclose(found, known, rtol=1e-6, atol=1e-9)

    def test_flat_parameters_unfold_to_the_same_network(self, seed):
        network = new_network((2, 3, 5), np.random.default_rng(seed))
        again = training.unfold(training.flatten(network), network)
        for first, second in zip(
            network.weights + network.biases, again.weights + again.biases, strict=True
        ):
            np.testing.assert_array_equal(first, second)

    @staticmethod
    def data(n, rng):
        inputs = rng.normal(size=(n, 2)).astype(np.float32)
        targets = np.sin(2 * inputs[:, 0]) * inputs[:, 1]
        return inputs, targets.astype(np.float32), np.ones(n, np.float32)

    def test_it_learns_a_known_function(self, seed):
        rng = np.random.default_rng(seed)
        inner, outer = self.data(1500, rng), self.data(300, rng)
        start = new_network((2, 32, 32), rng)
        learned, error = train(start, *inner, outer, Schedule(n_epochs=60), rng)
        residual = learned.predict(outer[0]) - outer[1]
        np.testing.assert_allclose(error, np.mean(residual**2), rtol=1e-5)
        assert error < 0.1 * np.var(outer[1])
        assert error < 0.1 * training._error(start, outer)

    def test_the_same_generator_trains_the_same_network(self, seed):
        inner, outer = (self.data(n, np.random.default_rng(seed + n)) for n in (600, 100))
        start = new_network((2, 8), np.random.default_rng(seed))
        schedule = Schedule(n_epochs=30)
        first, second, other = (
            train(start, *inner, outer, schedule, np.random.default_rng(s)) for s in (1, 1, 2)
        )
        np.testing.assert_array_equal(first[0].weights[0], second[0].weights[0])
        assert first[1] == second[1]
        assert not np.array_equal(first[0].weights[0], other[0].weights[0])

    def test_the_network_given_is_left_alone_and_never_made_worse(self, seed):
        rng = np.random.default_rng(seed)
        start = new_network((2, 8), rng)
        before = training.flatten(start).copy()
        inputs = rng.normal(size=(100, 2)).astype(np.float32)
        # Noise teaches nothing; what was there before must be what comes out.
        noise = rng.normal(size=100).astype(np.float32)
        truth = start.predict(inputs)
        weights = np.ones(100, np.float32)
        _, error = train(
            start, inputs, noise, weights, (inputs, truth, weights), Schedule(n_epochs=5), rng
        )
        assert error == 0.0
        np.testing.assert_array_equal(training.flatten(start), before)

    def test_fewer_points_than_a_batch_are_enough(self, seed):
        rng = np.random.default_rng(seed)
        inner, outer = self.data(5, rng), self.data(3, rng)
        learned, error = train(new_network((2, 4), rng), *inner, outer, Schedule(), rng)
        assert np.isfinite(error)
        assert np.isfinite(learned.predict(inner[0])).all()


def gaussian(points):
    return -0.5 * np.sum(((points - 0.45) / 0.12) ** 2, axis=1)


def bent(points):
    x, y = points[:, 0], points[:, 1]
    return -0.5 * ((x - 0.5) / 0.15) ** 2 - 0.5 * ((y - 0.2 - 2 * (x - 0.5) ** 2) / 0.06) ** 2


SMALL = EmulatorSettings(n_networks=2, hidden_layers=(24, 24), schedule=Schedule(n_epochs=60))


def learn(function, *, d=2, n=1200, seed=1, settings=SMALL, address=(1, 2), run=serial, **changes):
    """Fit an emulator to points that are uniform in the cube, weighted by the likelihood."""
    points = np.random.default_rng(seed).random((n, d))
    log_l = function(points)
    weights = np.ones(n) if changes.get("even") else np.exp(log_l - log_l.max())
    coordinates = cut_periodic(points, weights, changes.get("periodic", ()))
    space = coordinates.to_space(points)
    n_eff = weights.sum() ** 2 / (weights**2).sum()
    gates = [fit_mixture(space, weights, n_eff, n) for n in changes.get("n_experts", (1,))]
    used = weights > 0
    mean = np.average(log_l[used], weights=weights[used])
    scale = LearningScale(changes.get("reference", float(mean)), changes.get("width", 3.0))
    data = TrainingSet(points, space, log_l, weights)
    return fit_emulator(data, coordinates, gates, scale, settings, address, run)


def predict(emulator, points):
    return emulator.log_likelihood(points, emulator.coordinates.to_space(points))


def error_where_it_matters(emulator, function, d=2, n=4000):
    points = np.random.default_rng(99).random((n, d))
    truth = function(points)
    weights = np.exp(truth - truth[np.isfinite(truth)].max())
    found = predict(emulator, points)
    used = weights > 0
    return np.sqrt(np.average((found - truth)[used] ** 2, weights=weights[used]))


class TestEmulator:
    @pytest.mark.parametrize("d", [1, 3])
    def test_a_gaussian_needs_no_networks(self, d):
        emulator = learn(gaussian, d=d)
        assert emulator.networks == ()
        assert emulator.errors.max() < SMALL.accuracy
        assert error_where_it_matters(emulator, gaussian, d) < 0.01

    def test_networks_learn_what_quadratics_cannot(self):
        plain, whole = (
            [learn(bent, seed=s, address=(s, 2), settings=settings) for s in range(1, 5)]
            for settings in (EmulatorSettings(n_networks=0), SMALL)
        )
        assert all(len(emulator.networks) == 2 for emulator in whole)
        left = np.mean([error_where_it_matters(emulator, bent) for emulator in whole])
        assert left < 0.33 * np.mean([error_where_it_matters(emulator, bent) for emulator in plain])
        # The error that it quotes is of the size of the one that it has.
        quoted = np.mean([emulator.errors.max() for emulator in whole])
        assert quoted / 3 < left < 3 * quoted

    def test_each_expert_quotes_its_own_error(self):
        def rough(points):
            # The right one of two heaps ripples, which so few points cannot teach.
            heaps = [-0.5 * np.sum(((points - c) / 0.07) ** 2, axis=1) for c in (0.25, 0.75)]
            ripples = np.sin(300.0 * points).sum(axis=1) * (points[:, 0] > 0.5)
            return np.logaddexp(*heaps) + ripples

        emulator = learn(rough, n=3000, n_experts=(2,), width=10.0)
        right = ndtr(emulator.gates.means[:, 0]) > 0.5
        assert right.any()
        assert not right.all()
        assert emulator.errors[right].mean() > 1.5 * emulator.errors[~right].mean()

    @pytest.mark.parametrize("n_experts", [(2, 1), (1, 2)])
    @pytest.mark.parametrize("n_networks", [0, 2])
    def test_points_held_out_choose_among_experts(self, n_experts, n_networks):
        def heaps(points):
            left, right = (np.sum(((points - c) / 0.05) ** 2, axis=1) for c in (0.25, 0.75))
            return np.logaddexp(-0.5 * left, -0.5 * right) + 0.2 * np.sin(20 * points).sum(axis=1)

        settings = replace(SMALL, n_networks=n_networks)
        chosen = learn(heaps, n=2000, n_experts=n_experts, settings=settings)
        alone = learn(heaps, n=2000, n_experts=(2,), settings=settings)
        assert chosen.gates.n_components == 2
        assert len(chosen.networks) == n_networks
        points = np.random.default_rng(3).random((50, 2))
        np.testing.assert_array_equal(predict(chosen, points), predict(alone, points))
        np.testing.assert_array_equal(chosen.errors, alone.errors)

    def test_the_first_experts_that_need_no_networks_are_taken(self):
        emulator = learn(gaussian, n_experts=(1, 2))
        assert emulator.networks == ()
        assert emulator.gates.n_components == 1

    def test_errors_are_of_points_that_were_not_fitted_to(self):
        def rough(points):
            return gaussian(points) + np.sin(1e5 * points).sum(axis=1)

        # 30 points for 15 coefficients in four dimensions: the fit follows the scatter of 1.4.
        few = EmulatorSettings(n_networks=0)
        quoted, fitted, fresh = [], [], []
        for seed in range(1, 31):
            emulator = learn(rough, d=4, n=30, seed=seed, settings=few, address=(seed, 2), width=50)
            seen = np.random.default_rng(seed).random((30, 4))
            new = np.random.default_rng(seed + 99).random((1000, 4))
            quoted.append(emulator.errors[0] ** 2)
            for points, found in ((seen, fitted), (new, fresh)):
                found.append(np.mean((predict(emulator, points) - rough(points)) ** 2))
        quoted, fitted, fresh = (np.sqrt(np.median(found)) for found in (quoted, fitted, fresh))
        assert fresh / 2 < quoted < 2 * fresh
        assert quoted > 1.2 * fitted

    def test_points_held_out_do_not_move_the_baseline(self):
        n, address = 200, (1, 2)
        is_held_out = _choose(n, HELD_OUT, stream(address[0], "hold", address[1]))
        points = np.random.default_rng(3).random((n, 2))

        def emulator(shift):
            def shifted(x):
                return gaussian(x) + np.where(is_held_out, shift, 0.0)

            plain = EmulatorSettings(n_networks=0)
            same = {"even": True, "reference": -1.0}
            return learn(shifted, n=n, seed=3, settings=plain, address=address, **same)

        first, second = emulator(0.0), emulator(-0.3)
        np.testing.assert_array_equal(predict(first, points), predict(second, points))
        assert second.errors[0] > 10 * first.errors[0]

    def test_experts_share_the_cube(self):
        def two(points):
            heaps = [-0.5 * np.sum(((points - c) / 0.07) ** 2, axis=1) for c in (0.25, 0.75)]
            return np.logaddexp(*heaps)

        settings = EmulatorSettings(n_networks=0)
        one = learn(two, n_experts=(1,), n=3000, settings=settings)
        more = learn(two, n_experts=(2,), n=3000, settings=settings)
        assert error_where_it_matters(more, two) < 0.3 * error_where_it_matters(one, two)

    def test_forbidden_points_teach_that_nothing_is_there(self):
        def half(points):
            return np.where(points[:, 0] < 0.5, gaussian(points), -np.inf)

        emulator = learn(half, n=2000)
        inside = np.array([[0.4, 0.45], [0.3, 0.5]])
        outside = np.array([[0.8, 0.45], [0.95, 0.5]])
        assert np.isfinite(predict(emulator, outside)).all()
        assert predict(emulator, inside).min() > predict(emulator, outside).max() + 3.0
        np.testing.assert_allclose(predict(emulator, inside), gaussian(inside), atol=0.7)

    def test_it_never_promises_much_more_than_was_seen(self):
        def rising(points):
            return 40.0 * points[:, 0] + 30.0 * points[:, 1] ** 2

        emulator = learn(rising, settings=EmulatorSettings(n_networks=0))
        corner = np.full((1, 2), 1 - 1e-12)
        assert predict(emulator, corner)[0] <= emulator.highest
        seen = rising(np.random.default_rng(1).random((1200, 2))).max()
        assert seen <= emulator.highest <= seen + 2.0

    @pytest.mark.parametrize("function", [gaussian, bent], ids=["quadratic", "networks"])
    def test_predictions_are_finite_in_every_corner(self, function):
        emulator = learn(function)
        edge = np.array([2.0**-53, 1e-9, 0.5, 1 - 1e-9, 1 - 2.0**-53])
        grid = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2)
        assert np.isfinite(predict(emulator, grid)).all()

    def test_a_constant_is_learned(self):
        emulator = learn(lambda points: np.full(len(points), 2.5))
        points = np.random.default_rng(5).random((50, 2))
        np.testing.assert_allclose(predict(emulator, points), 2.5, atol=1e-3)

    def test_the_wrap_of_a_periodic_axis_is_no_edge(self):
        def angular(points):
            return 4.0 * np.cos(2 * np.pi * (points[:, 0] - 0.02)) + gaussian(points[:, 1:])

        emulator = learn(angular, periodic=(0,))
        assert error_where_it_matters(emulator, angular) < 0.3
        below, above = (predict(emulator, np.array([[u, 0.45]])) for u in (1e-9, 1 - 1e-9))
        np.testing.assert_allclose(below, above, atol=1e-3)

    @pytest.mark.parametrize("run", [serial, backwards])
    def test_its_address_decides_all_numbers(self, run):
        grid = np.random.default_rng(5).random((100, 2))
        settings = EmulatorSettings(n_networks=2, hidden_layers=(8,), schedule=Schedule(n_epochs=5))
        first = learn(bent, settings=settings)
        again = learn(bent, settings=settings, run=run)
        np.testing.assert_array_equal(predict(first, grid), predict(again, grid))
        np.testing.assert_array_equal(first.errors, again.errors)
        for address in [(1, 3), (2, 2)]:
            other = learn(bent, settings=settings, address=address)
            assert not np.array_equal(predict(first, grid), predict(other, grid))

    def test_its_networks_differ(self):
        emulator = learn(bent)
        inputs = np.zeros((1, emulator.networks[0].weights[0].shape[0]), np.float32)
        first, second = (network.predict(inputs)[0] for network in emulator.networks)
        assert first != second

    def test_caution_leans_to_the_higher_side_where_networks_disagree(self):
        points = np.random.default_rng(5).random((200, 2))
        emulator = learn(bent, settings=EmulatorSettings(n_networks=2, hidden_layers=(24,)))
        plain = replace(emulator, caution=0.0)
        careful = replace(emulator, caution=1.0)
        assert np.all(predict(careful, points) >= predict(plain, points))
        assert np.any(predict(careful, points) > predict(plain, points))

    def test_predictions_are_of_points_and_not_of_their_company(self):
        emulator = learn(gaussian, n_experts=(2,))
        points = np.random.default_rng(5).random((200, 2))
        alone = np.concatenate([predict(emulator, row[None]) for row in points])
        np.testing.assert_allclose(predict(emulator, points), alone, rtol=1e-5, atol=1e-5)
