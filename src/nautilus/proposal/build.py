"""Build a learned proposal: emulator, then a base that fits it, then the norm."""

from dataclasses import dataclass, field, replace

import numpy as np

from nautilus._streams import stream
from nautilus._types import BoolArray, FloatArray, IntArray, RunTasks
from nautilus.emulator.baseline import n_coefficients
from nautilus.emulator.emulator import Emulator, EmulatorSettings, TrainingSet, fit_emulator
from nautilus.emulator.target import LearningScale
from nautilus.geometry.coordinates import Coordinates, cut_periodic, log_prior_density
from nautilus.geometry.fit import fit_clusters, fit_mixture
from nautilus.geometry.gaps import cover_gaps
from nautilus.geometry.mixture import Mixture, combine, standard_normal
from nautilus.proposal.learned import CHUNK, LearnedProposal, base_log_density, draw_base
from nautilus.proposal.target import CappedTarget

NEGLIGIBLE = 1e-9
"""Points with less weight than this relative to the heaviest are not looked at."""

FIRST_WIDENING = 1.25
"""The first base is wider, because it is fitted to few effective points."""

GAP_SHARE = 0.2
"""Share of the base around points that its fitted mixture covers badly."""

N_REFITS = 2
GOOD_ACCEPTANCE = 0.2
"""A base is refitted to the emulated target if fewer of its draws are accepted."""


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
    n_points_min
        Fewest effective points per component of a base.
    n_train_max
        Most training points of an emulator.
    n_components_max
        Most components of a base.
    norm_error
        Wanted relative error of the normalisation.
    clipped
        Largest share of the target that the base may cut off.
    n_norm_max
        Most chunks of trials for the normalisation.
    acceptance_min
        Smallest acceptance; the ceiling is lowered to keep it.
    defensive
        About this share of the draws comes from the base alone.
    """

    emulator: EmulatorSettings = field(default_factory=EmulatorSettings)
    periodic: tuple[int, ...] = ()
    enlarge: float = 1.1
    n_points_min: int = 0
    n_train_max: int = 20000
    n_components_max: int = 24
    norm_error: float = 0.01
    clipped: float = 0.02
    n_norm_max: int = 100
    acceptance_min: float = 0.03
    defensive: float = 0.05


@dataclass(frozen=True)
class Seen:
    """All evaluated points as a proposal sees them.

    Parameters
    ----------
    points, space
        Unit cube and whole-space coordinates, shape (n, d) each.
    log_l, log_g
        Log-likelihood and log density of the whole history, shape (n,) each.
    log_tau
        Logarithm of the target, shape (n,).
    weights
        Mass of the target that each point stands for, the largest being one, shape (n,).
    """

    points: FloatArray
    space: FloatArray
    log_l: FloatArray
    log_g: FloatArray
    log_tau: FloatArray
    weights: FloatArray

    @property
    def n_effective(self) -> float:
        """Number of independent points from the target that the points are worth."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    @property
    def heavy(self) -> BoolArray:
        """Which points have weight enough to matter, shape (n,)."""
        return np.asarray(self.weights > self.weights.max() * NEGLIGIBLE)

    def fit(self, settings: BuildSettings, n_max: int, rng: np.random.Generator) -> Mixture:
        """Return a mixture fitted to the target."""
        return fit_clusters(
            self.space[self.heavy], self.weights[self.heavy], self.n_effective,
            self.grow(settings, n_max), n_max, rng, settings.n_points_min,
        )  # fmt: skip

    def grow(self, settings: BuildSettings, n_max: int) -> Mixture:
        """Return a mixture fitted to the target by cutting alone."""
        return fit_mixture(
            self.space[self.heavy], self.weights[self.heavy], self.n_effective, n_max,
            settings.n_points_min,
        )  # fmt: skip


def build_proposal(
    points: FloatArray,
    log_l: FloatArray,
    log_g: FloatArray,
    target: CappedTarget,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
    emulator: Emulator | None = None,
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
    emulator
        One to use again; None trains a new one.
    """
    log_tau = target.log_value(log_l)
    weights = temper(log_tau - log_g, 2 * (points.shape[1] + 1))
    if emulator is None:
        coordinates = cut_periodic(points, weights, settings.periodic)
    else:
        coordinates = emulator.coordinates
    seen = Seen(points, coordinates.to_space(points), log_l, log_g, log_tau, weights)
    rng = stream(address[0], "cluster", address[1])
    first = seen.fit(settings, settings.n_components_max, rng)
    if emulator is None:
        emulator = _learn(seen, first, target, coordinates, settings, address, run_tasks)
    base = _with_gaps(first, seen, _widen(first, FIRST_WIDENING * settings.enlarge))
    wide = LearnedProposal(coordinates, base, emulator, target, 0.0, 0.0, 0.0, 0.0)
    draft = replace(wide, log_ceiling=_choose_ceiling(wide, seen, settings))
    for attempt in range(N_REFITS + 1):
        rng = stream(address[0], "base", address[1], attempt)
        trial, space = draw_base(draft.base, coordinates, 2 * CHUNK, rng)
        log_ratio = draft.log_ratio(trial, space)
        log_ceiling = min(draft.log_ceiling, _ceiling_for(log_ratio, settings.acceptance_min))
        draft = replace(draft, log_ceiling=log_ceiling)
        accept = np.exp(np.minimum(log_ratio - log_ceiling, 0.0))
        if attempt == N_REFITS or accept.mean() > GOOD_ACCEPTANCE:
            break
        draft = _refit(draft, wide.base, space, accept, settings)
        draft = replace(draft, log_ceiling=_choose_ceiling(draft, seen, settings))
    floor = settings.defensive * float(accept.mean())
    return _normalise(replace(draft, floor=floor), settings, address, run_tasks)


def temper(log_weights: FloatArray, n_effective: float) -> FloatArray:
    """Return weights, the largest being one, raised to a power that leaves enough effective points.

    A mixture fitted to one heavy point would be that point. The power is one wherever
    the weights are worth `n_effective` points or more.
    """
    relative = log_weights - log_weights.max()

    def worth(power: float) -> float:
        weights = np.exp(power * relative)
        return float(weights.sum() ** 2 / (weights**2).sum())

    low, high = 0.0, 1.0
    if worth(1.0) < n_effective:
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if worth(middle) < n_effective else (middle, high)
        high = low
    return np.asarray(np.exp(high * relative))


def _with_gaps(first: Mixture, seen: Seen, base: Mixture) -> Mixture:
    """Add components where the fitted mixture covers evaluated points badly."""
    heavy = seen.weights > seen.weights.max() * 1e-3
    space = seen.space[heavy]
    log_target = seen.log_tau[heavy] + log_prior_density(space)
    gaps = cover_gaps(first, space, log_target, seen.weights[heavy])
    if gaps is None:
        return base
    return combine([base, gaps.scaled(1.25, dof=5.0)], [1.0 - GAP_SHARE, GAP_SHARE])


def _refit(
    draft: LearnedProposal,
    wide: Mixture,
    space: FloatArray,
    accept: FloatArray,
    settings: BuildSettings,
) -> LearnedProposal:
    """Fit the base anew to what the emulator accepts; the first base stays as a safeguard."""
    n_worth = float(accept.sum() ** 2 / (accept**2).sum())
    keep = np.flatnonzero(accept > 1e-6)[:CHUNK]
    refined = fit_mixture(space[keep], accept[keep], n_worth, settings.n_components_max)
    base = combine([_widen(refined, settings.enlarge), wide], [0.7, 0.3])
    return replace(draft, base=base)


def _widen(core: Mixture, enlarge: float) -> Mixture:
    """Add heavy tails and the prior to a fitted mixture."""
    return combine(
        [core.scaled(enlarge), core.scaled(1.5 * enlarge, dof=3.0), standard_normal(core.n_dim)],
        [0.85, 0.13, 0.02],
    )


def _learn(
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
    n_experts = max(1, int(len(chosen) / (2 * n_coefficients(first.n_dim))))
    gates = first if first.n_components <= n_experts else seen.grow(settings, n_experts)
    data = TrainingSet(
        seen.points[chosen], seen.space[chosen], seen.log_l[chosen], seen.weights[chosen]
    )
    return fit_emulator(data, coordinates, gates, scale, settings.emulator, address, run_tasks)


def learning_scale(
    log_l: FloatArray, log_g: FloatArray, weights: FloatArray, log_level: float
) -> LearningScale:
    """Return the scale on which differences of log L matter for a target.

    Around a contour of volume V it is the rise of log L to the contour of volume
    V / 8; for the posterior it is the spread of log L.
    """
    share = weights / weights.sum()
    used = share > 0
    capped = np.minimum(log_l[used], log_level)
    mean = float(share[used] @ capped)
    spread = float(np.sqrt(share[used] @ (capped - mean) ** 2))
    width = 3.0 * spread + 1.0
    if not np.isfinite(log_level):
        return LearningScale(mean, width)
    order = np.argsort(-log_l, kind="stable")
    values = log_l[order]
    log_volume = np.logaddexp.accumulate(-log_g[order])
    at_level = log_volume[min(int(np.searchsorted(-values, -log_level)), len(values) - 1)]
    inner = values[min(int(np.searchsorted(log_volume, at_level - np.log(8))), len(values) - 1)]
    return LearningScale(log_level, max(width, float(inner - log_level)))


def _training_points(seen: Seen, first: Mixture, n_max: int, address: tuple[int, int]) -> IntArray:
    """Choose points where the base will have to know the target, and a few anchors.

    If there are too many, the highest ones stay: they are rare where a target is
    narrow, which is where an emulator is wrong first.
    """
    rng = stream(address[0], "choose", address[1])
    wide = first.scaled(1.8, dof=5.0)
    log_wide = wide.log_density(seen.space)
    edge = np.quantile(wide.log_density(wide.draw(CHUNK, rng)), 0.002)
    near = np.flatnonzero(log_wide >= edge)
    far = np.flatnonzero(log_wide < edge)
    near = near[np.argsort(-seen.log_l[near], kind="stable")]
    n_near = int(0.9 * n_max)
    top, rest = near[: n_near // 4], near[n_near // 4 :]
    rng.shuffle(rest)
    rng.shuffle(far)
    return np.sort(np.concatenate([top, rest[: n_near - len(top)], far[: max(n_max // 10, 300)]]))


def _choose_ceiling(draft: LearnedProposal, seen: Seen, settings: BuildSettings) -> float:
    """Return the smallest log c that cuts off no more than a share of the target.

    Evaluated points decide, not the emulator: where it is wrong far from them,
    the base limits the harm. At log c the share cut off is the sum of
    ``share (1 - c / ratio)`` over the points whose ratio exceeds c.
    """
    heavy = seen.heavy
    log_ratio = seen.log_tau[heavy] - base_log_density(draft.base, seen.space[heavy])
    order = np.argsort(-log_ratio, kind="stable")
    log_ratio, share = log_ratio[order], seen.weights[heavy][order] / seen.weights[heavy].sum()
    inverse = np.exp(np.minimum(log_ratio[0] - log_ratio, 700.0))
    cut_off = np.cumsum(share) - np.cumsum(share * inverse) / inverse
    k = int(np.searchsorted(cut_off, settings.clipped))
    return float(log_ratio[min(k, len(order) - 1)])


def _ceiling_for(log_ratio: FloatArray, acceptance: float) -> float:
    """Return the log c at which the mean of min(1, ratio / c) is the wanted acceptance."""
    low, high = float(log_ratio.min()), float(log_ratio.max())
    for _ in range(60):
        middle = 0.5 * (low + high)
        if np.exp(np.minimum(log_ratio - middle, 0.0)).mean() > acceptance:
            low = middle
        else:
            high = middle
    return low


def _normalise(
    proposal: LearnedProposal,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> LearnedProposal:
    """Estimate A from numbered chunks of trials until its error is small enough."""
    total, squares, n = 0.0, 0.0, 0
    n_chunks = 2
    while True:
        tasks = [(proposal, (*address, j)) for j in range(n // CHUNK, n_chunks)]
        for first, second in run_tasks(_norm_chunk, tasks):
            total, squares, n = total + first, squares + second, n + CHUNK
        mean = total / n
        error = np.sqrt(max(squares / n - mean * mean, 0.0) / n) / mean
        if error <= settings.norm_error or n_chunks >= settings.n_norm_max:
            break
        wanted = n_chunks * (error / settings.norm_error) ** 2
        n_chunks = int(min(max(n_chunks + 1, np.ceil(wanted)), settings.n_norm_max))
    return replace(proposal, log_norm=float(np.log(mean)), log_norm_error=float(error))


def _norm_chunk(proposal: LearnedProposal, address: tuple[int, int, int]) -> tuple[float, float]:
    accept = proposal.acceptance(stream(address[0], "norm", *address[1:]))
    return float(accept.sum()), float((accept * accept).sum())
