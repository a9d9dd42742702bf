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
    gates: Sequence[Mixture],
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
    gates
        Mixtures whose components could be the experts. With several, one network is trained for
        each; the one that is best on points held out gets the rest of the ensemble.
    address
        Seed of the run and number of the proposal: the address of the randomness.
    run_tasks
        Trains networks elsewhere if it wants to.
    """
    is_held_out = _choose(len(data.points), HELD_OUT, stream(address[0], "hold", address[1]))
    judge = _Judge(select_rows(data, is_held_out), scale)
    centre, covariance = moments(coordinates.rotate(data.points), data.target_weights)
    frame = Emulator(
        number=address[1],
        coordinates=coordinates,
        scale=scale,
        gates=gates[0],
        baseline=None,
        centre=centre,
        whitening=np.asarray(np.linalg.inv(safe_cholesky(covariance)), dtype=np.float64),
        networks=(),
        amplitude=1.0,
        log_l_max=float(data.log_l.max()),
        errors=np.full(gates[0].n_components, np.inf),
        caution=settings.caution,
    )
    drafts = [_draft(replace(frame, gates=mixture), data, is_held_out) for mixture in gates]
    for draft in drafts:
        judged = judge.with_errors(draft.frame)
        if judged.errors.max() < settings.accuracy:
            return judged
    if settings.n_networks == 0:
        return judge.with_errors(min((draft.frame for draft in drafts), key=judge.error))
    chosen, networks = drafts[0], []
    if len(drafts) > 1:
        tasks = [draft.task(is_held_out, settings, (*address, 0)) for draft in drafts]
        firsts = run_tasks(train_member, tasks)
        errors = [
            judge.error(draft.finished([network]))
            for draft, network in zip(drafts, firsts, strict=True)
        ]
        best = int(np.argmin(errors))
        chosen, networks = drafts[best], [firsts[best]]
    tasks = [
        chosen.task(is_held_out, settings, (*address, member))
        for member in range(len(networks), settings.n_networks)
    ]
    networks += run_tasks(train_member, tasks)
    return judge.with_errors(chosen.finished(networks))


@dataclass(frozen=True)
class _Draft:
    """An emulator without networks, what it leaves to them and their inputs."""

    frame: Emulator
    residual: FloatArray
    inputs: Single
    importance: FloatArray

    @property
    def amplitude(self) -> float:
        return float(np.sqrt(np.mean(self.residual * self.residual)))

    def task(
        self, is_held_out: BoolArray, settings: EmulatorSettings, address: tuple[int, int, int]
    ) -> tuple[Any, ...]:
        """Return the arguments of `train_member`."""
        targets = (self.residual / self.amplitude).astype(np.float32)
        return (
            self.inputs, targets, self.importance.astype(np.float32), is_held_out,
            settings.hidden_layers, settings.schedule, address,
        )  # fmt: skip

    def finished(self, networks: Sequence[Network]) -> Emulator:
        """Return the emulator with these networks."""
        return replace(self.frame, networks=tuple(networks), amplitude=self.amplitude)


def _draft(frame: Emulator, data: TrainingSet, is_held_out: BoolArray) -> _Draft:
    responsibilities = responsibilities_of(frame.gates, data.space)
    frame = _with_baseline(frame, data, responsibilities, is_held_out)
    start, inputs = prepare(frame, frame.coordinates.rotate(data.points), responsibilities)
    learned, importance = frame.scale.compress(data.log_l), frame.scale.slope(data.log_l)
    return _Draft(frame, learned - start, inputs, importance)


class _Judge:
    """Judges emulators by points that they were not fitted to."""

    def __init__(self, held_out: TrainingSet, scale: LearningScale) -> None:
        self._points, self._space = held_out.points, held_out.space
        self._scale = scale
        self._learned = scale.compress(held_out.log_l)
        self._importance = scale.slope(held_out.log_l) ** 2

    def error(self, emulator: Emulator) -> float:
        """Return the weighted mean square of what the emulator leaves unexplained."""
        return float(np.average(self._left(emulator) ** 2, weights=self._importance))

    def with_errors(self, emulator: Emulator) -> Emulator:
        """Return the emulator with the errors of its experts."""
        responsibilities = responsibilities_of(emulator.gates, self._space)
        errors = _errors(self._left(emulator), self._importance, responsibilities)
        return replace(emulator, errors=self._scale.width * errors)

    def _left(self, emulator: Emulator) -> FloatArray:
        predicted = emulator.log_likelihood(self._points, self._space)
        return self._learned - self._scale.compress(predicted)


def _errors(left: FloatArray, near: FloatArray, responsibilities: FloatArray) -> FloatArray:
    """Return the root mean square of what is left for each expert; few points borrow from all."""
    squared = near * left**2
    overall = float(squared.sum() / near.sum())
    own, count = squared @ responsibilities, near @ responsibilities
    return np.sqrt((own + BORROWED_ERRORS * overall) / (count + BORROWED_ERRORS))


def _with_baseline(
    frame: Emulator, data: TrainingSet, responsibilities: FloatArray, is_held_out: BoolArray
) -> Emulator:
    """Return the frame with a baseline if that explains any of the variance of points held out."""
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
