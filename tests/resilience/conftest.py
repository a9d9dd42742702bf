"""What tests of accidents share."""

import os
from collections import Counter
from pathlib import Path

import pytest
from journey import STATES, Inspector

from nautilus.runfile import new_header

N_KILLS = int(os.environ.get("NAUTILUS_KILLS", "0"))
"""How many processes are killed in the long form; 0 for the quick one."""


PAGE = os.environ.get("NAUTILUS_COUNTS", "")
"""Page between whose marks the counts go if all tests pass; empty for none."""

BEGIN, END = "<!-- counted: begin -->\n", "<!-- counted: end -->\n"

COUNTED = {
    "kills": "processes killed in the middle of a run",
    "kills within": "of these, inside a transaction",
    "kills with workers": "processes with two workers among these",
    "runs": "runs that came to their end through these kills, with identical results",
    "repeated": "evaluations that were under way at a kill and were made again",
    "faults": "calls to the file system that failed",
    "cuts": "power cuts",
    "cut off": "files cut off",
    "flipped": "files with one bit flipped",
}
"""What is counted, in the order of the table."""

_counts = Counter()


@pytest.fixture(scope="session")
def count():
    """Return the function that counts accidents for the table at the end."""

    def add(what, n=1):
        assert what in COUNTED
        _counts[what] += n

    return add


def pytest_terminal_summary(terminalreporter, exitstatus):
    """Show how many accidents there were, and write it to the page if that was asked for."""
    rows = [
        f"| {text} | {_counts[what]:,} |\n" for what, text in COUNTED.items() if what in _counts
    ]
    if not rows:
        return
    terminalreporter.write("".join(rows))
    if PAGE and exitstatus == pytest.ExitCode.OK:
        page = Path(PAGE)
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        table = "".join(["| what | times |\n", "|---|--:|\n", *rows])
        page.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


@pytest.fixture(scope="session")
def n_kills():
    """Return how many processes are killed in the long form; 0 for the quick one."""
    return N_KILLS


@pytest.fixture(scope="session")
def is_long():
    """Return whether everything is tried that can be."""
    return N_KILLS > 0


@pytest.fixture(scope="session")
def some(is_long):
    """Return the function that picks from the numbers 1 to n: all in the long form, or a few."""

    def pick(n, n_quick, n_long=None):
        wanted = min(n, (n_long or n) if is_long else n_quick)
        return sorted({1 + round((n - 1) * i / max(wanted - 1, 1)) for i in range(wanted)})

    return pick


@pytest.fixture(scope="session")
def states(grown):
    """Return the states of a run that is saved a few times."""
    return [grown[number] for number in STATES]


@pytest.fixture(scope="session")
def header(small_run):
    """Return the header of that run."""
    return new_header(small_run.config)


@pytest.fixture
def inspector(tmp_path_factory, states, bits):
    """Return what tells which of these states a file holds."""
    return Inspector(tmp_path_factory.mktemp("copies"), states, bits)
