"""Train one network: Adam, one cycle of the learning rate, early stopping."""

from dataclasses import dataclass

import numpy as np

from nautilus.emulator.network import Network, Single

CHECK = 100
"""Updates between two looks at the validation error."""

WARM_UP = 0.1
"""Share of the updates over which the learning rate rises."""

FIRST_DECAY, SECOND_DECAY, SMALLEST = 0.9, 0.99, 1e-8
"""Adam's decay rates of the moments, and what keeps its step finite (Kingma & Ba 2015)."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Parameters
    ----------
    n_epochs
        Passes over the training points.
    n_updates_max
        Most updates of the weights, whatever the number of points.
    batch_size
        Points per update.
    learning_rate
        Peak learning rate of Adam.
    decay
        Weight decay per update relative to the learning rate (Loshchilov & Hutter 2019).
    """

    n_epochs: int = 40
    n_updates_max: int = 3000
    batch_size: int = 128
    learning_rate: float = 1e-2
    decay: float = 0.1


def train(
    network: Network,
    inputs: Single,
    targets: Single,
    weights: Single,
    validation: tuple[Single, Single, Single],
    schedule: Schedule,
    rng: np.random.Generator,
) -> tuple[Network, float]:
    """Return the network with the smallest validation error, and that weighted mean square.

    Parameters
    ----------
    network
        Where to start.
    inputs, targets, weights
        Training points, shapes (n, f), (n,), (n,).
    validation
        The same three for points that are not trained on.
    schedule
        How to train.
    rng
        Order of the points.

    Notes
    -----
    Adam is Kingma & Ba (2015) with decoupled weight decay; the learning rate
    rises over the first tenth of the updates and falls as a cosine to zero.
    """
    learner = Learner(network, schedule.decay)
    n = len(inputs)
    size = min(schedule.batch_size, n)
    best, best_error = network, _error(network, validation)
    n_updates = int(np.clip(schedule.n_epochs * n / size, CHECK, schedule.n_updates_max))
    start = n
    for step in range(1, n_updates + 1):
        if start + size > n:
            order, start = rng.permutation(n), 0
            shuffled = inputs[order], targets[order], weights[order]
        rows = slice(start, start + size)
        start += size
        rate = schedule.learning_rate * _cycle(step / n_updates)
        learner.update(shuffled[0][rows], shuffled[1][rows], shuffled[2][rows], step, rate)
        if step % CHECK == 0 or step == n_updates:
            current = learner.network()
            error = _error(current, validation)
            if error < best_error:
                best, best_error = current, error
    return best, best_error


def _cycle(progress: float) -> float:
    if progress < WARM_UP:
        return progress / WARM_UP
    return float(0.5 * (1 + np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP))))


def _error(network: Network, data: tuple[Single, Single, Single]) -> float:
    inputs, targets, weights = data
    residual = network.predict(inputs) - targets
    return float(np.sum(weights * residual * residual) / np.sum(weights))


class Learner:
    """The state of the optimisation: everything is updated in place.

    At this size a network's update is a few dozen calls of NumPy that each take
    microseconds, so what counts is their number and that none allocates.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self._like = network
        self._parameters = flatten(network)
        self._gradient = np.zeros_like(self._parameters)
        self._first = np.zeros_like(self._parameters)
        self._second = np.zeros_like(self._parameters)
        self._scratch = np.empty_like(self._parameters)
        self._decay = decay
        self._layers = unfold(self._parameters, network)
        self._slopes = unfold(self._gradient, network)

    def network(self) -> Network:
        """Return the network as it is now."""
        return unfold(self._parameters.copy(), self._like)

    def update(
        self, inputs: Single, targets: Single, weights: Single, step: int, rate: float
    ) -> None:
        """Make one step of Adam."""
        gradient = self.differentiate(inputs, targets, weights)
        first, second, scratch = self._first, self._second, self._scratch
        np.subtract(gradient, first, out=scratch)
        scratch *= np.float32(1 - FIRST_DECAY)
        first += scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch -= second
        scratch *= np.float32(1 - SECOND_DECAY)
        second += scratch
        correction = np.sqrt(1 - SECOND_DECAY**step)
        np.sqrt(second, out=scratch)
        scratch += np.float32(SMALLEST * correction)
        np.divide(first, scratch, out=scratch)
        scratch *= np.float32(rate * correction / (1 - FIRST_DECAY**step))
        self._parameters -= scratch
        self._parameters *= np.float32(1 - rate * self._decay)

    def differentiate(self, inputs: Single, targets: Single, weights: Single) -> Single:
        """Return the gradient of the weighted mean squared error; the next call overwrites it."""
        layers, slopes = self._layers, self._slopes
        activations = [inputs]
        for weight, bias in zip(layers.weights[:-1], layers.biases[:-1], strict=True):
            hidden = activations[-1] @ weight
            hidden += bias
            activations.append(np.tanh(hidden, out=hidden))
        output = activations[-1] @ layers.weights[-1][:, 0]
        output += layers.biases[-1][0] - targets
        output *= weights
        output *= np.float32(2.0) / weights.sum()
        delta, ones = output[:, None], np.ones(len(output), np.float32)
        for layer in range(len(layers.weights) - 1, -1, -1):
            np.matmul(activations[layer].T, delta, out=slopes.weights[layer])
            np.matmul(ones, delta, out=slopes.biases[layer])
            if layer:
                hidden = activations[layer]
                delta = delta @ layers.weights[layer].T
                hidden *= hidden
                np.subtract(np.float32(1.0), hidden, out=hidden)
                delta *= hidden
        return self._gradient


def flatten(network: Network) -> Single:
    """Return all parameters as one vector, shape (n,)."""
    pairs = zip(network.weights, network.biases, strict=True)
    return np.concatenate([values.ravel() for pair in pairs for values in pair])


def unfold(parameters: Single, like: Network) -> Network:
    """Return a network of the same shape whose weights are views of a vector."""
    weights, biases, start = [], [], 0
    for weight, bias in zip(like.weights, like.biases, strict=True):
        weights.append(parameters[start : start + weight.size].reshape(weight.shape))
        start += weight.size
        biases.append(parameters[start : start + bias.size])
        start += bias.size
    return Network(tuple(weights), tuple(biases))
