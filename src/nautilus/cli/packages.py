"""Which packages are installed, and whether they can be imported."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata, util

from nautilus.cli.apart import run_apart

REQUIRED = ("numpy", "scipy", "loky", "cloudpickle", "threadpoolctl")
OPTIONAL = (
    "matplotlib",
    "corner",
    "mpi4py",
    "distributed",
    "ray",
    "ipyparallel",
    "joblib",
    "schwimmbad",
    "multiprocess",
    "jax",
    "torch",
)
N_SIDE_BY_SIDE = 4
"""Imports at a time: they mostly wait for files."""


@dataclass(frozen=True)
class Package:
    """An installed package, or one that is not.

    Parameters
    ----------
    name
        As it is imported.
    version
        Version, "?" if it is not recorded, or None if the package is not installed.
    problem
        One line about an import that failed, otherwise empty.
    """

    name: str
    version: str | None
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether it is installed and can be imported."""
        return self.version is not None and not self.problem


def find_package(name: str) -> Package:
    """Look for a package without importing it."""
    spec = util.find_spec(name)
    # A folder that merely has the name is found as well, without a file to import.
    if spec is None or spec.origin is None:
        return Package(name, None)
    try:
        return Package(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Package(name, "?")


def try_package(name: str, seconds: float) -> Package:
    """Look for a package and import it apart from this process."""
    package = find_package(name)
    if package.version is None:
        return package
    ended = run_apart([sys.executable, "-c", f"import {name}"], seconds)
    return package if ended.status == 0 else Package(name, package.version, ended.reason)


def try_packages(names: Sequence[str], seconds: float) -> tuple[Package, ...]:
    """Try several packages, some at a time, each for `seconds` at most."""
    with ThreadPoolExecutor(N_SIDE_BY_SIDE) as threads:
        return tuple(threads.map(lambda name: try_package(name, seconds), names))
