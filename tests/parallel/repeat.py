"""Runs a command many times and tells how each of them ended.

``python repeat.py 20 FOLDER COMMAND ...`` keeps the output of each time in the folder. Whoever
starts it again goes on after those that have ended; the folder has to be another one where the
code is another one. It exits with status 1 if any of them failed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 3 * 3600.0
"""Time after which a run is ended: far longer than the tests take on the slowest machine."""

END = "ended with status"


@dataclass(frozen=True)
class Run:
    """How one of the runs ended.

    Parameters
    ----------
    number
        Its number, from 1 on.
    status
        Its exit status, or the negative number of the signal that ended it.
    text
        Its last lines: what it says of itself, and status and time.
    """

    number: int
    status: int
    text: str

    def __str__(self) -> str:
        """Return one line."""
        return f"run {self.number}: {self.text}"


def read(number: int, path: Path) -> Run:
    """Return how the run ended whose output is in a file."""
    *output, end = path.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((line.strip("= ") for line in reversed(output) if line.strip()), "no output")
    return Run(number, int(end.removeprefix(END).split()[0]), f"{said}; {end}")


def run_once(command: Sequence[str], path: Path) -> None:
    """Run a command; the file with its output has its name only when that is complete."""
    part, begin = path.with_suffix(".part"), time.monotonic()
    with part.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            file.write(f"\nnot at its end after {SECONDS:.0f} s\n")
        finally:
            # Also what it has left behind, should it have ended in the middle.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
    with part.open("a", encoding="utf-8") as file:
        file.write(f"\n{END} {status} after {time.monotonic() - begin:.0f} s")
    part.rename(path)


def tell(line: object) -> None:
    """Show a line at once, whoever reads it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def repeat(n: int, folder: Path, command: Sequence[str]) -> list[Run]:
    """Run a command until there are so many runs of it in a folder, and tell of each."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for number in range(1, n + 1):
        path = folder / f"{number:03}.txt"
        if not path.exists():
            run_once(command, path)
        runs.append(read(number, path))
        tell(runs[-1])
    return runs


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says and return the exit status."""
    n, folder, *command = arguments
    runs = repeat(int(n), Path(folder), command)
    failed = [str(run.number) for run in runs if run.status != 0]
    tell(f"{len(runs) - len(failed)} of {len(runs)} runs passed; outputs are in {folder}")
    if failed:
        tell(f"failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
