"""Worlds whose next week is known: eight weeks of log, the twin's band for the ninth, what the ninth brought, and an oracle's band.

Policies: at random, each person with the same chance every day; and blasts, one offer to nearly all on two or three days of the week.
Both have a rhythm by weekday, a trend and a scatter of volume of their own. The truth is what the ninth week's conversions were worth
months later, when all approvals and reversals were told. The oracle knows every mail of the week and all true chances, and nothing of
luck: its band is the scatter of counts and amounts alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.logs.columns import Columns
from workbench.simulation.twin import Refusal, money
from workbench.simulation.twin.forecast import BAND, forecast_of
from workbench.simulation.twin.parts import DAYS
from workbench.simulation.worlds import Kind, Mailing, Observables, World, named
from workbench.simulation.worlds.events import DAY, DayEvents
from workbench.simulation.worlds.logging import Recorder
from workbench.simulation.worlds.sales import STAYS
from workbench.simulation.worlds.spec import CONTENTS

SUBSCRIBERS, LOG_DAYS, SETTLING_DAYS = 20_000, 56, 100
ORACLE_DRAWS = 2_000
_BEFORE = 28  # days before the week whose mails may still bring something in it
_NOBODY = np.zeros(0, dtype=np.int64)
Policy = Callable[[Observables, int], Mailing]


def at_random(random: np.random.Generator) -> Policy:
    """Offers evenly among those that run."""
    share, growth, rhythm = random.uniform(0.2, 0.5), random.uniform(-0.04, 0.04) / 7, random.uniform(0.6, 1.4, 7)

    def mail(seen: Observables, day: int) -> Mailing:
        chance = share * np.exp(growth * day) * rhythm[day % 7] * random.lognormal(0.0, 0.1)
        who = np.flatnonzero(seen.mailable & (random.random(len(seen.ids)) < chance))
        return _mailing(who, random.choice(np.flatnonzero(seen.offer_running), len(who)), random)

    return mail


def blasts(random: np.random.Generator) -> Policy:
    """One offer a blast, by chance."""
    days = random.choice(7, random.integers(2, 4), replace=False)
    share, growth = random.uniform(0.6, 0.9), random.uniform(-0.04, 0.04) / 7

    def mail(seen: Observables, day: int) -> Mailing:
        if day % 7 not in days:
            return Mailing(_NOBODY, _NOBODY, _NOBODY, _NOBODY)
        chance = share * np.exp(growth * day) * random.lognormal(0.0, 0.1)
        who = np.flatnonzero(seen.mailable & (random.random(len(seen.ids)) < chance))
        return _mailing(who, np.full(len(who), random.choice(np.flatnonzero(seen.offer_running))), random)

    return mail


POLICIES = {"at random": at_random, "blasts": blasts}
WORLDS = ("default", "fatigued", "drifting")


def _mailing(who: Ints, offer: Ints, random: np.random.Generator) -> Mailing:
    return Mailing(who, offer, random.integers(0, CONTENTS, len(who)), random.integers(6, 23, len(who)))


@dataclass(frozen=True)
class Week:
    """The ninth week of one world, in micros."""

    truth: int
    low: int
    expected: int
    high: int
    oracle_low: float
    oracle_high: float

    @property
    def inside(self) -> bool:
        """Whether the twin's band holds the truth."""
        return self.low <= self.truth <= self.high

    @property
    def oracle_inside(self) -> bool:
        """Whether the oracle's does."""
        return self.oracle_low <= self.truth <= self.oracle_high

    @property
    def width(self) -> float:
        """Of the twin's band over the oracle's."""
        return (self.high - self.low) / (self.oracle_high - self.oracle_low)


def play(name: str, policy: str, seed: int, subscribers: int = SUBSCRIBERS) -> Week | Refusal:
    """One world of this name and seed under a policy."""
    world, random = World(named(name), seed, subscribers), np.random.default_rng([seed, len(policy)])
    recorder, mail = Recorder(world), POLICIES[policy](random)
    known = _Known()
    for day in range(LOG_DAYS):
        recorder.take(_step(world, mail(world.observables(day), day), known))
    log, now = recorder.columns(), recorder.now
    told = forecast_of(log, now=now, random=np.random.default_rng(seed))
    if isinstance(told, Refusal):
        return told
    for day in range(LOG_DAYS, LOG_DAYS + DAYS):
        recorder.take(_step(world, mail(world.observables(day), day), known))
    for day in range(LOG_DAYS + DAYS, LOG_DAYS + DAYS + SETTLING_DAYS):
        recorder.take(world.step(day, Mailing(_NOBODY, _NOBODY, _NOBODY, _NOBODY)))
    end = recorder.columns()
    week = (end.sale_at > now) & (end.sale_at <= now + DAYS * DAY)
    low, high = np.quantile(_oracle(world, known, log, now, random), [(1 - BAND) / 2, (1 + BAND) / 2])
    truth = int(end.approved_micros[week].sum())
    return Week(truth, told.low_micros, told.expected_micros, told.high_micros, float(low), float(high))


class _Known:
    """What the oracle knows: true chances of each mail, and how long conversions really take."""

    def __init__(self) -> None:
        self.chance: list[Floats] = []
        self.offer: list[Ints] = []
        self.day: list[Floats] = []
        self.sales: list[DayEvents] = []


def _step(world: World, mailing: Mailing, known: _Known) -> DayEvents:
    if world.day >= LOG_DAYS - _BEFORE:
        chances = world.truth.chances(mailing.who, mailing.offer, mailing.content, mailing.hour)
        known.chance.append(chances.click * chances.convert)
        known.offer.append(mailing.offer)
        known.day.append(world.day + (mailing.hour + 0.5) / 24)
    told = world.step(world.day, mailing)
    known.sales.append(told.of(Kind.CONVERSION))
    return told


def _oracle(world: World, known: _Known, log: Columns, now: float, random: np.random.Generator) -> Floats:
    """(ORACLE_DRAWS,) micros: Poisson counts of mails by their chances, delays and baskets as they were in this world."""
    chance, offer, day = (np.concatenate(parts) for parts in (known.chance, known.offer, known.day))
    offers = world.commons.offers
    count = int(random.poisson(chance.sum() * ORACLE_DRAWS))
    draw = random.integers(0, ORACLE_DRAWS, count)
    mail = np.searchsorted(np.cumsum(chance) / chance.sum(), random.random(count))
    delays = np.concatenate([sales.at / DAY - sales.sent_day - 0.6 for sales in known.sales])
    baskets = np.concatenate([sales.sale_micros for sales in known.sales])
    at = day[mail] + np.maximum(random.choice(delays, count), 0.0)
    which = offer[mail]
    paid = np.where(
        offers.payout_micros[which] > 0, offers.payout_micros[which], offers.share[which] * random.choice(baskets, count)
    )
    counts = (at >= LOG_DAYS) & (at < LOG_DAYS + DAYS) & (random.random(count) >= world.spec.reversed)
    total = np.asarray(np.bincount(draw[counts], paid[counts], ORACLE_DRAWS), dtype=np.float64)
    due = money.rebills(log, money.sort(log), now, DAYS)
    for micros, one in zip(due.micros.tolist(), log.sale_offer[due.line].tolist(), strict=True):
        total += micros * (random.random(ORACLE_DRAWS) < STAYS * offers.rebills[one])
    return total
