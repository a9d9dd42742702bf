"""The commands info and verify, and the one to resume, which there is not."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nautilus import CheckpointError, Prior, Sampler, load
from nautilus.cli import main
from nautilus.cli.facts import Facts, Writer, read_facts
from nautilus.cli.info import text_of
from nautilus.report.format import format_log_z
from nautilus.run.config import Goal
from nautilus.run.detection import detection_limit
from nautilus.run.loop import answer
from nautilus.run.state import new_state
from nautilus.runfile import Account, Clocks, RunStore, lock, new_header, read_run, schema, writing
from nautilus.runfile.record import Answer

HOLD = """
import sys
from nautilus.runfile import RunStore
with RunStore.open(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""
KILL = """
import os, sys
from nautilus.runfile import Account, RunStore, writing
writing._progress = lambda *_: os.kill(os.getpid(), 9)
with RunStore.open(sys.argv[1]) as store:
    saved = store.load()
    store._written = writing.Written(mark=store._written.mark)
    store._connection.execute("PRAGMA cache_spill = 1")
    store._connection.execute("PRAGMA cache_size = 1")
    store.save(saved.state, Account())
"""
PAGE = Path(__file__).resolve().parents[2] / "docs/info.md"


def make_sampler(path, **settings):
    prior = Prior()
    prior.add_parameter("mass", dist=(-5, 5))
    prior.add_parameter("angle", dist=(0, 1), periodic=True)

    def log_likelihood(p):
        return -0.5 * p["mass"] ** 2

    return Sampler(
        prior, log_likelihood, filepath=path, n_live=50, n_networks=0, seed=7, **settings
    )  # fmt: skip


@pytest.fixture
def finished(tmp_path):
    path = tmp_path / "run.nautilus"
    with make_sampler(path) as sampler:
        assert sampler.run(n_eff=200)
    return path


def with_answer(state, n_stages):
    """Return what the first complete stages say."""
    first = replace(state.ledger, stages=state.ledger.stages[:n_stages])
    n = sum(stage.n_points for stage in first.stages)
    arrays = {name: getattr(state.ledger, name)[:n] for name in ("points", "log_l", "blobs")}
    some = replace(state, ledger=replace(first, **arrays), pending=None)
    said = answer(replace(some, table=new_state(2).table).with_all_densities(in_turn), False)
    return Answer(
        said.log_weights, said.log_z, said.log_z_err, said.n_eff, 0.1, said.tail_index, (), False,
        detection_limit(new_state(2)),
    )  # fmt: skip


def in_turn(function, tasks):
    return [function(*task) for task in tasks]


@pytest.fixture
def half(grown):
    """Return the state of a run that is within a stage."""
    return next(
        state for state in grown[20:] if state.pending and 0 < state.pending.n_done < 100
    )  # fmt: skip


@pytest.fixture
def path(tmp_path, small_run, half):
    """Return the name of a file with half of a run and an older answer, which is closed."""
    path = tmp_path / "run.nautilus"
    header = new_header(small_run.config, ("x", "y"), ("x: uniform", "y: uniform, periodic"))
    with RunStore.create(path, header, half) as store:
        account = Account(Clocks(3700.0, 100.0), goal=Goal(n_eff=300.0))
        store.save(half, account, lambda points: points, with_answer(half, 2))
    return path


@pytest.fixture
def holder(path):
    """Start another process that has the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def rows_of(output):
    rows = [line for line in output.splitlines() if line.startswith("  ")]
    return {row[:28].strip(): row[28:].strip() for row in rows}


def run(capsys, *arguments):
    """Run a command, which succeeds; return what it prints."""
    assert main([*map(str, arguments)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


class TestInfo:
    def test_a_finished_run(self, finished, capsys):
        content, posterior = finished.read_bytes(), load(finished)
        output = run(capsys, "info", finished)
        rows = rows_of(output)
        assert rows["state"] == "stopped: the wanted effective sample size was reached"
        assert rows["parameters"] == "mass, angle"
        assert "  prior                     mass: uniform from -5.0 to 5.0\n" in output
        assert rows["n_live, seed"] == "50, 7"
        assert rows["phase"] == "sampling"
        assert rows["points"].startswith(f"{posterior.n_like:,} evaluated")
        assert rows["calls"].startswith(f"{posterior.run.n_calls:,}, tests")
        assert rows["log Z"] == format_log_z(posterior.log_z, posterior.log_z_err)
        assert rows["n_eff"] == "200"  # what was wanted; the result stands above it
        assert f"\n  n_eff                     {posterior.n_eff:,.0f}\n" in output
        assert rows["as of"] == "all points in complete stages"
        assert rows["integrity"].startswith(
            f"each of {read_facts(finished, computes=False).n_rows}"
        )
        assert "To continue the run, start its script again" in output
        assert finished.read_bytes() == content

    def test_a_run_without_result(self, tmp_path, small_run, capsys):
        path = tmp_path / "run.nautilus"
        RunStore.create(path, new_header(small_run.config), new_state(2)).close()
        rows = rows_of(run(capsys, "info", path))
        assert rows["log Z"] == "not known yet"
        assert rows["goal"] == "none yet"
        assert rows["stages"] == "0 complete"
        assert rows["state"] == "not running; why it stopped was not saved"
        assert json.loads(run(capsys, "info", "--json", path))["result"] is None
        assert rows_of(run(capsys, "info", "--compute", path))["log Z"] == "not known yet"

    def test_an_older_result_says_so_and_can_be_computed_anew(self, path, half, capsys):
        ledger = half.ledger
        n, n_all = sum(stage.n_points for stage in ledger.stages[:2]), ledger.n_points
        assert n < n_all
        rows = rows_of(run(capsys, "info", path))
        assert rows["as of"].startswith(f"the first {n} of {n_all} points in complete stages")
        assert rows["elapsed"] == "1 h 02 min"
        assert rows["own work"] == "1 h 00 min"
        before = json.loads(run(capsys, "info", "--json", path))
        after = json.loads(run(capsys, "info", "--json", "--compute", path))
        posterior = load(path)
        assert before["result"]["n_points"] == n
        assert after["result"]["n_points"] == n_all
        assert after["result"]["log_z"] == posterior.log_z != before["result"]["log_z"]
        assert rows_of(run(capsys, "info", "--compute", path))["as of"].startswith("all points")

    def test_points_of_a_stage_under_way_are_counted(self, path, half, capsys):
        pending = half.pending
        rows = rows_of(run(capsys, "info", path))
        n_done, n_complete = pending.n_done, half.ledger.n_points
        assert 0 < n_done < len(pending.points)
        assert rows["stages"].endswith(f", {n_done} of {len(pending.points)} points of the next")
        assert rows["points"] == f"{n_done + n_complete} evaluated, {n_complete} in complete stages"

    def test_a_run_that_is_under_way(self, path, holder, capsys):
        content = path.read_bytes()
        state = rows_of(run(capsys, "info", path))["state"]
        assert state == f"process {holder.pid} on {lock.this_process().host} is running it"
        assert "each as it was written" in run(capsys, "verify", path)
        told = json.loads(run(capsys, "info", "--json", path))["writer"]
        assert told == {
            "host": lock.this_process().host, "pid": holder.pid, "fate": "running"
        }  # fmt: skip
        assert path.read_bytes() == content
        holder.kill()
        holder.wait()
        state = rows_of(run(capsys, "info", path))["state"]
        assert state.startswith(f"process {holder.pid} on {lock.this_process().host} was killed")
        assert path.read_bytes() == content

    def test_of_a_process_elsewhere_nothing_is_known(self, path, capsys):
        away = replace(lock.this_process(), host="node17", pid=5)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            lock.take(connection, away, take_over=False)
        state = rows_of(run(capsys, "info", path))["state"]
        assert state == "process 5 on node17 is running it, or was killed there"

    def test_what_a_kill_left_of_a_save_is_undone(self, path, half, capsys):
        killed = subprocess.run([sys.executable, "-c", KILL, path], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert Path(f"{path}-journal").stat().st_size > 0
        rows = rows_of(run(capsys, "info", path))
        assert rows["points"].startswith(f"{half.n_like} evaluated")
        assert "was killed" in rows["state"]
        assert read_run(path, None).state.n_like == half.n_like

    def test_findings_and_notes_are_told(self, path, capsys, monkeypatch):
        facts = replace(
            read_facts(path, computes=False),
            findings=("a heavy tail " * 20,), notes=("the likelihood returned NaN",),
        )  # fmt: skip
        text = text_of(replace(facts, path="run.nautilus"))
        assert text.count("\n  - ") == 2
        assert "\nfindings\n  - a heavy tail" in text
        assert "\nnotes\n  - the likelihood returned NaN\n" in text
        assert max(map(len, text.splitlines())) <= 100

    def test_what_json_does_not_know_becomes_null(self, path):
        facts = read_facts(path, computes=False)
        unknown = replace(facts.result, log_z=-np.inf, log_z_err=np.inf, tail_index=np.nan)
        told = replace(facts, result=unknown, goal=Goal()).to_json()
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        assert told["result"]["log_z"] is told["result"]["tail_index"] is None
        assert told["goal"]["n_like_max"] is None
        assert list(told) == list(Facts.__dataclass_fields__)

    def test_what_is_in_a_file_does_nothing_to_a_terminal(self, path, capsys):
        """Names, sentences and hosts may hold anything if somebody else wrote the file."""
        evil = "\x1b[2J\x07\u202eä\ud800"
        saved = read_run(path, None)
        header = replace(saved.header, parameters=(evil, "y"), prior=(evil,), created=evil)
        result = replace(saved.answer, findings=(evil,))
        owner = replace(lock.this_process(), host=f"\x1b]0;x{evil[:-1]}")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            writing.write_row(connection, "run", 0, 0, header)
            writing.write_row(connection, "answer", 0, 0, result)
            lock.take(connection, owner, take_over=False)
        for output in (run(capsys, "info", path), run(capsys, "info", "--json", path)):
            assert output.replace("\n", "").isprintable()
        assert "\\x1b[2J\\x07\\u202eä\\ud800" in run(capsys, "info", path)


class TestVerify:
    def test_a_sound_file(self, path, half, capsys):
        content = path.read_bytes()
        output = run(capsys, "verify", path)
        rows = rows_of(output)
        with closing(sqlite3.connect(path)) as connection:
            counted = [
                connection.execute(
                    f"SELECT count(*), total(length(header) + length(data)) FROM {table}"
                ).fetchone()
                for table in schema.TABLES
            ]
        n_rows, n_bytes = map(sum, zip(*counted, strict=True))
        assert rows["pages"] == f"{len(content) // 4096} of 4,096 bytes: in order"
        assert rows["rows"] == f"{n_rows}, {n_bytes:,.0f} bytes: each as it was written"
        assert rows["points"].startswith(f"{half.n_like} and {len(half.proposals)} prop")
        assert rows["verdict"] == "everything is as it was written"
        assert path.read_bytes() == content

    @pytest.mark.parametrize("command", ["info", "verify"])
    def test_a_changed_bit_is_told_in_one_line(self, command, path, half, capsys):
        content = bytearray(path.read_bytes())
        place = content.index(half.ledger.points[3].tobytes())
        content[place] ^= 1
        path.write_bytes(content)
        assert main([command, str(path)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"{path} is damaged: row (0, 0) of draws is not as it was")
        assert printed.err.count("\n") == 1
        assert path.read_bytes() == content

    def test_pages_that_nothing_uses_are_looked_at(self, path, capsys):
        """Reading alone does not notice them, and needs them for nothing."""
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE lost (number INTEGER)")
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master WHERE name = 'lost'")
        run(capsys, "info", path)
        assert main(["verify", str(path)]) == 1
        assert "never used" in capsys.readouterr().err

    def test_what_makes_no_sense_is_found(self, path, capsys):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM proposals WHERE number = 3")
        assert main(["verify", str(path)]) == 1
        assert "row (4, 0) of proposals is out of order" in capsys.readouterr().err

    def test_files_of_older_versions(self, path, capsys, monkeypatch):
        content = path.read_bytes()

        def rename(connection):
            connection.execute("UPDATE run SET part = 0")

        monkeypatch.setattr(schema, "MIGRATIONS", (rename,))
        assert rows_of(run(capsys, "verify", path))["schema"] == "version 1"
        assert path.read_bytes() == content


class TestErrors:
    @pytest.mark.parametrize("command", ["info", "verify"])
    def test_what_cannot_be_read_is_told_in_one_line(self, command, tmp_path, path, capsys):
        newer = tmp_path / "newer.nautilus"
        newer.write_bytes(path.read_bytes())
        with closing(sqlite3.connect(newer)) as connection:
            connection.execute("PRAGMA user_version = 7")
        for name, content, told in (
            ("empty", b"", "is empty"),
            ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(200), "is an HDF5 file"),
            ("archive", b"PK\x03\x04" + bytes(200), "Posterior.load reads"),
            ("text", b"a,b\n" * 100, "is not a run file"),
            ("short", path.read_bytes()[:5000], "is damaged"),
            ("newer.nautilus", None, "it has version 7, written by a newer package"),
            ("missing", None, "cannot be opened (No such file"),
        ):
            file = tmp_path / name
            if content is not None:
                file.write_bytes(content)
            assert main([command, str(file)]) == 1
            printed = capsys.readouterr()
            assert (printed.out, printed.err.count("\n")) == ("", 1)
            assert printed.err.startswith(str(file))
            assert told in printed.err
            assert content is None or file.read_bytes() == content

    def test_from_the_command_line(self, path, tmp_path):
        good, bad = (
            subprocess.run(
                [sys.executable, "-m", "nautilus", "verify", file],
                capture_output=True, text=True, check=False,
            )
            for file in (path, tmp_path)
        )  # fmt: skip
        assert (good.returncode, good.stderr) == (0, "")
        assert good.stdout.startswith(f"{path}\n  pages ")
        assert (bad.returncode, bad.stdout) == (1, "")
        assert bad.stderr.count("\n") == 1
        assert "Traceback" not in bad.stderr

    def test_a_switch_without_meaning(self, path, capsys, monkeypatch):
        monkeypatch.setenv("NAUTILUS_FILE_LOCKS", "maybe")
        assert main(["info", str(path)]) == 1
        assert "NAUTILUS_FILE_LOCKS is 'maybe'" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [["info"], ["verify"], ["info", "a", "b"]])
    def test_wrong_command_lines(self, arguments, capsys):
        with pytest.raises(SystemExit, match=r"^2$"):
            main(arguments)
        assert "usage: python -m nautilus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "file"),
    [(["a.nautilus", "--pool", "4"], "a.nautilus"), (["--force", "b"], "b"), ([], "run.nautilus")],
)
def test_it_is_said_how_a_run_is_continued(arguments, file, capsys):
    assert main(["resume", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Run that script again" in printed.err
    assert f'Sampler(..., filepath="{file}")' in printed.err
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    assert "resume" not in capsys.readouterr().out  # it is no command


@pytest.mark.parametrize(
    ("writer", "reason", "told"),
    [
        (None, "done", "stopped: done"),
        (None, "", "not running; why it stopped was not saved"),
        (Writer("h", 1, "running"), "", "process 1 on h is running it"),
        # What is in the file is the reason of the time before.
        (Writer("h", 1, "running"), "done", "process 1 on h is running it"),
    ],
)
def test_where_a_run_stands(writer, reason, told, path):
    facts = replace(read_facts(path, computes=False), writer=writer, stop_reason=reason)
    assert rows_of(text_of(facts))["state"] == told


def test_fates(monkeypatch):
    me = lock.this_process()
    assert lock.fate_of(me, me) == "running"
    assert lock.fate_of(replace(me, started="another-boot 1"), me) == "ended"
    assert lock.fate_of(replace(me, host="node17"), me) == "unknown"
    monkeypatch.setattr(lock, "process_started", lambda _: "")
    assert lock.fate_of(me, me) == "unknown"  # the number may have been given again


def test_the_page_shows_what_is_printed(finished, capsys):
    """Labels and headings of the examples are those of the program."""
    info, verify = (text.split("```")[0] for text in PAGE.read_text("utf-8").split("```text\n")[1:])
    for command, shown in (("info", info), ("verify", verify)):
        printed = run(capsys, command, finished)
        assert list(rows_of(shown)) == list(rows_of(printed))
        headings = [
            [line for line in text.splitlines() if line and not line.startswith("  ")]
            for text in (shown, printed.replace(str(finished), "run.nautilus"))
        ]
        assert headings[0] == headings[1]
    assert "everything is as it was written" in verify


def test_errors_of_this_package_only_are_told_in_one_line(monkeypatch, path):
    monkeypatch.setattr("nautilus.cli.info.read_facts", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="by zero"):
        main(["info", str(path)])
    assert issubclass(CheckpointError, RuntimeError)
