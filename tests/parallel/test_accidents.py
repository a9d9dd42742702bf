"""Signals to a script in the middle of a batch: what it can do afterwards, and who is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

import nautilus

pytestmark = pytest.mark.usefixtures("no_process_left")

POOLS = {
    "serial": "nullcontext()",
    "loky": "nullcontext(2)",
    "spawn": "ProcessPoolExecutor(2, mp_context=get_context('spawn'))",
    "fork": "ProcessPoolExecutor(2, mp_context=get_context('fork'))",
    "forkserver": "ProcessPoolExecutor(2, mp_context=get_context('forkserver'))",
    "dask": "dask_client()",
}

LONG = 1e6
GRACE = {"loky": 0.5}
"""Seconds that calls may still take after a signal, where they need not be waited for."""

SCRIPT = """
import contextlib, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from nautilus import Prior, Sampler

folder = Path(sys.argv[1])

class LogL:
    def __init__(self, folder, n_workers):
        self.folder = folder
        self.n_workers = n_workers

    def __call__(self, parameters):
        # Once, in the middle of a batch, calls wait until the signal has come.
        (self.folder / f"worker-{os.getpid()}").touch()
        are_all_there = len([*self.folder.glob("worker-*")]) >= self.n_workers
        if not are_all_there:
            time.sleep(0.02)  # pools of the standard library start a second when the first is busy
        if parameters["a"] > 2.5 and are_all_there and not (self.folder / "go_on").exists():
            name = f"{os.getpid()}-{parameters['a']}"
            (self.folder / f"begun-{name}").touch()
            (self.folder / "waits").touch()
            while not (self.folder / "go_on").exists():
                time.sleep(0.02)
            (self.folder / f"ended-{name}").touch()
        return -0.5 * (parameters["a"] ** 2 + parameters["b"] ** 2)

@contextlib.contextmanager
def dask_client():
    import dask
    from distributed import Client, LocalCluster
    dask.config.set({"logging.distributed": "critical"})
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client

def main():
    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    prior.add_parameter("b", dist=(-5, 5))
    with POOL as pool:
        sampler = Sampler(
            prior, LogL(folder, N_WORKERS), pool=(pool, None), n_live=50, n_networks=1, seed=2
        )
        with sampler:
            try:
                sampler.run(n_eff=200, grace=GRACE)
            except CAUGHT as error:
                print(type(error).__name__, sampler.n_like, flush=True)
                (folder / "go_on").touch()
                sampler.run(n_eff=200)
            print(sampler.n_like, float(sampler.log_z).hex(), flush=True)

if __name__ == "__main__":
    main()
"""


def write(folder, pool, caught, grace=LONG):
    n_workers = 1 if pool == "serial" else 2
    text = SCRIPT.replace("POOL", POOLS[pool]).replace("N_WORKERS", str(n_workers))
    text = text.replace("GRACE", str(grace))
    path = folder / "script.py"
    path.write_text(text.replace("CAUGHT", caught))
    return path


@pytest.fixture
def start(tmp_path):
    """Start a script in a session of its own, as a terminal does, and wait for the batch."""
    scripts = []

    def begin(pool, caught, grace=LONG):
        path = write(tmp_path, pool, caught, grace)
        script = subprocess.Popen(
            [sys.executable, path, tmp_path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        scripts.append(script)
        wait_for(lambda: (tmp_path / "waits").exists() or script.poll() is not None)
        assert script.poll() is None, script.communicate()
        return script

    yield begin
    for script in scripts:  # if the test has failed
        if script.poll() is None:
            os.killpg(script.pid, signal.SIGKILL)
            script.communicate()


def workers_of(script):
    return psutil.Process(script.pid).children(recursive=True)


def is_gone(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def see_them_go(workers):
    wait_for(lambda: all(map(is_gone, workers)))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Return what the script prints when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "go_on").touch()
    path = write(folder, "serial", "()")
    done = subprocess.run(
        [sys.executable, path, folder], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("pool", "number"),
    [
        ("serial", signal.SIGINT),
        pytest.param("serial", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("loky", signal.SIGINT, marks=pytest.mark.long),
        ("loky", signal.SIGTERM),
        pytest.param("spawn", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("spawn", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("fork", signal.SIGINT, marks=pytest.mark.long),
        ("fork", signal.SIGTERM),
        pytest.param("forkserver", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("dask", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("dask", signal.SIGTERM, marks=pytest.mark.long),
    ],
)
def test_a_script_that_catches_a_signal_goes_on_with_the_same_numbers(
    tmp_path, start, expected, pool, number
):
    script = start(pool, "(KeyboardInterrupt, SystemExit)", GRACE.get(pool, LONG))
    workers = workers_of(script)
    script.send_signal(number)
    if pool not in GRACE:
        (tmp_path / "go_on").touch()
    out, err = script.communicate()
    # At the end loky may speak of a lock that is gone, and Dask of a scheduler that is; there is
    # no traceback through our files or the script.
    assert script.returncode == 0
    assert str(Path(nautilus.__file__).parent) not in err, err
    assert "script.py" not in err, err
    before, after = (line.split() for line in out.splitlines())
    assert before[0] == ("Interruption" if number == signal.SIGINT else "Termination")
    assert int(before[1]) < int(after[0])
    assert " ".join(after) == expected
    see_them_go(workers)


@pytest.mark.parametrize(
    ("pool", "number"),
    [
        pytest.param("serial", signal.SIGINT, marks=pytest.mark.long),
        ("serial", signal.SIGTERM),
        ("loky", signal.SIGINT),
        pytest.param("loky", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("spawn", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("spawn", signal.SIGTERM, marks=pytest.mark.long),
        ("fork", signal.SIGINT),
        pytest.param("fork", signal.SIGTERM, marks=pytest.mark.long),
        ("dask", signal.SIGTERM),
    ],
)
def test_a_script_that_does_not_ends_with_all_its_workers(tmp_path, start, pool, number):
    script = start(pool, "()", GRACE.get(pool, LONG))
    workers = workers_of(script)
    assert bool(workers) == (pool != "serial")
    if number == signal.SIGINT:
        os.killpg(script.pid, number)  # as Ctrl-C does
    else:
        script.send_signal(number)  # as batch systems do
    if pool not in GRACE:
        (tmp_path / "go_on").touch()
    script.communicate()
    assert script.returncode == 128 + number
    see_them_go(workers)


@pytest.mark.parametrize("pool", ["loky", "spawn", "fork"])
def test_calls_under_way_survive_the_warning_of_a_batch_system(tmp_path, start, pool):
    script = start(pool, "()")
    os.killpg(script.pid, signal.SIGUSR1)  # as such systems do: to all processes of the job
    (tmp_path / "go_on").touch()
    err = script.communicate()[1]
    assert script.returncode == 128 + signal.SIGUSR1
    assert "interrupted after" in err
    begun = {path.name.removeprefix("begun-") for path in tmp_path.glob("begun-*")}
    assert begun
    assert begun == {path.name.removeprefix("ended-") for path in tmp_path.glob("ended-*")}


SLOW = (pytest.param(name, marks=pytest.mark.long) for name in ("spawn", "forkserver"))


@pytest.mark.parametrize("pool", ["loky", "fork", "dask", *SLOW])
def test_workers_end_when_their_script_is_killed(start, pool):
    script = start(pool, "()")
    workers = workers_of(script)
    assert len(workers) >= 2
    script.kill()
    script.communicate()
    see_them_go(workers)
