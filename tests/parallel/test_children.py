"""Likelihoods that start processes of their own, and end them."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import starts_processes

from nautilus import Prior, Sampler
from nautilus.errors import BackendError

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="nothing is inherited where nothing forks"
)


def start(*arguments):
    return subprocess.run(
        [sys.executable, starts_processes.__file__, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )


def output_of(*arguments):
    done = start(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def expected():
    return output_of("do_nothing", "fork", "None")


@pytest.mark.parametrize("pool", ["None", "2", "threads"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_that_a_likelihood_starts_can_be_ended(method, pool, expected):
    assert output_of("use_processes", method, pool) == expected


@pytest.mark.parametrize("pool", ["None", "2"])
def test_programs_that_a_likelihood_starts_can_be_ended(pool, expected):
    assert output_of("use_program", "fork", pool) == expected


def test_workers_start_processes_as_the_script_does(expected):
    assert output_of("use_default", "forkserver", 2) == expected


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_what_a_likelihood_starts_inherits_no_handler_and_no_mask(tmp_path):
    path = tmp_path / "signals"
    output_of("look_at_signals", path, "None")
    alone = subprocess.run(
        [sys.executable, "-c", "import starts_processes as s; print(s.signals_of_children())"],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(starts_processes.__file__).parent,
    )
    assert path.read_text() == alone.stdout.strip()


@pytest.mark.parametrize("method", ["alone", "beside a thread in C"])
def test_a_signal_that_comes_while_a_likelihood_forks_ends_the_run(method, tmp_path):
    done = start("end_while_forking", method, "None", tmp_path / "run.nautilus")
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert "interrupted after" in done.stderr


def run_with_a_pool(send, sampler=None):
    prior = Prior()
    prior.add_parameter("a")
    try:
        sampler = sampler or Sampler(prior, abs, pool=2)
        sampler.run(n_like_max=100)
    except BackendError as error:
        send(str(error))


@pytest.mark.parametrize("is_made_before", [True, False])
def test_a_daemonic_process_is_told_to_do_without_others(is_made_before):
    prior = Prior()
    prior.add_parameter("a")
    sampler = Sampler(prior, abs, pool=2) if is_made_before else None
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=run_with_a_pool, args=(there.send, sampler), daemon=True
    )
    process.start()
    assert here.poll(200)
    assert re.search(r"pool is 2, but .* is daemonic.* Use pool=None here", here.recv())
    process.join()
