"""Fit an emulator: choose what is held out, fit the baseline, train the networks, judge both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nautilus._streams import stream
from nautilus._types import BoolArray, FloatArray, RunTasks, select_rows
from nautilus.emulator.baseline import fit_baseline, n_coefficients
from nautilus.emulator.emulator import (
    Emulator,
    EmulatorSettings,
    prepare,
    responsibilities_of,
)
from nautilus.emulator.network import Network, Single, new_network
from nautilus.emulator.target import LearningScale
from nautilus.emulator.training import Schedule, train
from nautilus.geometry.coordinates import Coordinates
from nautilus.geometry.fit import moments, safe_cholesky
from nautilus.geometry.mixture import Mixture

HELD_OUT = 0.15
"""Share of the training points on which baseline and networks are judged."""

BORROWED_ERRORS = 4.0
"""An expert's error counts as if so many of its points had the error of all."""

WEIGHT_LEAST = 1e-12
"""Relative weight with which every point helps to place the axes of an expert."""

RANGE = 100.0
"""The baseline is fitted to log L down to so many widths of the scale below its reference."""


@dataclass(frozen=True)
class TrainingSet:
    """What an emulator learns from.

    Parameters
    ----------
    points, space
        Unit cube and whole-space coordinates, shape (n, d) each.
    log_l
        Log-likelihood, shape (n,); minus infinity is fine.
    target_weights
        Mass of the target that each point stands for, shape (n,).
    """

    points: FloatArray
    space: FloatArray
    log_l: FloatArray
    target_weights: FloatArray


def fit_emulator(
    data: TrainingSet,
    coordinates: Coordinates,
    candidates: Sequence[Mixture],
    scale: LearningScale,
    settings: EmulatorSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
) -> Emulator:
    """Fit baseline and networks.

    Parameters
    ----------
    data
        Training points.
    coordinates, scale, settings
        See `Emulator` and `EmulatorSettings`.
    candidates
        Mixtures whose components could be the experts. The first whose baseline needs no networks
        is taken. Otherwise, with several, one network is trained for each; the one that is best
        on points held out gets the rest of the ensemble. Without networks baselines are judged.
    address
        Seed of the run and number of the proposal: the address of the randomness.
    run_tasks
        Trains networks elsewhere if it wants to.
    """
    is_held_out = _choose(len(data.points), HELD_OUT, stream(address[0], "hold", address[1]))
    judge = _Judge(select_rows(data, is_held_out), scale)
    centre, covariance = moments(coordinates.rotate(data.points), data.target_weights)
    whitening = np.asarray(np.linalg.inv(safe_cholesky(covariance)), dtype=np.float64)
    drafts = []
    for gates in candidates:
        frame = Emulator(
            number=address[1],
            coordinates=coordinates,
            scale=scale,
            gates=gates,
            baseline=None,
            centre=centre,
            whitening=whitening,
            networks=(),
            amplitude=1.0,
            log_l_max=float(data.log_l.max()),
            errors=np.full(gates.n_components, np.inf),
            caution=settings.caution,
        )
        draft = _draft(frame, data, is_held_out, settings)
        drafts.append(draft)
        judged = judge.with_errors(draft.frame)
        if judged.errors.max() < settings.accuracy:
            return judged
    if settings.n_networks == 0:
        return judge.with_errors(min((draft.frame for draft in drafts), key=judge.error))
    draft, networks = _best(drafts, judge, address, run_tasks)
    members = range(len(networks), settings.n_networks)
    networks += run_tasks(train_member, [draft.task(address, member) for member in members])
    return judge.with_errors(draft.finished(networks))


@dataclass(frozen=True)
class _Draft:
    """An emulator without networks, and what they will be trained with."""

    frame: Emulator
    residual: FloatArray
    inputs: Single
    importance: FloatArray
    is_held_out: BoolArray
    settings: EmulatorSettings

    @property
    def amplitude(self) -> float:
        return float(np.sqrt(np.mean(self.residual * self.residual)))

    def task(self, address: tuple[int, int], member: int) -> tuple[Any, ...]:
        """Return the arguments of `train_member`."""
        targets = (self.residual / self.amplitude).astype(np.float32)
        return (
            self.inputs, targets, self.importance.astype(np.float32), self.is_held_out,
            self.settings.hidden_layers, self.settings.schedule, (*address, member),
        )  # fmt: skip

    def finished(self, networks: Sequence[Network]) -> Emulator:
        """Return the emulator with these networks."""
        return replace(self.frame, networks=tuple(networks), amplitude=self.amplitude)


def _draft(
    frame: Emulator, data: TrainingSet, is_held_out: BoolArray, settings: EmulatorSettings
) -> _Draft:
    responsibilities = responsibilities_of(frame.gates, data.space)
    frame = _with_baseline(frame, data, responsibilities, is_held_out)
    start, inputs = prepare(frame, frame.coordinates.rotate(data.points), responsibilities)
    learned, importance = frame.scale.compress(data.log_l), frame.scale.slope(data.log_l)
    return _Draft(frame, learned - start, inputs, importance, is_held_out, settings)


def _best(
    drafts: list[_Draft], judge: "_Judge", address: tuple[int, int], run_tasks: RunTasks
) -> tuple[_Draft, list[Network]]:
    """Return the best of several drafts with its first network, or the only one without any."""
    if len(drafts) == 1:
        return drafts[0], []
    firsts = run_tasks(train_member, [draft.task(address, 0) for draft in drafts])
    pairs = zip(drafts, firsts, strict=True)
    best = int(np.argmin([judge.error(draft.finished([network])) for draft, network in pairs]))
    return drafts[best], [firsts[best]]


@dataclass(frozen=True)
class _Judge:
    """Judges emulators by points that they were not fitted to."""

    held_out: TrainingSet
    scale: LearningScale

    def error(self, emulator: Emulator) -> float:
        """Return the weighted mean square of what the emulator leaves unexplained."""
        return float(np.average(self._left(emulator) ** 2, weights=self._importance))

    def with_errors(self, emulator: Emulator) -> Emulator:
        """Return the emulator with the errors of its experts."""
        responsibilities = responsibilities_of(emulator.gates, self.held_out.space)
        errors = _errors(self._left(emulator), self._importance, responsibilities)
        return replace(emulator, errors=self.scale.width * errors)

    @property
    def _importance(self) -> FloatArray:
        return np.asarray(self.scale.slope(self.held_out.log_l) ** 2)

    def _left(self, emulator: Emulator) -> FloatArray:
        predicted = emulator.log_likelihood(self.held_out.points, self.held_out.space)
        return self.scale.compress(self.held_out.log_l) - self.scale.compress(predicted)


def _errors(left: FloatArray, near: FloatArray, responsibilities: FloatArray) -> FloatArray:
    """Return the root mean square of what is left for each expert; few points borrow from all."""
    squared = near * left**2
    overall = float(squared.sum() / near.sum())
    own, count = squared @ responsibilities, near @ responsibilities
    return np.sqrt((own + BORROWED_ERRORS * overall) / (count + BORROWED_ERRORS))


def _with_baseline(
    frame: Emulator, data: TrainingSet, responsibilities: FloatArray, is_held_out: BoolArray
) -> Emulator:
    """Return the frame with a baseline if that explains any of the variance of points held out.

    However little it is: networks also learn from the coordinates of its experts, without which
    thin curved shells were beyond them.
    """
    scale = frame.scale
    is_used = (data.log_l > scale.reference - RANGE * scale.width) & ~is_held_out
    used = select_rows(data, is_used)
    if len(used.points) < n_coefficients(used.points.shape[1]):
        return frame
    baseline = fit_baseline(
        frame.coordinates.rotate(used.points),
        used.log_l,
        scale.slope(used.log_l) ** 2,
        responsibilities[is_used],
        np.maximum(used.target_weights, data.target_weights.max() * WEIGHT_LEAST),
    )
    trial = replace(frame, baseline=baseline)
    test = select_rows(data, is_held_out)
    start, _ = prepare(trial, frame.coordinates.rotate(test.points), responsibilities[is_held_out])
    learned, weight = scale.compress(test.log_l), scale.slope(test.log_l)
    spread = learned - np.average(learned, weights=weight)
    left, whole = np.sum(weight * (learned - start) ** 2), np.sum(weight * spread**2)
    return trial if left < whole else frame


def _choose(n: int, share: float, rng: np.random.Generator) -> BoolArray:
    """Choose a share of n things, at least one of them."""
    chosen = np.zeros(n, dtype=bool)
    chosen[rng.permutation(n)[: max(1, round(share * n))]] = True
    return chosen


def train_member(
    inputs: Single,
    targets: Single,
    weights: Single,
    is_held_out: BoolArray,
    hidden_layers: tuple[int, ...],
    schedule: Schedule,
    address: tuple[int, int, int],
) -> Network:
    """Train one member of the ensemble; points held out tell when to stop."""
    rng = stream(address[0], "train", *address[1:])
    kept = ~is_held_out
    network = new_network((inputs.shape[1], *hidden_layers), rng)
    network, _ = train(
        network,
        inputs[kept],
        targets[kept],
        weights[kept],
        (inputs[is_held_out], targets[is_held_out], weights[is_held_out]),
        schedule,
        rng,
    )
    return network
