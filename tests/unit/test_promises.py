"""The page of promises names tests, and they are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`")


def names_in(path):
    """Yield the names of the tests in a file, as pytest writes them."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            yield from (f"{node.name}::{n.name}" for n in inner if n.name.startswith("test_"))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def on_the_page():
    """Return the tests that the page names, as pairs of file and test."""
    return set(NAMED.findall(PAGE.read_text(encoding="utf-8")))


def test_every_test_that_is_named_is_there():
    named = on_the_page()
    assert len(named) > 40
    known = {name: set(names_in(ROOT / name)) for name, _ in named}
    assert {(name, test) for name, test in named if test and test not in known[name]} == set()


def test_every_accident_that_is_tried_is_on_the_page():
    files = sorted((ROOT / "tests" / "resilience").glob("test_*.py"))
    tried = {(f"tests/resilience/{file.name}", test) for file in files for test in names_in(file)}
    assert tried - on_the_page() == set()


def test_every_count_is_on_the_page():
    """The table has been written by a whole run."""
    text = PAGE.read_text(encoding="utf-8")
    _, counted, _ = re.split(r"<!-- counted: (?:begin|end) -->", text)
    found = re.search(r"\| processes killed .* \| ([\d,]+) \|", counted)
    assert found, "run make test-resilience"
    kills = found[1]
    assert int(kills.replace(",", "")) >= 500
    assert len(re.findall(r"^\|.*\| [\d,]+ \|$", counted, re.MULTILINE)) == 9
