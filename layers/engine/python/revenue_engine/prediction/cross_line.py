"""What a declared interest and a lately mailed offer do to log odds: the part of the funnel that depends on reader and offer together.

Trees are scored by side, so what belongs to both is a line of its own, fitted first; trees then learn what it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats
from revenue_engine.prediction.features import CROSS
from revenue_engine.prediction.platt import logistic

_NEVER_DAYS = 30.0  # an offer not remembered counts as one mailed so long ago
_STEPS = 40
_LOGARITHMS = ("days_since_offer", "clicks_of_topic", "clicks_of_others")


@dataclass(frozen=True, slots=True)
class CrossLine:
    """Coefficients: of everybody, and of `features.CROSS` in their order (days and counts as log(1 + value))."""

    coefficients: tuple[float, ...] = (0.0,) * (1 + len(CROSS))

    def __post_init__(self) -> None:
        if len(self.coefficients) != 1 + len(CROSS):
            raise ValueError("a coefficient for everybody and one for each of CROSS")

    def __call__(self, cross: npt.NDArray[np.float32]) -> Floats:
        """What to add to log odds, of the shape of `cross` (…, len(CROSS)) without its last axis."""
        # no matrix product: its sums may depend on how many rows there are, and a decision must not
        level, *others = self.coefficients
        total = np.full(cross.shape[:-1], level)
        for place, coefficient in enumerate(others):
            if coefficient:
                total += coefficient * _column(cross, place)
        return total


def fit_cross_line(
    cross: npt.NDArray[np.float32], happened: Bools, offset: Floats, weight: Floats, *, ridge_events: float, free_level: bool
) -> CrossLine:
    """Of rows (n, len(CROSS)), outcomes (n,), log odds without the line (n,) and weights (n,): ridge logistic regression by Newton's
    method.

    Parameters
    ----------
    ridge_events
        What it takes to believe an effect, in events.
    free_level
        Whether everybody's coefficient goes where the rows want it, for there are many of them.
    """
    x = [np.ones(len(cross)), *(_column(cross, place) for place in range(len(CROSS)))]
    at = np.zeros(len(x))
    # in each column's own unit
    ridge = ridge_events * np.array([max(float((one * one).sum()) / max(len(one), 1), 1e-9) for one in x])
    ridge[0] = 0.0 if free_level else ridge_events
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
    return CrossLine(tuple(at.tolist()))


def _column(cross: npt.NDArray[np.float32], place: int) -> Floats:
    values = cross[..., place].astype(np.float64)
    if CROSS[place] == "days_since_offer":
        values = np.where(np.isnan(values), _NEVER_DAYS, values)
    return np.asarray(np.log1p(values) if CROSS[place] in _LOGARITHMS else values)
