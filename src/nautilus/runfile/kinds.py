"""What a field of a record may be, read from its annotation, and how it is written and read."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

import numpy as np

from nautilus.errors import CheckpointError
from nautilus.runfile import arrays
from nautilus.runfile.arrays import Node, bad
from nautilus.runfile.registry import CHOICES, RECORDS
from nautilus.runfile.tree import Reader, Writer

WHOLE_MAX = 2**63 - 1
BITS = "bits:"
"""Begins the text of a floating-point number that JSON does not know."""


class Kind(Protocol):
    """What a field may be; its text names it in the schema."""

    def write(self, value: Any, writer: Writer, place: str) -> Node:
        """Return a value as JSON knows it, and leave the bytes of arrays."""
        ...

    def read(self, node: Node, reader: Reader, place: str) -> Any:
        """Return the value, or raise if there is none of this kind."""
        ...


@dataclass(frozen=True)
class Plain:
    """A truth value, a whole number of 64 bits, or a text."""

    type: type[Any]

    def __str__(self) -> str:
        return self.type.__name__

    def write(self, value: Any, _: Writer, place: str) -> Node:
        """Return the value itself."""
        plain = value
        if self.type is int and isinstance(value, np.integer):
            plain = int(value)
        elif self.type is str and isinstance(value, str):
            plain = str.__str__(value)  # of NumPy's text, of members of enumerations
        if not self._fits(plain):
            raise cannot_save(place, value, self)
        return plain

    def read(self, node: Node, _: Reader, place: str) -> Any:
        """Return the value itself."""
        if not self._fits(node):
            raise bad(place, node, str(self))
        return node

    def _fits(self, value: object) -> bool:
        return type(value) is self.type and (type(value) is not int or abs(value) <= WHOLE_MAX)


@dataclass(frozen=True)
class Floating:
    """A number in double precision, of which every bit is kept; read as Python's own."""

    def __str__(self) -> str:
        return "float"

    def write(self, value: Any, _: Writer, place: str) -> Node:
        """Return a number, or the bits of one that is not finite."""
        if not isinstance(value, (float, int)) or isinstance(value, bool):
            raise cannot_save(place, value, self)
        number = float(value)
        return number if math.isfinite(number) else BITS + struct.pack(">d", number).hex()

    def read(self, node: Node, _: Reader, place: str) -> float:
        """Return the number."""
        if type(node) is float and math.isfinite(node):
            return node
        if isinstance(node, str) and node.startswith(BITS) and len(node) == len(BITS) + 16:
            try:
                number: float = struct.unpack(">d", bytes.fromhex(node[len(BITS) :]))[0]
            except (ValueError, struct.error) as error:
                raise bad(place, node, "the bits of a number") from error
            return number
        raise bad(place, node, str(self))


PLAIN: Mapping[Any, Kind] = MappingProxyType(
    {
        float: Floating(),
        int: Plain(int),
        bool: Plain(bool),
        str: Plain(str),
    }
)


@dataclass(frozen=True)
class Array:
    """An array of one type, or of any type that a file may hold."""

    dtype: np.dtype[Any] | None

    def __str__(self) -> str:
        return "array" if self.dtype is None else f"array of {self.dtype}"

    def write(self, value: Any, writer: Writer, place: str) -> Node:
        """Return type, shape and order."""
        if type(value) is not np.ndarray or not self._fits(value.dtype):
            raise cannot_save(place, value, self)
        node = arrays.describe(value)
        writer.pieces.append(arrays.to_bytes(value))
        return node

    def read(self, node: Node, reader: Reader, place: str) -> np.ndarray[Any, Any]:
        """Return the array, read-only."""
        data = reader.take(arrays.n_bytes(node, place), place)
        if not self._fits(arrays.parse_dtype(node["dtype"], place)):
            raise bad(place, node["dtype"], str(self))
        return arrays.restore(node, data, place)

    def _fits(self, dtype: np.dtype[Any]) -> bool:
        return self.dtype is None or dtype == self.dtype


@dataclass(frozen=True)
class Many:
    """A tuple of any length with entries of one kind."""

    entry: Kind

    def __str__(self) -> str:
        return f"{self.entry}, ..."

    def write(self, value: Any, writer: Writer, place: str) -> Node:
        """Return a list."""
        if type(value) is not tuple:
            raise cannot_save(place, value, self)
        return [self.entry.write(v, writer, f"{place}[{i}]") for i, v in enumerate(value)]

    def read(self, node: Node, reader: Reader, place: str) -> tuple[Any, ...]:
        """Return the tuple."""
        if not isinstance(node, list):
            raise bad(place, node, "a list")
        return tuple(self.entry.read(n, reader, f"{place}[{i}]") for i, n in enumerate(node))


@dataclass(frozen=True)
class Maybe:
    """Something, or None."""

    entry: Kind

    def __str__(self) -> str:
        return f"{self.entry} or None"

    def write(self, value: Any, writer: Writer, place: str) -> Node:
        """Return null for None."""
        return None if value is None else self.entry.write(value, writer, place)

    def read(self, node: Node, reader: Reader, place: str) -> Any:
        """Return None for null."""
        return None if node is None else self.entry.read(node, reader, place)


@dataclass(frozen=True)
class Choice:
    """A member of an enumeration."""

    type: type[Enum]

    def __str__(self) -> str:
        return self.type.__name__

    def write(self, value: Any, _: Writer, place: str) -> Node:
        """Return the member's value."""
        if type(value) is not self.type:
            raise cannot_save(place, value, self)
        return str(value.value)

    def read(self, node: Node, _: Reader, place: str) -> Enum:
        """Return the member."""
        members = {str(member.value): member for member in self.type}
        if not isinstance(node, str) or node not in members:
            raise bad(place, node, f"one of {', '.join(members)}")
        return members[node]


@dataclass(frozen=True)
class Word:
    """One of some texts."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(map(repr, self.words))

    def write(self, value: Any, _: Writer, place: str) -> Node:
        """Return the text."""
        if value not in self.words:
            raise cannot_save(place, value, self)
        return value

    def read(self, node: Node, _: Reader, place: str) -> str:
        """Return the text."""
        if not isinstance(node, str) or node not in self.words:
            raise bad(place, node, str(self))
        return node


@dataclass(frozen=True)
class DataType:
    """The type of the entries of an array that a file may hold."""

    def __str__(self) -> str:
        return "dtype"

    def write(self, value: Any, _: Writer, place: str) -> Node:
        """Return the type as arrays describe theirs."""
        if not isinstance(value, np.dtype):
            raise cannot_save(place, value, self)
        return arrays.describe_dtype(value)

    def read(self, node: Node, _: Reader, place: str) -> np.dtype[Any]:
        """Return the type."""
        return arrays.parse_dtype(node, place)


@dataclass(frozen=True)
class Record:
    """A frozen dataclass of one of some types of the registry."""

    types: tuple[type[Any], ...]

    def __str__(self) -> str:
        return " or ".join(kind.__name__ for kind in self.types)

    def write(self, value: Any, writer: Writer, place: str) -> Node:
        """Return the name of the type and all fields, or the number of a part."""
        if type(value) not in self.types:
            raise cannot_save(place, value, self)
        number = writer.part_number(value)
        if number is not None:
            return {"part": number}
        written = {
            name: kind.write(getattr(value, name), writer, f"{place}.{name}")
            for name, kind in fields_of(type(value))
        }
        return {"type": type(value).__name__, "fields": written}

    def read(self, node: Node, reader: Reader, place: str) -> Any:
        """Return the record."""
        if isinstance(node, dict) and node.keys() == {"part"}:
            part = reader.part(node["part"], place)
            if type(part) not in self.types:
                raise bad(place, type(part).__name__, str(self))
            return part
        if not isinstance(node, dict) or node.keys() != {"type", "fields"}:
            raise bad(place, node, "the type and the fields of a record")
        names = [kind.__name__ for kind in self.types]
        if node["type"] not in names:
            raise bad(place, node["type"], str(self))
        record, given = RECORDS[node["type"]], node["fields"]
        known = dict(fields_of(record))
        if not isinstance(given, dict) or list(given) != list(known):
            raise bad(place, given, f"the fields {', '.join(known)}")
        read = {n: kind.read(given[n], reader, f"{place}.{n}") for n, kind in known.items()}
        return record(**read)


def fields_of(record: type[Any]) -> tuple[tuple[str, Kind], ...]:
    """Return names and kinds of the fields of a registered dataclass."""
    return _fields_named(record.__name__)


@cache
def _fields_named(name: str) -> tuple[tuple[str, Kind], ...]:
    # To look hints up takes longer than to write a small record.
    hints = get_type_hints(RECORDS[name])
    return tuple((field, kind_of(annotation)) for field, annotation in hints.items())


def kind_of(annotation: Any) -> Kind:
    """Return the kind that an annotation stands for.

    Raises
    ------
    TypeError
        If a file cannot hold what it stands for.
    """
    if annotation in PLAIN:
        return PLAIN[annotation]
    if annotation in CHOICES.values():
        return Choice(annotation)
    if annotation in RECORDS.values():
        return Record((annotation,))
    made = _made_of(get_origin(annotation), get_args(annotation))
    if made is None:
        raise TypeError(f"{annotation} has no place in a run file; see nautilus.runfile.registry")
    return made


def _made_of(origin: Any, inner: tuple[Any, ...]) -> Kind | None:
    """Return the kind of an annotation that consists of others, or None."""
    if origin is np.ndarray:
        scalar = get_args(inner[1])[0]
        return Array(None if scalar is Any else np.dtype(scalar))
    if origin is np.dtype:
        return DataType()
    if origin is Literal:
        return Word(inner)
    if origin is tuple and inner[1:] == (Ellipsis,):
        return Many(kind_of(inner[0]))
    if origin is UnionType and len(inner) == 2 and inner[1] is NoneType:
        return Maybe(kind_of(inner[0]))
    return None


def cannot_save(place: str, value: object, kind: Kind) -> CheckpointError:
    """Return the error of a value that is not of the kind of its field."""
    given = f"of type {type(value).__name__}"
    if isinstance(value, np.ndarray):
        given = f"an array of {value.dtype}"
    return CheckpointError(f"{place} is {given} and cannot be saved; expected {kind}.")
