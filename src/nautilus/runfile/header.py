"""Which run a file holds, and whether it is the one that is to be continued."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path

from nautilus._version import __version__
from nautilus.errors import CheckpointMismatchError
from nautilus.run.config import Config

NOT_COMPARED = frozenset({"package", "created"})


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
        The prior in words, one line for each parameter or for the whole.
    package
        Version of the package that began the run.
    created
        When, as ISO 8601 in universal time.
    """

    config: Config
    parameters: tuple[str, ...]
    prior: tuple[str, ...]
    package: str
    created: str


def new_header(
    config: Config, parameters: tuple[str, ...] = (), prior: tuple[str, ...] = ()
) -> RunHeader:
    """Return the header of a run that begins now."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return RunHeader(config, parameters, prior, __version__, created)


def differences(saved: RunHeader, given: RunHeader) -> tuple[str, ...]:
    """Return a line for each field in which two runs differ; when they began does not matter."""
    return tuple(
        line
        for entry in fields(RunHeader)
        if entry.name not in NOT_COMPARED
        for line in _compare(entry.name, getattr(saved, entry.name), getattr(given, entry.name))
    )


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
            f"{path} holds another run:{told}\nGive what the file has to continue it, or another"
            " file name to begin a new run."
        )


def _compare(name: str, saved: object, given: object) -> Iterator[str]:
    if is_dataclass(saved) and type(saved) is type(given):
        for entry in fields(saved):
            here = f"{name}.{entry.name}"
            yield from _compare(here, getattr(saved, entry.name), getattr(given, entry.name))
    elif saved != given and not _are_nan(saved, given):
        yield f"{name} is {saved!r} in the file and {given!r} now"


def _are_nan(*values: object) -> bool:
    return all(isinstance(value, float) and math.isnan(value) for value in values)
