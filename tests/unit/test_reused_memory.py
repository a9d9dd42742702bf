"""Functions that return the same memory at each call: every value is kept as it was returned."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nautilus import Prior, Sampler
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.prior.function import FunctionPrior

POINTS = np.random.default_rng(8).random((40, 2))
PAIR, SCALAR, TEXT = np.zeros(2), np.zeros(()), np.array("     ")
LIST, INNER, MASKED = [0.0, 0.0], {"x": [0.0]}, np.ma.zeros(2)
ROWS = np.zeros((64, 2))


def array(x):
    PAIR[:] = x
    return 0.0, PAIR


def number_and_log_l(x):
    SCALAR[...] = x[0]
    return SCALAR, SCALAR


def named(x):
    PAIR[:] = x
    SCALAR[...] = x[0]
    return 0.0, {"pair": PAIR, "one": SCALAR}


def text(x):
    TEXT[...] = f"{x[0]:.3f}"
    return 0.0, TEXT


def listed(x):
    LIST[:] = x.tolist()
    return 0.0, LIST


def masked(x):
    MASKED[:] = x
    MASKED[1] = np.ma.masked
    return 0.0, MASKED


def nested(x):
    INNER["x"][0] = x[0]
    return 0.0, INNER, 1


def view_of_parameters(x):
    return 0.0, x


CASES = {
    array: (lambda blobs: blobs, POINTS),
    number_and_log_l: (lambda blobs: blobs, POINTS[:, 0]),
    named: (lambda blobs: np.column_stack([blobs["pair"], blobs["one"]]), POINTS[:, [0, 1, 0]]),
    text: (lambda blobs: blobs, np.array([f"{x:.3f}" for x in POINTS[:, 0]])),
    listed: (lambda blobs: blobs, POINTS),
    masked: (lambda blobs: blobs, np.column_stack([POINTS[:, 0], np.full(40, np.nan)])),
    nested: (lambda blobs: [entry["x"][0] for entry in blobs["blob_0"]], POINTS[:, 0]),
    view_of_parameters: (lambda blobs: blobs, POINTS),
}


class Cube:
    @staticmethod
    def to_physical(points):
        return points.copy()


def evaluate(likelihood, pool=None):
    evaluator = Evaluator(likelihood, pool)
    evaluator.self_test(POINTS[:3])
    parts = list(evaluator.evaluate(POINTS))
    order = np.argsort(np.concatenate([part.index for part in parts]))
    log_l = np.concatenate([part.log_l for part in parts])[order]
    return log_l, np.concatenate([part.blobs for part in parts])[order]


@pytest.mark.parametrize("function", CASES)
@pytest.mark.parametrize("is_threaded", [False, True])
def test_blobs_are_kept_as_they_were_returned(function, is_threaded):
    view, expected = CASES[function]
    if is_threaded:  # one thread: with more, memory that they share is a race
        with ThreadPoolExecutor(1) as pool:
            log_l, blobs = evaluate(Likelihood(function, Cube()), pool)
    else:
        log_l, blobs = evaluate(Likelihood(function, Cube()))
    np.testing.assert_array_equal(view(blobs), expected)
    np.testing.assert_array_equal(log_l, POINTS[:, 0] if function is number_and_log_l else 0.0)


def in_rows(x):
    ROWS[: len(x)] = x
    return ROWS[: len(x), 0], ROWS[: len(x)]


def in_named_rows(x):
    ROWS[: len(x)] = x
    return ROWS[: len(x), 0], {"rows": ROWS[: len(x)], "lists": [[v] for v in x[:, 0]]}


@pytest.mark.parametrize("function", [in_rows, in_named_rows])
def test_vectorised_answers_are_kept_as_they_were_returned(function):
    likelihood = Likelihood(function, Cube(), vectorized=True, n_batch=7)
    log_l, blobs = evaluate(likelihood)
    np.testing.assert_array_equal(log_l, POINTS[:, 0])
    np.testing.assert_array_equal(blobs if function is in_rows else blobs["rows"], POINTS)


def test_a_likelihood_may_keep_its_parameters():
    kept = []

    def log_l(x):
        kept.append(x)
        return 0.0, kept[0]

    _, blobs = evaluate(Likelihood(log_l, Cube()))
    np.testing.assert_array_equal(kept[3:], POINTS)
    np.testing.assert_array_equal(blobs, np.tile(POINTS[0], (40, 1)))


def prior_array(u):
    PAIR[:] = 2 * u
    return PAIR


def prior_dictionary(u):
    PAIR[:] = 2 * u
    SCALAR[...] = u[0]
    INNER["x"][0] = u[1]
    return {"pair": PAIR, "one": SCALAR, "object": INNER, "list": INNER["x"]}


def prior_rows(u):
    ROWS[: len(u)] = 2 * u
    return ROWS[: len(u)]


def prior_columns(u):
    ROWS[: len(u)] = 2 * u
    return {"pair": ROWS[: len(u)], "one": u[:, 0]}


@pytest.mark.parametrize(
    ("function", "vectorized"),
    [(prior_array, False), (prior_dictionary, False), (prior_rows, True), (prior_columns, True)],
)
def test_parameters_are_kept_as_they_were_returned(function, vectorized):
    prior = FunctionPrior(function, 2, is_vectorized=vectorized)
    physical = prior.to_physical(POINTS)
    prior.to_physical(POINTS[::-1])
    pair = physical["pair"] if isinstance(physical, dict) else physical
    np.testing.assert_array_equal(pair, 2 * POINTS)
    if function is prior_dictionary:
        np.testing.assert_array_equal(physical["one"], POINTS[:, 0])
        assert [entry["x"][0] for entry in physical["object"]] == POINTS[:, 1].tolist()
        np.testing.assert_array_equal(physical["list"], POINTS[:, 1:])


def test_a_whole_run_keeps_blobs_and_parameters():
    buffer = np.zeros(2)

    def log_l(p):
        buffer[:] = p["a"], p["b"]
        return -50 * ((p["a"] - 0.3) ** 2 + p["b"] ** 2), buffer

    prior = Prior()
    prior.add_parameter("a")
    prior.add_parameter("b")
    sampler = Sampler(prior, log_l, n_live=60, n_networks=0, seed=4)
    sampler.run(n_eff=200)
    points, _, _, blobs = sampler.posterior(return_blobs=True)
    np.testing.assert_array_equal(blobs, points)
