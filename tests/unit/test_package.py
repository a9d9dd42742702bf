"""The package as it is installed."""

import subprocess
import sys
from importlib import metadata, resources

import nautilus


def test_it_tells_type_checkers_that_it_is_annotated():
    assert resources.files(nautilus).joinpath("py.typed").is_file()


def test_it_declares_what_it_needs():
    declared = {need.split(">")[0] for need in metadata.requires("nautilus-ins") or ()}
    assert {"numpy", "scipy", "loky", "cloudpickle", "threadpoolctl"} <= declared


def test_its_import_loads_nothing_that_is_slow_or_only_needed_by_some():
    spared = {
        "scipy.stats", "matplotlib", "mpi4py", "distributed", "ray", "ipyparallel", "joblib",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "import sys, nautilus; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "nautilus.sampler" in loaded
    assert not spared & loaded
