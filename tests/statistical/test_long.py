"""The long statistical suite: every problem of the catalogue, many seeds."""

from pathlib import Path

import pytest

from nautilus.testing.suite import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_full_suite_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows and table stay in the checkout: an interrupted suite goes on, and the table is kept.
    monkeypatch.chdir(ROOT)
    assert main([]) == 0
