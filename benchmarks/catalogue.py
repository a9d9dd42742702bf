"""The problems of the comparison, as functions on the unit cube that any package can be given."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "nautilus"

# By importance sampling, `python benchmarks/k2_24_evidence.py`: known to 0.0005 and 0.002.
K2_24_LOG_Z = {1: -105.576, 2: -98.896}


@dataclass(frozen=True, slots=True)
class Task:
    """One problem: ``log_likelihood`` maps points (n, n_dim) of the unit cube to (n,) values."""

    name: str
    n_dim: int
    log_likelihood: Callable[[FloatArray], FloatArray]
    log_z: float
    periodic: tuple[int, ...] = ()


def _take_nautilus() -> dict[str, ModuleType]:
    """Take the modules called ``nautilus`` away from this process, and return them."""
    names = [name for name in sys.modules if name.split(".")[0] == "nautilus"]
    return {name: sys.modules.pop(name) for name in names}


def load_testing(*names: str) -> list[Any]:
    """Import modules of ``nautilus.testing`` of this checkout, whatever package is installed.

    Both packages are imported as ``nautilus``. The name is lent to this checkout while the modules
    load, without running any ``__init__`` above them; afterwards it is what it was before.
    """
    before = _take_nautilus()
    for name, folder in (("nautilus", SOURCES), ("nautilus.testing", SOURCES / "testing")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    try:
        return [importlib.import_module(f"nautilus.testing.{name}") for name in names]
    finally:
        _take_nautilus()
        sys.modules.update(before)


def _library_task(name: str, factory: str, *dimension: int) -> Task:
    (problems,) = load_testing("problems")
    problem = getattr(problems, factory)(*dimension)
    return Task(name, problem.n_dim, problem.log_likelihood, problem.log_z)


def k2_24(n_planets: int = 2) -> Any:
    """Return the example's model of real velocities, with one planet or with both.

    A `Problem` of ``nautilus.testing.problems``, with the evidence as its only answer.
    """
    (problems,) = load_testing("problems")
    sys.path.insert(0, str(ROOT / "examples"))
    model: Any = importlib.import_module("k2_24_model")
    data = model.load_velocities()
    priors = model.prior_distributions(data)
    absent: dict[str, float] = {}
    if n_planets == 1:
        absent = {key: 0.0 for key in priors if key.endswith("_c")}
        absent |= {"period_c": 1.0, "ln_k_c": -np.inf}
    priors = {key: dist for key, dist in priors.items() if key not in absent}
    likelihood = model.LogLikelihood(data)

    def log_likelihood(points: FloatArray) -> FloatArray:
        columns = zip(priors.items(), points.T, strict=True)
        values: FloatArray = likelihood({k: dist.ppf(u) for (k, dist), u in columns} | absent)
        return values

    periodic = tuple(i for i, key in enumerate(priors) if key in model.PERIODIC)
    name = {1: "k2-24-one", 2: "k2-24"}[n_planets]
    return problems.Problem(
        name=name,
        n_dim=len(priors),
        log_likelihood=log_likelihood,
        log_z=K2_24_LOG_Z[n_planets],
        description="Planets in the radial velocities of K2-24; evidence by importance sampling.",
        periodic=periodic,
    )


_LIBRARY: dict[str, tuple[str, tuple[int, ...]]] = {
    "gaussian-10": ("gaussian", (10,)),
    "gaussian-20": ("gaussian", (20,)),
    "loggamma-10": ("loggamma", (10,)),
    "rosenbrock-5": ("rosenbrock", (5,)),
    "steep-funnel-10": ("steep_funnel", (10,)),
    "round-3": ("round_gaussian", ()),
    "k2-24": ("", ()),
    "shells-10": ("shells", (10,)),
    "correlated-funnel-10": ("correlated_funnel", (10,)),
}
NAMES = tuple(_LIBRARY)


def get_task(name: str) -> Task:
    """Return the problem called ``name``, one of ``NAMES``."""
    if name not in _LIBRARY:
        raise SystemExit(f"Unknown problem {name!r}; expected one of: {', '.join(NAMES)}.")
    factory, dimension = _LIBRARY[name]
    if factory:
        return _library_task(name, factory, *dimension)
    problem = k2_24()
    return Task(name, problem.n_dim, problem.log_likelihood, problem.log_z, problem.periodic)
