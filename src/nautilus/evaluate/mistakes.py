"""What an exception of the first call says about how the likelihood was meant to be called."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nautilus.evaluate.likelihood import Likelihood
from nautilus.prior import DictionaryMap, FunctionPrior

MISTAKES = (TypeError, NameError, AttributeError, LookupError, ImportError, SyntaxError)
"""What only another program can cure, if it is raised at the first call."""

CONFUSIONS = (TypeError, AttributeError, LookupError, ValueError)
"""What a function raises that is given something else than it expects."""


def remedy_of(
    error: BaseException | None, likelihood: Likelihood, parameters: Any, is_first: bool
) -> str:
    """Say what to do about an exception of the likelihood.

    Parameters
    ----------
    error
        The exception.
    likelihood
        Which function was called, and how.
    parameters
        What it was given, of one point or of many.
    is_first
        Whether it is the first call, so that the program may be wrong.

    Returns
    -------
    str
        Sentences. At the first call they say what the function was given, if that may be the
        reason, and offer `on_error` only where the program may be right.
    """
    policy = "Correct the function, or choose on_error='-inf' or 'retry'."
    if not is_first:
        return policy
    given = _given(likelihood, parameters) if isinstance(error, CONFUSIONS) else ""
    return given + ("Correct the function." if isinstance(error, MISTAKES) else policy)


def _given(likelihood: Likelihood, parameters: Any) -> str:
    """Say what the function was given, and which keywords give it something else."""
    sentences = [_form(likelihood, parameters)]
    if likelihood.vectorized:
        sentences.append("If it takes one point at a time, leave vectorized=False.")
    else:
        sentences.append("If it takes many points at once, give vectorized=True.")
    return " ".join(sentences) + " "


def _form(likelihood: Likelihood, parameters: Any) -> str:
    if isinstance(parameters, Mapping):
        names = ", ".join(map(repr, parameters))
        each = "one array" if likelihood.vectorized else "one value"
        text = f"It was given a dictionary with the keys {names}, {each} for each."
        if isinstance(likelihood.prior, DictionaryMap):
            shape = (likelihood.prior.n_dim,)
            n_points = len(next(iter(parameters.values()))) if likelihood.vectorized else 0
            array = (n_points, *shape) if likelihood.vectorized else shape
            return f"{text} If it takes an array of shape {array}, give pass_dict=False."
        return f"{text} If it takes an array, let the prior function return one."
    text = f"It was given an array of shape {np.shape(parameters)}."
    if isinstance(likelihood.prior, FunctionPrior):
        return f"{text} If it takes a dictionary, let the prior function return one."
    return f"{text} If it takes a dictionary, leave out pass_dict=False."
