"""Scripts written for the public package run unchanged and give right answers.

Each test is our own version of a documented guide of that package: the same calls, names and
return values, on problems of our own whose answers are known.
"""

import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from scipy.stats import gamma, multivariate_normal, norm

from nautilus import Prior, Sampler

# Runs as short as these are rightly not trusted; the answers are compared with the truth here.
pytestmark = [
    pytest.mark.usefixtures("small_runs"),
    pytest.mark.filterwarnings("ignore::nautilus.UntrustedResultWarning"),
]

CLOSE = 0.1
"""About seven quoted errors of log Z at the size of these runs."""


def test_quickstart(corner, capsys):
    prior = Prior()
    prior.add_parameter("a", dist=(-4, +4))
    prior.add_parameter("b", dist=(-4, +4))
    prior.add_parameter("c", dist=norm(loc=0, scale=1.5))
    covariance = np.array([[0.5, 0, 0.3], [0, 0.4, 0], [0.3, 0, 0.5]])

    def likelihood(param_dict):
        x = np.array([param_dict["a"], param_dict["b"], param_dict["c"]])
        return multivariate_normal.logpdf(x, mean=np.zeros(3), cov=covariance)

    sampler = Sampler(prior, likelihood, n_live=100)
    sampler.run(verbose=True)
    points, log_w, log_l = sampler.posterior()
    sys.modules["corner"].corner(
        points, weights=np.exp(log_w), bins=20, labels=prior.keys, color="purple",
        plot_datapoints=False, range=np.repeat(0.999, len(prior.keys)),
    )  # fmt: skip
    text = f"log Z: {sampler.log_z:.2f}"

    exact = -2 * np.log(8) + norm.logpdf(0, scale=np.sqrt(0.5 + 1.5**2))
    precision = np.linalg.inv(covariance) + np.diag([0, 0, 1.5**-2])
    assert float(text.split(":")[1]) == pytest.approx(exact, abs=CLOSE)
    assert len(corner) == 1
    assert points.shape == (len(log_w), 3) == (len(log_l), 3)
    spread = np.cov(points.T, aweights=np.exp(log_w))
    np.testing.assert_allclose(spread, np.linalg.inv(precision), atol=0.1)
    assert capsys.readouterr().err


def gaussian(param_dict):
    x = [param_dict[key] for key in "ac"]
    return multivariate_normal.logpdf(x, mean=[1.6, 0.4], cov=0.02)


OF_A = np.log(0.5)
OF_C = np.log(2) - 2 * 0.4 + 2 * 0.02 + norm.logcdf((0.4 - 0.04) / np.sqrt(0.02))
"""The factors of the evidence: a Gaussian under a uniform and under an exponential prior."""


def standard_prior(c):
    prior = Prior()
    prior.add_parameter("a", dist=(1, 3))
    prior.add_parameter("c", dist=c)
    return prior


def test_priors_standard_and_nested():
    sampler = Sampler(standard_prior(gamma(1.0, scale=0.5)), gaussian)
    sampler.run(verbose=False)
    full = sampler.log_z

    sampler = Sampler(standard_prior(0), gaussian)
    sampler.run(verbose=False)
    nested = sampler.log_z

    assert full == pytest.approx(OF_A + OF_C, abs=CLOSE)
    assert nested == pytest.approx(OF_A + norm.logpdf(0, 0.4, np.sqrt(0.02)), abs=CLOSE)
    assert sampler.posterior()[0].shape[1] == 1
    assert np.all(sampler.posterior(return_as_dict=True)[0]["c"] == 0)


def test_priors_as_a_function():
    def prior(x):
        theta = np.copy(x)
        theta[..., -1] *= theta[..., 0]
        return theta

    def likelihood(theta):
        return np.log(theta[0])  # removes the prior's density 1/x: uniform on the triangle

    sampler = Sampler(prior, likelihood, n_dim=2)
    sampler.run()
    points, log_w, _ = sampler.posterior()
    assert sampler.log_z == pytest.approx(np.log(0.5), abs=CLOSE)
    assert np.all(points[:, 1] <= points[:, 0])
    np.testing.assert_allclose(np.exp(log_w) @ points, [2 / 3, 1 / 3], atol=0.05)


@pytest.mark.long
def test_priors_absorbed_in_the_likelihood():
    prior = standard_prior(gamma(1.0, scale=0.5))
    flat = Prior()
    flat.add_parameter("a", dist=(1, 3))
    flat.add_parameter("c", dist=(0, 4))

    def prior_probability(param_dict):
        return np.sum([prior.dists[prior.keys.index(key)].logpdf(param_dict[key]) for key in "ac"])

    def both(param_dict):
        return gaussian(param_dict) + prior_probability(param_dict)

    log_z = []
    for likelihood in (prior_probability, both):
        sampler = Sampler(flat, likelihood)
        sampler.run()
        log_z.append(sampler.log_z)

    assert log_z[0] == pytest.approx(-np.log(8), abs=CLOSE)
    assert log_z[1] - log_z[0] == pytest.approx(OF_A + OF_C, abs=2 * CLOSE)


def cube(keys):
    prior = Prior()
    for key in keys:
        prior.add_parameter(key)
    return prior


def test_one_blob():
    def likelihood(param_dict):
        start = time.time()
        x = [param_dict[key] for key in "ab"]
        log_l = multivariate_normal.logpdf(x, mean=[0.4, 0.6], cov=0.01)
        return log_l, time.time() - start

    sampler = Sampler(cube("ab"), likelihood)
    sampler.run(verbose=True)
    points, log_w, log_l, t = sampler.posterior(return_blobs=True)
    assert t.shape == log_l.shape == log_w.shape == points.shape[:1]
    assert np.all(t >= 0)
    assert sampler.log_z == pytest.approx(0, abs=CLOSE)


@pytest.mark.parametrize(
    ("dtype", "names"),
    [([("total", float), ("median", "|S10")], ("total", "median")), (None, ("blob_0", "blob_1"))],
)
def test_several_blobs(dtype, names):
    def likelihood(param_dict):
        x = [param_dict[key] for key in "ab"]
        return multivariate_normal.logpdf(x, mean=[0.4, 0.6], cov=0.01), sum(x), np.median(x)

    sampler = Sampler(cube("ab"), likelihood, blobs_dtype=dtype)
    sampler.run()
    points, _, _, blobs = sampler.posterior(return_blobs=True)
    assert blobs.dtype.names == names
    np.testing.assert_allclose(blobs[names[0]], points.sum(axis=1))
    assert np.array_equal(
        blobs[names[1]].astype(float),
        np.median(points, axis=1).astype(blobs.dtype[names[1]]).astype(float),
    )


SCRIPT = """
import time

import numpy as np

from nautilus import Prior, Sampler

prior = Prior()
for i in range(2):
    prior.add_parameter()


def likelihood(x):
    return np.sum(-(x - 0.5)**2 / (2 * 0.1**2))


for pool in [None, 2, (2, None)]:
    sampler = Sampler(prior, likelihood, pass_dict=False, pool=pool, n_live=50, seed=3)
    t_start = time.time()
    sampler.run(n_eff=200, verbose=True)
    t_end = time.time()
    print('Total time: {:.1f}s'.format(t_end - t_start))
    print('log Z: {!r}'.format(sampler.log_z))
"""


def test_parallel_as_a_script_without_a_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, "-W", "error", "-W", "ignore::UserWarning", str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    values = [float(s.split(":")[1]) for s in done.stdout.splitlines() if s.startswith("log Z")]
    assert len(values) == 3
    assert len(set(values)) == 1
    assert values[0] == pytest.approx(np.log(2 * np.pi * 0.1**2), abs=CLOSE)
