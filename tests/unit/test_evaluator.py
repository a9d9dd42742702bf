import time
from concurrent.futures import BrokenExecutor, Executor, Future

import numpy as np
import pytest

from nautilus.errors import (
    BackendError,
    LikelihoodError,
    PriorError,
    SettingsError,
    WorkerLostError,
)
from nautilus.evaluate import chunks, worker
from nautilus.evaluate.backends import ExecutorHandle, Recovery
from nautilus.evaluate.chunks import Chunk, ChunkRule, Cutter
from nautilus.evaluate.evaluator import Counts, Evaluator
from nautilus.evaluate.likelihood import Likelihood


class ArrayPrior:
    @staticmethod
    def to_physical(points):
        return points.copy()


class NamedPrior:
    @staticmethod
    def to_physical(points):
        return {"a": points[:, 0], "b": points[:, 1]}


POINTS = np.random.default_rng(3).random((30, 2))


def evaluate(likelihood, points=POINTS):
    """Return log L and blobs of all points, in order."""
    parts = list(Evaluator(likelihood).evaluate(points))
    order = np.argsort(np.concatenate([part.index for part in parts]))
    assert len(order) == len(points)
    log_l = np.concatenate([part.log_l for part in parts])[order]
    if parts[0].blobs is None:
        return log_l, None
    return log_l, np.concatenate([part.blobs for part in parts])[order]


def both_ways(blobs):
    """A scalar and a vectorised likelihood with the blobs that `blobs(x)` gives for one row x."""

    def scalar(x):
        return (1.0, *blobs(x))

    def vectorised(x):
        rows = [blobs(row) for row in x]
        if isinstance(rows[0][0], dict):
            return np.ones(len(x)), {key: np.array([r[0][key] for r in rows]) for key in rows[0][0]}
        return (np.ones(len(x)), *(np.array(column) for column in zip(*rows, strict=True)))

    return [scalar, vectorised]


# Parameters ---------------------------------------------------------------------------------


def test_scalar_likelihood_gets_one_point():
    seen = []

    def log_l(x):
        seen.append(x)
        return x[0]

    found, blobs = evaluate(Likelihood(log_l, ArrayPrior()))
    np.testing.assert_array_equal(found, POINTS[:, 0], strict=True)
    assert blobs is None
    assert {x.shape for x in seen} == {(2,)}


def test_dictionary_holds_scalars_or_arrays():
    log_l, _ = evaluate(Likelihood(lambda p: p["a"] * float(p["a"].ndim == 0), NamedPrior()))
    np.testing.assert_array_equal(log_l, POINTS[:, 0])
    log_l, _ = evaluate(Likelihood(lambda p: p["a"] * p["b"], NamedPrior(), vectorized=True))
    np.testing.assert_array_equal(log_l, POINTS[:, 0] * POINTS[:, 1])


def test_arguments_are_passed_on():
    def log_l(add, x, times):
        return (x[0] + add) * times

    found, _ = evaluate(Likelihood(log_l, ArrayPrior(), args=[1.0], kwargs={"times": 2.0}))
    np.testing.assert_array_equal(found, (POINTS[:, 0] + 1.0) * 2.0)


def test_vectorised_calls_have_a_fixed_shape():
    shapes = []

    def log_l(x):
        shapes.append(x.shape)
        return x[:, 0]

    evaluator = Evaluator(Likelihood(log_l, ArrayPrior(), vectorized=True, n_batch=8))
    evaluator.self_test(POINTS[:3])
    list(evaluator.evaluate(POINTS))
    assert shapes == [(3, 2), (8, 2), (8, 2), (8, 2), (6, 2)]


def test_padded_calls_have_one_shape_and_the_same_answers():
    shapes = []

    def log_l(x):
        shapes.append(x.shape)
        return x[:, 0], x

    likelihood = Likelihood(log_l, ArrayPrior(), vectorized=True, n_batch=8, pad_batch=True)
    found, blobs = evaluate(likelihood)
    np.testing.assert_array_equal(found, POINTS[:, 0])
    np.testing.assert_array_equal(blobs, POINTS)
    assert set(shapes) == {(8, 2)}


def test_prior_errors_are_told_apart():
    class Failing:
        def to_physical(self, points):
            raise ZeroDivisionError("no prior")

    class Short:
        def to_physical(self, points):
            return points[1:]

    with pytest.raises(PriorError, match="ZeroDivisionError: no prior") as error:
        evaluate(Likelihood(abs, Failing()))
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    with pytest.raises(PriorError, match="another number of points than the 4"):
        evaluate(Likelihood(abs, Short()))


@pytest.mark.parametrize(
    ("prior", "pass_dict", "message"),
    [
        (ArrayPrior(), True, "pass_dict is True but the prior gives an array"),
        (NamedPrior(), False, "pass_dict is False but the prior gives a dictionary"),
    ],
)
def test_prior_and_pass_dict_must_agree(prior, pass_dict, message):
    with pytest.raises(PriorError, match=message):
        evaluate(Likelihood(abs, prior, pass_dict=pass_dict))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"function": 3}, "likelihood is 3"),
        ({"on_error": "ignore"}, "on_error is 'ignore'; expected one of raise, -inf, retry"),
        ({"on_nan": "retry"}, "on_nan is 'retry'; expected one of raise, -inf"),
        ({"n_batch": 0}, "n_batch is 0; expected a whole number of at least 1"),
        ({"n_batch": 2.5}, r"n_batch is 2\.5"),
        ({"n_retries": -1}, "n_retries is -1; expected a whole number of at least 0"),
        ({"blobs_dtype": "nonsense"}, "blobs_dtype is 'nonsense', which NumPy cannot read"),
        ({"blobs_dtype": "M8[s]"}, "holds the type datetime64"),
        ({"blobs_dtype": [("a", object)], "takes_objects": False}, "with filepath keeps only"),
    ],
)
def test_meaningless_settings_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        Likelihood(**{"function": abs, "prior": ArrayPrior(), **settings})


# Blobs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("blobs", "dtype", "shape"),
    [
        (lambda x: (x[0],), np.dtype(float), ()),
        (lambda x: (np.int64(10 * x[0]),), np.dtype(np.int64), ()),
        (lambda x: (np.float32(x[0]),), np.dtype(np.float32), ()),
        (lambda x: (x,), np.dtype(float), (2,)),
        (lambda x: (x[:1],), np.dtype(float), (1,)),
        (lambda x: (np.outer(x, x),), np.dtype(float), (2, 2)),
        (lambda x: (bool(x[0] > 0.5),), np.dtype(bool), ()),
        (lambda x: (x[0], np.float32(x[1])), [("blob_0", float), ("blob_1", np.float32)], ()),
        (lambda x: (x[0], x), [("blob_0", float), ("blob_1", float, (2,))], ()),
        (lambda x: ({"t": x[0]},), [("t", float)], ()),
        (lambda x: ({"t": x[0], "v": x},), [("t", float), ("v", float, (2,))], ()),
    ],
)
def test_blobs_keep_type_shape_and_values(blobs, dtype, shape, vectorized):
    function = both_ways(blobs)[vectorized]
    _, found = evaluate(Likelihood(function, ArrayPrior(), vectorized=vectorized))
    assert found.dtype == dtype
    assert found.shape == (30, *shape)
    for entry, point in zip(found, POINTS, strict=True):
        expected = blobs(point)[0] if len(blobs(point)) == 1 else blobs(point)
        names = found.dtype.names
        pairs = [(entry, expected)]
        if names:
            values = expected.values() if isinstance(expected, dict) else expected
            pairs = [(entry[name], value) for name, value in zip(names, values, strict=True)]
        for got, value in pairs:
            np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("vectorized", [False, True])
def test_named_types_convert(vectorized):
    dtype = [("median", "|S10"), ("count", np.int16)]
    function = both_ways(lambda x: (x[0], 100 * x[1]))[vectorized]
    likelihood = Likelihood(function, ArrayPrior(), vectorized=vectorized, blobs_dtype=dtype)
    _, blobs = evaluate(likelihood)
    assert blobs.dtype == dtype
    np.testing.assert_array_equal(blobs["median"], POINTS[:, 0].astype("|S10"))
    np.testing.assert_array_equal(blobs["count"], (100 * POINTS[:, 1]).astype(np.int16))


@pytest.mark.parametrize("vectorized", [False, True])
def test_one_type_for_several_blobs_gives_columns(vectorized):
    function = both_ways(lambda x: (x[0], x[1], 3))[vectorized]
    likelihood = Likelihood(function, ArrayPrior(), vectorized=vectorized, blobs_dtype=np.float32)
    _, blobs = evaluate(likelihood)
    assert blobs.dtype == np.float32
    np.testing.assert_array_equal(blobs[:, :2], POINTS.astype(np.float32))
    np.testing.assert_array_equal(blobs[:, 2], 3)


def test_dictionaries_are_matched_by_name():
    likelihood = Likelihood(
        lambda x: (0.0, {"u": 1, "v": 2} if x[0] < 0.5 else {"v": 2, "u": 1}),
        ArrayPrior(),
        blobs_dtype=[("v", float), ("u", np.int8)],
    )
    _, blobs = evaluate(likelihood)
    assert blobs.dtype == [("v", float), ("u", np.int8)]
    assert set(blobs.tolist()) == {(2.0, 1)}


def test_types_are_joined_over_the_points_of_the_test():
    points = np.array([[0.1, 0.0], [0.9, 0.0]])
    _, blobs = evaluate(Likelihood(lambda x: (0.0, 1 if x[0] < 0.5 else 2.5), ArrayPrior()), points)
    np.testing.assert_array_equal(blobs, [1.0, 2.5])
    _, blobs = evaluate(Likelihood(lambda x: (0.0, "x" * int(10 * x[0])), ArrayPrior()), points)
    assert blobs.tolist() == ["x", "x" * 9]


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("early", "late"),
    [(0, 0.5), (True, 7), (1.0, 2j), ("no", "perhaps"), (np.float32(1), 1e300), (b"a", b"abc")],
    ids=str,
)
def test_types_are_joined_over_all_points(early, late, vectorized):
    def scalar(x):
        return 0.0, late if x[0] > 0.9 else early

    def vectorised(x):
        return np.zeros(len(x)), np.array([scalar(row)[1] for row in x])

    points = np.column_stack([np.linspace(0, 0.95, 20), np.zeros(20)])
    likelihood = Likelihood(
        vectorised if vectorized else scalar, ArrayPrior(), vectorized=vectorized, n_batch=5
    )
    _, blobs = evaluate(likelihood, points)
    assert blobs[:19].tolist() == [early] * 19
    assert blobs[19] == late


def test_fields_of_structured_blobs_are_joined_one_by_one():
    def log_l(x):
        return 0.0, {"n": 0.5 if x[0] > 0.9 else 1, "text": "long" if x[0] > 0.5 else "a"}

    points = np.column_stack([np.linspace(0, 0.95, 20), np.zeros(20)])
    _, blobs = evaluate(Likelihood(log_l, ArrayPrior()), points)
    assert blobs.dtype == [("n", float), ("text", "<U4")]
    assert blobs[[0, 18, 19]].tolist() == [(1.0, "a"), (1.0, "long"), (0.5, "long")]


@pytest.mark.parametrize(
    ("late", "message"),
    [
        ((), "other points have 1 blob"),
        ((1.0, 2.0), r"got the blobs \['blob_0', 'blob_1'\], but other points have 1 blob"),
        ((np.ones(2),), r"blob_0 has shape \(2,\), not \(\)"),
        (("text",), "blob_0 is of type <U4, and a run with filepath keeps only numbers"),
        ((None,), "blob_0 is of type NoneType, and a run with filepath"),
        (({"t": 1.0},), r"got the blobs \['t'\]"),
        (({},), "blob_0 is of type dict, and a run with filepath"),
    ],
)
def test_blobs_that_change_name_the_point(late, message):
    def log_l(x):
        return (0.0, *late) if x[0] > 0.9 else (0.0, 1.0)

    points = np.column_stack([np.linspace(0, 0.95, 20), np.zeros(20)])
    evaluator = Evaluator(Likelihood(log_l, ArrayPrior(), takes_objects=False))
    found = []
    results = evaluator.evaluate(points)
    with pytest.raises(LikelihoodError, match=f"{message}.*at .0.95") as error:
        found.extend(i for done in results for i in done.index)
    np.testing.assert_array_equal(error.value.point, points[19])
    assert found == list(range(19))


@pytest.mark.parametrize(
    ("returned", "settings", "message"),
    [
        ((0.0, None), {"takes_objects": False}, "blob_0 is of type NoneType, and a run with"),
        ((0.0, [1, [2]]), {"takes_objects": False}, "blob_0 is of type list, and a run with"),
        ((0.0, (x for x in ())), {}, "blob_0 is an object of type generator .*cannot be copied"),
        ((0.0, np.nan), {"blobs_dtype": int}, "blob_0 cannot become int64 .nan or masked"),
        ((0.0, np.nan), {"blobs_dtype": bool}, "blob_0 cannot become bool .nan or masked"),
        ((0.0, np.ma.masked), {"blobs_dtype": int}, "blob_0 cannot become int64 .nan or masked"),
        ((0.0, 300), {"blobs_dtype": np.uint8}, "blob_0 cannot become uint8 .not between 0"),
        ((0.0, 1e300), {"blobs_dtype": np.float32}, "blob_0 cannot become float32 .overflow"),
        ((0.0, 1j), {"blobs_dtype": float}, "blob_0 cannot become float64 .complex numbers"),
        (0.0, {"blobs_dtype": float}, r"returned 0 blob\(s\)"),
        ((0.0, 1.0), {"blobs_dtype": [("a", float), ("b", float)]}, "has the fields .'a', 'b'."),
        ((0.0, {"c": 1}), {"blobs_dtype": [("a", float)]}, "but the likelihood returned .'c'."),
        ((0.0, 1.0, np.ones(2)), {"blobs_dtype": float}, r"shapes \[\(\), \(2,\)\]"),
        ((0.0, "text"), {"blobs_dtype": float}, "blob_0 cannot become float64"),
        ((np.zeros(4), 1.0), {"vectorized": True}, "blob_0 has shape .*one row per point, here 4"),
    ],
)
def test_blobs_that_cannot_be_stored_are_refused_by_the_test(returned, settings, message):
    with pytest.raises(LikelihoodError, match=f"test before the run.*{message}"):
        evaluate(Likelihood(lambda _: returned, ArrayPrior(), **settings))


# The test before the run ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned None; expected a real number .*return statement missing"),
        ((), "returned None"),
        ("0.5", "returned an object of type str; expected a real number"),
        (1j, "returned an object of type complex"),
        ([1.0, 2.0], r"type list of shape \(2,\); expected one number"),
        ([1.0, [2.0]], "type list that holds entries of different shapes"),
        (np.inf, "returned inf at .*a number of at most 1e.150, or -inf"),
        (1e200, r"returned 1e\+200 at .*a number of at most 1e.150, or -inf"),
        (np.nan, "returned nan at .*on_nan='-inf'"),
    ],
)
def test_self_test_refuses(returned, message):
    evaluator = Evaluator(Likelihood(lambda _: returned, ArrayPrior()))
    with pytest.raises(LikelihoodError, match=f"The test before the run: .*{message}") as error:
        evaluator.self_test(POINTS[:2])
    np.testing.assert_array_equal(error.value.point, POINTS[0])
    np.testing.assert_array_equal(error.value.parameters, POINTS[0])


@pytest.mark.parametrize("returned", [0.0, np.zeros((4, 1)), np.zeros(3)])
def test_self_test_refuses_other_shapes_of_vectorised_answers(returned):
    evaluator = Evaluator(Likelihood(lambda _: returned, ArrayPrior(), vectorized=True))
    with pytest.raises(LikelihoodError, match=r"one number per point, here shape \(4,\)") as error:
        evaluator.self_test(POINTS[:4])
    assert "a call with 4 points, the first of them" in str(error.value)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("prior", [ArrayPrior(), NamedPrior()])
def test_self_test_notices_changed_parameters(prior, vectorized):
    def log_l(parameters):
        if isinstance(parameters, dict):
            parameters["a"] = parameters["a"] + 1.0
            return parameters["a"]
        parameters += 1.0
        return parameters[..., 0]

    with pytest.raises(LikelihoodError, match=r"changed the parameters .* copy them"):
        evaluate(Likelihood(log_l, prior, vectorized=vectorized))


def test_self_test_accepts_minus_infinity_and_returns_answers():
    evaluator = Evaluator(Likelihood(lambda x: np.log(x[0] > 0.5), ArrayPrior()))
    with np.errstate(divide="ignore"):
        done = evaluator.self_test(np.array([[0.1, 0.0], [0.9, 0.0]]))
    np.testing.assert_array_equal(done.log_l, [-np.inf, 0.0])
    np.testing.assert_array_equal(done.index, [0, 1])


def test_self_test_needs_points():
    with pytest.raises(SettingsError, match="got no points"):
        Evaluator(Likelihood(abs, ArrayPrior())).self_test(np.empty((0, 2)))


def test_first_points_are_tested_if_nothing_was():
    evaluator = Evaluator(Likelihood(lambda x: x[0], ArrayPrior()))
    list(evaluator.evaluate(POINTS))
    list(evaluator.evaluate(POINTS))
    assert evaluator.counts.n_calls == 4 + 30 + 30


def test_no_points_give_no_chunks():
    assert list(Evaluator(Likelihood(abs, ArrayPrior())).evaluate(np.empty((0, 2)))) == []


def test_points_must_be_a_table():
    with pytest.raises(SettingsError, match=r"shape \(2,\); expected \(n, d\)"):
        Evaluator(Likelihood(abs, ArrayPrior())).evaluate(POINTS[0])


# Errors ---------------------------------------------------------------------------------------


def test_exceptions_keep_their_cause():
    evaluator = Evaluator(Likelihood(lambda p: 1 / int(p["a"] < 0.5), NamedPrior()))
    evaluator.self_test(np.array([[0.1, 0.0]]))
    with pytest.raises(
        LikelihoodError, match=r"ZeroDivisionError.* at a = 0\.75, b = 0\.25"
    ) as error:
        list(evaluator.evaluate(np.array([[0.1, 0.0], [0.75, 0.25]])))
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert error.value.parameters == {"a": 0.75, "b": 0.25}
    assert "lambda" in error.value.remote_traceback
    assert "attempt" not in error.value.remote_traceback  # none of our own frames
    assert evaluator.counts.n_errors == 1


def test_wrong_signature_is_an_error_of_the_likelihood():
    with pytest.raises(LikelihoodError, match=r"raised TypeError: .*positional argument"):
        evaluate(Likelihood(lambda: 0.0, ArrayPrior()))


@pytest.mark.parametrize("vectorized", [False, True])
def test_points_that_raise_can_count_as_minus_infinity(vectorized):
    def log_l(x):
        if np.any(x[..., 0] > 0.5):
            raise ValueError("too large")
        return x[..., 0], x[..., 1], np.ones(x.shape[:-1], int)

    likelihood = Likelihood(log_l, ArrayPrior(), vectorized=vectorized, n_batch=7, on_error="-inf")
    found, blobs = evaluate(likelihood)
    is_good = POINTS[:, 0] <= 0.5
    np.testing.assert_array_equal(found, np.where(is_good, POINTS[:, 0], -np.inf))
    np.testing.assert_array_equal(blobs["blob_0"], np.where(is_good, POINTS[:, 1], np.nan))
    np.testing.assert_array_equal(blobs["blob_1"], is_good)


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_likelihood_that_always_raises_fails_its_test_whatever_the_policy(vectorized):
    def log_l(_):
        raise ValueError("never")

    likelihood = Likelihood(log_l, ArrayPrior(), vectorized=vectorized, on_error="-inf")
    with pytest.raises(LikelihoodError, match=r"The test before the run: .*ValueError: never"):
        evaluate(likelihood)


def test_a_chunk_in_which_all_raise_has_blobs_nonetheless():
    def log_l(x):
        return np.log(1 / int(x[0] < 0.5)), 2.5

    evaluator = Evaluator(Likelihood(log_l, ArrayPrior(), on_error="-inf"))
    evaluator.self_test(np.array([[0.1, 0.1]]))
    (done,) = evaluator.evaluate(np.array([[0.9, 0.9], [0.8, 0.8]]))
    np.testing.assert_array_equal(done.log_l, [-np.inf, -np.inf])
    np.testing.assert_array_equal(done.blobs, [np.nan, np.nan])
    assert evaluator.counts.n_errors == 2


@pytest.mark.parametrize("vectorized", [False, True])
def test_calls_can_be_repeated_with_the_same_parameters(vectorized):
    n_failures = 2
    given = []

    def log_l(x):
        given.append(x.copy())
        x += 1.0 if len(given) > 1 else 0.0  # the first call is the test, which forbids this
        if 1 < len(given) <= 1 + n_failures:
            raise OSError("busy")
        return x[..., 0]

    likelihood = Likelihood(log_l, ArrayPrior(), vectorized=vectorized, on_error="retry")
    evaluator = Evaluator(likelihood)
    evaluator.self_test(POINTS[:1])
    list(evaluator.evaluate(POINTS[1:2]))
    assert evaluator.counts.n_errors == n_failures
    assert evaluator.counts.n_calls == 1 + 1 + n_failures
    for parameters in given[1:]:
        np.testing.assert_array_equal(parameters.ravel(), POINTS[1])

    given.clear()
    n_failures = 3
    log_l(POINTS[0].copy())
    with pytest.raises(LikelihoodError, match="OSError: busy"):
        list(evaluator.evaluate(POINTS[1:2]))


def test_nan_can_count_as_minus_infinity_but_infinity_cannot():
    def log_l(x):
        return np.nan if x[0] > 0.5 else x[1], x[0]

    evaluator = Evaluator(Likelihood(log_l, ArrayPrior(), on_nan="-inf"))
    evaluator.self_test(POINTS[:3])
    n_before = evaluator.counts.n_nan
    parts = list(evaluator.evaluate(POINTS))
    found = np.concatenate([part.log_l for part in parts])
    np.testing.assert_array_equal(found, np.where(POINTS[:, 0] > 0.5, -np.inf, POINTS[:, 1]))
    assert evaluator.counts.n_nan - n_before == (POINTS[:, 0] > 0.5).sum()
    with pytest.raises(LikelihoodError, match="returned inf at"):
        evaluate(Likelihood(lambda _: np.inf, ArrayPrior(), on_nan="-inf"))


def test_whole_vectorised_calls_are_delivered_before_an_error():
    likelihood = Likelihood(
        lambda x: np.where(x[:, 0] == POINTS[11, 0], np.nan, x[:, 0]),
        ArrayPrior(),
        vectorized=True,
        n_batch=10,
    )
    found = []
    results = Evaluator(likelihood).evaluate(POINTS)
    with pytest.raises(LikelihoodError, match="returned nan") as error:
        found.extend(i for done in results for i in done.index)
    np.testing.assert_array_equal(error.value.point, POINTS[11])
    assert found == [*range(10)]


def test_counts_add_seconds():
    def log_l(_):
        time.sleep(0.002)
        return 0.0

    evaluator = Evaluator(Likelihood(log_l, ArrayPrior()))
    assert evaluator.counts == Counts()
    list(evaluator.evaluate(POINTS))
    assert evaluator.counts.n_calls == 34
    assert evaluator.counts.seconds >= 34 * 0.002


def test_a_closed_evaluator_refuses():
    with Evaluator(Likelihood(lambda x: x[0], ArrayPrior())) as evaluator:
        list(evaluator.evaluate(POINTS))
    with pytest.raises(BackendError, match="was closed"):
        list(evaluator.evaluate(POINTS))


# Chunks -------------------------------------------------------------------------------------


def test_chunks_cover_all_points_once_and_return_on_request():
    cutter = Cutter(10)
    rule = ChunkRule(n_fixed=4, n_workers=3)
    first = cutter.next(rule)
    assert first == Chunk(0, 4)
    cutter.put_back(first)
    rest = [cutter.next(rule) for _ in range(4)]
    assert rest == [Chunk(0, 4), Chunk(4, 8), Chunk(8, 10), None]


def test_unknown_calls_are_sent_singly():
    assert ChunkRule(None, 4).n_points(1000) == 1


@pytest.mark.parametrize(
    ("seconds", "n_workers", "n_left", "expected"),
    [
        (10.0, 1, 1000, 1),
        (10.0, 8, 1000, 1),
        (0.003, 1, 1000, 99),  # a target of 0.3 s, in floating point
        (0.003, 2, 1000, 99),
        (0.003, 2, 100, 25),  # the last points are shared out
        (0.003, 2, 1, 1),
        (0.0, 1, 10**6, chunks.N_MOST),
        (1e-6, 1, 300, 300),
    ],
)
def test_chunks_take_about_the_same_time(seconds, n_workers, n_left, expected):
    rule = ChunkRule(None, n_workers, seconds)
    assert rule.n_points(n_left) == pytest.approx(expected, abs=1 if expected == 99 else 0)


def test_vectorised_chunks_ignore_time():
    rule = ChunkRule(16, 4, 1e-9)
    assert [rule.n_points(n) for n in (1000, 16, 5)] == [16, 16, 5]


def test_measured_time_follows_the_latest_chunks():
    rule = ChunkRule(None, 2).measured(8.0, 4)
    assert rule.seconds_per_call == 2.0
    assert rule.measured(4.0, 4).seconds_per_call == 1.5
    assert rule.measured(1.0, 0) is rule


@pytest.mark.parametrize(
    ("n_fixed", "n_workers", "seconds", "expected"),
    [
        (None, 1, 0.01, 1),
        (None, 4, 0.01, 8),
        (None, 4, 10.0, 4),
        (100, 4, 0.01, 4),
        (None, 4, None, 8),
    ],
)
def test_long_calls_are_not_queued(n_fixed, n_workers, seconds, expected):
    assert ChunkRule(n_fixed, n_workers, seconds).n_ahead == expected


class FragilePool(Executor):
    """Two workers that die together over one point; fresh ones do not know the likelihood."""

    def __init__(self, deadly):
        self.deadly, self.calls, self.losses, self.is_fresh = deadly, [], [], True

    def submit(self, _, job):
        self.calls.append((Future(), job))
        return self.calls[-1][0]

    def work(self):
        """Let both workers make a call, if both have one or nothing else is under way."""
        now, self.calls = self.calls[:2], self.calls[2:]
        kills = [self.deadly in job.points[:, 0] for _, job in now]
        knows = not self.is_fresh or all(job.payload is not None for _, job in now)
        self.is_fresh = (self.is_fresh and not knows) or (knows and any(kills))
        if knows and any(kills):
            self.losses.append([len(job.points) for _, job in now])
        for future, job in now:
            if not knows:
                future.set_result(worker.Missing(job.key, ("here", id(future))))
            elif any(kills):
                future.set_exception(BrokenExecutor("both are gone"))
            else:
                future.set_result(worker.run_chunk(job))


def test_a_point_that_kills_is_alone_in_the_end_although_fresh_workers_know_nothing():
    pool = FragilePool(POINTS[21, 0])
    handle = ExecutorHandle(
        lambda: pool, 2, recovery=Recovery.REPAIRED, check=pool.work, poll_seconds=0.0
    )
    log_l = np.full(len(POINTS), np.nan)

    def collect():
        for part in Evaluator(Likelihood(lambda p: p["a"], NamedPrior()), handle).evaluate(POINTS):
            log_l[part.index] = part.log_l

    with pytest.raises(WorkerLostError, match=r"died 3 times .* 1 point, at a = "):
        collect()
    np.testing.assert_array_equal(np.delete(log_l, 21), np.delete(POINTS[:, 0], 21))
    assert np.isnan(log_l[21])
    assert {len(calls) for calls in pool.losses[2:]} == {1}  # after two losses, alone
    assert pool.losses[-1] == [1]


@pytest.mark.parametrize("n_most", [1, 3, 7, 1000])
def test_numbers_do_not_depend_on_chunks(monkeypatch, n_most):
    monkeypatch.setattr(chunks, "N_MOST", n_most)
    log_l, blobs = evaluate(Likelihood(lambda p: (p["a"] ** 3, {"b": p["b"]}), NamedPrior()))
    np.testing.assert_array_equal(log_l, [a**3 for a in POINTS[:, 0]])
    np.testing.assert_array_equal(blobs["b"], POINTS[:, 1])


def test_parameters_that_are_nan_are_not_taken_for_changed():
    class Gap:
        @staticmethod
        def to_physical(points):
            return {
                "a": np.where(points[:, 0] > 0.5, np.nan, points[:, 0]),
                "name": ["x"] * len(points),
            }

    log_l, _ = evaluate(Likelihood(lambda p: -1.0 if np.isnan(p["a"]) else p["a"], Gap()))
    np.testing.assert_array_equal(log_l, np.where(POINTS[:, 0] > 0.5, -1.0, POINTS[:, 0]))
