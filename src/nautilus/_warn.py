"""Warnings that name the line of the user they are about."""

import sys
import warnings

PACKAGE = __name__.partition(".")[0]


def warn_user(text: str, category: type[Warning]) -> None:
    """Warn as if where this package was called from outside of it.

    How many frames lie between is not for those who warn to know: decorators and context managers
    add theirs.
    """
    level, frame = 1, sys._getframe()  # noqa: SLF001 - as the module warnings does
    while frame.f_back is not None and _is_ours(str(frame.f_globals.get("__name__", ""))):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module in {PACKAGE, "contextlib"} or module.startswith(f"{PACKAGE}.")
