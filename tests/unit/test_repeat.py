"""What runs the tests of pools many times."""

import sys

import pytest
import repeat

COUNTING = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
n = len(path.read_text()) + 1 if path.exists() else 1
path.write_text(n * "x")
print("begin")
print(f"===== {n} passed =====")
sys.exit(int(sys.argv[2]) * (n == 2))
"""


@pytest.fixture
def command(tmp_path):
    return [sys.executable, "-c", COUNTING, str(tmp_path / "count")]


def test_each_run_is_told(tmp_path, command, capsys):
    folder = tmp_path / "runs"
    assert repeat.main(["3", str(folder), *command, "0"]) == 0
    told = capsys.readouterr().out.splitlines()
    for number in (1, 2, 3):
        assert told[number - 1].startswith(
            f"run {number}: {number} passed; ended with status 0 after "
        )
    assert told[3:] == [f"3 of 3 runs passed; outputs are in {folder}"]
    assert (folder / "002.txt").read_text().startswith("begin\n===== 2 passed =====\n")


def test_one_that_fails_is_named_and_the_others_go_on(tmp_path, command, capsys):
    assert repeat.main(["3", str(tmp_path / "runs"), *command, "5"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert "run 2: 2 passed; ended with status 5 after" in told[1]
    assert told[2].startswith("run 3: 3 passed; ended with status 0")
    assert told[3].startswith("2 of 3 runs passed")
    assert told[4] == "failed: 2"


def test_those_that_have_ended_are_not_run_again(tmp_path, command, capsys):
    folder = tmp_path / "runs"
    repeat.main(["2", str(folder), *command, "5"])
    (folder / "003.part").write_text("as an interrupt leaves it")
    before = capsys.readouterr().out.splitlines()[:2]
    assert repeat.main(["4", str(folder), *command, "5"]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == before
    assert (tmp_path / "count").read_text() == "xxxx"
    assert sorted(path.name for path in folder.iterdir()) == [f"00{n}.txt" for n in (1, 2, 3, 4)]


def test_what_does_not_end_is_ended_with_all_that_it_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(repeat, "SECONDS", 1.0)
    hang = "import subprocess; subprocess.run(['sleep', '3600'])"
    assert repeat.main(["1", str(tmp_path), sys.executable, "-c", hang]) == 1
    told = capsys.readouterr().out
    assert told.startswith("run 1: not at its end after 1 s; ended with status -9 after")


def test_a_run_that_is_killed_has_its_signal_for_a_status(tmp_path):
    kill = "import os; os.kill(os.getpid(), 15)"
    (run,) = repeat.repeat(1, tmp_path, [sys.executable, "-c", kill])
    assert run.status == -15
    assert str(run).startswith("run 1: no output; ended with status -15 after")
