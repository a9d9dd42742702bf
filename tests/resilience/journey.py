"""A run that is saved state by state, and what a file may hold when something goes wrong."""

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from nautilus.run.state import DensityTable, RunState
from nautilus.runfile import Account, RunHeader, RunStore, read_run
from nautilus.runfile.lock import this_process
from nautilus.runfile.names import journal_of

STATES = (0, 4, 20, 29, 45)
"""Numbers of some states of the small run: each one is a save with something new of every kind."""


class Journey:
    """A file that is made and written to until something fails, or the end is reached.

    Parameters
    ----------
    path
        The file.
    header
        Which run it is.
    states
        What is saved, one after the other.

    Attributes
    ----------
    owner
        Who writes it, as the file knows it.
    kept
        Number of the last state whose save returned, or -1.
    tried
        Number of the last state that was to be saved, or -1.
    is_over
        Whether the end was reached and the file was given back.
    """

    def __init__(self, path: Path, header: RunHeader, states: list[RunState]) -> None:
        self.path, self.states = path, states
        self.store: RunStore | None = None
        self.owner = this_process()
        self.header = header
        self.kept = self.tried = -1
        self.is_over = False

    def go(self) -> None:
        """Make the file, save every state that is not saved yet and give the file back."""
        if self.store is None:
            self.tried = 0
            self.store = RunStore.create(self.path, self.header, self.states[0], owner=self.owner)
            self.kept = 0
        for number in range(self.kept + 1, len(self.states)):
            self.tried = number
            self.store.save(self.states[number], Account())
            self.kept = number
        self.store.close()
        self.is_over = True


class Inspector:
    """Tells which state a file holds, without a change to it.

    Files are copied first: to open one brings an interrupted transaction to its end, and would
    drop the locks that this process holds on it.

    Parameters
    ----------
    folder
        Where the copies go.
    states
        What may be found.
    bits
        See the fixture.
    """

    def __init__(self, folder: Path, states: list[RunState], bits) -> None:
        self._folder = folder
        self._bits = bits
        self._numbers = {self._key(state): number for number, state in enumerate(states)}
        self._names = count()

    def number_in(self, path: Path) -> int:
        """Return the number of the state that is in a file, or -1 if there is no file.

        Raises
        ------
        CheckpointError
            If the file is not readable.
        KeyError
            If it holds a state that nobody saved.
        """
        if not path.exists():
            return -1
        copy = self._folder / f"{next(self._names)}.db"
        try:
            shutil.copyfile(path, copy)
            if journal_of(path).exists():
                shutil.copyfile(journal_of(path), journal_of(copy))
            return self._numbers[self._key(read_run(copy, None).state)]
        finally:
            copy.unlink()
            journal_of(copy).unlink(missing_ok=True)

    def _key(self, state: RunState):
        return self._bits(replace(state, table=DensityTable(np.empty((0, 1)))))
