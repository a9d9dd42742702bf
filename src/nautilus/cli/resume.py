"""The command `resume`, which there is not: says how a run is continued."""

import argparse
import sys
from typing import Any

from nautilus.cli import page
from nautilus.report import Output

HOW = """\
There is no command that continues a run: prior and likelihood are in your script, not in the file.
Run that script again. Where it says Sampler(..., filepath="{path}"), the run in the file is found,
compared and continued. `python -m nautilus info {path}` says how far it is.
"""


def add_to(commands: Any) -> None:
    """Add the command to those of a parser, unlisted."""
    # Whatever follows is taken, options too: none begins with this character.
    parser: argparse.ArgumentParser = commands.add_parser(
        "resume", add_help=False, prefix_chars="\0"
    )
    parser.add_argument("rest", nargs="*")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say how, and return the exit status of a wrong command line."""
    files = [text for text in options.rest if not text.startswith("-")]
    Output(sys.stderr).write(HOW.format(path=page.printable((files or ["run.nautilus"])[0])))
    return 2
