"""The command `info`: what is in a run file."""

import argparse
import json
import sys
from math import isinf
from pathlib import Path
from typing import Any

from nautilus.cli import page
from nautilus.cli.facts import Facts, Result, Writer, read_facts
from nautilus.report import Output
from nautilus.report.format import (
    format_count,
    format_duration,
    format_log_z,
    format_number,
)
from nautilus.run.config import Goal

DESCRIPTION = """
Tell what is in a run file: which run, how far it is, what it has found, why it stopped. The file
is only read, also while a run writes it.
"""
EPILOG = """
Exit status: 0 if the file could be read, 1 if not, 2 for a wrong command line.
"""
HOW_TO_GO_ON = """\
To continue the run, start its script again: prior and likelihood are in the script, not in the
file. nautilus.load() gives samples and weights without them."""
FATES = {
    "running": "is running it",
    "ended": "was killed, or ended without closing it; what it had saved is here",
    "unknown": "is running it, or was killed there",
}


def add_to(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="what is in a run file, how far it is, why it stopped",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("path", type=Path, metavar="FILE", help="the run file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--compute",
        action="store_true",
        help="compute the result anew if points came in since it was stored; may take minutes",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is in the file and return the exit status."""
    facts = read_facts(options.path, computes=options.compute)
    text = json.dumps(facts.to_json(), indent=1) if options.json else text_of(facts)
    Output(sys.stdout).write(f"{text}\n")
    return 0


def text_of(facts: Facts) -> str:
    """Return all sections."""
    sections = [
        _section("file", _file_rows(facts)),
        _section("problem", _problem_rows(facts)),
        _section("progress", _progress_rows(facts)),
        _section("result", _result_rows(facts)),
        _section("wanted", _goal_rows(facts.goal)),
        _section("time", _time_rows(facts)),
    ]
    for title, texts in (("findings", facts.findings), ("notes", facts.notes)):
        if texts:
            sections.append(page.paragraphs(title, [page.printable(text) for text in texts]))
    return "\n\n".join([*sections, HOW_TO_GO_ON])


def _section(title: str, rows: page.Rows) -> str:
    # A name or a sentence in the file may hold anything.
    shown = [(page.printable(label), page.printable(text)) for label, text in rows]
    return page.section(title, shown)


def _file_rows(facts: Facts) -> page.Rows:
    begun = facts.created.replace("T", " ").replace("+00:00", " UTC")
    return [
        ("name", facts.path),
        ("size", f"{facts.n_bytes:,} bytes"),
        ("schema", f"version {facts.schema_version}"),
        ("begun", f"{begun}, by nautilus {facts.package}"),
        ("integrity", f"each of {facts.n_rows:,} rows is as it was written"),
        ("state", _state(facts.writer, facts.stop_reason)),
    ]


def _state(writer: Writer | None, stop_reason: str) -> str:
    if writer is not None:
        return f"process {writer.pid} on {writer.host} {FATES[writer.fate]}"
    return f"stopped: {stop_reason}" if stop_reason else "not running; why it stopped was not saved"


def _problem_rows(facts: Facts) -> page.Rows:
    return [
        ("dimensions", f"{facts.n_dim}"),
        ("parameters", ", ".join(facts.parameters)),
        *(("prior", text) for text in facts.prior),
        ("n_live, seed", f"{facts.n_live}, {facts.seed}"),
    ]


def _progress_rows(facts: Facts) -> page.Rows:
    stages = f"{facts.n_stages} complete"
    if facts.n_points > facts.n_complete or facts.n_pending:
        n_done = facts.n_points - facts.n_complete
        stages += f", {n_done:,} of {n_done + facts.n_pending:,} points of the next"
    return [
        ("phase", facts.phase),
        ("stages", stages),
        ("proposals", f"{facts.n_proposals}"),
        ("points", f"{facts.n_points:,} evaluated, {facts.n_complete:,} in complete stages"),
        ("calls", f"{facts.n_calls:,}, tests and repetitions included"),
        ("saves", f"{facts.n_saves:,}"),
    ]


def _result_rows(facts: Facts) -> page.Rows:
    result = facts.result
    if result is None:
        return [("log Z", "not known yet")]
    return [
        ("log Z", format_log_z(result.log_z, result.log_z_err)),
        ("n_eff", format_count(result.n_eff)),
        ("eta", format_number(result.eta)),
        ("tail index", format_number(result.tail_index)),
        ("as of", _as_of(result, facts.n_complete)),
    ]


def _as_of(result: Result, n_complete: int) -> str:
    counted = " of the sampling phase" if result.discard_exploration else ""
    if result.n_points == n_complete:
        return f"all points{counted} in complete stages"
    return (
        f"the first {result.n_points:,} of {n_complete:,} points{counted} in complete stages;"
        " --compute takes all"
    )


def _goal_rows(goal: Goal | None) -> page.Rows:
    if goal is None:
        return [("goal", "none yet")]
    limit = "no limit" if isinf(goal.n_like_max) else format_count(goal.n_like_max)
    return [
        ("n_eff", format_count(goal.n_eff)),
        ("f_live", format_number(goal.f_live)),
        ("n_shell", f"{goal.n_shell:,}"),
        ("n_like_max", limit),
        ("discard_exploration", str(goal.discard_exploration)),
    ]


def _time_rows(facts: Facts) -> page.Rows:
    return [
        ("elapsed", format_duration(facts.elapsed_seconds)),
        ("waiting for likelihood", format_duration(facts.likelihood_seconds)),
        ("own work", format_duration(facts.own_seconds)),
        ("in calls, all workers", format_duration(facts.call_seconds)),
    ]
