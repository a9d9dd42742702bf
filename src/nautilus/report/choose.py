"""Pick who is told about progress."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TextIO, final

from nautilus._arithmetic import arithmetic_of_user
from nautilus.errors import SettingsError
from nautilus.report.log import LogReporter
from nautilus.report.notebook import NotebookLine, is_notebook
from nautilus.report.progress import LiveLine, PlainLines, Silent
from nautilus.report.record import ProgressRecord, Reporter

Callback = Callable[[ProgressRecord], object]


@final
class CallbackReporter:
    """Hands each record to a user's function.

    Whatever the function raises goes through to the caller of ``run``. The step that the record
    tells about has been committed before, so the run stays valid and can go on.

    Parameters
    ----------
    callback
        Called with each `ProgressRecord`; what it returns is ignored.

    Raises
    ------
    SettingsError
        If ``callback`` cannot be called.
    """

    def __init__(self, callback: Callback) -> None:
        if not callable(callback):
            raise SettingsError(
                f"callback is {callback!r}; expected a function of one ProgressRecord, or None."
            )
        self._callback = callback

    def update(self, record: ProgressRecord) -> None:
        """Call the function."""
        with arithmetic_of_user():
            self._callback(record)

    def note(self, text: str) -> None:
        """Ignore the text."""

    def close(self) -> None:
        """Do nothing."""


@final
class Combined:
    """Hands everything to several reporters, in their order.

    An exception of one ends the round for those behind it, except at the end: all are closed.

    Parameters
    ----------
    *reporters
        The reporters.
    """

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def update(self, record: ProgressRecord) -> None:
        """Hand the record to each."""
        for reporter in self._reporters:
            reporter.update(record)

    def note(self, text: str) -> None:
        """Hand the text to each."""
        for reporter in self._reporters:
            reporter.note(text)

    def close(self) -> None:
        """Close each."""
        with ExitStack() as stack:
            for reporter in reversed(self._reporters):
                stack.callback(reporter.close)


def make_reporter(
    verbose: bool, stream: TextIO | None = None, callback: Callback | None = None
) -> Reporter:
    """Pick the reporter for a run.

    Parameters
    ----------
    verbose
        Whether to show progress. If not, nothing is written, whatever the stream is; logging and
        callback work all the same.
    stream
        Where to show it. None means a notebook's cell if this is a notebook, otherwise standard
        error, which keeps a script's own output clean when it is redirected. A terminal gets one
        live line, anything else plain lines.
    callback
        A user's function that gets each record, or None. It comes last, so that a record has been
        shown and logged before the function can raise.

    Returns
    -------
    Reporter
        Call its ``close`` when the run ends, however it ends.

    Raises
    ------
    SettingsError
        If ``callback`` cannot be called.
    """
    called = () if callback is None else (CallbackReporter(callback),)
    return Combined(LogReporter(), _screen(stream) if verbose else Silent(), *called)


def header_line(version: str, n_dim: int, **settings: object) -> str:
    """Write the line that opens a run.

    Parameters
    ----------
    version
        Version of the package.
    n_dim
        Number of parameters.
    **settings
        The settings worth showing.

    Returns
    -------
    str
        Such as ``"nautilus 0.1.0 | 14 parameters | n_live=500, seed=1"``.
    """
    noun = "parameter" if n_dim == 1 else "parameters"
    told = ", ".join(f"{name}={value}" for name, value in settings.items())
    return " | ".join(filter(None, (f"nautilus {version}", f"{n_dim} {noun}", told)))


def _screen(stream: TextIO | None) -> Reporter:
    if stream is None and is_notebook():
        return NotebookLine()
    # A program without a console, such as pythonw on Windows, has no standard error.
    target = sys.stderr if stream is None else stream
    if target is None:
        return Silent()
    if target.isatty() and os.environ.get("TERM") != "dumb":
        return LiveLine(target)
    return PlainLines(target)
