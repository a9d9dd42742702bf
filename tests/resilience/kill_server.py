"""Runs processes that are killed; a process of its own, which has everything imported.

Reads one job per line, as JSON, forks a process that carries a run on, and answers with the status
that the process ended with. A job has

- path, log, output: the run file, where calls leave their lines, where the process writes;
- pool, n_recheck: what the sampler is told;
- stop: what kills the process, one of call, statement, disk, time and nothing;
- k, seconds: the number of the call, statement or call to the file system, or the time after which
  it does; with a pool, the number of the call within one worker;
- is_begun: whether the time counts from the beginning of the run, when the workers are there, and
  not from that of the process;
- sleep: seconds that each call of the likelihood takes.
"""

import json
import math
import os
import select
import signal
import sqlite3
import sys
import time
import traceback
import warnings
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import logged_run
from disk import Disk
from logged_run import N_EFF, Log, bits, log_l, make_sampler

from nautilus import StaleLockWarning
from nautilus.checkpoint import Checkpoint
from nautilus.runfile import file


class Countdown:
    """Ends a process for good when it is called for the k-th time."""

    def __init__(self, k):
        self.k, self.pid = k, os.getpid()

    def __call__(self, *_):
        self.k -= 1
        # A worker may be the last one that is left, and its parent's number be that of another.
        if self.k == 0 and self.pid in {os.getpid(), os.getppid()}:
            os.kill(self.pid, signal.SIGKILL)


class Fatal:
    """A likelihood that takes its time and ends the process of the run in one of its calls."""

    def __init__(self, log, countdown, sleep):
        self.log, self.countdown, self.sleep = log, countdown, sleep

    def __call__(self, parameters):
        time.sleep(self.sleep)
        self.countdown()
        return self.log(parameters)


def kill_in_statement(k):
    """End this process at the beginning of the k-th statement of SQLite."""
    countdown = Countdown(k)

    def connect(*arguments, **settings):
        connection = sqlite3.connect(*arguments, **settings)
        connection.set_trace_callback(countdown)
        return connection

    file.sqlite3 = SimpleNamespace(**{**vars(sqlite3), "connect": connect})


def kill_in_disk(folder, k):
    """Return a disk on which the k-th call ends this process, a write when it is half done."""
    countdown = Countdown(k)

    def rule(call, perform):
        if countdown.k == 1 and call.kind == "write":
            perform.func(call.data[: len(call.data) // 2], call.offset)
        countdown()
        return perform()

    disk = Disk(folder)
    disk.rule = rule
    return disk


def tell(log, begun):
    """Let a run leave a line, and close a pipe, when its trial of the likelihood is over."""
    create = Checkpoint.create

    def create_and_tell(*arguments):
        log.note("tried")
        os.close(begun)
        return create(*arguments)

    Checkpoint.create = create_and_tell


def carry_on(job, begun):
    """Do the job, which ends with the bits of the result if nothing kills it."""
    log, path = Log(Path(job["log"])), Path(job["path"])
    log.note("begin")
    tell(log, begun)
    k = job["k"] if job["stop"] == "call" else 0
    likelihood = Fatal(log, Countdown(k), job["sleep"])
    with warnings.catch_warnings(record=True) as caught, ExitStack() as stack:
        warnings.simplefilter("error")
        warnings.simplefilter("always", StaleLockWarning)
        if job["stop"] == "statement":
            kill_in_statement(job["k"])
        elif job["stop"] == "disk":
            stack.enter_context(kill_in_disk(path.parent, job["k"]).mounted())
        sampler = make_sampler(
            likelihood, pool=job["pool"], filepath=path, n_recheck=job["n_recheck"]
        )
        with sampler:
            assert sampler.run(n_eff=N_EFF)
            log.note(f"warnings {len(caught)}")
            log.note(f"end {bits(sampler)}")


def child(job, begun):
    """Do the job in this process, and end it."""
    os.setsid()  # so that it can be seen when its workers have ended
    descriptor = os.open(job["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        carry_on(job, begun)
    except BaseException:  # noqa: BLE001 - nothing may go up to the loop of the server
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def wait(pid, job, begun):
    """Wait for a process, kill it when its time has come, and return its status."""
    is_timed = job["stop"] == "time"
    end = time.monotonic() + job["seconds"] if is_timed and not job["is_begun"] else math.inf
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if is_timed and end == math.inf and select.select([begun], [], [], 0)[0]:
            end = time.monotonic() + job["seconds"]
        if time.monotonic() >= end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def do(job):
    """Fork a process that does the job, and return how it ended."""
    begun, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(begun)
        child(job, write_end)
    os.close(write_end)
    try:
        return {"pid": pid, "status": wait(pid, job, begun)}
    finally:
        os.close(begun)


def main():
    """Do jobs until there are no more."""
    cloudpickle.register_pickle_by_value(logged_run)
    cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    with make_sampler(log_l) as sampler:
        sampler.run(n_like_max=200)  # so that everything is imported
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(do(json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
