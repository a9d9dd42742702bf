"""The commands of `python -m nautilus`."""

import argparse
import sys
from collections.abc import Sequence

from nautilus._version import __version__
from nautilus.cli import doctor


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv
        Arguments; by default those that the process was started with.

    Returns
    -------
    int
        Exit status: what the command gives, or 2 if no command is named.
    """
    parser = argparse.ArgumentParser(
        prog="python -m nautilus",
        description="Importance nested sampling with neural networks: tools for the command line.",
    )
    parser.add_argument("--version", action="version", version=f"nautilus {__version__}")
    doctor.add_to(parser.add_subparsers(title="commands", metavar="COMMAND"))
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help(sys.stderr)
        return 2
    status: int = options.run(options)
    return status
