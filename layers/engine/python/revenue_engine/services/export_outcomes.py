"""Once a day what became of mails goes beside the decisions, as gzip NDJSON for Athena. Running it again writes the same again (D1)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, midnight
from revenue_engine.outcomes import SETTLED_DAYS, OutcomeEvent, in_order, money, settled, touches

AGAIN_DAYS = 3  # each run writes so many days anew: SES tells some of a day's events on the next


def export_outcomes(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """The last org days that are over, a file each. Returns how many events each has. Raises Refused for unreadable controls."""
    controls = w.parameters.controls(org)
    today = day_in(now, controls.zone)
    found = {}
    for back in range(AGAIN_DAYS, 0, -1):
        day = today - timedelta(days=back)
        events = in_order(list(_events(w, org, day, zone=controls.zone, currency=controls.currency)))
        lines = b"".join(orjson.dumps(event.document()) + b"\n" for event in events)
        w.decisions.put(outcomes_key(org, day), gzip.compress(lines, compresslevel=6, mtime=0))
        found[day.isoformat()] = len(events)
    return found


def outcomes_key(org: str, day: date) -> str:
    """Where an org day's events lie."""
    return f"outcomes/{org}/{day.isoformat()}/outcomes.ndjson.gz"


def _events(w: Wiring, org: str, day: date, *, zone: str, currency: str) -> Iterator[OutcomeEvent]:
    """Touches are looked for in the outbox rows of the last SETTLED_DAYS; money by the ledger's own days, whatever mail it credits."""
    start, end = (epoch_seconds(midnight(one, zone)) for one in (day, day + timedelta(days=1)))
    mails: dict[str, Item] = {}
    for back in range(SETTLED_DAYS + 1):
        for mail in w.sends.on_day(org, (day - timedelta(days=back)).isoformat()):
            yield from touches(mail, start=start, end=end)
            if back == SETTLED_DAYS:
                yield from settled(mail, at=end - 1, currency=currency)
    for _, entry in w.ledger.booked_on(org, day.isoformat()):
        send_id = entry.position.place.send_id
        if send_id is None:
            continue
        if send_id not in mails:
            mail_now = w.sends.get(send_id)
            if mail_now is None:
                continue  # its row is past its time
            mails[send_id] = mail_now
        yield from money(mails[send_id], entry, currency=currency)
