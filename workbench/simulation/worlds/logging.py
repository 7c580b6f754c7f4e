"""The log that an org would have of a world: what was told, day by day, in the form of `workbench.logs`.

A click or open is a person's when its agent is none of a machine's and the mail was delivered at least a minute before: scanners
follow links within seconds, and the quiet ones among them show the agent of a browser. (The engine's own verdict, `intake.human`,
looks at all of a mail's events together.)

Money: a conversion is provisional until it is approved with its final amount. What is taken back in full is `rejected` before its
approval and `reversed` after it; what is taken back in part is settled at the rest. Rebills are never taken back in these worlds and
stand as approved. The same conversion posted twice is one. Segments are the engine's and no world's: they are empty.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import repeat

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from workbench.logs import Conversion, Log, MailOutcome
from workbench.logs.columns import STATES, Columns
from workbench.simulation.worlds.events import DAY, Agent, DayEvents, Kind
from workbench.simulation.worlds.spec import PROVIDERS, TONES
from workbench.simulation.worlds.world import World

STARTED_AT = 1_772_409_600.0  # Monday, 2 March 2026, UTC
LEAST_SECONDS = 60.0
_FIRST_OFFER = 1_001
_PARTS = 16  # more than any mail's conversions
_PEOPLES = (Agent.BROWSER, Agent.PHONE, Agent.GMAIL_PROXY)
_PROVISIONAL, _APPROVED, _REJECTED, _REVERSED = (np.uint8(code) for code in range(len(STATES)))


class Recorder:
    """Takes what `World.step` tells, day by day from day 0, and gives the log as of the end of the last day taken."""

    def __init__(self, world: World, *, policy: str = "engine", started_at: float = STARTED_AT) -> None:
        self._ids, self._provider, self._offers = world.profile.ids, world.profile.provider, world.spec.offers
        self._policy, self._started_at = policy, started_at
        self._days: list[DayEvents] = []

    def take(self, events: DayEvents) -> None:
        """The events of the next day."""
        self._days.append(events)

    @property
    def now(self) -> float:
        """Epoch seconds of the end of the last day taken."""
        return self._started_at + float(DAY * len(self._days))

    def columns(self) -> Columns:
        """The log as arrays; `subscriber` is the world's row."""
        parts = _Parts(self._days, len(self._ids))
        sent, sales = parts.sent, parts.sales
        state, provisional, approved = parts.booked()
        return Columns(
            offers=tuple(str(_FIRST_OFFER + offer) for offer in range(self._offers)),
            currencies=("USD",),
            subscriber=sent.row,
            offer=sent.offer,
            sent_at=self._started_at + sent.at,
            delivered=sent.kind == Kind.DELIVERY,
            hard_bounced=sent.kind == Kind.HARD_BOUNCE,
            opened=parts.count(Kind.OPEN) > 0,
            clicked_at=self._started_at + parts.first(parts.by_people(Kind.CLICK)),
            unsubscribed_at=self._started_at + parts.first(parts.told.of(Kind.UNSUBSCRIBE)),
            complained_at=self._started_at + parts.first(parts.told.of(Kind.COMPLAINT)),
            sale_mail=parts.mail(sales),
            sale_offer=sales.offer,
            sale_at=self._started_at + sales.at,
            sale_state=state,
            provisional_micros=provisional,
            approved_micros=approved,
        )

    def log(self) -> Log:
        """The log as lines, in the order of `columns`."""
        parts, of = _Parts(self._days, len(self._ids)), self.columns()
        sent, sales = parts.sent, parts.sales
        people = [f"s{person}" for person in self._ids[sent.row].tolist()]
        names = [f"d{day}.{who}" for day, who in zip(sent.sent_day.tolist(), people, strict=True)]
        outcomes = map(
            MailOutcome,
            names,
            names,
            people,
            repeat(self._policy),
            [of.offers[offer] for offer in of.offer.tolist()],
            [TONES[content % len(TONES)] for content in sent.content.tolist()],
            repeat(""),
            [PROVIDERS[provider] for provider in self._provider[sent.row].tolist()],
            of.sent_at.tolist(),
            of.delivered.tolist(),
            of.hard_bounced.tolist(),
            parts.count(Kind.OPEN).tolist(),
            parts.count(Kind.CLICK).tolist(),
            _or_none(of.clicked_at),
            _or_none(of.unsubscribed_at),
            _or_none(of.complained_at),
        )
        of_mail = of.sale_mail.tolist()
        keys = zip(sales.kind.tolist(), of_mail, sales.part.tolist(), strict=True)
        conversions = map(
            Conversion,
            [f"{Kind(kind).name.lower()}#{names[mail]}#{part}" for kind, mail, part in keys],
            [names[mail] for mail in of_mail],
            [people[mail] for mail in of_mail],
            [of.offers[offer] for offer in of.sale_offer.tolist()],
            of.sale_at.tolist(),
            [STATES[state] for state in of.sale_state.tolist()],
            of.provisional_micros.tolist(),
            of.approved_micros.tolist(),
            repeat(of.currencies[0]),
        )
        return Log(list(outcomes), list(conversions))


class _Parts:
    """All rows told of n mails and c conversions, and which mail each is about."""

    def __init__(self, days: list[DayEvents], people: int) -> None:
        self._people = people
        self.told = DayEvents(**{f.name: np.concatenate([getattr(day, f.name) for day in days]) for f in fields(DayEvents)})
        sent = self.told.of(Kind.DELIVERY, Kind.HARD_BOUNCE, Kind.SOFT_BOUNCE)  # each mail has one of these
        self.sent = sent.where(np.argsort(self._key(sent)))
        self._keys = self._key(self.sent)
        money = self.told.of(Kind.CONVERSION, Kind.REBILL)
        _, first = np.unique(self._claim(money), return_index=True)
        self.sales = money.where(np.sort(first))

    def mail(self, rows: DayEvents) -> Ints:
        """Position in `sent`, one a row."""
        return np.searchsorted(self._keys, self._key(rows))

    def by_people(self, kind: Kind) -> DayEvents:
        """The opens or clicks of people."""
        rows = self.told.of(kind)
        waited = rows.at - self.sent.at[self.mail(rows)]
        return rows.where(np.isin(rows.agent, _PEOPLES) & (waited >= LEAST_SECONDS))

    def count(self, kind: Kind) -> Ints:
        """(n,) opens or clicks of people."""
        return np.bincount(self.mail(self.by_people(kind)), minlength=len(self.sent))

    def first(self, rows: DayEvents) -> Floats:
        """(n,) seconds of each mail's first of these rows, NaN = it has none."""
        at = np.full(len(self.sent), np.nan)
        latest_first = np.arange(len(rows))[::-1]  # of equal mails the last assignment, the earliest row, stays
        at[self.mail(rows)[latest_first]] = rows.at[latest_first]
        return at

    def booked(self) -> tuple[Codes, Ints, Ints]:
        """(c,) state, provisional micros, approved micros of `sales`."""
        order = np.argsort(self._claim(self.sales))
        claims = self._claim(self.sales)[order]
        final, taken = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
        approval, reversal = self.told.of(Kind.APPROVAL), self.told.of(Kind.REVERSAL)
        approved_row = order[np.searchsorted(claims, self._claim(approval))]
        final[approved_row] = approval.micros
        np.add.at(taken, order[np.searchsorted(claims, self._claim(reversal))], -reversal.micros)
        rebill = self.sales.kind == Kind.REBILL
        approved: Bools = rebill.copy()
        approved[approved_row] = True
        final[rebill] = self.sales.micros[rebill]
        left = np.maximum(np.where(approved, final, self.sales.micros) - taken, 0)
        lost = (taken > 0) & (left == 0)
        settled = approved | (taken > 0)
        state = np.where(settled, _APPROVED, _PROVISIONAL)
        state = np.where(lost, np.where(approved, _REVERSED, _REJECTED), state)
        return state, np.where(settled, 0, self.sales.micros), np.where(settled, left, 0)

    def _key(self, rows: DayEvents) -> Ints:
        return np.asarray(rows.sent_day * self._people + rows.row)

    def _claim(self, rows: DayEvents) -> Ints:
        """What a row of money is about: a mail's sale by its number, or a rebill of it by its month."""
        return np.asarray((2 * self._key(rows) + (rows.kind == Kind.REBILL)) * _PARTS + rows.part)


def _or_none(times: Floats) -> list[float | None]:
    return [None if time != time else time for time in times.tolist()]
