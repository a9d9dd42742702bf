"""The disk fails under a whole run: an error says so, and run() goes on where it was."""

import pytest
from disk import Disk, healthy
from faults import Fault, count_calls, error_of
from logged_run import N_TEST, bits, log_l, make_sampler

from nautilus.errors import CheckpointStorageError
from nautilus.runfile import read_run

N_LIKE = 260
"""Calls after which these runs end: a few stages with a network."""


class Attempt:
    """A run on a disk with faults.

    Parameters
    ----------
    disk
        The disk, which is mounted.
    path
        The run file.
    """

    def __init__(self, disk, path):
        self.disk, self.path = disk, path
        self.points = []
        self.sampler = make_sampler(self._log_l, filepath=path)

    def run(self):
        self.sampler.run(n_like_max=N_LIKE)

    def assert_nothing_is_lost(self):
        """See that all evaluations are in memory, each once."""
        tried = set(self.points[:N_TEST])  # perhaps more than once
        made = [point for point in self.points if point not in tried]
        assert len(set(made)) == len(made) == self.sampler.n_like

    def end(self):
        """Run to the end on a disk that is well; return the bits of the result."""
        self.disk.rule = healthy
        self.run()
        self.assert_nothing_is_lost()
        assert read_run(self.path).state.n_like == self.sampler.n_like
        return bits(self.sampler)

    def _log_l(self, parameters):
        self.points.append(tuple(parameters.values()))
        return log_l(parameters)


@pytest.fixture
def attempt(tmp_path):
    """Return the function that makes an attempt in a folder of its own."""
    disk = Disk(tmp_path)

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        return Attempt(disk, folder / "run.nautilus")

    with disk.mounted():
        yield make


@pytest.fixture(scope="module")
def expected():
    """Return the bits of the result of a run without a file."""
    with make_sampler(log_l) as sampler:
        sampler.run(n_like_max=N_LIKE)
        return bits(sampler)


@pytest.fixture(scope="module")
def n_calls(tmp_path_factory):
    """Return how many calls such a run makes."""
    folder = tmp_path_factory.mktemp("count")

    def go():
        with make_sampler(log_l, filepath=folder / "run.nautilus") as sampler:
            sampler.run(n_like_max=N_LIKE)

    return sum(count_calls(folder, go).values())


def test_a_disk_that_fails_for_ever(attempt, expected, n_calls, some, count):
    errors = set()
    for k in some(n_calls, 5, 60):
        case = attempt(f"{k}")
        case.disk.rule = Fault("any", k, is_lasting=True)
        for _ in range(2):
            errors.add(type(error_of(case.run)))
            case.assert_nothing_is_lost()
        assert case.end() == expected
        count("faults")
    # Giving the file back, at the very end, may fail without a word.
    assert CheckpointStorageError in errors <= {CheckpointStorageError, type(None)}


@pytest.mark.parametrize("how", ["nothing", "all"])
def test_a_disk_that_fails_once(how, attempt, expected, n_calls, some, count):
    errors = set()
    for k in some(n_calls, 5, 60):
        case = attempt(f"{k}")
        case.disk.rule = Fault("any", k, how=how)
        errors.add(type(error_of(case.run)))
        case.assert_nothing_is_lost()
        assert case.end() == expected
        count("faults")
    assert CheckpointStorageError in errors <= {CheckpointStorageError, type(None)}


class Late:
    """A rule by which writing fails as soon as half of the calls of the likelihood were made."""

    def __init__(self, points):
        self._points, self._fault = points, Fault("write", 1, is_lasting=True)

    def __call__(self, call, perform):
        is_late = len(self._points) > N_LIKE / 2
        return self._fault(call, perform) if is_late else perform()


def test_each_call_fails_when_a_run_is_to_go_on(attempt, expected, some, count):
    """Memory is ahead of the file by then, and must not be replaced by what is in it."""
    for k in some(100, 7):
        case = attempt(f"{k}")
        case.disk.rule = Late(case.points)
        assert type(error_of(case.run)) is CheckpointStorageError
        n_like = case.sampler.n_like
        assert n_like > read_run(case.path, None).state.n_like
        case.disk.rule = fault = Fault("any", k)
        error_of(case.run)
        assert fault.was_reached
        assert case.sampler.n_like >= n_like
        case.assert_nothing_is_lost()
        assert case.end() == expected
        count("faults")
