"""What an org's log is made of: receipts with their cycles' contexts, mails that left, conversions as the books have them. Only read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from revenue_engine.attribution.ledger import Head
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, from_epoch, midnight
from revenue_engine.records.send import SendState
from revenue_engine.services.approvals import waits

_TRIES = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Span:
    """The days of an export: receipts lie under UTC days, mails and bookings under those of the org's zone."""

    decided: tuple[date, ...]
    booked: tuple[date, ...]


def span(w: Wiring, org: str, *, days: int, now: datetime) -> Span:
    """The last so many UTC days, today among them, and the org days that they touch. Raises Refused for unreadable controls."""
    last, zone = now.date(), w.parameters.controls(org).zone
    first = last - timedelta(days=days - 1)
    return Span(_days(first, last), _days(day_in(midnight(first, "UTC"), zone), day_in(now, zone)))


def receipts(w: Wiring, org: str, day: date) -> Iterator[tuple[str, bytes]]:
    """`(key, gzipped lines)` of every page decided on a UTC day, in order."""
    for key in receipt_keys(w, org, day):
        yield key, w.decisions.get(key) or b""


def receipt_keys(w: Wiring, org: str, day: date) -> list[str]:
    """Of every page decided on a UTC day, in order."""
    return w.decisions.keys(f"decisions/{org}/{day.isoformat()}/")


def contexts(w: Wiring, org: str, day: date) -> Iterator[tuple[str, bytes]]:
    """`(key, context)` of every cycle of a UTC day: what its policy is worked out from, beside the pages."""
    cycles = {key.split("/")[3] for key in receipt_keys(w, org, day)}
    for cycle_id in sorted(cycles):
        key = f"cycles/{org}/{cycle_id}/context.json"
        found = w.decisions.get(key)
        if found is not None:
            yield key, found


def inputs(w: Wiring, org: str, receipts_key: str) -> tuple[str, bytes | None]:
    """`(key, page)` of the rows that a page of receipts was decided from."""
    cycle_id, page = receipts_key.split("/")[3:]
    key = f"cycles/{org}/{cycle_id}/{page.removesuffix('.ndjson.gz')}.npz"
    return key, w.decisions.get(key)


def waiting(w: Wiring, org: str, *, now: datetime) -> list[str]:
    """Ids of the plans that wait for a person: `{cycle_id}-{page:04d}`."""
    return [plan["approval_id"] for plan in w.control.approvals(org) if waits(plan, now)]


def mails(w: Wiring, org: str, day: date) -> Iterator[Item]:
    """The day's outbox rows of mails that left; `hard_bounced` says of those that bounced whether for good."""
    for row in w.sends.on_day(org, day.isoformat()):
        if row["state"] == SendState.SENT.value:
            yield row | {"hard_bounced": "bounced_at" in row and _for_good(w, row)}


def conversions(w: Wiring, org: str, days: tuple[date, ...]) -> Iterator[tuple[str, Head]]:
    """`(key, head)` of everything that was booked, or changed, on these org days, each once."""
    keys = dict.fromkeys(key for day in days for key, _ in w.ledger.booked_on(org, day.isoformat()))
    for key in keys:
        head = w.ledger.head(key)
        if head is not None:
            yield key, head


def _for_good(w: Wiring, row: Item) -> bool:
    """The outbox knows that a mail bounced, its person's timeline how."""
    at = from_epoch(row["bounced_at"])  # of the first bounce: a provider that tries again may give up later
    events = w.timeline.between(row["org"], row["subscriber"], start=at, end=at + _TRIES)
    return any(
        event["kind"] == "bounce" and event["send_id"] == row["pk"] and event["bounce_type"] == "Permanent" for event in events
    )


def _days(first: date, last: date) -> tuple[date, ...]:
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))
