"""Named arrays and plain values in one file, from which nothing is ever executed.

The file is what ``numpy.savez`` writes: a ZIP archive of arrays. What is no array stands in one of
them as JSON. Every float comes back with all its bits: JSON has the shortest decimal number that
gives it.
"""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointForeignError,
    CheckpointStorageError,
    CheckpointVersionError,
    SettingsError,
)

ZIP_MAGIC, SQLITE_MAGIC = b"PK\x03\x04", b"SQLite format 3\0"
"""First bytes of archives, and of databases such as run files."""

TEXT = "json"
"""Name of the array that holds what is no array."""

VERSION = 1


def write_archive(
    path: str | os.PathLike[str], kind: str, values: Mapping[str, Any], *, overwrite: bool
) -> None:
    """Write values to a file, which appears complete or not at all.

    Parameters
    ----------
    path
        Where; folders that are missing are made.
    kind
        What the file holds, in a word.
    values
        Arrays of numbers and text, and values that JSON knows, by name.
    overwrite
        Whether a file of that name is lost.

    Raises
    ------
    SettingsError
        If an array holds objects, or the path names no file.
    CheckpointStorageError
        If something is there already, or the file cannot be made.
    """
    where = Path(path)
    if not where.name:
        raise SettingsError(f"path is {os.fspath(path)!r}; give the name of a file.")
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise SettingsError(
                f"{name} are of type {array.dtype} and hold objects, which no file keeps; numbers,"
                " truth values and text can be kept."
            )
    plain = {name: value for name, value in values.items() if name not in arrays}
    text = json.dumps({"kind": kind, "version": VERSION, "values": plain}, default=_plain)
    arrays[TEXT] = np.frombuffer(text.encode(), dtype=np.uint8)
    beside = where.with_name(f".{where.name}.{token_hex(8)}.new")
    try:
        if where.exists() and not overwrite:
            raise CheckpointStorageError(
                f"{where} exists and is not written over; give another name or overwrite=True."
            )
        where.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        beside.replace(where)
    except OSError as error:
        raise CheckpointStorageError(
            f"{where} cannot be made ({error.strerror}); check that its folder may be written to."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def read_archive(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Return the values of a file that `write_archive` wrote; lists are tuples.

    Raises
    ------
    CheckpointStorageError
        If there is no such file, or it cannot be read.
    CheckpointForeignError
        If it is a file of another kind.
    CheckpointDamagedError
        If it is not as it was written.
    CheckpointVersionError
        If it was written by a newer version of this package.
    """
    where = Path(path)
    try:
        content = where.read_bytes()
    except OSError as error:
        raise CheckpointStorageError(
            f"{where} cannot be opened ({error.strerror}); check the name and its permissions."
        ) from error
    if content[: len(SQLITE_MAGIC)] == SQLITE_MAGIC:
        raise CheckpointForeignError(
            f"{where} is no file of a {kind} but a database. If it holds a run, nautilus.load reads"
            " its result."
        )
    if content[: len(ZIP_MAGIC)] != ZIP_MAGIC[: len(content)]:
        raise _foreign(where, kind)
    arrays = _arrays(where, content)
    if TEXT not in arrays:
        raise _foreign(where, kind)
    try:
        told = json.loads(arrays.pop(TEXT).tobytes())
        found, version, plain = told["kind"], int(told["version"]), dict(told["values"])
    except (ValueError, KeyError, TypeError) as error:
        raise _foreign(where, kind) from error
    if found != kind:
        raise _foreign(where, kind)
    if version > VERSION:
        raise CheckpointVersionError(
            f"{where} was written by a newer version of this package; update the package."
        )
    return {**_tupled(plain), **arrays}


def _arrays(where: Path, content: bytes) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wrong = archive.testzip()  # a shape that is wrong would ask for any amount of memory
        if wrong is None:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
    except Exception as error:
        raise CheckpointDamagedError(
            f"{where} cannot be read ({error}). Restore it from a copy."
        ) from error
    raise CheckpointDamagedError(f"{where}: {wrong} in it is damaged. Restore it from a copy.")


def _foreign(where: Path, kind: str) -> CheckpointForeignError:
    return CheckpointForeignError(f"{where} is no file of a {kind}. Give another file name.")


def _plain(value: Any) -> Any:
    """Return a number or an array of NumPy as numbers of Python."""
    return value.tolist()


def _tupled(value: Any) -> Any:
    """Return a value of JSON with tuples for lists."""
    if isinstance(value, dict):
        return {name: _tupled(entry) for name, entry in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
