"""What the emulator of a proposal learns: which points, and on which scale."""

import numpy as np

from nautilus._streams import stream
from nautilus._types import FloatArray, IntArray, RunTasks
from nautilus.emulator.baseline import n_coefficients
from nautilus.emulator.emulator import Emulator
from nautilus.emulator.fit import TrainingSet, fit_emulator
from nautilus.emulator.target import LearningScale
from nautilus.geometry.coordinates import Coordinates
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.seen import Seen
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget

POINTS_PER_COEFFICIENT = 2
"""Training points per coefficient of the experts, at least."""

SPREADS = 3.0
"""The learning scale is in proportion over so many standard deviations of log L at least."""

WIDTH_LEAST = 1.0
"""Added to that, so that flat targets have a scale too."""

VOLUME_RATIO = 8.0
"""That of a contour also reaches the contour of so much smaller volume, if this is farther."""

NEAR_WIDENING, NEAR_DOF, NEAR_QUANTILE = 1.8, 5.0, 0.002
"""Points are near the base if they lie where a wider one has all but this share of its draws."""

N_EDGE = 4096
"""Draws that tell where the edge is."""

FAR_SHARE = 0.1
"""Share of the places for training points that is for others, as anchors."""

TOP_SHARE = 0.25
"""Share of the places near the base that is for the highest points."""


def learn(
    seen: Seen,
    first: Mixture,
    target: CappedTarget,
    coordinates: Coordinates,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> Emulator:
    """Choose training points and scale, then fit the emulator."""
    chosen = _training_points(seen, first, settings.n_train_max, address)
    scale = learning_scale(seen.log_l, seen.log_g, seen.weights, target.log_level)
    n_experts = max(1, int(len(chosen) / (POINTS_PER_COEFFICIENT * n_coefficients(first.n_dim))))
    gates = first if first.n_components <= n_experts else seen.grow(settings, n_experts)
    candidates = [gates, *_fewer(seen, gates, settings)] if target.is_posterior else [gates]
    data = TrainingSet(
        seen.points[chosen], seen.space[chosen], seen.log_l[chosen], seen.weights[chosen]
    )
    return fit_emulator(data, coordinates, candidates, scale, settings.emulator, address, run_tasks)


def _fewer(seen: Seen, gates: Mixture, settings: BuildSettings) -> list[Mixture]:
    """Return mixtures of half as many components or fewer, and again, down to two.

    A base needs many to follow the target; networks learn the better the fewer seams between
    quadratics they have to mend, unless those are then too crude.
    """
    fewer = []
    n = gates.n_components // 2
    while n > 1:
        grown = seen.grow(settings, n)
        if grown.n_components > 1:
            fewer.append(grown)
        n = grown.n_components // 2
    return fewer


def learning_scale(
    log_l: FloatArray, log_g: FloatArray, weights: FloatArray, log_level: float
) -> LearningScale:
    """Return the scale on which differences of log L matter for a target.

    Its width is `SPREADS` times the spread of the capped log L and `WIDTH_LEAST`; around a
    contour of volume V it is at least the rise of log L to the contour of volume
    V / `VOLUME_RATIO`.
    """
    share = weights / weights.sum()
    used = share > 0
    capped = np.minimum(log_l[used], log_level)
    mean = float(share[used] @ capped)
    spread = float(np.sqrt(share[used] @ (capped - mean) ** 2))
    width = SPREADS * spread + WIDTH_LEAST
    if not np.isfinite(log_level):
        return LearningScale(mean, width)
    order = np.argsort(-log_l, kind="stable")
    values = log_l[order]
    log_volume = np.logaddexp.accumulate(-log_g[order])
    at_level = log_volume[min(int(np.searchsorted(-values, -log_level)), len(values) - 1)]
    inner = values[
        min(int(np.searchsorted(log_volume, at_level - np.log(VOLUME_RATIO))), len(values) - 1)
    ]
    return LearningScale(log_level, max(width, float(inner - log_level)))


def _training_points(seen: Seen, first: Mixture, n_max: int, address: tuple[int, int]) -> IntArray:
    """Choose points where the base will have to know the target, and a few anchors.

    If there are too many, the highest ones are sure of a place: they are rare where a
    target is narrow, which is where an emulator is wrong first.
    """
    rng = stream(address[0], "choose", address[1])
    wide = first.scaled(NEAR_WIDENING, dof=NEAR_DOF)
    log_wide = wide.log_density(seen.space)
    edge = np.quantile(wide.log_density(wide.draw(N_EDGE, rng)), NEAR_QUANTILE)
    near = np.flatnonzero(log_wide >= edge)
    far = np.flatnonzero(log_wide < edge)
    near = near[np.argsort(-seen.log_l[near], kind="stable")]
    n_near = int((1.0 - FAR_SHARE) * n_max)
    n_top = int(TOP_SHARE * n_near)
    top, rest = near[:n_top], near[n_top:]
    rng.shuffle(rest)
    rng.shuffle(far)
    return np.sort(np.concatenate([top, rest[: n_near - len(top)], far[: n_max - n_near]]))
