"""Campaigns of runs, with a plain importance sampler in the place of the real one."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nautilus
from nautilus.errors import SettingsError
from nautilus.testing import campaign, suite, verdict
from nautilus.testing.campaign import Row, Task, run_task, run_tasks
from nautilus.testing.problems import catalogue, flat, round_gaussian

N_EFF = 400.0


class UniformSampler:
    """Importance sampling from the prior behind the public interface."""

    def __init__(self, prior, likelihood, **keywords):
        self.prior, self.likelihood, self.keywords = prior, likelihood, keywords
        self.rng = np.random.default_rng(keywords["seed"])
        self.n_like = 0

    def run(self, *, n_eff, discard_exploration, timeout, verbose):
        assert timeout > 0
        assert not verbose
        self.points = self.rng.random((int(45 * n_eff), self.keywords["n_dim"]))
        self.log_l = self.likelihood(self.prior(self.points))
        self.n_like += len(self.points)
        weights = np.exp(self.log_l - self.log_l.max())
        relative = weights / weights.mean()
        self.log_z = float(np.log(weights.mean()) + self.log_l.max())
        self.log_z_err = float(relative.std() / np.sqrt(len(weights)))
        self.n_eff = float(weights.sum() ** 2 / (weights**2).sum())
        self.eta = self.n_eff / self.n_like
        self.result = SimpleNamespace(stop_reason="goal reached", findings=())
        return self.n_eff >= n_eff

    def posterior(self):
        return self.points, self.log_l - self.log_z - np.log(len(self.points)), self.log_l


def shifted(sampler):
    return sampler.log_z + 0.3, sampler.log_z_err


def serial(tasks, n_workers, estimator):
    del n_workers
    for task in tasks:
        yield run_task(task, estimator)


@pytest.fixture(autouse=True)
def _uniform_sampler(monkeypatch):
    monkeypatch.setattr(nautilus, "Sampler", UniformSampler, raising=False)
    monkeypatch.setattr(suite, "run_tasks", serial)


def plan(n_seeds: int = 6, **keywords) -> suite.Plan:
    return suite.Plan(("round-3", "plateau-3"), n_seeds, N_EFF, cap=0.2, **keywords)


def test_a_run_gives_two_rows_that_survive_storage() -> None:
    rows = run_task(Task("round-3", round_gaussian, 3, N_EFF))
    assert [row.is_fresh for row in rows] == [False, True]
    assert rows[0].is_success
    assert rows[1].n_like == 2 * rows[0].n_like
    assert abs(rows[0].log_z - round_gaussian().log_z) < 5 * rows[0].log_z_err
    assert len(rows[0].values) == len(rows[0].errors) == 2 * 3 + 9 * 3
    assert [Row.from_json(row.to_json()) for row in rows] == rows


def test_key_follows_all_that_decides_about_numbers(monkeypatch) -> None:
    task = Task("round-3", round_gaussian, 3, N_EFF)
    others = [
        Task("flat-2", flat, 3, N_EFF),
        Task("round-3", round_gaussian, 4, N_EFF),
        Task("round-3", round_gaussian, 3, 2 * N_EFF),
        Task("round-3", round_gaussian, 3, N_EFF, settings={"n_live": 7}),
    ]
    assert task.key not in {other.key for other in others}
    assert task.key == Task("round-3", round_gaussian, 3, N_EFF, timeout=1.0).key
    before = task.key
    monkeypatch.setattr(campaign, "code_digest", lambda: "other code")
    assert task.key != before


def test_a_run_that_raises_in_its_process_gives_rows_without_numbers() -> None:
    task = Task("flat-2", flat, 0, 10.0, settings={"no_such_keyword": 1})
    (rows,) = list(run_tasks([task]))
    assert [row.is_fresh for row in rows] == [False, True]
    assert all(np.isnan(row.log_z) and not row.is_success and row.reason for row in rows)


def test_right_sampler_passes_and_a_shifted_one_fails(tmp_path: Path) -> None:
    right = suite.assess(plan(), suite.collect(plan(), tmp_path / "right.jsonl"))
    assert suite.has_passed(right), [f for v in right for f in v.findings if not f.passed]
    wrong = suite.assess(plan(), suite.collect(plan(), tmp_path / "wrong.jsonl", shifted))
    assert not suite.has_passed(wrong)
    failed = {f.name for v in wrong for f in v.findings if not f.passed}
    assert {"bias (kept)", "bias (fresh)", "scatter (kept)"} <= failed
    assert not {"averages, all runs (kept)", "marginals (kept)", "agreement"} & failed


def test_stored_runs_are_not_made_again(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "rows.jsonl"
    first = suite.collect(plan(2), path)
    path.write_text(path.read_text() + '{"key": "cut sho')
    made = []
    monkeypatch.setattr(
        suite, "run_tasks", lambda tasks, *rest: made.extend(tasks) or serial(tasks, *rest)
    )
    second = suite.collect(plan(3), path)
    assert [(task.problem, task.seed) for task in made] == [
        ("round-3", 2),
        ("plateau-3", 2),
    ]
    assert second[: len(first)] == first
    assert len(second) == len(first) + 4
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [
        row.seed for row in second
    ]


def broken(task):
    return campaign.broken(task, OSError("lost"))


def late(task):
    kept, fresh = run_task(task)
    return [kept, replace(fresh, is_success=False, reason="the time was up")]


@pytest.mark.parametrize(("flawed", "reason"), [(broken, "OSError: lost"), (late, "time was up")])
def test_unfinished_runs_are_made_again_and_fail_until_then(
    flawed, reason, tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / "rows.jsonl"

    def some_flawed(tasks, *_rest):
        for task in tasks:
            yield flawed(task) if task.seed == 1 else run_task(task)

    monkeypatch.setattr(suite, "run_tasks", some_flawed)
    verdicts = suite.assess(plan(3), suite.collect(plan(3), path))
    assert not suite.has_passed(verdicts)
    assert reason in verdict.report(verdicts, {})
    monkeypatch.setattr(suite, "run_tasks", serial)
    assert suite.has_passed(suite.assess(plan(3), suite.collect(plan(3), path)))


def test_command_writes_its_table_and_tells_the_outcome(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    table = tmp_path / "docs" / "statistical.md"
    arguments = ["--problems", "round-3", "--seeds", "3", "--n-eff", "200", "--cap", "0.2"]
    arguments += ["--rows", str(tmp_path / "rows.jsonl"), "--table", str(table)]
    assert suite.main(arguments) == 0
    page = table.read_text(encoding="utf-8")
    assert "python -m nautilus.testing.suite --problems round-3 --seeds 3 --n-eff 200" in page
    assert "| round-3 | 3 | 3 | 9,000 | 18,000 |" in page
    assert "All checks passed." in page
    assert page in capsys.readouterr().out
    arguments[arguments.index(str(tmp_path / "rows.jsonl"))] = str(tmp_path / "wrong.jsonl")
    monkeypatch.setattr(suite, "whole_history", shifted)
    assert suite.main([*arguments, "--control"]) == 1
    page = table.read_text(encoding="utf-8")
    assert "**FAILED**" in page
    assert "deliberately biased" in page
    assert page.startswith("# Negative control")


def test_rows_of_different_runs_are_refused() -> None:
    rows = [row for seed in (0, 1) for row in run_task(Task("round-3", round_gaussian, seed, 50.0))]
    with pytest.raises(SettingsError, match="pass both of each run"):
        verdict.judge(round_gaussian(), rows[:3], 1)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"problems": ("no-such",)}, "no-such.*pass names among round-3"),
        ({"problems": ()}, "pass names among"),
        ({"problems": tuple(catalogue()), "n_seeds": 1}, "n_seeds=1: pass at least 2"),
    ],
)
def test_plans_without_meaning_are_refused(keywords, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        suite.Plan(**keywords)
