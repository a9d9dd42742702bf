"""Run this package and the public nautilus-sampler on the same problems, seeds and machine.

    python benchmarks/compare.py                         # everything that is not measured yet
    python benchmarks/compare.py --only gaussian-10 --package ours --seeds 1 2 3
    python benchmarks/compare.py --package ours --public-calls benchmarks/public_reference.jsonl
    python benchmarks/compare.py --render                # write results.md from results.jsonl

Each run is a fresh process with one numerical thread. The public package lives in an environment
of its own, made on first use in ``.benchmark/public``. Rows are appended to ``results.jsonl``; a
run whose row is there already (same package, code, problem, settings, seed and machine) is not
repeated. Seconds are compared only between rows of one machine and boot; CPU seconds stay
meaningful when other work shares the cores. The table also gets those of ``parallel.py``.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from catalogue import NAMES, ROOT, SOURCES
from parallel_tables import render as render_parallel
from render import render

from nautilus.evaluate.threads import THREAD_VARIABLES

HERE = Path(__file__).resolve().parent
REQUIREMENTS = {"public": "nautilus-sampler==1.0.6", "dynesty": "dynesty==3.1.0"}
ENVIRONMENTS = ROOT / ".benchmark"
PUBLIC_ENVIRONMENT = ENVIRONMENTS / "public"


def python_of(package: str) -> Path:
    """Return the Python that has a package: this one, or that of another package's environment.

    An environment is made on first use.
    """
    if package == "ours":
        return Path(sys.executable)
    folder = "Scripts" if os.name == "nt" else "bin"
    environment = ENVIRONMENTS / package
    python = environment / folder / ("python.exe" if os.name == "nt" else "python")
    stamp = environment / ".installed"
    if not stamp.exists():
        print(f"Making an environment with {REQUIREMENTS[package]} ...", flush=True)
        venv.create(environment, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", REQUIREMENTS[package]]
        subprocess.run(install, check=True)
        stamp.touch()
    return python


def code_version(package: str, sources: Path = SOURCES) -> str:
    """Return what was measured: a release of another package, or a digest of our sources."""
    if package in REQUIREMENTS:
        return REQUIREMENTS[package]
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*.py")):
        if path.relative_to(sources).parts[0] not in {"testing", "report"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def machine_label() -> str:
    """Return a digest of host, boot and processor: equal labels mean comparable seconds."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    info = Path("/proc/cpuinfo")
    cpu = platform.processor()
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0] if models else cpu
    parts = (platform.node(), boot.read_text() if boot.exists() else "", cpu)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file, none if it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def run_child(key: dict[str, Any]) -> dict[str, Any] | None:
    """Measure one run in a fresh process; None (and its error printed) if it failed."""
    command = [str(python_of(key["package"])), str(HERE / "run_one.py"), key["problem"]]
    command += ["--seed", str(key["seed"]), "--n-eff", str(key["n_eff_wanted"])]
    if key["n_live"] is not None:
        command += ["--n-live", str(key["n_live"])]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr, flush=True)
        return None
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**key, **measured}


def run_all(arguments: argparse.Namespace) -> int:
    """Measure what is missing, one process at a time; return the number of failed runs."""
    label = machine_label()
    known = read_rows(arguments.results)
    packages = ("ours", "public") if arguments.package == "both" else (arguments.package,)
    n_failed = 0
    for seed in arguments.seeds:
        for problem in arguments.only:
            for package in packages:
                key = {
                    "package": package,
                    "code": code_version(package),
                    "problem": problem,
                    "seed": seed,
                    "n_eff_wanted": arguments.n_eff,
                    "n_live": arguments.n_live,
                    "label": label,
                }
                if any(key.items() <= row.items() for row in known):
                    continue
                row = run_child(key)
                n_failed += row is None
                _report(key, row)
                if row is not None:
                    with arguments.results.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(row) + "\n")
    return n_failed


def _report(key: dict[str, Any], row: dict[str, Any] | None) -> None:
    head = f"{key['package']:>6} {key['problem']:<22} seed {key['seed']}: "
    if row is None:
        print(head + "failed", flush=True)
        return
    print(
        head + f"calls {row['n_like_keep']} / {row['n_like']}, "
        f"log Z - truth {row['log_z_keep'] - row['log_z_true']:+.3f} / "
        f"{row['log_z'] - row['log_z_true']:+.3f}, "
        f"own CPU {row['own_cpu_seconds_keep']:.1f} / {row['own_cpu_seconds']:.1f} s, "
        f"peak {row['peak_mib']} MiB",
        flush=True,
    )


def parse_arguments() -> argparse.Namespace:
    """Return the command line as a namespace."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="PROBLEM")
    parser.add_argument("--package", choices=("ours", "public", "both"), default="both")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--n-eff", type=float, default=10000.0)
    parser.add_argument("--n-live", type=int, default=None, help="default: each package's own")
    parser.add_argument("--public-calls", type=Path, help="take calls missing here from this file")
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--parallel", type=Path, default=HERE / "parallel.jsonl")
    parser.add_argument("--table", type=Path, default=HERE / "results.md")
    parser.add_argument("--render", action="store_true", help="only write the table")
    return parser.parse_args()


def main() -> int:
    """Measure, then write the table; the exit status is 1 if a run failed."""
    arguments = parse_arguments()
    n_failed = 0 if arguments.render else run_all(arguments)
    rows = read_rows(arguments.results)
    reference = read_rows(arguments.public_calls) if arguments.public_calls else []
    source = os.path.relpath(arguments.public_calls, ROOT) if arguments.public_calls else ""
    text = render(rows, reference, source)
    parallel_rows = read_rows(arguments.parallel)
    if parallel_rows:
        text += "\n## Parallel runs\n\n" + render_parallel(parallel_rows)
    arguments.table.write_text(text, encoding="utf-8")
    print(f"Wrote {arguments.table}")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
