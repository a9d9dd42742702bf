"""Runs on disk: saved step by step, carried on, interrupted, damaged."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointError,
    CheckpointForeignError,
    CheckpointLockedError,
    CheckpointMismatchError,
    CheckpointStorageError,
    CheckpointVersionError,
)
from nautilus.proposal.cube import CubeProposal
from nautilus.run.state import DensityTable, PendingStage, Phase, RunState, Stage, new_state
from nautilus.runfile import (
    Account,
    Clocks,
    RunStore,
    differences,
    file,
    new_header,
    read_run,
    require_match,
    schema,
    store,
    writing,
)

HALF = 29
MIXED = [("a", ">f8"), ("b", "i4", 2), ("c", "U3"), ("d", "?")]


def serial(function, tasks):
    return [function(*task) for task in tasks]


def whole(state):
    """Return a state with the densities that could wait, which a loaded one always has."""
    return state.with_all_densities(serial)


@pytest.fixture
def header(small_run):
    return new_header(small_run.config, ("x", "y"), ("x: uniform", "y: uniform, periodic"))


@pytest.fixture
def path(tmp_path, header, grown):
    """Return the name of a file with a small run, which nobody has open."""
    path = tmp_path / "run.db"
    RunStore.create(path, header, grown[-1], Account(Clocks(3.0, 2.0))).close()
    return path


@pytest.fixture(scope="session")
def half(tmp_path_factory, small_run, grown):
    """Return the bytes of a file with half of that run, which ends within a stage."""
    path = tmp_path_factory.mktemp("half") / "run.db"
    RunStore.create(path, new_header(small_run.config), grown[HALF]).close()
    return path.read_bytes()


def count_rows(run_store, table):
    return run_store._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


class TestSaving:
    def test_every_step_is_there_again(self, tmp_path, header, grown, small_run, bits):
        path = tmp_path / "run.db"
        with RunStore.create(path, header, grown[0]) as run_store:
            for n, state in enumerate(grown):
                account = Account(Clocks(n + 0.5, n / 3), goal=small_run.goal)
                run_store.save(state, account)
                if n % 3 and state is not grown[-1]:
                    continue  # rows are only added: what is wrong in one is still there later
                saved = read_run(path)
                assert bits(saved.state) == bits(whole(state))
                assert bits((saved.header, saved.account)) == bits((header, account))
        assert (
            len({s.ledger.blobs.dtype for s in grown[10:]}) > 1
        )  # the texts became longer on the way
        assert np.isneginf(grown[-1].ledger.log_l).any()  # and a floor was put under log L

    @pytest.mark.parametrize(
        "k", [pytest.param(k, marks=pytest.mark.long) for k in (0, 1, 5, 7, 38, 55)] + [3, 22, 60]
    )
    def test_a_run_carried_on_from_disk_is_the_same(
        self, k, tmp_path, header, grown, small_run, bits
    ):
        path = tmp_path / "run.db"
        with RunStore.create(path, header, grown[0]) as run_store:
            for state in grown[: k + 1]:
                run_store.save(state, Account())
        with RunStore.open(path) as run_store:
            saved = run_store.load()
            for state in small_run.carry_on(saved.state, n_chunk=31):
                run_store.save(state, saved.account)
        assert bits(whole(state)) == bits(whole(grown[-1]))
        assert bits(read_run(path).state) == bits(whole(grown[-1]))

    def test_emulators_that_are_shared_are_stored_once(self, path, grown):
        emulators = [p.emulator for p in grown[-1].proposals[1:]]
        known = {id(emulator) for emulator in emulators}
        assert len(known) < len(emulators)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM emulators").fetchone() == (len(known),)
        loaded = [p.emulator for p in read_run(path).state.proposals[1:]]
        pairs = [[a is b for b in emulators] for a in emulators]
        assert [[a is b for b in loaded] for a in loaded] == pairs

    def test_only_what_is_new_is_written(self, tmp_path, header, grown, monkeypatch):
        rows = []
        write_row = writing.write_row

        def count(connection, table, *rest):
            rows.append(table)
            return write_row(connection, table, *rest)

        k = next(k for k in range(30, 60) if grown[k].pending and grown[k].pending.n_done > 50)
        assert grown[k - 1].pending
        with RunStore.create(tmp_path / "run.db", header, grown[k - 1]) as run_store:
            monkeypatch.setattr(writing, "write_row", count)
            run_store.save(grown[k], Account())
        assert rows == ["results", "progress"]

    def test_complete_stages_are_not_looked_at_again(self, tmp_path, header, grown, monkeypatch):
        """Otherwise the time of a save would grow with the run."""
        seen, view = [], writing.PendingStage

        def look(*arguments):
            seen.append(arguments)
            return view(*arguments)

        monkeypatch.setattr(writing, "PendingStage", look)
        with RunStore.create(tmp_path / "run.db", header, grown[0]) as run_store:
            for before, after in pairwise(grown):
                seen.clear()
                run_store.save(after, Account())
                ledgers = before.ledger, after.ledger
                is_retyped = (
                    ledgers[0].n_points and ledgers[0].blobs.dtype != ledgers[1].blobs.dtype
                )
                # Without parameters only the one stage that became complete.
                n_new = len(ledgers[1].stages) - len(ledgers[0].stages)
                assert len(seen) == (len(ledgers[1].stages) if is_retyped else n_new)

    @pytest.mark.parametrize(("row_bytes", "n_rows"), [(10**6, 1), (1, 3)])
    def test_results_that_came_singly_become_one_row_with_their_stage(
        self, row_bytes, n_rows, tmp_path, header, monkeypatch, bits
    ):
        monkeypatch.setattr(writing, "MERGED_BYTES", row_bytes)
        state, path, found = new_state(2), tmp_path / "run.db", []
        with RunStore.create(path, header, state) as run_store:
            for _ in range(2):
                stage = Stage(Phase.EXPLORATION, np.array([3]))
                pending = PendingStage(
                    stage, np.full((3, 2), 0.5), np.full(3, np.nan), None, np.zeros(3, dtype=bool)
                )
                for row in (2, 0, 1):
                    pending = pending.fill(np.array([row]), np.ones(1), np.full((1, 2), row))
                    state = replace(state, pending=pending)
                    run_store.save(state, Account())
                    assert bits(read_run(path).state.pending) == bits(pending)
                    found.append(count_rows(run_store, "results"))
                ledger = state.ledger.append(stage, pending.points, pending.log_l, pending.blobs)
                state = replace(whole(replace(state, ledger=ledger)), pending=None)
                run_store.save(state, Account())
                assert bits(read_run(path).state) == bits(state)
        assert found == [1, 2, n_rows, n_rows + 1, n_rows + 2, 2 * n_rows]

    def test_arrays_cannot_be_changed(self, path):
        state = read_run(path).state
        proposal = state.proposals[-1]
        for array in (
            state.ledger.points, state.ledger.blobs, state.ledger.stages[0].counts,
            proposal.base.means, proposal.emulator.networks[0].weights[0],
        ):  # fmt: skip
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[0]

    def test_what_is_large_is_written_in_pieces(self, tmp_path, header, grown, monkeypatch, bits):
        monkeypatch.setattr(writing, "SLAB_BYTES", 500)
        path = tmp_path / "run.db"
        with RunStore.create(path, header, grown[30]) as run_store:
            run_store.save(grown[-1], Account())
        with closing(sqlite3.connect(path)) as connection:
            (largest,) = connection.execute("SELECT max(length(data)) FROM draws").fetchone()
        assert largest <= 500
        assert bits(read_run(path).state) == bits(whole(grown[-1]))

    @pytest.mark.parametrize(
        "blobs",
        [
            np.array([(1.5, [1, 2], "ä", True)] * 3, MIXED),
            np.full((3, 2, 2), 1 + 2j),
            np.array([b"a", b"bc", b""]),
            np.zeros((3, 0)),
            None,
        ],
        ids=["records", "complex", "bytes", "nothing", "none"],
    )
    def test_blobs_of_all_kinds(self, blobs, tmp_path, header, bits):
        stage = Stage(Phase.EXPLORATION, np.array([3]))
        none = np.zeros(3, dtype=bool)
        pending = PendingStage(stage, np.full((3, 2), 0.5), np.full(3, np.nan), None, none)
        state = replace(new_state(2), pending=pending)
        path = tmp_path / "run.db"
        with RunStore.create(path, header, state) as run_store:
            for rows in ([1], [2, 0]):
                index = np.array(rows)
                part = None if blobs is None else blobs[index]
                pending = pending.fill(index, np.array([1.0, -0.0])[: len(rows)], part)
                state = replace(state, pending=pending)
                run_store.save(state, Account())
                assert bits(read_run(path).state.pending) == bits(pending)
            ledger = state.ledger.append(stage, pending.points, pending.log_l, pending.blobs)
            state = whole(RunState(ledger, state.proposals, DensityTable(np.empty((0, 1)))))
            run_store.save(state, Account())
        assert bits(read_run(path).state) == bits(state)

    def test_a_state_that_lost_something_is_not_saved(self, tmp_path, header, grown):
        k = next(k for k in range(30, 60) if grown[k].pending and grown[k].pending.n_done > 50)
        state = grown[k]
        lost = replace(state.pending, is_done=np.zeros_like(state.pending.is_done))
        other = replace(state.pending, stage=replace(state.pending.stage))
        fewer = replace(state.ledger, stages=state.ledger.stages[:-1])
        with RunStore.create(tmp_path / "run.db", header, state) as run_store:
            for worse in (
                replace(state, pending=lost),
                replace(state, pending=other),
                replace(state, pending=None),
                replace(state, ledger=fewer),
                replace(state, proposals=state.proposals[:-1]),
            ):
                with pytest.raises(CheckpointMismatchError, match="did not grow"):
                    run_store.save(worse, Account())
            run_store.save(state, Account())

    def test_another_run_is_not_saved_over_it(self, path, grown, small_run):
        other = small_run.carry_on(new_state(2))[3]
        with RunStore.open(path) as run_store:
            with pytest.raises(CheckpointError, match="call load"):
                run_store.save(grown[-1], Account())
            saved = run_store.load()
            for state in (other, grown[-1], new_state(2)):
                with pytest.raises(CheckpointMismatchError, match="did not grow"):
                    run_store.save(state, Account())
            run_store.save(saved.state, Account(Clocks(9.0)))
        assert read_run(path).account.clocks == Clocks(9.0)


class TestFailures:
    @pytest.mark.parametrize("n", range(8))
    @pytest.mark.parametrize("error", [OSError("stop"), KeyboardInterrupt("stop")])
    def test_a_save_that_fails_changes_nothing(
        self, n, error, tmp_path, header, grown, monkeypatch, bits
    ):
        path = tmp_path / "run.db"
        before, after = grown[20], grown[29]
        write_row, n_written = writing.write_row, []

        def fail(*arguments):
            if len(n_written) == n:
                raise error
            n_written.append(arguments)
            return write_row(*arguments)

        with RunStore.create(path, header, before) as run_store:
            content = path.read_bytes()
            monkeypatch.setattr(writing, "write_row", fail)
            with pytest.raises(type(error), match="stop"):
                run_store.save(after, Account())
            monkeypatch.setattr(writing, "write_row", write_row)
            assert path.read_bytes() == content
            assert bits(read_run(path).state) == bits(whole(before))
            run_store.save(after, Account())
        assert bits(read_run(path).state) == bits(whole(after))

    def test_an_interrupt_after_the_commit_is_made_good(
        self, tmp_path, header, grown, monkeypatch, bits
    ):
        path = tmp_path / "run.db"
        write_state = store.write_state

        def commit_too_early(connection, *rest):
            write_state(connection, *rest)
            connection.execute("COMMIT")
            raise KeyboardInterrupt("too late")

        with RunStore.create(path, header, grown[20]) as run_store:
            monkeypatch.setattr(store, "write_state", commit_too_early)
            with pytest.raises(KeyboardInterrupt, match="too late"):
                run_store.save(grown[30], Account())
            monkeypatch.setattr(store, "write_state", write_state)
            assert bits(read_run(path).state) == bits(whole(grown[30]))
            run_store.save(grown[24], Account())
            assert bits(read_run(path).state) == bits(whole(grown[24]))
            run_store.save(grown[-1], Account())
        assert bits(read_run(path).state) == bits(whole(grown[-1]))

    def test_a_process_killed_within_a_save_leaves_the_last_one(self, path, bits):
        state, content = read_run(path).state, path.read_bytes()
        script = (
            "import os, sys; from nautilus.runfile import RunStore, Account, store, writing\n"
            "store.write_state.__globals__['_progress'] = lambda *a: os.kill(os.getpid(), 9)\n"
            "with RunStore.open(sys.argv[1]) as s:\n"
            "    saved = s.load()\n"
            "    s._written = writing.Written(mark=s._written.mark)\n"
            "    s._connection.execute('PRAGMA cache_spill = 1')\n"
            "    s._connection.execute('PRAGMA cache_size = 1')\n"
            "    s.save(saved.state, Account())\n"
        )
        done = subprocess.run([sys.executable, "-c", script, path], check=False)
        assert done.returncode == -signal.SIGKILL
        # Pages were overwritten; the journal, which is still there, brings them back.
        assert Path(f"{path}-journal").stat().st_size > 0
        assert path.read_bytes() != content
        assert bits(read_run(path).state) == bits(state)

    def test_a_file_that_cannot_be_written_keeps_what_it_has(
        self, tmp_path, header, grown, monkeypatch, bits
    ):
        path = tmp_path / "run.db"
        with RunStore.create(path, header, grown[20]) as run_store:
            Path(f"{path}-journal").mkdir()  # where SQLite has to write
            with pytest.raises(CheckpointStorageError, match=r"run\.db cannot be read or written"):
                run_store.save(grown[21], Account())
            Path(f"{path}-journal").rmdir()
            run_store._connection.execute("PRAGMA max_page_count = 1")  # as on a full disk
            with pytest.raises(CheckpointStorageError, match="full"):
                run_store.save(grown[-1], Account())
            run_store._connection.execute("PRAGMA max_page_count = 1000000")
            run_store._connection.execute("PRAGMA query_only = ON")  # as a write-protected file
            with pytest.raises(CheckpointStorageError, match="readonly"):
                run_store.save(grown[-1], Account())
            run_store._connection.execute("PRAGMA query_only = OFF")
            assert bits(read_run(path).state) == bits(whole(grown[20]))
            run_store.save(grown[-1], Account())
        assert bits(read_run(path).state) == bits(whole(grown[-1]))

    def test_nothing_is_left_of_a_file_that_could_not_be_made(self, tmp_path, header, monkeypatch):
        monkeypatch.setattr(store, "create_tables", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="by zero"):
            RunStore.create(tmp_path / "run.db", header, new_state(2))
        assert list(tmp_path.iterdir()) == []

    def test_names_that_cannot_be_used(self, tmp_path, path, header):
        state = new_state(2)
        for name in (path, tmp_path):
            with pytest.raises(CheckpointStorageError, match="exists and is not written over"):
                RunStore.create(name, header, state)
        Path(f"{path}-journal").touch()
        path.unlink()
        with pytest.raises(CheckpointStorageError, match="left of a run file that was removed"):
            RunStore.create(path, header, state)
        with pytest.raises(CheckpointStorageError, match="folder may be"):
            RunStore.create(Path(f"{path}-journal", "run.db"), header, state)
        for opened in (RunStore.open, read_run):
            for name in (tmp_path / "none.db", tmp_path):
                with pytest.raises(CheckpointStorageError, match="cannot be opened"):
                    opened(name)

    def test_a_name_that_is_taken_meanwhile_is_kept(self, tmp_path, header, monkeypatch):
        path = tmp_path / "run.db"
        monkeypatch.setattr(
            store, "create_tables", lambda c: (path.touch(), schema.create_tables(c))
        )
        with pytest.raises(CheckpointStorageError, match="exists and is not written over"):
            RunStore.create(path, header, new_state(2))
        assert list(tmp_path.iterdir()) == [path]
        assert not path.read_bytes()

    def test_without_links_files_are_renamed(self, tmp_path, header, monkeypatch):
        def refuse(*_):
            raise PermissionError

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        path = tmp_path / "a name with spaces?#%.db"
        RunStore.create(path, header, new_state(2)).close()
        assert read_run(path).state.n_like == 0
        assert list(tmp_path.iterdir()) == [path]

    def test_a_reader_waits_for_a_writer_and_says_so_if_it_takes_too_long(self, path, monkeypatch):
        monkeypatch.setattr(file, "BUSY_SECONDS", 0.01)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            with pytest.raises(CheckpointLockedError, match="being used by another process"):
                read_run(path)


class TestDamage:
    """What is not as it was written is an error, never another state and never a new run."""

    def outcome(self, path, content, known, bits):
        path.write_bytes(content)
        for opened in (self.read, read_run):
            try:
                saved = opened(path)
            except CheckpointError as error:
                assert str(path) in str(error)  # noqa: PT017 - it may also be as it was
                continue
            assert bits(saved.state) == known

    @staticmethod
    def read(path):
        with RunStore.open(path) as run_store:
            return run_store.load()

    def test_files_that_broke_off(self, tmp_path, half, bits, grown):
        path = tmp_path / "run.db"
        path.write_bytes(half)
        assert bits(self.read(path).state) == bits(whole(grown[HALF]))
        lengths = [*range(1, 130, 7), *range(130, len(half), len(half) // 60 + 1)]
        for length in [*lengths, len(half) - 1]:
            path.write_bytes(half[:length])
            for opened in (self.read, read_run):
                with pytest.raises(CheckpointDamagedError, match=r"run\.db"):
                    opened(path)

    @pytest.mark.parametrize(
        "block", [0, 1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 8))]
    )
    def test_bits_that_flipped(self, block, tmp_path, half, bits, grown, seed):
        rng = np.random.default_rng((seed, block))
        known, path = bits(whole(grown[HALF])), tmp_path / "run.db"
        for n in range(30):
            content = bytearray(half)
            # The header and the first pages, where tables are described, get more than their share.
            place = rng.integers(len(content) if n % 3 else 8192 if n % 2 else 100)
            content[place] ^= 1 << rng.integers(8)
            self.outcome(path, bytes(content), known, bits)

    def test_pages_that_were_overwritten(self, tmp_path, half, bits, grown, seed):
        rng = np.random.default_rng(seed)
        known, path = bits(whole(grown[HALF])), tmp_path / "run.db"
        for start in range(0, len(half), 4096):
            content = bytearray(half)
            content[start : start + 4096] = rng.bytes(4096)
            self.outcome(path, bytes(content), known, bits)
            with pytest.raises(CheckpointError, match=r"run\.db"):
                self.read(path)

    def test_pages_that_belong_to_nothing(self, path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE lost (number INTEGER)")
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master WHERE name = 'lost'")
        with pytest.raises(CheckpointDamagedError, match="never used"):
            RunStore.open(path)

    @pytest.mark.parametrize("opened", [RunStore.open, read_run])
    def test_files_of_other_kinds(self, opened, tmp_path, path, half):
        path.write_bytes(b"")
        with pytest.raises(CheckpointDamagedError, match="is empty"):
            opened(path)
        path.write_text("x,y,log_l\n" * 100)
        with pytest.raises(CheckpointForeignError, match=r"not a run file: it begins with b'x,y"):
            opened(path)
        with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
            connection.execute("CREATE TABLE progress (number, part, header, data, digest)")
        with pytest.raises(CheckpointForeignError, match="application id is 0"):
            opened(tmp_path / "other.db")
        assert sorted(tmp_path.iterdir()) == [tmp_path / "other.db", path]

    @pytest.mark.parametrize("opened", [RunStore.open, read_run])
    @pytest.mark.parametrize(
        ("statement", "error", "match"),
        [
            ("PRAGMA user_version = 7", CheckpointVersionError, "version 7.*newer"),
            ("PRAGMA user_version = 0", CheckpointDamagedError, "version is 0"),
            ("PRAGMA journal_mode = WAL", CheckpointDamagedError, "journal mode"),
            ("DROP TABLE draws", CheckpointDamagedError, "tables"),
            (
                "CREATE TRIGGER t AFTER INSERT ON owner BEGIN DELETE FROM results; END",
                CheckpointDamagedError,
                "tables",
            ),
            ("CREATE VIEW v AS SELECT 1", CheckpointDamagedError, "tables"),
        ],
    )
    def test_databases_that_were_changed(self, opened, statement, error, match, path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)
        with pytest.raises(error, match=match):
            opened(path)

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM progress",
            "DELETE FROM run",
            "DELETE FROM results WHERE number = 3",
            "DELETE FROM results WHERE number = (SELECT max(number) FROM results)",
            "DELETE FROM draws WHERE number = 0",
            "DELETE FROM proposals WHERE number = 5",
            "DELETE FROM emulators WHERE number = 2",
            "DELETE FROM stages WHERE number = (SELECT max(number) FROM stages)",
            "UPDATE results SET number = 99 WHERE number = 3",
            "UPDATE results SET part = 5 WHERE number = 3",
            "UPDATE proposals SET number = 99 WHERE number = 5",
            "UPDATE stages SET header = replace(header, 'sampling', 'exploration')",
            "UPDATE stages SET header = 5",
            "UPDATE stages SET data = 'text'",
            "UPDATE stages SET digest = ''",
            "UPDATE results SET data = zeroblob(length(data)) WHERE number = 2",
            "INSERT INTO progress SELECT 1, 0, header, data, digest FROM progress",
            "INSERT INTO results SELECT number, part + 1, header, data, digest FROM results",
        ],
    )
    def test_rows_that_were_changed(self, statement, path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            assert connection.execute(statement).rowcount > 0
        for opened in (self.read, read_run):
            with pytest.raises(CheckpointDamagedError, match=r"run\.db is damaged: .* Restore it"):
                opened(path)

    def test_rows_of_a_forger_are_checked_too(self, path, grown):
        """Digests guard against accidents; what they say is right may still make no sense."""
        stage = grown[-1].ledger.stages[0]
        n = stage.n_points
        forged = [
            ("proposals", 0, 0, CubeProposal(3)),
            ("stages", 0, 0, Stage(Phase.SAMPLING, np.array([0, n]))),
            ("stages", 0, 0, Stage(Phase.SAMPLING, np.array([n + 1]))),
            ("stages", 0, 0, Stage(Phase.SAMPLING, np.array([n] + [0] * 50))),
            ("stages", 0, 0, Stage(Phase.SAMPLING, np.array([[n]]))),
            ("draws", 0, 0, writing.Draws(np.zeros((n, 3)))),
            ("draws", 0, 0, writing.Draws(np.zeros(n))),
            ("results", 0, 0, writing.Results(np.arange(n), np.zeros(n), None)),
            ("results", 0, 0, writing.Results(np.arange(n) - 1, np.zeros(n), np.zeros(n))),
            ("results", 0, 0, writing.Results(np.zeros(n, int), np.zeros(n), np.zeros(n))),
            ("results", 0, 0, writing.Results(np.arange(n), np.zeros(n), np.zeros(n - 1))),
            ("results", 0, 0, writing.Results(np.arange(n), np.zeros(n - 1), np.zeros(n))),
            ("results", 0, 0, writing.Results(np.arange(n - 1), np.zeros(n - 1), np.zeros(n - 1))),
            ("results", 0, 0, writing.Results(np.arange(n), np.zeros(n), np.zeros(n))),
        ]  # fmt: skip
        content = path.read_bytes()
        for row in forged:
            path.write_bytes(content)
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                writing.write_row(connection, *row)
            with pytest.raises(CheckpointDamagedError, match=r"run\.db is damaged"):
                read_run(path)


class TestVersions:
    @pytest.fixture
    def later(self, path, monkeypatch):
        """Make the file one of two versions before the newest."""

        def rename(connection):
            connection.execute("UPDATE run SET part = 0")

        monkeypatch.setattr(schema, "MIGRATIONS", (rename, rename))

    @pytest.mark.usefixtures("later")
    def test_older_files_are_brought_forward_once(self, path, grown, bits):
        with RunStore.open(path) as run_store:
            assert bits(run_store.load().state) == bits(whole(grown[-1]))
        assert bits(read_run(path).state) == bits(whole(grown[-1]))
        with closing(sqlite3.connect(path)) as connection:
            assert schema.version_of(connection) == 3

    @pytest.mark.usefixtures("later")
    def test_older_files_are_read_without_being_changed(self, path, grown, bits):
        content = path.read_bytes()
        assert bits(read_run(path).state) == bits(whole(grown[-1]))
        assert path.read_bytes() == content

    def test_a_migration_that_fails_leaves_the_old_file(self, path, monkeypatch):
        def fail(connection):
            connection.execute("DELETE FROM results")
            raise OSError("no space")

        content = path.read_bytes()
        monkeypatch.setattr(schema, "MIGRATIONS", (fail,))
        with pytest.raises(OSError, match="no space"):
            RunStore.open(path)
        assert path.read_bytes() == content


class TestHeader:
    def test_it_lists_every_field_that_differs(self, header, small_run, tmp_path):
        config = small_run.config
        schedule = replace(config.build.emulator.schedule, decay=0.5)
        emulator = replace(config.build.emulator, schedule=schedule)
        changed = replace(config, n_live=99, build=replace(config.build, emulator=emulator))
        other = replace(header, config=changed, parameters=("x", "z"), created="now", package="9")
        assert differences(header, other) == (
            "n_live is 60 in the file and 99 now",
            "config.build.emulator.schedule.decay is 0.1 in the file and 0.5 now",
            "parameters is ('x', 'y') in the file and ('x', 'z') now",
        )
        with pytest.raises(CheckpointMismatchError, match=r"n_live is 60(.|\n)*another file name"):
            require_match(header, other, tmp_path)

    def test_a_run_that_is_the_same_is_continued(self, header, tmp_path):
        config = replace(header.config, build=replace(header.config.build, norm_error=np.nan))
        nan = replace(header, config=config)
        for given in (header, nan):
            require_match(given, replace(given, created="later", package="9"), tmp_path)


def test_a_live_run_can_be_read_while_it_is_written(tmp_path, header, grown, bits):
    path = tmp_path / "run.db"
    with RunStore.create(path, header, grown[0]) as run_store:
        script = (
            "import sys; from nautilus.runfile import read_run\n"
            "print(read_run(sys.argv[1]).state.n_like)"
        )
        for k in (10, 30):
            run_store.save(grown[k], Account())
            done = subprocess.run(
                [sys.executable, "-c", script, path], check=True, capture_output=True, text=True
            )
            assert int(done.stdout) == grown[k].n_like
    assert list(tmp_path.iterdir()) == [path]


def test_of_several_that_make_one_file_one_has_it(tmp_path):
    path = tmp_path / "run.db"
    script = (
        "import os, sys; from nautilus.runfile import *; from nautilus.run.state import new_state\n"
        "from nautilus.errors import *; from nautilus.run.config import Config\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try: RunStore.create(sys.argv[1], new_header(Config(2, 1)), new_state(2)); print('mine')\n"
        "except (CheckpointStorageError, CheckpointLockedError): print('taken')\n"
        "sys.stdout.flush(); sys.stdin.readline()\n"
    )
    pipe = subprocess.PIPE
    makers = [
        subprocess.Popen([sys.executable, "-c", script, path], stdin=pipe, stdout=pipe, text=True)
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        maker.stdin.write("go\n")
        maker.stdin.flush()
    answers = sorted(maker.stdout.readline() for maker in makers)
    for maker in makers:
        maker.communicate()
    assert answers == ["mine\n", "taken\n", "taken\n", "taken\n"]
    assert list(tmp_path.iterdir()) == [path]
    assert read_run(path).state.n_like == 0
