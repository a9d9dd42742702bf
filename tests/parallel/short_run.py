"""A run that takes a second, for tests and for the scripts that they start."""

import hashlib

import numpy as np

from nautilus import Prior, Sampler

PRIOR = Prior()
for name in "abc":
    PRIOR.add_parameter(name, dist=(-1, 1))


def likelihood(parameters):
    return -50 * (parameters["a"] ** 2 + (parameters["b"] - parameters["c"]) ** 2)


def make_sampler(log_l=likelihood, pool=None, **settings):
    return Sampler(PRIOR, log_l, pool=pool, n_live=150, n_networks=2, seed=1, **settings)


def bits(sampler):
    """Return log Z in hexadecimal digits, and a sum over every bit of points and weights."""
    points, log_w, log_l = sampler.posterior()
    arrays = b"".join(np.ascontiguousarray(one).tobytes() for one in (points, log_w, log_l))
    return f"{float(sampler.log_z).hex()} {len(points)} {hashlib.sha256(arrays).hexdigest()}"


def run(log_l=likelihood, pool=None, **settings):
    """Run and return the bits of the result."""
    with make_sampler(log_l, pool, **settings) as sampler:
        assert sampler.run(n_eff=400)
        return bits(sampler)
