"""Each call to the file system fails, once or for ever: nothing saved is lost."""

import errno
import shutil
from dataclasses import dataclass
from datetime import datetime

import apsw
import pytest
from disk import Disk, healthy
from faults import CODES, OF_THE_PACKAGE, Fault, count_calls, error_of
from journey import Inspector, Journey

from nautilus.errors import CheckpointStorageError
from nautilus.runfile import Account, Clocks, RunStore, file, read_run, set_aside


@dataclass
class Trial:
    """A journey on a disk with a fault, and what comes after it."""

    disk: Disk
    journey: Journey
    inspector: Inspector

    def fail(self, fault):
        """Go until the fault, and look at what the file has then."""
        self.disk.rule = fault
        error = error_of(self.journey.go)
        if error is not None:
            assert type(error) is fault.expected
            assert self.journey.path.name in str(error)
        assert fault.was_reached
        self.disk.rule = healthy
        number = self.inspector.number_in(self.journey.path)
        assert self.journey.kept <= number <= self.journey.tried
        self.disk.rule = fault

    def go_on(self):
        """Save the rest with the disk well again; return the number of the last state."""
        self.disk.rule = healthy
        journey = self.journey
        if journey.is_over:
            RunStore.open(journey.path, owner=journey.owner).close()
        elif journey.store is None and journey.path.exists():
            return self._open()
        else:
            journey.go()
        return journey.kept

    def close_and_go_on(self):
        """Close the file while the disk still fails, and save the rest when it is well again."""
        store = self.journey.store
        if store is None or self.journey.is_over:
            return self.go_on()
        store.close()
        self.disk.rule = healthy
        self.journey.store = RunStore.open(self.journey.path, owner=self.journey.owner)
        if any(map(self.journey.store.follow, store.written)):
            return self.go_on()
        self.journey.store.close()
        return self._open()

    def _open(self):
        """Open a file that has more than its maker knows, and save to it."""
        number = self.inspector.number_in(self.journey.path)
        assert number > self.journey.kept
        with RunStore.open(self.journey.path, owner=self.journey.owner) as store:
            store.save(store.load().state, Account())
        return number


@pytest.fixture(scope="module")
def n_calls(tmp_path_factory, header, states):
    folder = tmp_path_factory.mktemp("count")
    counts = count_calls(folder, Journey(folder / "run.db", header, states).go)
    assert counts.keys() == {*CODES, *OF_THE_PACKAGE} - {"rename", "truncate"}
    return counts


class TestSaving:
    """A file is made and written to."""

    @pytest.fixture
    def trial(self, tmp_path, header, states, inspector, monkeypatch, count):
        """Return the function that lets a call fail, looks at the file and then goes on."""
        monkeypatch.setattr(file, "BUSY_SECONDS", 0.01)

        def begin(fault):
            folder = tmp_path / f"{fault}"
            folder.mkdir()
            disk, journey = Disk(folder), Journey(folder / "run.db", header, states)
            with disk.mounted():
                case = Trial(disk, journey, inspector)
                case.fail(fault)
                number = case.close_and_go_on() if fault.is_lasting else case.go_on()
            assert inspector.number_in(journey.path) == number
            left = set(folder.iterdir()) - {journey.path}
            assert not left or (fault.kind == "unlink" and len(left) == 1)
            count("faults")

        return begin

    @pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "for_ever"])
    @pytest.mark.parametrize("kind", sorted({*CODES, *OF_THE_PACKAGE} - {"rename", "truncate"}))
    def test_each_call_fails(self, kind, is_lasting, trial, n_calls, some):
        for k in some(n_calls[kind], 2):
            trial(Fault(kind, k, is_lasting))

    @pytest.mark.parametrize("kind", ["write", "sync", "delete", "lock", "link", "unlink", "fsync"])
    def test_each_call_succeeds_but_is_reported_as_failed(self, kind, trial, n_calls, some):
        for k in some(n_calls[kind], 2):
            trial(Fault(kind, k, how="all"))

    def test_each_write_is_torn(self, trial, n_calls, some):
        for k in some(n_calls["write"], 4):
            trial(Fault("write", k, how="half"))

    @pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "for_ever"])
    def test_others_have_the_file_whenever_it_is_wanted(self, is_lasting, trial, n_calls, some):
        for k in some(n_calls["lock"], 2):
            trial(Fault("lock", k, is_lasting, code=apsw.SQLITE_BUSY))

    @pytest.mark.parametrize("how", ["nothing", "half"])
    def test_the_disk_is_full_from_each_write_on(self, how, trial, n_calls, some):
        for k in some(n_calls["write"], 4):
            trial(Fault("write", k, is_lasting=True, how=how, code=apsw.SQLITE_FULL))


@pytest.fixture(scope="module")
def left(tmp_path_factory, header, states):
    """Return a folder as a killed process leaves it, and that process."""
    folder, copy = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("left") / "left"

    def rule(call, perform):
        is_late = journey.tried == 2 and call.kind == "sync" and call.path.endswith("run.db")
        if is_late and not copy.exists():
            shutil.copytree(folder, copy)
        return perform()

    disk, journey = Disk(folder), Journey(folder / "run.db", header, states[:3])
    disk.rule = rule
    with disk.mounted():
        journey.go()
    assert sorted(path.name for path in copy.iterdir()) == ["run.db", "run.db-journal"]
    return copy, journey.owner


def recover(path, owner):
    with RunStore.open(path, owner=owner) as store:
        store.save(store.load(None).state, Account(Clocks(1.0)))


@pytest.fixture(scope="module")
def n_calls_left(tmp_path_factory, left):
    folder = tmp_path_factory.mktemp("count") / "copy"
    shutil.copytree(left[0], folder)
    return count_calls(folder, lambda: recover(folder / "run.db", left[1]))


class TestRecovery:
    """A file is opened that was left in the middle of a transaction."""

    @pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "for_ever"])
    @pytest.mark.parametrize("kind", sorted(CODES))
    def test_each_call_fails(
        self, kind, is_lasting, left, n_calls_left, some, tmp_path, inspector, count
    ):
        assert n_calls_left[kind]
        for k in some(n_calls_left[kind], 2):
            folder, fault = tmp_path / f"{k}", Fault(kind, k, is_lasting)
            shutil.copytree(left[0], folder)
            disk, path = Disk(folder), folder / "run.db"
            with disk.mounted():
                disk.rule = fault
                error = error_of(recover, path, left[1])
                assert error is None or type(error) is CheckpointStorageError
                assert fault.was_reached
                disk.rule = healthy
                assert inspector.number_in(path) == 1
                recover(path, left[1])
            assert inspector.number_in(path) == 1
            assert read_run(path).account.clocks == Clocks(1.0)
            assert list(folder.iterdir()) == [path]
            count("faults")


def replace_file(path, header, state):
    RunStore.create(path, header, state, replaces=True).close()


class TestReplacing:
    """A new file takes the place of one that is to be lost, or to be kept under another name."""

    @pytest.mark.parametrize("kind", ["create", "unlink", "rename", "fsync"])
    def test_the_old_file_is_there_until_the_new_one_is(
        self, kind, tmp_path, header, states, inspector, count
    ):
        path = tmp_path / "run.db"
        Journey(path, header, states).go()
        disk = Disk(tmp_path)
        with disk.mounted():
            disk.rule = fault = Fault(kind, 1)
            error = error_of(replace_file, path, header, states[0])
            assert fault.was_reached
            if error is None:
                assert kind == "fsync"  # some file systems have none for folders
            else:
                assert type(error) is CheckpointStorageError
                assert inspector.number_in(path) == len(states) - 1
                replace_file(path, header, states[0])
        assert inspector.number_in(path) == 0
        assert list(tmp_path.iterdir()) == [path]
        count("faults")

    def test_a_file_that_cannot_be_renamed_stays(self, tmp_path, header, states, inspector, count):
        path = tmp_path / "run.db"
        Journey(path, header, states).go()
        disk = Disk(tmp_path)
        with disk.mounted():
            # Its journal, which is not there, comes first.
            disk.rule = Fault("rename", 2)
            with pytest.raises(CheckpointStorageError, match="cannot be renamed"):
                set_aside(path, datetime(2030, 1, 31))  # noqa: DTZ001 - as people write it
            assert inspector.number_in(path) == len(states) - 1
            kept = set_aside(path, datetime(2030, 1, 31))  # noqa: DTZ001
        assert inspector.number_in(kept) == len(states) - 1
        assert list(tmp_path.iterdir()) == [kept]
        count("faults")

    def test_a_name_that_cannot_be_looked_up_when_it_is_said_to_be_taken(
        self, tmp_path, header, states
    ):
        is_linked = []

        def rule(call, perform):
            if call.kind == "link":
                is_linked.append(call)
                raise FileExistsError
            if call.kind == "stat" and is_linked:
                raise OSError(errno.EIO, "Input/output error")
            return perform()

        disk = Disk(tmp_path)
        disk.rule = rule
        with disk.mounted(), pytest.raises(CheckpointStorageError, match="cannot be looked up"):
            RunStore.create(tmp_path / "run.db", header, states[0])
        assert list(tmp_path.iterdir()) == []

    def test_without_links_a_name_that_cannot_be_given_is_an_error(self, tmp_path, header, states):
        def rule(call, perform):
            if call.kind in {"link", "rename"}:
                raise OSError(errno.EPERM, "Operation not permitted")
            return perform()

        disk = Disk(tmp_path)
        disk.rule = rule
        with disk.mounted(), pytest.raises(CheckpointStorageError, match="cannot be made"):
            RunStore.create(tmp_path / "run.db", header, states[0])
        assert list(tmp_path.iterdir()) == []
