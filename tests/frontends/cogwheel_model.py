"""A small model for cogwheel: two parameters, an answer that is known, no gravitational wave."""

from types import SimpleNamespace

import numpy as np
from cogwheel import sampling, utils
from cogwheel.posterior import Posterior
from cogwheel.prior import Prior, UniformPriorMixin, UnitJacobianMixin

SIDE = 10.0
LOG_Z = -4.0 * np.log(SIDE)
"""Its Z is the mean of prior density times likelihood over the square, hence twice the density."""


class Square(UniformPriorMixin, UnitJacobianMixin, Prior):
    range_dic = {"x": (0.0, SIDE), "y": (0.0, SIDE)}
    standard_params = ["x", "y"]

    def transform(self, x, y):
        return {"x": x, "y": y}

    inverse_transform = transform


class Bell(utils.JSONMixin):
    params = ["x", "y"]

    def __init__(self):
        self.waveform_generator = SimpleNamespace(fast_params=[], n_cached_waveforms=1)

    def lnlike_and_metadata(self, parameters):
        square = (parameters["x"] - 4.0) ** 2 + (parameters["y"] - 6.0) ** 2
        return -0.5 * square / 0.25 - np.log(2 * np.pi * 0.25), square

    def get_blob(self, metadata):
        return {"square": float(metadata)}


def run(folder):
    """Run to the end in a folder, and return the front end's sampler."""
    posterior = Posterior(Square(), Bell())
    settings = {"n_live": 200, "n_eff": 1000, "seed": 1, "verbose": False}
    sampler = sampling.Nautilus(posterior, run_kwargs=settings)
    sampler.run(folder)
    return sampler
