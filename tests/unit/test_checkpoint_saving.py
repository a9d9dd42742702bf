"""When a run is saved, on a clock of its own, and how much work is at risk."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from nautilus import Sampler, checkpoint
from nautilus.checkpoint import SAVE_SHARE, Checkpoint
from nautilus.checkpoint_settings import CheckpointSettings
from nautilus.errors import CheckpointBusyError, SaveDelayedWarning
from nautilus.model import make_prior_map
from nautilus.run.config import Config
from nautilus.run.detection import detection_limit
from nautilus.run.state import PendingStage, Phase, Stage, new_state
from nautilus.runfile import Account, Answer, read_run

N = 1000
CONFIG = Config(n_dim=2, seed=1)


@dataclass
class Disk:
    """Takes the time that it is told for each save, and keeps the last state."""

    seconds: float = 0.01
    now: float = 100.0
    state: object = None
    answer: object = None
    n_saves: int = 0
    is_busy: bool = False
    written = None

    def create(self, path, header, state, account, *, replaces, owner):
        return self

    def save(self, state, account, to_parameters=None, answer=None):
        self.now += self.seconds
        if self.is_busy:
            raise CheckpointBusyError("somebody reads")
        self.state, self.answer = state, answer
        self.n_saves += 1

    def close(self):
        """Nothing is open."""


class Work:
    """A stage whose results come in one by one."""

    def __init__(self, kept, disk):
        self.kept, self.disk = kept, disk
        stage = Stage(Phase.EXPLORATION, np.array([N]))
        none = np.zeros(N, dtype=bool)
        pending = PendingStage(stage, np.full((N, 2), 0.5), np.full(N, np.nan), None, none)
        self.state = replace(new_state(2), pending=pending)
        self.save(is_step=True)

    def save(self, *, is_step=False, answer=lambda: None):
        self.kept.save(self.state, Account(), answer, is_step=is_step)

    def go_on(self, seconds):
        """Let another result come after so many seconds; tell whether it was saved at once."""
        self.disk.now += seconds
        row = np.array([self.state.n_like])
        self.state = replace(self.state, pending=self.state.pending.fill(row, np.ones(1), None))
        return self.look()

    def look(self, seconds=0.0):
        """Let some seconds pass without a result, and tell whether something was saved then."""
        self.disk.now += seconds
        before = self.disk.n_saves
        self.save()
        return self.disk.n_saves > before

    @property
    def n_at_risk(self):
        return self.state.n_like - self.disk.state.n_like


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(checkpoint, "RunStore", disk)
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: disk.now))
    return disk


@pytest.fixture
def start(disk, tmp_path):
    """Return a function that begins a run with some most seconds between saves."""

    def begin(interval=60.0, seconds=0.01):
        disk.seconds = seconds
        prior = make_prior_map(
            lambda x: x, 2, args=(), kwargs=None, pass_dict=False, vectorized=True
        )
        kept = Checkpoint(CheckpointSettings(tmp_path / "run.nautilus", interval=interval), prior)
        kept.create(CONFIG, new_state(2), Account())
        return Work(kept, disk)

    return begin


def test_slow_results_are_each_saved_when_they_come(start):
    work = start(seconds=0.02)
    assert all(work.go_on(60.0) for _ in range(20))
    assert work.n_at_risk == 0


def test_fast_results_are_saved_when_that_takes_a_small_share_of_the_time(start, disk):
    work = start(seconds=0.02)
    begin, n_before = disk.now, disk.n_saves
    for _ in range(N - 1):
        work.go_on(0.1)
    n_saves = disk.n_saves - n_before
    share = n_saves * disk.seconds / (disk.now - begin)
    assert 0.8 * SAVE_SHARE < share <= SAVE_SHARE


def test_a_slow_disk_is_asked_once_in_an_interval(start, disk):
    """Where that share would mean less often than the setting asks for, the setting counts."""
    work = start(interval=60.0, seconds=5.0)
    saved = [work.go_on(1.0) for _ in range(600)]
    gaps = np.diff(np.flatnonzero(saved))
    assert set(gaps) == {60}
    assert saved.index(True) == 59


def test_no_result_is_at_risk_for_longer_than_the_interval(start, disk, seed):
    rng = np.random.default_rng(seed)
    for interval, seconds in ((60.0, 5.0), (60.0, 0.3), (2.0, 0.5), (0.0, 1.0)):
        work = start(interval, seconds)
        oldest = None
        for _ in range(N - 1):
            before = disk.now
            is_saved = work.go_on(rng.exponential(3.0))
            came = disk.now - (seconds if is_saved else 0.0)
            waited = 0.0 if oldest is None else came - oldest
            # A result that comes late finds earlier ones unsaved only since the last look.
            assert waited <= interval + (came - before)
            oldest = None if is_saved else (came if oldest is None else oldest)
            assert (work.n_at_risk == 0) == is_saved


def test_a_result_after_a_long_pause_is_saved_at_once(start):
    work = start(interval=60.0, seconds=5.0)
    assert not work.go_on(1.0)
    assert work.go_on(3600.0)
    assert work.n_at_risk == 0
    assert not work.go_on(1.0)


def test_results_that_could_wait_are_saved_while_nothing_comes(start):
    """Many calls end together; the next ones take hours."""
    work = start(interval=60.0, seconds=5.0)
    assert not any(work.go_on(0.01) for _ in range(100))
    looks = [work.look(0.5) for _ in range(1000)]
    assert looks.index(True) == 117  # after a second of results and 59 of nothing
    assert sum(looks) == 1
    assert work.n_at_risk == 0


def test_every_step_is_saved_at_once(start, disk):
    work = start(interval=60.0, seconds=5.0)
    for _ in range(5):
        n_saves = disk.n_saves
        work.save(is_step=True)
        assert disk.n_saves == n_saves + 1


def test_a_save_that_was_left_out_is_made_up_for(start, disk):
    work = start(interval=60.0, seconds=1.0)
    disk.is_busy = True
    with pytest.warns(SaveDelayedWarning, match="somebody reads"):
        work.go_on(100.0)
    disk.is_busy = False
    assert not work.look(59.0)
    assert work.look(1.0)
    assert work.n_at_risk == 0


def test_a_step_that_was_left_out_is_made_up_for(start, disk):
    work = start(interval=60.0, seconds=1.0)
    disk.is_busy = True
    with pytest.warns(SaveDelayedWarning, match="somebody reads"):
        work.save(is_step=True)
    disk.is_busy = False
    assert work.look(60.0)


def test_weights_are_written_when_there_are_a_tenth_more(start, disk):
    """Written with each stage they would take a time that grows with its square."""
    work, sizes = start(), []
    for n in range(1, 400):
        ledger = work.state.ledger
        stage = Stage(Phase.EXPLORATION, np.array([10]))
        ledger = ledger.append(stage, np.full((10, 2), 0.5), np.zeros(10), None)
        work.state = replace(work.state, ledger=ledger, pending=None)
        limit = detection_limit(new_state(2))
        found = Answer(np.zeros(10 * n), 0.0, 0.0, 1.0, 1.0, 0.0, (), False, limit)
        work.save(is_step=True, answer=lambda found=found: found)
        if disk.answer is not None:
            sizes.append(len(disk.answer.log_weights))
    assert sizes[:3] == [10, 20, 30]
    assert min(np.divide(sizes[1:], sizes[:-1])) >= 1.1
    assert sum(sizes) < 12 * 4000


def test_a_run_saves_what_came_in_while_it_waits_for_a_call(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_SHARE", 1e-9)  # so that the interval decides
    path, sizes, found = tmp_path / "run.nautilus", [], []

    def log_likelihood(points):
        sizes.append(len(points))
        # After the test and a first batch, this call ends when the file has that batch.
        while len(sizes) == 3 and not found:
            n_like = read_run(path).state.n_like
            found.extend([n_like] if n_like else [])
            time.sleep(0.05)
        return -np.sum((points - 0.5) ** 2, axis=1)

    with (
        ThreadPoolExecutor(1) as pool,
        Sampler(
            lambda x: x, log_likelihood, 2, vectorized=True, n_batch=16, n_networks=0, seed=1,
            pool=pool, filepath=path, save_interval=0.5,
        ) as sampler,
    ):  # fmt: skip
        sampler.run(n_like_max=48)
    assert sizes[1:] == [16, 16, 16]
    assert found == [16]
