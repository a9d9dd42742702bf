"""Mixtures, their fits and the map to the whole space: against SciPy, and at the edges."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from nautilus.geometry.cluster import fit_clusters
from nautilus.geometry.coordinates import Coordinates, cut_periodic, log_prior_density
from nautilus.geometry.fit import fit_mixture, moments, safe_cholesky, thin
from nautilus.geometry.mixture import Mixture, combine, standard_normal

FALSE_ALARM = 1e-4
N_SIGMA = 4.5
"""Exceeded at a rate of 7e-6 by one normal number."""


def factors(n_components, d, rng):
    raw = rng.normal(size=(n_components, d, d))
    return np.linalg.cholesky(raw @ raw.transpose(0, 2, 1) + 0.3 * np.eye(d))


def some_mixture(d, seed, dof=(np.inf, 3.0, np.inf)):
    rng = np.random.default_rng(seed)
    k = len(dof)
    return Mixture(
        np.log(rng.dirichlet(np.full(k, 3.0))),
        rng.normal(scale=2.0, size=(k, d)),
        factors(k, d, rng),
        np.array(dof),
    )


def scipy_log_densities(mixture, points):
    columns = []
    for mean, factor, dof in zip(mixture.means, mixture.cholesky, mixture.dof, strict=True):
        scale = factor @ factor.T
        known = (
            stats.multivariate_normal(mean, scale)
            if np.isinf(dof)
            else stats.multivariate_t(mean, scale, dof)
        )
        columns.append(np.atleast_1d(known.logpdf(points)))
    return np.column_stack(columns)


def same(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("log_shares", "means", "cholesky", "dof")
    )


class TestMixture:
    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_density_is_that_of_scipy(self, d, seed):
        mixture = some_mixture(d, seed)
        points = np.random.default_rng(seed + 1).normal(scale=4.0, size=(200, d))
        known = scipy_log_densities(mixture, points)
        np.testing.assert_allclose(mixture.component_log_density(points), known, rtol=1e-10)
        np.testing.assert_allclose(
            mixture.log_density(points), logsumexp(known + mixture.log_shares, axis=1), rtol=1e-10
        )

    def test_responsibilities_follow_bayes(self, seed):
        mixture = some_mixture(3, seed)
        points = np.random.default_rng(seed).normal(size=(50, 3))
        joint = np.exp(scipy_log_densities(mixture, points) + mixture.log_shares)
        np.testing.assert_allclose(
            mixture.responsibilities(points), joint / joint.sum(axis=1, keepdims=True), rtol=1e-9
        )

    @pytest.mark.parametrize("d", [1, 3])
    def test_values_of_components_are_blended_by_responsibilities(self, d, seed):
        mixture = some_mixture(d, seed)
        rng = np.random.default_rng(seed)
        points, values = rng.normal(size=(50, d)), rng.random(mixture.n_components)
        log_density, blend = mixture.log_density_and_blend(points, values)
        np.testing.assert_array_equal(log_density, mixture.log_density(points))
        np.testing.assert_allclose(blend, mixture.responsibilities(points) @ values, rtol=1e-12)

        both = np.column_stack([values, values**2])
        _, blends = mixture.log_density_and_blend(points, both)
        np.testing.assert_allclose(blends, mixture.responsibilities(points) @ both, rtol=1e-12)

    def test_new_shares_sum_to_one_and_stand_as_wanted(self, seed):
        mixture = some_mixture(2, seed)
        factors = np.random.default_rng(seed).random(mixture.n_components) + 0.5
        shares = np.exp(mixture.reweighted(factors).log_shares)
        expected = np.exp(mixture.log_shares) * factors
        np.testing.assert_allclose(shares, expected / expected.sum())

    def test_one_component_passes_its_value_on(self):
        points = np.array([[0.0, 0.0], [1e3, -1e3]])
        _, blend = standard_normal(2).log_density_and_blend(points, np.array([0.25]))
        np.testing.assert_allclose(blend, 0.25)

    def test_responsibilities_survive_where_every_density_underflows(self, seed):
        mixture = some_mixture(2, seed, dof=(np.inf, np.inf))
        far = mixture.responsibilities(np.array([[1e6, -1e6], [-1e6, 1e6]]))
        np.testing.assert_allclose(far.sum(axis=1), 1.0)

    def test_draws_have_the_moments_of_the_density(self, seed):
        mixture = some_mixture(2, seed, dof=(np.inf, 9.0, np.inf))
        n = 40_000
        points = mixture.draw(n, np.random.default_rng(seed))
        share = np.exp(mixture.log_shares)
        stretch = np.array([1.0, 9.0 / 7.0, 1.0])  # the covariance of t is dof / (dof - 2) of scale
        scale = np.einsum("kij,klj->kil", mixture.cholesky, mixture.cholesky)
        mean = share @ mixture.means
        away = mixture.means - mean
        within = np.einsum("k,kij->ij", share * stretch, scale)
        covariance = within + np.einsum("k,ki,kj->ij", share, away, away)
        error = points.std(axis=0) / np.sqrt(n)
        assert np.all(np.abs(points.mean(axis=0) - mean) < N_SIGMA * error)
        centred = points - mean
        products = np.einsum("ni,nj->nij", centred, centred)
        error = products.std(axis=0) / np.sqrt(n)
        assert np.all(np.abs(products.mean(axis=0) - covariance) < N_SIGMA * error)

    @pytest.mark.parametrize("dof", [np.inf, 3.0])
    def test_draws_follow_the_whole_distribution(self, dof, seed):
        mixture = Mixture(
            np.log([0.3, 0.7]),
            np.array([[-2.0], [1.0]]),
            np.array([[[0.5]], [[2.0]]]),
            np.full(2, dof),
        )
        values = mixture.draw(20_000, np.random.default_rng(seed))[:, 0]

        def cdf(x, centre=1.0):
            return 0.3 * stats.t.cdf(x, dof, -2.0, 0.5) + 0.7 * stats.t.cdf(x, dof, centre, 2.0)

        assert stats.kstest(values, cdf).pvalue > FALSE_ALARM
        # Negative control: the test sees a component a little off.
        assert stats.kstest(values, lambda x: cdf(x, 1.3)).pvalue < FALSE_ALARM

    def test_draws_depend_on_the_generator_alone(self, seed):
        mixture = some_mixture(2, seed)
        first, again = (mixture.draw(100, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert mixture.draw(0, np.random.default_rng(5)).shape == (0, 2)

    @pytest.mark.parametrize("dof", [np.inf, 4.0])
    def test_scaled_stretches_all_lengths_about_the_centres(self, dof, seed):
        mixture = some_mixture(2, seed, dof=(np.inf,))
        wide = mixture.scaled(2.5, dof=dof)
        known = Mixture(mixture.log_shares, mixture.means, mixture.cholesky * 2.5, np.array([dof]))
        points = np.random.default_rng(seed).normal(size=(20, 2))
        np.testing.assert_allclose(
            wide.log_density(points), scipy_log_densities(known, points)[:, 0], rtol=1e-10
        )

    def test_combine_adds_densities_with_their_shares(self, seed):
        parts = [some_mixture(2, seed), some_mixture(2, seed + 1, dof=(5.0,)), standard_normal(2)]
        shares = [0.5, 0.2, 0.3]
        points = np.random.default_rng(seed).normal(size=(30, 2))
        total = sum(a * np.exp(m.log_density(points)) for m, a in zip(parts, shares, strict=True))
        whole = combine(parts, shares)
        np.testing.assert_allclose(np.exp(whole.log_density(points)), total, rtol=1e-10)
        assert np.isclose(np.exp(whole.log_shares).sum(), 1.0)
        assert (whole.n_components, whole.n_dim) == (5, 2)

    def test_standard_normal_is_the_prior_of_the_space(self):
        points = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0], [30.0, 0.0, -30.0]])
        known = stats.norm.logpdf(points).sum(axis=1)
        np.testing.assert_allclose(standard_normal(3).log_density(points), known, rtol=1e-12)
        np.testing.assert_allclose(log_prior_density(points), known, rtol=1e-12)


class TestMoments:
    def test_they_are_weighted(self, seed):
        rng = np.random.default_rng(seed)
        points, weights = rng.normal(size=(40, 3)), rng.random(40)
        mean, covariance = moments(points, weights)
        np.testing.assert_allclose(mean, np.average(points, axis=0, weights=weights))
        np.testing.assert_allclose(covariance, np.cov(points.T, aweights=weights, ddof=0))


class TestCholesky:
    @pytest.mark.parametrize("d", [1, 3, 10])
    def test_a_sound_matrix_gets_its_own_factor(self, d, seed):
        factor = factors(1, d, np.random.default_rng(seed))[0]
        np.testing.assert_allclose(safe_cholesky(factor @ factor.T), factor, atol=1e-10)

    @pytest.mark.parametrize("scale", [1e-60, 1.0, 1e60])
    def test_lengths_of_any_size_stand_beside_each_other(self, scale):
        lengths = np.array([1.0, scale, 1.0])
        correlation = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 1.0]])
        factor = safe_cholesky(correlation * np.outer(lengths, lengths))
        np.testing.assert_allclose(
            factor / lengths[:, None], np.linalg.cholesky(correlation), atol=1e-14
        )

    @pytest.mark.parametrize(
        "covariance",
        [
            np.ones((3, 3)),
            np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
            np.diag([1.0, 0.0, 2.0]),
            np.array([[1.0, 1.0 + 1e-14], [1.0 + 1e-14, 1.0]]),
            np.zeros((2, 2)),
        ],
        ids=["equal axes", "rank one", "no width", "indefinite by rounding", "one point"],
    )
    def test_a_degenerate_matrix_is_lifted_a_little(self, covariance):
        factor = safe_cholesky(covariance)
        assert np.isfinite(factor).all()
        assert np.all(np.diagonal(factor) > 0)
        np.testing.assert_array_equal(factor, np.tril(factor))
        np.testing.assert_allclose(factor @ factor.T, covariance, atol=1e-10)


class TestThin:
    def test_few_points_stay_as_they_are(self):
        points, weights = np.arange(6.0).reshape(3, 2), np.array([0.2, 0.0, 0.8])
        kept, counts = thin(points, weights, 3)
        np.testing.assert_array_equal(kept, points)
        np.testing.assert_array_equal(counts, weights)

    def test_counts_follow_weights_as_closely_as_whole_numbers_can(self, seed):
        rng = np.random.default_rng(seed)
        points, weights = np.arange(500.0)[:, None], rng.exponential(size=500) ** 4
        kept, counts = thin(points, weights, 100)
        assert counts.sum() == 100
        found = np.zeros(500)
        found[kept[:, 0].astype(int)] = counts
        assert np.abs(found - 100 * weights / weights.sum()).max() < 1.0

    def test_points_without_weight_are_never_chosen(self):
        weights = np.zeros(1000)
        weights[::2] = 1.0
        weights[:100] = weights[-100:] = 0.0
        kept, counts = thin(np.arange(1000.0)[:, None], weights, 37)
        assert np.all(weights[kept[:, 0].astype(int)] == 1.0)
        assert counts.sum() == 37


class TestFit:
    def test_one_normal_cloud_is_one_component_with_its_moments(self, seed):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(600, 3)) @ factors(1, 3, rng)[0].T + 5.0
        weights = rng.random(600)
        n_eff = weights.sum() ** 2 / (weights**2).sum()
        mixture = fit_mixture(points, weights, n_eff)
        mean, covariance = moments(points, weights)
        assert mixture.n_components == 1
        np.testing.assert_allclose(mixture.means[0], mean)
        np.testing.assert_allclose(
            mixture.cholesky[0] @ mixture.cholesky[0].T, covariance, rtol=1e-8, atol=1e-8
        )
        assert np.isinf(mixture.dof).all()

    @pytest.mark.parametrize("d", [1, 2, 4])
    def test_separate_clouds_are_found_with_their_shares(self, d, seed):
        rng = np.random.default_rng(seed)
        truth = Mixture(
            np.log([0.2, 0.3, 0.5]),
            np.outer([-8.0, 0.0, 9.0], np.ones(d)),
            np.stack([0.7 * np.eye(d), np.eye(d), 1.5 * np.eye(d)]),
            np.full(3, np.inf),
        )
        points, fresh = truth.draw(1500, rng), truth.draw(1500, rng)
        mixture = fit_mixture(points, np.ones(1500), 1500.0)
        assert 3 <= mixture.n_components <= 5
        cloud = np.abs(mixture.means[:, :1] - [[-8.0, 0.0, 9.0]]).argmin(axis=1)
        part = np.exp(mixture.log_shares)
        share = np.bincount(cloud, weights=part)
        error = np.sqrt(np.array([0.16, 0.21, 0.25]) / 1500)
        assert np.all(np.abs(share - [0.2, 0.3, 0.5]) < N_SIGMA * error)
        centre = np.stack(
            [np.bincount(cloud, weights=part * axis) / share for axis in mixture.means.T], axis=1
        )
        error = np.array([0.7, 1.0, 1.5]) / np.sqrt(1500 * np.array([0.2, 0.3, 0.5]))
        assert np.all(np.abs(centre - truth.means) < N_SIGMA * error[:, None])
        assert np.mean(truth.log_density(fresh) - mixture.log_density(fresh)) < 0.05

    def test_a_bent_cloud_is_described_nearly_as_well_as_by_its_own_density(self, seed):
        rng = np.random.default_rng(seed)

        def bent(n):
            x = rng.normal(size=n)
            return np.column_stack([x, 0.8 * x**2 + 0.3 * rng.normal(size=n)])

        def log_density(points):
            x, y = points.T
            return stats.norm.logpdf(x) + stats.norm.logpdf(y, 0.8 * x**2, 0.3)

        train, fresh = bent(2000), bent(2000)
        whole = fit_mixture(train, np.ones(2000), 2000.0, n_max=1)
        split = fit_mixture(train, np.ones(2000), 2000.0)
        lost = np.mean(log_density(fresh) - split.log_density(fresh))
        assert split.n_components > 2
        assert lost < 0.15
        assert lost < 0.2 * np.mean(log_density(fresh) - whole.log_density(fresh))

    def test_hollow_spheres_are_cut_where_they_lie_apart(self, seed):
        # On a sphere no axis looks less normal than another: the distance must tell.
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(800, 5))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        points[:400, 0] += 2.0
        points[400:, 0] -= 2.0
        mixture = fit_mixture(points, np.ones(800), 800.0)
        assert mixture.n_components >= 2
        side = np.sign(mixture.means[:, 0])
        owner = mixture.responsibilities(points).argmax(axis=1)
        np.testing.assert_array_equal(side[owner], np.sign(points[:, 0]))

    @staticmethod
    def lattice(rng):
        centres = np.array([(i, j) for i in range(6) for j in range(6) if (i + j) % 2])
        return np.repeat(centres, 40, axis=0) + 0.05 * rng.normal(size=(720, 2))

    def test_a_lattice_of_clusters_is_found_only_by_starting_with_many(self, seed):
        rng = np.random.default_rng(seed)
        train, fresh = self.lattice(rng), self.lattice(rng)
        grown = fit_mixture(train, np.ones(720), 720.0, n_max=24)
        found = fit_clusters(train, np.ones(720), 720.0, grown, 24, rng)
        gain = np.mean(found.log_density(fresh) - grown.log_density(fresh))
        assert found.n_components > 12
        assert gain > 1.0

    @pytest.mark.parametrize("n", [20, 600])
    def test_many_components_must_beat_few(self, n, seed):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(n, 2))
        rival = fit_mixture(points, np.ones(n), float(n))
        assert fit_clusters(points, np.ones(n), float(n), rival, 24, rng) is rival

    def test_fitting_again_gives_the_same_bits(self, seed):
        points = some_mixture(2, seed).draw(400, np.random.default_rng(seed))
        weights = np.random.default_rng(seed).random(400)
        assert same(fit_mixture(points, weights, 300.0), fit_mixture(points, weights, 300.0))

    def test_weights_stand_for_copies_of_points(self, seed):
        rng = np.random.default_rng(seed)
        points = np.concatenate([rng.normal(-6, 1, (80, 2)), rng.normal(6, 1, (80, 2))])
        copies = rng.integers(1, 4, 160)
        weighted = fit_mixture(points, copies.astype(float), 400.0)
        repeated = fit_mixture(np.repeat(points, copies, axis=0), np.ones(copies.sum()), 400.0)
        assert weighted.n_components == repeated.n_components >= 2
        probe = rng.normal(scale=5.0, size=(50, 2))
        np.testing.assert_allclose(
            weighted.log_density(probe), repeated.log_density(probe), rtol=1e-4
        )

    def test_points_of_no_weight_do_not_matter(self, seed):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(300, 2))
        weights = np.concatenate([np.ones(200), np.zeros(100)])
        np.testing.assert_allclose(
            fit_mixture(points, weights, 200.0).means,
            fit_mixture(points[:200], weights[:200], 200.0).means,
        )

    def test_number_and_size_of_components_stay_within_limits(self, seed):
        rng = np.random.default_rng(seed)
        points = np.concatenate([rng.normal(8.0 * i, 1.0, (60, 1)) for i in range(6)])
        weights = np.ones(len(points))
        assert fit_mixture(points, weights, 360.0).n_components >= 6
        assert fit_mixture(points, weights, 360.0, n_max=4).n_components <= 4
        large = fit_mixture(points, weights, 360.0, n_min=100.0)
        assert np.exp(large.log_shares).min() * 360 >= 100.0 - 1e-9

    @pytest.mark.parametrize(
        "points",
        [
            np.array([[0.3, -0.2, 1.0]]),
            np.random.default_rng(1).normal(size=(3, 3)),
            np.linspace(-1, 1, 50)[:, None] * np.array([[1.0, 2.0, 3.0]]),
            np.repeat(np.random.default_rng(2).normal(size=(5, 3)), 40, axis=0),
        ],
        ids=["one point", "fewer points than axes", "a line", "copies of a few points"],
    )
    def test_degenerate_clouds_still_give_a_density(self, points):
        mixture = fit_mixture(points, np.ones(len(points)), float(len(points)))
        assert np.isclose(np.exp(mixture.log_shares).sum(), 1.0)
        assert np.isfinite(mixture.log_density(points)).all()
        assert np.isfinite(mixture.draw(100, np.random.default_rng(0))).all()


class TestCoordinates:
    def test_they_invert_as_far_as_numbers_reach(self):
        u = np.array([1e-300, 1e-16, 1e-3, 0.5, 0.999, 1 - 1e-10, 1 - 2.0**-53])[:, None]
        plain = Coordinates(np.array([np.nan]))
        np.testing.assert_allclose(plain.to_cube(plain.to_space(u)), u, rtol=1e-12)
        np.testing.assert_allclose(plain.to_space(u), stats.norm.ppf(u), rtol=1e-12)

    def test_walls_are_infinitely_far(self):
        plain = Coordinates(np.full(2, np.nan))
        np.testing.assert_array_equal(plain.to_space(np.array([[0.0, 1.0]])), [[-np.inf, np.inf]])
        np.testing.assert_array_equal(
            plain.to_cube(np.array([[-np.inf, np.inf], [-50.0, 50.0]])), [[0, 1], [0, 1]]
        )

    def test_the_uniform_density_becomes_standard_normal(self, seed):
        u = np.random.default_rng(seed).random((5000, 1))
        z = Coordinates(np.array([0.3])).to_space(u)[:, 0]
        assert stats.kstest(z, "norm").pvalue > FALSE_ALARM

    @pytest.mark.parametrize("cut", [0.0, 1 / 128, 0.3, 127 / 128])
    def test_a_periodic_axis_inverts_up_to_whole_turns(self, cut, seed):
        u = np.concatenate([np.random.default_rng(seed).random(200), [1e-9, 1 - 1e-9]])[:, None]
        turned = Coordinates(np.array([cut]))
        back = turned.to_cube(turned.to_space(u))
        assert np.all((back >= 0) & (back < 1))
        np.testing.assert_allclose((back - u + 0.5) % 1.0, 0.5, rtol=0, atol=1e-14)

    def test_a_periodic_axis_has_no_seam_where_it_wraps(self):
        turned = Coordinates(np.array([np.nan, 0.4]))
        two_sides = turned.to_space(np.array([[0.2, 1e-12], [0.2, 1 - 1e-12]]))
        np.testing.assert_allclose(two_sides[0], two_sides[1], atol=1e-9)

    def test_nothing_given_is_changed(self):
        u = np.array([[0.1, 0.9]])
        turned = Coordinates(np.array([np.nan, 0.5]))
        turned.to_cube(turned.to_space(u))
        turned.rotate(u)
        np.testing.assert_array_equal(u, [[0.1, 0.9]])


class TestCut:
    @pytest.mark.parametrize("centre", [0.0, 0.1, 0.37, 0.5, 0.93])
    def test_it_lies_opposite_of_one_heap(self, centre, seed):
        points = (centre + 0.04 * np.random.default_rng(seed).normal(size=(2000, 2))) % 1.0
        cuts = cut_periodic(points, np.ones(2000), (1,)).cuts
        assert np.isnan(cuts[0])
        away = abs((cuts[1] - centre + 0.5) % 1.0 - 0.5)
        assert away > 0.25

    @pytest.mark.parametrize("shift", [0.0, 0.25, 0.6])
    def test_it_takes_the_wider_of_two_gaps(self, shift, seed):
        rng = np.random.default_rng(seed)
        heaps = np.concatenate([rng.uniform(0.0, 0.3, 500), rng.uniform(0.4, 0.6, 500)])
        cut = cut_periodic(((heaps + shift) % 1.0)[:, None], np.ones(1000), (0,)).cuts[0]
        assert 0.65 < (cut - shift) % 1.0 < 0.95

    def test_weight_decides_and_not_the_number_of_points(self):
        points = np.concatenate([np.full(900, 0.25), np.full(100, 0.75)])[:, None]
        weights = np.concatenate([np.zeros(900), np.ones(100)])
        assert abs(cut_periodic(points, weights, (0,)).cuts[0] - 0.25) < 0.2

    def test_points_on_the_walls_are_counted(self):
        cut = cut_periodic(np.array([[0.0], [1.0]]), np.ones(2), (0,)).cuts[0]
        assert 0.2 < cut < 0.8

    def test_without_periodic_axes_nothing_is_cut(self):
        points = np.random.default_rng(0).random((10, 3))
        none = cut_periodic(points, np.ones(10), ())
        assert np.isnan(none.cuts).all()
        np.testing.assert_array_equal(none.rotate(points), points)
