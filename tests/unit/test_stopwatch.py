"""The time that a run takes, and how much of it is that of the likelihood."""

from types import SimpleNamespace

import pytest

from nautilus import stopwatch
from nautilus.runfile import Clocks
from nautilus.stopwatch import Stopwatch


class Evaluator:
    """Starts when it is called, and takes its time on a clock of its own."""

    def __init__(self):
        self.now, self.is_closed = 0.0, False

    def __call__(self):
        self.now += 3.0
        return Results(self, 2)


class Results:
    def __init__(self, owner, n_left):
        self.owner, self.n_left = owner, n_left

    def __next__(self):
        self.owner.now += 1.0
        if self.n_left == 0:
            raise StopIteration
        self.n_left -= 1
        return self.n_left

    def close(self):
        self.owner.is_closed = True


@pytest.fixture
def evaluator():
    return Evaluator()


@pytest.fixture
def watch(evaluator, monkeypatch):
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(monotonic=lambda: evaluator.now))
    return Stopwatch()


def test_an_evaluation_starts_when_it_is_asked_for(watch, evaluator):
    watch.time(evaluator)
    assert evaluator.now == 3.0


def test_time_spent_otherwise_is_not_that_of_the_likelihood(watch, evaluator):
    chunks = watch.time(evaluator)
    assert watch.clocks.likelihood == 3.0
    evaluator.now += 10.0
    found = []
    for chunk in chunks:
        found.append(chunk)
        evaluator.now += 100.0
    assert found == [1, 0]
    assert watch.clocks.likelihood == 6.0


def test_an_error_takes_time_as_well(watch, evaluator, monkeypatch):
    chunks = watch.time(evaluator)

    def fail(_):
        evaluator.now += 5.0
        raise OSError("no network")

    monkeypatch.setattr(Results, "__next__", fail)
    with pytest.raises(OSError, match="no network"):
        next(chunks)
    assert watch.clocks.likelihood == 8.0


def test_an_evaluation_can_be_closed_before_its_first_chunk(watch, evaluator):
    watch.time(evaluator).close()
    assert evaluator.is_closed


def test_the_time_of_all_calls_is_counted(watch, evaluator):
    evaluator.now += 7.0
    watch.start()
    evaluator.now += 2.0
    watch.look()
    assert watch.clocks == Clocks(2.0, 0.0)
    evaluator.now += 50.0
    watch.start()
    watch.restore(Clocks(100.0, 60.0))  # found in the file when the call had begun
    evaluator.now += 1.0
    assert watch.seconds == 1.0
    watch.look()
    assert watch.clocks == Clocks(101.0, 60.0)
