"""What a sender has on record of a world mailed at random: mails, what became of them as he was told, and what he knew on a morning.

Nothing here reads a latent. n people, m mails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.learning.exposures import Exposures, of_mails
from workbench.simulation.worlds import Agent, DayEvents, Kind, Mailing, Observables, World
from workbench.simulation.worlds.spec import COUNTRIES, PROVIDERS, SOURCES, TONES

EXITS = (Kind.UNSUBSCRIBE, Kind.COMPLAINT, Kind.HARD_BOUNCE)
HOURS = (8, 20)  # from, before
LATELY_DAYS = 28
TRAITS = (*SOURCES[1:], *PROVIDERS[1:], *COUNTRIES[1:], "purchases")


@dataclass
class Table:
    """Rows that grow day by day; (rows,) each: person, day told, day of the mail, micros."""

    parts: list[tuple[Ints, Ints, Ints, Ints]] = field(default_factory=list)

    def add(self, told: DayEvents, day: int) -> None:
        """Rows of one day."""
        self.parts.append((told.row, np.full(len(told), day), told.sent_day, told.micros))

    def columns(self) -> tuple[Ints, Ints, Ints, Ints]:
        """All rows."""
        if len(self.parts) > 1:  # put together once, not at every question
            person, day, sent, micros = (np.concatenate(column) for column in zip(*self.parts, strict=True))
            self.parts = [(person, day, sent, micros)]
        return self.parts[0]


class Log:
    """Grows while a world is played."""

    def __init__(self, people: int) -> None:
        self.people = people
        self.mails, self.opens, self.clicks, self.money, self.exits = Table(), Table(), Table(), Table(), Table()
        self.mornings: dict[int, Observables] = {}

    def play(self, world: World, days: int, per_week: float, luck: np.random.Generator, *, keep: tuple[int, ...] = ()) -> None:
        """Each person is mailed on each day with the same chance: any offer that runs, any tone, any hour of the day. What was known
        on the morning after each day of `keep` is kept, and of the first morning (after day -1)."""
        for day in range(world.day, world.day + days):
            seen = world.observables(day)
            if day - 1 in (-1, *keep):
                self.mornings[day - 1] = seen
            who = np.flatnonzero(seen.mailable & (luck.random(self.people) < per_week / 7))
            offer = luck.choice(np.flatnonzero(seen.offer_running), len(who))
            mailing = Mailing(who, offer, luck.integers(0, len(TONES), len(who)), luck.integers(*HOURS, len(who)))
            self._told(world.step(day, mailing), mailing, day)

    def _told(self, told: DayEvents, mailing: Mailing, day: int) -> None:
        now = np.full(len(mailing.who), day)
        self.mails.parts.append((mailing.who, now, now, np.zeros_like(now)))
        machine = np.isin(told.agent, (Agent.APPLE_PROXY, Agent.SCANNER))
        self.opens.add(told.where((told.kind == Kind.OPEN) & ~machine), day)
        clicks = told.where((told.kind == Kind.CLICK) & ~machine)
        # who follows every link of a mail is a scanner, whatever it calls itself
        mail = clicks.row * (day + 1) + clicks.sent_day
        self.clicks.add(clicks.where((clicks.part == 0) & ~np.isin(mail, mail[clicks.part > 0])), day)
        self.money.add(told.of(Kind.CONVERSION, Kind.REBILL, Kind.REVERSAL), day)
        self.exits.add(told.of(*EXITS), day)

    def exposures(self, until: int, chosen: Bools) -> Exposures:
        """Mails to the chosen people to the evening of `until`, for the hazard: leaving as far as it was told by then."""
        first = self.mornings[-1]
        person, day, _, _ = self.mails.columns()
        mine = chosen[person] & (day <= until)
        person, day = person[mine], day[mine]
        gone, told, sent, _ = self.exits.columns()
        span = until + 1
        answered = (gone * span + sent)[told <= until]
        return of_mails(
            person,
            day,
            np.isin(person * span + day, answered),
            sent_before=np.zeros(len(person)),
            tenure_days=first.tenure_days[person] + day,
            traits=traits(first)[person],
            trait_names=TRAITS,
        )

    def totals(self, table: Table, after: int, until: int, *, micros: bool = False) -> Floats:
        """(n,) rows, or their micros, told on the days (after, until]."""
        person, day, _, amount = table.columns()
        inside = (day > after) & (day <= until)
        weights = amount[inside].astype(np.float64) if micros else None
        return np.bincount(person[inside], weights, minlength=self.people).astype(np.float64)

    def revenue(self, after: int, until: int, known: int) -> Floats:
        """(n,) micros of mails sent on the days (after, until], as told by `known`, net of what was taken back; not below 0.

        Conversions of earlier clicks are not in it: they were on their way before.
        """
        person, day, sent, amount = self.money.columns()
        inside = (sent > after) & (sent <= until) & (day <= known)
        return np.maximum(np.bincount(person[inside], amount[inside].astype(np.float64), minlength=self.people), 0.0)

    def features(self, day: int, *, known: int | None = None) -> Mapping[str, Floats]:
        """(n,) by name, as of the evening of `day`, whose morning after was kept. `known`: of another evening, as a leak would."""
        until = day if known is None else known
        seen = self.mornings[day]
        mails, opens, clicks = (self.totals(table, -1, until) for table in (self.mails, self.opens, self.clicks))
        orders, revenue = self.totals(self.money, -1, until), self.totals(self.money, -1, until, micros=True)
        lately = {
            f"{name}_lately": self.totals(table, until - LATELY_DAYS, until)
            for name, table in (("mails", self.mails), ("opens", self.opens), ("clicks", self.clicks), ("orders", self.money))
        }
        lately["revenue_lately"] = self.totals(self.money, until - LATELY_DAYS, until, micros=True)
        return lately | {
            "mails": mails,
            "opens": opens,
            "clicks": clicks,
            "orders": orders,
            "revenue": revenue,
            "open_rate": (opens + 1) / (mails + 10),
            "click_rate": (clicks + 0.2) / (mails + 10),
            "since_open": self._since(self.opens, until),
            "since_click": self._since(self.clicks, until),
            "since_order": self._since(self.money, until),
            "tenure": seen.tenure_days,
            "source": seen.source.astype(np.float64),
            "country": seen.country.astype(np.float64),
            "provider": seen.provider.astype(np.float64),
            "device": seen.device.astype(np.float64),
            "purchases": seen.purchases.astype(np.float64),
            "months_since_order": seen.months_since_order,
            "price_sensitivity": seen.price_sensitivity,
            "topics": seen.topics.sum(axis=1).astype(np.float64),
            "past_opens": seen.past_opens.sum(axis=1).astype(np.float64),
        }

    def _since(self, table: Table, until: int) -> Floats:
        """(n,) days since the last row; more than there were days for people without one."""
        person, day, _, _ = table.columns()
        last = np.full(self.people, -1, dtype=np.int64)
        known = day <= until
        np.maximum.at(last, person[known], day[known])
        return (until - last).astype(np.float64)


def traits(known: Observables) -> Floats:
    """(n, q) what the hazard may know of people from their first day on."""
    columns = [
        codes == place
        for codes, names in ((known.source, SOURCES), (known.provider, PROVIDERS), (known.country, COUNTRIES))
        for place in range(1, len(names))
    ]
    return np.stack([*columns, np.minimum(known.purchases, 10)], axis=1).astype(np.float64)
