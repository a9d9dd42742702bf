"""What may be on a disk after a power cut.

A file system keeps in memory what was written since the last sync of a file, and brings it to the
disk in any order and in parts: sectors of 512 bytes, each as it stood at any moment since then. The
same holds for the names in a folder, which become durable when the folder is synced, and of which
each change is done or not. What SQLite syncs with a file or a deletion is known: the folder of a
new journal with the first sync of the journal, the folder of a deleted one if it asks for that.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from disk import Call, Perform
from journey import Journey

SECTOR = 512


@dataclass(frozen=True)
class Event:
    """A call that changes something, and what was saved before it."""

    call: Call
    kept: int
    tried: int


class Recorder:
    """A rule that notes the calls of a journey that change anything."""

    CHANGES = frozenset({
        "open", "write", "truncate", "sync", "delete", "create", "link", "rename", "unlink",
        "fsync",
    })  # fmt: skip

    def __init__(self, journey: Journey) -> None:
        self.events: list[Event] = []
        self._journey = journey

    def __call__(self, call: Call, perform: Perform) -> Any:
        result = perform()
        if call.kind in self.CHANGES:
            self.events.append(Event(call, self._journey.kept, self._journey.tried))
        return result


@dataclass
class Content:
    """What is in a file: as it was synced last, and after each change since then."""

    versions: list[bytes] = field(default_factory=lambda: [b""])
    is_known: bool = False
    """Whether its name in the folder was synced with it."""

    def change(self, new: bytes) -> None:
        """Note a change that is not synced."""
        self.versions.append(new)

    def write(self, offset: int, data: bytes) -> None:
        """Write, beyond the end too."""
        old = self.versions[-1].ljust(offset, b"\0")
        self.change(old[:offset] + data + old[offset + len(data) :])

    def truncate(self, size: int) -> None:
        """Cut, or fill up with zeros."""
        self.change(self.versions[-1][:size].ljust(size, b"\0"))

    def sync(self) -> None:
        """Make the last version durable."""
        del self.versions[:-1]

    def torn(self, rng: np.random.Generator) -> bytes:
        """Return sectors and length of different moments."""
        versions = self.versions
        if len(versions) == 1:
            return versions[0]
        length = len(versions[rng.integers(len(versions))])
        # Late and early moments are as likely as all others together.
        odds = rng.dirichlet(np.full(len(versions), 0.3))
        chosen = rng.choice(len(versions), size=-(-length // SECTOR), p=odds)
        sectors = (
            versions[number][n * SECTOR : (n + 1) * SECTOR].ljust(SECTOR, b"\0")
            for n, number in enumerate(chosen)
        )
        return b"".join(sectors)[:length]


Names = dict[str, Content | None]


class Platter:
    """A folder on a disk, with what is durable and what is not.

    Parameters
    ----------
    files
        What is there, by name, and durable.
    """

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self._now = {name: Content([data], is_known=True) for name, data in (files or {}).items()}
        self._durable: Names = dict(self._now)
        self._changes: list[Names] = []

    def apply(self, call: Call) -> None:
        """Do what a call did."""
        getattr(self, f"_{call.kind}")(call)

    def after_cut(self, how: str, rng: np.random.Generator) -> dict[str, bytes]:
        """Return names and contents after a power cut.

        Parameters
        ----------
        how
            Whether nothing that is not durable arrived ("none"), "all" of it, or "some".
        rng
            Decides what did.
        """
        if how == "all":
            return {name: content.versions[-1] for name, content in self._now.items()}
        names = dict(self._durable)
        if how == "some":
            changes = self._changes
            if rng.random() < 0.5:  # journals of file systems keep the order
                n_kept = rng.integers(len(changes) + 1)
                kept = [n < n_kept for n in range(len(changes))]
            else:
                kept = list(rng.random(len(changes)) < 0.5)
            for change, is_kept in zip(changes, kept, strict=True):
                names |= change if is_kept else {}
            torn = {id(content): content.torn(rng) for content in names.values() if content}
            return {name: torn[id(content)] for name, content in names.items() if content}
        return {name: content.versions[0] for name, content in names.items() if content}

    def _rename_all(self, change: Names) -> None:
        self._changes.append(change)
        for name, content in change.items():
            if content is None:
                self._now.pop(name, None)
            else:
                self._now[name] = content

    def _create(self, call: Call) -> None:
        self._rename_all({call.path: Content()})

    def _open(self, call: Call) -> None:
        if call.is_new:
            self._create(call)

    def _link(self, call: Call) -> None:
        self._rename_all({call.target: self._now[call.path]})

    def _rename(self, call: Call) -> None:
        self._rename_all({call.target: self._now[call.path], call.path: None})

    def _unlink(self, call: Call) -> None:
        self._rename_all({call.path: None})

    def _delete(self, call: Call) -> None:
        self._unlink(call)
        if call.is_durable:
            self._fsync(call)

    def _write(self, call: Call) -> None:
        self._now[call.path].write(call.offset, call.data)

    def _truncate(self, call: Call) -> None:
        self._now[call.path].truncate(call.size)

    def _sync(self, call: Call) -> None:
        content = self._now[call.path]
        content.sync()
        if call.path.endswith("-journal") and not content.is_known:
            content.is_known = True
            self._fsync(call)

    def _fsync(self, _: Call) -> None:
        self._durable = dict(self._now)
        self._changes.clear()
