"""What benchmarks compute from measured rows and on virtual clocks."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nautilus.runfile import Account

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def one_second(n_calls):
    return np.ones(n_calls)


@pytest.mark.parametrize(
    ("stages", "n_workers", "n_calls", "seconds"),
    [
        # The four calls of the test before the first stage are one after the other.
        ((10,), 1, 14, 4 + 10),
        ((10,), 5, 14, 4 + 2),
        ((10, 10), 5, 24, 4 + 2 + 2),
        ((11,), 5, 15, 4 + 3),
        ((3,), 10, 6, 3 + 1),
    ],
)
def test_virtual_cluster_with_equal_calls(load, stages, n_workers, n_calls, seconds):
    share, virtual = load("cluster").efficiency(stages, n_workers, one_second)
    assert virtual == pytest.approx(seconds)
    assert share == pytest.approx(n_calls / (n_workers * seconds))


def test_virtual_cluster_gives_work_to_whoever_is_free(load):
    times = itertools.chain([1.0] * 4, [3.0, 1.0, 1.0, 1.0])
    share, virtual = load("cluster").efficiency(
        (4,), 2, lambda n: np.array(list(itertools.islice(times, n)))
    )
    assert virtual == pytest.approx(4 + 3)
    assert share == pytest.approx(10 / (2 * 7))


def test_workers_at_an_efficiency(load):
    workers_at = load("cluster").workers_at
    assert workers_at(0.9, {100: 0.8, 10: 1.0, 1000: 0.7}) == pytest.approx(10**1.5)
    assert workers_at(0.9, {10: 0.95, 100: 0.92}) is None


def test_stages_of_a_real_run(load):
    sizes = load("cluster").stage_sizes(1000, 300.0)
    assert min(sizes) > 0
    assert sizes.count(1000) >= 2


def row(log_z, **changes):
    fixed = {"part": "backends", "code": "a", "label": "b", "n_eff_wanted": 10.0, "n_like": 7}
    return fixed | {"log_z_hex": log_z.hex()} | changes


def test_disagreements_are_found_to_the_last_bit(load):
    disagreements = load("parallel").disagreements
    assert disagreements([row(1.0), row(1.0), row(1.0, part="bytes")]) == []
    assert disagreements([row(1.0), row(2.0, code="c"), row(3.0, n_like_max=5)]) == []
    assert len(disagreements([row(1.0), row(np.nextafter(1.0, 2.0))])) == 1
    assert len(disagreements([row(1.0), row(1.0, n_like=8)])) == 1


def test_table_of_backends(load):
    tables = load("parallel_tables")
    rows = [
        row(1.0, backend="serial", workers=1, seconds=99.0, code="older"),
        row(1.0, backend="serial", workers=1, seconds=8.0),
        row(1.0, backend="mpi4py", workers=4, seconds=2.5),
        row(2.0, part="public", code="theirs", backend="serial", workers=1, seconds=20.0),
        row(2.0, part="public", code="theirs", backend="mpi4py", workers=4, seconds=8.0),
    ]
    serial, mpi = tables.render(rows).split("| --: |\n")[1].splitlines()[:2]
    assert serial == "| `pool=None` | 1 | 8.0 | 1.00 | 7 | `0x1.0000000000000p+0` | 20.0 | 1.00 |"
    assert mpi.endswith("| 4 | 2.5 | 3.20 | 7 | `0x1.0000000000000p+0` | 8.0 | 2.50 |")


def test_tables_of_the_documentation_are_those_that_were_measured(load):
    rows = load("compare").read_rows(BENCHMARKS / "parallel.jsonl")
    page = (BENCHMARKS.parent / "docs" / "parallel.md").read_text(encoding="utf-8")
    assert len(rows) > 40
    assert load("parallel_tables").with_tables(page, rows) == page


class Saved:
    """A checkpoint on a clock of its own, which saves every third time."""

    def __init__(self, now):
        self.now, self.n_asked = now, 0

    def save(self, state, store):
        self.n_asked += 1
        self.now[0] += 0.25
        if self.n_asked % 3 == 0:
            store.save()


@pytest.fixture
def watch(load, monkeypatch):
    """Return a watch, the time on its clock, and what it watches."""
    runfile_one = load("runfile_one")
    now = [0.0]
    monkeypatch.setattr(
        runfile_one,
        "time",
        SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: now[0] / 2),
    )
    watch, saved = runfile_one.Watch(), Saved(now)

    class Store:
        @watch.one_save
        def save(self):
            now[0] += 1.0

    method = watch.look(watch.all_of(Saved.save))

    def look(n_like):
        method(saved, SimpleNamespace(n_like=n_like), Store())

    return watch, now, look


def test_time_of_saving_and_age_of_unsaved_results(watch):
    watch, now, look = watch
    for n_like in (10, 10, 20, 20, 30, 30):
        look(n_like)
        now[0] += 5.0
    assert watch.saves == [1.0, 1.0]
    assert watch.seconds == 6 * 0.25 + 2
    assert watch.cpu_seconds == watch.seconds / 2
    # The first result waited for two pauses and three looks, the last of which saved it.
    assert watch.at_risk == 2 * 5.0 + 3 * 0.25 + 1.0


def test_an_estimate_that_is_shown_too_is_not_counted(watch):
    watch, now, _ = watch

    def estimate(state, discard_exploration):
        now[0] += 10.0
        return discard_exploration

    timed = watch.shown(estimate)
    saving = watch.all_of(lambda: [timed(None, False), timed(None, True)])
    assert saving() == [False, True]
    assert watch.seconds == 10.0
    assert timed(None, False) is False
    assert watch.seconds == 10.0


def test_a_file_grows_in_proportion_to_a_run(load, tmp_path, monkeypatch):
    growth, n_blobs, path = load("runfile_growth"), 2, tmp_path / "run.nautilus"
    monkeypatch.setattr(growth, "N_CALLS", 1200)
    monkeypatch.setattr(growth, "read", lambda _: {})
    given = SimpleNamespace(n_dim=3, n_stage=500, n_chunk=250, n_blobs=n_blobs, n_new=1, seed=1)
    run = growth.new_growth(given, path)
    rows = []
    for n_stages in (4, 12):
        for _ in range(n_stages):
            run.grow()
        rows.append(run.row())
    assert [row["n_points"] for row in rows] == [2000, 8000]
    assert [row["n_new_points"] for row in rows] == [2000, 6000]
    assert [row["n_proposals"] for row in rows] == [4, 16]
    assert rows[1]["n_saves"] == 12 * (1 + 2 + 1)
    assert rows[1]["blobs_bytes"] == 8000 * n_blobs * 8
    keys = load("runfile_tables").ALL
    raw = [sum(row[key] for key in keys) for row in rows]
    assert raw[1] < rows[1]["file_bytes"] < 1.3 * raw[1]
    assert rows[1]["file_bytes"] - rows[0]["file_bytes"] < 1.2 * (raw[1] - raw[0])
    run.checkpoint.close(run.state, Account(), run.answer)
    told = growth.reading(path)
    assert all(told[f"{key}_seconds"] > 0 for key in ("open", "load", "result", "densities"))


def test_tables_of_run_files(load):
    tables = load("runfile_tables")
    fixed = {"part": "share", "code": "a", "label": "b", "n_eff": 500.0, "seed": 1}
    fixed |= {"sleep": 0.01, "workers": 4, "n_like": 7000, "n_saves": 30, "file_bytes": 2_000_000}
    fixed |= {"save_median": 0.004, "save_max": 0.02, "written_bytes": 3e6, "sync_seconds": 0.001}
    fixed |= {"seconds_without": 19.0, "seconds": 20.0, "at_risk_seconds": 0.5}
    fixed |= {"saving_cpu_seconds": 0.1}
    rows = [
        fixed | {"saving_seconds": 9.0, "code": "older"},
        fixed | {"saving_seconds": 0.2},
        fixed | {"saving_seconds": 0.3, "seed": 2, "at_risk_seconds": 1.5},
    ]
    (line,) = [line for line in tables.render(rows).splitlines() if line.startswith("| 10 |")]
    assert line.startswith("| 10 | 4 | 7,000 | 19.0 | 20.0 | 1.00% - 1.50% | 0.50% - 0.50% |")
    assert line.endswith("| 30 | 4.0 | 20 | 1.5 | 3.0 | 2.00 |")


def test_costs_of_the_documentation_are_those_that_were_measured(load):
    rows = load("compare").read_rows(BENCHMARKS / "runfile.jsonl")
    page = (BENCHMARKS.parent / "docs" / "checkpointing.md").read_text(encoding="utf-8")
    assert len(rows) > 20
    assert load("runfile_tables").with_tables(page, rows) == page


def climb_of_a_run(n_contours=20, n_like=16_000):
    """Return a stored run: a Gaussian in two dimensions is climbed, 500 calls for each contour."""
    plans = []
    for i in range(n_contours):
        log_v = -0.7 * i
        f_live = 1.0 if i < n_contours - 1 else 0.001
        plans.append(["e", 500 * (i + 1), 0.0, f_live, -1e4 * np.exp(log_v), log_v, 0.0, 0.1 * i])
    plans.append(["s", 500 * n_contours + 1000, 4000.0, 0.001, None, None, 0.0, 2.0])
    return {"problem": "x", "seed": 0, "n_like": n_like, "seconds": [0.0, 3.0], "plans": plans}


def test_forecasts_are_replayed_as_they_were_told(load):
    benchmark = load("forecast")
    row = climb_of_a_run()
    plans = benchmark.plans_of(row, 0.01)
    assert plans[3].elapsed_seconds == pytest.approx(0.01 * 2000 + 0.3)
    ahead, left = benchmark.told(row, 0.5)
    assert left == pytest.approx((8000, 0.01 * 8000 + 3.0 - 1.5))
    assert benchmark.factor(ahead.n_like, left[0]) < 1.5
    assert benchmark.factor(ahead.seconds, left[1]) < 1.5
    assert benchmark.told(row, 0.05)[0].n_like is None


def test_the_page_of_forecasts_tells_good_from_bad(load):
    benchmark = load("forecast")
    page = benchmark.page_of([climb_of_a_run(), climb_of_a_run(n_like=60_000)])
    lines = {line.split("|")[1].strip(): line for line in page.splitlines() if "|" in line}
    told = [cell.strip() for cell in lines["50%"].split("|")[2:5]]
    assert told[0] in {"1 of 2", "2 of 2"}
    assert benchmark.factor((2.0, 8.0), 4.0) == 1.0
    assert benchmark.factor((2.0, 8.0), 1.0) == benchmark.factor((2.0, 8.0), 16.0) == 4.0
    assert "**" in page  # a run that went on for much longer was told wrongly
