import os
import signal
import subprocess
import sys
import threading

import pytest

from nautilus import Prior, Sampler
from nautilus._signals import Termination, signals_raise

pytestmark = pytest.mark.timeout(60)


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
        with pytest.raises(error, match=r"^$"):
            body()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [lambda *_: None, signal.SIG_IGN])
def test_a_handler_of_the_user_stays(handler):
    signal.signal(signal.SIGTERM, handler)
    with signals_raise():
        assert signal.getsignal(signal.SIGTERM) is handler
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_contexts_nest():
    with signals_raise():
        with signals_raise():
            pass
        with pytest.raises(Termination, match="143"):
            signal.raise_signal(signal.SIGTERM)
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
            time.sleep(60)
        finally:
            os._exit(7)
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=30
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
