"""How large a part could have been missed: planted parts are hit as often as is stated."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from nautilus import Posterior, Sampler
from nautilus.run.detection import DetectionLimit, detection_limit
from nautilus.run.state import new_state

FALSE_ALARM = 1e-3
N_INSIDE, N_PLANTED = 20_000, 300


def hill(points):
    return -0.5 * np.sum(((points - 0.4) / 0.08) ** 2, axis=-1)


def hills(points):
    return np.logaddexp(hill(points), -0.5 * np.sum(((points - 0.75) / 0.04) ** 2, axis=-1))


def run(log_likelihood, n_dim, seed):
    sampler = Sampler(
        lambda u: u, log_likelihood, n_dim=n_dim, n_live=150, n_networks=1,
        vectorized=True, pass_dict=False, seed=seed,
    )  # fmt: skip
    sampler.run(n_eff=300)
    return sampler


@pytest.fixture(scope="module", params=["hill", "hills"])
def made(request):
    function = {"hill": hill, "hills": hills}[request.param]
    return function, run(function, 3, 5)


def state_of(sampler):
    return sampler._session.state


def hit_by(points, whole, share, rng):
    """Plant parts that fill a share of a body given by draws from it; tell which points hit.

    A part is what lies within some distance of its centre: as many of the draws as its share.
    """
    centres = whole[rng.choice(len(whole), N_PLANTED)]
    m = max(1, round(share * len(whole)))
    reach = cKDTree(whole).query(centres, k=[m])[0][:, 0]
    return cKDTree(points).query(centres, k=1)[0] <= reach


def rarely_below(n_hit, probability):
    """Tell whether so few hits are compatible with at least this probability."""
    return stats.binom.cdf(n_hit, N_PLANTED, probability) > FALSE_ALARM


class TestPlanted:
    def test_anywhere_in_the_prior(self, made):
        _, sampler = made
        rng = np.random.default_rng(1)
        limit = sampler.result.detection_limit
        whole = rng.random((N_INSIDE, 3))
        hit = hit_by(state_of(sampler).ledger.points, whole, limit.anywhere, rng)
        assert rarely_below(hit.sum(), limit.probability)

    def test_inside_contours(self, made):
        function, sampler = made
        rng = np.random.default_rng(2)
        state = state_of(sampler)
        limit = sampler.result.detection_limit
        assert len(limit.log_l) > 5
        many = rng.random((2_000_000, 3))
        values = function(many)
        ends = np.cumsum([stage.n_points for stage in state.ledger.stages])
        levels = [proposal.target.log_level for proposal in state.proposals[1:]]
        for log_l, log_volume, log_part in zip(
            limit.log_l[:9:2], limit.log_volume[:9:2], limit.log_part[:9:2], strict=True
        ):
            whole = many[values > log_l][:N_INSIDE]
            assert log_volume == pytest.approx(np.log(np.mean(values > log_l)), abs=0.25)
            seen = ends[levels.index(log_l) + 1]
            points = state.ledger.points[:seen][state.ledger.log_l[:seen] > log_l]
            hit = hit_by(points, whole, np.exp(log_part - log_volume), rng)
            # The limit itself is known from some hundred points: to about a tenth.
            assert rarely_below(hit.sum(), limit.probability - 0.02)

    def test_parts_of_a_third_of_the_size_are_missed_more_often(self, made):
        function, sampler = made
        rng = np.random.default_rng(3)
        state, limit = state_of(sampler), sampler.result.detection_limit
        many = rng.random((1_000_000, 3))
        level = limit.log_l[2]
        whole = many[function(many) > level][:N_INSIDE]
        seen = np.cumsum([stage.n_points for stage in state.ledger.stages])[3]
        points = state.ledger.points[:seen][state.ledger.log_l[:seen] > level]
        hit = hit_by(points, whole, limit.share[2] / 3, rng)
        assert hit.mean() < limit.probability - 0.05


class TestLimit:
    def test_more_support_finds_smaller_parts(self):
        few, many = (
            Sampler(lambda u: u, hill, n_dim=2, n_live=n, n_update=n, n_networks=1,
                    vectorized=True, pass_dict=False, seed=1)
            for n in (60, 240)
        )  # fmt: skip
        for sampler in (few, many):
            sampler.run(n_eff=200)
        ratio = np.median(few.result.detection_limit.share)
        ratio /= np.median(many.result.detection_limit.share)
        assert 2.5 < ratio < 6.5

    def test_draws_from_the_cube_alone(self, made):
        state = state_of(made[1])
        n = sum(stage.counts[0] for stage in state.ledger.stages)
        for probability in (0.5, 0.95, 0.999):
            limit = detection_limit(state, probability).anywhere
            assert (1 - limit) ** n == pytest.approx(1 - probability)

    def test_nothing_drawn_yet_could_have_missed_everything(self):
        limit = detection_limit(new_state(2))
        assert limit.anywhere == 1.0
        assert limit.log_l.shape == limit.share.shape == (0,)
        assert "contour" not in repr(limit)

    def test_it_is_told_saved_and_loaded(self, made, tmp_path):
        result = made[1].result
        text = result.summary()
        assert "limit " in text
        assert "would have been hit (95%)" in " ".join(text.split())
        assert all(len(line) <= 80 for line in text.splitlines()), text
        result.save(tmp_path / "result.npz")
        again = Posterior.load(tmp_path / "result.npz").detection_limit
        assert isinstance(again, DetectionLimit)
        for name in ("probability", "anywhere", "log_l", "log_volume", "log_part"):
            np.testing.assert_array_equal(
                getattr(again, name), getattr(result.detection_limit, name)
            )
        assert repr(again) == repr(result.detection_limit)
        assert replace(result, detection_limit=None).summary() != text
