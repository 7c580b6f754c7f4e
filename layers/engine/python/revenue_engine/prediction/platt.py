"""The last step from a score to a chance: a line in log odds, fitted on actions that were chosen after the model was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats

_LEAST = 1e-9
_STEPS = 60
PRIOR_EVENTS = 400.0  # trees mean what they say to about 5 %: as well as that many events would tell


@dataclass(frozen=True, slots=True)
class Platt:
    """P = logistic(intercept + slope · score)."""

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, score: Floats) -> Floats:
        """Chances, of the score's shape."""
        return logistic(self.intercept + self.slope * score)


def fit_platt(score: Floats, happened: Bools, weight: Floats | None = None) -> Platt:
    """From scores (n,), outcomes (n,) and weights (n,), drawn towards what the scores say by themselves.

    Nothing that happened, or nothing that did not, moves no line.
    """
    if not 0 < happened.sum() < len(happened):
        return Platt()
    return Platt(*logistic_line(score, happened.astype(np.float64), weight, prior_events=PRIOR_EVENTS))


def logit(p: Floats) -> Floats:
    """Log odds; cut where they would be infinite."""
    inside = np.clip(p, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def logistic(z: Floats) -> Floats:
    """The reverse."""
    return np.asarray(0.5 * (1 + np.tanh(z / 2)))


def logistic_line(z: Floats, y: Floats, weight: Floats | None = None, *, prior_events: float = 0.0) -> tuple[float, float]:
    """Intercept and slope of P(y) = logistic(a + b·z) by Newton's method; `prior_events` is what (0, 1) is worth, in events.

    Platt, "Probabilistic outputs for support vector machines", 1999. Level and slope are told apart at the events' own mean score, so
    that the prior holds both as firmly as that many events would.
    """
    w = np.ones(len(z)) if weight is None else weight
    middle = float(np.average(z, weights=w * logistic(z)))
    x = z - middle
    prior = prior_events * np.array([1.0, max(float(np.average(x * x, weights=w * logistic(z))), _LEAST)])
    right = np.array([middle, 1.0])
    at = right.copy()
    for _ in range(_STEPS):
        p = logistic(at[0] + at[1] * x)
        left, curve = w * (y - p), w * p * (1 - p)
        gradient = np.array([left.sum(), (left * x).sum()]) - prior * (at - right)
        cross = float((curve * x).sum())
        hessian = np.array([[curve.sum(), cross], [cross, (curve * x * x).sum()]]) + np.diag(prior + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))  # Newton may leap where chances are near 0 or 1
        at = at + step
        if np.abs(step).max() < 1e-10:
            break
    return float(at[0] - at[1] * middle), float(at[1])
