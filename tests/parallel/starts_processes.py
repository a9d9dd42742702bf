"""A script whose likelihood starts processes: what it does, by which method, on which pool."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

SLOW_SECONDS = 0.3
"""What a forked child needs before it begins: it is sent SIGTERM within that time."""


def do_nothing(method, value):
    del method
    return abs(value)


def use_processes(method, value):
    """Start processes in all the ways of a method, and end them."""
    use_pool(method, value)
    use_process(method, value)
    return use_executor(method, value)


def use_pool(method, value):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(abs, [value, -value])[1]


def use_executor(method, value):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        return next(pool.map(abs, [value]))


def use_process(method, value):
    context = multiprocessing.get_context(method)
    process = context.Process(target=time.sleep, args=(3600,))
    process.start()
    process.terminate()
    process.join()
    assert process.exitcode == -signal.SIGTERM, process.exitcode
    return abs(value)


def use_program(method, value):
    del method
    with subprocess.Popen(["sleep", "3600"]) as program:
        program.terminate()
    assert program.returncode == -signal.SIGTERM
    return abs(value)


def use_default(method, value):
    """Start processes as the script says that they are to be started."""
    assert multiprocessing.get_start_method() == method
    with multiprocessing.Pool(1) as pool:
        return pool.map(abs, [value])[0]


def end_while_forking(method, value):
    """Be asked to end at the moment of a fork, before the parent goes on."""
    if method == "beside a thread in C":
        start_thread_in_c()
    for_next_fork.append(lambda: os.kill(os.getpid(), signal.SIGTERM))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return abs(value)


def start_thread_in_c():
    """Start a thread of which Python knows nothing, and that blocks no signal."""
    library = ctypes.CDLL(None)
    thread = ctypes.c_ulong()
    function = ctypes.cast(library.sleep, ctypes.c_void_p)
    library.pthread_create(ctypes.byref(thread), None, function, ctypes.c_void_p(3600))


def look_at_signals(method, value):
    """Leave what is blocked, ignored and caught in a process and in a program."""
    Path(method).write_text(signals_of_children())
    return abs(value)


def signals_of_children():
    of_program = subprocess.run(
        ["cat", "/proc/self/status"], check=True, capture_output=True, text=True
    ).stdout
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, Path("/proc/self/status").read_bytes())
        os._exit(0)
    os.waitpid(child, 0)
    of_process = os.read(read, 100_000).decode()
    lines = (of_program + of_process).splitlines()
    return "\n".join(line for line in lines if line.startswith(("SigBlk", "SigIgn", "SigCgt")))


for_next_fork = []
calls = []


def call_hooks():
    while for_next_fork:
        for_next_fork.pop()()


def log_l(parameters, what_to_do, method):
    calls.append(parameters)
    value = float(parameters["a"])
    if len(calls) == 1:
        value = what_to_do(method, value)
    return -0.5 * value * value


def main(what, method, pool, path=None):
    # Called in the order in which they are registered, before those of the package.
    os.register_at_fork(after_in_child=lambda: time.sleep(SLOW_SECONDS), after_in_parent=call_hooks)
    from nautilus import Prior, Sampler  # noqa: PLC0415 - what is started does without

    if what == "use_default":
        multiprocessing.set_start_method(method)
    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    with ThreadPoolExecutor(2) as threads:
        for_calls = {"threads": threads, "2": 2}.get(pool)
        with Sampler(
            prior, log_l, pool=(for_calls, None), n_live=50, seed=1, filepath=path,
            likelihood_kwargs={"what_to_do": globals()[what], "method": method},
        ) as sampler:  # fmt: skip
            sampler.run(n_like_max=100)
            sys.stdout.write(f"{sampler.log_z.hex()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
