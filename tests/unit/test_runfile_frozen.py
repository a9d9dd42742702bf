"""A small run file of each version of the schema is kept, and can be read and continued."""

import json
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from nautilus import CheckpointMismatchError, load
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.loop import answer
from nautilus.runfile import RunStore, inspect_run, read_run, schema
from nautilus.runfile.codec import schema_text

HERE = Path(__file__).parent
FROZEN = sorted((HERE / "data").glob("run-v*.nautilus"))
MAKER = runpy.run_path(str(HERE / "make_frozen_run.py"))

CHANGED = """
What a run file can hold has changed. Files of users have the old form, so:
  1. add to MIGRATIONS in nautilus.runfile.schema what brings older files forward;
  2. python tests/unit/make_frozen_run.py
  3. write the new form beside the old one in tests/unit/test_runfile_codec.py;
  4. keep tests/unit/data/run-v*.* of all older versions as they are.
Only if no release has written the newest version, make its file anew instead of 1 and 2:
     python tests/unit/make_frozen_run.py --replace
"""


def told_by(path):
    return json.loads(path.with_suffix(".json").read_text("utf-8"))


@pytest.fixture(params=FROZEN, ids=lambda path: path.stem)
def frozen(request):
    """Return the name of each frozen file; it is opened for reading only."""
    before = request.param.read_bytes()
    yield request.param
    assert request.param.read_bytes() == before


@pytest.fixture
def contents(frozen):
    return told_by(frozen)["contents"]


@pytest.fixture
def copy(frozen, tmp_path):
    return Path(shutil.copy(frozen, tmp_path))


def test_each_version_has_one_that_is_small():
    versions = [int(path.stem.removeprefix("run-v")) for path in FROZEN]
    assert versions == list(range(1, schema.newest() + 1)), CHANGED
    assert all(path.stat().st_size < 60_000 for path in FROZEN)
    for path in FROZEN:
        assert inspect_run(path).version == versions[FROZEN.index(path)]


def test_what_a_file_can_hold_has_not_changed_since():
    told = told_by(HERE / f"data/run-v{schema.newest()}.nautilus")
    assert told["schema"] == schema_text(), CHANGED
    assert told["tables"] == list(schema.STATEMENTS), CHANGED


def test_the_page_describes_what_there_is():
    page = (HERE.parents[1] / "docs/runfile.md").read_text("utf-8")
    tables = page.split("## Tables")[1].split("## Values")[0]
    described = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", tables, re.MULTILINE)
    assert [name for name, _ in described] == [*schema.TABLES, "owner"]
    records = {word for _, text in described for word in re.findall(r"`([A-Z]\w+)`", text)}
    assert records <= set(schema_text())
    columns = "number, part, header, data, digest"
    assert re.findall(r"`(\w+)`", tables.split("have the columns ")[1])[:5] == columns.split(", ")
    assert f"| version of the schema | {schema.newest()}:" in page
    assert f", {schema.APPLICATION_ID}:" in page


def test_it_holds_something_of_every_kind(frozen):
    state = read_run(frozen, None).state
    learned = [p for p in state.proposals if isinstance(p, LearnedProposal)]
    assert any(p.emulator.networks for p in learned)
    assert any(p.emulator.baseline for p in learned)
    assert 0 < state.pending.n_done < len(state.pending.points)
    assert len(state.ledger.stages) > 2


def test_it_is_loaded_as_it_was_written(frozen, contents):
    posterior = load(frozen)
    for name in (
        "n_like", "seed", "log_z", "log_z_err", "n_eff", "eta", "stop_reason"
    ):  # fmt: skip
        assert getattr(posterior, name) == contents[name]
    assert len(posterior) == contents["n_points"]
    assert list(posterior.names) == contents["names"]
    assert list(posterior.findings) == contents["findings"]
    assert list(posterior.run.prior) == contents["prior"]
    assert np.isnan(posterior.periodic[0]).all()
    assert posterior.periodic[1].tolist() == contents["periodic"]
    assert posterior.run.n_proposals == contents["n_proposals"]
    rows = contents["rows"]
    assert posterior.array[rows].tolist() == contents["parameters"]
    assert posterior.log_l[rows].tolist() == contents["log_l"]
    assert [list(row) for row in posterior.blobs[rows].tolist()] == contents["blobs"]
    assert posterior.weights.sum() == pytest.approx(1.0)


def test_every_bit_of_its_arrays_is_as_it_was(frozen, contents):
    saved = read_run(frozen, None)
    for name, array in {
        "points": saved.state.ledger.points,
        "log_l": saved.state.ledger.log_l,
        "parameters": saved.parameters,
        "log_weights": saved.answer.log_weights,
    }.items():
        assert MAKER["digest_of"](array) == contents["digests"][name]


def test_what_is_computed_from_it_anew_is_the_same_but_for_rounding(frozen, contents):
    """Densities are not stored; other libraries add up in another order."""
    state = read_run(frozen).state
    assert np.isfinite(state.table.log_q).all()
    anew = answer(state, discard_exploration=False)
    assert anew.log_z == pytest.approx(contents["log_z"], abs=1e-6)
    assert anew.n_eff == pytest.approx(contents["n_eff"], rel=1e-6)


def test_it_is_continued(copy, contents):
    """Only what is stored is compared: further numbers belong to the machine."""
    before = load(copy)
    n_more = contents["n_like"] + 60
    with MAKER["make_sampler"](copy) as sampler:
        assert sampler.n_like == contents["n_like"]
        sampler.run(**MAKER["GOAL"], n_like_max=n_more)  # three points are evaluated again
        assert sampler.n_like == n_more
    after = load(copy)
    assert len(after) > len(before)
    np.testing.assert_array_equal(after.array[: len(before)], before.array)
    np.testing.assert_array_equal(after.blobs[: len(before)], before.blobs)
    assert inspect_run(copy).version == schema.newest()


def test_it_is_not_continued_as_another_run(copy):
    """Negative control of the test before."""
    with pytest.raises(CheckpointMismatchError, match="n_live is 50 in the file and 60"):
        MAKER["make_sampler"](copy, n_live=60)


def test_files_of_older_versions_are_continued(copy, contents, monkeypatch):
    """Every frozen file is of an older version once the next one is there."""
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda c: c.execute("UPDATE run SET part = 0"))
    )
    with MAKER["make_sampler"](copy) as sampler:
        sampler.run(**MAKER["GOAL"], n_like_max=contents["n_like"] + 10)
    assert load(copy).n_like == contents["n_like"] + 10
    assert inspect_run(copy).version == schema.newest()


def test_the_maker_keeps_what_is_there(capsys):
    before = FROZEN[-1].read_bytes()
    assert MAKER["main"]([]) == 1
    assert "is there; give --replace" in capsys.readouterr().err
    assert FROZEN[-1].read_bytes() == before


def test_the_maker_makes_what_is_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(MAKER["main"].__globals__, "FOLDER", tmp_path)
    assert MAKER["main"]([]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{FROZEN[-1].stem}{suffix}" for suffix in (".nautilus", ".json")
    }
    (made,) = tmp_path.glob("*.nautilus")
    assert set(told_by(made)["contents"]) == set(told_by(FROZEN[-1])["contents"])
    RunStore.open(made).close()
