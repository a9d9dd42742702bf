"""Train one network: Adam, one cycle of the learning rate, early stopping."""

from dataclasses import dataclass

import numpy as np

from nautilus.emulator.network import Network, Single

CHECK = 100
"""Updates between two looks at the validation error."""


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
    """Return the network of the best epoch and its weighted validation error.

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
    parameters = _flatten(network)
    shapes = network
    first = np.zeros_like(parameters)
    second = np.zeros_like(parameters)
    n = len(inputs)
    size = min(schedule.batch_size, n)
    order, start = rng.permutation(n), 0
    best, best_error = network, _error(network, validation)
    n_updates = int(np.clip(schedule.n_epochs * n / size, CHECK, schedule.n_updates_max))
    for step in range(1, n_updates + 1):
        if start + size > n:
            order, start = rng.permutation(n), 0
        rows = order[start : start + size]
        start += size
        current = _unflatten(parameters, shapes)
        gradient = _gradient(current, inputs[rows], targets[rows], weights[rows])
        first += 0.1 * (gradient - first)
        second += 0.01 * (gradient * gradient - second)
        rate = schedule.learning_rate * _cycle(step / n_updates)
        scale = np.float32(rate / (1 - 0.9**step))
        correction = np.float32(1 / (1 - 0.99**step))
        parameters -= scale * first / (np.sqrt(second * correction) + np.float32(1e-8))
        parameters *= np.float32(1 - rate * schedule.decay)
        if step % CHECK == 0 or step == n_updates:
            current = _unflatten(parameters.copy(), shapes)
            error = _error(current, validation)
            if error < best_error:
                best, best_error = current, error
    return best, best_error


def _cycle(progress: float) -> float:
    if progress < 0.1:
        return progress / 0.1
    return float(0.5 * (1 + np.cos(np.pi * (progress - 0.1) / 0.9)))


def _error(network: Network, data: tuple[Single, Single, Single]) -> float:
    inputs, targets, weights = data
    residual = network.predict(inputs) - targets
    return float(np.sum(weights * residual * residual) / np.sum(weights))


def _gradient(network: Network, inputs: Single, targets: Single, weights: Single) -> Single:
    activations = [inputs]
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        hidden = activations[-1] @ weight
        hidden += bias
        activations.append(np.tanh(hidden, out=hidden))
    output = (activations[-1] @ network.weights[-1])[:, 0] + network.biases[-1][0]
    delta = ((2.0 / weights.sum()) * weights * (output - targets))[:, None]
    pieces: list[Single] = []
    for layer in range(len(network.weights) - 1, -1, -1):
        pieces.append(delta.sum(axis=0))
        pieces.append((activations[layer].T @ delta).ravel())
        if layer:
            delta = delta @ network.weights[layer].T
            delta *= 1 - activations[layer] * activations[layer]
    return np.concatenate(pieces[::-1])


def _flatten(network: Network) -> Single:
    pieces = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        pieces += [weight.ravel(), bias]
    return np.concatenate(pieces)


def _unflatten(parameters: Single, like: Network) -> Network:
    weights, biases, start = [], [], 0
    for weight, bias in zip(like.weights, like.biases, strict=True):
        weights.append(parameters[start : start + weight.size].reshape(weight.shape))
        start += weight.size
        biases.append(parameters[start : start + bias.size])
        start += bias.size
    return Network(tuple(weights), tuple(biases))
