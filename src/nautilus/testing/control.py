"""A deliberately biased estimator: the statistical suite must find it wrong."""

import numpy as np
from scipy.special import logsumexp

from nautilus.run.mixture import history_log_density
from nautilus.run.state import Phase
from nautilus.sampler import Sampler


def whole_history(sampler: Sampler) -> tuple[float, float]:
    """Return log Z and its error with every point weighted by the mixture of all proposals.

    Proposals were fitted to the very points that they then weigh, and have too much density
    there: the weights look even and the evidence comes out too low on curved problems. Adaptive
    multiple importance sampling (Cornuet et al. 2012) is built this way; `nautilus` weighs each
    point by the mixture that it was drawn from.

    Parameters
    ----------
    sampler
        A sampler that has been run. Its switch `discard_exploration` selects the points.

    Returns
    -------
    log_z, log_z_err
        The biased estimate, and the error that its weights seem to imply.
    """
    state = sampler._session.state  # noqa: SLF001 - the control looks at proposals as no user can
    phases = {Phase.SAMPLING} if sampler.discard_exploration else set(Phase)
    chosen = np.array([stage.phase in phases for stage in state.ledger.stages])
    rows = chosen[state.ledger.stage_of_point]
    stages = tuple(s for s in state.ledger.stages if s.phase in phases)
    if not stages:
        return -np.inf, np.inf
    log_w = state.ledger.log_l[rows] - history_log_density(state.table.log_q[rows], stages)
    log_z = float(logsumexp(log_w) - np.log(rows.sum()))
    weights = np.exp(log_w - log_z)
    return log_z, float(weights.std() / np.sqrt(len(weights)))
