"""The smallest complete run: a three-dimensional Gaussian with named parameters.

python examples/quickstart.py
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import norm

from nautilus import Prior, Sampler

WIDTH = 0.1


def build_prior() -> Prior:
    """Return the prior: uniform, uniform, and normal."""
    prior = Prior()
    prior.add_parameter("a", dist=(-5.0, 5.0))
    prior.add_parameter("b", dist=(-5.0, 5.0))
    prior.add_parameter("c", dist=norm(loc=0.0, scale=2.0))
    return prior


def log_likelihood(parameters: Mapping[str, float]) -> float:
    """Return ln L of a normalised Gaussian about (1, 2, 0)."""
    offsets = np.array([parameters["a"] - 1.0, parameters["b"] - 2.0, parameters["c"]])
    return float(np.sum(norm.logpdf(offsets, scale=WIDTH)))


def exact_log_z() -> float:
    """Return the evidence: the prior density averaged over the Gaussian; tails are negligible."""
    return float(2.0 * np.log(1.0 / 10.0) + norm.logpdf(0.0, scale=np.hypot(2.0, WIDTH)))


def main() -> None:
    """Run the sampler and print what it found."""
    prior = build_prior()
    sampler = Sampler(prior, log_likelihood, seed=1)
    sampler.run(verbose=True)

    points, log_w, _ = sampler.posterior()
    weights = np.exp(log_w - np.max(log_w))
    mean = np.average(points, weights=weights, axis=0)
    deviation = np.sqrt(np.average((points - mean) ** 2, weights=weights, axis=0))
    for name, centre, width in zip(prior.keys, mean, deviation, strict=True):
        print(f"{name} = {centre:+.3f} +- {width:.3f}")
    print(f"log Z = {sampler.log_z:.3f} +- {sampler.log_z_err:.3f} (exact {exact_log_z():.3f})")
    print(f"{sampler.n_like:,} likelihood calls, effective sample size {sampler.n_eff:,.0f}")


if __name__ == "__main__":
    main()
