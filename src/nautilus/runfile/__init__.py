"""Save and load a run: one SQLite file per run, from which nothing is ever executed."""

from nautilus.runfile.file import is_hdf5
from nautilus.runfile.header import RunHeader, differences, new_header, require_match
from nautilus.runfile.inspection import Inspection, inspect_run, read_run
from nautilus.runfile.names import is_there, needs_writer, set_aside, try_folder
from nautilus.runfile.reading import SavedRun
from nautilus.runfile.record import Account, Answer, Clocks
from nautilus.runfile.store import RunStore, require_free

__all__ = [
    "Account",
    "Answer",
    "Clocks",
    "Inspection",
    "RunHeader",
    "RunStore",
    "SavedRun",
    "differences",
    "inspect_run",
    "is_hdf5",
    "is_there",
    "needs_writer",
    "new_header",
    "read_run",
    "require_free",
    "require_match",
    "set_aside",
    "try_folder",
]
