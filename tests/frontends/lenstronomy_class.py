"""lenstronomy: the class ``Nautilus`` of its older releases, which asks for ``evidence()``."""

from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
from known_answer import tell
from lenstronomy.Sampling.Samplers.nautilus import Nautilus

CENTRE, WIDTH, SIDE = np.array([4.0, 6.0]), 0.5, 10.0


class Bell:
    """What the class needs of a likelihood module, with an answer that is known."""

    param_limits = (np.zeros(2), np.full(2, SIDE))
    param = SimpleNamespace(
        num_param=lambda: (2, ["x", "y"]), param_limits=lambda: Bell.param_limits
    )

    def likelihood(self, a):
        square = np.sum((np.array(a) - CENTRE) ** 2)
        return -0.5 * square / WIDTH**2 - np.log(2 * np.pi * WIDTH**2)


points, log_w, log_l, log_z = Nautilus(Bell()).nautilus_sampling(
    n_live=300, n_networks=1, seed=1, verbose=False
)
assert len(points) == len(log_w) == len(log_l)
tell(
    version("lenstronomy"),
    log_z=(log_z, -2 * np.log(SIDE), 0.15),
    mean=(np.exp(log_w) @ points[:, 0], CENTRE[0], 0.05),
)
