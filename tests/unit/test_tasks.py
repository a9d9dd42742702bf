"""What the sampler's own work is sent to workers for, and how much of it travels together."""

from concurrent.futures import Executor, Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus.evaluate import worker
from nautilus.evaluate.backends import ExecutorHandle
from nautilus.evaluate.tasks import GROUP_SECONDS, HERE_SECONDS, TaskRunner


class Messages(Executor):
    """Runs each call at once, keeps what was sent, and says how long each task took."""

    def __init__(self, seconds):
        self.seconds, self.sent = seconds, []

    def submit(self, fn, /, function, tasks, n_threads, sender):
        assert fn is worker.run_tasks
        self.sent.append(list(tasks))
        future = Future()
        try:
            answers, _ = fn(function, tasks, n_threads, sender)
            future.set_result((answers, self.seconds * len(tasks)))
        except ArithmeticError as error:
            future.set_exception(error)
        return future

    @property
    def sizes(self):
        return [len(tasks) for tasks in self.sent]

    def forget(self):
        self.sent.clear()


def runner_with(seconds, n_workers=2):
    """Return a runner that knows how long `divmod` takes, and what it sends from now on."""
    executor = Messages(seconds)
    runner = TaskRunner(ExecutorHandle(lambda: executor, n_workers))
    runner.map(divmod, [(7, 2)])
    assert executor.sizes == [1]
    executor.forget()
    return runner, executor


def pairs(n):
    return [(i, 3) for i in range(n)]


def answers(n):
    return [divmod(i, 3) for i in range(n)]


class TestShortTasks:
    def test_they_are_done_here(self):
        runner, executor = runner_with(0.9 * HERE_SECONDS / 10)
        assert runner.map(divmod, pairs(10)) == answers(10)
        assert executor.sent == []

    def test_so_many_that_they_take_long_together_are_sent(self):
        runner, executor = runner_with(1.1 * HERE_SECONDS / 10)
        assert runner.map(divmod, pairs(10)) == answers(10)
        assert sum(executor.sizes) == 10

    def test_a_function_that_was_never_run_is_not_tried_here(self):
        runner, executor = runner_with(1e-6)
        assert runner.map(pow, pairs(1)) == [0]
        assert executor.sent == [pairs(1)]

    def test_an_error_is_raised_as_it_is(self):
        runner, executor = runner_with(1e-6)
        with pytest.raises(ZeroDivisionError, match="zero"):
            runner.map(divmod, [(1, 1), (1, 0)])
        assert executor.sent == []

    def test_what_turns_out_to_be_slow_here_is_sent_again(self, monkeypatch):
        runner, executor = runner_with(1e-6)
        monkeypatch.setattr(worker, "run_tasks", lambda *_: (answers(4), 1.0))
        assert runner.map(divmod, pairs(4)) == answers(4)
        assert executor.sent == []
        runner.map(divmod, pairs(4))
        assert executor.sizes == [1] * 4


class TestGroups:
    def test_a_message_carries_enough_work(self):
        runner, executor = runner_with(GROUP_SECONDS / 4)
        assert runner.map(divmod, pairs(100)) == answers(100)
        assert executor.sizes == [4] * 25

    def test_work_for_every_worker_comes_first(self):
        runner, executor = runner_with(GROUP_SECONDS / 4, n_workers=10)
        assert runner.map(divmod, pairs(41)) == answers(41)
        assert executor.sizes == [2] * 20 + [1]

    def test_long_tasks_travel_alone(self):
        runner, executor = runner_with(2 * GROUP_SECONDS)
        assert runner.map(divmod, pairs(9)) == answers(9)
        assert executor.sizes == [1] * 9

    def test_tasks_of_unknown_length_travel_alone_until_the_first_is_back(self):
        executor = Messages(GROUP_SECONDS / 4)
        runner = TaskRunner(ExecutorHandle(lambda: executor, 2))
        assert runner.map(divmod, pairs(100)) == answers(100)
        assert executor.sizes == [1] * 4 + [4] * 24

    def test_an_error_in_a_group_is_raised_as_it_is(self):
        runner, executor = runner_with(GROUP_SECONDS / 4)
        with pytest.raises(ZeroDivisionError, match="zero"):
            runner.map(divmod, [*pairs(40), (1, 0)])
        assert max(executor.sizes) == 4

    def test_a_clock_that_stands_still_is_harmless(self):
        runner, executor = runner_with(0.0)
        assert runner.map(divmod, pairs(50)) == answers(50)
        assert executor.sent == []

    def test_no_tasks_have_no_answers(self):
        runner, executor = runner_with(1.0)
        assert runner.map(divmod, []) == []
        assert runner.map(pow, []) == []
        assert executor.sent == []

    @given(st.floats(1e-6, 1.0), st.integers(0, 300), st.integers(1, 20))
    def test_all_are_answered_and_no_worker_waits_for_work(self, seconds, n_tasks, n_workers):
        runner, executor = runner_with(seconds, n_workers)
        assert runner.map(divmod, pairs(n_tasks)) == answers(n_tasks)
        sent = [task for tasks in executor.sent for task in tasks]
        if n_tasks * seconds < HERE_SECONDS:
            assert sent == []
        else:
            assert sent == pairs(n_tasks)
            assert len(executor.sent) >= min(n_tasks, 2 * n_workers)
            enough = all(size * seconds >= 0.999 * GROUP_SECONDS for size in executor.sizes[:-1])
            fair = max(executor.sizes) == max(1, n_tasks // (2 * n_workers))
            assert enough or fair
