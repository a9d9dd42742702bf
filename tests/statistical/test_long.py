"""The long statistical suite: every problem of the catalogue, many seeds."""

from pathlib import Path

import pytest

from nautilus import Sampler
from nautilus.testing.problems import round_gaussian, unit_prior
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


@pytest.mark.long
def test_a_large_support_costs_no_more_than_elsewhere() -> None:
    # The public package takes 40,500 calls of this problem with the same n_live.
    problem = round_gaussian()
    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=3, n_live=3000, vectorized=True,
        pass_dict=False, seed=1,
    )  # fmt: skip
    sampler.run(n_eff=10_000)
    assert sampler.n_like < 40_500
    assert abs(sampler.log_z - problem.log_z) < 5 * sampler.log_z_err
