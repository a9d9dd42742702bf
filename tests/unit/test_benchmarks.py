"""What benchmarks compute from measured rows and on virtual clocks."""

import importlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a benchmark, which leaves no modules behind."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHMARKS:
            del sys.modules[name]


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
