"""What a declared interest and a lately mailed offer do to log odds: the part of the funnel that depends on reader and offer together.

Trees are scored by side, so what belongs to both is a line of its own, fitted first; trees then learn what it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats
from revenue_engine.prediction.platt import logistic

_NEVER_DAYS = 30.0  # an offer not remembered counts as one mailed so long ago
_RIDGE = 10.0  # events that no effect is worth
_STEPS = 40


@dataclass(frozen=True, slots=True)
class CrossLine:
    """Coefficients: of everybody, and of `features.CROSS` in their order (days as log(1 + days))."""

    coefficients: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __call__(self, cross: npt.NDArray[np.float32]) -> Floats:
        """What to add to log odds, of the shape of `cross` (…, 3) without its last axis."""
        everybody, declared, other, since = self.coefficients
        return np.asarray(everybody + declared * _known(cross, 0) + other * _known(cross, 1) + since * _days(cross))


def fit_cross_line(cross: npt.NDArray[np.float32], happened: Bools, offset: Floats, weight: Floats) -> CrossLine:
    """Of rows (n, 3), outcomes (n,), log odds without the line (n,) and weights (n,): ridge logistic regression by Newton's method."""
    x, at = (np.ones(len(cross)), _known(cross, 0), _known(cross, 1), _days(cross)), np.zeros(4)
    ridge = _RIDGE * np.array([0.0, 1.0, 1.0, 1.0])
    for _ in range(_STEPS):
        p = logistic(offset + sum(a * one for a, one in zip(at, x, strict=True)))
        curve, left = weight * p * (1 - p), weight * (happened - p)
        # sums, not products of matrices: the same bits whatever BLAS there is, and with however many threads
        curves = np.array([[(curve * one * other).sum() for other in x] for one in x])
        gradient = np.array([(left * one).sum() for one in x])
        step = np.linalg.solve(curves + np.diag(ridge + 1e-9), gradient - ridge * at)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        at = at + step
        if np.abs(step).max() < 1e-9:
            break
    return CrossLine((float(at[0]), float(at[1]), float(at[2]), float(at[3])))


def _known(cross: npt.NDArray[np.float32], column: int) -> Floats:
    return cross[..., column].astype(np.float64)


def _days(cross: npt.NDArray[np.float32]) -> Floats:
    return np.log1p(np.where(np.isnan(cross[..., 2]), _NEVER_DAYS, cross[..., 2]).astype(np.float64))
