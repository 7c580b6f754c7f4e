"""A plain outcome model for doubly robust estimates: shrunk means per cell and arm, of other subscribers only."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.draws import GAMMA, mix

FOLDS = 5


def folds_of(subscriber: Ints, folds: int = FOLDS) -> Ints:
    """A fold per row, (n,): a person's rows all in one, the same at every run."""
    hashed = mix(subscriber.astype(np.uint64) + np.uint64(GAMMA))
    return (hashed % np.uint64(folds)).astype(np.int64)


def cell_means(
    action: Ints, reward: Floats, cell: Ints, subscriber: Ints, *, arms: int, cells: int, strength: float, folds: int = FOLDS
) -> Floats:
    """Predicted reward of every arm, (n, arms), from the rows of the other folds.

    A cell and arm's mean is shrunk towards the arm's mean, and that towards the mean of all, as if each had `strength` rows more.
    """
    fold = folds_of(subscriber, folds)
    at = cell * arms + action
    result = np.empty((len(action), arms))
    for f in range(folds):
        inside = fold == f
        sums = np.bincount(at[~inside], reward[~inside], cells * arms).reshape(cells, arms)
        counts = np.bincount(at[~inside], minlength=cells * arms).reshape(cells, arms)
        overall = sums.sum() / max(int(counts.sum()), 1)
        of_arm = (sums.sum(axis=0) + strength * overall) / (counts.sum(axis=0) + strength)
        result[inside] = ((sums + strength * of_arm) / (counts + strength))[cell[inside]]
    return result
