"""The problems of the scoreboard: their names, families and digests."""

import ast
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import cache, partial
from hashlib import blake2b
from inspect import unwrap
from pathlib import Path
from typing import Any

from catalogue import k2_24, load_testing

Factory = Callable[[], Any]

RANDOM, HIDDEN = "random modes", "random modes, hardly visible"
CORRELATED, HIDDEN_CORRELATED = "correlated modes", "correlated modes, hardly visible"
OTHERS = "others"
FAMILIES = (RANDOM, HIDDEN, CORRELATED, HIDDEN_CORRELATED, OTHERS)

N_HIDDEN = 10
"""Hardly visible problems of each kind in a full pass; any of them can be named."""

QUICK_OF_FAMILY = {RANDOM: 10, HIDDEN: 1, CORRELATED: 4, HIDDEN_CORRELATED: 1}
QUICK_HARDER = (
    "gaussian-10", "loggamma-10", "cigar-5", "rosenbrock-5", "student-modes-4",
    "spike-and-slab-5", "heavy-spike-5", "ball-on-floor-*", "logistic-regression-5",
    "lumpy-0", "lumpy-1",
)  # fmt: skip
SLOW = "steep-funnel-3"


@cache
def factories() -> dict[str, Factory]:
    """Return the factories of all problems by name."""
    (problems,) = load_testing("problems")
    known: dict[str, Factory] = problems.gallery()
    return known | {"k2-24-one": partial(k2_24, 1), "k2-24": partial(k2_24, 2)}


@cache
def families() -> dict[str, str]:
    """Return the family of each problem by name."""
    (modes,) = load_testing("problems.random_modes")
    known = {f"random-modes-{i}": RANDOM for i in modes.RANDOM_MODES}
    known |= {f"random-modes-{i}": HIDDEN for i in modes.HIDDEN_RANDOM_MODES}
    known |= {f"correlated-modes-{i}": CORRELATED for i in modes.CORRELATED_MODES}
    known |= {f"correlated-modes-{i}": HIDDEN_CORRELATED for i in modes.HIDDEN_CORRELATED_MODES}
    return {name: known.get(name, OTHERS) for name in factories()}


def _first(n_of_family: dict[str, int]) -> list[str]:
    """Return the first names of families."""
    names = {family: [n for n, f in families().items() if f == family] for family in n_of_family}
    return [name for family, n in n_of_family.items() for name in names[family][:n]]


def full() -> list[str]:
    """Return the names of all problems of a full pass."""
    hidden = dict.fromkeys((HIDDEN, HIDDEN_CORRELATED), N_HIDDEN)
    left_out = {n for n, f in families().items() if f in hidden} - set(_first(hidden))
    return [name for name in factories() if name not in left_out]


def quick() -> list[str]:
    """Return the names of problems of which a run takes about a minute or less."""
    (problems,) = load_testing("problems")
    names = {*problems.catalogue(), *chosen(QUICK_HARDER), *_first(QUICK_OF_FAMILY)} - {SLOW}
    return [name for name in factories() if name in names]


def beside() -> list[str]:
    """Return the names of problems on which other packages are run: ten of each random kind."""
    return _first({RANDOM: 10, HIDDEN: 10})


def chosen(patterns: Sequence[str]) -> list[str]:
    """Return the names that match any of the patterns, such as ``random-modes-*``.

    Raises
    ------
    SystemExit
        If a pattern matches no name.
    """
    names = list(factories())
    unknown = [p for p in patterns if not any(fnmatch(name, p) for name in names)]
    if unknown:
        raise SystemExit(f"No problem is called {', '.join(unknown)}; known: {', '.join(names)}.")
    return [name for name in names if any(fnmatch(name, p) for p in patterns)]


def digest_of(factory: Factory) -> str:
    """Return a digest of what defines a problem: its factory, arguments and modules.

    Other modules of problems do not count, so that a problem can be added without all runs being
    made again.
    """
    given = partial(factory)  # of a partial object too: it is flattened
    function: Any = unwrap(given.func)
    digest = blake2b(repr((function.__qualname__, given.args, given.keywords)).encode())
    for path in sorted(_modules(Path(function.__code__.co_filename))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _modules(path: Path, known: frozenset[Path] = frozenset()) -> frozenset[Path]:
    """Return a module's file, and those of the modules beside it that it needs."""
    known |= {path}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            beside = path.with_name(f"{node.module}.py")
            if beside not in known:
                known |= _modules(beside, known)
    return known
