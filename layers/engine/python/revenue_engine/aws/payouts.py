"""What an offer's last conversions paid: one item of the Offers table per offer, currency and kind of conversion.

A ring without a hand: a conversion's key chooses its slot, so one unconditional write remembers it, and writing it again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from revenue_engine.aws.dynamo import Table, changes
from revenue_engine.ids import stable_hash
from revenue_engine.records.conversion import Arrival

SLOTS = 64
_PAID, _DUPLICATE = "paid", "duplicate"


@dataclass(frozen=True, slots=True)
class KnownPayouts:
    """Of other conversions than the one that asks."""

    micros: tuple[int, ...]
    duplicates: int  # conversions that had another one under their transaction and event


@dataclass(frozen=True)
class Payouts:
    """All reads and writes of them."""

    table: Table

    def known(self, arrival: Arrival, *, currency: str, key: str) -> KnownPayouts:
        """What was paid for conversions of this offer and kind, the one booked under `key` left out."""
        item = self.table.get(arrival.org, _sort_key(arrival, currency)) or {}
        own = {_slot(_PAID, key), _slot(_DUPLICATE, key)}
        others = {name: value for name, value in item.items() if name not in own}
        return KnownPayouts(
            tuple(micros for name, micros in sorted(others.items()) if name.startswith(_PAID)),
            sum(name.startswith(_DUPLICATE) for name in others),
        )

    def remember(self, arrival: Arrival, *, currency: str, key: str, paid: bool, duplicate: bool) -> None:
        """`paid`: the amount is one the offer pays. `duplicate`: the key is not the first of its transaction and event."""
        noted = {_slot(_PAID, key): arrival.payout_micros} if paid and arrival.payout_micros else {}
        if duplicate:
            noted[_slot(_DUPLICATE, key)] = 1
        if noted:
            self.table.update(arrival.org, _sort_key(arrival, currency), changes(set_=noted))


def _sort_key(arrival: Arrival, currency: str) -> str:
    kind = "base" if arrival.kind == "conversion" else f"event:{arrival.event_name or arrival.event_id}"
    return f"payouts#{arrival.offer}#{currency}#{kind}"


def _slot(prefix: str, key: str) -> str:
    return f"{prefix}{stable_hash(prefix, key) % SLOTS:02d}"
