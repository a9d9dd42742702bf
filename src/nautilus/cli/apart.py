"""Programs that run apart: whatever they do, this process goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GRACE_SECONDS = 2.0
"""Time between asking a program to end and killing it; launchers end their processes in it."""


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Parameters
    ----------
    status
        Exit status, negative for a signal; None if it was stopped because its time was over.
    output, errors
        What it wrote.
    """

    status: int | None
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """One line about what went wrong."""
        if self.status is None:
            return "no answer in the time given"
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        if self.status < 0:
            return f"ended by signal {-self.status}" + (f": {lines[-1]}" if lines else "")
        return lines[-1] if lines else f"ended with exit status {self.status}, without a word"


def run_apart(
    command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None
) -> Ended:
    """Run a program and everything that it starts for a limited time.

    Parameters
    ----------
    command
        Program and arguments.
    seconds
        Time after which it is stopped.
    environ
        Variables to set beside those of this process.

    Returns
    -------
    Ended
        Also if the program cannot be started.
    """
    # Files and no pipes: what a killed program leaves behind may hold a pipe open for ever.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - commands are built here, without a shell
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )
        except OSError as error:
            return Ended(1, "", f"{command[0]}: {error.strerror}")
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _stop(process)
        return Ended(status, _text_of(output), _text_of(errors))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it left behind."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text_of(file: Any) -> str:
    file.seek(0)
    content: bytes = file.read()
    return content.decode(errors="replace")
