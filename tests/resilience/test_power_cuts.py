"""The power fails at any moment: what was saved is there, whatever else arrived on the disk."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from disk import Connection, Disk
from journey import Journey
from power import Platter, Recorder

from nautilus.errors import CheckpointError
from nautilus.runfile import Account, Clocks, RunStore, read_run, set_aside

MOMENT = datetime(2030, 1, 31)  # noqa: DTZ001 - as people write it


@pytest.fixture
def journey(tmp_path, header, states):
    """Return a journey that is not begun."""
    folder = tmp_path / "run"
    folder.mkdir()
    return Journey(folder / "run.db", header, states)


def record(journey, go):
    """Return all that happens to the disk while something is done."""
    disk, recorder = Disk(journey.path.parent), Recorder(journey)
    disk.rule = recorder
    with disk.mounted():
        go()
    return recorder.events


@dataclass(frozen=True)
class Cut:
    """What a power cut left: which files, and what was saved before."""

    files: dict[str, bytes]
    kept: int
    tried: int
    place: str


def cuts(events, rng, *, platter=None, moments=None, n_random=1):
    """Yield what may be on the disk when the power fails before one of the events.

    Parameters
    ----------
    events
        What happens.
    rng
        Decides what arrived on the disk.
    platter
        What is there before; nothing by default.
    moments
        Numbers of events; all by default.
    n_random
        How often some of what is not durable arrives, beside none and all of it.
    """
    platter = platter or Platter()
    for moment, event in enumerate(events):
        if moments is None or moment in moments:
            for how in ("none", "all", *["some"] * n_random):
                place = f"before {event.call.kind} {moment}, {how}"
                yield Cut(platter.after_cut(how, rng), event.kept, event.tried, place)
        platter.apply(event.call)


def lay(folder, files):
    """Put files into a folder."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / Path(name).name).write_bytes(data)


@pytest.fixture
def moments(some):
    """Return the function that picks events: some, and all that make something durable."""

    def pick(events, n_quick=20):
        turns = {n for n, event in enumerate(events) if event.call.kind != "write"}
        return turns | {n - 1 for n in some(len(events), n_quick)}

    return pick


@pytest.fixture
def number_left(tmp_path_factory, inspector):
    """Return the function that tells what is left of a run: a state, none (-1) or damage (-2)."""
    folder, known = tmp_path_factory.mktemp("left"), {}

    def look(cut, name="run.db"):
        key = hash((name, frozenset((Path(path).name, data) for path, data in cut.files.items())))
        if key not in known:
            lay(folder, cut.files)
            try:
                known[key] = inspector.number_in(folder / name)
            except (CheckpointError, KeyError):
                known[key] = -2
        return known[key]

    return look


def test_what_was_saved_is_there(journey, number_left, moments, is_long, seed, count):
    events = record(journey, journey.go)
    rng, n_random = np.random.default_rng(seed), 10 if is_long else 2
    for cut in cuts(events, rng, moments=moments(events, 50), n_random=n_random):
        assert cut.kept <= number_left(cut) <= cut.tried, cut.place
        count("cuts")


def go_on(path, owner):
    with RunStore.open(path, owner=owner) as store:
        store.save(store.load(None).state, Account(Clocks(7.0)))


def test_the_run_goes_on(journey, some, seed, count, tmp_path):
    events = record(journey, journey.go)
    # From here on there is a file.
    first = next(n for n, event in enumerate(events) if event.kept == 0)
    chosen = {first + n for n in some(len(events) - first - 1, 12)}
    path = tmp_path / "left" / "run.db"
    path.parent.mkdir()
    for cut in cuts(events, np.random.default_rng(seed), moments=chosen):
        lay(path.parent, cut.files)
        go_on(path, journey.owner)
        assert read_run(path, None).account.clocks == Clocks(7.0)
        count("cuts")


def test_the_power_fails_again_while_the_last_cut_is_mended(
    journey, number_left, moments, is_long, seed, count
):
    events = record(journey, journey.go)
    rng = np.random.default_rng(seed)
    last = max(n for n, event in enumerate(events) if event.kept == 1 and event.call.kind == "sync")
    (_, first, *_) = cuts(events, rng, moments={last})
    assert any(name.endswith("-journal") for name in first.files)
    lay(journey.path.parent, first.files)
    journey.kept = journey.tried = 1
    files = {str(path): path.read_bytes() for path in journey.path.parent.iterdir()}
    events = record(journey, lambda: go_on(journey.path, journey.owner))
    chosen, n_random = moments(events), 10 if is_long else 2
    for cut in cuts(events, rng, platter=Platter(files), moments=chosen, n_random=n_random):
        assert number_left(cut) == 1, cut.place
        count("cuts")


def test_a_file_is_replaced_whole_or_not_at_all(
    journey, number_left, moments, is_long, seed, count
):
    journey.go()
    before, path = len(journey.states) - 1, journey.path
    files = {str(path): path.read_bytes()}

    def replace():
        with RunStore.create(path, journey.header, journey.states[0], replaces=True) as store:
            journey.kept = 0
            store.save(journey.states[1], Account())

    rng, n_random = np.random.default_rng(seed), 10 if is_long else 2
    events = record(journey, replace)
    found, chosen = set(), moments(events)
    for cut in cuts(events, rng, platter=Platter(files), moments=chosen, n_random=n_random):
        number = number_left(cut)
        assert number in ({0, 1} if cut.kept == 0 else {before, 0}), cut.place
        found.add(number)
        count("cuts")
    assert found == {before, 0, 1}


def test_a_file_that_is_set_aside_has_one_name_or_the_other(journey, number_left, seed, count):
    journey.go()
    files = {str(journey.path): journey.path.read_bytes()}
    kept = []
    events = record(journey, lambda: kept.append(set_aside(journey.path, MOMENT)))
    for cut in cuts(events, np.random.default_rng(seed), platter=Platter(files), n_random=5):
        found = sorted({number_left(cut), number_left(cut, kept[0].name)})
        assert found == [-1, len(journey.states) - 1]
        count("cuts")


@pytest.mark.parametrize(("level", "harm"), [("OFF", "damaged"), ("FULL", "lost")])
def test_less_care_is_caught(level, harm, journey, number_left, moments, monkeypatch, seed):
    """Negative control: without syncs files are damaged, with those by default saves are lost.

    By default SQLite does not sync the folder after it has deleted a journal. After a power cut
    the journal may be there again, and undoes the save that it belongs to.
    """
    execute = Connection.execute

    def weaken(connection, statement, *values):
        if statement.startswith("PRAGMA synchronous"):
            statement = f"PRAGMA synchronous = {level}"
        return execute(connection, statement, *values)

    monkeypatch.setattr(Connection, "execute", weaken)
    journey.states = journey.states[:3]
    events, found = record(journey, journey.go), Counter()
    for cut in cuts(events, np.random.default_rng(seed), moments=moments(events)):
        number = number_left(cut)
        is_kept = cut.kept <= number <= cut.tried
        found["kept" if is_kept else "damaged" if number == -2 else "lost"] += 1
    assert found[harm] > 0
    assert found["kept"] > 0
