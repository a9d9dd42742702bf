"""An ensemble of networks on top of local quadratics that predicts log L."""

from dataclasses import dataclass

import numpy as np

from nautilus._streams import stream
from nautilus._types import FloatArray, RunTasks
from nautilus.emulator.baseline import Baseline, fit_baseline
from nautilus.emulator.network import Network, Single, new_network
from nautilus.emulator.target import LearningScale
from nautilus.emulator.training import Schedule, train
from nautilus.geometry.coordinates import Coordinates
from nautilus.geometry.fit import moments, safe_cholesky
from nautilus.geometry.mixture import Mixture

COMPRESSION = 3.0
"""Inputs beyond this many standard deviations are compressed logarithmically."""


@dataclass(frozen=True)
class Emulator:
    """Predicts log L from a point of the unit cube.

    Parameters
    ----------
    coordinates
        Where periodic axes are cut open.
    scale
        The scale that was learned.
    gates
        Mixture whose responsibilities blend the experts of the baseline.
    baseline
        Local quadratics, or None if they explained nothing.
    centre, whitening
        Global whitening of the inputs, shapes (d,) and (d, d).
    networks
        The ensemble, which learned what the baseline leaves; may be empty.
    amplitude
        Size of what the networks learned on the learning scale.
    ceiling
        Largest log L that is ever predicted.
    error
        Root mean square error of log L on points not trained on, near the
        reference; dimension of log L.
    caution
        How many standard deviations of the ensemble are added to its mean.
    """

    coordinates: Coordinates
    scale: LearningScale
    gates: Mixture
    baseline: Baseline | None
    centre: FloatArray
    whitening: FloatArray
    networks: tuple[Network, ...]
    amplitude: float
    ceiling: float
    error: float
    caution: float

    def log_likelihood(self, points: FloatArray, space: FloatArray) -> FloatArray:
        """Return the predicted log L, shape (n,).

        Parameters
        ----------
        points
            Unit cube, shape (n, d).
        space
            The same points in whole-space coordinates.
        """
        opened = self.coordinates.rotate(points)
        start, inputs = _prepare(self, opened, space)
        learned = start
        if self.networks:
            outputs = np.stack([network.predict(inputs) for network in self.networks])
            correction = outputs.mean(axis=0, dtype=np.float64)
            if self.caution and len(self.networks) > 1:
                correction += self.caution * outputs.std(axis=0, dtype=np.float64)
            learned = start + self.amplitude * correction
        return np.minimum(self.scale.expand(learned), self.ceiling)


def _prepare(frame: Emulator, opened: FloatArray, space: FloatArray) -> tuple[FloatArray, Single]:
    """Return the baseline on the learning scale and the inputs of the networks."""
    blocks = [_compress_inputs((opened - frame.centre) @ frame.whitening.T)]
    start = np.zeros(len(opened))
    if frame.baseline is not None:
        if frame.gates.n_components == 1:
            responsibilities = np.ones((len(opened), 1))
        else:
            responsibilities = frame.gates.responsibilities(space)
        value, blended = frame.baseline.predict(opened, responsibilities)
        start = frame.scale.compress(np.minimum(value, frame.ceiling))
        if frame.gates.n_components > 1:
            blocks.append(_compress_inputs(blended))
        blocks.append(start[:, None])
    periodic = ~np.isnan(frame.coordinates.cuts)
    if periodic.any():
        angle = 2 * np.pi * opened[:, periodic]
        blocks += [np.sin(angle), np.cos(angle)]
    return start, np.concatenate(blocks, axis=1).astype(np.float32)


def _compress_inputs(white: FloatArray) -> FloatArray:
    return np.asarray(COMPRESSION * np.arcsinh(white / COMPRESSION))


@dataclass(frozen=True)
class EmulatorSettings:
    """How emulators are built.

    Parameters
    ----------
    n_networks
        Size of the ensemble; zero for the baseline alone.
    hidden_layers
        Units in each hidden layer.
    schedule
        How each network is trained.
    accuracy
        Networks are left out if the baseline's error of log L is below this.
    caution
        See `Emulator`.
    """

    n_networks: int = 4
    hidden_layers: tuple[int, ...] = (64, 64)
    schedule: Schedule = Schedule()
    accuracy: float = 0.03
    caution: float = 0.5
    focus: float = 1.0


def fit_emulator(
    points: FloatArray,
    space: FloatArray,
    log_l: FloatArray,
    target_weights: FloatArray,
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
    points, space, log_l
        Training points in the cube and in whole-space coordinates, with their
        log-likelihood (minus infinity is fine); shapes (n, d), (n, d), (n,).
    target_weights
        Mass of the target that each point stands for, shape (n,).
    coordinates, gates, scale, settings
        See `Emulator` and `EmulatorSettings`.
    address
        Seed of the run and number of the proposal: the address of the randomness.
    run_tasks
        Trains networks elsewhere if it wants to.
    """
    opened = coordinates.rotate(points)
    held_out = stream(address[0], "hold", address[1]).random(len(points)) < 0.15
    learned = scale.compress(log_l)
    centre, covariance = moments(opened, target_weights)
    frame = Emulator(
        coordinates, scale, gates, None, centre, np.linalg.inv(safe_cholesky(covariance)),
        (), 1.0, float(log_l.max()) + 1.0, np.inf, settings.caution,
    )  # fmt: skip
    frame = _with_baseline(frame, opened, space, log_l, target_weights, held_out, learned)
    start, inputs = _prepare(frame, opened, space)
    importance = scale.slope(np.maximum(log_l, scale.reference - 150 * scale.width)) ** 2
    error = _error(start - learned, held_out, importance) * scale.width
    if error < settings.accuracy or settings.n_networks == 0:
        return _replace(frame, networks=(), amplitude=1.0, error=error)
    residual = learned - start
    amplitude = float(np.sqrt(np.mean(residual * residual)))
    targets = (residual / amplitude).astype(np.float32)
    weights = (importance ** (settings.focus / 2)).astype(np.float32)
    tasks = [
        (inputs, targets, weights, settings.hidden_layers, settings.schedule, (*address, m))
        for m in range(settings.n_networks)
    ]
    results = run_tasks(train_member, tasks)
    networks = tuple(network for network, _ in results)
    out_of_sample = float(np.sqrt(np.mean([e for _, e in results])))
    return _replace(
        frame, networks=networks, amplitude=amplitude, error=out_of_sample * amplitude * scale.width
    )


def _replace(
    frame: Emulator, *, networks: tuple[Network, ...], amplitude: float, error: float
) -> Emulator:
    return Emulator(
        frame.coordinates, frame.scale, frame.gates, frame.baseline, frame.centre,
        frame.whitening, networks, amplitude, frame.ceiling, error, frame.caution,
    )  # fmt: skip


def _with_baseline(
    frame: Emulator,
    opened: FloatArray,
    space: FloatArray,
    log_l: FloatArray,
    target_weights: FloatArray,
    held_out: FloatArray,
    learned: FloatArray,
) -> Emulator:
    """Return the frame with a baseline if it halves the squared error at least."""
    finite = log_l > frame.scale.reference - 100 * frame.scale.width
    used = finite & ~held_out
    importance = frame.scale.slope(log_l[used]) ** 2
    if frame.gates.n_components == 1:
        responsibilities = np.ones((int(used.sum()), 1))
    else:
        responsibilities = frame.gates.responsibilities(space[used])
    mass = np.maximum(target_weights[used], target_weights.max() * 1e-12)
    baseline = fit_baseline(opened[used], log_l[used], importance, responsibilities, mass)
    trial = Emulator(
        frame.coordinates, frame.scale, frame.gates, baseline, frame.centre, frame.whitening,
        (), 1.0, frame.ceiling, np.inf, frame.caution,
    )  # fmt: skip
    start, _ = _prepare(trial, opened[held_out], space[held_out])
    weight = frame.scale.slope(np.maximum(log_l[held_out], -1e300))
    left = learned[held_out] - start
    spread = learned[held_out] - np.average(learned[held_out], weights=weight)
    return trial if np.sum(weight * left**2) < 0.5 * np.sum(weight * spread**2) else frame


def _error(residual: FloatArray, held_out: FloatArray, importance: FloatArray) -> float:
    weights = importance[held_out]
    return float(np.sqrt(np.sum(weights * residual[held_out] ** 2) / weights.sum()))


def train_member(
    inputs: Single,
    targets: Single,
    weights: Single,
    hidden_layers: tuple[int, ...],
    schedule: Schedule,
    address: tuple[int, int, int],
) -> tuple[Network, float]:
    """Train one member of the ensemble on its own split of the points."""
    rng = stream(address[0], "train", *address[1:])
    kept = rng.random(len(inputs)) >= 0.1
    network = new_network((inputs.shape[1], *hidden_layers), rng)
    return train(
        network,
        inputs[kept],
        targets[kept],
        weights[kept],
        (inputs[~kept], targets[~kept], weights[~kept]),
        schedule,
        rng,
    )
