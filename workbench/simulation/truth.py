"""What really happened, written down as it happens: what the books and counters are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Deal:
    """One conversion or later event of a click, as the network knows it. Money in micros of `currency`."""

    kind: str  # conversion | event
    transaction_id: str
    conversion_id: str
    event_id: str
    event_name: str
    offer: str
    currency: str
    payout_micros: int
    sub1: str
    clicked_at: datetime
    converted_at: datetime
    posted_micros: int | None = None  # what an understandable postback said, once one was sent
    approves_at: datetime | None = None  # None: the advertiser never confirms it
    approved_micros: int = 0
    reported: bool = False  # the report has listed it
    sale_micros: int = 0  # what the customer paid, where a postback says so
    changes: list[tuple[datetime, int]] = field(default_factory=list)  # from when the report has another amount; 0: no such row
    missed_at: datetime | None = None  # the first reading that no longer had its row
    taken_back: bool = False  # a second one, half a day later or more, did not either: then it is to be believed

    def listed_micros(self, now: datetime) -> int | None:
        """The amount of the report's row at a moment; None = there is no row."""
        if self.approves_at is None or now < self.approves_at:
            return None
        changed = [micros for at, micros in self.changes if at <= now]
        return (changed[-1] or None) if changed else self.approved_micros


@dataclass(slots=True)
class Truth:
    """Tallies of facts that have happened and were told to the engine."""

    accepted: int = 0
    delivered: int = 0
    human_opens: int = 0
    machine_opens: int = 0
    human_clicks: int = 0
    machine_clicks: int = 0
    hard_bounces: int = 0
    complaints: int = 0
    unsubscribes: int = 0
    disguised_clicks: int = 0  # among the human ones: of scanners that nothing gives away
    opted_out_at: dict[str, datetime] = field(default_factory=dict)  # by address: told, and thus never to be mailed again
    deals: list[Deal] = field(default_factory=list)
    rubbish: Counter[str] = field(default_factory=Counter)  # postbacks that must end in quarantine, by reason
    doubtful: int = 0  # postbacks that contradict an earlier one
    postbacks: int = 0
    refused: list[str] = field(default_factory=list)  # answers that were not what the outside world relies on

    def add(self, change: Mapping[str, int]) -> None:
        """Changes of tallies, by name."""
        for name, n in change.items():
            setattr(self, name, getattr(self, name) + n)

    def opt_out(self, address: str, at: datetime) -> None:
        """The first opt-out counts."""
        self.opted_out_at.setdefault(address, at)

    def provisional_micros(self) -> dict[str, int]:
        """What postbacks said and no report has settled, by currency."""
        return _by_currency((deal.currency, deal.posted_micros or 0) for deal in self.deals if not deal.reported)

    def approved_micros(self) -> dict[str, int]:
        """What the report confirmed, by currency."""
        return _by_currency((deal.currency, deal.approved_micros) for deal in self.deals if deal.reported)

    def conversions(self) -> int:
        """Conversions and later events the engine could know of."""
        known = (deal for deal in self.deals if deal.reported or deal.posted_micros is not None)
        return sum(not deal.taken_back for deal in known)


def _by_currency(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for currency, micros in amounts:
        total[currency] += micros
    return {currency: micros for currency, micros in sorted(total.items()) if micros}
