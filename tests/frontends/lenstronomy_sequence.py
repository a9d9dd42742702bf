"""lenstronomy: where the light of a galaxy has its centre, by its ``FittingSequence``."""

from importlib.metadata import version

import numpy as np
from known_answer import quadrature, tell
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util import simulation_util
from lenstronomy.Workflow.fitting_sequence import FittingSequence

TRUTH = {"amp": 200.0, "sigma": 0.3, "center_x": 0.1, "center_y": -0.05}
FREE = ("center_x", "center_y")
LIMITS = [(-0.5, 0.5), (-0.5, 0.5)]
NOISE = 1.0

data = simulation_util.data_configure_simple(20, 0.1, 1000, NOISE)
psf = {"psf_type": "GAUSSIAN", "fwhm": 0.2, "pixel_size": 0.1}
light = LightModel(["GAUSSIAN"])
image = ImageModel(ImageData(**data), PSF(**psf), lens_light_model_class=light).image(
    kwargs_lens_light=[TRUTH]
)
data["image_data"] = image + np.random.default_rng(1).normal(0.0, NOISE, image.shape)

fixed = {"sigma": TRUTH["sigma"]}
low, high = ({key: pair[side] for key, pair in zip(FREE, LIMITS, strict=True)} for side in (0, 1))
start = {key: TRUTH[key] for key in FREE}
spread = dict.fromkeys(FREE, 0.1)
sequence = FittingSequence(
    {"multi_band_list": [[data, psf, {}]], "multi_band_type": "single-band"},
    {"lens_light_model_list": ["GAUSSIAN"]},
    {},
    {"check_bounds": True},
    {"lens_light_model": [[start], [spread], [fixed], [low], [high]]},
    verbose=False,
)
settings = {"n_live": 500, "n_eff": 1000, "seed": 1, "verbose": False}
chain = sequence.fit_sequence([["Nautilus", settings]])[0]
_, samples, names, log_l, log_z, log_z_err, weighted = chain
true_log_z, true_mean = quadrature(sequence.likelihood_class.logL, LIMITS)

assert names == [f"{key}_lens_light0" for key in FREE]
assert samples.shape == (len(log_l), 2)
assert len(weighted["points"]) == len(weighted["log_w"]) == len(weighted["log_l"])
best = sequence.best_fit()["kwargs_lens_light"][0]
tell(
    version("lenstronomy"),
    log_z=(log_z, true_log_z, 0.15),
    log_z_err=(log_z_err, 0.02, 0.02),
    mean=(np.mean(samples[:, 0]), true_mean[0], 0.01),
    best=(best["center_x"], true_mean[0], 0.02),
)
