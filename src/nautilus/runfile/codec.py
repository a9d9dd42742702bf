"""Values as text and bytes, and back: one way for every type of the registry.

A value becomes a tree in JSON, which names the types of records and describes arrays, and the
bytes of all arrays in the order of the tree. What a field may be follows from its annotation, so
that reading knows what to expect at every place and refuses everything else before it takes memory
for it. Nothing in a file can name anything but the types of the registry.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nautilus.errors import CheckpointError
from nautilus.runfile.arrays import bad
from nautilus.runfile.kinds import Record, fields_of
from nautilus.runfile.registry import CHOICES, RECORDS
from nautilus.runfile.tree import HEADER_MAX, Reader, Writer, load_json


@dataclass(frozen=True)
class Encoded:
    """A value as it stands in a file.

    Parameters
    ----------
    header
        A tree in JSON, in ASCII.
    data
        The bytes of its arrays.
    """

    header: str
    data: bytes


def encode(value: object, parts: Sequence[object] = ()) -> Encoded:
    """Return a record of the registry as text and bytes.

    Parameters
    ----------
    value
        The record.
    parts
        Records that are stored elsewhere: wherever one of these very objects occurs inside
        `value`, its number stands for it.

    Raises
    ------
    CheckpointError
        If the value, or something in it, is not what its place asks for.
    """
    writer = Writer(parts)
    tree = Record(tuple(RECORDS.values())).write(value, writer, type(value).__name__)
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False)
    if len(text) > HEADER_MAX:
        raise CheckpointError(
            f"{type(value).__name__} has a description of {len(text)} characters and cannot be"
            f" saved; expected {HEADER_MAX} at most. Are there so many names of blobs?"
        )
    return Encoded(text, b"".join(writer.pieces))


def decode(types: tuple[type[Any], ...], encoded: Encoded, parts: Sequence[object] = ()) -> Any:
    """Return the record that was encoded; its arrays are read-only.

    Parameters
    ----------
    types
        What it may be.
    encoded
        Text and bytes.
    parts
        The records that were left out, in the same order.

    Raises
    ------
    CheckpointDamagedError
        If it is anything else.
    """
    reader = Reader(encoded.data, parts)
    kind = Record(types)
    value = kind.read(load_json(encoded.header), reader, str(kind))
    if reader.n_left:
        raise bad(str(kind), f"followed by {reader.n_left} bytes", "nothing more")
    return value


def schema_text() -> dict[str, dict[str, str]]:
    """Return in words what a file can hold: types by name, with the kinds of their fields."""
    records = {
        name: {field: str(kind) for field, kind in fields_of(record)}
        for name, record in RECORDS.items()
    }
    members = {
        name: {member.name: str(member.value) for member in choice}
        for name, choice in CHOICES.items()
    }
    return records | members
