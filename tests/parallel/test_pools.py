"""What every kind of pool promises: one contract for all."""

import math
import os
import threading
import time

import numpy as np
import pytest
from pools import A_OF_LINE, LINE, Engines, NamedPrior, collect, cube_points, kinds_here
from threadpoolctl import threadpool_info

from nautilus.errors import BackendError, LikelihoodError
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.factory import BuiltLikelihood
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.tasks import TaskRunner

pytestmark = [
    # Some kinds fork by default, whatever newer versions of Python say to it.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


SHORT = 1.0
"""Seconds for a call that hangs; so long no other is held up."""

LEAST = 8
"""Calls beside the first that any pool makes while the last one has begun."""


def leave_file(folder):
    (folder / f"{os.getpid()}-{time.perf_counter_ns()}").touch()


def assert_once_in_each_process(folder, kind):
    """Look at the files that were left: one from each process, and from the right ones."""
    processes = [int(path.name.split("-")[0]) for path in folder.iterdir()]
    if kind.n_processes == 0:
        assert processes == [os.getpid()]
    else:
        assert 1 <= len(processes) == len(set(processes)) <= kind.n_processes
        assert os.getpid() not in processes


class Model:
    """A likelihood with state, used through a bound method."""

    def __init__(self, width):
        self.width = width

    def log_l(self, shift, parameters, scale=1.0):
        a = parameters["a"] - shift
        return -0.5 * (a / self.width) ** 2 * scale + parameters["b"], {"a": a, "two": np.ones(2)}


class Large:
    """Holds an array, and leaves one file behind each time it is unpickled."""

    def __init__(self, folder):
        self.folder = folder
        self.table = np.arange(1e6)

    def __setstate__(self, state):
        self.__dict__.update(state)
        leave_file(self.folder)

    def __call__(self, parameters):
        return self.table[int(5e5 + 2e5 * parameters["a"])]


class LastIsNaN:
    """Returns 0, and NaN at the last point, once all others were evaluated if that can be."""

    def __init__(self, folder, n_others):
        self.folder = folder
        self.n_others = n_others

    def __call__(self, parameters):
        if parameters["a"] < 1.75:
            (self.folder / repr(float(parameters["a"]))).touch()
            return 0.0
        # A pool that lets a call wait behind this one never makes it; of the others some are made.
        end = time.monotonic() + 5
        while (n := self.n_called()) < self.n_others and (n <= LEAST or time.monotonic() < end):
            time.sleep(0.01)
        (self.folder / "before").write_text("\n".join(path.name for path in self.folder.iterdir()))
        return np.nan

    def n_called(self):
        return len(list(self.folder.iterdir()))


class StubbornError(Exception):
    """Can be pickled neither there nor back."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.lock = threading.Lock()


@pytest.fixture(scope="module")
def engines():
    engines = Engines()
    yield engines
    engines.close()


@pytest.fixture(scope="module", params=kinds_here())
def kind(request):
    return kinds_here()[request.param]


@pytest.fixture(scope="module")
def given(engines, kind):
    """What a user passes as `pool`."""
    return engines.get(kind)


@pytest.fixture(scope="module")
def pool(given):
    handle = as_executor(given)
    # Processes that fork at their first task would find likelihoods of this process.
    TaskRunner(handle).map(pow, [(2, 2)] * 4)
    yield handle
    handle.close()


def main_function():
    """Return a function of a script."""
    script = {"__name__": "__main__"}
    exec("import math\ndef log_l(p): return math.floor(p['a']) + p['b']", script)
    return script["log_l"]


def closure():
    offset = np.full(3, 0.5)
    return lambda p: p["a"] - offset.sum() + p["b"]


class Bound:
    def __init__(self, factor):
        self.factor = factor

    def log_l(self, parameters):
        return self.factor * parameters["a"] + parameters["b"]


FORMS = {
    "of a script": (main_function, lambda a, b: np.floor(a) + b),
    "lambda": (lambda: lambda p: p["a"] * p["b"], lambda a, b: a * b),
    "closure": (closure, lambda a, b: a - 1.5 + b),
    "bound method": (lambda: Bound(3.0).log_l, lambda a, b: 3.0 * a + b),
}

WRONG_ANSWERS = {
    "NaN": (math.nan, "returned nan"),
    "shape": (np.zeros(2), r"of shape \(2,\); expected one number"),
    "text": ("-1.5", "an object of type str; expected a real number"),
    "None": (None, "returned None; .*is a return statement missing"),
}


class TestContract:
    def test_numbers_are_those_of_serial_calls(self, pool):
        points = cube_points(403)
        likelihood = Likelihood(Model(0.3).log_l, NamedPrior(), args=(0.5,), kwargs={"scale": 2.0})
        log_l, blobs = collect(Evaluator(likelihood, pool), points)
        expected, expected_blobs = collect(Evaluator(likelihood, None), points)
        np.testing.assert_array_equal(log_l, expected, strict=True)
        np.testing.assert_array_equal(blobs, expected_blobs, strict=True)
        assert blobs.dtype == [("a", float), ("two", float, 2)]

    def test_vectorised_numbers_are_those_of_serial_calls(self, pool):
        points = cube_points(403)
        offset = 0.25

        def log_l(parameters):
            return -((parameters["a"] - offset) ** 2) + parameters["b"].max()  # depends on the call

        likelihood = Likelihood(log_l, NamedPrior(), vectorized=True, n_batch=50)
        found, _ = collect(Evaluator(likelihood, pool), points)
        expected, _ = collect(Evaluator(likelihood, None), points)
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("form", FORMS)
    def test_any_form_of_function_gives_exact_numbers_in_order(self, pool, form):
        make, exact = FORMS[form]
        found, blobs = collect(Evaluator(Likelihood(make(), NamedPrior()), pool), LINE)
        np.testing.assert_array_equal(found, exact(A_OF_LINE, np.log(LINE[:, 1])))
        assert blobs is None

    def test_a_large_likelihood_is_unpickled_once_by_each_worker(self, pool, kind, tmp_path):
        large = Large(tmp_path)
        evaluator = Evaluator(Likelihood(large, NamedPrior()), pool)
        for n in (50, 3, 120):
            points = cube_points(n)
            found, _ = collect(evaluator, points)
            expected = np.floor(5e5 + 2e5 * (4 * points[:, 0] - 2))
            np.testing.assert_array_equal(found, expected)
        if kind.n_processes == 0:
            leave_file(tmp_path)  # nothing else did
        assert_once_in_each_process(tmp_path, kind)

    def test_a_factory_is_called_once_by_each_process(self, pool, kind, tmp_path):
        def build():
            leave_file(tmp_path)
            lock = threading.Lock()
            return lambda p: p["a"] + lock.locked()

        likelihood = Likelihood(BuiltLikelihood(build), NamedPrior())
        evaluator = Evaluator(likelihood, pool)
        for _ in range(3):
            np.testing.assert_array_equal(collect(evaluator, LINE)[0], A_OF_LINE)
        assert_once_in_each_process(tmp_path, kind)

    def test_exception_comes_back_with_its_place(self, pool):
        def log_l(parameters):
            if parameters["a"] > 1.5:
                raise StubbornError("too", "far")
            return 0.0

        points = np.array([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5], [0.4, 0.5], [0.975, 0.5]])
        evaluator = Evaluator(Likelihood(log_l, NamedPrior()), pool)
        with pytest.raises(
            LikelihoodError, match=r"raised .*StubbornError: too and far at a = 1.9"
        ) as e:
            collect(evaluator, points)
        assert e.value.parameters["a"] == pytest.approx(1.9)
        np.testing.assert_array_equal(e.value.point, points[4])
        assert ", in log_l\n" in e.value.remote_traceback
        found, _ = collect(evaluator, points[:4])  # the evaluator goes on
        np.testing.assert_array_equal(found, np.zeros(4))

    def test_finished_points_are_delivered_before_an_error(self, pool, tmp_path):
        evaluator = Evaluator(Likelihood(LastIsNaN(tmp_path, 18), NamedPrior()), pool)
        evaluator.self_test(LINE[:1])
        found = np.empty(19)
        with pytest.raises(LikelihoodError, match=r"returned nan at a = 1\.[78]"):
            collect(evaluator, LINE, found)
        before = (tmp_path / "before").read_text().split()
        # The test before the run called the first point, which may wait behind the last one.
        before.remove(repr(float(A_OF_LINE[0])))
        assert len(before) >= LEAST
        was_called = np.array([repr(float(a)) in before for a in A_OF_LINE])
        np.testing.assert_array_equal(found[was_called], 0.0)
        assert np.isnan(found[18])

    def test_closing_the_iterator_leaves_evaluator_and_pool_in_order(self, pool):
        evaluator = Evaluator(Likelihood(lambda p: p["a"], NamedPrior()), pool)
        points = cube_points(200)
        results = evaluator.evaluate(points)
        next(results)
        results.close()
        found, _ = collect(evaluator, points)
        np.testing.assert_array_equal(found, 4 * points[:, 0] - 2)

    def test_self_test_runs_where_the_likelihood_will(self, pool, kind):
        here = os.getpid()
        evaluator = Evaluator(Likelihood(lambda _: float(os.getpid() == here), NamedPrior()), pool)
        np.testing.assert_array_equal(
            evaluator.self_test(cube_points(3)).log_l, float(kind.n_processes == 0)
        )

    def test_tasks_are_answered_in_order(self, pool):
        runner = TaskRunner(pool)
        assert runner.map(pow, [(i, 2) for i in range(20)]) == [i**2 for i in range(20)]
        assert runner.map(pow, []) == []
        with pytest.raises(ZeroDivisionError, match="zero"):
            runner.map(divmod, [(1, 1), (1, 0)])

    @pytest.mark.parametrize("answer", WRONG_ANSWERS)
    def test_a_wrong_answer_names_the_parameters(self, pool, answer):
        wrong, message = WRONG_ANSWERS[answer]
        likelihood = Likelihood(lambda p: wrong if p["a"] > 1.75 else 0.0, NamedPrior())
        with pytest.raises(LikelihoodError, match=rf"{message}.* at a = 1\.[78]\d*, b = -0") as e:
            collect(Evaluator(likelihood, pool), LINE)
        assert e.value.parameters["a"] == A_OF_LINE[18]
        np.testing.assert_array_equal(e.value.point, LINE[18])

    def test_an_unpicklable_likelihood_is_an_error_only_if_it_has_to_travel(self, pool, kind):
        lock = threading.Lock()
        evaluator = Evaluator(Likelihood(lambda p: p["a"] + lock.locked(), NamedPrior()), pool)
        if kind.n_processes == 0:
            np.testing.assert_array_equal(collect(evaluator, LINE)[0], A_OF_LINE)
        else:
            with pytest.raises(BackendError, match=r"cannot be sent to other processes: .*lock"):
                collect(evaluator, LINE)

    @pytest.mark.parametrize("n", [1, 2])
    def test_numerical_threads_are_limited(self, pool, kind, n):
        def log_l(_):
            return 0.0, max(library["num_threads"] for library in threadpool_info())

        evaluator = Evaluator(Likelihood(log_l, NamedPrior()), pool, threads_per_worker=n)
        found = collect(evaluator, LINE)[1]
        # Some libraries give threads that Python starts one thread each whatever is asked for.
        least = 1 if kind.is_threaded else n
        assert ((least <= found) & (found <= n)).all()

    def test_a_call_that_hangs_is_stopped(self, pool):
        def log_l(parameters):
            while parameters["a"] > 1.75:
                time.sleep(0.05)
            return parameters["a"]

        lenient = Likelihood(log_l, NamedPrior(), call_timeout=SHORT, on_error="-inf")
        found, _ = collect(Evaluator(lenient, pool), LINE)
        np.testing.assert_array_equal(found, [*A_OF_LINE[:18], -np.inf])
        strict = Evaluator(Likelihood(log_l, NamedPrior(), call_timeout=SHORT), pool)
        with pytest.raises(LikelihoodError, match=rf"call_timeout = {SHORT} s at a = 1\.[78]") as e:
            collect(strict, LINE)
        assert e.value.parameters["a"] == A_OF_LINE[18]

    def test_size_is_detected(self, pool, kind):
        assert pool.n_workers == kind.size

    def test_the_pool_is_left_open(self, given):
        likelihood = Likelihood(lambda p: p["a"], NamedPrior())
        for _ in range(2):
            handle = as_executor(given)
            with Evaluator(likelihood, handle) as evaluator, TaskRunner(handle) as runner:
                np.testing.assert_array_equal(collect(evaluator, LINE)[0], A_OF_LINE)
                assert runner.map(divmod, [(7, 2), (9, 4)]) == [(3, 1), (2, 1)]
