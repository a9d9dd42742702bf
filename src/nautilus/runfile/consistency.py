"""Whether values of a run file make sense together; what passes can be computed with.

Digests tell accidents. Somebody who writes a file on purpose can get them right, and a shape that
no run has would end in an error of NumPy somewhere else, or in an array of any size. Numbers that
merely make the answer a wrong one are let pass.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from nautilus._samples import as_circles
from nautilus._streams import SEED_BITS
from nautilus._types import BoolArray, FloatArray
from nautilus.emulator.baseline import Baseline, n_coefficients
from nautilus.emulator.emulator import Emulator
from nautilus.emulator.network import Network
from nautilus.errors import CheckpointDamagedError, SettingsError
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.base import Proposal
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.learned import LearnedProposal
from nautilus.proposal.neighbourhoods import MixtureProposal
from nautilus.run.state import Ledger, Stage
from nautilus.runfile.header import RunHeader
from nautilus.runfile.record import Answer, Progress

N_DIM_MAX, N_POINTS_MAX = 2**31 - 1, 2**40

Array = np.ndarray[Any, Any]


def check_header(header: RunHeader) -> None:
    """Refuse a header that no run has.

    Raises
    ------
    CheckpointDamagedError
        Saying what is wrong.
    """
    config, names = header.config, header.parameters
    _require(0 < config.n_dim <= N_DIM_MAX, f"it has {config.n_dim} dimensions")
    _require(0 <= config.seed < 2**SEED_BITS, f"its seed is {config.seed}")
    _require(len(set(names)) == len(names), "two of its parameters have the same name")
    if header.periodic is not None:
        try:
            as_circles(header.periodic, len(names))
        except SettingsError as error:
            raise CheckpointDamagedError(f"{error}") from error


def check_support(progress: Progress, n_stages: int) -> None:
    """Refuse a support that no run has been raised to.

    Raises
    ------
    CheckpointDamagedError
        Telling what it is.
    """
    n_live, n_before = progress.n_live, progress.n_before
    is_good = 0 <= n_before <= n_stages and (n_before == 0 if n_live is None else n_live > 0)
    _require(is_good, f"its support is {n_live} after {n_before} stages")


def check_start_points(progress: Progress, header: RunHeader) -> None:
    """Refuse start points that are none.

    Raises
    ------
    CheckpointDamagedError
        Saying what is wrong.
    """
    config, n_known = header.config, len(progress.start_log_l)
    n = len(config.start_points)
    _require(
        progress.start_log_l.ndim == 1 and n_known in {0, n},
        f"it has {n_known} of {n} start points",
    )
    is_good = all(
        len(point) == config.n_dim and all(0.0 < u < 1.0 for u in point)
        for point in config.start_points
    )
    _require(is_good, "its start points are not in the unit cube")


def check_proposals(proposals: Sequence[Proposal], n_dim: int) -> None:
    """Refuse proposals whose densities cannot be computed.

    Raises
    ------
    CheckpointDamagedError
        Saying what is wrong.
    """
    is_cube = len(proposals) > 0 and proposals[0] == CubeProposal(n_dim)
    _require(is_cube, f"its first proposal is not the cube of {n_dim} dimensions")
    known: set[int] = set()
    for number, proposal in enumerate(proposals[1:], 1):
        where = f"its proposal {number} has"
        if isinstance(proposal, MixtureProposal):
            _check_mixture(proposal.mixture, n_dim, where)
            _check_shapes((proposal.coordinates.cuts,), ((n_dim,),), where)
            continue
        if not isinstance(proposal, LearnedProposal):
            raise CheckpointDamagedError(f"its proposal {number} is the cube once more.")
        _check_mixture(proposal.base, n_dim, where)
        k = proposal.base.n_components
        given = (proposal.coordinates.cuts, proposal.floors, proposal.lifts)
        _check_shapes(given, ((n_dim,), (k,), (k,)), where)
        if id(proposal.emulator) not in known:
            _check_emulator(proposal.emulator, n_dim, f"the emulator of {where}")
            known.add(id(proposal.emulator))


def check_counts(stage: Stage, n_proposals: int) -> None:
    """Refuse a stage that was not drawn from so many proposals.

    Raises
    ------
    CheckpointDamagedError
        Telling its counts.
    """
    counts = stage.counts
    is_good = counts.ndim == 1 and 0 < len(counts) <= n_proposals
    is_good = is_good and counts.min() >= 0 and counts[0] > 0 and counts.max() <= N_POINTS_MAX
    _require(bool(is_good), f"a stage has the counts {counts.tolist()}")


def check_points(points: FloatArray) -> None:
    """Refuse points outside of the unit cube.

    Raises
    ------
    CheckpointDamagedError
        If there is one.
    """
    is_inside = bool(((points >= 0.0) & (points <= 1.0)).all())
    _require(is_inside, "a point is outside of the unit cube")


def check_log_l(log_l: FloatArray) -> None:
    """Refuse what no likelihood may return.

    Raises
    ------
    CheckpointDamagedError
        If log L is NaN or infinite without being the logarithm of zero.
    """
    _require(bool((log_l < np.inf).all()), "log L of a point is NaN or infinite")


def check_answer(answer: Answer, ledger: Ledger) -> None:
    """Refuse an answer that no run gives.

    Raises
    ------
    CheckpointDamagedError
        Saying what is wrong.
    """
    weights = answer.log_weights
    is_good = weights.ndim == 1 and len(weights) <= ledger.n_points
    _require(is_good, f"it has weights of shape {weights.shape}")
    has_weight: BoolArray = weights > -np.inf
    is_good = bool((weights < np.inf).all() and has_weight.any())
    _require(is_good, "its weights are no numbers, or there is none")
    is_good = bool(np.isfinite(ledger.log_l[: len(weights)][has_weight]).all())
    _require(is_good, "a point has weight without a likelihood")
    _require(bool(np.isfinite(answer.log_z)), f"log Z is {answer.log_z}")
    _require(not answer.log_z_err < 0, f"the error of log Z is {answer.log_z_err}")
    _require(0 <= answer.n_eff < np.inf, f"its effective sample size is {answer.n_eff}")
    limit = answer.detection_limit
    _require(0 <= limit.anywhere <= 1, f"its detection limit is {limit.anywhere} of the prior")
    columns = (limit.log_l, limit.log_volume, limit.log_part)
    _check_shapes(columns, ((limit.log_l.size,),) * 3, "its detection limit has")


def _check_mixture(mixture: Mixture, n_dim: int, where: str) -> None:
    k = mixture.log_shares.size
    _require(k > 0, f"{where} a mixture of nothing")
    given = (mixture.log_shares, mixture.means, mixture.cholesky, mixture.dof)
    _check_shapes(given, ((k,), (k, n_dim), (k, n_dim, n_dim), (k,)), where)
    try:
        np.linalg.inv(mixture.cholesky)
    except np.linalg.LinAlgError as error:
        raise CheckpointDamagedError(f"{where} a scale that cannot be inverted.") from error


def _check_emulator(emulator: Emulator, n_dim: int, where: str) -> None:
    _check_mixture(emulator.gates, n_dim, where)
    k, cuts = emulator.gates.n_components, emulator.coordinates.cuts
    given = (cuts, emulator.centre, emulator.whitening, emulator.errors)
    _check_shapes(given, ((n_dim,), (n_dim,), (n_dim, n_dim), (k,)), where)
    if emulator.baseline is not None:
        _check_baseline(emulator.baseline, k, n_dim, where)
    n_inputs = n_dim + 2 * int(np.count_nonzero(~np.isnan(cuts)))
    if emulator.baseline is not None:
        n_inputs += 1 + (n_dim if k > 1 else 0)
    for network in emulator.networks:
        _check_network(network, n_inputs, where)


def _check_baseline(baseline: Baseline, k: int, n_dim: int, where: str) -> None:
    given = (baseline.centres, baseline.whitening, baseline.coefficients)
    _check_shapes(given, ((k, n_dim), (k, n_dim, n_dim), (k, n_coefficients(n_dim))), where)


def _check_network(network: Network, n_inputs: int, where: str) -> None:
    weights, biases = network.weights, network.biases
    is_good = len(weights) == len(biases) > 0 and all(weight.ndim == 2 for weight in weights)
    _require(is_good, f"{where} a network without layers")
    sizes = [n_inputs, *(weight.shape[1] for weight in weights)]
    # Layers without units would take no bytes, and give an array of any size.
    _require(min(sizes) > 0 and sizes[-1] == 1, f"{where} a network with {sizes} units")
    _check_shapes(weights, tuple(pairwise(sizes)), where)
    _check_shapes(biases, tuple((size,) for size in sizes[1:]), where)


def _check_shapes(arrays: Iterable[Array], shapes: Iterable[tuple[int, ...]], where: str) -> None:
    for array, shape in zip(arrays, shapes, strict=True):
        _require(array.shape == shape, f"{where} an array of shape {array.shape}, not {shape}")


def _require(is_good: bool, otherwise: str) -> None:
    if not is_good:
        raise CheckpointDamagedError(f"{otherwise}.")
