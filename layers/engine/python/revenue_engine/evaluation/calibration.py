"""How well predicted chances sort people, and whether they mean what they say. Shapes: n predictions.

A calibration error has a floor of noise: with few positives even a perfect model's bins miss their mean, by E[ECE] ≈ √(2/π) · Σ (n_b/n) ·
√(p_b (1 − p_b) / n_b), the mean absolute deviation of normal bin errors. So errors are read over that floor, beside the slope
and the skill, since at low base rates a constant predictor has next to no error (Bröcker and Smith, Weather and Forecasting 22, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.prediction.platt import logistic_line, logit

BINS = 10
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of predictions against what happened."""

    error: float  # expected calibration error over bins of equally many
    noise_floor: float  # of that error, for a model that is right
    intercept: float  # of the outcome's logit on the prediction's: 0 is right
    slope: float  # 1 is right; below, predictions are too extreme
    skill: float  # 1 − log loss over that of the base rate; 0 says nothing

    @property
    def error_over_noise(self) -> float:
        """About 1 for a model that is right."""
        return self.error / self.noise_floor


def auc(happened: Bools, predicted: Floats) -> float:
    """Chance that somebody to whom it happened had the higher prediction, ties by half (Mann and Whitney, 1947).

    Raises ValueError where it happened to nobody or to everybody.
    """
    yes = int(happened.sum())
    if not 0 < yes < len(happened):
        raise ValueError("happened: to nobody or to everybody")
    _, place, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    return float((rank[happened].sum() - yes * (yes + 1) / 2) / (yes * (len(happened) - yes)))


def losses(happened: Bools, predicted: Floats) -> Floats:
    """Negative log likelihoods, (n,)."""
    p = np.clip(predicted, _LEAST, 1 - _LEAST)
    return np.asarray(-np.where(happened, np.log(p), np.log1p(-p)))


def log_loss(happened: Bools, predicted: Floats) -> float:
    """Their mean."""
    return float(losses(happened, predicted).mean())


def calibration(happened: Bools, predicted: Floats, *, bins: int = BINS) -> Calibration:
    """Raises ValueError where it happened to nobody or to everybody."""
    rate = float(happened.mean())
    if not 0 < rate < 1:
        raise ValueError("happened: to nobody or to everybody")
    error, floor = 0.0, 0.0
    for part in np.array_split(np.argsort(predicted, kind="stable"), bins):
        if len(part):
            share, mean = len(part) / len(predicted), float(predicted[part].mean())
            error += share * abs(float(happened[part].mean()) - mean)
            floor += share * np.sqrt(2 / np.pi * mean * (1 - mean) / len(part))
    intercept, slope = logistic_line(logit(predicted), happened.astype(np.float64))
    base = log_loss(happened, np.full(len(happened), rate))
    return Calibration(error, float(floor), intercept, slope, 1 - log_loss(happened, predicted) / base)
