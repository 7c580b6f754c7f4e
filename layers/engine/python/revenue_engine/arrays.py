"""Names of the array types the numeric core passes around, and where a value lies in a table. Only functions that decide, learn or book
money load it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.uint64]


def place(grid: Floats, at: Floats) -> tuple[Ints, Floats]:
    """The point left of each value and how far it lies towards the next; beyond the ends, the ends."""
    left = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2).astype(np.int64)
    share = np.clip((at - grid[left]) / (grid[left + 1] - grid[left]), 0.0, 1.0)
    return left, np.asarray(share)
