"""Workers that die, that hang, and answers that cannot travel."""

import ctypes
import faulthandler
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import cloudpickle
import dask
import numpy as np
import pytest
from distributed import Client, KilledWorker, LocalCluster
from waiting import wait_for

from nautilus import Prior, Sampler
from nautilus.errors import BackendError, LikelihoodError, WorkerLostError
from nautilus.evaluate import chunks, foreign
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood

# Workers cannot import this file; everything in it has to travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.usefixtures("no_process_left")

LINE = np.linspace(0.05, 0.95, 19)[:, np.newaxis].repeat(2, axis=1)
PLACE = 0.75
"""Where on the line the accident happens, the 15th of 19 points."""

OTHERS = np.delete(np.arange(19), 14)
SHORT = 1.0
"""Seconds for calls that hang."""

LONG = pytest.mark.long


class Cube:
    def to_physical(self, points):
        return {"a": points[:, 0], "b": points[:, 1]}


@contextmanager
def loky_pool():
    handle = as_executor(2)
    yield handle
    handle.close()


@contextmanager
def processes(method):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        yield pool


@contextmanager
def dask_cluster(allowed_failures=0, lost_worker_timeout="1 hour"):
    settings = {
        "distributed.scheduler.allowed-failures": allowed_failures,
        "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": "1"},
        "distributed.admin.system-monitor.gil.enabled": False,
        # A worker that is dead so long after one of its deaths is never replaced.
        "distributed.deploy.lost-worker-timeout": lost_worker_timeout,
        "logging.distributed": "critical",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@contextmanager
def serial():
    yield None


POOLS = {
    "serial": serial,
    "threads": threads,
    "loky": loky_pool,
    "spawn": lambda: processes("spawn"),
    "fork": lambda: processes("fork"),
    "dask": dask_cluster,
}


@pytest.fixture
def pool(request):
    with POOLS[request.param]() as pool:
        yield pool


def on(*names):
    return pytest.mark.parametrize("pool", names, indirect=True)


def linger():
    time.sleep(2.0)  # longer than the executor is left alone
    return 0.0


def end_by_exit():
    os._exit(1)


def end_by_sigkill():
    os.kill(os.getpid(), signal.SIGKILL)


def end_by_sigsegv():
    faulthandler.disable()  # a fork would tell the test runner about it
    ctypes.string_at(0)


DEATHS = pytest.mark.parametrize(
    "die", [end_by_exit, end_by_sigkill, end_by_sigsegv], ids=lambda die: die.__name__
)
ONE_DEATH = pytest.mark.parametrize(
    "die",
    [end_by_sigkill, *(pytest.param(die, marks=LONG) for die in (end_by_exit, end_by_sigsegv))],
    ids=lambda die: die.__name__,
)


class Accident:
    """A likelihood with an accident at one place: always, or once if there is a flag file."""

    def __init__(self, happen, flag=None):
        self.happen = happen
        self.flag = flag

    def __call__(self, parameters):
        is_done = self.flag is not None and self.flag.exists()
        if abs(parameters["a"] - PLACE) < 1e-6 and not is_done:
            if self.flag is not None:
                self.flag.touch()
            return self.happen()
        return -parameters["a"]


def collect(evaluator, points=LINE, log_l=None):
    log_l = np.empty(len(points)) if log_l is None else log_l
    log_l[:] = np.nan
    for done in evaluator.evaluate(points):
        assert np.isnan(log_l[done.index]).all()
        log_l[done.index] = done.log_l
    return log_l


def evaluator_of(happen, pool, flag=None, **settings):
    return Evaluator(Likelihood(Accident(happen, flag), Cube(), **settings), pool)


# Deaths -------------------------------------------------------------------------------------


@DEATHS
@on("loky")
def test_a_worker_that_dies_once_costs_nothing(pool, die, tmp_path):
    flag = tmp_path / "died"
    np.testing.assert_array_equal(collect(evaluator_of(die, pool, flag)), -LINE[:, 0])
    assert flag.exists()


@on("loky", "dask")
def test_a_run_with_a_death_has_the_numbers_of_a_run_without(pool, tmp_path):
    flag = tmp_path / "died"

    def log_l(parameters):
        if parameters["a"] > 2.5 and not flag.exists():
            flag.touch()
            end_by_sigkill()
        return -0.5 * (parameters["a"] ** 2 + parameters["b"] ** 2)

    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    prior.add_parameter("b", dist=(-5, 5))

    def found(where):
        sampler = Sampler(prior, log_l, pool=(where, None), n_live=50, n_networks=1, seed=2)
        sampler.run(n_eff=200)
        return sampler.log_z, sampler.n_like, *sampler.posterior()

    with_death = found(pool)
    assert flag.exists()
    for ours, expected in zip(with_death, found(None), strict=True):
        np.testing.assert_array_equal(ours, expected)


@ONE_DEATH
@on("loky", "dask")
def test_a_point_that_always_kills_is_named_after_all_others_are_done(pool, die):
    evaluator = evaluator_of(die, pool)
    found = np.empty(19)
    with pytest.raises(WorkerLostError, match=r"Workers died \d times") as error:
        collect(evaluator, log_l=found)
    assert " 1 point, at a = 0.75, b = 0.75 (in the unit" in str(error.value)
    np.testing.assert_array_equal(found[OTHERS], -LINE[OTHERS, 0])
    assert np.isnan(found[14])
    np.testing.assert_array_equal(collect(evaluator, LINE[:5]), -LINE[:5, 0])


@LONG
def test_a_cluster_of_dask_that_gives_its_workers_up_is_told(monkeypatch, caplog):
    monkeypatch.setattr(foreign, "LOSS_SECONDS", 0.5)
    # So soon no worker is replaced.
    with dask_cluster(lost_worker_timeout="1 ms") as client:
        workers = client.cluster.workers
        slow, deadly = evaluator_of(linger, client), evaluator_of(end_by_sigkill, client)
        with pytest.raises(KilledWorker, match="end_by_sigkill"):
            client.submit(end_by_sigkill).result()
        wait_for(lambda: len(workers) == 1)
        np.testing.assert_array_equal(collect(slow)[OTHERS], -LINE[OTHERS, 0])
        with pytest.raises(BackendError, match=r"given up 2 of 2 workers.*lost-worker-timeout"):
            collect(deadly)
    (told,) = {r.message for r in caplog.records if "given up" in r.message}
    assert told.startswith("The Dask cluster has given up 1 of 2 workers and goes on")


@LONG
@on("loky")
def test_a_likelihood_that_kills_everywhere_is_no_endless_story(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "N_MOST", 1)

    def log_l(parameters):
        if parameters["a"] > 0.2:
            (tmp_path / f"{os.getpid()}").touch()
            end_by_exit()
        return 0.0

    evaluator = Evaluator(Likelihood(log_l, Cube()), pool)
    evaluator.self_test(LINE[:2])
    with pytest.raises(WorkerLostError, match="Workers died 3 times"):
        collect(evaluator)
    assert len(list(tmp_path.iterdir())) <= 12  # of 16 points, each of which would cost three


@DEATHS
@on(pytest.param("spawn", marks=LONG), "fork")
def test_a_pool_of_the_standard_library_breaks_at_once(pool, die, tmp_path):
    evaluator = evaluator_of(die, pool, tmp_path / "died")
    evaluator.self_test(LINE[:2])
    with pytest.raises(BackendError, match=r"The pool broke: .*What was computed .* is kept"):
        collect(evaluator)


@on("fork")
def test_a_broken_pool_is_not_waited_for_while_others_work(pool, tmp_path):
    # Its other worker is in the middle of a call, and was forked while the run raised on SIGTERM.
    flag = tmp_path / "sleeps"

    def log_l(parameters):
        if flag.exists():
            end_by_exit()
        if parameters["a"] > 4.5:
            # The other worker may be at such a point too: only one of them sleeps.
            with suppress(FileExistsError):
                flag.touch(exist_ok=False)
                time.sleep(3600)
            end_by_exit()
        return 0.0

    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    sampler = Sampler(prior, log_l, pool=(pool, None), n_live=50, seed=1)
    with pytest.raises(BackendError, match="The pool broke"):
        sampler.run(n_like_max=500)


# Errors and answers that cannot travel ------------------------------------------------------


class TwoArgumentsError(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class HoldsALockError(Exception):
    """Cannot be pickled."""

    def __init__(self):
        super().__init__("locked")
        self.lock = threading.Lock()


def raise_two_arguments():
    raise TwoArgumentsError("one", "two")


def raise_with_lock():
    raise HoldsALockError


def exhaust_memory():
    resource.setrlimit(resource.RLIMIT_AS, (2**32, resource.RLIM_INFINITY))
    try:
        return float(np.ones(2**33).sum())
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@on("loky", "spawn", "fork", "dask")
def test_an_error_names_the_parameters_wherever_it_was_raised(pool):
    for happen, message in (
        (raise_two_arguments, "TwoArgumentsError: one and two"),
        (raise_with_lock, "HoldsALockError: locked"),
        (exhaust_memory, "MemoryError: Unable to allocate 64.0 GiB"),
    ):
        pattern = rf"The likelihood raised .*{message}.* at a = 0\.75, b = 0\.75"
        with pytest.raises(LikelihoodError, match=pattern) as error:
            collect(evaluator_of(happen, pool))
        assert error.value.parameters == {"a": LINE[14, 0], "b": LINE[14, 1]}
        assert f"in {happen.__name__}" in error.value.remote_traceback


@on("serial", "loky")
def test_a_blob_that_cannot_travel_names_the_parameters(pool):
    likelihood = Likelihood(
        lambda p: (0.0, threading.Lock() if abs(p["a"] - PLACE) < 1e-6 else 1.0), Cube()
    )
    with pytest.raises(LikelihoodError, match=r"blobs that cannot be stored.* at a = 0\.75"):
        collect(Evaluator(likelihood, pool))


@on("loky", "spawn", "dask")
def test_a_likelihood_that_cannot_travel_is_an_error_before_the_run(pool):
    lock = threading.Lock()
    evaluator = Evaluator(Likelihood(lambda p: float(lock.locked()), Cube()), pool)
    with pytest.raises(BackendError, match=r"cannot be sent to other processes: .*lock"):
        evaluator.self_test(LINE[:2])


# Calls that hang ----------------------------------------------------------------------------


def sleep():
    time.sleep(3600)


def loop():
    while True:
        pass


def hold_the_interpreter():
    ctypes.PyDLL(None).sleep(3600)


TOO_SLOW = rf"TimeoutError: the call took longer than call_timeout = {SHORT} s at a = 0\.75"


def check_policies(happen, pool, tmp_path, policies=("raise", "-inf", "retry")):
    for on_error in policies:
        flag = tmp_path / "hung" if on_error == "retry" else None
        evaluator = evaluator_of(happen, pool, flag, call_timeout=SHORT, on_error=on_error)
        if on_error == "raise":
            with pytest.raises(LikelihoodError, match=TOO_SLOW) as error:
                collect(evaluator)
            assert error.value.parameters["a"] == LINE[14, 0]
            continue
        expected = -LINE[:, 0]
        if on_error == "-inf":
            expected[14] = -np.inf
        np.testing.assert_array_equal(collect(evaluator), expected)
        assert flag is None or flag.exists()
        assert evaluator.counts.n_errors == (1 if on_error == "-inf" else is_soft(happen))


def is_soft(happen):
    """Tell whether the call is stopped and not its process, of which nobody counts the errors."""
    return int(happen is not hold_the_interpreter)


@pytest.mark.parametrize("happen", [sleep, pytest.param(loop, marks=LONG)])
@on("serial", "loky", "spawn", "fork")
def test_a_call_that_hangs_is_interrupted(pool, happen, tmp_path):
    check_policies(happen, pool, tmp_path)


@on("threads", "dask")
def test_a_loop_that_hangs_in_a_thread_is_interrupted(pool, tmp_path):
    check_policies(loop, pool, tmp_path)


@pytest.mark.parametrize("on_error", [pytest.param("-inf", marks=LONG), "retry"])
@on("loky")
def test_a_worker_of_ours_that_hangs_for_good_is_ended(pool, on_error, tmp_path):
    check_policies(hold_the_interpreter, pool, tmp_path, [on_error])


@on("dask")
def test_a_worker_of_dask_that_sleeps_for_good_is_ended(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "N_MOST", 1)
    check_policies(sleep, pool, tmp_path, ["raise"])


@on("spawn")
def test_a_worker_of_the_standard_library_that_hangs_for_good_breaks_its_pool(pool):
    evaluator = evaluator_of(hold_the_interpreter, pool, call_timeout=SHORT)
    with pytest.raises(BackendError, match="The pool broke"):
        collect(evaluator)


def test_a_pool_forked_before_the_import_by_a_process_with_a_watchdog_can_have_limits():
    script = """
import faulthandler, multiprocessing
faulthandler.dump_traceback_later(3600, exit=True)
pool = multiprocessing.get_context("fork").Pool(2)
from nautilus import Prior, Sampler
prior = Prior()
prior.add_parameter("a", dist=(-5, 5))
limits = {"pool": (pool, None), "call_timeout": 600.0}
sampler = Sampler(prior, lambda p: -p["a"] ** 2, n_live=50, seed=1, **limits)
sampler.run(n_like_max=100)
print(sampler.n_like)
pool.terminate()
pool.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("100\n", "")


@on("fork")
def test_a_fork_of_a_process_with_a_watchdog_can_have_limits(pool):
    # As pytest arms it, but not all who run pytest do.
    faulthandler.dump_traceback_later(3600, exit=True)
    try:
        evaluator = evaluator_of(loop, pool, call_timeout=SHORT, on_error="-inf")
        assert collect(evaluator)[14] == -np.inf
    finally:
        faulthandler.cancel_dump_traceback_later()
