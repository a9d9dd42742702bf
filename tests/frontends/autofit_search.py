"""PyAutoFit: a line in noise by its ``Nautilus`` search, with files and a pool, then loaded again.

It asks for the posterior before the run, stops every few hundred calls to write results, pickles
the sampler with its pools set to None, and removes the file of the run.
"""

from importlib.metadata import version
from pathlib import Path

import autofit as af
import numpy as np
from autofit.example import Analysis, Gaussian
from known_answer import quadrature, tell

LIMITS = [(40.0, 60.0), (5.0, 15.0)]
NOISE = 1.0
N_EFF = 2000

if __name__ == "__main__":
    truth = Gaussian(centre=50.0, normalization=10.0, sigma=2.0)
    x = np.arange(100)
    data = truth.model_data_from(xvalues=x)
    data = data + np.random.default_rng(1).normal(0.0, NOISE, data.shape)
    analysis = Analysis(data=data, noise_map=np.full(data.shape, NOISE))

    model = af.Model(Gaussian)
    for key, (low, high) in zip(("centre", "normalization"), LIMITS, strict=True):
        setattr(model, key, af.UniformPrior(lower_limit=low, upper_limit=high))
    model.sigma = 2.0

    def log_likelihood(parameters):
        return analysis.log_likelihood_function(model.instance_from_vector(parameters))

    search = af.Nautilus(
        name="line", path_prefix="frontends", n_live=100, n_batch=50, n_eff=N_EFF, seed=1,
        number_of_cores=2, iterations_per_full_update=300, verbose=False,
    )  # fmt: skip
    result = search.fit(model=model, analysis=analysis)
    samples = result.samples
    true_log_z, true_mean = quadrature(log_likelihood, LIMITS)

    weights = np.array(samples.weight_list)
    points = np.array(samples.parameter_lists)
    again = search.fit(model=model, analysis=analysis).samples  # reads what is finished
    assert not list(Path("output").rglob("checkpoint.hdf5"))
    tell(
        version("autofit"),
        log_z=(samples.log_evidence, true_log_z, 0.15),
        # The loop of the front end ends when a call of `run` brought no more points.
        is_to_the_end=(weights.sum() ** 2 / np.sum(weights**2) >= N_EFF, 1, 0),
        mean=(weights @ points[:, 0] / weights.sum(), true_mean[0], 0.1),
        log_z_again=(again.log_evidence, samples.log_evidence, 1e-6),
    )
