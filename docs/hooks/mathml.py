"""Turn formulas into MathML when the pages are built: browsers show it without scripts or fonts."""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?:span|div) class="arithmatex">\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]</(?:span|div)>',
    re.DOTALL,
)


def on_page_content(html: str, **_: Any) -> str:
    """Replace each formula of a page."""
    return FORMULA.sub(_as_mathml, html)


def _as_mathml(found: re.Match[str]) -> str:
    display = "inline" if found["open"] == "(" else "block"
    return convert(unescape(found["latex"]).strip(), display=display)
