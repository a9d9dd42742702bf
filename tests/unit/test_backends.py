import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from nautilus.errors import BackendError
from nautilus.evaluate.adapters import MapExecutor, PoolExecutor, SerialExecutor
from nautilus.evaluate.backends import as_executor, as_pools
from nautilus.evaluate.foreign import LOSS_SECONDS, DaskCluster
from nautilus.evaluate.tasks import TaskRunner


@pytest.mark.parametrize("pool", [None, 1, np.int64(1)])
def test_no_pool_is_serial(pool):
    handle = as_executor(pool)
    assert isinstance(handle.executor, SerialExecutor)
    assert (handle.n_workers, handle.is_owned) == (1, False)


def test_a_number_starts_processes_of_our_own_when_they_are_used():
    handle = as_executor(3)
    assert (handle.n_workers, handle.is_owned) == (3, True)
    assert handle._executor is None
    handle.close()


def test_an_executor_is_used_as_it_is():
    with ThreadPoolExecutor(3) as pool:
        handle = as_executor(pool)
        assert handle.executor is pool
        assert (handle.n_workers, handle.is_owned) == (3, False)
        handle.discard()
        handle.close()
        assert pool.submit(int).result() == 0


def test_other_pools_are_dressed():
    class Mapper:
        size = 5

        @staticmethod
        def map(function, tasks):
            return [function(task) for task in tasks]

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        handle = as_executor(pool)
        assert isinstance(handle.executor, PoolExecutor)
        assert (handle.n_workers, handle.is_owned) == (1, False)
    handle = as_executor(Mapper())
    assert isinstance(handle.executor, MapExecutor)
    assert (handle.n_workers, handle.is_owned) == (5, False)
    with TaskRunner(handle) as runner:
        assert runner.n_workers == 5
        assert runner.map(divmod, [(7, 2), (9, 4)]) == [(3, 1), (2, 1)]


def test_a_mapper_that_fails_fails_its_calls_only():
    class Moody:
        n = 0

        def map(self, function, tasks):
            self.n += 1
            if self.n == 1:
                raise OSError("no network")
            return [function(task) for task in tasks]

    with TaskRunner(Moody()) as runner:
        with pytest.raises(OSError, match="no network"):
            runner.map(abs, [(1,)])
        assert runner.map(abs, [(-1,)]) == [1]


def test_a_handle_stays_itself():
    handle = as_executor(None)
    assert as_executor(handle) is handle


@pytest.mark.parametrize("pool", [0, -2, True, 2.0, "four", object()])
def test_anything_else_is_an_error_that_says_what_is_accepted(pool):
    with pytest.raises(BackendError, match=r"pool is .*type (int|bool|float|str|object).*Accepted"):
        as_executor(pool)


def test_one_pool_serves_both():
    first, second = as_pools(2)
    assert first is second
    first.close()


def test_a_pair_is_divided():
    with ThreadPoolExecutor(2) as pool:
        first, second = as_pools((pool, None))
        assert first.executor is pool
        assert isinstance(second.executor, SerialExecutor)
        first, second = as_pools([None, pool])
        assert isinstance(first.executor, SerialExecutor)
        assert second.executor is pool


def test_more_than_a_pair_is_an_error():
    with pytest.raises(BackendError, match="pool has 3 entries"):
        as_pools((1, 1, 1))


def test_a_closed_handle_refuses():
    handle = as_executor(2)
    handle.close()
    with pytest.raises(BackendError, match="was closed"):
        _ = handle.executor


def test_serial_runner_raises_what_the_task_raises():
    with pytest.raises(ZeroDivisionError, match="zero"):
        TaskRunner().map(divmod, [(1, 0)])


@pytest.mark.parametrize("error", [OSError, TimeoutError, AttributeError, RuntimeError])
def test_a_scheduler_that_does_not_answer_is_no_error_until_the_client_says_so(error):
    def nthreads():
        raise error("ConnectionPool is closed")

    client = SimpleNamespace(status="running", nthreads=nthreads, get_executor=lambda **_: None)
    cluster = DaskCluster(client)
    assert cluster.n_workers() == 1
    cluster.check()
    client.status = "closing"
    with pytest.raises(BackendError, match=r"client is closing, so that no answer will come"):
        cluster.check()


def test_workers_that_dask_gives_up_are_told_and_an_error_if_none_is_left(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr("nautilus.evaluate.foreign.time.monotonic", lambda: now[0])
    started = SimpleNamespace(worker_spec={"a": {}, "b": {}}, workers={"a": None, "b": None})
    client = SimpleNamespace(
        status="running",
        nthreads=lambda: dict.fromkeys(started.workers, 1),
        get_executor=lambda **_: None,
        cluster=started,
    )
    cluster = DaskCluster(client)

    def look(seconds):
        now[0] += seconds
        cluster.check()
        return [record.message for record in caplog.records if "given up" in record.message]

    assert not look(0.0)
    del started.workers["b"]
    assert not look(LOSS_SECONDS)  # since when is only known from now on
    assert not look(LOSS_SECONDS - 1.0)
    (told,) = look(2.0)
    assert told.startswith("The Dask cluster has given up 1 of 2 workers and goes on")
    assert look(3 * LOSS_SECONDS) == [told]
    del started.workers["a"]
    assert look(LOSS_SECONDS) == [told]
    with pytest.raises(BackendError, match=r"given up 2 of 2 workers, so that no answer will come"):
        look(LOSS_SECONDS + 1.0)
    started.worker_spec.clear()  # as who scales a cluster to zero, and up later
    look(3 * LOSS_SECONDS)
