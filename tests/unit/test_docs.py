"""What the pages say is true: their code runs, their links lead somewhere."""

import ast
import functools
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp

from nautilus import Sampler

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n+```text\n(?P<output>.*?)^```$)?", re.DOTALL | re.MULTILINE
)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def blocks_of(page):
    """Return the blocks of a page as code that keeps its line numbers, and the output shown."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start("code"))
        yield ast.parse("\n" * line + block["code"], str(page)), block["output"]


def announced(statements):
    """Return statements that each tell `reached` their line before they run, and all the lines.

    Those inside functions are left alone.
    """
    out, lines = [], []
    for statement in statements:
        out += [*ast.parse(f"reached({statement.lineno})").body, statement]
        lines.append(statement.lineno)
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for node in (statement, *getattr(statement, "handlers", ())):
                for name in {"body", "orelse", "finalbody"} & set(node._fields):
                    inner, more = announced(getattr(node, name))
                    setattr(node, name, inner)
                    lines += more
    return out, lines


WITH_CODE = [page for page in PAGES if any(blocks_of(page))]


def test_the_pages_are_found():
    assert {"README.md", "quickstart.md", "how-it-works.md"} <= {page.name for page in WITH_CODE}


def test_lines_that_are_not_reached_are_seen():
    """Negative control of the test below."""
    tree = ast.parse("try:\n    x = 1\nexcept OSError:\n    x = 2\nfor i in ():\n    x = i\n")
    tree.body, lines = announced(tree.body)
    reached = []
    exec(compile(tree, "page", "exec"), {"reached": reached.append})
    assert sorted(lines) == [1, 2, 4, 5, 6]
    assert sorted(reached) == [1, 2, 5]


def assert_reached(sampler, goal):
    """Judge by the weights alone, whatever the sampler says of itself."""
    log_w = sampler.posterior()[1]
    n_eff = np.exp(2 * logsumexp(log_w) - logsumexp(2 * log_w))
    assert n_eff == pytest.approx(sampler.n_eff, rel=1e-6)
    assert n_eff >= goal * (1 - 1e-9)


@pytest.mark.parametrize(("said", "goal"), [(100, 101), (101, 101), (101, 100)])
def test_a_run_that_falls_short_is_seen(said, goal):
    """Negative control of the test below."""
    log_w = np.full(100, -np.log(100))
    sampler = SimpleNamespace(n_eff=said, posterior=lambda: (None, log_w, None))
    with pytest.raises(AssertionError, match="assert"):
        assert_reached(sampler, goal)


@pytest.fixture
def judged(small_runs, monkeypatch):
    """Judge every run when it ends by the effective sample size that it was asked for."""
    run = Sampler.run
    asked = []

    @functools.wraps(run)
    def run_and_judge(*args, **kwargs):
        outcome = run(*args, **kwargs)
        call = inspect.signature(inspect.unwrap(run)).bind(*args, **kwargs)
        call.apply_defaults()
        assert outcome
        asked.append(call.arguments["n_eff"])
        assert_reached(args[0], asked[-1])
        return outcome

    monkeypatch.setattr(Sampler, "run", run_and_judge)
    return asked


# A run as short as these is rightly not trusted; every other warning is an error.
@pytest.mark.filterwarnings("ignore::nautilus.UntrustedResultWarning")
@pytest.mark.usefixtures("corner")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_code_runs(page, judged, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    reached = set()
    # Functions are sent to workers by value, as in a script.
    namespace = {"__name__": "__main__", "reached": reached.add}
    for tree, shown in blocks_of(page):
        tree.body, lines = announced(tree.body)
        capsys.readouterr()
        exec(compile(tree, str(page), "exec"), namespace)
        # Handlers too: an error that a page promises does happen.
        assert set(lines) <= reached
        if shown is not None:
            assert_alike(capsys.readouterr().out, shown)
    if ".run(" in page.read_text(encoding="utf-8"):
        # The least is the default that `small_runs` sets.
        assert min(judged, default=0) >= 200
    for sampler in (value for value in namespace.values() if isinstance(value, Sampler)):
        sampler.close()
        assert sampler.n_like == 0 or np.isfinite([sampler.log_z, sampler.log_z_err]).all()


def assert_alike(output, shown):
    """Compare words exactly and percentages up to what other libraries' draws may change."""
    assert NUMBER.sub("#", output).split() == NUMBER.sub("#", shown).split()
    numbers = [[float(x) for x in NUMBER.findall(text)] for text in (output, shown)]
    np.testing.assert_allclose(*numbers, atol=2.5)


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
