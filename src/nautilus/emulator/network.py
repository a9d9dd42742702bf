"""A small fully connected network: its weights and its prediction."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]

OUTPUT_SCALE = 0.1
"""The last layer starts this much smaller: an untrained network corrects little."""


@dataclass(frozen=True)
class Network:
    """Layers of tanh units with one linear output, in single precision.

    Parameters
    ----------
    weights
        One matrix (inputs, outputs) per layer.
    biases
        One vector (outputs,) per layer.
    """

    weights: tuple[Single, ...]
    biases: tuple[Single, ...]

    def predict(self, inputs: Single) -> Single:
        """Return the outputs for inputs of shape (n, f), shape (n,)."""
        hidden = inputs
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = hidden @ weight
            hidden += bias
            np.tanh(hidden, out=hidden)
        return np.asarray((hidden @ self.weights[-1])[:, 0] + self.biases[-1][0])


def new_network(sizes: tuple[int, ...], rng: np.random.Generator) -> Network:
    """Return a network with random weights of variance 1/inputs (LeCun et al. 1998).

    Parameters
    ----------
    sizes
        Number of inputs, then of units in each hidden layer.
    rng
        Source of the weights.
    """
    layers = (*sizes, 1)
    weights = []
    for place, (n_in, n_out) in enumerate(pairwise(layers), 1):
        scale = (OUTPUT_SCALE if place == len(sizes) else 1.0) * np.sqrt(1.0 / n_in)
        weights.append((scale * rng.standard_normal((n_in, n_out))).astype(np.float32))
    biases = tuple(np.zeros(n_out, np.float32) for n_out in layers[1:])
    return Network(tuple(weights), biases)
