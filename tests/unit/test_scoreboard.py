"""The scoreboard: verdicts, keys, stored rows, tables, and one small run in a process."""

import json
import os
import signal
import subprocess
from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from waiting import wait_for

from nautilus.testing import marginals
from nautilus.testing.problems import bimodal, gaussian, loggamma

INF, NAN = float("inf"), float("nan")


def row(**changes):
    fixed = {
        "package": "ours", "code": "abc", "problem": "round-3", "problem_code": "def", "seed": 0,
        "n_eff": 1000.0, "settings": {}, "timeout": 60.0, "status": "done", "n_dim": 3,
        "n_like": 8000, "n_exploration": 6000, "own_cpu_seconds": 2.0, "peak_mib": 120.0,
        "log_z": 0.01, "log_z_err": 0.02, "log_z_error": 0.01, "log_z_pull": 0.5,
        "mean_pull": 1.0, "sd_pull": 2.0, "weight_pull": None, "findings": [],
        "stop_reason": "goal",
    }  # fmt: skip
    return fixed | changes


def without_numbers(status):
    measured = {"log_z", "log_z_err", "log_z_error", "log_z_pull", "n_like", "n_exploration",
                "own_cpu_seconds", "peak_mib", "mean_pull", "sd_pull", "weight_pull", "findings",
                "n_dim"}  # fmt: skip
    return {k: v for k, v in row(status=status).items() if k not in measured}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, ()),
        ({"log_z_error": -0.051, "log_z_pull": -5.1}, ("log Z",)),
        # Neither a small error that is many quoted ones, nor a large one that is few.
        ({"log_z_error": 0.049, "log_z_pull": 30.0}, ()),
        ({"log_z_error": 3.0, "log_z_pull": 4.9}, ()),
        ({"log_z_error": 3.0, "log_z_pull": 0.0, "log_z_err": INF}, ()),
        ({"log_z_error": NAN, "log_z_pull": NAN}, ("log Z",)),
        ({"log_z_error": -INF, "log_z_pull": NAN}, ("log Z",)),
        ({"mean_pull": 5.1}, ("mean",)),
        ({"mean_pull": None, "sd_pull": 5.1, "weight_pull": 5.2}, ("sd", "weight")),
        ({"sd_pull": NAN}, ("sd",)),
    ],
)
def test_what_is_wrong(load, changes, wrong):
    judge = load("scoreboard_verdict")
    assert judge.wrong_parts(row(**changes)) == wrong
    word = judge.SILENT if wrong else judge.RIGHT
    assert judge.verdict(row(**changes)) == word
    told = judge.TOLD if wrong else judge.CAUTIOUS
    assert judge.verdict(row(**changes, findings=["a heavy tail"])) == told


def test_runs_without_an_answer_are_neither_right_nor_wrong(load):
    judge = load("scoreboard_verdict")
    assert judge.verdict(without_numbers("broken")) == judge.NO_RESULT
    assert judge.verdict(without_numbers("no result")) == judge.NO_RESULT
    assert judge.verdict(row(status="timed out", log_z_error=9.0, log_z_pull=9.0)) == judge.LATE
    assert "goal" in judge.line(without_numbers("broken"))


def test_log_z_can_be_judged_alone(load):
    judge = load("scoreboard_verdict")
    assert judge.verdict(row(weight_pull=9.0), ["log Z"]) == judge.RIGHT


def weighted(problem, points, n_like=10):
    told = {"n_like": n_like, "log_z": problem.log_z + 0.1, "log_z_err": 0.05, "findings": []}
    return told, points, problem.log_likelihood(points)


def test_errors_of_moments_are_in_standard_errors(load):
    one, problem = load("scoreboard_one"), loggamma(2)
    points = np.random.default_rng(1).random((200_000, 2))
    told = one.accuracy(problem, marginals, weighted(problem, points))
    assert told["log_z_pull"] == pytest.approx(2.0)
    assert 0.0 < told["mean_pull"] < 4.0
    assert 0.0 < told["sd_pull"] < 4.0
    weights = np.exp(problem.log_likelihood(points))
    weights /= weights.sum()
    variances = weights @ (points - problem.mean) ** 2
    errors = np.sqrt(weights**2 @ ((points - problem.mean) ** 2 - variances) ** 2)
    sd = np.sqrt(problem.variance)
    floors = one.FLOOR * sd
    expected = np.abs(np.sqrt(variances) - sd) / np.hypot(errors / (2 * sd), floors)
    assert told["sd_pull"] == pytest.approx(expected.max())
    words, _, log_weights = weighted(problem, points)
    moved = one.accuracy(problem, marginals, (words, points + 0.2 * sd, log_weights))
    assert moved["mean_pull"] > 5.0


def test_a_mode_that_was_missed_has_an_error_and_weights_that_are_none_have_not(load):
    one = load("scoreboard_one")
    problem = SimpleNamespace(
        mode_weights=np.array([0.9, 0.1]),
        memberships=lambda x: np.stack([x[:, 0] < 0.5, x[:, 0] >= 0.5], axis=1).astype(float),
    )
    points, n = np.full((1000, 1), 0.2), 1000
    missed = one.mode_pulls(problem, points, np.full(n, 1 / n), marginals.average)
    assert missed["mode_weights"] == [1.0, 0.0]
    assert missed["weight_pull"] == pytest.approx(0.1 / np.sqrt(0.09 / n), rel=0.01)
    points[:100] = 0.7
    found = one.mode_pulls(problem, points, np.full(n, 1 / n), marginals.average)
    assert found["weight_pull"] == pytest.approx(0.0, abs=1e-9)
    unknown = SimpleNamespace(mode_weights=None)
    assert one.mode_pulls(unknown, points, np.ones(n), marginals.average)["weight_pull"] is None


def test_problems_without_moments_are_not_judged_by_them(load):
    one = load("scoreboard_one")
    problem = SimpleNamespace(mean=None, variance=None)
    assert one.moment_pulls(problem, None) == {"mean_pull": None, "sd_pull": None}


def test_errors_below_the_floor_are_not_judged(load):
    largest_pull = load("scoreboard_one").largest_pull
    tiny, scale = np.array([1e-9, -0.9e-3]), np.ones(2)
    assert largest_pull(tiny, np.zeros(2), scale) < 5.0
    assert largest_pull(np.array([0.0, -0.01]), np.zeros(2), scale) > 5.0
    pull = largest_pull(np.array([0.0, -0.3]), np.array([0.1, 0.1]), scale)
    assert pull == pytest.approx(3.0, rel=1e-3)


def test_digest_follows_what_defines_a_problem(load, tmp_path, monkeypatch):
    names = load("scoreboard_problems")
    digests = [
        names.digest_of(factory)
        for factory in (partial(gaussian, 3), partial(gaussian, 4), gaussian, partial(loggamma, 3))
    ]
    assert len(set(digests)) == 4
    assert names.digest_of(partial(gaussian, 3)) == digests[0]
    for name, text in (("a", "from .b import x\n"), ("b", "from .a import y\n"), ("c", "")):
        (tmp_path / f"{name}.py").write_text(text)
    assert {path.stem for path in names._modules(tmp_path / "a.py")} == {"a", "b"}


def test_patterns_choose_problems(load):
    chosen = load("scoreboard_problems").chosen
    assert chosen(["round-3"]) == ["round-3"]
    assert {"gaussian-3", "gaussian-6"} <= set(chosen(["gaussian-*", "gaussian-3"]))
    with pytest.raises(SystemExit, match=r"called no-such, also-\*; known: .*round-3"):
        chosen(["round-3", "no-such", "also-*"])


@pytest.fixture
def runs(load):
    return load("scoreboard_runs")


def tasks_of(runs, seeds=(0, 1), sizes=(1000,), settings=None, timeout=60.0, codes=None):
    codes = codes or [runs.Code("ours", "abc")]
    return runs.make_tasks(codes, ["round-3", "flat-2"], seeds, sizes, settings or {}, timeout)


def test_keys_follow_all_that_decides_about_numbers(runs):
    task = tasks_of(runs)[0]
    code = runs.Code("ours", "other")
    changes = [{"seeds": [1]}, {"sizes": [2]}, {"settings": {"n_live": 7}}, {"codes": [code]}]
    others = [tasks_of(runs)[1], *(tasks_of(runs, **change)[0] for change in changes)]
    assert len({task.identity, *(other.identity for other in others)}) == 6
    assert task.identity == tasks_of(runs, timeout=1.0, sizes=[1e3])[0].identity
    assert task.identity == runs.identity(json.loads(json.dumps(task.key | row(**task.key))))


def test_two_codes_take_turns_and_dynesty_runs_once_for_all_sizes(runs):
    codes = [runs.Code("ours", "a"), runs.Code("ours", "b")]
    order = [(t.key["seed"], t.key["problem"], t.key["code"]) for t in tasks_of(runs, codes=codes)]
    assert order[:4] == [
        (0, "round-3", "a"), (0, "round-3", "b"), (0, "flat-2", "b"), (0, "flat-2", "a"),
    ]  # fmt: skip
    made = tasks_of(runs, seeds=[0], sizes=[10, 20], codes=[runs.Code("dynesty", "dynesty==0")])
    assert [task.key["n_eff"] for task in made] == [None, None]


def test_stored_runs_are_not_made_again(runs, tmp_path, monkeypatch):
    tasks, store = tasks_of(runs), tmp_path / "made" / "rows.jsonl"
    made = []

    def make(some, *_):
        for task in reversed(some):
            made.append(task)
            yield row(**task.key)

    monkeypatch.setattr(runs, "_made", make)
    first = runs.collect(tasks[:3], tmp_path, [], store, 2, str)
    store.write_text(store.read_text() + '{"package": "ou')
    rows = runs.collect(tasks, tmp_path, runs.read_rows(store), store, 2, str)
    assert made == [*reversed(tasks[:3]), tasks[3]]
    assert rows[:3] == first
    assert [runs.identity(r) for r in rows] == [task.identity for task in tasks]
    assert runs.read_rows(store) == [*reversed(first), rows[3]]


@pytest.mark.parametrize(
    ("changes", "timeout", "is_stored"),
    [
        ({}, 600.0, True),
        ({"status": "no result"}, 600.0, True),
        ({"status": "broken"}, 1.0, False),
        ({"status": "timed out", "timeout": 60.0}, 60.0, True),
        ({"status": "timed out", "timeout": 60.0}, 600.0, False),
        ({"code": "older"}, 60.0, False),
    ],
)
def test_runs_that_broke_off_or_had_less_time_are_made_again(runs, changes, timeout, is_stored):
    (task, *_) = tasks_of(runs, timeout=timeout)
    assert bool(runs.stored([task], [row(**(task.key | changes))])) == is_stored


def test_the_last_of_several_rows_counts(runs):
    (task, *_) = tasks_of(runs)
    rows = [row(**task.key, n_like=n) for n in (1, 2)]
    assert runs.stored([task], rows)[task.identity]["n_like"] == 2


SMALL = {"n_live": 50, "n_networks": 1}


@pytest.mark.long
def test_runs_in_processes(runs, tmp_path):
    checkout = runs.ROOT
    with runs.copies(str(checkout)) as (here,):
        code = runs.code_of(here)
        tasks = runs.make_tasks([code], ["bimodal-3"], [1], [100], SMALL, 600.0)
        tasks += runs.make_tasks([code], ["flat-2"], [1], [100], {"no_such": 1}, 600.0)
        told = []
        rows = runs.collect(
            tasks, here, [], tmp_path / "rows.jsonl", 2, lambda row: told.append(row) or ""
        )
    assert not here.exists()
    good, bad = rows
    assert good["status"] == "done"
    assert good["n_like"] > good["n_exploration"] > 0
    assert good["n_eff_reached"] > 90
    assert good["log_z_error"] == pytest.approx(good["log_z"] - bimodal(3).log_z)
    assert good["log_z_pull"] == pytest.approx(good["log_z_error"] / good["log_z_err"])
    assert min(good["mean_pull"], good["sd_pull"], good["weight_pull"]) > 0
    assert sum(good["mode_weights"]) == pytest.approx(1.0, abs=1e-5)
    assert good["own_cpu_seconds"] > 0
    assert good["peak_mib"] > 20
    assert bad["status"] == "broken"
    assert "no_such" in bad["stop_reason"]
    assert len(told) == 2


def test_a_process_that_does_not_stop_is_killed(runs, tmp_path, monkeypatch):
    script = tmp_path / "benchmarks" / "scoreboard_one.py"
    script.parent.mkdir()
    script.write_text("import time\ntime.sleep(1000)\n")
    (task, *_) = tasks_of(runs, timeout=-79.0)  # 1.5 (-79) + 120 = 1.5 seconds
    children = set()
    late = runs._make(task, tmp_path, children)
    assert late["status"] == "timed out"
    assert not children


STARTS_OR_WAITS = """
import json, os, pathlib, sys, time
pid = pathlib.Path(__file__).with_name("pid")
if json.loads(sys.argv[1])["seed"] == 0:
    pid.with_suffix(".part").write_text(str(os.getpid()))
    pid.with_suffix(".part").rename(pid)
    time.sleep(1000)
while not pid.exists():
    time.sleep(0.01)
"""


def test_whoever_ends_a_pass_ends_its_processes(runs, tmp_path):
    script = tmp_path / "benchmarks" / "scoreboard_one.py"
    script.parent.mkdir()
    script.write_text(STARTS_OR_WAITS + "sys.exit('no package')")
    rows = runs._made(tasks_of(runs)[::2], tmp_path, 2)
    first = next(rows)
    assert (first["seed"], first["status"]) == (1, "broken")
    assert first["stop_reason"] == "no package"
    pid = int((script.with_name("pid")).read_text())
    os.kill(pid, 0)
    rows.close()

    def is_gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(is_gone)


def test_requests_to_end_are_heard_once(runs):
    tidied = []
    before = signal.getsignal(signal.SIGTERM)

    @runs.tidy_when_ended()
    def end_twice():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            tidied.append("not ended")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            tidied.append("tidied")

    with pytest.raises(SystemExit, match="143"):
        end_twice()
    assert tidied == ["tidied"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_source_can_be_a_revision_or_a_folder(runs, tmp_path, monkeypatch):
    package = tmp_path / "src" / "nautilus"
    package.mkdir(parents=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    (package / "__init__.py").write_text("committed = True\n")
    for command in (["init", "-q"], ["add", "src"], ["commit", "-q", "-m", "One"]):
        subprocess.run([*git, *command], check=True)
    (package / "__init__.py").write_text("edited = True\n")
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    with runs.copies("HEAD", str(tmp_path)) as folders:
        texts = [(f / "src" / "nautilus" / "__init__.py").read_text() for f in folders]
        codes = [runs.code_of(folder) for folder in folders]
    assert texts == ["committed = True\n", "edited = True\n"]
    assert codes[0].version != codes[1].version
    with pytest.raises(SystemExit, match="neither a folder that holds"), runs.copies("no-such"):
        pass


def cells_of(text, name):
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_page_counts_verdicts_and_rates(load):
    tables, names = load("scoreboard_tables"), load("scoreboard_problems")
    rows = [
        row(),
        row(seed=1, findings=["index 0.71 of 1,000"], n_like=9000),
        row(seed=2, log_z_error=0.3, log_z_pull=15.0, n_like=10_000),
        row(seed=3, weight_pull=7.0, n_like=11_000),
        row(seed=4, findings=["index 0.9 of 2,000"], sd_pull=8.0, n_like=12_000),
        without_numbers("no result"),
    ]
    text = tables.page(rows, [], {"digest": "abc"}, {"round-3": names.OTHERS})
    family = dict(zip(tables.FAMILY_HEAD, cells_of(text, names.OTHERS), strict=True))
    assert (family["runs"], family["calls"], family["problems"]) == ("6", "10,000", "1")
    assert (family["right"], family["right with a finding"]) == ("1", "1")
    assert (family["wrong with a finding"], family["silently wrong"]) == ("1", "2")
    assert (family["no result"], family["timed out"]) == ("1", "0")
    assert family["silent / runs"] == "33.3% (2/6)"
    assert family["in log Z alone / runs"] == "16.7% (1/6)"
    assert family["silent / no finding"] == "66.7% (2/3)"
    assert family["finding / right"] == "50.0% (1/2)"
    problem = dict(zip(tables.PROBLEM_HEAD, cells_of(text, "round-3"), strict=True))
    assert problem["log Z"] == "+0.300 (+15.0)"
    assert (problem["mean"], problem["sd"], problem["weight"]) == ("1.0", "8.0", "7.0")
    assert problem["silently wrong"] == "**2**"
    assert cells_of(text, "index # of #")[1:] == ["2", "1"]
    assert text.count("- ours round-3 seed") == 5
    assert "## Beside it" not in text


def test_page_has_other_packages_beside(load):
    tables, names = load("scoreboard_tables"), load("scoreboard_problems")
    other = row(package="dynesty", code="dynesty==9", n_eff=None, n_exploration=None)
    text = tables.page([row()], [other], {}, {"round-3": names.OTHERS})
    below = text.split("## Beside it: dynesty==9")[1]
    assert dict(zip(tables.PROBLEM_HEAD, cells_of(below, "round-3"), strict=True))["runs"] == "1"


def test_comparison_of_two_codes(load):
    tables, board = load("scoreboard_tables"), load("scoreboard")
    first = [row(seed=0, n_like=100), row(seed=1, n_like=100), row(seed=2), row(seed=9)]
    second = [
        row(code="b", seed=0, n_like=200, own_cpu_seconds=1.0),
        row(code="b", seed=1, n_like=50, own_cpu_seconds=1.0, log_z_error=0.4, log_z_pull=20.0),
        row(code="b", seed=2, own_cpu_seconds=2.0),
        row(code="b", seed=2, n_eff=500.0),
    ]
    pairs = board.paired(first, second)
    assert [(a["seed"], b["code"]) for a, b in pairs] == [(0, "b"), (1, "b"), (2, "b")]
    text = tables.comparison(pairs, ("main", "."))
    cells = dict(zip(tables.COMPARE_HEAD, cells_of(text, "round-3"), strict=True))
    assert cells["runs"] == "3"
    assert cells["same numbers"] == "1"
    assert cells["calls"] == "1.000"
    assert cells["CPU s"] == f"{0.25 ** (1 / 3):.3f}"
    assert cells["worst log Z"] == "+0.010 (+0.5) → +0.400 (+20.0)"
    assert cells["silently wrong"] == "0 → 1"
    assert cells["changes of verdict"] == "1 right → silently wrong"
    assert cells_of(text, "**all**")[1] == "3"


def test_a_pass_is_shown_and_kept(load, tmp_path, monkeypatch, capsys):
    board = load("scoreboard")
    monkeypatch.setattr(board, "PUBLISHED", tmp_path / "published.jsonl")
    monkeypatch.setattr(board, "PAGE", tmp_path / "page.md")
    answers = {"status": "done"}

    def collect(tasks, here, known, store, n_workers, tell):
        return [row(**task.key, timeout=task.timeout) | answers for task in tasks]

    monkeypatch.setattr(board, "collect", collect)
    given = ["--problems", "round-3", "--seeds", "3", "--rows", str(tmp_path / "rows.jsonl")]
    assert board.main(given) == 0
    assert "| round-3 | 3 | 1 |" in capsys.readouterr().out
    assert not board.PAGE.exists()
    beside = row(package="public", code="theirs")
    beside["problem_code"] = board.make_tasks(
        [board.Code("ours", "")], ["round-3"], [0], [1], {}, 1.0
    )[0].key["problem_code"]
    stale = row(package="public", code="theirs", problem_code="older")
    board.write_rows(tmp_path / "rows.jsonl", [beside, stale])
    assert board.main([*given, "--page"]) == 0
    kept = board.read_rows(board.PUBLISHED)
    assert [(r["package"], r["seed"]) for r in kept] == [("ours", 3), ("public", 0)]
    assert "## Beside it: theirs" in board.PAGE.read_text(encoding="utf-8")
    answers["status"] = "broken"
    assert board.main(given) == 1


def test_passes_have_sizes(load):
    board = load("scoreboard")
    quick, full = board.run_arguments([]), board.run_arguments(["--full"])
    assert (list(quick.seeds), list(quick.n_eff)) == ([0, 1], [1000.0])
    assert (len(full.seeds), list(full.n_eff)) == (5, [1000.0, 10_000.0])
    names = load("scoreboard_problems")
    assert set(quick.problems) < set(full.problems) < set(names.factories())
    assert board.run_arguments(["--quick"]).problems == quick.problems
    one_slow = board.run_arguments(["--quick", "--problems", "round-3", "steep-funnel-*"])
    assert one_slow.problems == ["round-3"]
    in_full = Counter(names.families()[name] for name in full.problems)
    assert in_full[names.HIDDEN] == names.N_HIDDEN
    assert in_full[names.RANDOM] > 3 * names.N_HIDDEN
    assert {names.families()[name] for name in quick.problems} == set(names.FAMILIES)
    others = board.others_arguments([])
    of_others = Counter(names.families()[name] for name in others.problems)
    assert of_others == {names.RANDOM: 10, names.HIDDEN: 10}
    assert set(others.packages) == {"public", "dynesty"}
    some = board.run_arguments(["--problems", "round-*", "--settings", '{"n_live": 250}'])
    assert some.problems == ["round-3"]
    assert some.settings == {"n_live": 250}


def test_two_files_of_rows_are_compared_without_runs(load, tmp_path, capsys):
    board = load("scoreboard")
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for file, code in zip(files, "ab", strict=True):
        board.write_rows(file, [row(code=code)])
    assert board.main(["compare", *map(str, files), "--rows", str(tmp_path / "store.jsonl")]) == 0
    assert "| round-3 | 1 | 1 | 1.000 | 1.000 | 1.000 |" in capsys.readouterr().out
