"""What functions return means the same in workers as in this process."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
from pools import processes

from nautilus import BackendError, LikelihoodError
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood

POINTS = np.random.default_rng(8).random((200, 2))
POOLS = {
    "own": lambda: nullcontext(2),
    "processes": lambda: processes("spawn"),
    "threads": lambda: ThreadPoolExecutor(2),
}


class Cube:
    @staticmethod
    def to_physical(points):
        return points.copy()


@pytest.fixture(params=POOLS, scope="module")
def pool(request):
    with POOLS[request.param]() as pool:
        yield pool


def evaluate(function, pool, **settings):
    with Evaluator(Likelihood(function, Cube(), **settings), pool) as evaluator:
        parts = list(evaluator.evaluate(POINTS))
    order = np.argsort(np.concatenate([part.index for part in parts]))
    log_l = np.concatenate([part.log_l for part in parts])[order]
    if parts[0].blobs is None:
        return log_l, None
    return log_l, np.concatenate([part.blobs for part in parts])[order]


def test_numbers_of_any_type_and_missing_ones(pool):
    def log_l(x):
        return (
            np.ma.masked if x[0] < 0.2 else -(10**30) if x[0] < 0.4 else Fraction(str(x[0])),
            np.ma.masked if x[0] < 0.2 else 3,
        )

    found, blobs = evaluate(log_l, pool, on_nan="-inf")
    number = np.where(POINTS[:, 0] < 0.4, -1e30, POINTS[:, 0])
    np.testing.assert_array_equal(found, np.where(POINTS[:, 0] < 0.2, -np.inf, number))
    np.testing.assert_array_equal(blobs, np.where(POINTS[:, 0] < 0.2, np.nan, 3))


@pytest.mark.parametrize("value", [True, np.bool_(False), None, "0"])
def test_what_is_no_number(pool, value):
    with pytest.raises(LikelihoodError, match="expected a real number"):
        evaluate(lambda _: value, pool)


def test_memory_that_is_used_again(pool):
    buffers = {}

    def log_l(x):
        import threading  # noqa: PLC0415 - threads do not share theirs

        buffer, inner = buffers.setdefault(threading.get_ident(), (np.zeros(2), [None]))
        buffer[:] = x
        inner[0] = {"a": float(x[0])}
        return buffer[:1], {"array": buffer, "object": inner}

    found, blobs = evaluate(log_l, pool)
    np.testing.assert_array_equal(found, POINTS[:, 0])
    np.testing.assert_array_equal(blobs["array"], POINTS)
    assert blobs["object"].tolist() == [[{"a": x}] for x in POINTS[:, 0]]


def test_any_object(pool):
    def blob(x):
        return None if x[0] < 0.3 else "text" if x[0] < 0.4 else {float(x[1])}

    _, blobs = evaluate(lambda x: (0.0, blob(x)), pool)
    assert blobs.tolist() == [blob(x) for x in POINTS]


@pytest.mark.parametrize("method", ["own", "processes"])
def test_objects_that_cannot_travel_are_an_error_before_the_run(method):
    class Local:
        def __reduce__(self):
            raise TypeError("stays here")

        def __deepcopy__(self, memo):
            return self

    with POOLS[method]() as pool, pytest.raises(BackendError, match="stays here"):
        evaluate(lambda _: (0.0, Local()), pool)
