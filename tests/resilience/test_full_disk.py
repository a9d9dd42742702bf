"""The disk, or a quota, is full: an error says so, and the run goes on when there is room again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from disk import Disk, healthy
from faults import Fault
from logged_run import bits, log_l, make_sampler

from nautilus.errors import CheckpointStorageError
from nautilus.runfile import read_run

N_LIKE = 300
"""Calls after which these runs end."""

SCRIPT = f"""
import json, pathlib, resource, sys
from logged_run import bits, log_l, make_sampler
from nautilus.errors import CheckpointStorageError
from nautilus.runfile import read_run

path, limit = sys.argv[1], int(sys.argv[2])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
sampler = make_sampler(log_l, filepath=path)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
told = []
for _ in range(2):
    try:
        sampler.run(n_like_max={N_LIKE})
    except CheckpointStorageError as error:
        told.append(str(error))
n_memory = sampler.n_like
n_file = read_run(path, None).state.n_like if pathlib.Path(path).exists() else 0
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
sampler.run(n_like_max={N_LIKE})
print(json.dumps([told, n_memory, n_file, bits(sampler)]))
"""


@pytest.fixture(scope="module")
def expected():
    """Return the bits of the result of a run without a file, and the size of a whole file."""
    with make_sampler(log_l) as sampler:
        sampler.run(n_like_max=N_LIKE)
        return bits(sampler)


@pytest.mark.parametrize("limit", [60_000, 100_000, 110_000])
def test_files_may_not_become_larger(limit, tmp_path, expected):
    """The system itself says so, by a limit on the size of files of one process."""
    path = tmp_path / "run.nautilus"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, path, str(limit)], env=environment, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    told, n_memory, n_file, result = json.loads(done.stdout)
    assert len(told) == 2
    assert all("cannot be read or written" in text for text in told)
    assert all("free space and quota" in text for text in told)
    assert n_file <= n_memory <= N_LIKE
    assert (n_file > 0) == (limit > 60_000)  # less than an empty file needs
    assert result == expected
    assert read_run(path, None).state.n_like == N_LIKE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("how", ["nothing", "half"])
def test_a_disk_that_becomes_full_under_a_run(how, tmp_path, expected, some, count):
    disk = Disk(tmp_path)
    with disk.mounted():
        for k in some(450, 3, 40):
            path = tmp_path / f"{k}.nautilus"
            sampler = make_sampler(log_l, filepath=path)
            disk.rule = Fault("write", k, is_lasting=True, how=how, code=apsw.SQLITE_FULL)
            for _ in range(2):
                with pytest.raises(CheckpointStorageError, match="free space and quota"):
                    sampler.run(n_like_max=N_LIKE)
            disk.rule = healthy
            sampler.run(n_like_max=N_LIKE)
            assert bits(sampler) == expected
            assert read_run(path, None).state.n_like == N_LIKE
            count("faults")
    assert all(name.suffix == ".nautilus" for name in Path(tmp_path).iterdir())
