"""The short form of the statistical suite: a few problems and seeds, the same checks."""

from pathlib import Path

import numpy as np

from nautilus.testing.suite import Plan, assess, collect, has_passed
from nautilus.testing.verdict import report

# One mode, four skewed ones, a curved one, two circles, and a floor under most of the prior.
PROBLEMS = ("round-3", "loggamma-2", "rosenbrock-2", "phases-3", "plateau-3")


def test_quick_suite_passes(tmp_path: Path) -> None:
    # Three runs with errors of 0.02 or less leave the mean of log Z uncertain by about 0.01: the
    # cap allows for that, and bias, scatter and averages are judged by errors and false-alarm
    # rates as in the long form.
    settings = {"n_live": 100, "n_networks": 1}
    plan = Plan(PROBLEMS, n_seeds=3, n_eff=1000.0, timeout=np.inf, cap=0.06, settings=settings)
    verdicts = assess(plan, collect(plan, tmp_path / "rows.jsonl"))
    assert has_passed(verdicts), report(verdicts, {})
