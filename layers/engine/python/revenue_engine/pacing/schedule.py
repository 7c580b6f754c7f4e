"""The time rules that are shared, solved together. Shapes: n people, H hours to come, P mailbox providers, D org days.

Who is mailed when, one mail each, so that the sum of worth is greatest: inside his hours and days in his own zone, before his offers
end, and for all together within what an hour, a provider's hour, an org day and a provider's day can hold (the velocity, rates and
warm-up of providers, the daily cap). Gaps and the rolling week's cap are not asked for: who is planned for had passed them, and only
time passes. The caps that people share get prices, at which everybody takes his best hour; they rise where more want a place than there
are, fall elsewhere (subgradient of the Lagrangian dual; Held, Wolfe and Crowder, "Validation of subgradient optimization", 1974); then
the places are given out in the order of what each is worth above its price, and who lost one looks again at what is left.

Everybody keeps one second of the hour, his own, so that a full hour spreads by itself.
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
ROUNDS = 40  # of prices
FILLS = 200  # most times that those who are refused ask again
_TIE = 1e-3  # of the mean worth
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class People:
    """For each of whom one mail is to be planned, (n,) each."""

    worth: Floats  # (n, H) of a mail that leaves then, in any unit; what is not worth more than 0 is not planned
    permitted: Bools  # (n, H) by hours, days and the offer's end (`permitted`)
    offset: Ints  # seconds into the hour, 0..3599
    provider: Positions


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
    """The mails of the hours to come."""
    board = _Board.of(people, places)
    prices = _prices(people, board)
    # without prices it is often better where there are few places, and never far off: the better plan of the two
    plans = [_given(people, board, p) for p in ([prices, np.zeros_like(prices)] if prices.any() else [prices])]
    taken = max(plans, key=lambda of: float(people.worth[of].sum()))
    row, hour = np.nonzero(taken)
    return Plan(row, hour, places.start + hour * HOUR + people.offset[row], board.cost(prices)[row, hour])


def _given(people: People, board: _Board, prices: Floats) -> Bools:
    """Places given out at these prices, and what is left of them for nothing, (n, H)."""
    free, left, ties = people.permitted & (people.worth > 0), board.capacity.copy(), _ties(people)
    taken = np.zeros(people.worth.shape, dtype=np.bool_)
    for cost in (board.cost(prices), np.zeros(taken.shape), np.zeros(taken.shape)):
        row, hour = _settled(people.worth - cost + ties, free & board.open(left), board, left)
        taken[row, hour] = True
        np.subtract.at(left, board.of_pairs(row, hour).ravel(), 1)
        free[row] = False
    return taken


def _settled(value: Floats, free: Bools, board: _Board, left: Ints) -> tuple[Positions, Positions]:
    """Everybody asks for his best place; who is refused, for better ones asked too, asks for his next, where he may send others on (Gale
    and Shapley, "College admissions and the stability of marriage", 1962). Rows and hours of those who stay."""
    row, hour = _best(value, free)
    for _ in range(FILLS):
        got = _give(board, left, row, hour, value[row, hour])
        if len(got) == len(row):
            break
        refused = np.ones(len(row), dtype=np.bool_)
        refused[got] = False
        free[row[refused], hour[refused]] = False
        row, hour = _best(value, free)
    got = _give(board, left, row, hour, value[row, hour])
    return row[got], hour[got]


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


def _prices(people: People, board: _Board) -> Floats:
    """What a mail's worth of each resource costs, (R,), when as many want it as there are."""
    allowed = people.permitted & (people.worth > 0)
    prices, mean = np.zeros(len(board.capacity)), np.zeros(len(board.capacity))
    if not allowed.any():
        return prices
    scale, room = float(people.worth[allowed].mean()), np.maximum(board.capacity, 1)
    averaged, ties = 0, _ties(people)
    for step in range(ROUNDS):
        cost = board.cost(prices)
        row, hour = _best(people.worth - cost + ties, allowed)
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


def _best(reduced: Floats, allowed: Bools) -> tuple[Positions, Positions]:
    """Everybody's best hour at these values, the last of equals: (m,) rows, ascending, and hours."""
    gain = np.where(allowed, reduced, -np.inf)
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
