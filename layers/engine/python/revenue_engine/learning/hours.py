"""The hours of the week in which people click, from the mails of an org; judged on the newest of them before they are believed."""

from __future__ import annotations

import math

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.draws import mix
from revenue_engine.learning.dataset import Dataset, Part
from revenue_engine.learning.gate import ONE_SIDED
from revenue_engine.pacing.curve import Answers, population_curve

_SALT = np.uint64(0x40_0125)


def fit_hours(data: Dataset, served: Floats | None) -> tuple[Floats | None, dict[str, float]]:
    """The curve (168,) of all closed mails where curves of the old ones surely tell the hours of the test's clicks better than no curve;
    else the one that is `served`, unless it is surely worse than none; else None. And the figures of that.

    Of each half of the people the other half's curve is asked: somebody who clicks often and is mailed at nine by chance makes nine look
    good to whoever knows him.
    """
    old, test = _half(data.old), _half(data.test)
    tested = [
        _gain(population_curve(_answers(data.old.where(old != one))), data.test.where(test == one)) for one in (True, False)
    ]
    gain, error = sum(gain for gain, _ in tested), math.hypot(*(error for _, error in tested))
    figures = {"hours_gain": gain, "hours_gain_error": error}
    if gain > ONE_SIDED * error:
        both = (np.concatenate([getattr(_answers(part), name) for part in (data.old, data.test)]) for name in Answers.__slots__)
        return population_curve(Answers(*both)), figures
    if served is None:
        return None, figures
    gain, error = _gain(served, data.test)
    return (None if gain < -ONE_SIDED * error else served), figures | {"hours_served_gain": gain}


def _gain(curve: Floats, test: Part) -> tuple[float, float]:
    """How much likelier the hours of the clicks are by the curve than by none, and the error of that. Of the hour of each click, given
    that there was one: levels play no part. Over people: each is mailed at hours of his own, so his clicks are no independent votes."""
    asked = _answers(test)
    expected = asked.expected.sum()
    if not expected:
        return 0.0, 0.0
    gains = asked.clicked * np.log(curve[asked.hour] * (expected / max((asked.expected * curve[asked.hour]).sum(), 1e-300)))
    of_person = np.bincount(np.unique(test.person, return_inverse=True)[1].reshape(-1), gains)
    return float(gains.sum()), math.sqrt(float((of_person**2).sum()))


def _half(part: Part) -> Bools:
    """Whose mails they are: one half of the people, the same ones everywhere."""
    return np.asarray((mix(part.person ^ _SALT) & np.uint64(1)).astype(np.bool_))


def _answers(part: Part) -> Answers:
    weight = part.rows.weight
    return Answers(part.hour, part.rows.clicked * weight, part.rows.p_click * weight)
