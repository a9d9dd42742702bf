"""The example runs as its first lines say, and gives the same numbers on every pool."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from nautilus.evaluate.backends import as_executor

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "parallel.py"
LAUNCHER = os.environ.get("MPIEXEC", str(Path(sys.executable).parent / "mpiexec"))
COMMAND = re.compile(r"^ +((?:mpiexec|python) .*?)(?: +#.*)?$", re.MULTILINE)
FULL = (
    "OMPI_ALLOW_RUN_AS_ROOT",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
    "OMPI_MCA_rmaps_base_oversubscribe",
)


def commands():
    text = EXAMPLE.read_text(encoding="utf-8").split('"""')[1]
    return COMMAND.findall(text)


def run(command):
    """Run a command of the example's first lines, only shorter, and return what it prints."""
    programs = {"python": sys.executable, "mpiexec": LAUNCHER, "examples/parallel.py": str(EXAMPLE)}
    words = [programs.get(word, word) for word in command.split()]
    done = subprocess.run(
        [*words, "--sleep", "0", "--n-eff", "300"],
        env=os.environ | dict.fromkeys(FULL, "1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def serial():
    return run("python examples/parallel.py")


def test_all_pools_are_shown():
    shown = {(re.findall(r"--pool (\w+)", command) or ["serial"])[0] for command in commands()}
    assert len(shown) == len(commands()) >= 11
    choices = set(
        re.findall(r'^    "(\w+)": \w+,$', EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert shown == choices


QUICK = ("processes", "mpi")
"""Pools whose scripts are run each time; the contract of the others is tested elsewhere too."""


def with_pools():
    """Return the commands with a pool; those that are not run each time are marked."""
    for command in commands():
        for name in re.findall(r"--pool (\w+)", command):
            yield pytest.param(command, marks=() if name in QUICK else pytest.mark.long)


@pytest.mark.parametrize("command", list(with_pools()))
def test_the_numbers_are_those_of_a_serial_run(command, serial):
    log_z, calls = serial.splitlines()[1:]
    assert "calls" in calls
    assert run(command).splitlines()[1:] == [log_z, calls]


CLUSTERS = (pytest.param(name, marks=pytest.mark.long) for name in ("dask", "ray", "ipyparallel"))
LOCAL = ("processes", "threads", "executor", "multiprocessing", "joblib", *CLUSTERS)


@pytest.mark.parametrize("name", LOCAL)
def test_a_pool_has_as_many_workers_as_asked_for(name):
    with runpy.run_path(str(EXAMPLE))["OPENERS"][name](3) as pool:
        assert as_executor(pool).n_workers == 3
