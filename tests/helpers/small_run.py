"""A small run of the algorithm alone, for tests of what becomes of its states."""

from dataclasses import dataclass

import numpy as np

from nautilus.emulator.emulator import EmulatorSettings
from nautilus.emulator.training import Schedule
from nautilus.proposal.settings import BuildSettings
from nautilus.run.config import Config, Goal
from nautilus.run.loop import steps
from nautilus.run.state import RunState


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

    def carry_on(self, state: RunState, n_chunk: int = 47) -> list[RunState]:
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
