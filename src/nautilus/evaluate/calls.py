"""Calling the likelihood for one chunk of points and judging what it returned."""

import time
from dataclasses import dataclass, replace

import numpy as np

from nautilus._types import BlobArray, BoolArray, FloatArray, IntArray
from nautilus.evaluate.answers import (
    LOG_L_MAX,
    Failure,
    RefusedError,
    as_column,
    as_float,
    bad_value,
    blob_message,
    prior_failure,
    raised,
    refused,
)
from nautilus.evaluate.attempt import Manner, attempt, too_slow
from nautilus.evaluate.blob_values import (
    BlobError,
    BlobValues,
    split_return,
    values_of_call,
    values_of_point,
)
from nautilus.evaluate.blobs import BlobLayout, fill, pack_rows, pack_values
from nautilus.evaluate.delivery import ProcessName
from nautilus.evaluate.likelihood import Likelihood, Physical
from nautilus.evaluate.limit import Ending
from nautilus.evaluate.mistakes import remedy_of
from nautilus.evaluate.parameters import length_of, padded, physical_of, row_of, rows_of


@dataclass(frozen=True)
class ChunkResult:
    """What is known about a chunk: rows `index` are finished, the first that failed is `failure`.

    `seconds` is the time spent in the likelihood, `n_calls` the number of points that it was asked
    for, `n_errors` how often it raised, `process` the one that did it.
    """

    index: IntArray
    log_l: FloatArray
    blobs: BlobArray | None
    layout: BlobLayout | None
    seconds: float = 0.0
    n_calls: int = 0
    n_errors: int = 0
    n_nan: int = 0
    failure: Failure | None = None
    process: ProcessName | None = None


@dataclass(frozen=True)
class _Answers:
    """Rows answered so far, before values are judged; rows not `known` raised and count as -inf."""

    log_l: FloatArray
    known: BoolArray
    blobs: BlobArray | None = None
    layout: BlobLayout | None = None
    n_calls: int = 0
    n_errors: int = 0
    failure: Failure | None = None


def failed_chunk(failure: Failure) -> ChunkResult:
    """Return the result of a chunk of which no row was finished."""
    return ChunkResult(np.empty(0, np.int64), np.empty(0), None, None, failure=failure)


def evaluate_chunk(
    likelihood: Likelihood,
    points: FloatArray,
    layout: BlobLayout | None,
    is_test: bool = False,
    ending: Ending = Ending.NEVER,
) -> ChunkResult:
    """Evaluate the likelihood at points of the unit cube.

    Parameters
    ----------
    likelihood
        What to call and how.
    points
        Unit-cube points, shape (n, d), n at least 1; at most `n_batch` for a vectorised one.
    layout
        Layout of the blobs, or None to take it from these points.
    is_test
        Whether to check that the likelihood leaves its parameters unchanged, and does not raise
        at every point whatever `on_error` says.
    ending
        How this process may be ended if a call goes on after `call_timeout`.

    Returns
    -------
    ChunkResult
        Finished rows, and the first failure if there is one. A user's exception is never raised.
    """
    try:
        physical = physical_of(likelihood, padded(likelihood, points))
    except Exception as error:  # noqa: BLE001 - whatever the user's prior raises
        return failed_chunk(prior_failure(points, error))
    answer = _call_block if likelihood.vectorized else _call_each
    start = time.perf_counter()
    answers = answer(likelihood, points, physical, layout, Manner(is_test, ending))
    seconds = time.perf_counter() - start
    return _judge(likelihood, points, answers, seconds)


def _call_each(
    likelihood: Likelihood,
    points: FloatArray,
    physical: Physical,
    layout: BlobLayout | None,
    manner: Manner,
) -> _Answers:
    log_l = np.full(len(points), -np.inf)
    known = np.zeros(len(points), dtype=np.bool_)
    rows: list[BlobValues] = []
    n_calls = n_errors = n_done = 0
    failure = None
    for i, parameters in enumerate(rows_of(physical)):
        try:
            returned, n_raised, error = attempt(likelihood, parameters, manner)
            n_calls += n_raised + (error is None)
            n_errors += n_raised
            if error is None:
                value, blobs = split_return(returned)
                log_l[i] = as_float(value)
                rows.append(values_of_point(blobs, likelihood.blobs_dtype))
                known[i] = True
            elif likelihood.on_error != "-inf" or (
                manner.is_test and i == len(points) - 1 and not rows
            ):
                remedy = remedy_of(error, likelihood, parameters, manner.is_test)
                failure = raised(error, parameters, points[i], i, remedy)
                break
        except RefusedError as refusal:
            failure = refused(str(refusal), parameters, points[i], i)
            break
        except BlobError as mismatch:
            failure = refused(blob_message(mismatch, layout), parameters, points[i], i)
            break
        n_done = i + 1
    answers = _Answers(log_l[:n_done], known[:n_done], None, layout, n_calls, n_errors, failure)
    return _with_blobs(likelihood, points, physical, answers, rows)


def _with_blobs(
    likelihood: Likelihood,
    points: FloatArray,
    physical: Physical,
    answers: _Answers,
    rows: list[BlobValues],
) -> _Answers:
    if not rows:
        return answers
    try:
        layout, packed = pack_rows(answers.layout, rows, likelihood)
        return replace(answers, blobs=packed, layout=layout)
    except BlobError as mismatch:
        i = int(np.flatnonzero(answers.known)[mismatch.position])
        message = blob_message(mismatch, answers.layout)
        shorter = replace(
            answers,
            log_l=answers.log_l[:i],
            known=answers.known[:i],
            failure=refused(message, row_of(physical, i), points[i], i),
        )
        return _with_blobs(likelihood, points, physical, shorter, rows[: mismatch.position])


def _call_block(
    likelihood: Likelihood,
    points: FloatArray,
    physical: Physical,
    layout: BlobLayout | None,
    manner: Manner,
) -> _Answers:
    n, n_called = len(points), length_of(physical)
    nothing = _Answers(np.empty(0), np.empty(0, np.bool_), None, layout)
    n_calls, n_errors = n, 0
    try:
        returned, n_errors, error = attempt(likelihood, physical, manner)
        n_calls = n * (n_errors + (error is None))
        if error is None:
            value, blobs = split_return(returned)
            log_l = as_column(value, n_called)
            values = values_of_call(blobs, n_called, likelihood.blobs_dtype)
            known, packed = pack_values(layout, values, likelihood)
            kept = None if packed is None else packed[:n]
            return _Answers(log_l[:n], np.ones(n, np.bool_), kept, known, n_calls, n_errors)
        if likelihood.on_error == "-inf":
            return _one_by_one(likelihood, points, layout, manner)
        remedy = remedy_of(error, likelihood, physical, manner.is_test)
        failure = raised(error, physical, points, None, remedy)
    except RefusedError as refusal:
        failure = refused(str(refusal), physical, points, None)
    except BlobError as mismatch:
        failure = refused(blob_message(mismatch, layout), physical, points, None)
    return replace(nothing, n_calls=n_calls, n_errors=n_errors, failure=failure)


def _one_by_one(
    likelihood: Likelihood, points: FloatArray, layout: BlobLayout | None, manner: Manner
) -> _Answers:
    """Find the points of a block at which a vectorised likelihood raises; they count as -inf."""
    strict = replace(likelihood, on_error="raise")
    log_l = np.full(len(points), -np.inf)
    known = np.zeros(len(points), dtype=np.bool_)
    packed: list[BlobArray] = []
    n_calls, n_errors, n_done, failure = len(points), 1, len(points), None
    for i, row in enumerate(points[:, np.newaxis]):
        part = _call_block(strict, row, physical_of(strict, padded(strict, row)), layout, manner)
        layout = part.layout
        n_calls += part.n_calls
        n_errors += part.n_errors
        if part.failure is None:
            log_l[i], known[i] = part.log_l[0], True
            packed += [] if part.blobs is None else [part.blobs]
        elif part.n_errors == 0 or (manner.is_test and i == len(points) - 1 and not known.any()):
            failure, n_done = replace(part.failure, position=i), i
            break
    blobs = np.concatenate(packed) if packed else None
    return _Answers(log_l[:n_done], known[:n_done], blobs, layout, n_calls, n_errors, failure)


def _judge(
    likelihood: Likelihood, points: FloatArray, answers: _Answers, seconds: float
) -> ChunkResult:
    log_l, layout, failure = answers.log_l.copy(), answers.layout, answers.failure
    is_nan = np.isnan(log_l)
    if likelihood.on_nan == "-inf":
        log_l[is_nan] = -np.inf
    is_bad = np.isnan(log_l) | (log_l > LOG_L_MAX)
    blobs = answers.blobs
    if blobs is not None and layout is not None and not answers.known.all():
        blobs = fill(layout, blobs, answers.known)
    if layout is not None and layout.fields and blobs is None:
        blobs = fill(layout, np.empty((0, *layout.shape), layout.dtype), answers.known)
    if is_bad.any():
        i = int(np.argmax(is_bad))
        # A value comes before whatever stopped the chunk later.
        parameters = row_of(physical_of(likelihood, points[i : i + 1]), 0)
        failure = bad_value(float(log_l[i]), parameters, points[i], i)
    # A vectorised call counts as a whole or not at all: its numbers may depend on which points are
    # in it, so that none of them may be missing when it is made again.
    is_kept = ~is_bad if not likelihood.vectorized or failure is None else np.zeros_like(is_bad)
    good = np.flatnonzero(is_kept)
    return ChunkResult(
        index=good,
        log_l=log_l[good],
        blobs=None if blobs is None else blobs[good],
        layout=layout,
        seconds=seconds,
        n_calls=answers.n_calls,
        n_errors=answers.n_errors,
        n_nan=int(is_nan.sum()),
        failure=failure,
    )


def timed_out_chunk(
    likelihood: Likelihood, point: FloatArray, layout: BlobLayout | None, seconds: float
) -> ChunkResult:
    """Return the result for one point, shape (1, d), whose call had to be ended with its worker."""
    answers = _Answers(np.full(1, -np.inf), np.zeros(1, np.bool_), None, layout, 1, 1)
    if likelihood.on_error != "-inf":
        parameters = row_of(physical_of(likelihood, point), 0)
        error = too_slow(likelihood.call_timeout)
        remedy = remedy_of(error, likelihood, parameters, is_first=False)
        failure = raised(error, parameters, point[0], 0, remedy)
        answers = replace(answers, log_l=np.empty(0), known=np.empty(0, np.bool_), failure=failure)
    return _judge(likelihood, point, answers, seconds)
