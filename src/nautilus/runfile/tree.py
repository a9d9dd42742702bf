"""The tree of a header, and the bytes beside it."""

import json
from collections.abc import Sequence

from nautilus.errors import CheckpointDamagedError
from nautilus.runfile.arrays import Node, bad

HEADER_MAX = 2**22
"""Characters of a header. Those of real runs have some thousands; as objects of Python they take
up to fifty times as many bytes."""


class Writer:
    """Collects the bytes of arrays in the order in which their descriptions are written.

    Parameters
    ----------
    parts
        Records that are stored elsewhere; a number stands for them.
    """

    def __init__(self, parts: Sequence[object]) -> None:
        self.pieces: list[bytes] = []
        self._parts = parts

    def part_number(self, value: object) -> int | None:
        """Return the number of a record that is stored elsewhere, or None."""
        return next((k for k, part in enumerate(self._parts) if part is value), None)


class Reader:
    """Gives the bytes of arrays in the order in which they were written.

    Parameters
    ----------
    data
        All of them.
    parts
        Records that are stored elsewhere.
    """

    def __init__(self, data: bytes, parts: Sequence[object]) -> None:
        self._data = memoryview(data)
        self._start = 0
        self._parts = parts

    def take(self, n_bytes: int, place: str) -> memoryview:
        """Return the next bytes."""
        if n_bytes > self.n_left:
            raise bad(place, f"an array of {n_bytes} bytes", f"at most {self.n_left}")
        self._start += n_bytes
        return self._data[self._start - n_bytes : self._start]

    @property
    def n_left(self) -> int:
        """Number of bytes that were not asked for."""
        return len(self._data) - self._start

    def part(self, number: object, place: str) -> object:
        """Return a record that is stored elsewhere."""
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if not is_number or not 0 <= number < len(self._parts):  # type: ignore[operator]
            raise bad(place, number, f"the number of one of {len(self._parts)} parts")
        return self._parts[number]  # type: ignore[call-overload]


def load_json(text: str) -> Node:
    """Return the tree of a header that names nothing twice."""
    if len(text) > HEADER_MAX:
        raise CheckpointDamagedError(f"a header has {len(text)} characters.")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CheckpointDamagedError(f"a header is no JSON ({error}).") from error


def _unique(pairs: list[tuple[str, Node]]) -> dict[str, Node]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def _refuse(constant: str) -> Node:
    raise ValueError(f"{constant} is not allowed")
