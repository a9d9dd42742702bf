"""Names for the arrays that travel between the rooms; comments give shapes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
BlobArray = NDArray[Any]
"""One entry per point: a structured array, or an array of shape ``(n, ...)``."""
