"""An ensemble of networks on top of local quadratics that predicts log L."""

from dataclasses import dataclass, field

import numpy as np

from nautilus._types import FloatArray
from nautilus.emulator.baseline import Baseline
from nautilus.emulator.network import Network, Single
from nautilus.emulator.target import LearningScale
from nautilus.emulator.training import Schedule
from nautilus.geometry.coordinates import Coordinates
from nautilus.geometry.mixture import Mixture

HEADROOM = 1.0
"""Predictions of log L end this far above the highest training point."""

COMPRESSION = 3.0
"""Inputs beyond this many standard deviations are compressed logarithmically."""


@dataclass(frozen=True)
class Emulator:
    """Predicts log L from a point of the unit cube.

    Parameters
    ----------
    number
        Number of the proposal for which it was trained.
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
    log_l_max
        Log L of the highest training point.
    errors
        Root mean square error of log L on points held out, near the reference, for
        each expert; dimension of log L, shape (K,).
    caution
        How many standard deviations of the ensemble are added to its mean.
    """

    number: int
    coordinates: Coordinates
    scale: LearningScale
    gates: Mixture
    baseline: Baseline | None
    centre: FloatArray
    whitening: FloatArray
    networks: tuple[Network, ...]
    amplitude: float
    log_l_max: float
    errors: FloatArray
    caution: float

    @property
    def highest(self) -> float:
        """Largest log L that is ever predicted."""
        return self.log_l_max + HEADROOM

    def log_likelihood(self, points: FloatArray, space: FloatArray) -> FloatArray:
        """Return the predicted log L, shape (n,).

        Parameters
        ----------
        points
            Unit cube, shape (n, d).
        space
            The same points in whole-space coordinates.
        """
        return self._predict(points, responsibilities_of(self.gates, space))

    def log_likelihood_and_error(
        self, points: FloatArray, space: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the predicted log L and its error on the learning scale, shape (n,) each."""
        responsibilities = responsibilities_of(self.gates, space)
        error = responsibilities @ self.errors / self.scale.width
        return self._predict(points, responsibilities), error

    def _predict(self, points: FloatArray, responsibilities: FloatArray) -> FloatArray:
        start, inputs = prepare(self, self.coordinates.rotate(points), responsibilities)
        learned = start
        if self.networks:
            outputs = np.stack([network.predict(inputs) for network in self.networks])
            correction = outputs.mean(axis=0, dtype=np.float64)
            if self.caution and len(self.networks) > 1:
                correction += self.caution * outputs.std(axis=0, dtype=np.float64)
            learned = start + self.amplitude * correction
        return np.asarray(np.minimum(self.scale.expand(learned), self.highest))


def responsibilities_of(gates: Mixture, space: FloatArray) -> FloatArray:
    """Return the probability of each expert at each point, shape (n, K)."""
    if gates.n_components == 1:
        return np.ones((len(space), 1))
    return gates.responsibilities(space)


def prepare(
    frame: Emulator, opened: FloatArray, responsibilities: FloatArray
) -> tuple[FloatArray, Single]:
    """Return the baseline on the learning scale and the inputs of the networks."""
    blocks = [_compress_inputs((opened - frame.centre) @ frame.whitening.T)]
    start = np.zeros(len(opened))
    if frame.baseline is not None:
        value, blended = frame.baseline.predict(opened, responsibilities)
        start = frame.scale.compress(np.minimum(value, frame.highest))
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
        Networks are left out if the baseline's error of log L is below this for every expert.
    caution
        See `Emulator`.
    """

    n_networks: int = 4
    hidden_layers: tuple[int, ...] = (64, 64)
    schedule: Schedule = field(default_factory=Schedule)
    accuracy: float = 0.03
    caution: float = 0.5
