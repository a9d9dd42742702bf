"""When a run has to end by the clock on the wall."""

import math
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from nautilus import Prior, Sampler, SettingsError, StopReason, deadline
from nautilus.deadline import parse_time_left, seconds_left

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(deadline, "time", SimpleNamespace(time=lambda: NOW))


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Return a function that makes a command of the batch system, which says something."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(script):
        path = tmp_path / "squeue"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make


@pytest.mark.parametrize(
    ("when", "seconds"),
    [
        (None, math.inf),
        (NOW + 100, 95.0),
        (NOW + 3, 0.0),
        (NOW - 100, 0.0),
        (datetime.fromtimestamp(NOW, UTC) + timedelta(hours=1), 3595.0),
        (datetime.fromtimestamp(NOW, timezone(timedelta(hours=9))) + timedelta(hours=1), 3595.0),
        (datetime.fromtimestamp(NOW + 60), 55.0),  # noqa: DTZ006 - local time
    ],
)
def test_the_time_that_is_left(when, seconds):
    assert seconds_left(when, 5.0, {}) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("when", ["soon", True, math.nan, [1.0], "SLURM"])
def test_what_is_no_time(when):
    with pytest.raises(SettingsError, match="give a datetime, seconds since 1970"):
        seconds_left(when, 5.0, {})


class TestSlurm:
    def test_the_end_of_the_job_stands_in_the_environment(self):
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": f"{NOW + 1000:.0f}"}
        assert seconds_left("slurm", 10.0, job) == pytest.approx(1000 - 10 - 30)
        assert seconds_left("slurm", 1000.0, job) == 0.0

    def test_older_versions_are_asked(self, squeue):
        squeue("echo 1-02:03:04")
        left = 26 * 3600 + 3 * 60 + 4
        assert seconds_left("slurm", 0.0, {"SLURM_JOB_ID": "4711"}) == left - 30

    def test_it_is_asked_for_this_job(self, squeue):
        squeue('test "$3" = 4711 && echo 10:00 || exit 1')
        assert seconds_left("slurm", 0.0, {"SLURM_JOB_ID": "4711"}) == 570
        with pytest.raises(SettingsError, match="nor does squeue tell the time left of job 8"):
            seconds_left("slurm", 0.0, {"SLURM_JOB_ID": "8"})

    def test_it_is_asked_for_this_task_of_an_array(self, squeue):
        squeue('test "$3" = 4700_2 && echo 10:00 || exit 1')
        job = {
            "SLURM_JOB_ID": "4711", "SLURM_ARRAY_JOB_ID": "4700", "SLURM_ARRAY_TASK_ID": "2",
        }  # fmt: skip
        assert seconds_left("slurm", 0.0, job) == 570

    def test_outside_of_a_job_that_is_an_error(self):
        with pytest.raises(SettingsError, match=r"belongs to no job of Slurm \(SLURM_JOB_ID"):
            seconds_left("slurm", 0.0, {})

    def test_a_job_that_does_not_tell_its_end(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SettingsError, match="Give the time at which the run has to end"):
            seconds_left("slurm", 0.0, {"SLURM_JOB_ID": "8"})

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0:05\n", 5.0), ("12:34", 754.0), ("1:00:00", 3600.0), ("2-00:00:01", 172801.0),
            ("UNLIMITED", math.inf),
        ],
    )  # fmt: skip
    def test_times_as_slurm_writes_them(self, text, seconds):
        assert parse_time_left(text) == seconds

    @pytest.mark.parametrize("text", ["", "INVALID", "12", "1-2", "a:b"])
    def test_what_it_writes_otherwise_is_an_error(self, text):
        with pytest.raises(SettingsError, match="which is not a time"):
            parse_time_left(text)


def test_a_run_ends_in_time(monkeypatch):
    prior = Prior()
    prior.add_parameter("a")
    sampler = Sampler(prior, lambda p: -p["a"], n_live=50, seed=1)
    assert not sampler.run(deadline=NOW + 4, grace=5)
    assert sampler.stop_reason is StopReason.TIME
    assert sampler.n_like == 0
    # From here on each call takes a second.
    monkeypatch.setattr(
        "nautilus.stopwatch.time", SimpleNamespace(monotonic=lambda: float(sampler.n_like))
    )
    assert not sampler.run(deadline=NOW + 55, grace=5, n_like_max=200)
    assert sampler.stop_reason is StopReason.TIME
    assert 50 <= sampler.n_like < 200
