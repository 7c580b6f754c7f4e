"""What happens in a world, as rows; what a sender is told of it; and a queue of what is still to come.

Each row is one record of the outside world: SES's Delivery, Bounce, Open, Click, Complaint and Subscription (here UNSUBSCRIBE, which
may be rendered as a one-click POST), Everflow's postbacks (CONVERSION, REBILL) and report rows (APPROVAL, REVERSAL). `row` and
`sent_day` name the mail; times are seconds on the subscriber's own clock, so a renderer adds his zone, the ids of its mails, and
what arrives late, twice or out of order. An `Agent` stands for one of the user agents of `workbench.simulation.behaviour`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TypeVar

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints

DAY = 86_400


class Kind(IntEnum):
    """Of a row."""

    DELIVERY = 1
    HARD_BOUNCE = 2
    SOFT_BOUNCE = 3
    OPEN = 4
    CLICK = 5
    UNSUBSCRIBE = 6
    COMPLAINT = 7
    CONVERSION = 8
    REBILL = 9
    APPROVAL = 10
    REVERSAL = 11


class Agent(IntEnum):
    """Class of the user agent of an open or click; 0 for other rows."""

    NONE = 0
    BROWSER = 1
    PHONE = 2
    GMAIL_PROXY = 3  # a person's open, seen through Google's image proxy
    APPLE_PROXY = 4  # fetched by Apple's privacy proxy, whoever reads it
    SCANNER = 5  # names itself or comes from a data centre
    QUIET_SCANNER = 6  # looks like a browser; only its haste gives it away


class Flaw(IntEnum):
    """What is false about a conversion."""

    NONE = 0
    POSTED_TWICE = 1  # the same conversion again
    SECOND_ID = 2  # the same sale under another id
    INSTANT = 3  # seconds after its click
    OUTLIER = 4  # a payout of five to ten times
    BURST = 5  # of a day on which an offer is attacked


_Rows = TypeVar("_Rows", bound="DayEvents")


@dataclass(frozen=True)
class DayEvents:
    """What the sender is told on one day, in the order of `at`; (n,) each."""

    at: Floats  # seconds since midnight of day 0
    kind: Codes  # Kind
    row: Ints  # of the world's subscribers
    sent_day: Ints
    offer: Ints
    content: Ints
    agent: Codes  # Agent; a quiet scanner shows itself as BROWSER
    part: Ints  # CLICK: which link (0 = the offer's); CONVERSION, REBILL, REVERSAL, APPROVAL: number of the conversion under its mail
    micros: Ints  # payout; negative for REVERSAL; the final amount for APPROVAL
    sale_micros: Ints

    def __len__(self) -> int:
        return len(self.at)

    def where(self: _Rows, chosen: Bools | Ints) -> _Rows:
        """Some of the rows."""
        return type(self)(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def of(self: _Rows, *kinds: Kind) -> _Rows:
        """The rows of these kinds."""
        chosen = self.kind == kinds[0]
        for kind in kinds[1:]:
            chosen |= self.kind == kind
        return self.where(chosen)


@dataclass(frozen=True)
class Facts(DayEvents):
    """The same with what nobody tells."""

    human: Bools  # a person opened or clicked; true for rows that are neither
    flaw: Codes  # Flaw of a conversion

    def told(self) -> DayEvents:
        """Without what nobody tells."""
        shown = {field.name: getattr(self, field.name) for field in fields(DayEvents)}
        quiet = shown["agent"] == Agent.QUIET_SCANNER
        return DayEvents(**{**shown, "agent": np.where(quiet, np.uint8(Agent.BROWSER), shown["agent"])})


@dataclass(frozen=True)
class Mails:
    """Mails that rows refer to; (m,) each."""

    row: Ints
    sent_day: Ints
    offer: Ints
    content: Ints

    def where(self, chosen: Bools | Ints) -> Mails:
        """Some of them."""
        return Mails(self.row[chosen], self.sent_day[chosen], self.offer[chosen], self.content[chosen])


def facts(
    mails: Mails,
    kind: Kind,
    at: Floats,
    *,
    agent: Codes | Agent = Agent.NONE,
    part: Ints | int = 0,
    micros: Ints | int = 0,
    sale_micros: Ints | int = 0,
    human: bool = True,
    flaw: Codes | Flaw = Flaw.NONE,
) -> Facts:
    """One row a mail."""
    n = len(at)

    def column(value: Codes | Ints | int, dtype: type) -> np.ndarray:
        return np.full(n, value, dtype=dtype) if isinstance(value, int) else np.asarray(value, dtype=dtype)

    return Facts(
        at=at,
        kind=np.full(n, kind, dtype=np.uint8),
        row=mails.row,
        sent_day=mails.sent_day,
        offer=mails.offer,
        content=mails.content,
        agent=column(agent, np.uint8),
        part=column(part, np.int64),
        micros=column(micros, np.int64),
        sale_micros=column(sale_micros, np.int64),
        human=np.full(n, human),
        flaw=column(flaw, np.uint8),
    )


def joined(parts: Sequence[Facts]) -> Facts:
    """All rows, in the order given. At least one part."""
    return Facts(**{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Facts)})


class Queue:
    """What will happen, by the day on which it does."""

    def __init__(self) -> None:
        self._waiting: Facts = facts(Mails(*(np.zeros(0, dtype=np.int64) for _ in range(4))), Kind.DELIVERY, np.zeros(0))

    def turn(self, day: int, new: Sequence[Facts]) -> Facts:
        """Takes in new rows and gives out those of this day, by time."""
        all_rows = joined([self._waiting, *new])
        now = all_rows.at < (day + 1) * DAY
        self._waiting = all_rows.where(~now)
        today = all_rows.where(now)
        # ties in an order that does not depend on how the list was split
        return today.where(np.lexsort((today.part, today.kind, today.row, today.at)))
