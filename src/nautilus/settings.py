"""From the public keywords to the settings of the algorithm; checked at the door."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from nautilus._numbers import as_real
from nautilus._streams import SEED_BITS, new_seed
from nautilus._types import FloatArray
from nautilus._warn import warn_user
from nautilus.emulator.emulator import EmulatorSettings
from nautilus.emulator.training import Schedule
from nautilus.errors import SettingsError, UnusedKeywordWarning, UnusualSettingWarning
from nautilus.proposal.settings import BuildSettings
from nautilus.run.config import Config, Goal

N_LIVE = 500
"""Default support of a contour; docs/how-it-works.md says what it costs and buys."""


CONTOURS_PER_SUPPORT = 5
"""A large support of a contour is gathered in at most so many smaller contours, which cost time."""

FLOAT_MAX = float(np.finfo(float).max)

N_LIVE_LEAST = 50
"""Fewer points inside a contour are hardly meant."""

F_LIVE_LEAST, F_LIVE_MOST = 1e-12, 1.0
"""Beyond these the exploration never ends, or could as well be left out."""

ENLARGE_VOLUME, ENLARGE_LEAST = 1e3, 1.5
"""The geometry around the points is enlarged at most to so many times its volume, or by this factor
on all lengths: otherwise nearly all draws from it are in vain."""


def flag(name: str, value: object) -> bool:
    """Return True or False, or say what is wrong with the value."""
    if not isinstance(value, (bool, np.bool_)):
        raise SettingsError(f"{name} is {value!r}; give True or False.")
    return bool(value)


def several(name: str, value: object) -> tuple[Any, ...]:
    """Return further positional arguments as a tuple, or say what is wrong with them."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise SettingsError(f"{name} is {value!r}; give a list or tuple.")
    return tuple(value)


def named(name: str, value: object) -> dict[str, Any]:
    """Return further keyword arguments as a dictionary, or say what is wrong with them."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SettingsError(f"{name} is {value!r}; give a dictionary of arguments.")
    return dict(value)


def whole(name: str, value: Any, low: int, high: float = np.inf) -> int:
    """Return a whole number within bounds, or say what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, (Integral, Real)):
        raise SettingsError(f"{name} is {value!r}; give a whole number of at least {low}.")
    exact: int = int(value) if np.isfinite(as_real(value)) else low - 1  # type: ignore[call-overload]
    if exact != value or not low <= exact <= high:
        limit = f"at least {low}" if high == np.inf else f"between {low} and {high:g}"
        raise SettingsError(f"{name} is {value!r}; give a whole number, {limit}.")
    return exact


def number(name: str, value: object, low: float, high: float = np.inf) -> float:
    """Return a number within bounds (infinity allowed if `high` is), or say what is wrong."""
    if isinstance(value, bool) or not isinstance(value, Real) or np.isnan(as_real(value)):
        raise SettingsError(f"{name} is {value!r}; give a number.")
    if not low <= as_real(value) <= high:
        limit = f"between {low:g} and {high:g}" if high < FLOAT_MAX else f"of at least {low:g}"
        raise SettingsError(f"{name} is {value!r}; give a number {limit}.")
    return as_real(value)


def make_config(  # noqa: PLR0913 - one argument per public keyword
    n_dim: int,
    *,
    n_live: object,
    n_update: object,
    enlarge_per_dim: object,
    n_points_min: object,
    periodic: tuple[int, ...],
    n_networks: object,
    neural_network_kwargs: Mapping[str, Any] | None,
    n_like_new_bound: object,
    seed: object,
    n_batch: int,
    start_points: FloatArray,
) -> Config:
    """Return the configuration that the public keywords describe.

    Raises
    ------
    SettingsError
        If a value has no meaning.
    """
    live = parse_support(n_live)
    stage = _default_update(live) if n_update is None else whole("n_update", n_update, 1)
    most = (
        10 * stage if n_like_new_bound is None else whole("n_like_new_bound", n_like_new_bound, 1)
    )
    emulator = _network_settings(named("neural_network_kwargs", neural_network_kwargs))
    build = BuildSettings(
        emulator=replace(emulator, n_networks=whole("n_networks", n_networks, 0, 64)),
        periodic=periodic,
        enlarge=_within_bounds(
            "enlarge_per_dim",
            number("enlarge_per_dim", enlarge_per_dim, 1.0, FLOAT_MAX),
            high=max(ENLARGE_LEAST, ENLARGE_VOLUME ** (1.0 / n_dim)),
        ),
        n_points_min=0 if n_points_min is None else whole("n_points_min", n_points_min, 1),
    )
    return Config(
        n_dim=n_dim,
        seed=new_seed() if seed is None else whole("seed", seed, 0, 2**SEED_BITS - 1),
        n_live=live,
        n_stage=min(stage, most),
        n_stage_max=most,
        n_batch=n_batch,
        build=build,
        start_points=tuple(map(tuple, start_points.tolist())),
    )


def parse_support(n_live: object) -> int:
    """Return the support of a contour.

    Raises
    ------
    SettingsError
        If it is no whole number of at least 1.
    """
    live = whole("n_live", n_live, 1)
    if live < N_LIVE_LEAST:
        _warn_unusual(
            f"n_live is {live}: contours with so few points inside easily miss parts of the"
            f" posterior. Give {N_LIVE_LEAST} or more, unless this is a test."
        )
    return live


def _default_update(n_live: int) -> int:
    """Return the calls of a contour: where the support is large, smaller contours waste fewer."""
    return min(n_live, max(N_LIVE, n_live // CONTOURS_PER_SUPPORT))


def _within_bounds(name: str, value: float, low: float = 0.0, high: float = np.inf) -> float:
    """Return the nearest value that is of use, and say so if it is another."""
    nearest = min(max(value, low), high)
    if nearest != value:
        _warn_unusual(
            f"{name} is {value:g}; {nearest:.3g} is used, beyond which nothing is gained."
        )
    return nearest


def _warn_unusual(text: str) -> None:
    warn_user(text, UnusualSettingWarning)


def _network_settings(given: dict[str, Any]) -> EmulatorSettings:
    """Translate the keywords of a multilayer perceptron that have a meaning here."""
    settings, schedule = EmulatorSettings(), Schedule()
    if "hidden_layer_sizes" in given:
        sizes = given.pop("hidden_layer_sizes")
        sizes = sizes if isinstance(sizes, (tuple, list, np.ndarray)) else (sizes,)
        layers = tuple(whole("hidden_layer_sizes", n, 1, 4096) for n in sizes)
        settings = replace(settings, hidden_layers=layers)
    if "learning_rate_init" in given:
        rate = number("learning_rate_init", given.pop("learning_rate_init"), 1e-8, 1.0)
        schedule = replace(schedule, learning_rate=rate)
    if "batch_size" in given:
        schedule = replace(schedule, batch_size=whole("batch_size", given.pop("batch_size"), 1))
    if "max_iter" in given:
        schedule = replace(schedule, n_epochs=whole("max_iter", given.pop("max_iter"), 1))
    if given:
        warn_user(
            f"neural_network_kwargs: {', '.join(sorted(given))} have no meaning here and are left"
            " out; hidden_layer_sizes, learning_rate_init, batch_size and max_iter have.",
            UnusedKeywordWarning,
        )
    return replace(settings, schedule=schedule)


def periodic_axes(
    given: Iterable[int] | None, of_prior: tuple[int, ...], n_dim: int
) -> tuple[int, ...]:
    """Return the periodic dimensions named by the keyword and by the prior."""
    axes = set(of_prior)
    for axis in () if given is None else several("periodic", given):
        axes.add(whole("periodic", axis, 0, n_dim - 1))
    return tuple(sorted(axes))


def make_goal(
    f_live: object,
    n_shell: object,
    n_eff: object,
    n_like_max: object,
    discard_exploration: object,
) -> Goal:
    """Return what ends a run.

    Raises
    ------
    SettingsError
        If a value has no meaning.
    """
    return Goal(
        _within_bounds("f_live", number("f_live", f_live, 0.0), F_LIVE_LEAST, F_LIVE_MOST),
        number("n_eff", n_eff, 0.0),
        flag("discard_exploration", discard_exploration),
        number("n_like_max", n_like_max, 0.0),
        whole("n_shell", n_shell, 0),
    )
