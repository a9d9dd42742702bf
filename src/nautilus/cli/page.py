"""Aligned plain text."""

import textwrap
from collections.abc import Sequence

Rows = Sequence[tuple[str, str]]
"""Pairs of a label and a text."""

WIDTH = 100
LABEL_WIDTH = 24


def section(title: str, rows: Rows) -> str:
    """Return a heading and one line for each row."""
    return "\n".join([title, *(line(label, text) for label, text in rows)])


def line(label: str, text: str) -> str:
    """Return a label and a text, the texts of all lines below each other."""
    return f"  {label:{LABEL_WIDTH}}  {text}".rstrip()


def paragraphs(title: str, texts: Sequence[str]) -> str:
    """Return a heading and one item for each text, broken into lines."""
    wrapped = [
        textwrap.fill(
            text, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False,
            break_on_hyphens=False,
        )
        for text in texts
    ]  # fmt: skip
    return "\n".join([title, *wrapped])


def printable(text: str) -> str:
    """Return a text of a file so that it cannot do anything to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def size(n_bytes: int | None, unknown: str) -> str:
    """Write a size of memory, or what stands for None."""
    return unknown if n_bytes is None else f"{n_bytes / (1 << 30):.1f} GiB"


def count(n: float | None, unknown: str = "not set") -> str:
    """Write a number, or what stands for None."""
    return unknown if n is None else f"{n:.4g}" if isinstance(n, float) else str(n)
