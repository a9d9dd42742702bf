"""What the pages say is true: their code runs, their links lead somewhere."""

import inspect
import re
from pathlib import Path

import pytest

from nautilus import Sampler

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def code_of(page):
    """Return the blocks of a page as code that keeps its line numbers."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        yield compile("\n" * line + block[1], str(page), "exec")


WITH_CODE = [page for page in PAGES if any(code_of(page))]


def test_the_pages_are_found():
    assert {"README.md", "quickstart.md", "how-it-works.md"} <= {page.name for page in WITH_CODE}


# A run as short as these is rightly not trusted; every other warning is an error.
@pytest.mark.filterwarnings("ignore::nautilus.UntrustedResultWarning")
@pytest.mark.usefixtures("small_runs", "corner")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}  # functions are sent to workers by value, as in a script
    for code in code_of(page):
        exec(code, namespace)
    for value in namespace.values():
        if isinstance(value, Sampler):
            value.close()


@pytest.mark.parametrize("function", [Sampler, Sampler.run, Sampler.posterior])
def test_every_keyword_is_explained(function):
    guides = [page for page in PAGES if page.name != "api.md"]
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", _text_of(guides)))))
    assert set(inspect.signature(function).parameters) - {"self"} <= words


def _text_of(pages):
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in menu
