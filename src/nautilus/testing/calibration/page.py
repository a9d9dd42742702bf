"""The page of the calibration in Markdown."""

from collections.abc import Mapping

from nautilus.comparison import FALSE_ALARM_RATE
from nautilus.testing.calibration.factors import N_SIMULATED
from nautilus.testing.calibration.judge import FAMILY_RATE, FOUND_SHARE, Table
from nautilus.testing.calibration.models import model_pairs, models
from nautilus.testing.calibration.studies import N_DRAWS, NARROW
from nautilus.testing.checks import CAP, WORST
from nautilus.testing.findings import Finding
from nautilus.testing.verdict import markdown_table

TITLES = {
    "ranks": "Posteriors",
    "control": "Negative control",
    "replicas": "Second runs",
    "factors": "Probabilities of models",
    "pair": "Two modes in 15 dimensions",
    "evidences": "Evidences",
}

INTRODUCTION = (
    "Posteriors, probabilities of models, and weights of modes, over many simulated data sets and"
    " seeds; made by a program, not by hand."
)


def _texts() -> dict[str, str]:
    """Return what is said above each table."""
    described = "; ".join(f"*{name}*: {model.description}" for name, model in models().items())
    pairs = "; ".join(
        f"*{name}*: {first.description}, or {second.description}"
        for name, (first, second) in model_pairs().items()
    )
    return {
        "ranks": "Parameters are drawn from the prior and data from the parameters. Where"
        " posteriors are right, the rank of the true value among draws from its posterior is"
        f" uniform (Talts et al. 2018). Ranks are among {N_DRAWS} draws; log L is ranked too."
        " *smallest tail*: smallest two-sided probability of the number of ranks up to r, over all"
        " r, beside the smallest allowed one, which makes a band around all of the distribution"
        " function at once (Säilynoja et al. 2022). *width*: mean square of the normal scores of"
        " the ranks (Cook et al. 2006), above 1 where posteriors are too narrow. Both limits are"
        f" read from simulated uniform ranks. Models: {described}.",
        "control": f"The same runs, with draws moved towards their mean by a factor {NARROW:g}:"
        " posteriors that are too narrow. For each model, some check has to fail.",
        "replicas": "Each of these runs is followed by one with another seed (`replicate=True`),"
        f" which is to be said to differ at a rate of {FALSE_ALARM_RATE:g}.",
        "factors": "One of two models is drawn with probability 1/2, parameters from its prior and"
        " data from these; both models are sampled. *average*: mean posterior probability of the"
        " second model, which has to be 1/2. Then, for data sets with a probability in each range:"
        " how many came from the second model, of how many its probabilities say (of all)."
        " *chance*: how often the largest deviation of a range, or of all data sets, would be as"
        f" large if all probabilities were right, from {N_SIMULATED:,} simulated sets. Pairs:"
        f" {pairs}.",
        "pair": "Two correlated normal densities of unit width in the cube from -20 to 20 in 15"
        " dimensions, with other seeds and numbers of live points. *found both*: each mode has at"
        f" least {FOUND_SHARE:.0%} of its exact weight. *worst*: largest error of a weight in its"
        " own errors, or in those that are typical if they are larger. *with finding*: runs that"
        " have one.",
        "evidences": "Where the evidence is known exactly. *ratio*: scatter over quoted errors."
        f" *worst*: largest error in quoted ones; more than {WORST:g} fails in any case, as does a"
        f" mean error above {CAP:g}.",
    }


def make_page(tables: Mapping[str, Table], facts: Mapping[str, str], runs: Finding) -> str:
    """Return the page.

    Parameters
    ----------
    tables
        By the names of `TITLES`; those without lines are left out.
    facts
        What to say about the runs, such as the command that made them, by keyword.
    runs
        Whether all runs were made.
    """
    texts = _texts()
    failed = [f for f in (runs, *(f for t in tables.values() for f in t.findings)) if not f.passed]
    lines = [
        "# Calibration",
        "",
        INTRODUCTION,
        "",
        *[f"- {name}: {value}" for name, value in facts.items()],
        "",
        f"Each kind of check has a false-alarm rate of {FAMILY_RATE:g} over all of its table.",
    ]
    for name, table in tables.items():
        if table.lines:
            lines += ["", f"## {TITLES[name]}", "", texts[name], ""]
            lines.append(markdown_table(table.columns, table.lines))
    lines += ["", "## Failed checks" if failed else "All checks passed."]
    lines += ["", *(f"- {finding.text} ({finding.name})" for finding in failed)] if failed else []
    return "\n".join(lines).rstrip() + "\n"
