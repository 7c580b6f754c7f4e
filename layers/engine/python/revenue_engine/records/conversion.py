"""A conversion as it arrives, and the shares of its money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

BASE_EVENT = "0"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One postback or report row, understood. `(org, kind, transaction_id, event_id)` is the arrival key (M2)."""

    org: str
    kind: str  # conversion | event
    transaction_id: str
    event_id: str  # "0" for the base conversion; "" for an event of which only the name is known
    event_name: str
    payout_micros: int
    currency: str | None  # None: the offer's
    offer: str
    sub1: str
    source: str  # postback | report
    conversion_id: str | None  # certain only in a report
    converted_at: datetime  # receipt time until a report knows better
    received_at: datetime
    receipt_id: str
    clicked_at: datetime | None = None  # the network's own time of the click, where it tells

    @property
    def key(self) -> str:
        """The ledger's partition key."""
        return f"{self.org}#{self.kind}#{self.transaction_id}#{self.event_id}"


@dataclass(frozen=True, slots=True)
class Allocation:
    """A share of one entry's amount credited to one mail. `weight` is for people, `micros` is the books."""

    send_id: str
    weight: float
    micros: int
