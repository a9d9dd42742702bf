"""Run files that were changed in any way are read or refused, and nothing else happens."""

import os
import sqlite3
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import forge_pages
import forge_rows
import mutate_bytes
import numpy as np
import pytest
from mutate_bytes import choose
from sound_file import write_sound_file

from nautilus import CheckpointError, NoResultError, load
from nautilus.runfile import RunStore, read_run, store

ACCIDENTS = {
    mutate_bytes.flip_bits: 250,
    mutate_bytes.overwrite: 200,
    mutate_bytes.truncate: 150,
    mutate_bytes.insert: 50,
    mutate_bytes.remove: 50,
    mutate_bytes.swap_pages: 100,
    mutate_bytes.change_words: 200,
}
FORGERIES = {
    forge_rows.change_rows: 200,
    forge_rows.change_data: 150,
    forge_rows.change_headers: 250,
    forge_rows.change_values: 200,
    forge_pages.change_tables: 130,
    forge_pages.share_pages: 20,
}
N_JOURNALS = 50
MEMORY = 400 * 2**20
"""Bytes beyond those in use at the beginning, far more than any of these files needs."""

EVENTS = {
    "compile", "ctypes.dlopen", "marshal.loads", "os.exec", "os.fork", "os.posix_spawn",
    "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.system", "pickle.find_class",
    "shutil.rmtree", "socket.connect", "sqlite3.enable_load_extension", "sqlite3.load_extension",
    "subprocess.Popen",
}  # fmt: skip
WATCHED: list[set[str]] = []


def watch(event, arguments):
    """Note what is done while somebody watches; there is no way to take this back."""
    if not WATCHED:
        return
    if event in EVENTS:
        WATCHED[-1].add(event)
    elif event == "exec" and not Path(getattr(arguments[0], "co_filename", "")).exists():
        WATCHED[-1].add(event)  # not a module that is imported for the first time
    elif event in {"open", "sqlite3.connect"} and "/proc/" not in str(arguments[0]):
        WATCHED[-1].add(str(arguments[0]))


sys.addaudithook(watch)


@contextmanager
def watched(path):
    """Make sure that one file is opened, and nothing is executed."""
    WATCHED.append(set())
    try:
        yield
    finally:
        seen = WATCHED.pop()
    assert {name for name in seen if str(path) not in name} == set()


@pytest.fixture
def bounded():
    """Let this process have little more memory than it has; more is an error of memory."""
    resource = pytest.importorskip("resource")
    if not Path("/proc/self/statm").exists():
        yield  # only Linux tells how much is in use, and keeps to the limit
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    n_pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = n_pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def hasty(monkeypatch):
    """Do not wait for the disk."""
    connect = store.connect

    def connect_hastily(path, *, writes):
        connection = connect(path, writes=writes)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(store, "connect", connect_hastily)


@pytest.fixture(scope="module")
def sound(tmp_path_factory, small_run, grown):
    """Return the bytes of sound files: a small one, a larger one, and one without its answer."""
    states = [s for s in grown[12:] if s.pending and 0 < s.pending.n_done < 100]
    sharing = next(s for s in states if len({id(p.emulator) for p in s.proposals[1:]}) < 4)
    path = tmp_path_factory.mktemp("sound") / "run.db"
    contents = []
    for state in (states[0], sharing):
        contents.append(write_sound_file(path, small_run, state).read_bytes())
        path.unlink()
    stale = forge_rows.edited(contents[0], lambda c: c.execute("DELETE FROM answer"))
    return [*contents, stale]


@pytest.fixture(scope="module")
def known(sound, tmp_path_factory, bits):
    """Return all bits of the states in them."""
    path = tmp_path_factory.mktemp("known") / "run.db"
    found = []
    for content in sound:
        path.write_bytes(content)
        found.append(bits(read_run(path).state))
    return found


@pytest.fixture(scope="module")
def interrupted(sound, tmp_path_factory):
    """Return the bytes of a file and its journal in the middle of a save."""
    path = tmp_path_factory.mktemp("interrupted") / "run.db"
    path.write_bytes(sound[0])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        for table in ("draws", "results", "proposals"):
            connection.execute(f"UPDATE {table} SET data = zeroblob(length(data))")
        journal = Path(f"{path}-journal").read_bytes()
        content = path.read_bytes()
        connection.execute("ROLLBACK")
    assert content != sound[0]
    return content, journal


def outcome(path, opened, *arguments):
    """Return what is read from a file, or the error by which it is refused."""
    try:
        return opened(*arguments)
    except (CheckpointError, NoResultError) as error:
        assert str(path) in str(error) or isinstance(error, NoResultError)  # noqa: PT017
        return error


def examine(path, content):
    """Open a file in every way; return the run in it, or the error by which it is refused."""
    path.write_bytes(content)
    with watched(path):
        saved = outcome(path, read_run, path)
        if not isinstance(saved, CheckpointError):
            outcome(path, load, path)
    assert path.read_bytes() == content
    with watched(path):
        opened = outcome(path, RunStore.open, path)
    if isinstance(opened, CheckpointError):
        assert path.read_bytes() == content
        return saved
    with opened, watched(path):
        again = outcome(path, opened.load, None)
    assert isinstance(again, CheckpointError) == isinstance(saved, CheckpointError)
    return saved


def blocks(kinds):
    """Return mutators with some of their numbers at a time; all but the first are long."""
    return [
        pytest.param(
            mutate,
            range(start, min(start + 50, n)),
            id=f"{mutate.__name__}-{start}",
            marks=[pytest.mark.long] if start else [],
        )
        for mutate, n in kinds.items()
        for start in range(0, n, 50)
    ]


@contextmanager
def mutant(sound, mutate, number, seed):
    """Give the number of a sound file and what became of it; errors tell of which mutant."""
    try:
        rng = np.random.default_rng((seed, sum(map(ord, mutate.__name__)), number))
        which = choose(rng, [0, 0, 1, 2])
        yield which, mutate(sound[which], rng)
    except BaseException as error:
        error.add_note(f"mutant {number} of {mutate.__name__}")
        raise


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::nautilus.StaleLockWarning")
@pytest.mark.usefixtures("bounded", "hasty")
class TestMutated:
    def test_there_are_enough_of_them(self):
        assert sum(ACCIDENTS.values()) + sum(FORGERIES.values()) + N_JOURNALS == 2000

    def test_the_sound_ones_are_read(self, sound, known, tmp_path, bits):
        """Negative control of those below."""
        for content, state in zip(sound, known, strict=True):
            saved = examine(tmp_path / "run.db", content)
            assert bits(saved.state) == state

    @pytest.mark.parametrize(("mutate", "numbers"), blocks(ACCIDENTS))
    def test_accidents_are_noticed_or_do_not_matter(
        self, mutate, numbers, sound, known, seed, tmp_path, bits
    ):
        for number in numbers:
            with mutant(sound, mutate, number, seed) as (which, content):
                saved = examine(tmp_path / "run.db", content)
                assert isinstance(saved, CheckpointError) or bits(saved.state) == known[which]

    @pytest.mark.parametrize(("mutate", "numbers"), blocks(FORGERIES))
    def test_forgeries_are_read_or_refused(self, mutate, numbers, sound, seed, tmp_path):
        n_refused = 0
        for number in numbers:
            with mutant(sound, mutate, number, seed) as (_, content):
                n_refused += isinstance(examine(tmp_path / "run.db", content), CheckpointError)
        assert n_refused > 0

    def test_journals_are_followed_or_refused(self, interrupted, known, seed, tmp_path, bits):
        path, n_good = tmp_path / "run.db", 0
        mutators = list(ACCIDENTS)
        for number in range(N_JOURNALS):
            rng = np.random.default_rng((seed, number))
            content, journal = interrupted
            path.write_bytes(content)
            changed = mutators[number % len(mutators)](journal, rng) if number else journal
            Path(f"{path}-journal").write_bytes(changed)
            with watched(path):
                saved = outcome(path, read_run, path)
            is_good = not isinstance(saved, CheckpointError) and bits(saved.state) == known[0]
            assert is_good or isinstance(saved, CheckpointError)
            n_good += is_good
            Path(f"{path}-journal").unlink(missing_ok=True)
        assert 0 < n_good < N_JOURNALS
