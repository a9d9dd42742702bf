"""The runs of the scoreboard: what they are called, where their rows are, and how they are made.

A run is a process of its own with one numerical thread. It works on a copy of the source, so that
the source can be edited meanwhile.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from catalogue import ROOT
from compare import code_version, machine_label, python_of
from scoreboard_problems import digest_of, factories

from nautilus.evaluate.threads import THREAD_VARIABLES
from nautilus.testing.suite import mend, whole_lines

Row = dict[str, Any]

STORE = ROOT / ".benchmark" / "scoreboard.jsonl"
KEY = ("package", "code", "problem", "problem_code", "seed", "n_eff", "settings")
"""Fields that say which run a row is of; the rest was measured."""


@dataclass(frozen=True)
class Code:
    """A package as it is measured.

    Attributes
    ----------
    package
        "ours", "public" or "dynesty".
    version
        Digest of our source, or the release of another package.
    source
        Folder put on the path; None for what is installed in the package's environment.
    """

    package: str
    version: str
    source: Path | None = None


@dataclass(frozen=True)
class Task:
    """One run to be made.

    Attributes
    ----------
    code
        What is measured.
    key
        The fields of `KEY`.
    timeout
        Most seconds. A run that takes longer is asked to stop, and killed if it does not.
    """

    code: Code
    key: Row
    timeout: float

    @property
    def identity(self) -> str:
        """Text that is the same for two runs only if their numbers must be the same."""
        return identity(self.key)


def identity(row: Row) -> str:
    """Return the key of a row as text."""
    return json.dumps([row[name] for name in KEY], sort_keys=True)


def make_tasks(
    codes: Sequence[Code],
    problems: Sequence[str],
    seeds: Sequence[int],
    sizes: Sequence[float],
    settings: Row,
    timeout: float,
) -> list[Task]:
    """Return all runs, one seed after the other so that each problem is seen early.

    Runs of several codes on one problem are neighbours and change places, so that what else the
    machine is doing falls on all.
    """
    known = factories()
    digests = {name: digest_of(known[name]) for name in problems}
    tasks = []
    for seed in seeds:
        for size in sizes:
            for number, name in enumerate(problems):
                for code in codes if number % 2 == 0 else reversed(codes):
                    # What dynesty does depends on no wanted size.
                    n_eff = None if code.package == "dynesty" else float(size)
                    values = (
                        code.package, code.version, name, digests[name], seed, n_eff, settings,
                    )  # fmt: skip
                    tasks.append(Task(code, dict(zip(KEY, values, strict=True)), timeout))
    return list({task.identity: task for task in tasks}.values())


@contextmanager
def copies(*sources: str) -> Iterator[list[Path]]:
    """Copy sources for the time of the context; yield the folders, which hold ``src``.

    Parameters
    ----------
    sources
        Each a folder that holds ``src/nautilus``, whatever state it is in, or a revision that git
        knows.
    """
    with TemporaryDirectory(prefix="scoreboard-") as parent:
        folders = []
        for number, source in enumerate(sources):
            folder = Path(parent) / str(number)
            _copy(source, folder)
            folders.append(folder.resolve())
        yield folders


def _copy(source: str, folder: Path) -> None:
    if (Path(source) / "src" / "nautilus").is_dir():
        for name in ("src", "benchmarks", "examples"):
            if (Path(source) / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(Path(source) / name, folder / name, ignore=ignored)
        return
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", source, "src"]
    done = subprocess.run(archive, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"{source!r} is neither a folder that holds src/nautilus nor a revision with a folder"
            f" src: {done.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")


def code_of(folder: Path) -> Code:
    """Return this package as it is in a copy."""
    source = folder / "src"
    return Code("ours", code_version("ours", source / "nautilus"), source)


def read_rows(*paths: Path) -> list[Row]:
    """Return the rows of JSON-lines files, those that exist; a line cut short is left out."""
    return [json.loads(text) for path in paths for text in whole_lines(path)]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows to a new file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def is_final(row: Row, timeout: float) -> bool:
    """Tell whether a stored run need not be made again within the seconds that are given now."""
    if row["status"] == "broken":
        return False
    return bool(row["status"] != "timed out" or row["timeout"] >= timeout)


def stored(tasks: Sequence[Task], rows: Iterable[Row]) -> dict[str, Row]:
    """Return the rows of the tasks that are not to be made again, by identity."""
    wanted = {task.identity: task for task in tasks}
    named = ((identity(row), row) for row in rows)
    return {k: row for k, row in named if k in wanted and is_final(row, wanted[k].timeout)}


def collect(
    tasks: Sequence[Task],
    here: Path,
    known: Iterable[Row],
    store: Path,
    n_workers: int,
    tell: Callable[[Row], str],
) -> list[Row]:
    """Make the runs whose rows are not known; return the rows of all, in the order of the tasks.

    Parameters
    ----------
    tasks
        Runs that are wanted.
    here
        Copy of this checkout, whose script makes each run.
    known
        Rows so far.
    store
        File to which new rows are appended as they come.
    n_workers
        How many runs at a time.
    tell
        Says in a line what a row holds.
    """
    rows = stored(tasks, known)
    missing = [task for task in tasks if task.identity not in rows]
    store.parent.mkdir(parents=True, exist_ok=True)
    mend(store)
    with store.open("a", encoding="utf-8") as file:
        for number, row in enumerate(_made(missing, here, n_workers), 1):
            rows[identity(row)] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"[{number}/{len(missing)}] {tell(row)}", flush=True)
    return [rows[task.identity] for task in tasks]


def _made(tasks: Sequence[Task], here: Path, n_workers: int) -> Iterator[Row]:
    """Yield the rows of runs as they end; whoever ends this ends all processes."""
    children: set[subprocess.Popen[str]] = set()
    threads = ThreadPoolExecutor(n_workers)
    try:
        futures = [threads.submit(_make, task, here, children) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for child in list(children):
            child.kill()


@contextmanager
def tidy_when_ended() -> Iterator[None]:
    """Let a request to end raise, so that processes and copies are tidied up, and only once."""

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _make(task: Task, here: Path, children: set[subprocess.Popen[str]]) -> Row:
    """Make one run in a process of its own."""
    source = None if task.code.source is None else str(task.code.source)
    given = {**task.key, "timeout": task.timeout, "source": source}
    script = here / "benchmarks" / "scoreboard_one.py"
    command = [str(python_of(task.code.package)), str(script), json.dumps(given)]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    environment["PYTHONPATH"] = source or ""
    pipe = subprocess.PIPE
    row = {**task.key, "timeout": task.timeout, "machine": machine_label()}
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as child:
        children.add(child)
        try:
            out, errors = child.communicate(timeout=1.5 * task.timeout + 120.0)
        except subprocess.TimeoutExpired:
            return row | {"status": "timed out", "stop_reason": "killed: it did not stop in time"}
        finally:
            child.kill()
            children.discard(child)
    if child.returncode != 0:
        reason = (errors.strip().splitlines() or [f"the process ended with {child.returncode}"])[-1]
        return row | {"status": "broken", "stop_reason": reason}
    measured: Row = json.loads(out.splitlines()[-1])
    return row | measured
