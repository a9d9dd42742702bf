"""Wrong kinds of values at the door, and corners of the algorithm that once went wrong."""

import numpy as np
import pytest

from nautilus import Prior, Sampler, SettingsError
from nautilus.geometry.coordinates import Coordinates
from nautilus.geometry.fit import fit_mixture
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.cube import CubeProposal
from nautilus.run.draw import draw_stage


def make(likelihood=lambda q: -50 * ((q["a"] - 0.5) ** 2 + (q["b"] - 0.5) ** 2), **k):
    p = Prior()
    p.add_parameter("a")
    p.add_parameter("b")
    return Sampler(
        p, likelihood, **{"n_live": 60, "n_update": 100, "n_networks": 0, "seed": 1, **k}
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"periodic": 1},
        {"periodic": "a"},
        {"periodic": [1.5]},
        {"periodic": [True]},
        {"likelihood_args": 5},
        {"likelihood_kwargs": [1]},
        {"neural_network_kwargs": 5},
        {"neural_network_kwargs": {"hidden_layer_sizes": ((3,), (4, 5))}},
        {"neural_network_kwargs": {"hidden_layer_sizes": [[3, 4]]}},
        {"threads_per_worker": -1},
        {"threads_per_worker": "x"},
        {"pass_dict": "x"},
        {"vectorized": "no"},
        {"seed": 2**63},
    ],
    ids=str,
)
def test_wrong_kinds(bad):
    with pytest.raises(SettingsError, match="give"):
        make(**bad)


def test_boost_of_wrong_kind():
    s = make()
    s.run(n_like_max=150)
    with pytest.raises(SettingsError, match="equal_weight_boost"):
        s.posterior(equal_weight=True, equal_weight_boost="x")


def test_f_live_after_going_on():
    s, shares = make(), []

    def note(record):
        shares.append(record.f_live)

    s.run(f_live=0.2, n_eff=200, callback=note)
    known = shares[-1]
    assert known < 1.0
    for _ in range(2):
        s.run(f_live=0.2, n_eff=5000, n_like_max=s.n_like + 10, callback=note)
    assert shares[-1] == known
    s.run(timeout=0, callback=note)
    assert shares[-1] == known


def test_least_component():
    truth = Mixture(
        np.log([0.2, 0.3, 0.5]),
        np.outer([-8.0, 0.0, 9.0], np.ones(2)),
        np.stack([0.7 * np.eye(2), np.eye(2), 1.5 * np.eye(2)]),
        np.full(3, np.inf),
    )
    worst = 1e9
    for seed in range(20240607, 20240617):
        points = truth.draw(1500, np.random.default_rng(seed))
        m = fit_mixture(points, np.ones(1500), 1500.0, n_min=20.0)
        worst = min(worst, np.exp(m.log_shares.min()) * 1500)
    assert worst >= 19.0


def test_density_on_the_cut():
    c = Coordinates(np.array([0.3]))
    assert np.isfinite(c.to_space(np.array([[0.3]]))).all()


def test_large_stage():
    n = 3_100_000
    points = draw_stage(
        (CubeProposal(1),), np.array([n]), (1, 1), lambda f, ts: [f(*t) for t in ts]
    )
    assert len(points) == n


def test_a_limit_of_calls_cuts_between_vectorised_calls_only():
    def likelihood(q):
        # The last digits depend on which points come together.
        a, b = q["a"], q["b"]
        return -50 * ((a - 0.5) ** 2 + (b - 0.5) ** 2) + 1e-9 * np.mean(a)

    whole = make(likelihood, vectorized=True, n_batch=40)
    parts = make(likelihood, vectorized=True, n_batch=40)
    whole.run(n_eff=300)
    for limit in (73, 200, 500):
        parts.run(n_eff=300, n_like_max=limit)
        assert parts.n_like <= limit
    parts.run(n_eff=300)
    assert parts.log_z == whole.log_z
