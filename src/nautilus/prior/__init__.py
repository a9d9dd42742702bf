"""From the unit cube to the parameters of a model."""

from nautilus.prior.function import REAL_KINDS, FunctionPrior
from nautilus.prior.mapping import DictionaryMap, PriorMap, as_prior_map
from nautilus.prior.prior import Prior

__all__ = ["REAL_KINDS", "DictionaryMap", "FunctionPrior", "Prior", "PriorMap", "as_prior_map"]
