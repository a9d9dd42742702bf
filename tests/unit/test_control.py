"""The deliberately biased estimator, which must be biased for the reason that it names."""

import numpy as np
import pytest
from scipy.special import logsumexp

from nautilus import Sampler
from nautilus.run.loop import answer
from nautilus.testing.control import whole_history
from nautilus.testing.problems import round_gaussian, unit_prior


@pytest.fixture(scope="module")
def sampler():
    problem = round_gaussian()
    sampler = Sampler(
        unit_prior,
        problem.log_likelihood,
        n_dim=problem.n_dim,
        pass_dict=False,
        vectorized=True,
        seed=3,
        n_live=100,
    )
    sampler.run(n_eff=500, discard_exploration=True, verbose=False)
    return sampler


def test_uniform_points_are_weighted_rightly(seed):
    problem = round_gaussian()
    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=3, pass_dict=False, vectorized=True, seed=seed
    )
    sampler.run(n_like_max=1000, verbose=False)
    log_z, log_z_err = whole_history(sampler)
    assert log_z == pytest.approx(sampler.log_z, abs=1e-12)
    found = answer(sampler._session.state, discard_exploration=False)
    assert log_z_err == pytest.approx(found.log_z_err, rel=1e-2)


@pytest.mark.parametrize("is_fresh", [False, True])
def test_every_point_is_weighted_by_all_proposals(sampler, is_fresh):
    sampler.discard_exploration = is_fresh
    state = sampler._session.state
    stages = [s for s in state.ledger.stages if not is_fresh or s.phase.value == "sampling"]
    points, log_l = state.ledger.points, state.ledger.log_l
    if is_fresh:
        n = sum(s.n_points for s in stages)
        points, log_l = points[-n:], log_l[-n:]
    counts = np.zeros(len(state.proposals))
    for stage in stages:
        counts[: len(stage.counts)] += stage.counts
    with np.errstate(divide="ignore"):
        log_q = [
            np.log(count / counts.sum()) + proposal.log_density(points)
            for count, proposal in zip(counts, state.proposals, strict=True)
        ]
    known = logsumexp(log_l - logsumexp(log_q, axis=0)) - np.log(len(points))
    log_z, log_z_err = whole_history(sampler)
    assert log_z == pytest.approx(known, abs=1e-6)
    assert 0 < log_z_err < 0.2
