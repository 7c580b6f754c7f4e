"""How well a score ranks people by what they bring in the end, when most bring nothing and few bring much. n people."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats

LEAK_SHARE = 0.97  # of what the truth itself would score: no honest model comes so near


def normalised_gini(score: Floats, brought: Floats) -> float:
    """Area between the curve of gains by falling score and the diagonal, by that of the perfect order: 1 perfect, 0 chance.

    Wang, Liu and Miao, "A deep probabilistic model for customer lifetime value prediction", arXiv 1912.07753 (2019). Equal scores
    count as in the mean of all their orders. Raises ValueError where nobody brought anything.
    """
    if not brought.sum() > 0:
        raise ValueError("nobody brought anything")
    return _gini(score, brought) / _gini(brought, brought)


def top_share(score: Floats, brought: Floats, share: float = 0.1) -> float:
    """Part of everything that the highest-scored share of people brought; equals in the order given."""
    top = np.argsort(-score, kind="stable")[: round(share * len(score))]
    return float(brought[top].sum() / brought.sum())


def spearman(score: Floats, brought: Floats) -> float:
    """Correlation of ranks, equals sharing the middle one."""
    return float(np.corrcoef(ranks(score), ranks(brought))[0, 1])


def ranks(values: Floats) -> Floats:
    """(n,) from 1, equals sharing the middle one."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def is_leak(score: float, ceiling: float) -> bool:
    """Whether a model ranks so near the truth, or better, that it must have seen what it was to predict."""
    return score >= LEAK_SHARE * ceiling


def _gini(score: Floats, brought: Floats) -> float:
    # the mean of people's ranks weighted by what they brought, against the mean rank of all
    n = len(score)
    return float((ranks(score) @ brought / brought.sum() - (n + 1) / 2) / n)
