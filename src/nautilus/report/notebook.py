"""Progress in a notebook: lines below the cell, replaced in place."""

import importlib
import sys
from typing import Any, final

from nautilus.report.line import RateMeter, status_line
from nautilus.report.output import Cadence
from nautilus.report.record import ProgressRecord

NOTEBOOK_INTERVAL = 0.5
"""Seconds between two updates: each is a message to the browser and is kept in the file."""


def is_notebook() -> bool:
    """Say whether this process is the kernel of a notebook.

    Only a Jupyter kernel's shell has a ``kernel``; IPython in a terminal has none. If nothing has
    imported IPython, it is not running, and it is not imported for the question.
    """
    ipython = sys.modules.get("IPython")
    get_shell = getattr(ipython, "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")


@final
class NotebookLine:
    """One updated line per phase, as plain text in the output of a notebook's cell."""

    def __init__(self) -> None:
        self._rate = RateMeter()
        self._cadence = Cadence(NOTEBOOK_INTERVAL)
        self._finished: list[str] = []
        self._current = ""
        self._is_shown = True
        self._handle: Any = None

    def update(self, record: ProgressRecord) -> None:
        """Show the record, unless another was shown a moment ago."""
        if self._cadence.is_new_phase(record):
            self._finish_line()
        self._current, self._is_shown = status_line(record, self._rate.update(record)), False
        if self._cadence.is_due(record):
            self._show()

    def note(self, text: str) -> None:
        """Show the text below the lines."""
        self._finish_line()
        self._current, self._is_shown = text, False
        self._finish_line()
        self._show()

    def close(self) -> None:
        """Show what is not shown yet."""
        self._show()

    def _finish_line(self) -> None:
        if self._current:
            self._finished.append(self._current)
            self._current = ""

    def _show(self) -> None:
        if self._is_shown:
            return
        lines = [*self._finished, self._current] if self._current else self._finished
        data = {"text/plain": "\n".join(lines)}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
        self._is_shown = True
