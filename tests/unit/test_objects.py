"""Blobs that are any object: kept in memory, and refused where a file keeps the run."""

import itertools
import threading
from decimal import Decimal

import numpy as np
import pytest

import nautilus
from nautilus import LikelihoodError, Prior, Sampler, SettingsError
from nautilus.evaluate import chunks
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood

POINTS = np.column_stack([np.linspace(0, 0.95, 20), np.zeros(20)])


class Cube:
    @staticmethod
    def to_physical(points):
        return points.copy()


class Spectrum:
    def __init__(self, flux):
        self.flux = flux

    def __eq__(self, other):
        return self.flux == other.flux

    __hash__ = None


def evaluate(function, points=POINTS, **settings):
    parts = list(Evaluator(Likelihood(function, Cube(), **settings)).evaluate(points))
    return np.concatenate([part.blobs for part in parts])


OBJECTS = {
    "none": lambda x: None,
    "object": lambda x: Spectrum(x[0]),
    "list of any": lambda x: [x[0], None, "text"],
    "ragged": lambda x: [[1.0], [1.0, 2.0]],
    "set": lambda x: {x[0]},
    "keys that are numbers": lambda x: {1: x[0]},
    "no keys": lambda x: {},
    "large": lambda x: 10**30 + int(100 * x[0]),
    "decimal": lambda x: Decimal(int(100 * x[0])),
    "time": lambda x: np.datetime64(int(100 * x[0]), "s"),
    "some none": lambda x: None if x[0] > 0.9 else x[0],
    "none first": lambda x: None if x[0] < 0.1 else x[0],
    "text and numbers": lambda x: "far" if x[0] > 0.9 else x[0],
    "text and bytes": lambda x: "far" if x[0] > 0.9 else b"near",
}


@pytest.mark.parametrize("n_most", [1, 3, 1000])
@pytest.mark.parametrize("name", OBJECTS)
def test_any_object_is_kept(name, n_most, monkeypatch):
    monkeypatch.setattr(chunks, "N_MOST", n_most)
    blob = OBJECTS[name]
    expected = [blob(x) for x in POINTS]
    found = evaluate(lambda x: (0.0, blob(x)))
    assert found.dtype == object
    assert found.shape == (20,)
    assert found.tolist() == expected
    # Whatever the chunks are, numbers among objects are those of Python.
    assert not any(isinstance(entry, np.floating) for entry in found)


@pytest.mark.parametrize("name", OBJECTS)
def test_any_object_is_kept_beside_other_blobs_and_by_name(name):
    blob = OBJECTS[name]
    expected = [blob(x) for x in POINTS]
    beside = evaluate(lambda x: (0.0, x, blob(x)))
    assert beside["blob_1"].tolist() == expected
    np.testing.assert_array_equal(beside["blob_0"], POINTS)
    named = evaluate(lambda x: (0.0, {"a": blob(x), "b": x[0]}))
    assert named["a"].tolist() == expected
    np.testing.assert_array_equal(named["b"], POINTS[:, 0])


@pytest.mark.parametrize("name", OBJECTS)
def test_a_vectorised_likelihood_returns_one_object_for_each_point(name):
    blob = OBJECTS[name]
    expected = [blob(x) for x in POINTS]
    settings = {"vectorized": True, "n_batch": 6, "blobs_dtype": object}
    found = evaluate(lambda x: (x[:, 0], [blob(row) for row in x]), **settings)
    assert found.tolist() == expected
    with pytest.raises(LikelihoodError, match=r"blob_0 has shape .*one row per point"):
        evaluate(lambda x: (x[:, 0], None), vectorized=True)


def test_object_as_type_keeps_each_blob_as_it_is():
    found = evaluate(lambda x: (0.0, np.arange(int(20 * x[0]))), blobs_dtype=object)
    assert found.shape == (20,)
    for entry, x in zip(found, POINTS, strict=True):
        np.testing.assert_array_equal(entry, np.arange(int(20 * x[0])))
    dtype = [("length", int), ("values", object)]
    found = evaluate(lambda x: (0.0, 2, [x[0]]), blobs_dtype=dtype)
    assert found.dtype == dtype
    assert found["values"].tolist() == [[x] for x in POINTS[:, 0]]


def test_arrays_of_other_shapes_say_how_to_be_kept():
    def log_l(x):
        return 0.0, np.zeros(2 + int(x[0] > 0.9))

    with pytest.raises(LikelihoodError, match=r"shape \(3,\), not \(2,\).*blobs_dtype=object"):
        evaluate(log_l)


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_point_without_answer_has_none(vectorized):
    def log_l(x):
        if np.any(x[..., 0] > 0.8):
            raise ValueError("far")
        return x[..., 0], [{1}] * len(x) if vectorized else {1}, x[..., 1]

    settings = {"vectorized": vectorized, "n_batch": 5, "on_error": "-inf"}
    found = evaluate(log_l, **settings)
    is_far = POINTS[:, 0] > 0.8
    assert found["blob_0"].tolist() == [None if far else {1} for far in is_far]
    np.testing.assert_array_equal(found["blob_1"], np.where(is_far, np.nan, 0.0))


def test_what_cannot_be_copied_is_refused_before_the_run():
    with pytest.raises(LikelihoodError, match=r"before the run.*type lock that cannot be copied"):
        evaluate(lambda _: (0.0, threading.Lock()))


def prior():
    made = Prior()
    made.add_parameter("a")
    made.add_parameter("b")
    return made


def missing_far_away(p):
    distance = (p["a"] - 0.3) ** 2 + (p["b"] - 0.6) ** 2
    return -50 * distance, None if distance > 0.1 else Spectrum(p["a"])


SMALL = {"n_live": 60, "n_networks": 0, "seed": 4}


def test_a_run_returns_its_objects():
    sampler = Sampler(prior(), missing_far_away, **SMALL)
    assert sampler.run(n_eff=200)
    points, _, log_l, blobs = sampler.posterior(return_blobs=True)
    plain = Sampler(prior(), lambda p: missing_far_away(p)[0], **SMALL)
    assert plain.run(n_eff=200)
    np.testing.assert_array_equal(plain.posterior()[2], log_l)
    for entry, point, value in zip(blobs, points, log_l, strict=True):
        assert (entry is None) if value < -5 else (entry.flux == point[0])
    equal = sampler.posterior(return_blobs=True, equal_weight=True)
    assert len(equal[3]) == len(equal[0])


@pytest.mark.parametrize("blobs_dtype", [object, [("a", float), ("b", object)]])
def test_a_file_refuses_the_type_of_objects(tmp_path, blobs_dtype):
    with pytest.raises(SettingsError, match="filepath keeps only numbers, truth values and text"):
        Sampler(
            prior(), missing_far_away, blobs_dtype=blobs_dtype, filepath=tmp_path / "x.nautilus"
        )


def test_a_file_refuses_objects_before_the_run(tmp_path):
    path = tmp_path / "run.nautilus"
    sampler = Sampler(prior(), missing_far_away, filepath=path, **SMALL)
    message = r"The test before the run: .*is of type \w+, and a run with filepath keeps only"
    with pytest.raises(LikelihoodError, match=message):
        sampler.run()
    assert not path.exists()
    assert sampler.n_like == 0


def test_objects_that_come_late_end_a_run_with_a_file_at_their_point(tmp_path):
    def log_l(p):
        distance = (p["a"] - 0.3) ** 2 + (p["b"] - 0.6) ** 2
        return -50 * distance, None if distance < 1e-4 else distance

    path = tmp_path / "run.nautilus"
    sampler = Sampler(prior(), log_l, filepath=path, **SMALL)
    with pytest.raises(LikelihoodError, match=r"blob_0 is of type NoneType.*other points have 1"):
        sampler.run()
    again = Sampler(prior(), lambda p: (log_l(p)[0], log_l(p)[1] or np.nan), filepath=path, **SMALL)
    assert again.n_like == sampler.n_like > 0
    assert again.run(n_eff=200)


def test_a_file_that_is_asked_for_later_refuses_objects_too(tmp_path):
    calls = itertools.count()

    def log_l(p):
        return -(p["a"] ** 2), 1.0 if next(calls) < 50 else Spectrum(p["a"])

    path = tmp_path / "run.nautilus"
    sampler = Sampler(prior(), log_l, **SMALL)
    sampler.run(n_like_max=20)
    sampler.filepath = path
    with pytest.raises(LikelihoodError, match="blob_0 is of type Spectrum"):
        sampler.run()
    assert nautilus.load(path).n_like == sampler.n_like >= 20
    sampler.filepath = None
    sampler.run(n_like_max=100)
    assert sampler.n_like == 100


def test_a_file_that_is_asked_for_later_refuses_the_type_of_objects(tmp_path):
    sampler = Sampler(prior(), missing_far_away, blobs_dtype=object, **SMALL)
    with pytest.raises(SettingsError, match="filepath keeps only numbers, truth values and text"):
        sampler.filepath = tmp_path / "x.nautilus"
    assert sampler.filepath is None
