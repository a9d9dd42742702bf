import faulthandler
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from nautilus import Prior, Sampler
from nautilus._signals import Termination, signals_raise, signals_wait
from nautilus.evaluate.backends import ExecutorHandle
from nautilus.evaluate.flight import Flight, Job
from nautilus.runfile import read_run


@pytest.fixture(autouse=True)
def default_handler():
    old = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, old)


def test_termination_is_an_exit_with_the_status_of_the_signal():
    with pytest.raises(Termination, match="143") as error, signals_raise():
        signal.raise_signal(signal.SIGTERM)
    assert isinstance(error.value, SystemExit)
    assert error.value.code == 128 + signal.SIGTERM


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_handler_is_put_back(error):
    def body():
        with signals_raise():
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(error, match=r"^(130)?$"):
            body()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [lambda *_: None, signal.SIG_IGN])
def test_a_handler_of_the_user_stays(handler):
    signal.signal(signal.SIGTERM, handler)
    with signals_raise():
        assert signal.getsignal(signal.SIGTERM) is handler
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is handler


SCRIPT = """
import os, signal, sys
from nautilus import Prior, Sampler

def log_l(parameters):
    calls.append(parameters)
    if len(calls) == 180:
        os.kill(os.getpid(), signal.NUMBER)
    return 0.0

calls = []
prior = Prior()
prior.add_parameter("a")
sampler = Sampler(prior, log_l, n_live=50, seed=1, filepath=FILEPATH)
try:
    sampler.run(n_like_max=400)
except CAUGHT as error:
    print(type(error).__mro__[1].__name__)
    raise
"""


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize(
    ("name", "caught"),
    [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit"), ("SIGUSR1", "SystemExit")],
)
def test_a_script_ends_with_the_status_of_the_signal_and_a_word(name, caught, is_saved, tmp_path):
    path = tmp_path / "run.nautilus"
    script = SCRIPT.replace("FILEPATH", repr(str(path)) if is_saved else "None")
    script = script.replace("NUMBER", name).replace("CAUGHT", caught)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    number = getattr(signal, name)
    assert done.returncode == 128 + number
    assert done.stdout == ("Termination\n" if name == "SIGINT" else "SystemExit\n")
    found = re.fullmatch(r"nautilus: interrupted after (\d+) evaluations, (.*)\n", done.stderr)
    assert found, done.stderr
    if is_saved:
        assert found[2] == f"saved in {path}. Run the same script again to continue."
        assert read_run(path).state.n_like == int(found[1]) > 0
    else:
        assert "in memory only" in found[2]


def test_a_word_that_saving_failed_is_true(tmp_path):
    path = tmp_path / "run.nautilus"
    script = SCRIPT.replace("FILEPATH", repr(str(path))).replace("NUMBER", "SIGTERM")
    fail = """
from nautilus import CheckpointStorageError, checkpoint
from nautilus.evaluate import chunks
from nautilus.runfile import RunStore

checkpoint.SAVE_SHARE = 1e-12  # nothing is saved within a stage
chunks.N_MOST = 5

def save(self, state, *rest, before=RunStore.save):
    if len(calls) >= 180:
        raise CheckpointStorageError("the disk is full.")
    before(self, state, *rest)

RunStore.save = save
"""
    done = subprocess.run(
        [sys.executable, "-c", fail + script.replace("CAUGHT", "SystemExit")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 143
    found = re.search(
        r"after (\d+) evaluations, of which (\d+) are saved in .*is full\.", done.stderr
    )
    assert found, done.stderr
    assert read_run(path).state.n_like == int(found[2]) < int(found[1])


def test_a_word_before_there_is_a_file_is_true(tmp_path):
    script = SCRIPT.replace("FILEPATH", repr(str(tmp_path / "run.nautilus")))
    script = script.replace("NUMBER", "SIGTERM").replace("== 180", "== 3")
    done = subprocess.run(
        [sys.executable, "-c", script.replace("CAUGHT", "SystemExit")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert re.search(r"after 0 evaluations, before .* was made\.", done.stderr)
    assert not (tmp_path / "run.nautilus").exists()


def test_the_last_save_is_not_cut_short(tmp_path):
    """Two more signals come while it goes on; a fourth one would end it."""
    path = tmp_path / "run.nautilus"
    script = SCRIPT.replace("FILEPATH", repr(str(path))).replace("NUMBER", "SIGTERM")
    interrupt = """
import os, signal
from nautilus.runfile import RunStore

def save(self, state, *rest, before=RunStore.save):
    if len(calls) >= 180:
        os.kill(os.getpid(), signal.SIGINT)
    before(self, state, *rest)

RunStore.save = save
"""
    done = subprocess.run(
        [sys.executable, "-c", interrupt + script.replace("CAUGHT", "OSError")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 143
    found = re.fullmatch(r"nautilus: interrupted after (\d+) evaluations, saved .*\n", done.stderr)
    assert found, done.stderr
    assert read_run(path).state.n_like == int(found[1]) > 0


def test_who_sends_many_signals_does_not_wait():
    seen = []

    def body():
        with signals_raise(), signals_wait():
            for n in range(3):
                signal.raise_signal(signal.SIGTERM)
                seen.append(n)

    with pytest.raises(Termination, match="143"):
        body()
    assert seen == [0, 1]


def test_a_signal_that_waited_is_raised_at_the_end():
    seen = []

    def body():
        with signals_raise(), signals_wait():
            signal.raise_signal(signal.SIGTERM)
            seen.append("done")

    with pytest.raises(Termination, match="143"):
        body()
    assert seen == ["done"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nobody knows of handlers in C")
def test_a_handler_in_compiled_code_stays(tmp_path):
    with (tmp_path / "stacks").open("w") as file:
        faulthandler.register(signal.SIGUSR1, file=file)
        try:
            with signals_raise():
                signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)
        finally:
            faulthandler.unregister(signal.SIGUSR1)
    assert (tmp_path / "stacks").read_text().count("Current thread") == 2


def test_where_somebody_types_an_interrupt_is_one(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(KeyboardInterrupt) as error, signals_raise():  # noqa: PT011 - has no text
        signal.raise_signal(signal.SIGINT)
    assert type(error.value) is KeyboardInterrupt


@pytest.mark.parametrize("is_typed", [True, False])
def test_the_interrupt_of_a_worker_is_ours(is_typed, monkeypatch):
    if is_typed:
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(KeyboardInterrupt) as error, signals_raise():  # noqa: PT011 - has no text
        raise KeyboardInterrupt
    assert isinstance(error.value, Termination) != is_typed
    if not is_typed:
        assert error.value.code == 130


def test_contexts_nest():
    def body():
        with signals_raise():
            with signals_raise():
                pass
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Termination, match="143"):
        body()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_other_threads_install_nothing():
    found = []

    def look():
        with signals_raise():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_process_that_forks_from_a_run_can_be_terminated():
    # Pools of the standard library end their workers so, and wait until they are gone.
    script = """
import os, signal, time
from nautilus._signals import signals_raise

ready, tell = os.pipe()
with signals_raise():
    child = os.fork()
    if child == 0:
        try:
            os.write(tell, b"1")
            time.sleep(3600)
        finally:
            os._exit(7)
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) == -signal.SIGTERM


def test_a_likelihood_cannot_swallow_termination():
    def log_l(parameters):
        if len(calls) == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        calls.append(parameters)
        return 0.0

    calls = []
    prior = Prior()
    prior.add_parameter("a")
    sampler = Sampler(prior, log_l, n_live=50, seed=1, on_error="-inf")
    with pytest.raises(Termination, match="143"):
        sampler.run(n_like_max=200)
    assert len(calls) == 20
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class Dropping:
    """Python prints and drops what its finaliser raises."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def drop():
    Dropping()


def catch():
    with suppress(BaseException):
        os.kill(os.getpid(), signal.SIGTERM)


def raise_another():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException as error:
        raise ValueError from error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("lose", [drop, catch, raise_another])
@pytest.mark.parametrize("vectorized", [False, True])
def test_what_a_likelihood_returns_that_lost_a_signal_is_no_answer(lose, vectorized, tmp_path):
    def log_l(parameters):
        calls.append(parameters)
        if len(calls) == 20:
            lose()
            return np.full(np.shape(parameters["a"]), -np.inf)
        return -0.5 * parameters["a"] ** 2

    def sampler():
        options = {"vectorized": True, "n_batch": 5} if vectorized else {}
        return Sampler(
            prior, log_l, n_live=50, seed=1, filepath=tmp_path / "run", on_error="-inf", **options
        )

    prior = Prior()
    prior.add_parameter("a")
    calls = []
    with sampler() as interrupted, pytest.raises(Termination, match="143"):
        interrupted.run(n_like_max=200)
    assert len(calls) == 20
    with sampler() as continued:
        continued.run(n_like_max=200)
        assert np.isfinite(continued.result.log_l).all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_was_lost_while_calls_are_waited_for_ends_the_run():
    def look_around():
        # As a finaliser that runs at that moment.
        if future.running():
            Dropping()
        return False

    handle = ExecutorHandle(lambda: executor, 1)
    future, executor = Future(), Mock()
    future.set_running_or_notify_cancel()
    executor.submit.return_value = future
    jobs = iter([Job("a", abs, (1,))])

    def body():
        flight = Flight(handle, str, grace=0.0, is_over=look_around)
        with signals_raise(), flight:
            flight.fill(lambda: next(jobs, None), 1)
            flight.collect()

    with pytest.raises(Termination, match="143"):
        body()
