"""When in his week a person answers. Shapes: n people, K moments, 168 hours of the reader's own week from Monday 0:00, PARTS of his day.

A curve is a factor on the chance of a click, about 1 on average. It is the population's, weekdays times hours, with a bump around the
hour a person has declared, times what his own clicks say of the parts of his day. Hours say when on a day he is mailed; weekdays, what a
mail is worth on it (`pacing.price`), for on which of them he is mailed depends on who else wants the day's places. Clicks of the mails
that left in an hour are held against what those mails would have been clicked anyway, so that being mailed often at nine is no taste for
nine:

    factor[h] = (strength + clicks[h]) / (strength + expected clicks[h])

(Gamma-Poisson: `strength` is one over the relative variance that factors have beforehand). The population's counts are smoothed over
neighbouring hours and like hours of other days; a person's are counted by part of the day, in the packed row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints
from revenue_engine.records.batch import Batch
from revenue_engine.records.subscriber import PART_HOURS, PARTS

HOURS = 168
STRENGTH = 40.0  # of a part of the day: a handful of clicks must not outweigh what is known beforehand (decisions/0035)
POPULATION_STRENGTH = 20.0  # expected clicks of a weekday, and within the kernel's reach
NEAR_HOURS = 2.0  # deviation of the kernel
OTHER_DAYS = 0.5  # weight of the same hour on another day
DECLARED_SHARE = 0.5  # of the week's clicks that belong to the declared hour's bump
DECLARED_HOURS = 2.5  # and its deviation
LEAST = 0.1  # no hour is worth nothing: nobody would ever find out
NOT_DECLARED = -1
FLAT: Floats = np.ones(HOURS)
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Answers:
    """Mails that left, (m,) each."""

    hour: Positions  # of the reader's week, in which it left
    clicked: Floats  # clicks, weighted as the reader likes
    expected: Floats  # chance of a click whatever the hour, weighted alike


@dataclass(frozen=True, slots=True)
class Week:
    """What is known of people's weeks before their own clicks."""

    prior: Floats  # (25, 168) hours of each day, its mean 1: by declared hour, the last row for none
    parts: Floats  # (25, PARTS) its means
    days: Floats  # (7,) Monday first, mean 1

    @property
    def is_flat(self) -> bool:
        """Whether nothing is known of the hours of who has declared nothing."""
        return bool((self.prior[NOT_DECLARED] == 1.0).all())


def population_curve(answers: Answers, before: Floats = FLAT) -> Floats:
    """What all people have in common, (168,); `before` without evidence. A level that is off is no taste."""
    # an hour is smoothed over other days, which would level these
    return _moved(weekdays(answers, before), answers, _KERNEL)


def weekdays(answers: Answers, before: Floats = FLAT) -> Floats:
    """The same, (168,), of days alone: hours stay to each other as they were."""
    return _moved(before, answers, _SAME_DAY)


def _moved(before: Floats, answers: Answers, alike: Floats) -> Floats:
    """A curve after these mails: each hour by the clicks of the hours that are `alike`, (168, 168) weights."""
    anyway = answers.expected * before[answers.hour]
    total = anyway.sum()
    level = answers.clicked.sum() / total if total else 1.0
    # sums in one order, not a matrix product's: the same mails make the same bytes in every process
    clicked, expected = ((alike * np.bincount(answers.hour, of, HOURS)).sum(axis=1) for of in (answers.clicked, level * anyway))
    found = np.maximum(before * (POPULATION_STRENGTH + clicked) / (POPULATION_STRENGTH + expected), LEAST)
    return np.asarray(found / found.mean())


def week(population: Floats) -> Week:
    """The population's curve (168,) with the bumps of declared hours."""
    hours = np.arange(HOURS) % 24
    away = np.abs(hours[None, :] - np.arange(24)[:, None])
    bump = np.exp(-0.5 * (np.minimum(away, 24 - away) / DECLARED_HOURS) ** 2)  # (24, 168)
    bump /= bump.mean(axis=1, keepdims=True)
    declared = np.concatenate([1.0 - DECLARED_SHARE + DECLARED_SHARE * bump, np.ones((1, HOURS))])
    by_day = population.reshape(7, 24)
    days = by_day.mean(axis=1)
    # beside the day's first hour: where a day's hours are alike, none is better by a rounding than another
    prior = (by_day / by_day[:, :1]).reshape(HOURS) * declared
    prior = prior.reshape(25, 7, 24)
    prior /= prior.mean(axis=2, keepdims=True)
    by_part = prior.reshape(25, 7, PARTS, PART_HOURS).mean(axis=(1, 3))
    return Week(prior.reshape(25, HOURS), by_part, days / days.mean())


@dataclass(frozen=True, slots=True)
class Taste:
    """People's weeks, of n rows."""

    week: Week
    peak_hour: Ints  # (n,) declared, 0..23 in the reader's zone, or NOT_DECLARED
    own: Floats  # (n, PARTS) what their own clicks say

    def take(self, rows: Positions) -> Taste:
        """These rows alone."""
        return Taste(self.week, self.peak_hour[rows], self.own[rows])

    def at(self, hour: Ints) -> Floats:
        """Factors of hours of the reader's week beside others of their day, (n, K) of (n, K)."""
        rows = np.arange(len(hour))[:, None]
        return np.asarray(self.week.prior[self.peak_hour[:, None], hour] * self.own[rows, hour % 24 // PART_HOURS])

    @property
    def matters(self) -> Positions:
        """Rows for whom one hour is not like another."""
        known = (self.peak_hour != NOT_DECLARED) | np.any(self.own != 1.0, axis=1) | (not self.week.is_flat)
        return np.flatnonzero(known)


def taste_of(batch: Batch, known: Week) -> Taste:
    """What rows say of their people's hours. A row's own sums do not depend on the others'."""
    peak = batch.column("peak_hour").astype(np.int64)
    mails, clicks = (batch.column(name).astype(np.float64) for name in ("hour_mails", "hour_clicks"))
    anyway = known.parts[peak] * mails
    rate = clicks.sum(axis=1) / np.maximum(anyway.sum(axis=1), 1.0)  # 0 of who never clicked: he has said nothing of hours
    return Taste(known, peak, (STRENGTH + clicks) / (STRENGTH + rate[:, None] * anyway))


def dump(population: Floats) -> bytes:
    """A population's curve as JSON."""
    return json.dumps({"hours": population.tolist()}, separators=(",", ":"), allow_nan=False).encode()


def load(raw: bytes) -> Floats:
    """The curve of these bytes. Raises ValueError for what is none."""
    document = json.loads(raw)
    hours = np.array(document["hours"] if isinstance(document, dict) and set(document) == {"hours"} else None, dtype=np.float64)
    if hours.shape != (HOURS,) or not (np.isfinite(hours).all() and (hours > 0).all()):
        raise ValueError("hours: 168 positive numbers")
    return hours


def _kernel() -> Floats:
    """Weights of hours for each other, (168, 168): 1 for the hour itself."""
    hour = np.arange(HOURS)
    away = np.abs(hour[:, None] - hour[None, :])
    of_day = np.minimum(away % 24, 24 - away % 24)
    same_day = np.minimum(away, HOURS - away) < 12
    return np.asarray(np.exp(-0.5 * (of_day / NEAR_HOURS) ** 2) * np.where(same_day, 1.0, OTHER_DAYS))


_KERNEL = _kernel()
_SAME_DAY = np.eye(7).repeat(24, axis=0).repeat(24, axis=1)
