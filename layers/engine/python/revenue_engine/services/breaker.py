"""A person's hand on the breaker."""

from __future__ import annotations

from datetime import datetime

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring


def close_by_hand(w: Wiring, org: str, *, by: str, now: datetime) -> None:
    """Closes it in Control, which every send asks, and then in the parameter that people read. Again changes nothing."""
    w.control.close_by_hand(org, by=by, now=now)
    w.parameters.put(names.breaker_parameter(w.stage, org), "closed")
