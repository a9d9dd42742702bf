"""The long statistical suite: every problem of the catalogue, many seeds."""

from pathlib import Path

import pytest

from nautilus.testing.suite import main

ROOT = Path(__file__).resolve().parents[2]
CONTROL = Path("docs/statistical-control.md")


@pytest.mark.long
def test_full_suite_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows and table stay in the checkout: an interrupted suite goes on, and the table is kept.
    monkeypatch.chdir(ROOT)
    assert main([]) == 0


@pytest.mark.long
def test_the_suite_finds_a_biased_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--control", "--problems", "shells-6"]) == 1
    failed = CONTROL.read_text(encoding="utf-8").split("## Failed checks")[1]
    assert "bias (kept)" in failed
