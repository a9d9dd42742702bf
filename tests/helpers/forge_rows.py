"""Changes the rows of run files as somebody would who knows their form: digests are right."""

import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
from mutate_bytes import choose

from nautilus.runfile.codec import Encoded, decode, encode
from nautilus.runfile.registry import RECORDS
from nautilus.runfile.schema import TABLES, digest_of

NUMBERS = [
    0, 1, -1, 2, 7, 2**31, 2**40, 2**53 + 1, 2**63 - 1, -(2**63) + 1, 2**63, 10**400, 0.5, -0.0,
    1e308, -1e308, 5e-324, 1.0, True, False,
]  # fmt: skip
TEXTS = [
    "", "a", "\x00", "\ud800", "é" * 50, "x" * 100_000, "bits:7ff0000000000000", "part", "Stage",
    "bits:fff0000000000000", "bits:7ff8000000000001", "bits:zz", "|O", "<f4", ">f8", "<U9", "<i8",
    "<U999999999", "|S999999999", "|V8", "<M8[s]", "<f16", "<c32", "|b1", "C", "F", "sampling",
    "exploration", "__class__", "os.system", "../../etc/passwd",
]  # fmt: skip
TREES = [
    None, [], {}, [[]], [None], [0, 0], [2**40, 2**40], [-1], [1] * 32, [1] * 40, [2**40, 0],
    {"part": 0}, {"part": -1}, {"part": 10**9}, {"type": "Goal", "fields": {}}, {"fields": {}},
    {"type": "CubeProposal", "fields": {"n_dim": 2}}, [["a", "<f8", [2]]], [["", "|b1", []]],
    [["a", "<f8", [2**40]]], {"dtype": "<f8", "shape": [2**40], "order": "C"},
    {"dtype": "<f8", "shape": [0], "order": "F"}, {"dtype": "|O", "shape": [1], "order": "C"},
]  # fmt: skip
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 1e300, -1e300, np.inf, -np.inf, np.nan, 5e-324]
INTEGERS = [0, 1, 2, 3, -1, 7, 100, 2**31, 2**40, 2**63 - 1, -(2**63) + 1]


def edited(content, edit: Callable[[sqlite3.Connection], object]):
    """Return the bytes of a file after an edit by SQLite, which may refuse parts of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        path.write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")
            with suppress(sqlite3.Error):
                edit(connection)
        return path.read_bytes()


def rows_of(connection, table):
    """Return the rows of a table."""
    return connection.execute(
        f"SELECT number, part, header, data FROM {table} ORDER BY number, part"
    ).fetchall()


def put(connection, table, number, part, header, data):
    """Write a row with the digest that it should have."""
    digest = digest_of(table, number, part, header, data)
    connection.execute(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)",
        (number, part, header, data, digest),
    )


def any_row(connection, rng):
    """Return a table and one of its rows."""
    tables = [table for table in TABLES if rows_of(connection, table)]
    table = choose(rng, tables)
    return table, choose(rng, rows_of(connection, table))


def change_rows(content, rng):
    """Remove, repeat, renumber and move rows; digests are right."""

    def edit(connection):
        table, (number, part, header, data) = any_row(connection, rng)
        here = f"DELETE FROM {table} WHERE number = {number} AND part = {part}"
        other = int(choose(rng, [number + 1, number - 1, -1, 0, 2**31, 2**62, -(2**63), 99]))
        kind = int(rng.integers(8))
        if kind in {0, 2, 4}:
            connection.execute(here)
        if kind in {1, 2}:
            put(connection, table, other, part, header, data)
        if kind in {3, 4}:
            put(connection, table, number, other % 2**62, header, data)
        if kind == 5:
            put(connection, choose(rng, TABLES), number, part, header, data)
        if kind == 6:
            connection.execute(f"DELETE FROM {table}")
        if kind == 7:
            column = choose(rng, ["number", "part", "header", "data", "digest"])
            value = choose(rng, [0, 2.5, "text", b"\xff\x00", 2**40, "\x00", b""])
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE number = ? AND part = ?",
                (value, number, part),
            )

    return edited(content, edit)


def change_data(content, rng):
    """Shorten, lengthen and replace the bytes of arrays; digests are right."""

    def edit(connection):
        table, (number, part, header, data) = any_row(connection, rng)
        _, (_, _, _, foreign) = any_row(connection, rng)
        n = len(data) // 8
        special = choose(rng, [np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0, -1.0])
        some = np.frombuffer(data[: 8 * n], "<f8").copy()
        if n:
            some[rng.integers(n, size=max(n // 20, 1))] = special
        changed = choose(
            rng,
            [
                data[: int(rng.integers(len(data) + 1))], data + bytes(8), data + data, foreign,
                rng.bytes(len(data)), np.full(n, special).tobytes(), some.tobytes(), b"",
            ],
        )  # fmt: skip
        put(connection, table, number, part, header, changed)

    return edited(content, edit)


def nodes_of(tree, path=()):
    """Yield the paths to all nodes of a tree."""
    yield path
    if isinstance(tree, dict | list):
        for key, entry in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from nodes_of(entry, (*path, key))


def with_node(tree, path, change):
    """Return the tree with one node changed."""
    if not path:
        return change(tree)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = with_node(copy[path[0]], path[1:], change)
    return copy


def change_node(rng):
    """Return a function that makes something else of a node."""

    def change(node):
        kind = int(rng.integers(6))
        if kind == 0 and isinstance(node, list) and node:
            return choose(rng, [node[:-1], node + node[-1:], node[::-1], node * 2, node * 1000])
        if kind == 1 and isinstance(node, dict) and node:
            key = choose(rng, list(node))
            rest = {name: entry for name, entry in node.items() if name != key}
            return choose(
                rng, [rest, rest | {"more": 1}, rest | {key: node[key]}, {**rest, "type": "Goal"}]
            )
        if kind in {2, 3} and isinstance(node, int | float):
            return choose(rng, NUMBERS)
        if kind in {2, 3} and isinstance(node, str):
            return choose(rng, TEXTS)
        return choose(rng, NUMBERS + TEXTS + TREES)

    return change


def spoil(header, rng):
    """Return a text that is hardly JSON any more."""
    quoted = [i for i, c in enumerate(header) if c == '"']
    place = choose(rng, quoted)
    digits = [i for i, c in enumerate(header) if c.isdigit()] or [0]
    number = choose(rng, digits)
    return choose(
        rng,
        [
            header.replace('"fields":{', '"fields":{"n_dim":1,"n_dim":1,', 1),
            header.replace('"type":', '"type":"Goal","type":', 1),
            f"{header[:number]}NaN{header[number + 1 :]}",
            f"{header[:number]}-Infinity{header[number + 1 :]}",
            f"{header[:number]}{'9' * 5000}{header[number + 1 :]}",
            f"{header[:number]}1e999{header[number + 1 :]}",
            header[:place] + header[place + 1 :],
            "[" * 100_000,
            '{"a":' * 50_000,
            header.replace("{", "[" * 3000 + "{", 1) + "]" * 3000,
            header + header,
            header[: len(header) // 2],
            "",
            "null",
            f" {header} ",
            header.replace("a", "\\u0061"),
            header.replace("a", "\x00", 1),
        ],
    )


def change_headers(content, rng):
    """Change the tree of a header, or its text; digests are right."""

    def edit(connection):
        table, (number, part, header, data) = any_row(connection, rng)
        if rng.random() < 0.25:
            changed = spoil(header, rng)
        else:
            tree = json.loads(header)
            for _ in range(int(rng.integers(1, 3))):
                tree = with_node(tree, choose(rng, list(nodes_of(tree))), change_node(rng))
            changed = json.dumps(tree, separators=(",", ":"))
        put(connection, table, number, part, changed, data)

    return edited(content, edit)


def change_array(array, rng):
    """Return another array of the same type, or of any if its type is free."""
    if array.dtype.kind not in "fi":
        return choose(rng, [array[:-1], array[:0], np.zeros(array.shape), array.astype("S8")])
    special = choose(rng, FLOATS if array.dtype.kind == "f" else INTEGERS)
    spoiled = array.copy()
    with np.errstate(over="ignore"):
        spoiled.reshape(-1)[rng.integers(max(array.size, 1), size=1) if array.size else []] = (
            special
        )
        filled = np.full_like(array, special)
    axis = int(rng.integers(max(array.ndim, 1)))
    return np.asarray(
        choose(
            rng,
            [
                spoiled, spoiled, spoiled, filled, array[:0], array[:-1], array[None], array.T,
                array.reshape(-1), np.concatenate([array, array], axis) if array.ndim else array,
                np.asfortranarray(array), np.take(array, [], axis) if array.ndim else array,
                np.zeros((), array.dtype), array[::-1],
            ],
        )
    )  # fmt: skip


def change_tuple(value, rng):
    """Return a tuple with another entry, or another number of them."""
    if value and rng.random() < 0.6:
        place = int(rng.integers(len(value)))
        return (*value[:place], change_value(value[place], rng), *value[place + 1 :])
    return choose(rng, [(), value[:-1], value + value[-1:], value[::-1], value * 2])


def change_value(value, rng):
    """Return another value of the same kind, which may make no sense."""
    if is_dataclass(value):
        name = choose(rng, [entry.name for entry in fields(value)])
        return replace(value, **{name: change_value(getattr(value, name), rng)})
    ways = {
        bool: lambda: not value,
        int: lambda: choose(rng, INTEGERS),
        float: lambda: float(choose(rng, FLOATS)),
        str: lambda: choose(rng, TEXTS),
        tuple: lambda: change_tuple(value, rng),
        np.ndarray: lambda: change_array(value, rng),
    }
    return ways.get(type(value), lambda: value)()


def change_values(content, rng):
    """Change one field of a record, at any depth, to another value of its kind."""

    def edit(connection):
        emulators = [
            decode((RECORDS["Emulator"],), Encoded(header, data))
            for _, _, header, data in rows_of(connection, "emulators")
        ]
        table, (number, part, header, data) = any_row(connection, rng)
        value = decode(tuple(RECORDS.values()), Encoded(header, data), emulators)
        encoded = encode(change_value(value, rng), emulators)
        put(connection, table, number, part, encoded.header, encoded.data)

    return edited(content, edit)
