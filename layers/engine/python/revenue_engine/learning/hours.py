"""The hours of the week in which people click, from the mails of an org; judged on the newest of them before they are believed."""

from __future__ import annotations

import math

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.learning.dataset import Dataset, Part
from revenue_engine.learning.gate import ONE_SIDED
from revenue_engine.pacing.curve import Answers, population_curve


def fit_hours(data: Dataset) -> tuple[Floats | None, dict[str, float]]:
    """The curve (168,) of all closed mails, or None where the curve of the old ones does not tell the hours of the test's clicks
    better than no curve, surely; and the figures of that."""
    old, test = _answers(data.old), _answers(data.test)
    curve = population_curve(old)
    expected = test.expected.sum()
    # of the hour of each click, given that there was one: levels play no part
    gains = test.clicked * np.log(curve[test.hour] * (expected / max((test.expected * curve[test.hour]).sum(), 1e-300)))
    error = math.sqrt(float((gains**2).sum()))
    figures = {"hours_gain": float(gains.sum()), "hours_gain_error": error}
    if not expected or gains.sum() <= ONE_SIDED * error:
        return None, figures
    both = (np.concatenate([getattr(part, name) for part in (old, test)]) for name in Answers.__slots__)
    return population_curve(Answers(*both)), figures


def _answers(part: Part) -> Answers:
    weight = part.rows.weight
    return Answers(part.hour, part.rows.clicked * weight, part.rows.p_click * weight)
