"""When in his week a person answers. Shapes: n people, 168 hours of the reader's own week from Monday 0:00.

A curve is a factor on the chance of a click, 1 on average over the week. Clicks of the mails that left in an hour are held against what
those mails would have been clicked at factor 1, so that being mailed often at nine is no taste for nine:

    factor[i, h] = (STRENGTH · prior[i, h] + clicks[i, h]) / (STRENGTH + expected clicks[i, h])

(Gamma-Poisson), both smoothed over neighbouring hours and like hours of other days. The prior is the population's curve, which is fitted
the same way towards 1, with a bump around the hour a person has declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints
from revenue_engine.pacing.hours import Zones
from revenue_engine.records.zones import ZONES

HOURS = 168
STRENGTH = 6.0  # expected clicks, within a kernel's reach, that a person's prior is worth
POPULATION_STRENGTH = 20.0
NEAR_HOURS = 2.0  # deviation of the kernel
OTHER_DAYS = 0.5  # weight of the same hour on another day
DECLARED_SHARE = 0.5  # of the week's clicks that belong to the declared hour's bump
DECLARED_HOURS = 2.5  # and its deviation
LEAST = 0.1  # no hour is worth nothing: nobody would ever find out


@dataclass(frozen=True, slots=True)
class Answers:
    """Mails that left, (m,) each."""

    row: npt.NDArray[np.intp]  # position of the person
    hour: npt.NDArray[np.intp]  # of the reader's week, in which it left
    clicked: Floats  # 0 or 1, faded as the reader likes
    expected: Floats  # its chance of a click at factor 1, faded alike


def population_curve(answers: Answers) -> Floats:
    """What all people have in common, (168,); 1 everywhere without evidence."""
    everybody = Answers(np.zeros_like(answers.row), answers.hour, answers.clicked, answers.expected)
    return np.asarray(_curves(everybody, np.ones((1, HOURS)), POPULATION_STRENGTH)[0])


def send_time_curves(answers: Answers, population: Floats, peak_hour: npt.NDArray[np.int16]) -> Floats:
    """Everybody's curve, (n, 168).

    Parameters
    ----------
    population
        (168,) of `population_curve`.
    peak_hour
        (n,) declared, 0..23 in the reader's zone, -1 when not declared.
    """
    hours = np.arange(HOURS) % 24
    away = np.abs(hours[None, :] - np.arange(24)[:, None])
    bump = np.exp(-0.5 * (np.minimum(away, 24 - away) / DECLARED_HOURS) ** 2)  # (24, 168)
    bump /= bump.mean(axis=1, keepdims=True)
    declared = np.concatenate([1.0 - DECLARED_SHARE + DECLARED_SHARE * bump, np.ones((1, HOURS))])[peak_hour]  # -1 is the last
    prior = population * declared
    return _curves(answers, prior / prior.mean(axis=1, keepdims=True), STRENGTH)


def ahead(curves: Floats, zones: Zones, offset: Ints, *, start: int, hours: int) -> Floats:
    """The curves in the hours to come, (n, H): hour h is the reader's own at `start` + h hours + his offset.

    Parameters
    ----------
    offset
        (n,) seconds into the hour.
    start
        Epoch seconds of a full UTC hour.
    """
    numbers, of_row = np.unique(zones, return_inverse=True)
    quarter = offset // 900  # no zone is off the hour by less than a quarter
    local = np.array([_local_hours(ZONES[number], start, hours) for number in numbers])  # (Z, 4, H)
    hour = local.reshape(len(numbers), 4, hours)[of_row.reshape(-1), quarter]
    return np.take_along_axis(curves, hour, axis=1)


@lru_cache(maxsize=1_024)
def _local_hours(zone: str, start: int, hours: int) -> npt.NDArray[np.intp]:
    """The hour of the week in which each quarter of each hour lies there, (4, H)."""
    tz = ZoneInfo(zone)
    found = np.empty((4, hours), dtype=np.intp)
    for quarter in range(4):
        for h in range(hours):
            at = datetime.fromtimestamp(start + 3_600 * h + 900 * quarter, tz)
            found[quarter, h] = at.weekday() * 24 + at.hour
    return found


def _curves(answers: Answers, prior: Floats, strength: float) -> Floats:
    clicked, expected = (_smoothed(answers, of, len(prior)) for of in (answers.clicked, answers.expected))
    factor = np.maximum((strength * prior + clicked) / (strength + expected), LEAST)
    return np.asarray(factor / factor.mean(axis=1, keepdims=True))


def _smoothed(answers: Answers, values: Floats, rows: int) -> Floats:
    """Sums by person and hour, within the kernel's reach, (n, 168)."""
    flat = np.bincount(answers.row * HOURS + answers.hour, values, rows * HOURS)
    return np.asarray(flat.reshape(rows, HOURS) @ _KERNEL)


def _kernel() -> Floats:
    """Weights of hours for each other, (168, 168): 1 for the hour itself."""
    hour = np.arange(HOURS)
    away = np.abs(hour[:, None] - hour[None, :])
    of_day = np.minimum(away % 24, 24 - away % 24)
    same_day = np.minimum(away, HOURS - away) < 12
    return np.asarray(np.exp(-0.5 * (of_day / NEAR_HOURS) ** 2) * np.where(same_day, 1.0, OTHER_DAYS))


_KERNEL = _kernel()
