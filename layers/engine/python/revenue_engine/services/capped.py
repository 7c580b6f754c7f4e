"""Which offers pay for nothing more now: what decide asks for all of them, execute asks for those it is about to mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in
from revenue_engine.offers import caps
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import Offer


def caps_reached(w: Wiring, org: str, controls: Controls, offers: Sequence[Offer], *, now: datetime) -> dict[str, str]:
    """The offers among these with a cap that is reached, and its name; counters are read only where a cap asks for them."""
    zone = controls.zone
    since = caps.first_day(offers, now=now, zone=zone)
    counted = w.counters.day_counters(org, since, day_in(now, zone)) if since else {}
    ever = {name: n for offer in caps.without_window(offers) for name, n in w.counters.capped(org, offer).items()}
    return caps.reached(offers, counted, ever, now=now, zone=zone, currency=controls.currency)
