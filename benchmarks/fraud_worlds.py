"""Streams of conversions with fraud in them, for `benchmarks.fraud`. n conversions, O offers, D days; times are seconds, money micros.

Nothing here has the form that the detectors assume: days differ by a wandering Laplace noise, weekdays and seasons, sales are baskets
from a price list, delays are shifted gammas with a share of people whose telephone fills in the form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints

HOUR, DAY = 3_600, 86_400
Rows = dict[str, Any]  # columns by name, (n,) each
OFFERS, DAYS = 40, 60
HONEST = "honest"
KINDS = (
    HONEST,
    "replayed postback",
    "forged id",
    "instant conversion",
    "conversion before click",
    "payout of 5 to 10 times",
    "other payout than agreed",
    "second conversion id",
    "one mail farmed",
    "one person farmed",
    "mail clicked by a machine",
    "burst of an offer",
)
NUMBER = {name: number for number, name in enumerate(KINDS)}
SHARE = 0.001  # of honest conversions, that each kind is injected with


@dataclass(frozen=True)
class Offers:
    """(O,) each."""

    price: Ints  # catalogue payout in micros on the first day, 0 = a share of the sale
    raised_on: Ints  # day on which a fixed price goes up, DAYS = never
    raised_to: Ints
    rate: Floats  # conversions per click
    volume: Floats  # clicks a day
    fast_share: Floats
    fast_seconds: Floats
    slow_days: Floats
    upsold: Floats
    repeats: Bools  # the network lets the same click convert twice
    tiers: Bools  # other countries are paid otherwise


@dataclass(frozen=True)
class Stream:
    """Everything that is booked, in the order of booking; (n,) each, clicks (D, 24, O)."""

    kind: Ints  # number of KINDS
    booked_at: Floats
    offer: Ints
    event: Bools
    transaction: Ints
    mail: Ints
    person: Ints
    seconds_from_click: Floats
    payout: Ints
    catalogue: Ints  # what the catalogue says at the time of booking, 0 for events and shares of sales
    second_id: Bools  # another conversion of the same transaction and event
    further_clicks: Ints  # of the mail, within ten seconds of one
    clicks: Ints
    burst_days: Bools  # (D, O)

    def __len__(self) -> int:
        return len(self.kind)


class World:
    """One publisher's offers and people for DAYS days, and somebody who wants money from them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.offers = self._offers()
        self.price_lists = [np.round(np.exp(self.rng.uniform(2.7, 5.0, self.rng.integers(3, 9))), 2) for _ in range(OFFERS)]
        self._ids = 0

    def stream(self) -> Stream:
        """The whole of it."""
        honest, clicks, rates = self._honest()
        parts = [honest]
        count = round(SHARE * len(honest["kind"]))
        parts += [self._altered(honest, count, kind) for kind in ("instant conversion", "conversion before click")]
        parts += [self._altered(honest, count, kind) for kind in ("payout of 5 to 10 times", "other payout than agreed")]
        parts += [self._altered(honest, count, kind) for kind in ("second conversion id", "mail clicked by a machine")]
        parts += [self._farmed(honest, count, "one mail farmed"), self._farmed(honest, count, "one person farmed")]
        burst, burst_days = self._burst(clicks, rates, count)
        parts += [burst, self._copies(honest, count, "replayed postback"), self._copies(honest, count, "forged id")]
        merged = {name: np.concatenate([part[name] for part in parts]) for name in honest}
        order = np.argsort(merged["booked_at"], kind="stable")
        order = order[merged["booked_at"][order] < DAYS * DAY]
        ordered = {name: values[order] for name, values in merged.items()}
        return Stream(**ordered, clicks=clicks, burst_days=burst_days)

    # --- the honest ------------------------------------------------------------------------------------------------------
    def _offers(self) -> Offers:
        rng = self.rng
        fixed = rng.random(OFFERS) < 0.6
        price = np.where(fixed, (rng.integers(8, 240, OFFERS) * 500_000), 0)
        raised = fixed & (rng.random(OFFERS) < 0.2)
        return Offers(
            price=price,
            raised_on=np.where(raised, rng.integers(20, DAYS - 5, OFFERS), DAYS),
            raised_to=(price * rng.uniform(1.1, 1.6, OFFERS)).astype(np.int64) // 10_000 * 10_000,
            rate=np.exp(rng.uniform(np.log(0.008), np.log(0.08), OFFERS)),
            volume=np.exp(rng.uniform(np.log(30), np.log(1_200), OFFERS)),
            fast_share=rng.uniform(0.35, 0.8, OFFERS),
            fast_seconds=rng.uniform(120, 900, OFFERS),
            slow_days=rng.uniform(0.5, 5.0, OFFERS),
            upsold=np.where(rng.random(OFFERS) < 0.4, rng.uniform(0.05, 0.4, OFFERS), 0.0),
            repeats=rng.random(OFFERS) < 0.1,
            tiers=fixed & (rng.random(OFFERS) < 0.25),
        )

    def _honest(self) -> tuple[Rows, Ints, Floats]:
        rng, offers = self.rng, self.offers
        days = np.arange(DAYS)
        weekday = rng.uniform(0.75, 1.2, (OFFERS, 7))[:, days % 7].T
        season = 1 + 0.25 * np.sin(2 * np.pi * (days[:, None] / 90 + rng.random(OFFERS)))
        noise = np.zeros((DAYS, OFFERS))
        for day in range(1, DAYS):
            noise[day] = 0.5 * noise[day - 1] + rng.laplace(0, 0.09, OFFERS)
        rates = np.clip(offers.rate * np.exp(noise) * np.sqrt(weekday) * season, 0, 0.5)
        mailed = rng.random((DAYS, OFFERS)) < 0.85
        crowd = rng.gamma(4.0, 0.25, (DAYS, OFFERS)) * weekday * np.where(mailed, 1.0, 0.05)
        clicked = rng.poisson(offers.volume * crowd)

        offer = np.repeat(np.tile(np.arange(OFFERS), DAYS), clicked.ravel())
        mailed_on = np.repeat(np.repeat(days, OFFERS), clicked.ravel())
        batch = rng.choice([7, 12, 18], (DAYS, OFFERS))[mailed_on, offer]
        click_at = mailed_on * DAY + batch * HOUR + rng.exponential(3.5 * HOUR, len(offer))
        lasts = click_at < DAYS * DAY
        offer, mailed_on, click_at = offer[lasts], mailed_on[lasts], click_at[lasts]
        clicks = np.zeros((DAYS, 24, OFFERS), dtype=np.int64)
        np.add.at(clicks, ((click_at // DAY).astype(int), (click_at % DAY // HOUR).astype(int), offer), 1)

        buys = rng.random(len(offer)) < rates[mailed_on, offer]
        offer, click_at = offer[buys], click_at[buys]
        n = len(offer)
        base = self._rows(offer, click_at, self._delays(offer))
        base["mail"] = self._new(n)
        base["person"] = self._new(n)
        self._buy_again(base)
        return self._with_events(base), clicks, rates

    def _delays(self, offer: Ints) -> Floats:
        rng, n = self.rng, len(offer)
        fast = 8 + rng.gamma(2.0, self.offers.fast_seconds[offer] / 2)
        slow = 1_800 + rng.gamma(0.7, self.offers.slow_days[offer] * DAY / 0.7)
        delay = np.where(rng.random(n) < self.offers.fast_share[offer], fast, slow)
        return np.where(rng.random(n) < 2e-4, rng.uniform(4, 15, n), delay)  # one tap on a telephone that knows its owner

    def _buy_again(self, base: Rows) -> None:
        """A few people buy twice by the same mail or by another, and a few send their mail to friends."""
        rng, n = self.rng, len(base["mail"])
        for share, same_mail in ((0.006, True), (0.02, False)):
            who = np.flatnonzero(rng.random(n) < share)
            whom = np.minimum(who + rng.integers(1, 30, len(who)), n - 1)
            base["person"][whom] = base["person"][who]
            if same_mail:
                base["mail"][whom], base["offer"][whom] = base["mail"][who], base["offer"][who]
                base["payout"][whom] = self._payouts(base["offer"][whom], base["booked_at"][whom])
                base["catalogue"][whom] = self._catalogue(base["offer"][whom], base["booked_at"][whom])
        for first in np.flatnonzero(rng.random(n) < 0.0004):
            friends = np.minimum(first + rng.integers(1, 2_000, rng.integers(1, 4)), n - 1)
            base["mail"][friends], base["person"][friends] = base["mail"][first], base["person"][first]

    def _with_events(self, base: Rows) -> Rows:
        rng, offer = self.rng, base["offer"].astype(int)
        upsold = np.flatnonzero(rng.random(len(offer)) < self.offers.upsold[offer])
        event = {name: values[upsold].copy() for name, values in base.items()}
        later = rng.gamma(0.8, 2 * HOUR, len(upsold)) + 20
        event["booked_at"] = event["booked_at"] + later
        event["seconds_from_click"] = event["seconds_from_click"] + later
        event["event"][:] = True
        event["catalogue"][:] = 0
        price = rng.choice([4.25, 9.5, 12.0], OFFERS)[event["offer"].astype(int)]
        event["payout"] = (price * np.where(rng.random(len(upsold)) < 0.1, 2, 1) * 1e6).astype(np.int64)
        again = np.flatnonzero(self.offers.repeats[offer] & (rng.random(len(offer)) < 0.03))
        repeated = {name: values[again].copy() for name, values in base.items()}
        repeated["second_id"][:] = True
        repeated["booked_at"] = repeated["booked_at"] + rng.gamma(1.0, 6 * HOUR, len(again))
        return {name: np.concatenate([base[name], event[name], repeated[name]]) for name in base}

    # --- the others ------------------------------------------------------------------------------------------------------
    def _altered(self, honest: Rows, count: int, kind: str) -> Rows:
        """Conversions like honest ones but in one thing."""
        rng = self.rng
        fixed = self.offers.price[honest["offer"].astype(int)] > 0
        fit = ~honest["event"].astype(bool) & (fixed if kind == "other payout than agreed" else True)
        chosen = rng.choice(np.flatnonzero(fit), count, replace=False)
        rows = {name: values[chosen].copy() for name, values in honest.items()}
        rows["kind"][:] = NUMBER[kind]
        if kind == "second conversion id":
            rows["second_id"][:] = True
            rows["booked_at"] = rows["booked_at"] + rng.uniform(HOUR, DAY, count)
            return rows
        for name in ("transaction", "mail", "person"):
            rows[name] = self._new(count)
        rows["booked_at"] = rng.uniform(DAY, DAYS * DAY, count)
        rows["catalogue"] = self._catalogue(rows["offer"], rows["booked_at"])
        rows["payout"] = self._payouts(rows["offer"], rows["booked_at"])
        match kind:
            case "instant conversion":
                rows["seconds_from_click"] = rng.exponential(3.0, count).round()
            case "conversion before click":
                rows["seconds_from_click"] = -np.exp(rng.uniform(0, 11, count))
            case "payout of 5 to 10 times":
                rows["payout"] = (rows["payout"] * rng.uniform(5, 10, count)).astype(np.int64)
            case "mail clicked by a machine":
                rows["further_clicks"] = rng.integers(5, 40, count)
            case _:
                rows["payout"] = (rows["payout"] * rng.uniform(1.05, 2.0, count)).astype(np.int64)
        return rows

    def _farmed(self, honest: Rows, count: int, kind: str) -> Rows:
        """Many conversions within hours, each of a click of its own, all under one mail or in one person's name."""
        rng = self.rng
        sizes: list[int] = []
        while sum(sizes) < count:
            sizes.append(int(rng.integers(6, 40)))
        n = sum(sizes)
        rows = self._altered(honest, n, "instant conversion")
        farm = np.repeat(np.arange(len(sizes)), sizes)
        rows["kind"][:] = NUMBER[kind]
        rows["person"] = self._new(len(sizes))[farm]
        rows["seconds_from_click"] = rng.uniform(20, 4_000, n)
        rows["booked_at"] = rng.uniform(DAY, (DAYS - 1) * DAY, len(sizes))[farm] + rng.uniform(0, 8 * HOUR, n)
        if kind == "one mail farmed":
            rows["mail"] = self._new(len(sizes))[farm]
            rows["offer"] = rng.integers(0, OFFERS, len(sizes))[farm]
        rows["catalogue"] = self._catalogue(rows["offer"], rows["booked_at"])
        rows["payout"] = self._payouts(rows["offer"], rows["booked_at"])
        return rows

    def _burst(self, clicks: Ints, rates: Floats, count: int) -> tuple[Rows, Bools]:
        """An offer's conversions of a day multiplied within hours, each in itself like any other."""
        rng = self.rng
        expected = clicks.sum(axis=1) * rates
        burst_days = np.zeros((DAYS, OFFERS), dtype=bool)
        times = rng.uniform(3, 8)
        # of a size that brings as much false money as the other kinds do
        fits = (expected * times > count / 2) & (expected * times < count * 2)
        fits[:15] = False
        day, which = rng.choice(np.argwhere(fits))
        burst_days[day, which] = True
        extra = int(rng.poisson(times * expected[day, which]))
        booked_at = day * DAY + rng.uniform(8, 15) * HOUR + rng.uniform(0, 8 * HOUR, extra)
        offers = np.full(extra, which)
        delays = self._delays(offers)
        rows = self._rows(offers, booked_at - delays, delays)
        rows["kind"][:] = NUMBER["burst of an offer"]
        rows["mail"], rows["person"] = self._new(len(offers)), self._new(len(offers))
        return rows, burst_days

    def _copies(self, honest: Rows, count: int, kind: str) -> Rows:
        chosen = self.rng.choice(len(honest["kind"]), count, replace=False)
        rows = {name: values[chosen].copy() for name, values in honest.items()}
        rows["kind"][:] = NUMBER[kind]
        rows["second_id"][:] = False
        rows["booked_at"] = rows["booked_at"] + self.rng.uniform(1, 3 * DAY, count)
        return rows

    # --- parts -----------------------------------------------------------------------------------------------------------
    def _rows(self, offer: Ints, click_at: Floats, delay: Floats) -> Rows:
        n, booked_at = len(offer), click_at + delay
        return {
            "kind": np.zeros(n, dtype=np.int64),
            "booked_at": booked_at,
            "offer": offer.copy(),
            "event": np.zeros(n, dtype=bool),
            "transaction": self._new(n),
            "mail": np.zeros(n, dtype=np.int64),
            "person": np.zeros(n, dtype=np.int64),
            "seconds_from_click": delay,
            "payout": self._payouts(offer, booked_at),
            "catalogue": self._catalogue(offer, booked_at),
            "second_id": np.zeros(n, dtype=bool),
            "further_clicks": self.rng.geometric(0.85, n) - 1,
        }

    def _new(self, n: int) -> Ints:
        self._ids += n
        return np.arange(self._ids - n, self._ids)

    def _agreed(self, offer: Ints, at: Floats) -> Ints:
        raised = at >= self.offers.raised_on[offer] * DAY
        return np.where(raised, self.offers.raised_to[offer], self.offers.price[offer])

    def _catalogue(self, offer: Ints, at: Floats) -> Ints:
        """The offers are fetched every six hours, so a new price is known a little late."""
        return self._agreed(offer, at // (6 * HOUR) * (6 * HOUR))

    def _payouts(self, offer: Ints, at: Floats) -> Ints:
        """A fixed price, in some countries another; or a tenth of a basket, now and then with a discount."""
        rng, n = self.rng, len(offer)
        tier = np.where(self.offers.tiers[offer], rng.choice([1.0, 0.6, 1.5], n, p=[0.7, 0.2, 0.1]), 1.0)
        fixed = (self._agreed(offer, at) * tier).astype(np.int64)
        sale = np.zeros(n)
        items = 1 + np.minimum(rng.geometric(0.7, n) - 1, 5)
        for item in range(6):
            rank = np.minimum(rng.zipf(2.0, n) - 1, 50)
            price = np.array([self.price_lists[o][r % len(self.price_lists[o])] for o, r in zip(offer, rank, strict=True)])
            sale += np.where(item < items, price, 0.0)
        sale *= np.where(rng.random(n) < 0.15, rng.choice([0.8, 0.9], n), 1.0)
        return np.where(self.offers.price[offer] > 0, fixed, (np.round(sale * 0.1, 3) * 1e6).astype(np.int64))
