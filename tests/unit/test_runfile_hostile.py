"""Run files by somebody who means harm: nothing is executed, filled or kept busy by them."""

import json
import sqlite3
import sys
import tracemalloc
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from forge_pages import GREEDY, endless_owners, endless_tables, share_pages
from forge_rows import put, rows_of
from sound_file import write_sound_file

from nautilus import load
from nautilus.errors import CheckpointDamagedError, CheckpointError, CheckpointStorageError
from nautilus.proposal.cube import CubeProposal
from nautilus.run.config import Config, Goal
from nautilus.runfile import RunStore, assembly, read_run, store, tree, writing
from nautilus.runfile.codec import decode, encode
from nautilus.runfile.file import limit_steps
from nautilus.runfile.record import Results


@pytest.fixture(scope="module")
def state(grown):
    return next(s for s in grown[12:] if s.pending and 0 < s.pending.n_done < 100)


@pytest.fixture(scope="module")
def content(tmp_path_factory, small_run, state):
    path = tmp_path_factory.mktemp("sound") / "run.db"
    return write_sound_file(path, small_run, state).read_bytes()


@pytest.fixture
def path(tmp_path, content):
    path = tmp_path / "run.db"
    path.write_bytes(content)
    return path


def refuse(path, match, error=CheckpointDamagedError):
    before = path.read_bytes()
    with pytest.raises(error, match=match):
        read_run(path)
    assert path.read_bytes() == before
    with pytest.raises(error, match=match):
        open_and_load(path)  # whoever opens a file for writing leaves traces of that


def open_and_load(path):
    with RunStore.open(path) as opened:
        return opened.load(None)


class TestPages:
    def test_rows_that_share_pages_are_not_collected(self, path, content, seed):
        forged = share_pages(content, np.random.default_rng(seed))
        path.write_bytes(forged)
        with closing(sqlite3.connect(path)) as connection:
            total = sum(
                connection.execute(f"SELECT sum(length(data)) FROM {table}").fetchone()[0]
                for table in ("draws", "results")
            )
        assert total > 5 * len(forged)
        tracemalloc.start()
        with pytest.raises(CheckpointDamagedError, match="rows are larger than the file"):
            read_run(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 2 * len(forged)
        with pytest.raises(CheckpointDamagedError, match="2nd reference to page"):
            RunStore.open(path)
        assert path.read_bytes() == forged

    def test_tables_without_end(self, path, content):
        path.write_bytes(endless_tables(content))
        refuse(path, "its pages refer to each other in circles")
        with closing(sqlite3.connect(path)) as connection:
            limit_steps(connection, 10 * len(content))  # SQLite alone goes on and on
            with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                connection.execute("SELECT * FROM owner")

    def test_owners_without_end(self, path, content):
        path.write_bytes(endless_owners(content))
        refuse(path, "owners cannot be read|2nd reference to page")

    def test_a_run_that_is_being_written_is_not_limited(self, path, monkeypatch):
        """Steps are counted until a file has been looked at, and not for as long as it is open."""
        monkeypatch.setattr("nautilus.runfile.file.N_STEPS", 10)
        with RunStore.open(path) as opened:
            statement = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {})"
            for n in (10**4, 10**6):
                rows = opened._connection.execute(
                    f"{statement.format(n)} SELECT count(*) FROM c"
                ).fetchall()
                assert rows == [(n,)]

    def test_conditions_of_tables_are_not_evaluated(self, path, monkeypatch):
        """To check a table, SQLite evaluates its conditions, and these may ask for anything."""
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"CREATE TABLE more (a, CHECK ({GREEDY}))")
        monkeypatch.setattr(store, "check_integrity", lambda _: pytest.fail("it is too late"))
        refuse(path, "its tables are not those of a run file")

    def test_sqlite_may_lack_memory(self, path, monkeypatch):
        """It also says so of tables that are none."""

        def lack(_):
            raise MemoryError

        monkeypatch.setattr("nautilus.runfile.inspection.check_tables", lack)
        with pytest.raises(CheckpointStorageError, match=r"run\.db .*not enough memory, or"):
            read_run(path)


class TestHeaders:
    def test_long_ones_are_not_parsed(self, path, monkeypatch):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            header = rows_of(connection, "progress")[0][2]
            put(connection, "progress", 0, 0, header + " " * tree.HEADER_MAX, b"")
        monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
        with pytest.raises(CheckpointDamagedError, match=r"a header has 419\d{4} characters"):
            decode((Goal,), replace(encode(Goal()), header=header + " " * tree.HEADER_MAX))

    def test_they_are_not_written_either(self):
        names = [(f"{i:050d}", "f8") for i in range(70_000)]
        blobs = Results(np.arange(1), np.zeros(1), np.zeros(1, names))
        with pytest.raises(CheckpointError, match="cannot be saved; expected 4194304 at most"):
            encode(blobs)

    @pytest.mark.parametrize("less", range(0, 300, 20))
    def test_deep_ones_are_refused(self, less):
        """Those that are just not too deep to be read are too deep to be told about."""
        depth = sys.getrecursionlimit() - less
        deep = "[" * depth + "]" * depth
        header = encode(Goal()).header
        for text in (deep, header.replace("10000.0", deep), header.replace('"Goal"', deep)):
            with pytest.raises(CheckpointDamagedError, match=r"no JSON|expected"):
                decode((Goal,), replace(encode(Goal()), header=text))


def with_row(path, table, number, value, parts=()):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        writing.write_row(connection, table, number, 0, value, parts)


class TestValues:
    """What would be an error of NumPy, or an array of any size, is refused before."""

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"config": Config(-1, 5)}, "it has -1 dimensions"),
            ({"config": Config(2**40, 5)}, "it has 1099511627776 dimensions"),
            ({"config": Config(2, -1)}, "its seed is -1"),
            ({"config": Config(3, 5)}, "not the cube of 3 dimensions"),
            ({"parameters": ("x", "x")}, "the same name"),
            ({"periodic": np.zeros((1, 2))}, r"periodic has shape \(1, 2\)"),
            ({"periodic": np.array([[0.0, 1.0], [1.0, 0.0]])}, "range from 1.0 to 0.0"),
            ({"parameters": ("x",)}, "do not have 1 parameters"),
        ],
    )
    def test_headers(self, changes, match, path):
        header = replace(read_run(path, None).header, **changes)
        with_row(path, "run", 0, header)
        refuse(path, match)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("log_shares", lambda a: a[:0]),
            ("log_shares", lambda a: a[:-1]),
            ("log_shares", lambda a: a[:, None]),
            ("means", lambda a: a[:, :1]),
            ("means", lambda a: a.ravel()),
            ("cholesky", lambda a: a[:, :1]),
            ("cholesky", np.zeros_like),
            ("dof", lambda a: np.append(a, 1.0)),
        ],
    )
    @pytest.mark.parametrize("part", ["base", "gates"])
    def test_mixtures(self, part, name, change, path, state):
        proposal = state.proposals[1]
        emulator = proposal.emulator
        whole = proposal.base if part == "base" else emulator.gates
        changed = replace(whole, **{name: change(getattr(whole, name))})
        if part == "base":
            with_row(path, "proposals", 1, replace(proposal, base=changed), (emulator,))
        else:
            with_row(path, "emulators", 0, replace(emulator, gates=changed))
        refuse(path, r"proposal 1 has a(n array of shape| mixture| scale)")

    @pytest.mark.parametrize("name", ["floors", "lifts"])
    def test_proposals(self, name, path, state):
        proposal = state.proposals[1]
        changed = replace(proposal, **{name: getattr(proposal, name)[:-1]})
        with_row(path, "proposals", 1, changed, (proposal.emulator,))
        refuse(path, "its proposal 1 has an array of shape")
        with_row(path, "proposals", 1, CubeProposal(2))
        refuse(path, "its proposal 1 is the cube once more")

    @pytest.mark.parametrize("change", ["anywhere", "log_part"])
    def test_detection_limits(self, change, path):
        answer = read_run(path, None).answer
        limit = answer.detection_limit
        value = 2.0 if change == "anywhere" else np.zeros(limit.log_l.size + 1)
        changed = replace(answer, detection_limit=replace(limit, **{change: value}))
        with_row(path, "answer", 0, changed)
        refuse(path, "its detection limit")

    @pytest.mark.parametrize(
        "change",
        [
            lambda e: replace(e, centre=e.centre[:1]),
            lambda e: replace(e, whitening=e.whitening[:1]),
            lambda e: replace(e, errors=e.errors[:0]),
            lambda e: replace(e, coordinates=replace(e.coordinates, cuts=np.full(3, np.nan))),
            lambda e: replace(e, coordinates=replace(e.coordinates, cuts=np.full(2, np.nan))),
            lambda e: replace(e, baseline=replace(e.baseline, centres=e.baseline.centres[:0])),
            lambda e: replace(e, baseline=replace(e.baseline, whitening=e.baseline.centres)),
            lambda e: replace(e, baseline=replace(e.baseline, coefficients=e.baseline.centres)),
            lambda e: replace(e, baseline=None),
            lambda e: replace(e, networks=(replace(e.networks[0], weights=(), biases=()),)),
            lambda e: replace(e, networks=(replace(e.networks[0], biases=()),)),
            lambda e: replace(e, networks=(replace(e.networks[0], biases=e.networks[0].weights),)),
            lambda e: replace(e, networks=(replace(e.networks[0], weights=e.networks[0].biases),)),
            lambda e: replace(e, networks=(without_units(e.networks[0]),)),
        ],
    )
    def test_emulators(self, change, path, state):
        emulator = state.proposals[1].emulator
        assert emulator.networks
        assert emulator.baseline
        with_row(path, "emulators", 0, change(emulator))
        refuse(path, "the emulator of its proposal 1 has a")

    @pytest.mark.parametrize("log_l", [np.nan, np.inf])
    def test_likelihoods(self, log_l, path, state):
        first = state.ledger.stages[0].n_points
        values = state.ledger.log_l[:first].copy()
        values[3] = log_l
        results = Results(np.arange(first), values, state.ledger.blobs[:first])
        with_row(path, "results", 0, results)
        refuse(path, "log L of a point is NaN or infinite")

    @pytest.mark.parametrize("place", [-0.1, 1.1, np.nan, np.inf])
    def test_points(self, place, path, state):
        points = state.ledger.points[: state.ledger.stages[0].n_points].copy()
        points[7, 1] = place
        with_row(path, "draws", 0, writing.Draws(points))
        refuse(path, "outside of the unit cube")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"log_z": np.nan}, "log Z is nan"),
            ({"log_z_err": -1.0}, "error of log Z is -1"),
            ({"n_eff": np.inf}, "sample size is inf"),
            ({"log_weights": np.full(5, np.nan)}, "its weights are no numbers"),
            ({"log_weights": np.full(5, -np.inf)}, "or there is none"),
            ({"log_weights": np.zeros(99_999)}, r"weights of shape \(99999,\)"),
            ({"log_weights": np.zeros((5, 1))}, r"weights of shape \(5, 1\)"),
        ],
    )
    def test_answers(self, changes, match, path):
        with_row(path, "answer", 0, replace(read_run(path, None).answer, **changes))
        refuse(path, match)

    def test_weights_of_points_without_likelihood(self, path, state):
        n = state.ledger.n_points
        assert np.isneginf(state.ledger.log_l).any()
        answer = replace(read_run(path, None).answer, log_weights=np.zeros(n))
        with_row(path, "answer", 0, answer)
        refuse(path, "weight without a likelihood")

    def test_numbers_of_stages(self, path):
        with closing(sqlite3.connect(path)) as connection:
            header = json.loads(rows_of(connection, "progress")[0][2])
            header["fields"]["n_stages"] = -1
            put(connection, "progress", 0, 0, json.dumps(header, separators=(",", ":")), b"")
            connection.commit()
        refuse(path, "it has -1 stages")

    @pytest.mark.parametrize(("n_live", "n_before"), [(100, 99), (100, -1), (0, 0), (None, 1)])
    def test_supports(self, n_live, n_before, path):
        with closing(sqlite3.connect(path)) as connection:
            header = json.loads(rows_of(connection, "progress")[0][2])
            header["fields"] |= {"n_live": n_live, "n_before": n_before}
            put(connection, "progress", 0, 0, json.dumps(header, separators=(",", ":")), b"")
            connection.commit()
        refuse(path, f"its support is {n_live} after {n_before} stages")

    def test_a_result_that_is_none_is_not_loaded(self, path, state):
        """What a posterior refuses is an error about the file."""
        with_row(path, "run", 0, replace(read_run(path, None).header, parameters=()))
        for number, stage in enumerate(state.ledger.stages):
            nothing = writing.Parameters(np.zeros((stage.n_points, 0)))
            with_row(path, "parameters", number, nothing)
        assert read_run(path).answer.log_z < 0
        with pytest.raises(
            CheckpointDamagedError, match=r"run\.db does not hold .* array has shape"
        ):
            load(path)

    def test_blobs_that_memory_does_not_hold(self, path, monkeypatch):
        """Those of a stage under way have their place before they are there."""

        def lack(shape, dtype):
            if np.ndim(shape) and np.prod(shape):
                raise MemoryError("Unable to allocate 7 TiB")
            return np.full(shape, 0, dtype)

        monkeypatch.setattr(assembly.np, "zeros", lack)
        with pytest.raises(CheckpointError, match=r"run\.db .*blobs of a stage cannot be held"):
            read_run(path)


def without_units(network):
    """Return a network of the same inputs and outputs with nothing between them."""
    n_inputs = len(network.weights[0])
    weights = (np.zeros((n_inputs, 0), np.float32), np.zeros((0, 1), np.float32))
    return replace(network, weights=weights, biases=(np.zeros(0, np.float32), network.biases[-1]))


def test_a_sound_file_is_read(path, state):
    """Negative control of all of the above."""
    assert read_run(path).state.n_like == state.n_like
    assert load(path).n_eff > 0
    assert open_and_load(path).header.config == read_run(path, None).header.config
