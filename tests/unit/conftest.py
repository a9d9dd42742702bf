"""What unit tests share that run the sampler."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nautilus import Sampler
from nautilus.emulator.emulator import EmulatorSettings
from nautilus.emulator.training import Schedule
from nautilus.proposal.settings import BuildSettings
from nautilus.run.config import Config, Goal
from nautilus.run.loop import steps
from nautilus.run.state import RunState, new_state


def defaults_with(function: Callable[..., Any], **new: Any) -> tuple[Any, ...]:
    """Return the defaults of positional arguments, some of them replaced."""
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert set(new) <= {p.name for p in positional}
    return tuple(new.get(p.name, p.default) for p in positional if p.default is not p.empty)


@pytest.fixture
def small_runs(monkeypatch):
    """Make runs short that leave their size to the defaults."""
    small = defaults_with(
        Sampler.__init__, n_live=50, n_networks=1, neural_network_kwargs={"max_iter": 4}, seed=3
    )
    monkeypatch.setattr(Sampler.__init__, "__defaults__", small)
    monkeypatch.setattr(Sampler.run, "__defaults__", defaults_with(Sampler.run, n_eff=200))


@pytest.fixture
def corner(monkeypatch):
    """Stand in for the plotting package, which tests do without; keeps what it was given."""
    calls = []

    def draw(points, *, weights, labels, **_):
        assert points.shape == (len(weights), len(labels))
        assert np.sum(weights) == pytest.approx(1)
        calls.append((points, weights, labels))
        return object()

    module = ModuleType("corner")
    module.corner = draw
    monkeypatch.setitem(sys.modules, "corner", module)
    return calls


@dataclass(frozen=True)
class Part:
    """Some evaluated points."""

    index: np.ndarray
    log_l: np.ndarray
    blobs: np.ndarray | None


class SmallRun:
    """A run of a curved likelihood on a periodic axis with networks, text as blobs and zeros."""

    config = Config(
        n_dim=2, seed=5, n_live=60, n_stage=120, n_stage_max=600,
        build=BuildSettings(
            emulator=EmulatorSettings(2, (6,), Schedule(n_epochs=2), accuracy=0.0),
            periodic=(1,), norm_error=0.05,
        ),
    )  # fmt: skip
    goal = Goal(f_live=0.05, n_eff=300.0)

    def carry_on(self, state: RunState, n_chunk: int = 47) -> "list[RunState]":
        """Return the states after all steps from one on."""
        run = steps(state, self.config, self.goal, lambda x: Parts(x, n_chunk), in_turn)
        return [step.state for step in run]


class Parts:
    """The parts of an evaluation; texts become longer as more is known."""

    def __init__(self, points: np.ndarray, n_chunk: int) -> None:
        self.points, self.n_chunk = points, n_chunk

    def __iter__(self):
        for start in range(0, len(self.points), self.n_chunk):
            index = np.arange(start, min(start + self.n_chunk, len(self.points)))
            x, y = self.points[index].T
            log_l = -(((x - 0.6) / 0.01) ** 2) + 3 * np.cos(2 * np.pi * y) - (6 * x * y) ** 4
            log_l[x < 0.02] = -1e200  # stands for the logarithm of zero
            n_digits = np.clip(6 + log_l, 1, 9).astype(int)
            texts = [f"{v:.{n}f}" for v, n in zip(x, n_digits, strict=True)]
            yield Part(index, log_l, np.array(texts))

    def cancel(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is under way."""


def in_turn(function, tasks):
    """Run tasks here."""
    return [function(*task) for task in tasks]


@pytest.fixture(scope="session")
def small_run() -> SmallRun:
    """Return what a small run needs."""
    return SmallRun()


@pytest.fixture(scope="session")
def grown(small_run) -> list[RunState]:
    """Return the states of a small run after each step."""
    start = new_state(2)
    return [start, *small_run.carry_on(start)]
