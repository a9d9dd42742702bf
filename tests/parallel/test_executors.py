"""What happens on pools when something goes wrong: a matrix of accidents."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from pools import LINE, NamedPrior, collect, wait_for_end
from threadpoolctl import threadpool_info, threadpool_limits
from waiting import SECONDS, wait_for

from nautilus import Prior, Sampler
from nautilus.errors import BackendError, LikelihoodError, WorkerLostError
from nautilus.evaluate import chunks
from nautilus.evaluate.adapters import SerialExecutor
from nautilus.evaluate.backends import ExecutorHandle
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.tasks import TaskRunner


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


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")


@posix_only
class TestAccidents:
    def test_a_worker_that_dies_once_costs_nothing(self, tmp_path):
        with Evaluator(dying_likelihood(tmp_path / "died"), 2) as evaluator:
            found, _ = collect(evaluator, LINE)
        np.testing.assert_allclose(found, 4 * LINE[:, 0] - 2, rtol=0, atol=1e-15)

    @pytest.mark.long
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
                (tmp_path / "begun").touch()
                time.sleep(0.05)
            return parameters["a"]

        def interrupt():
            wait_for((tmp_path / "begun").exists)
            os.kill(os.getpid(), signal.SIGINT)

        with Evaluator(Likelihood(log_l, NamedPrior()), 2) as evaluator:
            evaluator.self_test(LINE[:2])
            old = workers_of(evaluator._handle)
            found = []
            helper = threading.Thread(target=interrupt)
            helper.start()
            with pytest.raises(KeyboardInterrupt, match=r"^$"):
                found.extend(i for done in evaluator.evaluate(LINE) for i in done.index)
            helper.join()
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
                likelihood = Likelihood(lambda x: time.sleep(3600 * (x[0] > 0.5)) or 0.0, Prior())
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
    def test_a_pool_whose_workers_retire_is_refused(self):
        with (
            multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=5) as pool,
            pytest.raises(BackendError, match="Make the pool without it"),
        ):
            TaskRunner(pool)

    def test_what_was_finished_comes_before_a_pool_that_takes_no_more(self):
        class Closing(SerialExecutor):
            n = 0

            def submit(self, fn, /, *args):
                self.n += 1
                if self.n > 5:
                    raise RuntimeError("closed")
                return super().submit(fn, *args)

        evaluator = Evaluator(Likelihood(lambda p: p["a"], NamedPrior()), Closing())
        found = np.full(len(LINE), np.nan)
        with pytest.raises(BackendError, match="takes no more work"):
            collect(evaluator, LINE, found)
        assert evaluator.counts.n_calls - 4 == np.isfinite(found).sum() > 0

    def test_a_worker_that_fails_leaves_the_answers_of_others(self):
        class Moody(SerialExecutor):
            n = 0

            def submit(self, fn, /, *args):
                self.n += 1
                future = super().submit(fn, *args)
                if self.n == 3:
                    future = Future()
                    future.set_exception(OSError("no route to host"))
                return future

        evaluator = Evaluator(Likelihood(lambda p: p["a"], NamedPrior()), ExecutorHandle(Moody, 8))
        found = np.full(len(LINE), np.nan)
        with pytest.raises(BackendError, match=r"failed outside of the likelihood: OSError"):
            collect(evaluator, LINE, found)
        assert evaluator.counts.n_calls - 4 == np.isfinite(found).sum() > 5

    def test_a_cancelled_evaluation_returns_what_was_under_way(self):
        gate, begun = threading.Event(), threading.Barrier(3)

        def log_l(parameters):
            if parameters["a"] > -1.0 and not gate.is_set():
                begun.wait()
                gate.wait()
            return parameters["a"]

        with ThreadPoolExecutor(2) as pool:
            evaluator = Evaluator(Likelihood(log_l, NamedPrior()), pool)
            evaluator.self_test(LINE[:1])
            evaluation = evaluator.evaluate(LINE[10:])
            begun.wait()
            evaluation.cancel()
            gate.set()
            index = [i for done in evaluation for i in done.index]
        assert 2 <= len(index) < len(LINE[10:])
        assert evaluator.counts.n_calls == 1 + len(index)

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


def test_workers_that_hold_a_large_likelihood_do_not_count_as_leaking():
    def log_l(_):
        from loky import process_executor  # noqa: PLC0415 - that of the worker

        return 0.0, float(process_executor._MAX_MEMORY_LEAK_SIZE)

    with Evaluator(Likelihood(log_l, NamedPrior()), 2) as evaluator:
        assert collect(evaluator, LINE)[1].min() > 1e15


def test_what_ends_while_others_are_waited_for_is_delivered_at_once(monkeypatch):
    monkeypatch.setattr(chunks, "N_MOST", 1)
    quick, slow, begun = threading.Event(), threading.Event(), threading.Semaphore(0)

    def log_l(parameters):
        begun.release()
        (quick if parameters["a"] < 0 else slow).wait(SECONDS)
        return parameters["a"]

    points = LINE[[0, 18]]
    with ThreadPoolExecutor(2) as pool:
        evaluator = Evaluator(Likelihood(log_l, NamedPrior()), pool)
        quick.set()
        evaluator.self_test(points[:1])
        quick.clear()
        evaluation = evaluator.evaluate(points, grace=SECONDS)
        for _ in range(3):
            assert begun.acquire(timeout=SECONDS)
        evaluation.cancel()
        quick.set()
        first = next(evaluation)
        assert not slow.is_set()
        slow.set()
        second = next(evaluation)
    assert [*first.index, *second.index] == [0, 1]


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
