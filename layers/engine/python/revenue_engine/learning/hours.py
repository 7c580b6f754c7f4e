"""The hours of the week in which people click, from the mails of an org; judged on the newest of them before they are believed."""

from __future__ import annotations

import math

import numpy as np

from revenue_engine.arrays import Bools, Floats, Keys
from revenue_engine.draws import mix
from revenue_engine.learning.dataset import Dataset, Part
from revenue_engine.learning.gate import ONE_SIDED
from revenue_engine.learning.told import clicks_at_any_hour
from revenue_engine.pacing.curve import FLAT, Answers, population_curve
from revenue_engine.prediction.funnel import FunnelTables

_SALT = np.uint64(0x40_0125)


def fit_hours(data: Dataset, start: Floats | None, funnel: FunnelTables | None) -> tuple[Floats | None, dict[str, float]]:
    """The curve (168,) that everybody starts with, moved by all closed mails, where the old ones move it so that it surely tells the
    hours of the test's clicks better; else the start itself, unless it is surely worse than none; else None. And the figures of that.

    What is served by now plays no part: it has seen these mails, and moved by them once more would believe them twice. Of each half of
    the people the other half's curve is asked: somebody who clicks often and is mailed at nine by chance makes nine look good to whoever
    knows him. What mails would be clicked at any hour is what the `funnel` says, if there is one: on a poor day the engine mails others,
    and in another state, than on a good one.
    """
    before = FLAT if start is None else start
    old, test = (_answers(part, funnel) for part in (data.old, data.test))
    tested = []
    for one in (True, False):
        curve = population_curve(_where(old, _half(data.old) != one), before)
        mine = _half(data.test) == one
        tested.append(_gain(curve, before, _where(test, mine), data.test.person[mine]))
    gain, error = sum(gain for gain, _ in tested), math.hypot(*(error for _, error in tested))
    figures = {"hours_gain": gain, "hours_gain_error": error}
    if gain > ONE_SIDED * error:
        both = (np.concatenate([getattr(part, name) for part in (old, test)]) for name in Answers.__slots__)
        return population_curve(Answers(*both), before), figures
    if start is None:
        return None, figures
    gain, error = _gain(start, FLAT, test, data.test.person)
    return (None if gain < -ONE_SIDED * error else start), figures | {"hours_start_gain": gain}


def _gain(curve: Floats, other: Floats, asked: Answers, person: Keys) -> tuple[float, float]:
    """How much likelier the hours of the clicks are by one curve than by another, and the error of that. Of the hour of each click, given
    that there was one: levels play no part. Over people: each is mailed at hours of his own, so his clicks are no independent votes."""
    if not asked.expected.sum():
        return 0.0, 0.0
    gains = asked.clicked * (np.log(_likely(curve, asked)) - np.log(_likely(other, asked)))
    of_person = np.bincount(np.unique(person, return_inverse=True)[1].reshape(-1), gains)
    return float(gains.sum()), math.sqrt(float((of_person**2).sum()))


def _likely(curve: Floats, asked: Answers) -> Floats:
    """Of each mail's hour beside the others', (m,), to the same factor for all curves."""
    return np.asarray(curve[asked.hour] / max((asked.expected * curve[asked.hour]).sum(), 1e-300))


def _half(part: Part) -> Bools:
    """Whose mails they are: one half of the people, the same ones everywhere."""
    return np.asarray((mix(part.person ^ _SALT) & np.uint64(1)).astype(np.bool_))


def _answers(part: Part, funnel: FunnelTables | None) -> Answers:
    weight = part.rows.weight
    return Answers(part.hour, part.rows.clicked * weight, clicks_at_any_hour(funnel, part.rows) * weight)


def _where(answers: Answers, chosen: Bools) -> Answers:
    return Answers(*(getattr(answers, name)[chosen] for name in Answers.__slots__))
