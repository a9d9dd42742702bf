"""The closed list of what a run file can hold.

A further type, or a further field of one of these, changes what is written: raise the version in
`nautilus.runfile.schema` and add a migration that brings older files forward.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

from nautilus.emulator.baseline import Baseline
from nautilus.emulator.emulator import Emulator, EmulatorSettings
from nautilus.emulator.network import Network
from nautilus.emulator.target import LearningScale
from nautilus.emulator.training import Schedule
from nautilus.evaluate.blobs import BlobField, BlobLayout
from nautilus.evaluate.counts import Counts
from nautilus.geometry.coordinates import Coordinates
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.learned import LearnedProposal
from nautilus.proposal.neighbourhoods import MixtureProposal
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.run.config import Config, Goal
from nautilus.run.detection import DetectionLimit
from nautilus.run.state import Phase, Stage
from nautilus.runfile.header import RunHeader
from nautilus.runfile.record import (
    Account,
    Answer,
    Clocks,
    Draws,
    Parameters,
    Progress,
    Results,
)

PROPOSALS: tuple[type[Any], ...] = (CubeProposal, LearnedProposal, MixtureProposal)
"""What points can be drawn from."""

RECORDS: Mapping[str, type[Any]] = MappingProxyType({
    record.__name__: record
    for record in (
        *PROPOSALS, Account, Answer, Baseline, BlobField, BlobLayout, BuildSettings, CappedTarget,
        Clocks, Config, Coordinates, Counts, DetectionLimit, Draws, Emulator, EmulatorSettings,
        Goal, LearningScale, Mixture, Network, Parameters, Progress, Results, RunHeader,
        Schedule, Stage,
    )
})  # fmt: skip
"""Frozen dataclasses by name."""

CHOICES: Mapping[str, type[Enum]] = MappingProxyType({Phase.__name__: Phase})
"""Enumerations by name; a member is stored by its value."""
