"""What tests of accidents share."""

import os
from collections import Counter

import pytest
from journey import STATES, Inspector

from nautilus.runfile import new_header

N_KILLS = int(os.environ.get("NAUTILUS_KILLS", "0"))
"""How many processes are killed in the long form; 0 for the quick one."""


_counts = Counter()


@pytest.fixture(scope="session")
def count():
    """Return the function that counts an accident for the table at the end."""

    def add(what, n=1):
        _counts[what] += n

    return add


def pytest_terminal_summary(terminalreporter):
    """Show how many accidents there were, as a table for the documentation."""
    for line in table():
        terminalreporter.write_line(line)


def table():
    """Return the lines of the table of counts; none if nothing was counted."""
    rows = [f"| {what} | {n:,} |" for what, n in sorted(_counts.items())]
    return ["| accidents | times |", "|---|--:|", *rows] if rows else []


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
