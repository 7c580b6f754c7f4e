"""Orders, and what was known of their buyers on a day: nothing after that day can change it. n buyers, m orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints

_WEEK = 7.0
_WINDOWS = (14, 28, 56, 84)  # days


@dataclass(frozen=True, slots=True)
class Purchases:
    """One row a buyer and day, (m,), by buyer and day."""

    buyer: Ints
    day: Ints
    amount: Floats
    items: Floats

    def until(self, day: int) -> Purchases:
        """Those of this day and before."""
        return self.where(self.day <= day)

    def where(self, chosen: Bools) -> Purchases:
        """Some of them."""
        return Purchases(self.buyer[chosen], self.day[chosen], self.amount[chosen], self.items[chosen])

    def spent(self, buyers: Ints, after: int, until: int) -> Floats:
        """(n,) by each of these buyers on the days (after, until]."""
        inside = (self.day > after) & (self.day <= until)
        return np.asarray(
            np.bincount(self.buyer[inside], self.amount[inside], minlength=int(buyers.max()) + 1)[buyers], dtype=np.float64
        )


@dataclass(frozen=True, slots=True)
class History:
    """A buyer's purchases so far, (n,) each; weeks are counted from his first order."""

    repeats: Floats  # days with an order after the first
    last_week: Floats  # of the last order
    weeks: Floats  # watched
    paid_repeats: Floats  # repeats of an amount above 0
    mean_paid: Floats  # of those, 0 without any

    def where(self, chosen: Bools) -> History:
        """Some of them."""
        return History(*(getattr(self, field.name)[chosen] for field in fields(self)))


def purchases(buyer: Ints, day: Ints, amount: Floats, items: Floats) -> Purchases:
    """Orders in any order and number: those of one buyer and day count as one."""
    key = np.stack([buyer, day])
    pairs, place = np.unique(key, axis=1, return_inverse=True)
    summed, count = (np.bincount(place, values).astype(np.float64) for values in (amount, items))
    return Purchases(pairs[0], pairs[1], summed, count)


def history(orders: Purchases, day: int) -> tuple[Ints, History]:
    """Of everybody who had bought by the evening of `day`: the buyers, (n,) rising, and what they did."""
    known = orders.until(day)
    buyers, first, count = np.unique(known.buyer, return_index=True, return_counts=True)
    began, ended = known.day[first], known.day[first + count - 1]
    repeat = np.ones(len(known.day), dtype=bool)
    repeat[first] = False
    paid = known.where(repeat & (known.amount > 0))
    place = np.searchsorted(buyers, paid.buyer)
    number = np.bincount(place, minlength=len(buyers)).astype(np.float64)
    total = np.bincount(place, paid.amount, minlength=len(buyers))
    return buyers, History(
        repeats=(count - 1).astype(np.float64),
        last_week=(ended - began) / _WEEK,
        weeks=(day - began) / _WEEK,
        paid_repeats=number,
        mean_paid=total / np.maximum(number, 1.0),
    )


def features(orders: Purchases, day: int) -> Mapping[str, Floats]:
    """Of the buyers of `history`, by name, (n,) each: what they had bought by the evening of `day`, how much of it lately, how, and
    how unusual their silence is."""
    buyers, past = history(orders, day)
    known = orders.until(day)
    place = np.searchsorted(buyers, known.buyer)
    n = len(buyers)
    first = np.searchsorted(known.buyer, buyers, side="left")
    last = np.searchsorted(known.buyer, buyers, side="right") - 1
    largest = np.maximum.reduceat(known.amount, first)
    orders_so_far = past.repeats + 1
    spent, items = np.bincount(place, known.amount, minlength=n), np.bincount(place, known.items, minlength=n)
    silent = past.weeks - past.last_week
    result = {
        "repeats": past.repeats,
        "last_week": past.last_week,
        "weeks": past.weeks,
        "silent_weeks": silent,
        "silence": silent * orders_so_far / (past.last_week + 1 / _WEEK),
        "spent": spent,
        "items": items,
        "mean_amount": spent / orders_so_far,
        "mean_items": items / orders_so_far,
        "mean_paid_repeat": past.mean_paid,
        "largest_amount": largest,
        "first_amount": known.amount[first],
        "first_items": known.items[first],
        "last_amount": known.amount[last],
    }
    for days in _WINDOWS:
        lately = known.day > day - days
        result[f"orders_{days}d"] = np.bincount(place[lately], minlength=n).astype(np.float64)
        result[f"spent_{days}d"] = np.bincount(place[lately], known.amount[lately], minlength=n)
    return result
