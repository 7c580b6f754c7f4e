"""How far the chances of an offer's mails are off by now: what came of the last weeks' mails against what they were expected to bring.

A model is of last week, and its sales of a fortnight before. Offers wander, arrive and wear out meanwhile. The mails since tell: each
counts as much as would have been told of it by now, so that a young one is no failure (survival weighting; Chapelle, "Modeling delayed
feedback in display advertising", KDD 2014), and fades with its age: a Gamma-Poisson filter with discounts (Smith and Miller, "A
non-Gaussian state space model and application to prediction of records", JRSS B 48, 1986). Expectations are today's, of yesterday's
mails: what the tables have learned in between is then not learned twice. D days, O offers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints

FEWEST, MOST, UNKNOWN = 5.0, 1_000.0, 50.0  # limits of how many events an offer's agreement with the others is worth
DAY_ERROR, DAY_ERROR_DAYS = 0.05, 7.0  # of a day as a whole, before days have shown theirs, and how many days that is worth
PAYOUT_SALES = 50.0  # what it takes to believe that
_MAD = 1.4826  # of a median distance, to a normal's standard deviation
MISSED_DAYS = 7.0  # what a forecast that misses nothing is worth


@dataclass(frozen=True, slots=True)
class Level:
    """Of each offer, (O,)."""

    factor: Floats  # of its chances
    error: Floats  # standard error of that, as a share


def told_by(lag_days: Ints, stood: int, most_days: int) -> Floats:
    """(most_days + 1,) events told by so many days after their cause, per event that stood in the end.

    Parameters
    ----------
    lag_days
        (m,) of all events told of causes that are old enough, also of those taken back later: the share may exceed one.
    stood
        How many of them have not been taken back.
    """
    counts = np.bincount(np.clip(lag_days, 0, most_days), minlength=most_days + 1)
    return np.asarray(np.cumsum(counts) / max(stood, 1), dtype=np.float64) if len(lag_days) else np.ones(most_days + 1)


def track(events: Floats, expected: Floats, *, fading: float, own_fading: float) -> Level:
    """The level after the last of these days.

    Parameters
    ----------
    events, expected
        (D, O) told of each day's mails by now, and expected to be told by now.
    fading, own_fading
        What a day is worth a day later, for all offers together and for one.
    """
    age = np.arange(len(events))[::-1, None]
    seen, due = ((own_fading**age * counts).sum(axis=0) for counts in (events, expected))
    all_seen, all_due = (float((fading**age * counts).sum()) for counts in (events, expected))
    common = (all_seen + UNKNOWN) / (all_due + UNKNOWN)
    strength = _strength(seen, due * common)
    # the gamma posterior's mean, and its standard deviation over it
    return Level(
        factor=(seen + strength * common) / (due + strength),
        error=np.sqrt(1.0 / (seen + strength) + 1.0 / (all_seen + UNKNOWN)),
    )


def of_weekdays(events: Floats, expected: Floats, weekday: Ints) -> Floats:
    """(7,) factors by which weekdays differ from what is expected of them, beside what all days differ: people read more on some.

    Each day is held against the median of the seven around it, for levels wander; a weekday's factor is the median of its days, so that
    a burst is not taken for a habit, drawn towards 1 by as much as days of one name scatter (empirical Bayes on logarithms).

    (D,) events told of each day's mails by now, expected to be told by now, and the days' weekdays.
    """
    known = np.flatnonzero((events > 0) & (expected > 0))
    if len(known) < 2 * 7:
        return np.ones(7)
    logs = np.log(events[known] / expected[known])
    around = [np.median(logs[max(place - 3, 0) : place + 4]) for place in range(len(logs))]
    beside = logs - around
    days = [beside[weekday[known] == name] for name in range(7)]
    middle = np.array([np.median(own) if len(own) else 0.0 for own in days])
    scatter = np.median(np.abs(beside - middle[weekday[known]])) * _MAD
    noise = scatter**2 / np.maximum([len(own) for own in days], 1)
    between = max(float((middle**2 - noise).mean()), 0.0)
    return np.asarray(np.exp(middle * between / np.maximum(between + noise, 1e-12)))


def payout_level(paid: Floats, expected: Floats) -> float:
    """The factor by which conversions paid more than was expected of them, (n,) each, drawn towards 1."""
    return (
        float((paid.sum() + PAYOUT_SALES * expected.mean()) / (expected.sum() + PAYOUT_SALES * expected.mean()))
        if len(paid)
        else 1.0
    )


def product(one: Level, other: Level) -> Level:
    """Of a chance that is the product of two."""
    return Level(one.factor * other.factor, np.hypot(one.error, other.error))


def missed(events: Floats, expected: Floats) -> float:
    """The factor by which whole days' forecasts were off: the arms that are chosen are those that were lucky, and nothing fitted to the
    same luck shows it. The median of days, so that one broken page or one new offer is not taken for all, drawn towards 1.

    (D,) events told by now of each day's mails, and what had been expected on its morning to be told of them by now.
    """
    known = expected > 0
    if not known.any():
        return 1.0
    middle = float(np.median(events[known] / expected[known]))
    days = float(known.sum())
    return (days * middle + MISSED_DAYS) / (days + MISSED_DAYS)


def day_error(events: Floats, expected: Floats) -> float:
    """What whole days were off beyond chance, as a share: (D,) events told by now of each day's mails, and what had been expected on
    its morning to be told of them by now."""
    squares = DAY_ERROR_DAYS * DAY_ERROR**2 + float(
        (((events - expected) ** 2 - expected) / np.maximum(expected, 1.0) ** 2).sum()
    )
    return float(np.sqrt(max(squares / (DAY_ERROR_DAYS + len(events)), 0.0)))


def of_groups(level: Level, expected_micros: Floats, common: float) -> Floats:
    """(G,) standard error of each group's level, from what it expects of each offer, (G, O): offers err for themselves, the day errs
    for all."""
    total = np.maximum(expected_micros.sum(axis=1), 1e-12)
    return np.asarray(np.sqrt(((expected_micros / total[:, None] * level.error) ** 2).sum(axis=1) + common**2))


def _strength(seen: Floats, due: Floats) -> float:
    """k of a Gamma(k, k) prior of ratios, by moments: Var(seen) = due + due² / k."""
    known = due > 1.0
    if known.sum() < 2:
        return UNKNOWN
    excess = float(((seen - due) ** 2 - due)[known].sum())
    return float(np.clip((due[known] ** 2).sum() / excess, FEWEST, MOST)) if excess > 0 else MOST
