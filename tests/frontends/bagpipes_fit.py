"""Bagpipes: mass and dust of a galaxy from three bands of our own.

It loops over draws of equal weight until it has enough, and keeps the run in a ``.h5`` file that
it then removes.
"""

from importlib.metadata import version

import bagpipes
import numpy as np
from known_answer import quadrature, tell

CENTRES = (4500.0, 6200.0, 9000.0)
LIMITS = [(0.0, 2.0), (9.5, 11.5)]  # in the order of the front end: by name

bands = []
for i, centre in enumerate(CENTRES):
    wavelength = np.linspace(centre - 500.0, centre + 500.0, 101)
    np.savetxt(f"band_{i}.txt", np.c_[wavelength, np.exp(-(((wavelength - centre) / 250.0) ** 2))])
    bands.append(f"band_{i}.txt")

history = {"age": 5.0, "tau": 2.0, "metallicity": 1.0}
dust = {"type": "Calzetti", "Av": 0.7, "eta": 1.0}
components = {"redshift": 0.1, "exponential": history | {"massformed": 10.5}, "dust": dust}
model = bagpipes.model_galaxy(components, filt_list=bands, phot_units="mujy")
errors = 0.05 * model.photometry
flux = model.photometry + np.random.default_rng(1).normal(0.0, errors)
galaxy = bagpipes.galaxy(
    "one", lambda _: np.c_[flux, errors], filt_list=bands, spectrum_exists=False
)

instructions = {
    "redshift": 0.1,
    "exponential": history | {"massformed": LIMITS[1]},
    "dust": dust | {"Av": LIMITS[0]},
}
N_POSTERIOR = 3000
fit = bagpipes.fit(galaxy, instructions, n_posterior=N_POSTERIOR)
true_log_z, true_mean = quadrature(lambda x: fit.fitted_model.lnlike(np.array(x)), LIMITS, n=40)
fit.fit(verbose=False, sampler="nautilus", n_live=200, n_eff=1000, pool=1)

draws = fit.results["samples2d"]
assert len(draws) >= N_POSTERIOR
# Several draws were needed; were they copies of one, no row would be there only once.
assert (np.unique(draws, axis=0, return_counts=True)[1] == 1).any()
assert fit.fitted_model.params == ["dust:Av", "exponential:massformed"]
posterior = fit.posterior.samples["exponential:massformed"]
tell(
    version("bagpipes"),
    log_z=(fit.results["lnz"], true_log_z, 0.15),
    mass=(np.mean(posterior), true_mean[1], 0.02),
)
