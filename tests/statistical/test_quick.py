"""The short form of the statistical suite: a few problems and seeds, the same checks."""

from pathlib import Path

import numpy as np

from nautilus.testing.suite import Plan, assess, collect, has_passed
from nautilus.testing.verdict import report

PROBLEMS = ("round-3", "gaussian-3", "loggamma-2", "rosenbrock-2", "phases-3")


def test_quick_suite_passes(tmp_path: Path) -> None:
    # Four seeds leave the mean of log Z uncertain by about 0.01: the cap allows for that, and
    # bias, scatter and averages are judged by errors and false-alarm rates as in the long form.
    plan = Plan(PROBLEMS, n_seeds=4, n_eff=2000.0, timeout=np.inf, cap=0.06)
    verdicts = assess(plan, collect(plan, tmp_path / "rows.jsonl"))
    assert has_passed(verdicts), report(verdicts, {})
