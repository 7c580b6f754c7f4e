"""Markets of offers for `benchmarks.bandit`: clicks come in, some convert, late; offers end and others take their place.

Nothing here has the form that the engine assumes: delays are a log-normal of minutes, a next day and an exponential tail, and the
rates of offers, segments and cells are log-normal. A click's segment, its conversion and its delay are drawn from its offer alone, so
that two choosers on one seed meet the same market.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.records.evidence import SEGMENTS

STEPS = 4  # a day: how often posteriors are looked at again
BINS = np.array([1 / 24, 1.0, 3.0, 7.0, np.inf])  # days from click to conversion, as evidence would count them
_SHARES = np.array([0.2, 0.25, 0.2, 0.2, 0.15])  # of clicks, by segment


@dataclass(frozen=True, slots=True)
class Market:
    """What a kind of market is like."""

    name: str
    days: int
    clicks_per_day: float
    offers: int = 12  # live at a time
    categories: int = 4
    life_days: float = 30.0  # mean, exponential, of an offer
    offer_spread: float = 0.6  # of log rates within a category
    payout_spread: float = 0.5  # of log payouts
    segment_spread: float = 0.3
    cell_spread: float = 0.15
    fast: tuple[float, float] = (0.55, 0.8)  # share of conversions within minutes, evenly over categories
    tail_days: tuple[float, float] = (1.0, 2.0)
    late_day: int | None = None  # two offers alike but for their rates, the better of which comes on this day


@dataclass(frozen=True, slots=True)
class Offers:
    """Every offer of a market's time, O of them."""

    category: Ints  # (O,)
    begins: Ints  # (O,) step
    ends: Ints  # (O,)
    payout: Floats  # (O,) dollars
    rate: Floats  # (S, O) conversions per click
    fast: Floats  # (O,)
    tail_days: Floats

    def live(self, step: int) -> Bools:
        """Which may be chosen, (O,)."""
        return (self.begins <= step) & (step < self.ends)


def drawn(market: Market, seed: int) -> Offers:
    """The offers of one seed."""
    random = np.random.default_rng([seed, 1])
    steps = market.days * STEPS
    if market.late_day is not None:
        return Offers(
            category=np.zeros(2, np.int64),
            begins=np.array([0, market.late_day * STEPS]),
            ends=np.full(2, steps),
            payout=np.full(2, 20.0),
            rate=np.repeat([[0.010, 0.014]], len(SEGMENTS), axis=0),
            fast=np.full(2, market.fast[0]),
            tail_days=np.full(2, market.tail_days[0]),
        )
    slot, begins, ends = [], [], []
    for place in range(market.offers):
        at = 0
        while at < steps:
            life = max(int(random.exponential(market.life_days * STEPS)), STEPS)
            slot.append(place)
            begins.append(at)
            ends.append(at + life)
            at += life
    n = len(slot)
    category = np.array(slot) % market.categories
    level = 0.02 * np.exp(0.4 * random.standard_normal(market.categories))
    segment = np.exp(market.segment_spread * random.standard_normal(len(SEGMENTS)))
    offer = np.exp(market.offer_spread * random.standard_normal(n))
    cell = np.exp(market.cell_spread * random.standard_normal((len(SEGMENTS), n)))
    return Offers(
        category=category,
        begins=np.array(begins),
        ends=np.array(ends),
        payout=25.0 * np.exp(market.payout_spread * random.standard_normal(n)),
        rate=np.minimum(level[category] * offer * segment[:, None] * cell, 0.5),
        fast=random.uniform(*market.fast, market.categories)[category],
        tail_days=random.uniform(*market.tail_days, market.categories)[category],
    )


def delays(offers: Offers, offer: Ints, random: np.random.Generator) -> Floats:
    """Days from click to conversion, (n,): log-normal minutes, the next day, or an exponential tail."""
    n = len(offer)
    kind = random.random(n)
    fast = offers.fast[offer]
    minutes = np.exp(np.log(20.0) + 1.0 * random.standard_normal(n)) / 1_440
    next_day = 1.0 + 0.2 * random.standard_normal(n)
    tail = random.exponential(1.0, n) * offers.tail_days[offer]
    return np.where(kind < fast, minutes, np.where(kind < fast + 0.1, np.abs(next_day), tail))


@dataclass
class Seen:
    """What a chooser may know: counts by day of the click, offer and segment."""

    clicks: Ints  # (D, O, S)
    conversions: Ints  # (D, O, S) that have come
    by_delay: Ints  # (D, O, B) the same by how long they took
    coming: dict[int, list[tuple[npt.NDArray[np.intp], ...]]] = field(default_factory=dict)

    @classmethod
    def nothing(cls, market: Market, offers: Offers) -> Seen:
        """Before the first click."""
        shape = (market.days, len(offers.category), len(SEGMENTS))
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros((*shape[:2], len(BINS)), np.int64))

    def arrive(self, step: int) -> None:
        """The conversions that have come before this step."""
        for day, offer, segment, took in self.coming.pop(step, ()):
            np.add.at(self.conversions, (day, offer, segment), 1)
            np.add.at(self.by_delay, (day, offer, took), 1)


def clicked(market: Market, offers: Offers, seen: Seen, shares: Floats, step: int, seed: int) -> None:
    """A step's clicks go to offers by these shares, (S, O); what they will bring is drawn."""
    random = np.random.default_rng([seed, 2, step])
    per_segment = random.poisson(market.clicks_per_day / STEPS * _SHARES)
    segment = np.repeat(np.arange(len(SEGMENTS)), per_segment)
    n = len(segment)
    if not n:
        return
    ticket, luck, within = random.random(n), random.random(n), random.random(n)
    offer = np.minimum((np.cumsum(shares, axis=1)[segment] <= ticket[:, None]).sum(axis=1), shares.shape[1] - 1)
    day = step // STEPS
    np.add.at(seen.clicks, (np.full(n, day), offer, segment), 1)
    took = delays(offers, offer, random)
    sold = luck < offers.rate[segment, offer]
    due = np.floor(step + within + took * STEPS).astype(np.int64) + 1
    for at in np.unique(due[sold]):
        those = np.flatnonzero(sold & (due == at))
        bins = np.searchsorted(BINS, took[those])
        seen.coming.setdefault(int(at), []).append((np.full(len(those), day), offer[those], segment[those], bins))


def worth(offers: Offers, shares: Floats, step: int) -> tuple[float, float]:
    """Expected dollars of a click under these shares, and under the best live offer of each segment."""
    value = offers.rate * offers.payout
    best = np.where(offers.live(step), value, 0.0).max(axis=1)
    return float(_SHARES @ (shares * value).sum(axis=1)), float(_SHARES @ best)
