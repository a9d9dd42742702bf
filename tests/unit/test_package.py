"""The package as it is installed."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import nautilus

SOURCES = Path(__file__).resolve().parents[2] / "src" / "nautilus"


def files_in(folder):
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if path.suffix != ".pyc"}


def test_it_tells_type_checkers_that_it_is_annotated():
    assert resources.files(nautilus).joinpath("py.typed").is_file()


def test_it_has_every_file():
    """This matters for the wheel."""
    (folder,) = nautilus.__path__
    assert files_in(Path(folder)) == files_in(SOURCES)


def declared():
    """Return the packages that it needs, always or for an extra."""
    needs = metadata.requires("nautilus-ins") or ()
    return {re.match(r"[\w.-]+", need)[0] for need in needs}


def test_it_declares_what_it_needs():
    assert {"numpy", "scipy", "loky", "cloudpickle", "threadpoolctl"} <= declared()


def imported_by(path):
    """Yield the names of modules that a file imports, relative ones aside."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def test_it_imports_nothing_else():
    known = declared() | {"nautilus"} | sys.stdlib_module_names
    imported = {(name, path) for path in SOURCES.rglob("*.py") for name in imported_by(path)}
    assert "numpy" in {name for name, _ in imported}
    assert {pair for pair in imported if pair[0].split(".")[0] not in known} == set()


def test_every_module_can_be_imported():
    modules = [found.name for found in pkgutil.walk_packages(nautilus.__path__, "nautilus.")]
    assert len(modules) > 100
    for name in modules:
        if not name.endswith("__main__"):
            importlib.import_module(name)


def test_its_command_runs():
    done = subprocess.run(
        [sys.executable, "-m", "nautilus", "--version"], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"nautilus {metadata.version('nautilus-ins')}\n"


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
