"""What every backend promises: one contract, ten lines per backend, and a matrix of accidents."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import cloudpickle
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from nautilus import Prior, Sampler
from nautilus.errors import BackendError, LikelihoodError, WorkerLostError
from nautilus.evaluate import chunks
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.tasks import TaskRunner

# Workers cannot import this file; everything in it has to travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.timeout(60)


class NamedPrior:
    """Two parameters, one of them curved."""

    def to_physical(self, points):
        return {"a": 4 * points[:, 0] - 2, "b": np.log(points[:, 1])}


class Model:
    """A likelihood with state, used through a bound method."""

    def __init__(self, width):
        self.width = width

    def log_l(self, parameters, shift, scale=1.0):
        a = parameters["a"] - shift
        return -0.5 * (a / self.width) ** 2 * scale + parameters["b"], {"a": a, "two": np.ones(2)}


class Counting:
    """Leaves one file behind each time it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __getstate__(self):
        return {"folder": self.folder}

    def __setstate__(self, state):
        self.folder = state["folder"]
        name = f"{os.getpid()}-{time.perf_counter_ns()}"
        (self.folder / name).touch()

    def __call__(self, parameters):
        return -(parameters["a"] ** 2)


class LastIsNaN:
    """Returns 0, and NaN at the last point, once all others were evaluated."""

    def __init__(self, folder, n_others):
        self.folder = folder
        self.n_others = n_others

    def __call__(self, parameters):
        if parameters["a"] < 1.75:
            (self.folder / repr(float(parameters["a"]))).touch()
            return 0.0
        end = time.monotonic() + 30
        while len(list(self.folder.iterdir())) < self.n_others and time.monotonic() < end:
            time.sleep(0.01)
        return np.nan


class StubbornError(Exception):
    """Can be pickled neither there nor back."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.lock = threading.Lock()


def cube_points(n):
    return np.random.default_rng(5).random((n, 2))


def collect(evaluator, points, log_l=None):
    """Assemble what the evaluator yields, in `log_l` if given: it survives an error."""
    log_l = np.empty(len(points)) if log_l is None else log_l
    log_l[:] = np.nan
    blobs = None
    for done in evaluator.evaluate(points):
        assert np.isnan(log_l[done.index]).all()
        log_l[done.index] = done.log_l
        if done.blobs is not None:
            blobs = np.empty(len(points), done.blobs.dtype) if blobs is None else blobs
            blobs[done.index] = done.blobs
    return log_l, blobs


class ExecutorContract:
    """What a backend's own class promises, once it has these two."""

    n_processes: int  # worker processes other than this one
    open_pool: Callable[[], AbstractContextManager]  # yields what a user passes as `pool`

    @pytest.fixture(scope="class")
    @classmethod
    def pool(cls):
        with cls.open_pool() as pool:
            yield as_executor(pool)

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

    def test_likelihood_travels_once_to_each_worker(self, pool, tmp_path):
        evaluator = Evaluator(Likelihood(Counting(tmp_path), NamedPrior()), pool)
        for _ in range(3):
            collect(evaluator, cube_points(50))
        processes = [path.name.split("-")[0] for path in tmp_path.iterdir()]
        assert len(processes) == len(set(processes)) <= self.n_processes
        assert bool(processes) == (self.n_processes > 0)

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
        assert "raise StubbornError" in e.value.remote_traceback
        found, _ = collect(evaluator, points[:4])  # the evaluator goes on
        np.testing.assert_array_equal(found, np.zeros(4))

    def test_finished_points_are_delivered_before_an_error(self, pool, tmp_path):
        points = np.linspace(0.05, 0.95, 19)[:, np.newaxis].repeat(2, axis=1)
        evaluator = Evaluator(Likelihood(LastIsNaN(tmp_path, 18), NamedPrior()), pool)
        evaluator.self_test(points[:1])
        found = np.empty(19)
        with pytest.raises(LikelihoodError, match=r"returned nan at a = 1\.[78]"):
            collect(evaluator, points, found)
        np.testing.assert_array_equal(found, [0.0] * 18 + [np.nan])

    def test_closing_the_iterator_leaves_evaluator_and_pool_in_order(self, pool):
        evaluator = Evaluator(Likelihood(lambda p: p["a"], NamedPrior()), pool)
        points = cube_points(200)
        results = evaluator.evaluate(points)
        next(results)
        results.close()
        found, _ = collect(evaluator, points)
        np.testing.assert_array_equal(found, 4 * points[:, 0] - 2)

    def test_self_test_runs_where_the_likelihood_will(self, pool):
        here = os.getpid()
        evaluator = Evaluator(Likelihood(lambda _: float(os.getpid() == here), NamedPrior()), pool)
        np.testing.assert_array_equal(
            evaluator.self_test(cube_points(3)).log_l, float(self.n_processes == 0)
        )

    def test_tasks_are_answered_in_order(self, pool):
        runner = TaskRunner(pool)
        assert runner.map(pow, [(i, 2) for i in range(20)]) == [i**2 for i in range(20)]
        assert runner.map(pow, []) == []
        with pytest.raises(ZeroDivisionError, match="zero"):
            runner.map(divmod, [(1, 1), (1, 0)])


class TestSerial(ExecutorContract):
    n_processes = 0

    @staticmethod
    @contextmanager
    def open_pool():
        yield None


class TestLoky(ExecutorContract):
    n_processes = 2

    @staticmethod
    @contextmanager
    def open_pool():
        with Evaluator(Likelihood(abs, NamedPrior()), 2) as owner:
            yield owner._handle


class TestThreads(ExecutorContract):
    n_processes = 0

    @staticmethod
    @contextmanager
    def open_pool():
        with ThreadPoolExecutor(2) as pool:
            yield pool


class TestSpawnedProcesses(ExecutorContract):
    n_processes = 2

    @staticmethod
    @contextmanager
    def open_pool():
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool


class TestMultiprocessingPool(ExecutorContract):
    n_processes = 2

    @staticmethod
    @contextmanager
    def open_pool():
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            yield pool


class MapOnly:
    """The least that a pool can be."""

    def __init__(self, pool):
        self.size = 2
        self.map = pool.map


class TestAnythingWithMap(ExecutorContract):
    n_processes = 2

    @staticmethod
    @contextmanager
    def open_pool():
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            yield MapOnly(pool)


def dying_likelihood(flag=None):
    """Kill the worker at large a: always, or only until the file `flag` exists."""

    def log_l(parameters):
        if parameters["a"] > 1.75 and not (flag and flag.exists()):
            if flag:
                flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return parameters["a"]

    return Likelihood(log_l, NamedPrior())


def workers_of(handle):
    return [*handle.executor._processes]


def wait_for_end(processes):
    end = time.monotonic() + 10
    while any(is_alive(pid) for pid in processes):
        assert time.monotonic() < end, f"of {processes} some are alive"
        time.sleep(0.02)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return state.stdout.strip()[:1] not in {"", "Z"}


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
LINE = np.linspace(0.05, 0.95, 19)[:, np.newaxis].repeat(2, axis=1)


@posix_only
class TestAccidents:
    def test_a_worker_that_dies_once_costs_nothing(self, tmp_path):
        with Evaluator(dying_likelihood(tmp_path / "died"), 2) as evaluator:
            found, _ = collect(evaluator, LINE)
        np.testing.assert_allclose(found, 4 * LINE[:, 0] - 2, rtol=0, atol=1e-15)

    def test_a_point_that_always_kills_is_named_after_all_others_are_done(self):
        with Evaluator(dying_likelihood(), 2) as evaluator:
            found = np.empty(19)
            with pytest.raises(
                WorkerLostError, match=r"(?s)died 3 times .*0\.95.*SIGKILL"
            ) as error:
                collect(evaluator, LINE, found)
            assert "worked on 1 point, at a = " in str(error.value)
            assert np.isfinite(found).sum() >= 14
            assert np.isnan(found[18])
            again, _ = collect(evaluator, LINE[:5])
            np.testing.assert_array_equal(again, 4 * LINE[:5, 0] - 2)

    def test_a_task_that_always_kills_is_named(self):
        with (
            TaskRunner(2) as runner,
            pytest.raises(WorkerLostError, match=r"task 0 of string_at"),
        ):
            runner.map(ctypes.string_at, [(0,)])

    def test_a_broken_pool_of_others_is_not_repaired(self):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            evaluator = Evaluator(dying_likelihood(), pool)
            for _ in range(2):  # the second time nothing can be sent to it
                with pytest.raises(BackendError, match="The pool broke"):
                    collect(evaluator, LINE)

    def test_a_dead_worker_of_a_multiprocessing_pool_is_noticed(self):
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            evaluator = Evaluator(dying_likelihood(), pool)
            with pytest.raises(BackendError, match=r"ended with exit code -9"):
                collect(evaluator, LINE)

    def test_exit_in_a_likelihood_is_an_error_of_the_likelihood(self):
        likelihood = Likelihood(lambda _: sys.exit(3), NamedPrior())
        with (
            Evaluator(likelihood, 2) as evaluator,
            pytest.raises(LikelihoodError, match="raised SystemExit: 3"),
        ):
            collect(evaluator, LINE)

    def test_an_interrupt_ends_long_calls_and_leaves_a_usable_evaluator(self, tmp_path):
        flag = tmp_path / "interrupted"

        def log_l(parameters):
            while parameters["a"] > 0 and not flag.exists():
                time.sleep(0.05)
            return parameters["a"]

        with Evaluator(Likelihood(log_l, NamedPrior()), 2) as evaluator:
            evaluator.self_test(LINE[:2])
            old = workers_of(evaluator._handle)
            found = []
            timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt, match=r"^$"):
                found.extend(i for done in evaluator.evaluate(LINE) for i in done.index)
            wait_for_end(old)
            flag.touch()
            again, _ = collect(evaluator, LINE)
        np.testing.assert_array_equal(again, 4 * LINE[:, 0] - 2)

    def test_an_interrupt_in_a_serial_call_goes_through(self):
        def log_l(parameters):
            if parameters["a"] > 1.75:
                raise KeyboardInterrupt
            return 0.0

        evaluator = Evaluator(Likelihood(log_l, NamedPrior()))
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            collect(evaluator, LINE)
        assert not np.isnan(collect(evaluator, LINE[:10])[0]).any()

    def test_closing_ends_our_workers(self):
        evaluator = Evaluator(Likelihood(lambda p: p["a"], NamedPrior()), 2)
        collect(evaluator, LINE)
        processes = workers_of(evaluator._handle)
        assert len(processes) == 2
        evaluator.close()
        evaluator.close()
        wait_for_end(processes)
        with pytest.raises(BackendError, match="was closed"):
            collect(evaluator, LINE)

    def test_workers_end_when_their_owner_is_killed(self):
        script = """
            import os, sys, time
            import numpy as np
            from nautilus.evaluate.evaluator import Evaluator
            from nautilus.evaluate.likelihood import Likelihood

            class Prior:
                def to_physical(self, points):
                    return points

            if __name__ == "__main__":
                likelihood = Likelihood(lambda x: time.sleep(60 * (x[0] > 0.5)) or 0.0, Prior())
                evaluator = Evaluator(likelihood, 2)
                evaluator.self_test(np.array([[0.1]]))
                print(*evaluator._handle.executor._processes, flush=True)
                list(evaluator.evaluate(np.full((9, 1), 0.9)))
        """
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
        ) as owner:
            processes = [int(pid) for pid in owner.stdout.readline().split()]
            owner.kill()
        assert len(processes) == 2
        wait_for_end(processes)


class TestForeignPools:
    def test_a_given_pool_stays_open(self):
        with ThreadPoolExecutor(1) as pool:
            Evaluator(Likelihood(abs, NamedPrior()), pool).close()
            TaskRunner(pool).close()
            assert pool.submit(abs, -1).result() == 1

    def test_a_pool_that_was_shut_down_is_an_error(self):
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        with pytest.raises(BackendError, match="takes no more work"):
            TaskRunner(pool).map(abs, [(1,)])

    def test_a_closed_multiprocessing_pool_is_an_error(self):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.close()
            with pytest.raises(BackendError, match="takes no more work"):
                TaskRunner(pool).map(abs, [(1,)])
            pool.join()

    def test_errors_of_a_pool_are_told_from_errors_of_the_likelihood(self):
        class Broken(Executor):
            def submit(self, fn, /, *args):
                return ThreadPoolExecutor(1).submit(self.fail)

            def fail(self):
                raise ImportError("No module named 'nautilus'")

        evaluator = Evaluator(Likelihood(abs, NamedPrior()), Broken())
        with pytest.raises(BackendError, match="failed outside of the likelihood: ImportError"):
            evaluator.self_test(LINE)

    def test_an_unpicklable_likelihood_names_the_way_out(self):
        lock = threading.Lock()
        likelihood = Likelihood(lambda p: float(lock.locked()) * p["a"], NamedPrior())
        assert not np.isnan(collect(Evaluator(likelihood), LINE)[0]).any()
        with ThreadPoolExecutor(2) as pool:
            assert not np.isnan(collect(Evaluator(likelihood, pool), LINE)[0]).any()
        with (
            Evaluator(likelihood, 2) as evaluator,
            pytest.raises(BackendError, match=r"cannot be sent to other processes.*pool=None"),
        ):
            collect(evaluator, LINE)

    def test_a_likelihood_that_cannot_be_unpickled_names_the_reason(self):
        class Fragile:
            def __reduce__(self):
                return __import__, ("no_such_module",)

            def __call__(self, _):
                return 0.0

        with (
            Evaluator(Likelihood(Fragile(), NamedPrior()), 2) as evaluator,
            pytest.raises(BackendError, match=r"could not unpickle.*no_such_module"),
        ):
            collect(evaluator, LINE)


def n_threads():
    return [library["num_threads"] for library in threadpool_info()]


@pytest.mark.parametrize(("pool", "n"), [(None, 1), (None, 2), (2, 1), (2, 2)])
def test_numerical_threads_are_limited_in_workers_and_restored_here(pool, n):
    likelihood = Likelihood(lambda _: (0.0, max(n_threads())), NamedPrior())
    with (
        threadpool_limits(3),
        Evaluator(likelihood, pool, threads_per_worker=n) as evaluator,
    ):
        before = n_threads()
        assert max(before) == 3
        assert collect(evaluator, LINE)[1].max() == n
        assert n_threads() == before


def test_threads_of_this_process_share_one_numerical_thread():
    def log_l(parameters):
        return -(parameters["x"] ** 2), max(n_threads())

    prior = Prior()
    prior.add_parameter("x")
    with threadpool_limits(3), ThreadPoolExecutor(2) as pool:
        sampler = Sampler(prior, log_l, pool=pool, n_live=50, threads_per_worker=2, seed=1)
        sampler.run(n_like_max=100)
        assert max(n_threads()) == 3
    assert sampler.result.blobs.max() == 1


def test_a_slow_likelihood_keeps_few_chunks_under_way(monkeypatch):
    monkeypatch.setattr(chunks, "TARGET_SECONDS", 0.01)
    started = []

    def log_l(_):
        started.append(1)
        time.sleep(0.02)
        return 0.0

    with ThreadPoolExecutor(2) as pool:
        evaluator = Evaluator(Likelihood(log_l, NamedPrior()), pool)
        evaluator.self_test(LINE[:2])
        results = evaluator.evaluate(LINE)
        next(results)
        results.close()
    assert len(started) <= 2 + 2
