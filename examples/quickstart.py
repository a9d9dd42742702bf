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
    """Return log L of a normalised Gaussian about (1, 2, 0)."""
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

    result = sampler.result
    print(result.summary())
    print(f"log Z = {result.log_z:.4f} +- {result.log_z_err:.2g} (exact {exact_log_z():.4f})")


if __name__ == "__main__":
    main()
