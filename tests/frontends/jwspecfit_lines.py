"""jwspecfit: flux, centre and width of one emission line by its ``nautilus`` backend."""

from importlib.metadata import version

import jwspecmcmc
import numpy as np
from jwspecfit.io import Spectrum
from known_answer import tell

CENTRE, WIDTH, PEAK, NOISE = 5.0082e4, 40.0, 5.0, 0.1  # angstrom, angstrom, microjansky twice


def model(peak, centre, width):
    return 1.0 + peak * np.exp(-0.5 * ((angstrom - centre) / width) ** 2)


micron = np.linspace(4.9, 5.1, 200)
angstrom = micron * 1e4
flux = model(PEAK, CENTRE, WIDTH) + np.random.default_rng(1).normal(0.0, NOISE, micron.shape)
spectrum = Spectrum(micron, flux, np.full(micron.shape, NOISE), R=1000.0)
result = jwspecmcmc.fit_lines(
    spectrum, z=9.0, sampler="nautilus", lines=["OIII_5007"], n_live=300, n_eff=1000,
    progress=False, seed=1,
)  # fmt: skip
line = result.lines["OIII_5007"]

step = 1e-4
slopes = [
    (model(*(best + shift)) - model(*(best - shift))) / (2 * shift.max())
    for best in [np.array([PEAK, CENTRE, WIDTH])]
    for shift in step * np.diag(best)
]
covariance = np.linalg.inv([[a @ b / NOISE**2 for a in slopes] for b in slopes])
centre_error = np.sqrt(covariance[1, 1])
tell(
    version("jwspecfit"),
    centre=(line.centroid_A, CENTRE, 4 * centre_error),
    error=(np.mean(line.centroid_err), centre_error, 0.25 * centre_error),
    width=(line.sigma_A, WIDTH, 4 * np.sqrt(covariance[2, 2])),
)
