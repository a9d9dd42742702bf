"""Turn rows of ``parallel.jsonl`` into tables."""

from collections.abc import Callable, Iterable
from typing import Any

from cluster import MEDIAN_SECONDS, SIGMA, WANTED, workers_at
from render import number, ratio, table

Row = dict[str, Any]

SHOWN = {
    "serial": "`pool=None`",
    "processes": "`pool={workers}`",
    "mpi4py": "`MPIPoolExecutor`, `mpiexec -n {ranks} python -m mpi4py.futures`",
    "mpi": '`pool="mpi"`, `mpiexec -n {ranks} python`',
    "dask": "Dask, `LocalCluster` of processes",
    "counted": "`ProcessPoolExecutor`, counted",
}

HEAD = """The problem of `examples/parallel.py`, a Gaussian in three dimensions whose likelihood
sleeps, run by `benchmarks/parallel.py` with seed 1. Seconds are wall time from making the sampler
to the end of the run: processes of our own start within them, pools that are given before. Workers
that sleep need no core, but the processes all share those of one machine.
"""
BACKENDS_NOTE = """
log Z is written as `float.hex`: it has to be equal to the last bit. The documentation of the public
package has for this problem, on another machine, 330 s in one process, 100 s on four (3.3 times as
fast), and 110 s with MPI (3.0 times), for 27,200 calls.
"""
PUBLIC_NOTE = """*Public* is that package measured on this machine and on the same day, with its own
defaults and {calls:,} calls.
"""
EFFICIENCY_NOTE = """
Efficiency is the time slept over workers times seconds of the whole run, with the start of the
processes and all of the sampler's own work. *Not waiting for calls* are the seconds that this work
took while no call was waited for. Runs with {ms:g} ms per call end after {calls:,} calls.
"""
BYTES_NOTE = """
Bytes are those of the pickled work and answers, per call of the likelihood; *own work* is the
training of networks and drawing of points that processes do between calls, in all. *Unpickled* is
how often the likelihood was, in all processes and in the one that did it most often. Counting
pickles everything once more, so that seconds count where it is not done.
"""
CLUSTER_NOTE = """
Efficiency on a virtual clock by workers and `n_update`: calls take log-normal times (median
{median:g} s, sigma {sigma:g}), each stage of a real run begins when the one before is complete, and
the sampler's own time is left out.
"""


def latest(rows: Iterable[Row], part: str) -> list[Row]:
    """Return the rows of a part with the code, machine and goal that were measured last.

    Those of backends come with those of the public package.
    """
    rows = list(rows)
    chosen = [row for row in rows if row["part"] == part]
    setting = ("code", "label", "n_eff_wanted")
    found = [row for row in chosen if all(row[key] == chosen[-1][key] for key in setting)]
    return found + (latest(rows, "public") if part == "backends" else [])


def name_of(row: Row) -> str:
    """Return how the table calls a backend."""
    return SHOWN[row["backend"]].format(workers=row["workers"], ranks=row["workers"] + 1)


def backends(rows: list[Row]) -> str:
    """Return the table of backends."""
    ours = [row for row in rows if row["part"] == "backends"]
    theirs = {row["backend"]: row for row in rows if row["part"] == "public"}
    seconds = {name: row["seconds"] for name, row in theirs.items()}
    serial = next((row["seconds"] for row in ours if row["backend"] == "serial"), None)
    head = ["pool", "workers", "seconds", "speed-up", "calls", "log Z"]
    head += ["public: s", "speed-up"] if theirs else []
    body = [
        [
            name_of(row),
            str(row["workers"]),
            number(row["seconds"], ".1f"),
            ratio(serial, row["seconds"]),
            number(row["n_like"]),
            f"`{row['log_z_hex']}`",
        ]
        for row in ours
    ]
    if not theirs:
        return table(head, body) + BACKENDS_NOTE
    for row, cells in zip(ours, body, strict=True):
        cells.append(number(seconds.get(row["backend"]), ".1f"))
        cells.append(ratio(seconds.get("serial"), seconds.get(row["backend"])))
    calls = max(row["n_like"] for row in theirs.values())
    return table(head, body) + BACKENDS_NOTE + PUBLIC_NOTE.format(calls=calls)


def efficiency(rows: list[Row]) -> str:
    """Return the table of sleeping workers."""
    head = ("ms per call", "workers", "calls", "seconds", "not waiting for calls", "efficiency")
    body = []
    for row in rows:
        asleep = row["n_like"] * row["sleep"]
        cells = [f"{1000 * row['sleep']:g}", str(row["workers"]), number(row["n_like"])]
        cells += [number(row[key], ".1f") for key in ("seconds", "own_seconds")]
        cells.append(number(asleep / row["workers"] / row["seconds"], ".1%"))
        body.append(cells)
    longest = max(rows, key=lambda row: row["sleep"])
    return table(head, body) + EFFICIENCY_NOTE.format(
        ms=1000 * longest["sleep"], calls=longest["n_like"]
    )


def sent(rows: list[Row]) -> str:
    """Return the table of bytes."""
    head = (
        "pool", "MB held", "seconds", "calls", "unpickled (most)", "bytes per call: there", "back",
        "kB of own work: there", "back",
    )  # fmt: skip
    body = []
    for row in rows:
        sizes = {key: row.get(f"bytes_{key}") for key in KINDS}
        scales = {key: row["n_like"] if key.startswith("calls") else 1e3 for key in KINDS}
        cells = [name_of(row), number(row["megabytes"]), number(row["seconds"], ".1f")]
        cells += [number(row["n_like"]), f"{row['n_unpickled']} ({row['n_unpickled_most']})"]
        cells += [ratio_of(sizes[key], scales[key]) for key in KINDS]
        body.append(cells)
    return table(head, body) + BYTES_NOTE


KINDS = ("calls_out", "calls_back", "own_out", "own_back")


def ratio_of(size: float | None, scale: float) -> str:
    """Return a size in other units as text, a dash where it was not measured."""
    return "-" if size is None else number(size / scale, ",.1f")


def cluster(rows: list[Row]) -> str:
    """Return the table of virtual clusters."""
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row["n_update"], {})[row["workers"]] = row["efficiency"]
    sizes = sorted({row["workers"] for row in rows})
    head = ["workers", *(f"`n_update={n:,}`".replace(",", "_") for n in found)]
    body = [[f"{n:,}", *(number(column.get(n), ".1%") for column in found.values())] for n in sizes]
    calls = {row["n_update"]: row["n_like"] for row in rows}
    body.append(["calls", *(number(calls[n]) for n in found)])
    limits = [number(workers_at(WANTED, column), ",.0f") for column in found.values()]
    body.append([f"below {WANTED:.0%} from", *limits])
    return table(head, body) + CLUSTER_NOTE.format(median=MEDIAN_SECONDS, sigma=SIGMA)


PARTS: dict[str, tuple[str, Callable[[list[Row]], str]]] = {
    "backends": ("Ten milliseconds per call", backends),
    "efficiency": ("Sleeping workers", efficiency),
    "bytes": ("What is sent", sent),
    "cluster": ("Clusters", cluster),
}
PART_NAMES = (*PARTS, "public")


ON_THE_PAGE = ("backends", "efficiency", "cluster")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def with_tables(page: str, rows: list[Row]) -> str:
    """Return the text of a page with the tables that belong there between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    texts = [
        f"\n### {PARTS[part][0]}\n\n{PARTS[part][1](latest(rows, part))}" for part in ON_THE_PAGE
    ]
    return before + BEGIN + "".join(texts) + "\n" + END + after


def render(rows: list[Row]) -> str:
    """Return the tables of all parts that were measured, without a title."""
    texts = [HEAD]
    for part, (title, write) in PARTS.items():
        chosen = latest(rows, part)
        if chosen:
            texts.append(f"\n### {title}\n\n{write(chosen)}")
    return "".join(texts)
