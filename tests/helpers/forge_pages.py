"""Changes the tables and pages of run files as somebody would who knows SQLite."""

import struct

from forge_rows import edited, put, rows_of
from mutate_bytes import PAGE, choose

from nautilus.runfile.schema import TABLES

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
GREEDY = "length(hex(zeroblob(500000000))) > 1"
STATEMENTS = [
    "CREATE TRIGGER t AFTER INSERT ON owner BEGIN DELETE FROM results; END",
    "CREATE TRIGGER t BEFORE DELETE ON owner BEGIN DELETE FROM results; END",
    "CREATE VIEW v AS SELECT * FROM results",
    f"CREATE VIEW v AS {ENDLESS}",
    "CREATE TABLE extra (a)",
    "CREATE TEMP TABLE run (a)",
    "CREATE INDEX i ON draws (length(data))",
    f"CREATE INDEX i ON owner ({GREEDY.replace(' > 1', '')})",
    "CREATE UNIQUE INDEX i ON draws (digest) WHERE part = 0",
    "CREATE VIRTUAL TABLE f USING fts5 (a)",
    "CREATE VIRTUAL TABLE f USING rtree (a, b, c)",
    "CREATE TABLE g (a, b AS (a + 1), c AS (hex(a)) STORED)",
    f"CREATE TABLE g (a, CHECK ({GREEDY}))",
    "CREATE TABLE g (a DEFAULT (load_extension('evil')))",
    "ALTER TABLE draws ADD COLUMN more AS (load_extension('evil'))",
    "ALTER TABLE draws RENAME TO drawn",
    "ALTER TABLE draws RENAME COLUMN data TO bytes",
    "ALTER TABLE results DROP COLUMN digest",
    "DROP TABLE answer",
    "DROP TABLE owner",
    "ANALYZE",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = -5",
    "PRAGMA application_id = 0",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode = PERSIST",
    "VACUUM",
    "PRAGMA page_size = 512; VACUUM",
    "PRAGMA page_size = 65536; VACUUM",
    "PRAGMA auto_vacuum = FULL; VACUUM",
    "INSERT INTO owner VALUES ('elsewhere', '', 5, '', '')",
    "INSERT INTO owner VALUES ('a', '', 5, '', ''), ('b', '', 6, '', '')",
    "INSERT INTO owner VALUES (x'00', '', -5, '', '')",
]
TEXTS_OF_TABLES = [
    f"CREATE VIEW owner (host, space, pid, started, token) AS {ENDLESS}, c, c, c, c",
    "CREATE VIEW owner (host, space, pid, started, token) AS SELECT 1, 2, 3, 4, 5",
    "CREATE TABLE owner (host, space, pid, started, token, CHECK (" + GREEDY + "))",
    "CREATE TABLE owner (host, space AS (hex(zeroblob(500000000))), pid, started, token)",
    "CREATE TABLE owner (host COLLATE evil, space, pid, started, token)",
    "CREATE VIRTUAL TABLE owner USING fts5 (host, space, pid, started, token)",
    "CREATE TABLE owner (host, space, pid, started, token, PRIMARY KEY (host)) WITHOUT ROWID",
    "CREATE TABLE owner AS SELECT 1",
    "CREATE TABLE evil.owner (host)",
    "ATTACH 'evil.db' AS evil",
    "DROP TABLE run",
    "",
    "nonsense",
    "(" * 5000,
]


def change_tables(content, rng):
    """Change the tables, and what describes them, in ways that SQLite allows or only reads."""

    def edit(connection):
        kind = rng.random()
        if kind < 0.5:
            connection.executescript(choose(rng, STATEMENTS))
            return
        connection.execute("PRAGMA writable_schema = ON")
        table = choose(rng, [*TABLES, "owner"])
        if kind < 0.75:
            text = choose(rng, TEXTS_OF_TABLES).replace("owner", table)
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (text, table))
            if text.startswith("CREATE VIEW"):
                connection.execute(
                    "UPDATE sqlite_master SET type = 'view', rootpage = 0 WHERE name = ?", (table,)
                )
            return
        column = choose(rng, ["type", "name", "tbl_name", "rootpage", "rootpage", "sql"])
        value = choose(
            rng,
            [
                None,
                "run",
                "index",
                "view",
                "trigger",
                "sqlite_master",
                "",
                0,
                1,
                2,
                3,
                -1,
                2**31,
                9,
            ],
        )
        connection.execute(f"UPDATE sqlite_master SET {column} = ? WHERE name = ?", (value, table))

    return edited(content, edit)


def varint(content, place):
    """Return a number as SQLite stores it, and the place after it; not of the longest kind."""
    value = 0
    while True:
        value, place = value << 7 | content[place] & 0x7F, place + 1
        if content[place - 1] < 0x80:
            return value, place


def local_bytes(size):
    """Return how many bytes of a large row stand in the leaf itself."""
    least = (PAGE - 12) * 32 // 255 - 23
    kept = least + (size - least) % (PAGE - 4)
    return kept if kept <= PAGE - 35 else least


def cells_of(content, number):
    """Return where the cells of a leaf of a table begin; pages count from one."""
    start = PAGE * (number - 1)
    header = start + (100 if number == 1 else 0)
    if content[header] != 0x0D:
        return []
    (n_cells,) = struct.unpack_from(">H", content, header + 3)
    return [start + place for place in struct.unpack_from(f">{n_cells}H", content, header + 8)]


def tree_page(kind, cells, last=b""):
    """Return a page of a tree, a leaf of a table (13) or one that leads to others (5)."""
    page, end, places = bytearray(PAGE), PAGE, []
    for cell in cells:
        end -= len(cell)
        page[end : end + len(cell)] = cell
        places.append(end)
    header = struct.pack(">BHHHB", kind, 0, len(cells), end, 0) + last
    page[: len(header)] = header
    struct.pack_into(f">{len(places)}H", page, len(header), *places)
    return bytes(page)


def leading_to(pages):
    """Return a page that leads to others, in order; the same one may come again and again."""
    *first, last = pages
    cells = [struct.pack(">IB", page, number % 100) for number, page in enumerate(first)]
    return tree_page(0x05, cells, struct.pack(">I", last))


def endless_tree(first, leaf, depth=8):
    """Return pages that lead to a leaf more often than anybody can follow.

    Parameters
    ----------
    first
        Number of the page from which on they stand.
    leaf
        The last of them.
    depth
        How many there are before it.
    """
    return [leading_to([first + k + 1] * 300) for k in range(depth)] + [leaf]


def with_pages(content, pages):
    """Return the file with some more pages, which its header counts."""
    out = bytearray(content + b"".join(pages))
    struct.pack_into(">I", out, 28, len(out) // PAGE)
    return out


def endless_tables(content):
    """Let the description of tables go on for ever, with indices that are all right."""
    n, places = len(content) // PAGE, cells_of(content, 1)
    ends = {begin: min([p for p in places if p > begin], default=PAGE) for begin in places}
    cells = [content[begin : ends[begin]] for begin in places]
    again = [cell for cell in cells if b"sqlite_autoindex_run_1" in cell]
    endless = endless_tree(n + 2, tree_page(0x0D, again))
    out = with_pages(content, [tree_page(0x0D, cells), *endless])
    out[100:PAGE] = leading_to([n + 1, n + 2])[: PAGE - 100]
    # What the page says of its cells counts from its very beginning.
    cell = struct.pack(">IB", n + 1, 0)
    out[PAGE - 5 : PAGE] = cell
    return bytes(out)


def endless_owners(content):
    """Let the table of owners go on for ever."""
    with_owner = edited(
        content, lambda c: c.execute("INSERT INTO owner VALUES ('a', '', 5, '', '')")
    )
    root = []
    edited(
        with_owner,
        lambda c: root.extend(
            c.execute("SELECT rootpage FROM sqlite_master WHERE name = 'owner'").fetchone()
        ),
    )
    n = len(with_owner) // PAGE
    start = PAGE * (root[0] - 1)
    leaf = with_owner[start : start + PAGE]
    out = with_pages(with_owner, endless_tree(n + 1, leaf))
    out[start : start + PAGE] = leading_to([n + 1, n + 1])
    return bytes(out)


def share_pages(content, rng):
    """Let rows go on in the pages of a large one; together they are larger than the file."""
    table, n_rows, n_pages = choose(rng, ["draws", "results"]), 20, int(rng.integers(50, 100))
    marks = [rng.bytes(16) for _ in range(n_rows)]
    size = 4 * PAGE + int(rng.integers(PAGE))

    def edit(connection):
        (number, _, header, _), *_ = rows_of(connection, table)
        for k, mark in enumerate(marks):
            n = size + (PAGE - 4) * n_pages * (k == 0)
            put(connection, table, number, 10 + k, header, mark + bytes(n - 16))

    out = bytearray(edited(content, edit))
    places = [p for page in range(1, len(out) // PAGE + 1) for p in cells_of(out, page)]
    ends = [out.index(mark) for mark in marks]
    begins = [max(p for p in places if p < end) for end in ends]
    n_bytes, _ = varint(out, begins[0])
    _, begin = varint(out, begins[0] + 3)  # behind the size comes the number of the row
    sizes, heading = out[begins[0] : begins[0] + 3], out[begin : begin + out[begin]]
    pointer = out[begin + local_bytes(n_bytes) :][:4]
    for place in begins[1:]:
        _, begin = varint(out, place + 3)
        out[place : place + 3] = sizes
        out[begin : begin + len(heading)] = heading
        out[begin + local_bytes(n_bytes) : begin + local_bytes(n_bytes) + 4] = pointer
    return bytes(out)
