"""What can be wrong with an answer, put into words for the user."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nautilus._numbers import NotRealError, as_reals, describe
from nautilus._types import FloatArray
from nautilus.errors import BackendError, LikelihoodError, PriorError
from nautilus.evaluate.blob_values import BlobError
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.parameters import row_of

LOG_L_MAX = 1e150
"""Larger values are no log-likelihoods: their squares are not finite."""

N_OWN_FRAMES = 2
"""Frames of this package between where an exception is caught and the function of the user."""


class RefusedError(Exception):
    """What the likelihood returned is not a log-likelihood."""


@dataclass(frozen=True)
class Failure:
    """Why a chunk could not be finished, in a form that survives pickling.

    Parameters
    ----------
    part
        Which part failed.
    message
        For the user; names the parameters and the point in the unit cube.
    position
        Row of the chunk, or None where the whole call failed.
    parameters, point
        What was evaluated: of the row, or of the whole chunk.
    remote_traceback
        Traceback in the user's code as text, empty if nothing was raised.
    exception
        The user's exception, kept only inside the process in which it was raised.
    """

    part: Literal["likelihood", "prior", "backend"]
    message: str
    position: int | None = None
    parameters: object = None
    point: FloatArray | None = None
    remote_traceback: str = ""
    exception: BaseException | None = None


def as_float(value: object) -> float:
    """Turn what a scalar likelihood returned into a float; a masked value is NaN."""
    if isinstance(value, float):
        return float(value)
    array = _as_reals(value)
    if array.size != 1:
        raise RefusedError(
            f"returned {describe(value)} of shape {array.shape}; expected one number, or a tuple "
            "of it and blobs (vectorized=True is for functions that take many points at once)"
        )
    return float(array.reshape(()))


def as_column(value: object, n_points: int) -> FloatArray:
    """Turn what a vectorised likelihood returned into an array of shape (n,) of its own."""
    array = _as_reals(value)
    if array.shape != (n_points,):
        raise RefusedError(
            f"returned {describe(value)} of shape {array.shape}; a vectorised likelihood returns "
            f"one number per point, here shape ({n_points},), or a tuple of them and blobs (leave "
            "vectorized=False for a function that takes one point)"
        )
    return array


def _as_reals(value: object) -> FloatArray:
    try:
        return as_reals(value)
    except NotRealError as error:
        given, wrong = describe(value), str(error)
        what = wrong if wrong.startswith(given) else f"{given} that holds {wrong}"
        hint = "; is a return statement missing?" if value is None else ""
        raise RefusedError(
            f"returned {what}; expected a real number as log-likelihood{hint}"
        ) from error


def place_of(parameters: object, point: FloatArray) -> str:
    """Say where in words: the parameters, and the point or points in the unit cube."""
    if point.ndim == 2:
        first = row_of(parameters, 0)  # type: ignore[arg-type]
        return f"in a call with {len(point)} points, the first of them {place_of(first, point[0])}"
    if isinstance(parameters, Mapping):
        text = ", ".join(f"{name} = {value}" for name, value in parameters.items())
    else:
        text = np.array2string(np.asarray(parameters), separator=", ", threshold=60)
    return f"at {text} (in the unit cube: {np.array2string(point, separator=', ', threshold=60)})"


def raised(
    error: BaseException | None,
    parameters: object,
    point: FloatArray,
    position: int | None,
    remedy: str,
) -> Failure:
    """Describe an exception of the likelihood."""
    assert error is not None
    lines = traceback.format_exception_only(error)
    trace = error.__traceback__
    for _ in range(N_OWN_FRAMES):
        trace = trace.tb_next if trace else None
    return Failure(
        "likelihood",
        f"The likelihood raised {lines[-1].strip()} {place_of(parameters, point)}. {remedy}",
        position,
        parameters,
        point,
        "".join(traceback.format_exception(type(error), error, trace)),
        error,
    )


def refused(message: str, parameters: object, point: FloatArray, position: int | None) -> Failure:
    """Describe an answer that is not a log-likelihood with blobs."""
    text = f"The likelihood {message}, {place_of(parameters, point)}."
    return Failure("likelihood", text, position, parameters, point)


def bad_value(value: float, parameters: object, point: FloatArray, position: int) -> Failure:
    """Describe NaN, +inf, or a value beyond all bounds."""
    remedy = (
        "or choose on_nan='-inf' (a masked value counts as nan)"
        if np.isnan(value)
        else "and keep the others finite"
    )
    message = (
        f"The likelihood returned {value} {place_of(parameters, point)}. Expected its natural "
        f"logarithm, a number of at most {LOG_L_MAX:g}, or -inf; return -inf where the likelihood "
        f"is zero, {remedy}."
    )
    return Failure("likelihood", message, position, parameters, point)


def blob_message(mismatch: BlobError, layout: BlobLayout | None) -> str:
    """Say what is wrong with blobs."""
    known = "" if layout is None else f", but other points have {layout.describe()}"
    return (
        f"returned blobs that cannot be stored: {mismatch}{known} "
        "(every point needs the same blobs, also where log L is -inf)"
    )


def prior_failure(points: FloatArray, error: Exception, remedy: str = "") -> Failure:
    """Describe an exception of the prior."""
    lines = traceback.format_exception_only(error)
    return Failure(
        "prior",
        f"The prior could not turn {len(points)} point(s) of the unit cube into parameters: "
        f"{lines[-1].strip()}.{remedy}",
        None,
        None,
        points,
        "".join(traceback.format_exception(error)),
        error,
    )


def error_of(failure: Failure, prefix: str) -> Exception:
    """Return the error that the user sees."""
    message = prefix + failure.message
    error: Exception
    if failure.part == "likelihood":
        error = LikelihoodError(
            message,
            parameters=failure.parameters,
            point=failure.point,
            remote_traceback=failure.remote_traceback,
        )
    else:
        error = (PriorError if failure.part == "prior" else BackendError)(message)
    error.__cause__ = failure.exception
    if failure.exception is None and failure.remote_traceback:
        error.add_note(f"In the worker:\n{failure.remote_traceback}")
    return error
