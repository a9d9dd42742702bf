"""A run and its file: found, compared, saved in time, given back."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nautilus._streams import stream
from nautilus._types import FloatArray
from nautilus._warn import warn_user
from nautilus.checkpoint_settings import CheckpointSettings
from nautilus.errors import (
    CheckpointBusyError,
    CheckpointKeptWarning,
    PriorError,
    SaveDelayedWarning,
)
from nautilus.parameters import circles_of, parameters_of
from nautilus.prior import PriorMap
from nautilus.run.config import Config
from nautilus.run.state import RunState
from nautilus.runfile import (
    Account,
    Answer,
    RunHeader,
    RunStore,
    SavedRun,
    is_hdf5,
    is_there,
    needs_writer,
    new_header,
    read_run,
    require_free,
    require_match,
    set_aside,
    try_folder,
)
from nautilus.runfile.lock import this_process
from nautilus.runfile.written import Written

N_PROBES = 8
"""Points of the unit cube whose parameters tell whether a prior is the one of the file."""

SAVE_SHARE = 0.005
"""Share of the time that saving within a stage may take, as long as the interval allows it; that
after each step comes on top."""

ANSWER_GROWTH = 1.1
"""Weights of all points change with every stage; they are written when there are so many times
more points than the last time, so that all of it together stays proportional to their number."""

_logger = logging.getLogger("nautilus")


class Checkpoint:
    """Keeps a run in a file; writes to it only between `open` and `close`.

    Parameters
    ----------
    settings
        Where and how.
    prior
        Gives the parameters that are stored beside the points.

    Attributes
    ----------
    header
        Which run is in the file; None before there is one.
    n_saved
        Points evaluated that are in the file, as far as this process knows; None before there is
        one.
    """

    def __init__(self, settings: CheckpointSettings, prior: PriorMap) -> None:
        self._settings = settings
        self._prior = prior
        self.header: RunHeader | None = None
        self._written: tuple[Written, ...] = ()
        self._store: RunStore | None = None
        self._owner = this_process()
        self._is_ours = settings.resume is True
        self._n_answered = 0
        self._saved_at = self._save_seconds = 0.0
        self.n_saved: int | None = None
        self._has_failed = False

    @property
    def path(self) -> Path:
        """Where the run is kept."""
        return self._settings.path

    @property
    def resumes(self) -> bool:
        """Whether the same settings continue the run in the file."""
        return self._settings.resume is True

    def settings_beside(self, word: str) -> CheckpointSettings:
        """Return where and how a run is kept beside this one, in ``<name>.<word>.<suffix>``."""
        name = f"{self.path.stem}.{word}{self.path.suffix}"
        return replace(self._settings, path=self.path.with_name(name))

    def find(self, config: Config, *, is_seed_given: bool) -> SavedRun | None:
        """Return the run that is to be continued, if there is one.

        Nothing is written, but for a save that was interrupted and that no reader can undo.

        Parameters
        ----------
        config
            What the run was asked to be.
        is_seed_given
            Whether its seed matters, or that of the file is as good.

        Raises
        ------
        CheckpointError
            If the file cannot be used, or holds another run.
        """
        path = self.path
        if not is_there(path):
            try_folder(path)
            return None
        if not self._is_ours:
            return None
        if needs_writer(path):
            take_over = self._settings.take_over
            with RunStore.open(path, take_over=take_over, owner=self._owner) as store:
                saved = store.load(None)
        else:
            saved = read_run(path, None)
        return self._adopt(saved, config, is_seed_given=is_seed_given)

    def open(self, config: Config) -> SavedRun | None:
        """Take the file if it is there, and return the run in it if it is not known yet.

        Raises
        ------
        CheckpointError
            If the file cannot be used, belongs to another process or holds another run.
        """
        if self._store is not None or not self._is_ours or not is_there(self.path):
            return None  # an interrupt kept it from being closed, or there is nothing to take
        store = RunStore.open(self.path, take_over=self._settings.take_over, owner=self._owner)
        try:
            is_known = any(store.follow(written) for written in self._written)
            saved = None if is_known else self._adopt(store.load(None), config, is_seed_given=True)
        except BaseException:
            # What this process knows of the file is still true, and is not to be read again.
            store.close()
            raise
        self._store = store
        return saved

    def create(self, config: Config, state: RunState, account: Account) -> None:
        """Make the file unless it is open; what was there is kept or lost as the settings say.

        Raises
        ------
        CheckpointError
            If that is not possible.

        Warns
        -----
        CheckpointKeptWarning
            If a file of the public package was in the way, and is kept under another name.
        """
        if self._store is not None:
            return
        replaces = not self._is_ours and is_there(self.path) and not self._make_room()
        self.header = self._header(config)
        self._store = RunStore.create(
            self.path, self.header, state, account, replaces=replaces, owner=self._owner
        )
        self._is_ours = True
        self.n_saved, self._saved_at = state.n_like, time.monotonic()

    def _make_room(self) -> bool:
        """Keep a file that is in the way under another name, if that is wanted, and tell so."""
        path, is_public = self.path, is_hdf5(self.path)
        is_kept = is_public or self._settings.resume == "overwrite"
        require_free(path, take_over=self._settings.take_over, is_kept=is_kept, owner=self._owner)
        if not is_kept:
            return False
        kept = set_aside(path, datetime.now())  # noqa: DTZ005 - a name for people who are here
        if is_public:
            warn_user(
                f"{path} was an HDF5 file, perhaps of the public package; it is kept as {kept}.",
                CheckpointKeptWarning,
            )
        else:
            _logger.info("The run that was in %s is kept in %s.", path, kept)
        return True

    def save(
        self, state: RunState, account: Account, answer: Callable[[], Answer | None],
        *, is_step: bool,
    ) -> None:  # fmt: skip
        """Save a run if that is worth its time, and always after a step.

        Results that are not worth it yet are saved by a later call, which may come with the same
        state: call this also while nothing comes.

        Parameters
        ----------
        state
            Where it stands.
        account
            What is told of it beside.
        answer
            Gives what the complete stages say.
        is_step
            Whether more changed than the results of a stage.

        Raises
        ------
        CheckpointError
            If the file cannot be written.

        Warns
        -----
        SaveDelayedWarning
            If another process reads the file for so long that saving has to wait.
        """
        if self._store is None or not (is_step or self._is_worth_it(state)):
            return
        is_due = state.ledger.n_points >= max(ANSWER_GROWTH * self._n_answered, 1)
        try:
            self._write(self._store, state, account, answer() if is_due else None)
        except CheckpointBusyError as error:
            # The next save holds all that this one would.
            warn_user(f"A save was left out: {error}", SaveDelayedWarning)

    def _is_worth_it(self, state: RunState) -> bool:
        waited = time.monotonic() - self._saved_at
        wait = min(self._settings.interval, self._save_seconds / SAVE_SHARE)
        return waited >= wait and (self._has_failed or state.n_like != self.n_saved)

    def close(self, state: RunState, account: Account, answer: Callable[[], Answer | None]) -> None:
        """Save everything and give the file back.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        PriorError
            If the prior does not give the parameters of points that were evaluated; these are
            saved nevertheless.
        """
        store, self._store = self._store, None
        if store is None:
            return
        try:
            # First what cannot be had again: to compute an answer may take its time.
            try:
                self._write(store, state, account, None)
            except PriorError:
                store.save(state, account)
                raise
            self._write(store, state, account, answer())
        finally:
            self._written = store.written or self._written
            store.close()

    def release(self) -> None:
        """Give the file back without saving anything."""
        store, self._store = self._store, None
        if store is not None:
            self._written = store.written or self._written
            store.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_store": None, "_saved_at": 0.0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Two copies of one opener would not lock each other out.
        vars(self).update(state, _owner=this_process())

    def _write(
        self, store: RunStore, state: RunState, account: Account, answer: Answer | None
    ) -> None:
        start, self._has_failed = time.monotonic(), True
        try:
            store.save(state, account, self._parameters_of, answer)
        finally:
            self._saved_at = time.monotonic()
            self._save_seconds = self._saved_at - start
        self.n_saved, self._has_failed = state.n_like, False
        if answer is not None:
            self._n_answered = len(answer.log_weights)

    def _adopt(self, saved: SavedRun, config: Config, *, is_seed_given: bool) -> SavedRun:
        seed = config.seed if is_seed_given else saved.header.config.seed
        require_match(saved.header, self._header(replace(config, seed=seed)), self.path)
        self.header, self._written = saved.header, (saved.written,)
        self.n_saved = saved.state.n_like
        self._n_answered = 0 if saved.answer is None else len(saved.answer.log_weights)
        return saved

    def _header(self, config: Config) -> RunHeader:
        points = stream(0, "probe").random((N_PROBES, config.n_dim))
        names, probes = parameters_of(self._prior, points)
        told = tuple(f"{key}: {text}" for key, text in self._prior.describe())
        periodic = circles_of(self._prior, config.build.periodic)
        return new_header(config, names, told, probes, periodic)

    def _parameters_of(self, points: FloatArray) -> FloatArray:
        return parameters_of(self._prior, points)[1]
