"""All time rules, solved together. Shapes: n people, H hours to come, P mailbox providers, D org days.

Who is mailed when, so that the sum of worth is greatest: inside his hours and days in his own zone, before the offer ends, with the gap
and the rolling week's cap, and for all together within what an hour, a provider's hour, an org day and a provider's day can hold (the
velocity, rates and warm-up of providers, the daily cap). The caps that people share get prices; at given prices everybody's week is a
small dynamic programme of his own (hour, mails so far), worked out for all people at once. Prices rise where more want a place than
there are, fall elsewhere (subgradient of the Lagrangian dual; Held, Wolfe and Crowder, "Validation of subgradient optimization",
1974); then the places are given out in the order of what each is worth above its price, and who lost one looks again at what is left.

Every person's mails keep one second of the hour, his own, so that hours apart are exactly that, and a full hour spreads by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.draws import GAMMA, mix
from revenue_engine.pacing.hours import Zones, open_for
from revenue_engine.records.controls import Controls

HOUR = 3_600
WEEK = 7 * 24 * HOUR
LONGEST = 168  # hours: a week's cap is then a count since the start
ROUNDS = 40  # of prices
FILLS = 30  # most looks at what is left, with prices and then without
_TIE = 1e-3  # of the mean worth
_CHUNK = 4_000  # people at once
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class People:
    """Whose mails are to be planned, (n,) each."""

    worth: Floats  # (n, H) of a mail that leaves then, in any unit; what is not worth more than 0 is not planned
    permitted: Bools  # (n, H) by hours, days and the offer's end (`permitted`)
    offset: Ints  # seconds into the hour, 0..3599
    provider: Positions
    recent_sends: Ints  # (n, R) epoch seconds, 0 = none
    gap_seconds: Ints
    per_week: int


@dataclass(frozen=True, slots=True)
class Places:
    """How many mails there is room for."""

    start: int  # epoch seconds, where the first hour begins
    hour: Ints  # (H,)
    provider_hour: Ints  # (P, H)
    day_ends: Ints  # (D,) epoch seconds, ascending; the last one behind the last hour
    day: Ints  # (D,)
    provider_day: Ints  # (P, D)


@dataclass(frozen=True, slots=True)
class Plan:
    """Mails, (m,) each, and what their places cost."""

    row: Positions
    hour: Positions
    at: Ints  # epoch seconds
    price: Floats  # of the place


def plan(people: People, places: Places) -> Plan:
    """The mails of the hours to come. Raises ValueError for more than `LONGEST` of them."""
    if people.worth.shape[1] > LONGEST:
        raise ValueError(f"worth: {people.worth.shape[1]} hours, at most {LONGEST}")
    board, limits = _Board.of(people, places), _limits(people, places.start)
    prices = _prices(people, board, limits)
    # without prices it is often better where there are few places, and never far off: the better plan of the two
    plans = [_given(people, board, limits, p) for p in ([prices, np.zeros_like(prices)] if prices.any() else [prices])]
    taken = max(plans, key=lambda of: float(people.worth[of].sum()))
    row, hour = np.nonzero(taken)
    return Plan(row, hour, places.start + hour * HOUR + people.offset[row], board.cost(prices)[row, hour])


def _given(people: People, board: _Board, limits: Ints, prices: Floats) -> Bools:
    """Places given out at these prices, and what is left of them for nothing, (n, H)."""
    free, left, limit = people.permitted & (people.worth > 0), board.capacity.copy(), limits.copy()
    taken = np.zeros(people.worth.shape, dtype=np.bool_)
    ties = _ties(people)
    for cost in (board.cost(prices), np.zeros(taken.shape)):
        for _ in range(FILLS):
            row, hour = _best(people.worth - cost + ties, free & board.open(left), limit, people.gap_seconds)
            got = _give(board, left, row, hour, people.worth[row, hour] - cost[row, hour])
            if not len(got):
                break
            row, hour = row[got], hour[got]
            taken[row, hour] = True
            np.subtract.at(left, board.of_pairs(row, hour).ravel(), 1)
            changed = np.unique(row)
            free[changed] &= ~_near(taken[changed], people.gap_seconds[changed])
            limit[changed] = _left_of(limits[changed], taken[changed])
    return taken


def permitted(
    zones: Zones, offset: Ints, ends_at: Ints, *, start: int, hours: int, controls: Controls, for_seconds: int
) -> Bools:
    """Which hours a person's hours, days and offer let him be mailed in, (n, H).

    Parameters
    ----------
    offset, ends_at
        (n,) seconds into the hour; epoch seconds from which on his offer is over.
    for_seconds
        How long after the planned second a mail may still leave.
    """
    at = start + offset[:, None] + HOUR * np.arange(hours)
    inside = open_for(np.repeat(zones, hours), at.ravel(), controls, for_seconds=for_seconds).reshape(at.shape)
    return np.asarray(inside & (at + for_seconds <= ends_at[:, None]))


@dataclass(frozen=True, slots=True)
class _Board:
    """The caps as one list of resources, R of them: hours, providers' hours, days, providers' days; a place needs one of each."""

    capacity: Ints  # (R,)
    provider: Positions  # (n,)
    day: npt.NDArray[np.int16]  # (n, H)
    starts: tuple[int, int, int, int]
    hours: int
    days: int

    @classmethod
    def of(cls, people: People, places: Places) -> _Board:
        hours, days = len(places.hour), len(places.day)
        at = places.start + people.offset[:, None] + HOUR * np.arange(hours)
        parts = [places.hour, places.provider_hour.ravel(), places.day, places.provider_day.ravel()]
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).tolist()
        return cls(
            capacity=np.concatenate(parts).astype(np.int64),
            provider=people.provider,
            day=np.searchsorted(places.day_ends, at, side="right").astype(np.int16),
            starts=(starts[0], starts[1], starts[2], starts[3]),
            hours=hours,
            days=days,
        )

    def of_pairs(self, row: Positions, hour: Positions) -> Positions:
        """The resources that mails need, (m, 4)."""
        provider, day = self.provider[row], self.day[row, hour].astype(np.intp)
        a, b, c, d = self.starts
        return np.stack([a + hour, b + provider * self.hours + hour, c + day, d + provider * self.days + day], axis=1)

    def cost(self, prices: Floats) -> Floats:
        """Price of every place, (n, H)."""
        hour, provider_hour, day, provider_day = self._parts(prices)
        of_day = (day[None, :] + provider_day)[self.provider[:, None], self.day]
        return np.asarray(hour[None, :] + provider_hour[self.provider] + of_day)

    def open(self, left: Ints) -> Bools:
        """Places whose four resources are left, (n, H)."""
        hour, provider_hour, day, provider_day = self._parts(left)
        of_day = np.minimum(day[None, :], provider_day)[self.provider[:, None], self.day]
        return np.asarray((np.minimum(hour[None, :], provider_hour)[self.provider] > 0) & (of_day > 0))

    def _parts(self, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        a, b, c, d = self.starts
        return values[a:b], values[b:c].reshape(-1, self.hours), values[c:d], values[d:].reshape(-1, self.days)


def _prices(people: People, board: _Board, limit: Ints) -> Floats:
    """What a mail's worth of each resource costs, (R,), when as many want it as there are."""
    allowed = people.permitted & (people.worth > 0)
    prices, mean = np.zeros(len(board.capacity)), np.zeros(len(board.capacity))
    if not allowed.any():
        return prices
    scale, room = float(people.worth[allowed].mean()), np.maximum(board.capacity, 1)
    averaged, ties = 0, _ties(people)
    for step in range(ROUNDS):
        cost = board.cost(prices)
        row, hour = _best(people.worth - cost + ties, allowed, limit, people.gap_seconds)
        used = np.bincount(board.of_pairs(row, hour).ravel(), minlength=len(prices))
        if step == 0 and (used <= board.capacity).all():
            return prices  # room for everybody
        excess = np.clip((used - board.capacity) / room, -1.0, 1.0)
        prices = np.maximum(prices + 0.5 * scale / (1.0 + step / 4) * excess, 0.0)
        if step >= ROUNDS // 2:
            mean, averaged = mean + prices, averaged + 1
    return mean / averaged


def _ties(people: People) -> Floats:
    """A little for each person and hour, (n, H): else all who are alike would want the same hour."""
    hours = np.arange(people.worth.shape[1], dtype=np.uint64)
    bits = mix(people.offset.astype(np.uint64)[:, None] * np.uint64(GAMMA) + hours)
    positive = people.worth[people.worth > 0]
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53 * _TIE * float(positive.mean() if len(positive) else 0.0)


def _best(reduced: Floats, allowed: Bools, limit: Ints, gap_seconds: Ints) -> tuple[Positions, Positions]:
    """Everybody's own best mails at these values, (m,) rows and hours, sorted by row."""
    found: list[tuple[Positions, Positions]] = []
    wanting = np.flatnonzero((allowed & (reduced > 0)).any(axis=1))
    gaps = np.clip(-(-gap_seconds // HOUR), 1, reduced.shape[1])
    for gap in np.unique(gaps[wanting]):
        same = wanting[gaps[wanting] == gap]
        for begin in range(0, len(same), _CHUNK):
            rows = same[begin : begin + _CHUNK]
            row, hour = _week(reduced[rows], allowed[rows], limit[rows], int(gap))
            found.append((rows[row], hour))
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    row, hour = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((hour, row))
    return row[order], hour[order]


def _week(reduced: Floats, allowed: Bools, limit: Ints, gap: int) -> tuple[Positions, Positions]:
    """The dynamic programme of people with one gap: from[h, i, j] is the best from hour h on with j mails behind."""
    n, hours = reduced.shape
    most = int(min(limit.max(initial=0), -(-hours // gap)))
    if most <= 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    if most == 1:
        return _once(np.where(allowed & (limit > 0), reduced, -np.inf))
    gain = np.where(allowed, reduced, -np.inf).T
    full = np.arange(most)[None, None, :] >= limit.T[:, :, None]  # (H, n, j) no mail may follow j others
    best = np.zeros((hours + gap, n, most + 1))
    for h in range(hours - 1, -1, -1):
        send = gain[h][:, None] + best[h + gap, :, 1:]
        send[full[h]] = -np.inf
        np.maximum(best[h + 1, :, :most] if h + 1 < hours else 0.0, send, out=best[h, :, :most])
    mails, free_from, people = np.zeros(n, np.intp), np.zeros(n, np.intp), np.arange(n)
    sent = np.zeros((hours, n), dtype=np.bool_)
    for h in range(hours):
        after = best[h + 1] if h + 1 < hours else best[hours]
        better = best[h, people, mails] > after[people, mails]  # only then was a mail taken here
        go = better & (free_from <= h)
        sent[h] = go
        mails = mails + go
        free_from = np.where(go, h + gap, free_from)
    hour, row = np.nonzero(sent)
    return row, hour


def _once(gain: Floats) -> tuple[Positions, Positions]:
    """The same where there is one mail for everybody: his best hour, the last of equals."""
    hour = gain.shape[1] - 1 - gain[:, ::-1].argmax(axis=1)
    row = np.flatnonzero(gain[np.arange(len(gain)), hour] > 0)
    return row, hour[row]


def _give(board: _Board, left: Ints, row: Positions, hour: Positions, value: Floats) -> Positions:
    """Whose wish is met, best first, so that nothing is used beyond what is left: positions, (k,). `left` stays as it is."""
    waiting, left = np.argsort(-value, kind="stable"), left.copy()
    needs = board.of_pairs(row, hour)
    met: list[Positions] = []
    while len(waiting):
        ahead = np.stack([_rank(needs[waiting, kind]) for kind in range(needs.shape[1])], axis=1)
        fits = (ahead < left[needs[waiting]]).all(axis=1)
        met.append(waiting[fits])
        np.subtract.at(left, needs[waiting[fits]].ravel(), 1)
        waiting = waiting[~fits]
        waiting = waiting[(left[needs[waiting]] > 0).all(axis=1)]
    return np.concatenate(met) if met else waiting


def _rank(group: Positions) -> Ints:
    """How many of the same group come before each, (m,)."""
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], group[order], side="left")
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - first
    return rank


def _limits(people: People, start: int) -> Ints:
    """How many mails of the plan a person may have had by each hour, that hour's included, (n, H): the week's cap less what earlier mails
    still take of it; 0 while the last of them is too near."""
    at = start + people.offset[:, None] + HOUR * np.arange(people.worth.shape[1])
    limit = np.full(at.shape, people.per_week, dtype=np.int64)
    for sent in people.recent_sends.T:
        limit -= sent[:, None] > at - WEEK
    last = people.recent_sends.max(axis=1, initial=0)
    limit[at - last[:, None] < people.gap_seconds[:, None]] = 0
    return np.maximum(limit, 0)


def _left_of(limit: Ints, taken: Bools) -> Ints:
    """The same for further mails: those taken before an hour count, and so does what is taken later and must stay possible."""
    room = limit - np.cumsum(taken, axis=1)
    later = np.where(taken, room, np.iinfo(np.int64).max)[:, ::-1]
    return np.minimum(room, np.minimum.accumulate(later, axis=1)[:, ::-1])


def _near(taken: Bools, gap_seconds: Ints) -> Bools:
    """Hours nearer than the gap to a mail that is taken, (n, H)."""
    hours = taken.shape[1]
    gap = np.clip(-(-gap_seconds // HOUR), 1, hours)[:, None]
    sums = np.concatenate([np.zeros((len(taken), 1), np.int64), np.cumsum(taken, axis=1)], axis=1)
    h = np.arange(hours)[None, :]
    above = np.take_along_axis(sums, np.minimum(h + gap, hours), axis=1)
    return np.asarray(above > np.take_along_axis(sums, np.maximum(h - gap + 1, 0), axis=1))
