"""Names of the array types the numeric core passes around. Only functions that decide, learn or book money load it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.uint64]
