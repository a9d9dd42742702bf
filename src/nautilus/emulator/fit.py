"""Fit an emulator: choose what is held out, fit the baseline, train the networks, judge both."""

from dataclasses import dataclass, replace

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

UNEXPLAINED_MAX = 0.5
"""A baseline is kept if it leaves less than this share of the variance."""

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
    gates: Mixture,
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
    coordinates, gates, scale, settings
        See `Emulator` and `EmulatorSettings`.
    address
        Seed of the run and number of the proposal: the address of the randomness.
    run_tasks
        Trains networks elsewhere if it wants to.
    """
    is_held_out = _choose(len(data.points), HELD_OUT, stream(address[0], "hold", address[1]))
    learned = scale.compress(data.log_l)
    centre, covariance = moments(coordinates.rotate(data.points), data.target_weights)
    frame = Emulator(
        number=address[1],
        coordinates=coordinates,
        scale=scale,
        gates=gates,
        baseline=None,
        centre=centre,
        whitening=np.asarray(np.linalg.inv(safe_cholesky(covariance)), dtype=np.float64),
        networks=(),
        amplitude=1.0,
        log_l_max=float(data.log_l.max()),
        errors=np.full(gates.n_components, np.inf),
        caution=settings.caution,
    )
    responsibilities = responsibilities_of(gates, data.space)
    frame = _with_baseline(frame, data, responsibilities, is_held_out)
    start, inputs = prepare(frame, coordinates.rotate(data.points), responsibilities)
    importance = scale.slope(data.log_l)
    residual = learned - start
    near, responsible = importance[is_held_out] ** 2, responsibilities[is_held_out]
    errors = scale.width * _errors(residual[is_held_out], near, responsible)
    if errors.max() < settings.accuracy or settings.n_networks == 0:
        return replace(frame, errors=errors)
    amplitude = float(np.sqrt(np.mean(residual * residual)))
    targets = (residual / amplitude).astype(np.float32)
    weights = importance.astype(np.float32)
    tasks = [
        (inputs, targets, weights, is_held_out, settings.hidden_layers, settings.schedule,
         (*address, m))
        for m in range(settings.n_networks)
    ]  # fmt: skip
    networks = tuple(run_tasks(train_member, tasks))
    frame = replace(frame, networks=networks, amplitude=amplitude)
    test = select_rows(data, is_held_out)
    predicted = scale.compress(frame.log_likelihood(test.points, test.space))
    left = learned[is_held_out] - predicted
    return replace(frame, errors=scale.width * _errors(left, near, responsible))


def _errors(left: FloatArray, near: FloatArray, responsibilities: FloatArray) -> FloatArray:
    """Return the root mean square of what is left for each expert; few points borrow from all."""
    squared = near * left**2
    overall = float(squared.sum() / near.sum())
    own, count = squared @ responsibilities, near @ responsibilities
    return np.sqrt((own + BORROWED_ERRORS * overall) / (count + BORROWED_ERRORS))


def _with_baseline(
    frame: Emulator, data: TrainingSet, responsibilities: FloatArray, is_held_out: BoolArray
) -> Emulator:
    """Return the frame with a baseline if it halves the squared error at least."""
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
    return trial if left < UNEXPLAINED_MAX * whole else frame


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
