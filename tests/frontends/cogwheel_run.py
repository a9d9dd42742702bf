"""cogwheel: a run in a folder, with JSON, named blobs and a feather file of samples."""

from importlib.metadata import version

import numpy as np
import pandas as pd
from cogwheel_model import LOG_Z, run
from known_answer import tell

sampler = run("folder")
samples = pd.read_feather("folder/samples.feather")
weights = samples["weights"]
square = (samples["x"] - 4.0) ** 2 + (samples["y"] - 6.0) ** 2
np.testing.assert_allclose(samples["square"], square)
tell(
    version("cogwheel-pe"),
    log_z=(sampler.load_evidence()["log_ev"], LOG_Z, 0.15),
    mean=(np.average(samples["x"], weights=weights), 4.0, 0.08),
)
