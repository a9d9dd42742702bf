"""Values in words: a title and rows of labels and texts, plain or as HTML."""

from collections.abc import Sequence
from html import escape

Rows = Sequence[tuple[str, str]]
"""Labels and texts; those with an empty text are left out."""


def text_of(title: str, rows: Rows) -> str:
    """Return a title and lines with a label and a text each."""
    told = [(label, text) for label, text in rows if text]
    width = max((len(label) for label, _ in told), default=0)
    lines = (f"\n  {label:{width}}  {text}" for label, text in told)
    return title + "".join(lines)


def html_of(title: str, rows: Rows) -> str:
    """Return the same as one ``<table>`` element; everything is escaped."""
    body = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in rows if text
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{body}</tbody></table>"
