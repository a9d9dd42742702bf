"""What unit tests share that run the sampler or a benchmark."""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nautilus import Sampler

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


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
        Sampler.__init__, n_live=50, n_update=150, n_networks=1, seed=3,
        neural_network_kwargs={"hidden_layer_sizes": (8,), "max_iter": 4},
    )  # fmt: skip
    monkeypatch.setattr(inspect.unwrap(Sampler.__init__), "__defaults__", small)
    short = defaults_with(Sampler.run, n_eff=200)
    monkeypatch.setattr(inspect.unwrap(Sampler.run), "__defaults__", short)


@pytest.fixture
def corner(monkeypatch):
    """Stand in for the plotting package, which tests do without; keeps what it was given.

    What it would draw must show the posterior: nearly all of it, in more than a few bins.
    """
    calls = []

    def draw(points, *, weights, labels, range=None, bins=20, plot_datapoints=True, **_):  # noqa: A002
        assert points.shape == (len(weights), len(labels))
        assert np.sum(weights) == pytest.approx(1)
        assert not plot_datapoints
        for column, ends in zip(points.T, range, strict=True):
            order = np.argsort(column)
            tails = 0.5 * (1 + ends * np.array([-1, 1])) if np.ndim(ends) == 0 else None
            drawn = (
                ends
                if tails is None
                else np.interp(tails, np.cumsum(weights[order]), column[order])
            )
            shares, _ = np.histogram(column, bins, drawn, weights=weights)
            assert shares.sum() > 0.98
            assert np.sum(shares > 0.01) >= 8
        calls.append((points, weights, labels))
        return object()

    module = ModuleType("corner")
    module.corner = draw
    monkeypatch.setitem(sys.modules, "corner", module)
    return calls


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a benchmark, which leaves no modules behind."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHMARKS:
            del sys.modules[name]
