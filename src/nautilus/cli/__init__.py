"""The commands of `python -m nautilus`."""

import argparse
import sys
from collections.abc import Sequence

from nautilus._version import __version__
from nautilus.cli import doctor, info, page, resume, verify
from nautilus.errors import NautilusError
from nautilus.report import Output


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv
        Arguments; by default those that the process was started with.

    Returns
    -------
    int
        Exit status: what the command gives, 1 if it raises an error of this package, which is
        printed in one line, or 2 if no command is named.
    """
    parser = argparse.ArgumentParser(
        prog="python -m nautilus",
        description="Importance nested sampling with neural networks: tools for the command line.",
    )
    parser.add_argument("--version", action="version", version=f"nautilus {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (info, verify, doctor, resume):
        command.add_to(commands)
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help(sys.stderr)
        return 2
    try:
        status: int = options.run(options)
    except NautilusError as error:
        message = page.printable(" ".join(str(error).split()))
        Output(sys.stderr).write(f"{message}\n")
        return 1
    return status
