"""The safe rule: one arm for everybody, another only where it is shown to be better.

Personalising by predicted revenue loses money on sparse rewards: the largest of several noisy predictions is mostly noise. So a
segment leaves the best fixed arm only when the difference there passes a one-sided 95 % test: z > 1.645 for one segment and one
other arm, and more for many of them, for among 24 tests one is passed by chance alone (Bonferroni).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from revenue_engine.arrays import Floats, Ints


def best_fixed(action: Ints, reward: Floats, propensity: Floats, *, arms: int) -> int:
    """The arm with the highest self-normalised mean reward over all rows."""
    weights = 1.0 / propensity
    played = np.bincount(action, weights, arms)
    means = np.bincount(action, weights * reward, arms) / np.where(played > 0, played, 1.0)
    return int(np.where(played > 0, means, -np.inf).argmax())


def safe_arms(
    action: Ints,
    reward: Floats,
    propensity: Floats,
    segment: Ints,
    *,
    arms: int,
    segments: int,
    base: int,
    confidence: float = 0.95,
) -> Ints:
    """The arm of each segment, (segments,): `base`, unless another beats it there, with `confidence` that no segment errs.

    Rows must be independent: one a person. Self-normalised means, with the standard errors of ratios; an arm or a base seen fewer
    than twice in a segment beats nothing.
    """
    least_z = NormalDist().inv_cdf(1 - (1 - confidence) / (segments * (arms - 1)))
    at, weights, size = segment * arms + action, 1.0 / propensity, segments * arms

    def per_cell(values: Floats) -> Floats:
        return np.asarray(np.bincount(at, values, size).reshape(segments, arms), dtype=np.float64)

    played = per_cell(weights)
    means = per_cell(weights * reward) / np.where(played > 0, played, 1.0)
    squares = per_cell((weights * (reward - means.ravel()[at])) ** 2) / np.where(played > 0, played, 1.0) ** 2
    seen = np.bincount(at, minlength=size).reshape(segments, arms) >= 2
    error = np.sqrt(squares + squares[:, [base]])
    gain = means - means[:, [base]]
    shown = seen & seen[:, [base]] & (error > 0) & (gain > least_z * error)
    z = np.where(shown, gain / np.where(error > 0, error, 1.0), -np.inf)
    return np.where(shown.any(axis=1), z.argmax(axis=1), base).astype(np.int64)
