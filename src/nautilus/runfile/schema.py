"""The tables of a run file, and how older ones are brought forward.

A run file is an SQLite database with the application id "NAUT" and the version of its schema as
user version. Every table but `owner` has the same columns: a number, a part for what is too large
for one row, the header and the data that `nautilus.runfile.codec` makes of a value, and a digest
of all of these, because SQLite itself would not notice a changed bit in them.

| table | one row for | value |
|---|---|---|
| `run` | the run | `RunHeader`, written once |
| `progress` | the run | `Progress`: phase, counters, findings, clocks, and how many rows count |
| `emulators` | each emulator | `Emulator`; proposals name it by its number |
| `proposals` | each proposal | `CubeProposal` or `LearnedProposal` |
| `stages` | each stage, the pending one included | `Stage` |
| `draws` | some points of a stage, in order | `Draws` |
| `results` | some evaluated points of a stage | `Results`, saved as they came |
| `parameters` | some points of a complete stage, in order | `Parameters` |
| `answer` | the run, if it has an answer | `Answer`: weights and evidence, as of then |
| `owner` | the process that writes, if there is one | see `nautilus.runfile.lock` |

The ledger is the draws and results of all complete stages. Densities of proposals are not stored:
they follow from the rest. Parameters and answer follow from the rest and the prior; they are there
to be read without it.
"""

import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from typing import Literal, get_args

from nautilus.errors import CheckpointDamagedError, CheckpointVersionError

APPLICATION_ID = int.from_bytes(b"NAUT", "big")

Table = Literal[
    "run", "progress", "emulators", "proposals", "stages", "draws", "results", "parameters",
    "answer",
]  # fmt: skip
TABLES: tuple[Table, ...] = get_args(Table)

STATEMENTS = (
    *(
        f"CREATE TABLE {table} (number INTEGER NOT NULL, part INTEGER NOT NULL,"
        " header TEXT NOT NULL, data BLOB NOT NULL, digest BLOB NOT NULL,"
        " PRIMARY KEY (number, part))"
        for table in TABLES
    ),
    (
        "CREATE TABLE owner (host TEXT NOT NULL, space TEXT NOT NULL, pid INTEGER NOT NULL,"
        " started TEXT NOT NULL, token TEXT NOT NULL)"
    ),
)

Migration = Callable[[sqlite3.Connection], None]
MIGRATIONS: tuple[Migration, ...] = ()
"""What brings a file of version 1, 2, ... to the next one, within one transaction. The tables
must then be described by the very text of `STATEMENTS`: make new ones and copy, do not alter."""


def newest() -> int:
    """Return the version that this package writes."""
    return len(MIGRATIONS) + 1


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database a run file of the newest version."""
    for statement in STATEMENTS:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {newest()}")


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a run file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def pages_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the number of pages of a database, and the bytes of one."""
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int(n_pages), int(page_bytes)


def require_known(version: int) -> None:
    """Refuse a file that a newer package wrote.

    Raises
    ------
    CheckpointVersionError
        Saying which version is known.
    CheckpointDamagedError
        If there never was such a version.
    """
    if version > newest():
        raise CheckpointVersionError(
            f"it has version {version}, written by a newer package; this one reads versions up to"
            f" {newest()}. Install the newer package."
        )
    if version < 1:
        raise CheckpointDamagedError(f"its version is {version}; expected 1 to {newest()}.")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of an older version forward; belongs into a transaction."""
    version = version_of(connection)
    require_known(version)
    for migration in MIGRATIONS[version - 1 :]:
        migration(connection)
    if version < newest():
        connection.execute(f"PRAGMA user_version = {newest()}")


def check_tables(connection: sqlite3.Connection) -> None:
    """Refuse a file whose tables are not exactly those of the newest version.

    Raises
    ------
    CheckpointDamagedError
        If one is missing, or there is anything more, such as a trigger, which could do something.
    """
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    if sorted(str(sql) for (sql,) in rows) != sorted(STATEMENTS):
        raise CheckpointDamagedError("its tables are not those of a run file.")


def digest_of(table: Table, number: int, part: int, header: str, data: bytes) -> bytes:
    """Return what tells whether a row is as it was written, 16 bytes."""
    mark = blake2b(f"{table} {number} {part} {len(header)} ".encode(), digest_size=16)
    mark.update(header.encode())
    mark.update(data)
    return mark.digest()
