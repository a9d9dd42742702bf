"""From the unit cube to the parameters of a model."""

from nautilus.prior.function import FunctionPrior
from nautilus.prior.mapping import DictionaryMap, PriorMap, as_prior_map
from nautilus.prior.prior import Prior

__all__ = ["DictionaryMap", "FunctionPrior", "Prior", "PriorMap", "as_prior_map"]
