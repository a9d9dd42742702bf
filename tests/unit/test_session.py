"""What a session adds to the steps of a run: the time that evaluations take."""

from types import SimpleNamespace

import numpy as np
import pytest

from nautilus import session
from nautilus.run.config import Config
from nautilus.session import Session


class Evaluator:
    """Starts when it is called, and takes its time on a clock of its own."""

    def __init__(self):
        self.now, self.is_closed = 0.0, False

    def evaluate(self, points):
        self.now += 3.0
        return Results(self, len(points))


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
def run(evaluator, monkeypatch):
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: evaluator.now))
    return Session(Config(n_dim=2, seed=1), None, evaluator, None)


def test_an_evaluation_starts_when_it_is_asked_for(run, evaluator):
    run._timed(np.zeros((2, 2)))
    assert evaluator.now == 3.0


def test_time_spent_otherwise_is_not_that_of_the_likelihood(run, evaluator):
    chunks = run._timed(np.zeros((2, 2)))
    assert run.clock.likelihood == 3.0
    evaluator.now += 10.0
    found = []
    for chunk in chunks:
        found.append(chunk)
        evaluator.now += 100.0
    assert found == [1, 0]
    assert run.clock.likelihood == 6.0


def test_an_error_takes_time_as_well(run, evaluator, monkeypatch):
    chunks = run._timed(np.zeros((2, 2)))

    def fail(_):
        evaluator.now += 5.0
        raise OSError("no network")

    monkeypatch.setattr(Results, "__next__", fail)
    with pytest.raises(OSError, match="no network"):
        next(chunks)
    assert run.clock.likelihood == 8.0


def test_an_evaluation_can_be_closed_before_its_first_chunk(run, evaluator):
    run._timed(np.zeros((2, 2))).close()
    assert evaluator.is_closed
