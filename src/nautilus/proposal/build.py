"""Build a learned proposal: emulator, then a base that fits it, then the norm."""

from dataclasses import dataclass, field

import numpy as np

from nautilus._streams import stream
from nautilus._types import FloatArray
from nautilus.emulator.baseline import n_coefficients
from nautilus.emulator.emulator import Emulator, EmulatorSettings, RunTasks, fit_emulator
from nautilus.emulator.target import LearningScale
from nautilus.geometry.coordinates import Coordinates, cut_periodic
from nautilus.geometry.fit import fit_mixture
from nautilus.geometry.mixture import Mixture, combine, standard_normal
from nautilus.proposal.learned import CHUNK, LearnedProposal, base_log_density, draw_base
from nautilus.proposal.target import CappedTarget


@dataclass(frozen=True)
class BuildSettings:
    """How proposals are built.

    Parameters
    ----------
    emulator
        How emulators are built.
    periodic
        Periodic dimensions.
    enlarge
        Factor on all lengths of the base.
    n_train_max
        Most training points of an emulator.
    n_components_max
        Most components of a base.
    norm_error
        Wanted relative error of the normalisation.
    clipped
        Largest share of the emulated target that the base may cut off.
    """

    emulator: EmulatorSettings = field(default_factory=EmulatorSettings)
    periodic: tuple[int, ...] = ()
    enlarge: float = 1.1
    n_train_max: int = 6000
    n_components_max: int = 16
    norm_error: float = 0.01
    clipped: float = 0.01
    n_norm_max: int = 100


def build_proposal(
    points: FloatArray,
    log_l: FloatArray,
    log_g: FloatArray,
    target: CappedTarget,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> LearnedProposal:
    """Return a proposal that imitates the target.

    Parameters
    ----------
    points, log_l, log_g
        All evaluated points (n, d), their log L and the log density that they
        were drawn from as a whole, shapes (n,).
    target
        What to imitate.
    settings
        How.
    address
        Seed of the run and number of the proposal.
    run_tasks
        Runs the training of networks and the chunks of the norm elsewhere.
    """
    log_weights = target.log_value(log_l) - log_g
    weights = np.exp(log_weights - log_weights.max())
    n_effective = float(weights.sum() ** 2 / (weights**2).sum())
    coordinates = cut_periodic(points, weights, settings.periodic)
    space = coordinates.to_space(points)
    heavy = weights > weights.max() * 1e-9
    first = fit_mixture(
        space[heavy], weights[heavy], n_effective, settings.n_components_max
    )
    emulator = _learn(
        points, space, log_l, weights, first, target, coordinates, settings, address, run_tasks
    )
    base = _widen(first, 1.25 * settings.enlarge)
    for attempt in range(3):
        rng = stream(address[0], "base", address[1], attempt)
        trial, trial_space = draw_base(base, coordinates, 2 * CHUNK, rng)
        log_ratio = _log_ratio(base, emulator, target, trial, trial_space)
        ratio = np.exp(log_ratio - log_ratio.max())
        n_worth = float(ratio.sum() ** 2 / (ratio**2).sum())
        if attempt == 2 or n_worth > 0.25 * len(ratio):
            break
        keep = np.flatnonzero(ratio > ratio.max() * 1e-6)[:4000]
        refined = fit_mixture(
            trial_space[keep], ratio[keep], n_worth, settings.n_components_max
        )
        base = _widen(refined, settings.enlarge)
    log_ceiling = _choose_ceiling(log_ratio, settings.clipped)
    return _normalise(
        LearnedProposal(coordinates, base, emulator, target, log_ceiling, 0.0, 0.0),
        settings, address, run_tasks,
    )  # fmt: skip


def _widen(core: Mixture, enlarge: float) -> Mixture:
    """Add heavy tails and the prior to a fitted mixture."""
    return combine(
        [core.scaled(enlarge), core.scaled(1.5 * enlarge, dof=3.0), standard_normal(core.n_dim)],
        [0.85, 0.13, 0.02],
    )


def _log_ratio(
    base: Mixture,
    emulator: Emulator,
    target: CappedTarget,
    points: FloatArray,
    space: FloatArray,
) -> FloatArray:
    return np.asarray(
        target.log_value(emulator.log_likelihood(points, space)) - base_log_density(base, space)
    )


def _learn(
    points: FloatArray,
    space: FloatArray,
    log_l: FloatArray,
    weights: FloatArray,
    first: Mixture,
    target: CappedTarget,
    coordinates: Coordinates,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> Emulator:
    """Choose training points and scale, then fit the emulator."""
    chosen = _training_points(space, first, settings.n_train_max, address)
    capped = np.minimum(log_l, target.log_level)
    share = weights / weights.sum()
    finite = share > 0
    mean = float(share[finite] @ capped[finite])
    spread = float(np.sqrt(share[finite] @ (capped[finite] - mean) ** 2))
    reference = target.log_level if np.isfinite(target.log_level) else mean
    scale = LearningScale(reference, 3.0 * spread + 1.0)
    n_experts = max(1, int(len(chosen) / (2 * n_coefficients(points.shape[1]))))
    gates = first
    if first.n_components > n_experts:
        heavy = weights > weights.max() * 1e-9
        n_effective = float(weights.sum() ** 2 / (weights**2).sum())
        gates = fit_mixture(space[heavy], weights[heavy], n_effective, n_experts)
    return fit_emulator(
        points[chosen], space[chosen], log_l[chosen], weights[chosen], coordinates, gates,
        scale, settings.emulator, address, run_tasks,
    )  # fmt: skip


def _training_points(
    space: FloatArray, first: Mixture, n_max: int, address: tuple[int, int]
) -> FloatArray:
    """Choose points where the base will have to know the target, and a few anchors."""
    rng = stream(address[0], "choose", address[1])
    wide = first.scaled(1.8, dof=5.0)
    log_wide = wide.log_density(space)
    edge = np.quantile(wide.log_density(wide.draw(4096, rng)), 0.002)
    near = np.flatnonzero(log_wide >= edge)
    far = np.flatnonzero(log_wide < edge)
    rng.shuffle(near)
    rng.shuffle(far)
    near = near[: int(0.9 * n_max)]
    far = far[: max(n_max // 10, 300)]
    return np.sort(np.concatenate([near, far]))


def _choose_ceiling(log_ratio: FloatArray, clipped: float) -> float:
    """Return the smallest log c that cuts off no more than a share of the target."""
    ordered = np.sort(log_ratio)[::-1]
    ratio = np.exp(ordered - ordered[0])
    above = np.cumsum(ratio) - np.arange(1, len(ratio) + 1) * ratio
    k = int(np.searchsorted(above, clipped * ratio.sum()))
    return float(ordered[min(k, len(ordered) - 1)])


def _normalise(
    proposal: LearnedProposal,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> LearnedProposal:
    """Estimate A from numbered chunks of trials until its error is small enough."""
    total, squares, n = 0.0, 0.0, 0
    n_chunks = 4
    while True:
        tasks = [
            (proposal, (*address, j)) for j in range(n // CHUNK, n_chunks)
        ]
        for first, second in run_tasks(_norm_chunk, tasks):
            total, squares, n = total + first, squares + second, n + CHUNK
        mean = total / n
        error = np.sqrt(max(squares / n - mean * mean, 0.0) / n) / mean
        if error <= settings.norm_error or n_chunks >= settings.n_norm_max:
            break
        wanted = n_chunks * (error / settings.norm_error) ** 2
        n_chunks = int(min(max(n_chunks + 1, np.ceil(wanted)), settings.n_norm_max))
    return LearnedProposal(
        proposal.coordinates, proposal.base, proposal.emulator, proposal.target,
        proposal.log_ceiling, float(np.log(mean)), float(error),
    )  # fmt: skip


def _norm_chunk(proposal: LearnedProposal, address: tuple[int, int, int]) -> tuple[float, float]:
    accept = proposal.acceptance(stream(address[0], "norm", *address[1:]))
    return float(accept.sum()), float((accept * accept).sum())
