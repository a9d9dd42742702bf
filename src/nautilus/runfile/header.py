"""Which run a file holds, and whether it is the one that is to be continued."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nautilus._types import FloatArray, freeze
from nautilus._version import __version__
from nautilus.errors import CheckpointMismatchError
from nautilus.run.config import Config

NOT_COMPARED = frozenset({"package", "created", "prior", "probes", "periodic"})

KEYWORDS = {
    "config.n_dim": "n_dim",
    "config.seed": "seed",
    "config.n_live": "n_live",
    "config.n_stage": "n_update",
    "config.n_stage_max": "n_like_new_bound",
    "config.n_batch": "n_batch",
    "config.build.periodic": "periodic",
    "config.build.enlarge": "enlarge_per_dim",
    "config.build.n_points_min": "n_points_min",
    "config.build.emulator.n_networks": "n_networks",
    "config.build.emulator.hidden_layers": "hidden_layer_sizes",
    "config.build.emulator.schedule.learning_rate": "learning_rate_init",
    "config.build.emulator.schedule.batch_size": "batch_size",
    "config.build.emulator.schedule.n_epochs": "max_iter",
}
"""What users call these fields."""

DEFAULTS_FROM = {"config.n_stage": "n_live", "config.n_stage_max": "n_stage"}
"""Fields of which the default is a multiple of another one."""

PROBE_TOLERANCE = 1e-9
"""Relative difference of parameters, and absolute one of points of the unit cube, that another
version of a library may make."""


@dataclass(frozen=True)
class RunHeader:
    """Which run a file holds; written once.

    Parameters
    ----------
    config
        Everything but prior and likelihood that the numbers depend on.
    parameters
        Names of the parameters.
    prior
        The prior in words, pairs of key and text joined by a colon.
    probes
        Parameters of a few points of the unit cube, shape (n, p), which tell whether a prior is
        the same.
    package
        Version of the package that began the run.
    created
        When, as ISO 8601 in universal time.
    periodic
        Both ends of the range of each periodic parameter, shape (p, 2), NaN for the others; None
        if none is.
    """

    config: Config
    parameters: tuple[str, ...]
    prior: tuple[str, ...]
    probes: FloatArray
    package: str
    created: str
    periodic: FloatArray | None

    def __post_init__(self) -> None:
        freeze(self)


def new_header(
    config: Config,
    parameters: tuple[str, ...] = (),
    prior: tuple[str, ...] = (),
    probes: FloatArray | None = None,
    periodic: FloatArray | None = None,
) -> RunHeader:
    """Return the header of a run that begins now."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    known = np.empty((0, len(parameters))) if probes is None else np.ascontiguousarray(probes)
    return RunHeader(config, parameters, prior, known, __version__, created, periodic)


def differences(saved: RunHeader, given: RunHeader) -> tuple[str, ...]:
    """Return a line for each field in which two runs differ; when they began does not matter."""
    found = [
        f"{KEYWORDS.get(name, name)} is {before!r} in the file and {now!r} now"
        for entry in fields(RunHeader)
        if entry.name not in NOT_COMPARED
        for name, before, now in _compare(
            entry.name, getattr(saved, entry.name), getattr(given, entry.name)
        )
        if not _follows(name, saved.config, given.config)
        and name != "config.start_points"
        and not (name == "config.n_batch" and 1 < saved.config.n_batch < given.config.n_batch)
    ]
    start_points = _compare_start_points(saved.config.start_points, given.config.start_points)
    return (*found, *start_points, *_compare_priors(saved, given))


def require_match(saved: RunHeader, given: RunHeader, path: Path) -> None:
    """Refuse to continue another run.

    Raises
    ------
    CheckpointMismatchError
        Listing every field that differs.
    """
    lines = differences(saved, given)
    if lines:
        told = "".join(f"\n  {line}" for line in lines)
        raise CheckpointMismatchError(
            f"{path} holds another run:{told}\nTo continue it, use what is in the file; to begin a"
            f" new run, give another file name; to read its results, nautilus.load({str(path)!r})"
            " needs neither prior nor likelihood."
        )


def _compare(name: str, saved: object, given: object) -> Iterator[tuple[str, object, object]]:
    if is_dataclass(saved) and type(saved) is type(given):
        for entry in fields(saved):
            here = f"{name}.{entry.name}"
            yield from _compare(here, getattr(saved, entry.name), getattr(given, entry.name))
    elif saved != given and not _are_nan(saved, given):
        yield name, saved, given


def _follows(name: str, saved: Config, given: Config) -> bool:
    """Tell whether a field differs because another one does, of which it is a multiple."""
    if name not in DEFAULTS_FROM:
        return False
    field, other = name.removeprefix("config."), DEFAULTS_FROM[name]
    before, now = (getattr(config, field) / getattr(config, other) for config in (saved, given))
    return bool(before == now)


def _compare_start_points(
    saved: tuple[tuple[float, ...], ...], given: tuple[tuple[float, ...], ...]
) -> Iterator[str]:
    """Yield a line if they differ by more than what another version of a library may make."""
    before, now = np.array(saved), np.array(given)
    if len(saved) != len(given):
        yield f"start_points has {len(saved)} points in the file and {len(given)} now"
    elif before.shape == now.shape and not np.allclose(
        before, now, PROBE_TOLERANCE, PROBE_TOLERANCE
    ):
        yield "start_points are other points in the file than now"


def _compare_priors(saved: RunHeader, given: RunHeader) -> Iterator[str]:
    """Yield lines for what the words tell, or for what only the probes show.

    The name of a function may change, what it does may not.
    """
    before, now = _texts(saved), _texts(given)
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    for key in keys:
        if key not in before or key not in now:
            yield f"prior of {key} is {'not' if key not in before else 'only'} in the file"
        else:
            yield f"prior of {key} is {before[key]!r} in the file and {now[key]!r} now"
    shapes = saved.probes.shape, given.probes.shape
    if keys or (shapes[0] == shapes[1] and _are_close(saved.probes, given.probes)):
        return
    if shapes[0] != shapes[1]:
        yield f"prior gives arrays of shape {shapes[0]} in the file and {shapes[1]} now"
        return
    row = int(np.argmin(np.isclose(saved.probes, given.probes, PROBE_TOLERANCE, 0.0).all(axis=1)))
    yield (
        f"prior gives {saved.probes[row].tolist()} at test point {row} in the file and"
        f" {given.probes[row].tolist()} now"
    )


def _texts(header: RunHeader) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in header.prior)
    return {key: text for key, *rest in pairs for text in rest if key != "function"}


def _are_close(first: FloatArray, second: FloatArray) -> bool:
    return bool(np.allclose(first, second, PROBE_TOLERANCE, 0.0, equal_nan=True))


def _are_nan(*values: object) -> bool:
    return all(isinstance(value, float) and math.isnan(value) for value in values)
