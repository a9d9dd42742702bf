import contextlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nautilus.evaluate.limit import EXIT_STATUS, Ending, Expired, TimeLimit

LONG = 600
"""Seconds that no test waits for."""


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


def limited(seconds, function, *args):
    """Say how a call ended: with its value or expired."""
    try:
        return TimeLimit(seconds, Ending.NEVER).call(function, *args)
    except Expired:
        return "expired"


def in_thread(function, *args):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def directly(function, *args):
    return function(*args)


def watchers():
    return [thread for thread in threading.enumerate() if thread.name == "nautilus-limit"]


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = signal.getsignal(signal.SIGUSR2)
    yield
    for thread in watchers():
        thread.join(LONG)
    assert not watchers()
    assert signal.getsignal(signal.SIGUSR2) is before


@pytest.mark.parametrize("seconds", [None, LONG])
@pytest.mark.parametrize("where", [directly, in_thread])
def test_a_call_within_its_limit_is_a_call(where, seconds):
    limit = TimeLimit(seconds, Ending.NEVER)
    assert where(limit.call, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError, match="zero"):
        where(TimeLimit(seconds, Ending.NEVER).call, divmod, 7, 0)


def test_names_of_arguments_are_free():
    def function(**given):
        return given

    given = {"seconds": 1, "function": 2}
    assert TimeLimit(LONG, Ending.NEVER).call(function, **given) == given


def test_a_sleep_of_the_main_thread_is_interrupted():
    start = time.monotonic()
    assert limited(0.1, time.sleep, LONG) == "expired"
    assert time.monotonic() < start + LONG


@pytest.mark.parametrize("where", [directly, in_thread])
def test_a_loop_is_interrupted(where):
    assert where(limited, 0.1, spin, LONG) == "expired"


def test_code_that_drops_the_error_is_asked_again():
    def stubborn():
        try:
            spin(LONG)
        except BaseException:  # noqa: BLE001 - the user's code as it should not be
            return spin(LONG)

    assert limited(0.05, stubborn) == "expired"


@pytest.mark.parametrize("where", [directly, in_thread])
def test_an_answer_that_comes_too_late_does_not_count(where):
    def deaf():
        with contextlib.suppress(BaseException):
            spin(LONG)
        return "done"

    assert where(limited, 0.05, deaf) == "expired"


def test_a_thread_that_hears_no_signals_is_interrupted_at_its_next_step():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        assert limited(0.05, spin, LONG) == "expired"
        assert limited(0.05, time.sleep, 0.5) == "expired"
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])


@pytest.mark.parametrize("where", [directly, in_thread])
def test_nothing_is_raised_once_the_call_is_over(where):
    def around_the_limit():
        found = {"done": 0, "expired": 0}
        for i in range(400):
            found[limited(0.001, spin, i % 50 * 2e-4)] += 1
            spin(2e-4)  # would be interrupted by what comes too late
        return found

    found = where(around_the_limit)
    assert found["expired"] > 20
    assert found["done"] > 20


def test_the_handler_of_the_user_is_put_back_and_hears_other_signals():
    heard = []

    def handler(number, frame):
        heard.append(number)

    def call():
        signal.raise_signal(signal.SIGUSR2)
        spin(LONG)

    old = signal.signal(signal.SIGUSR2, handler)
    try:
        assert limited(0.1, call) == "expired"
        assert signal.getsignal(signal.SIGUSR2) is handler
        assert heard == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, old)


@pytest.mark.parametrize("where", [directly, in_thread])
def test_limits_nest(where):
    def inner_first():
        return limited(0.05, spin, LONG), limited(LONG, spin, 0)

    assert where(limited, LONG, inner_first) == ("expired", "done")


def test_a_limit_reaches_through_another_one():
    def inner_never_ends():
        TimeLimit(LONG, Ending.NEVER).call(time.sleep, LONG)

    start = time.monotonic()
    assert limited(0.1, inner_never_ends) == "expired"
    assert time.monotonic() < start + LONG


SCRIPT = """
import ctypes, threading, time
from nautilus.evaluate.limit import Ending, Expired, TimeLimit

def hold_the_interpreter():
    ctypes.PyDLL(None).sleep(3600)

def sleep():
    time.sleep(3600)

def call():
    try:
        TimeLimit(0.1, Ending.{ending}).call({function})
    except Expired:
        time.sleep(1.5)
        print("stopped")

thread = threading.Thread(target=call)
{run}
"""
IN_MAIN_THREAD = "call()"
IN_THREAD = "thread.start(); thread.join()"


def end_of(ending, function, run):
    script = SCRIPT.format(ending=ending.name, function=function, run=run)
    return subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )


def test_a_thread_ends_the_process_of_a_call_that_cannot_be_interrupted():
    ended = end_of(Ending.BY_THREAD, "sleep", IN_THREAD)
    assert (ended.returncode, ended.stdout, ended.stderr) == (EXIT_STATUS, "", "")


def test_faulthandler_ends_a_process_whose_interpreter_is_held():
    ended = end_of(Ending.BY_FAULTHANDLER, "hold_the_interpreter", IN_MAIN_THREAD)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "in hold_the_interpreter" in ended.stderr


@pytest.mark.parametrize("ending", list(Ending))
def test_a_process_outlives_a_call_that_stops(ending):
    ended = end_of(ending, "sleep", IN_MAIN_THREAD)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "stopped\n", "")
