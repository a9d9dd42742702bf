"""A run at one moment as a row of a table, which scripts print when they like."""

import sys

from nautilus.report.output import Output

COLUMNS = (
    ("Status", 9), ("Proposals", 9), ("Calls", 8), ("f_live", 6), ("N_eff", 6), ("log Z", 8)
)  # fmt: skip
"""Names of the columns, and how wide they are at least."""


def print_status_header(end: str) -> None:
    """Print the names of the columns."""
    _print([name for name, _ in COLUMNS], end)


def print_status(
    status: str, *, n_proposals: int, n_like: int, f_live: float | None, n_eff: float,
    log_z: float | None, end: str,
) -> None:  # fmt: skip
    """Print the row; what is not known is "N/A"."""
    cells = [
        status,
        f"{n_proposals}",
        f"{n_like}",
        "N/A" if f_live is None else f"{f_live:.4f}",
        f"{n_eff:.0f}",
        "N/A" if log_z is None else f"{log_z:+.2f}",
    ]
    _print(cells, end)


def _print(cells: list[str], end: str) -> None:
    padded = (f"{cell:<{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))
    Output(sys.stdout).write(" | ".join(padded).rstrip() + end)
