"""Names and physical parameters of points of the unit cube, as users read them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nautilus._arithmetic import own_arithmetic
from nautilus._numbers import PARAMETER_KINDS, reals_of
from nautilus._types import FloatArray
from nautilus.errors import PriorError, SettingsError
from nautilus.evaluate.answers import error_of, prior_failure
from nautilus.prior import DictionaryMap, Prior, PriorMap
from nautilus.prior.function import WHAT_A_FUNCTION_IS, FunctionPrior

ENDS = (1e-3, 1.0 - 1e-3)
"""Coordinates of two points near opposite corners of the unit cube."""

ALONG = (0.0, 0.25, 0.5, 0.75, 1.0)
ELSEWHERE = (0.3, 0.7)
"""Where an axis, and all others, are tried to find out what runs around it."""


WALL = 2.0**-53
"""Start points on a wall of the cube are moved inside by this."""

N_START_MOST = 1000
"""Most points that a user may know."""


def physical_array(prior: PriorMap, points: FloatArray) -> tuple[tuple[str, ...], FloatArray]:
    """Return names and physical parameters, one column per free scalar parameter.

    Of a prior function that returns a dictionary, whatever is not a real number is left out.

    Raises
    ------
    PriorError
        If two columns would have the same name, or there is none.
    """
    physical = free_parameters(prior).to_physical(points)
    if isinstance(physical, dict):
        return _columns(physical, len(points))
    array = np.asarray(physical, dtype=np.float64)
    names_given = free_parameters(prior).names
    if names_given is None or len(names_given) != array.shape[1]:
        return tuple(f"x_{i}" for i in range(array.shape[1])), array
    return tuple(names_given), array


def _columns(physical: dict[str, Any], n_points: int) -> tuple[tuple[str, ...], FloatArray]:
    names, columns = [], []
    for name, value in physical.items():
        array = np.asarray(value)
        if array.dtype.kind not in PARAMETER_KINDS:
            continue
        flat = array.astype(np.float64).reshape(n_points, -1)
        for i in range(flat.shape[1]):
            names.append(str(name) if flat.shape[1] == 1 else f"{name}_{i}")
            columns.append(flat[:, i])
    if not columns or len(set(names)) < len(names):
        raise PriorError(
            f"The prior gives the parameters {', '.join(map(str, physical))}, which would be the"
            f" columns {', '.join(names) or 'of nothing'}; at least one real number is needed, and"
            " different names."
        )
    return tuple(names), np.column_stack(columns)


@own_arithmetic()
def circles_of(prior: PriorMap, axes: tuple[int, ...]) -> FloatArray | None:
    """Return both ends of the range of each parameter that runs around a periodic axis.

    A parameter does so if it rises or falls all along one periodic axis of the unit cube and
    depends on no other axis, which is found by trying. Of a `nautilus.Prior` each periodic
    parameter does. Of a function those do that map their axis alone, such as
    ``2 * np.pi * u[0]``; a sine of it has no two ends and needs no circle.

    Parameters
    ----------
    prior
        The prior.
    axes
        Periodic axes of the unit cube.

    Returns
    -------
    FloatArray or None
        Lower and upper end, one row per column of `physical_array`, NaN where there is no circle;
        None if there is none at all.
    """
    circles: FloatArray | None = None
    for axis in axes:
        points = np.tile(np.repeat(ELSEWHERE, len(ALONG))[:, None], prior.n_dim)
        points[:, axis] = np.tile(ALONG, len(ELSEWHERE))
        try:
            names, values = parameters_of(prior, points)
        except PriorError:  # a function may have no value at the very end of an axis
            continue
        if circles is None:
            circles = np.full((len(names), 2), np.nan)
        for column in range(len(names)):
            lines = values[:, column].reshape(len(ELSEWHERE), len(ALONG))
            if _is_circle(*lines):
                circles[column] = sorted(lines[0, [0, -1]])
    return circles


def _is_circle(first: FloatArray, *others: FloatArray) -> bool:
    """Tell whether a parameter rises or falls along an axis, wherever on all others it is."""
    steps = np.diff(first)
    is_range = np.isfinite(first[-1] - first[0]) and first[0] != first[-1]
    is_monotone = np.all(steps >= 0) or np.all(steps <= 0)
    is_alone = all(np.allclose(first, other, 1e-12, 0.0) for other in others)
    return bool(is_range and is_monotone and is_alone)


def check_prior(prior: PriorMap, points: FloatArray) -> None:
    """Find out before a run whether there will be names and numbers to report.

    Parameters
    ----------
    prior
        The prior.
    points
        Points of the unit cube, shape (n, d), n at least 2.

    Raises
    ------
    PriorError
        If the prior raises, or gives something else than named or unnamed parameters of n points,
        or a function gives the same ones for every point.
    """
    # A choice that is nearly always the same one is another towards the ends of the cube.
    spread = np.concatenate([points, np.outer(ENDS, np.ones(prior.n_dim))])
    # With two different numbers of points no mistaken axis can have the right length in both.
    parameters_of(prior, points)
    _, values = parameters_of(prior, spread)
    if prior.names is None and (values == values[0]).all():
        raise PriorError(
            f"The prior function returned the same numbers, {values[0].tolist()}, for"
            f" {len(spread)} different points of the unit cube. {WHAT_A_FUNCTION_IS}"
        )


def parameters_of(prior: PriorMap, points: FloatArray) -> tuple[tuple[str, ...], FloatArray]:
    """Return what `physical_array` does; whatever the prior raises becomes a PriorError."""
    try:
        return physical_array(prior, points)
    except PriorError:
        raise
    except Exception as error:
        remedy = f" It was given {prior.given_form}." if isinstance(prior, FunctionPrior) else ""
        raise error_of(prior_failure(points, error, remedy), "") from error


def start_in_cube(given: Any, prior: PriorMap) -> FloatArray:
    """Return points that a user knows as points inside the unit cube, shape (n, d).

    Raises
    ------
    SettingsError
        If they are no such points; the message says what was given.
    """
    if given is None:
        return np.empty((0, prior.n_dim))
    free = free_parameters(prior)
    array = _start_array(given, free)
    if isinstance(free, Prior):
        try:
            array = free.physical_to_unit(array)
        except PriorError as error:
            raise SettingsError(f"start_points cannot be used: {error}") from error
    elif not ((array >= 0.0) & (array <= 1.0)).all():
        raise SettingsError(
            f"start_points reach from {array.min():g} to {array.max():g}, but the prior is a"
            " function, which has no inverse: give points of the unit cube, between 0 and 1."
        )
    return np.clip(array, WALL, 1.0 - WALL)


def _start_array(given: Any, free: PriorMap) -> FloatArray:
    """Return what was given as an array of shape (n, d), or say what is wrong with it."""
    if isinstance(given, Mapping):
        missing = [name for name in free.names or () if name not in given]
        if missing or not free.names:
            raise SettingsError(
                f"start_points has the names {list(given)}; expected all free parameters of a"
                f" nautilus.Prior{f', of which {missing} are missing' if missing else ''}."
            )
        columns = [np.atleast_1d(reals_of("start_points", given[name])) for name in free.names]
        if len({column.shape for column in columns}) > 1 or columns[0].ndim > 1:
            shapes = {name: c.shape for name, c in zip(free.names, columns, strict=True)}
            raise SettingsError(f"start_points has values of shapes {shapes}; give all the same.")
        array = np.column_stack(columns)
    else:
        array = np.atleast_2d(reals_of("start_points", given))
    if array.ndim != 2 or array.shape[1] != free.n_dim or not np.isfinite(array).all():
        raise SettingsError(
            f"start_points has shape {array.shape}; expected finite numbers of shape"
            f" ({free.n_dim},) or (n, {free.n_dim})."
        )
    if len(array) > N_START_MOST:
        raise SettingsError(
            f"start_points has {len(array):,} points, each of which is evaluated; give at most"
            f" {N_START_MOST:,}, such as every {-(-len(array) // N_START_MOST)}th."
        )
    return array


def free_parameters(prior: PriorMap) -> PriorMap:
    """Return the map to free parameters alone, where fixed and tied ones can be told apart."""
    return prior.prior if isinstance(prior, DictionaryMap) else prior
