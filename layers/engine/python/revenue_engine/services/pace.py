"""The velocity in force, for whoever queues mails. Needs no numpy: whoever approves a plan loads it."""

from __future__ import annotations

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.records.controls import Controls


def in_force(w: Wiring, org: str, controls: Controls) -> int:
    """Mails a minute, as the last cycle left it or as the operator has put it since."""
    known = known_velocity(w, org, controls)
    return min(int(known["sends_per_minute"]), controls.most_sends_per_minute) if known else controls.sends_per_minute


def known_velocity(w: Wiring, org: str, controls: Controls) -> Item | None:
    """What the last cycle left; nothing after the operator has changed where it begins."""
    known = w.control.velocity(org)
    return known if known and known["begins_at"] == controls.sends_per_minute else None
