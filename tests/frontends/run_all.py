"""Run front ends of the package index with this package as ``nautilus``.

    python tests/frontends/run_all.py                      # all of them
    python tests/frontends/run_all.py --only lenstronomy   # some
    python tests/frontends/run_all.py --page               # and write docs/compatibility.md

Each script of this folder drives one front end from its beginning to its end on a problem with a
known answer. It is run with this package each time, and with the public package once: its outcome
is kept in ``public.jsonl`` with the versions and a digest of the script. One line is printed for
each script. The status is 1 if one breaks with this package that works with the public one and is
not listed as an exception.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import PUBLIC_REQUIREMENT, ROOT, environment_of, install_packages
from front_ends import FRONT_ENDS, FrontEnd

HERE = Path(__file__).resolve().parent
PAGE = ROOT / "docs" / "compatibility.md"
KEPT = HERE / "public.jsonl"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
SECONDS = 3600
"""Limit that only catches what hangs."""

HEAD = """| front end | version | what it does | public package | this package |
|---|---|---|---|---|
"""

Row = dict[str, Any]


def run_script(python: Path, script: str, package: Path) -> Row:
    """Return the version of the front end, and why it breaks: an empty string if it works."""
    environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    command = [str(python), str(HERE / f"{script}.py")]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False,
                timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"version": "", "reason": f"no end after {SECONDS} seconds"}
    if done.returncode != 0:
        print(done.stderr[-4000:], file=sys.stderr, flush=True)
        return {"version": "", "reason": last_line(done.stderr)}
    told = [line for line in done.stdout.splitlines() if line.startswith('{"version"')]
    answer = json.loads(told[-1])
    wrong = [
        f"{name} is {found:.4g}, right is {right:.4g}"
        for name, (found, right, most) in answer["numbers"].items()
        if not abs(found - right) <= most
    ]
    return {"version": answer["version"], "reason": "; ".join(wrong)}


def last_line(text: str) -> str:
    """Return the last line that says something, as it stands in a cell of a table."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines or ["it ended without a word"])[-1][:200].replace("|", "\\|")


def digest_of(script: str) -> str:
    """Return a digest of a script and of what it imports from this folder."""
    text = (HERE / f"{script}.py").read_text(encoding="utf-8")
    used = [path for path in HERE.glob("*.py") if f"from {path.stem} import" in text]
    parts = [text, *(path.read_text(encoding="utf-8") for path in sorted(used))]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def of_public(front_end: FrontEnd, script: str, python: Path, package: Path) -> Row:
    """Return the outcome with the public package, run only if it is not known."""
    key = {
        "script": script,
        "digest": digest_of(script),
        "requirements": [*front_end.requirements, PUBLIC_REQUIREMENT],
    }
    for line in KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else ():
        row: Row = json.loads(line)
        if key.items() <= row.items():
            return row
    row = {**key, **run_script(python, script, package)}
    with KEPT.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
    return row


def verdict(ours: str, public: str) -> str:
    """Say in two or three words what the reasons of both mean."""
    if ours and public:
        return "breaks with both"
    if ours:
        return "breaks with this package"
    return "works" if not public else "works here only"


def cell(reason: str) -> str:
    """Return what the table says of an outcome."""
    return f"breaks: {reason}" if reason else "works"


def check(front_end: FrontEnd) -> tuple[list[str], int]:
    """Return the rows of the table for a front end, and how many scripts break that may not."""
    try:
        python = environment_of(front_end)
    except RuntimeError as error:
        print(f"{front_end.name}: cannot be installed here: {last_line(str(error))}", flush=True)
        return [], 1
    packages = install_packages(python)
    rows, n_bad = [], 0
    for script, what in front_end.scripts.items():
        public = of_public(front_end, script, python, packages["public"])
        ours = run_script(python, script, packages["ours"])
        version = ours["version"] or public["version"]
        said = verdict(ours["reason"], public["reason"])
        error, exception = front_end.exceptions.get(script, ("", ""))
        if not error or error not in ours["reason"]:
            exception = ""
        n_bad += said == "breaks with this package" and not exception
        why = exception or ours["reason"] or public["reason"]
        print(f"{front_end.name} {version}, {script}: {said}{why and ': '}{why}", flush=True)
        here = cell(exception or ours["reason"])
        rows.append(
            f"| {front_end.name} | {version} | {what} | {cell(public['reason'])} | {here} |\n"
        )
    return rows, n_bad


def main() -> int:
    """Run what was asked for; the exit status is 1 if something breaks that may not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [front_end.name for front_end in FRONT_ENDS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--page", action="store_true", help="write the table into the page")
    arguments = parser.parse_args()
    rows, n_bad = [], 0
    for front_end in FRONT_ENDS:
        if front_end.name in arguments.only:
            more, bad = check(front_end)
            rows += more
            n_bad += bad
    if arguments.page and arguments.only == names:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        table = HEAD + "".join(rows)
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{rest.split(END)[1]}", encoding="utf-8")
    return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
