"""A run of about a second whose likelihood leaves a line for each of its calls."""

import os
from pathlib import Path

from short_run import bits

from nautilus import Prior, Sampler

N_EFF = 300.0
N_TEST = 8
"""Calls on points of the prior with which a run begins."""

PRIOR = Prior()
for name in "ab":
    PRIOR.add_parameter(name, dist=(-1, 1))

__all__ = ["N_EFF", "N_TEST", "PRIOR", "Log", "as_text", "bits", "log_l", "make_sampler"]


def log_l(parameters):
    a, b = parameters["a"], parameters["b"]
    return -5 * (a**2 + (b - 0.3 * a) ** 2)


def as_text(values):
    """Return numbers as text that tells every bit."""
    return " ".join(float(x).hex() for x in values)


class Log:
    """A likelihood that appends each point to a file before it returns.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, parameters):
        value = log_l(parameters)
        self.note(as_text(parameters.values()))
        return value

    def note(self, text: str) -> None:
        """Append a line, whole, whoever else does so too."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{text}\n".encode())
        finally:
            os.close(descriptor)


def make_sampler(likelihood, **settings):
    """Return the sampler; it saves as often as it can."""
    fixed = {"n_live": 60, "n_networks": 1, "neural_network_kwargs": {"max_iter": 20}, "seed": 1}
    kept = {"save_interval": 0.0, "n_recheck": 0}
    return Sampler(PRIOR, likelihood, **{**fixed, **kept, **settings})
