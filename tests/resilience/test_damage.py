"""What is wrong with a file or its place is said, by Sampler and by load, and nothing changes."""

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from disk import Disk
from logged_run import bits, log_l, make_sampler
from permissions import without_powers

import nautilus
from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointError,
    CheckpointForeignError,
    CheckpointStorageError,
    CheckpointVersionError,
)

N_LIKE = 260
"""Calls after which these runs end."""

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(2000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the bytes of a file, the result that is in it, and the bits of the same run."""
    path = tmp_path_factory.mktemp("whole") / "run.nautilus"
    with make_sampler(log_l, filepath=path) as sampler:
        sampler.run(n_like_max=N_LIKE)
        return path.read_bytes(), nautilus.load(path), bits(sampler)


@pytest.fixture
def path(tmp_path, whole):
    """Return the name of that file, alone in a folder."""
    path = tmp_path / "folder" / "run.nautilus"
    path.parent.mkdir()
    path.write_bytes(whole[0])
    return path


def go_on(path):
    """Do what a script does that is started again."""
    with make_sampler(log_l, filepath=path) as sampler:
        sampler.run(n_like_max=N_LIKE)
        return bits(sampler)


def content_of(folder):
    """Return all that is in a folder."""
    return {name: name.read_bytes() for name in folder.iterdir() if name.is_file()}


def change(statement):
    """Return the function that runs a statement on a database."""

    def do(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(statement)

    return do


def make_foreign(path):
    path.unlink()
    change("CREATE TABLE results (number, part, header, data, digest)")(path)


MISTAKES = {
    "empty": (lambda path: path.write_bytes(b""), CheckpointDamagedError, "is empty.*new run with"),
    "text": (lambda path: path.write_text("x,y\n"), CheckpointForeignError, "not a run.*other"),
    "hdf5": (
        lambda path: path.write_bytes(HDF5),
        CheckpointForeignError,
        "HDF5 file.*public package.*left as it is; give another file name",
    ),
    "database": (make_foreign, CheckpointForeignError, "database, but not a run file.*other"),
    "newer": (
        change("PRAGMA user_version = 99"),
        CheckpointVersionError,
        "version 99, written by a newer package.*Install the newer package",
    ),
    "journal": (change("PRAGMA journal_mode = WAL"), CheckpointDamagedError, "journal.*Restore it"),
    "tables": (change("DROP TABLE draws"), CheckpointDamagedError, "tables.*Restore it"),
    "rows": (change("DELETE FROM results"), CheckpointDamagedError, "is damaged.*Restore it"),
    "folder": (
        lambda path: (path.unlink(), path.mkdir()),
        CheckpointStorageError,
        "cannot be opened.*check the name",
    ),
    "loop": (
        lambda path: (path.unlink(), path.symlink_to(path)),
        CheckpointStorageError,
        "cannot be (opened|looked up).*check the name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", [go_on, nautilus.load])
@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_files_that_are_no_runs(mistake, way, path):
    make, error, match = MISTAKES[mistake]
    make(path)
    before = content_of(path.parent)
    with pytest.raises(error, match=rf"run\.nautilus.*{match}"):
        way(path)
    assert content_of(path.parent) == before


def test_files_that_broke_off(path, whole, some, count):
    for length in some(len(whole[0]) - 1, 40, 1000):
        path.write_bytes(whole[0][:length])
        for way in (go_on, nautilus.load):
            with pytest.raises(CheckpointDamagedError, match=r"run\.nautilus.*Restore it"):
                way(path)
        assert content_of(path.parent) == {path: whole[0][:length]}
        count("cut off")


def same(first, second):
    """Tell whether two results are the same to the last bit."""
    arrays = ("array", "log_weights", "log_l")
    return first.log_z == second.log_z and all(
        getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in arrays
    )


def test_bits_that_flipped(path, whole, seed, is_long, count):
    """Each is an error, or is where nothing is stored."""
    content, result, expected = whole
    rng, n_errors = np.random.default_rng(seed), 0
    for n in range(1000 if is_long else 40):
        changed = bytearray(content)
        # The header and the first pages, where tables are described, get more than their share.
        place = rng.integers(len(content) if n % 3 else 8192 if n % 2 else 100)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert same(nautilus.load(path), result)
            assert content_of(path.parent) == {path: bytes(changed)}
            assert go_on(path) == expected
        except CheckpointError as error:
            n_errors += 1
            assert path.name in str(error)  # noqa: PT017 - it may also be as it was
            assert content_of(path.parent) == {path: bytes(changed)}
        count("flipped")
    assert n_errors > n / 5


class TestPlaces:
    """Where a file is, and what may be done there."""

    @pytest.fixture
    def protect(self, path):
        """Return the function that sets permissions, which hold for the superuser too."""
        before = {name: name.stat().st_mode for name in (path, path.parent)}

        def do(name, mode):
            name.chmod(mode)

        with without_powers():
            yield do
            for name in (path.parent, path):
                if name.exists():
                    name.chmod(before[name])

    def test_a_file_that_may_only_be_read(self, path, protect, whole):
        protect(path, 0o444)
        assert same(nautilus.load(path), whole[1])
        with make_sampler(log_l, filepath=path) as sampler:
            assert bits(sampler) == whole[2]
            with pytest.raises(CheckpointStorageError, match=r"run\.nautilus.*check permissions"):
                sampler.run(n_like_max=N_LIKE + 60)
            assert content_of(path.parent) == {path: whole[0]}
            protect(path, 0o644)
            sampler.run(n_like_max=N_LIKE)
            assert bits(sampler) == whole[2]

    def test_a_file_in_a_folder_that_may_only_be_read(self, path, protect, whole):
        protect(path.parent, 0o555)
        assert same(nautilus.load(path), whole[1])
        with make_sampler(log_l, filepath=path) as sampler:
            assert bits(sampler) == whole[2]
            with pytest.raises(CheckpointStorageError, match=r"run\.nautilus.*check permissions"):
                sampler.run(n_like_max=N_LIKE + 60)
            assert content_of(path.parent) == {path: whole[0]}
            protect(path.parent, 0o755)
            sampler.run(n_like_max=N_LIKE)
            assert bits(sampler) == whole[2]

    @pytest.mark.parametrize("way", [go_on, nautilus.load])
    def test_a_file_that_may_not_be_read(self, way, path, protect, whole):
        protect(path, 0)
        with pytest.raises(CheckpointStorageError, match=r"cannot be opened.*permissions"):
            way(path)
        protect(path, 0o644)
        assert content_of(path.parent) == {path: whole[0]}

    @pytest.mark.parametrize("way", [go_on, nautilus.load])
    def test_a_folder_that_may_not_be_entered(self, way, path, protect, whole):
        protect(path.parent, 0o600)
        with pytest.raises(CheckpointStorageError, match=r"run\.nautilus cannot be .*permission"):
            way(path)
        protect(path.parent, 0o755)
        assert content_of(path.parent) == {path: whole[0]}

    @pytest.mark.parametrize("resume", [True, False, "overwrite"])
    def test_a_new_file_in_a_folder_that_may_only_be_read(self, resume, path, protect):
        path.unlink()
        protect(path.parent, 0o555)
        with pytest.raises(CheckpointStorageError, match=r"cannot be made.*folder may"):
            make_sampler(log_l, filepath=path, resume=resume)

    @pytest.mark.parametrize("resume", [False, "overwrite"])
    def test_a_file_that_may_not_give_way(self, resume, path, protect, whole):
        protect(path.parent, 0o555)
        with (
            make_sampler(log_l, filepath=path, resume=resume) as sampler,
            pytest.raises(CheckpointStorageError, match=r"run\.nautilus.*check"),
        ):
            sampler.run(n_like_max=N_LIKE)
        assert content_of(path.parent) == {path: whole[0]}

    def test_a_link_to_nothing(self, path):
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("gone")
        with pytest.raises(CheckpointStorageError, match=r"a link to gone, where.*bring back"):
            make_sampler(log_l, filepath=path)
        path.unlink()
        path.symlink_to("elsewhere")
        go_on(path)
        assert sorted(path.parent.iterdir()) == [path.with_name("elsewhere"), path]

    @pytest.mark.parametrize("place", ["", "/elsewhere"])
    def test_a_folder_that_cannot_be_made(self, place, path):
        where = f"{path}{place}/run.nautilus"  # of which a part is a file
        with pytest.raises(CheckpointStorageError, match=r"cannot be made.*folder may be"):
            make_sampler(log_l, filepath=where)
        with pytest.raises(CheckpointStorageError, match=r"cannot be opened.*check the name"):
            nautilus.load(where)

    def test_what_a_killed_process_left_where_nothing_may_be_written(self, path, protect, whole):
        """To read it means to undo what was half done; that needs a folder one may write to."""
        leave_within_a_save(path)
        protect(path.parent, 0o555)
        for way in (go_on, nautilus.load):
            with pytest.raises(CheckpointStorageError, match=r"run\.nautilus.*check permissions"):
                way(path)
        protect(path.parent, 0o755)
        assert same(nautilus.load(path), whole[1])


def leave_within_a_save(path):
    """Leave a file as a process does that is killed when its pages are written."""
    copy = path.parent.with_name("copy")

    def rule(call, perform):
        is_last = call.kind == "sync" and call.path == str(path)
        if is_last and not copy.exists():
            shutil.copytree(path.parent, copy)
        return perform()

    disk = Disk(path.parent)
    disk.rule = rule
    with disk.mounted():
        go_on(path)
    shutil.rmtree(path.parent)
    copy.rename(path.parent)
    assert len(list(path.parent.iterdir())) == 2
