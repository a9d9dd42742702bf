"""Tables for terminals and notebooks, from plain strings."""

from collections.abc import Sequence
from html import escape

from nautilus._types import FloatArray
from nautilus.report.format import format_value

Row = tuple[str, ...]
Table = tuple[Row, list[Row]]
"""Titles of the columns, and rows with as many cells."""

_GAP = "  "


def parameter_table(names: Sequence[str], values: FloatArray, level: float) -> Table:
    """Write what is known of each parameter, with the digits that its scatter justifies.

    Parameters
    ----------
    names
        Names of the d parameters.
    values
        Mean, standard deviation, median and both ends of an interval, shape (d, 5).
    level
        Posterior mass of the interval, between 0 and 1.

    Returns
    -------
    tuple
        Titles and rows of five columns.
    """
    rows: list[Row] = []
    for name, numbers in zip(names, values, strict=True):
        # A large sample knows the mean far better than the scatter: one digit more.
        precision = 0.1 * numbers[1]
        mean, std, median, low, high = (format_value(value, precision) for value in numbers)
        rows.append((name, mean, std, median, f"[{low}, {high}]"))
    return ("parameter", "mean", "std", "median", f"{100 * level:.4g}% interval"), rows


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in columns: the first flush left, the others flush right.

    Parameters
    ----------
    header
        One title per column.
    rows
        Each with as many cells as the header.

    Returns
    -------
    str
        Lines without trailing blanks, joined by line ends.
    """
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for first, *rest in table:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append(_GAP.join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table as HTML; every cell is escaped.

    Parameters
    ----------
    header
        One title per column.
    rows
        Each with as many cells as the header.

    Returns
    -------
    str
        One ``<table>`` element.
    """
    head = _html_row("th", header)
    body = "".join(_html_row("td", row) for row in rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
