"""Where users type: scripts with and without a guard, notebooks; and what they pass."""

import functools
import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel
from waiting import SECONDS

import nautilus
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood

# Workers cannot import this file; everything in it has to travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.usefixtures("no_process_left")

SETTINGS = "n_live=50, n_networks=1, seed=2"

DEFINITIONS = f"""
import os
import numpy as np
from nautilus import Prior, Sampler

prior = Prior()
prior.add_parameter("a", dist=(-5, 5))
here = os.getpid()
offset = np.array([0.5])

class Width:
    value = 2.0

def shifted(a):
    return a - offset[0]

def log_l(parameters):
    return -0.5 * (shifted(parameters["a"]) / Width.value) ** 2, os.getpid() == here

def answer(pool):
    with Sampler(prior, log_l, pool=pool, {SETTINGS}) as sampler:
        sampler.run(n_eff=100)
        was_here = sampler.posterior(return_blobs=True)[3]
        return sampler.n_like, float(sampler.log_z).hex(), bool(was_here.any())
"""
CALL = "print(*answer(2))\n"


@pytest.fixture(scope="module")
def expected():
    """Return what all of them print: serial numbers, from calls in another process."""
    names = {}
    exec(DEFINITIONS, names)
    n_like, log_z, was_here = names["answer"](None)
    assert was_here
    return f"{n_like} {log_z} False\n"


def python(*args, **kwargs):
    done = subprocess.run(
        [sys.executable, *args], check=False, capture_output=True, text=True, **kwargs
    )
    assert done.returncode == 0, done.stderr
    # At the end loky may speak of a lock that is gone.
    assert str(Path(nautilus.__file__).parent) not in done.stderr, done.stderr
    return done.stdout


def test_a_script_needs_no_guard(tmp_path, expected):
    path = tmp_path / "script.py"
    path.write_text(DEFINITIONS + CALL)
    assert python(path) == expected


def test_a_script_with_a_guard_can_have_one(tmp_path, expected):
    path = tmp_path / "script.py"
    path.write_text(f'{DEFINITIONS}\nif __name__ == "__main__":\n    {CALL}')
    assert python(path) == expected


def test_a_script_may_come_from_standard_input(tmp_path, expected):
    assert python("-", input=DEFINITIONS + CALL, cwd=tmp_path) == expected


def test_a_script_may_come_on_the_command_line(tmp_path, expected):
    assert python("-c", DEFINITIONS + CALL, cwd=tmp_path) == expected


def test_a_script_may_be_a_module_that_is_run(tmp_path, expected):
    (tmp_path / "a_module.py").write_text(DEFINITIONS + CALL)
    assert python("-m", "a_module", cwd=tmp_path) == expected


def test_a_module_beside_the_script_is_imported_by_workers(tmp_path, expected):
    (tmp_path / "a_module.py").write_text(DEFINITIONS)
    (tmp_path / "script.py").write_text("from a_module import answer\n" + CALL)
    # There `here` is the number of the worker.
    assert python(tmp_path / "script.py") == expected.replace("False", "True")


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(SECONDS, kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_cells_of_a_notebook(kernel, expected):
    printed = []

    def note(message):
        content = message["content"]
        assert message["msg_type"] != "error", "\n".join(content["traceback"])
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            printed.append(content["text"])

    for cell in (DEFINITIONS, CALL, "Width.value = 1.0", CALL, "Width.value = 2.0", CALL):
        reply = kernel.execute_interactive(cell, timeout=SECONDS, output_hook=note)
        assert reply["content"]["status"] == "ok"
    first, changed, again = "".join(printed).splitlines(keepends=True)
    assert first == again == expected
    assert changed != expected  # a cell that was run again counts


# What is passed -----------------------------------------------------------------------------


class Cube:
    def to_physical(self, points):
        return {"a": points[:, 0]}


class Model:
    """Has data of 8 MB, and is a likelihood in several ways."""

    def __init__(self):
        self.data = np.arange(1e6)

    def method(self, parameters):
        return parameters["a"] * self.data[-1]

    __call__ = method

    @classmethod
    def of_class(cls, parameters):
        return parameters["a"] * 999_999.0


def scaled(parameters, scale):
    return parameters["a"] * scale


def closure():
    scale = 999_999.0

    def log_l(parameters):
        return inner(parameters)

    def inner(parameters):
        return parameters["a"] * scale

    return log_l


LIKELIHOODS = {
    "lambda": lambda p: p["a"] * 999_999.0,
    "closure": closure(),
    "object": Model(),
    "bound method": Model().method,
    "class method": Model.of_class,
    "partial": functools.partial(scaled, scale=999_999.0),
    "wrapped": functools.wraps(scaled)(lambda p: scaled(p, 999_999.0)),
}


def test_a_likelihood_is_anything_that_can_be_called():
    points = np.linspace(0, 1, 33)[:, np.newaxis]
    handle = as_executor(2)
    for name, log_l in LIKELIHOODS.items():
        found = np.full(33, np.nan)
        for done in Evaluator(Likelihood(log_l, Cube()), handle).evaluate(points):
            found[done.index] = done.log_l
        np.testing.assert_array_equal(found, points[:, 0] * 999_999.0, err_msg=name)
    handle.close()
