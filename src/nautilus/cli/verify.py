"""The command `verify`: whether everything in a run file is as it was written."""

import argparse
import sys
from pathlib import Path
from typing import Any

from nautilus.cli import page
from nautilus.report import Output
from nautilus.runfile import Inspection, inspect_run

DESCRIPTION = """
Look at every byte of a run file that counts: SQLite at each page, the digest of each row, and
whether all of it together makes sense. The file is only read, also while a run writes it; a save
waits meanwhile.
"""
EPILOG = """
Exit status: 0 if everything is as it was written, 1 if not, or if the file cannot be read, 2 for
a wrong command line.
"""


def add_to(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="whether everything in a run file is as it was written",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("path", type=Path, metavar="FILE", help="the run file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look at the file, print what was looked at, and return the exit status."""
    found = inspect_run(options.path, checks_pages=True)
    title = page.printable(str(options.path))
    Output(sys.stdout).write(f"{page.section(title, _rows(found))}\n")
    return 0


def _rows(found: Inspection) -> page.Rows:
    state = found.saved.state
    return [
        ("pages", f"{found.n_pages:,} of {found.page_bytes:,} bytes: in order"),
        ("rows", f"{found.n_rows:,}, {found.row_bytes:,} bytes: each as it was written"),
        ("points", f"{state.n_like:,} and {len(state.proposals):,} proposals: they fit together"),
        ("schema", f"version {found.version}"),
        ("verdict", "everything is as it was written"),
    ]
