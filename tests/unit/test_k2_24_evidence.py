"""The reference evidences of the K2-24 example's model."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a benchmark, which leaves no modules behind."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS.parent / "examples")
    # The benchmarks lend the name of the package to the checkout while they load problems.
    before = dict(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.parametrize("n_planets", [1, 2])
def test_the_trend_is_integrated_as_the_task_has_it(load, n_planets):
    """Six points on each axis of the trend, whose weights fit its posterior, do it again."""
    task = load("catalogue").k2_24(n_planets)
    program = load("k2_24_evidence")
    model = load("k2_24_model")
    assert task.n_dim == {1: 9, 2: 14}[n_planets]
    planets = model.PLANETS[:n_planets]
    data = model.load_velocities()
    priors = {
        k: v
        for k, v in model.prior_distributions(data).items()
        if k.rpartition("_")[2] not in set(model.PLANETS) - set(planets)
    }
    u = np.random.default_rng(3).uniform(0.3, 0.7, size=task.n_dim)
    names = list(priors)
    given = {k: np.array([priors[k].ppf(v)]) for k, v in zip(names, u, strict=True)}
    (exact,) = program.log_evidence_given(given, planets)
    draws = np.random.default_rng(4).standard_t(5, size=(40_000, 3))
    # The posterior of the trend is much narrower than its prior: find it first.
    trend = [names.index(f"trend_{k}") for k in range(3)]
    centre, root = np.zeros(3), np.eye(3)
    for n in (*[8000] * 8, len(draws)):
        z = centre + draws[:n] @ root.T
        points = np.tile(u, (len(z), 1))
        points[:, trend] = stats.norm.cdf(z)
        log_q = stats.t(5).logpdf(draws[:n]).sum(axis=1) - np.linalg.slogdet(root)[1]
        log_w = task.log_likelihood(points) + stats.norm.logpdf(z).sum(axis=1) - log_q
        weights = np.exp(log_w - log_w.max())
        share = weights / weights.sum()
        centre = share @ z
        root = np.linalg.cholesky(
            (share[:, None] * (z - centre)).T @ (z - centre) + 1e-9 * np.eye(3)
        )
    found = log_w.max() + np.log(weights.mean())
    error = weights.std() / weights.mean() / np.sqrt(len(weights))
    assert error < 0.01
    assert abs(found - exact) < 5 * error


def test_a_short_run_gives_the_references(load):
    program, references = load("k2_24_evidence"), load("catalogue").K2_24_LOG_Z
    for n_planets, allowed in ((1, 0.02), (2, 0.08)):
        log_z, error, n_eff = program.evidence(n_planets, 40_000, seed=1)
        assert error < allowed
        assert n_eff > 500
        assert abs(log_z - references[n_planets]) < 5 * error
