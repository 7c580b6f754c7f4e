"""A person's hand on the breaker, and on what the judge has stopped."""

from __future__ import annotations

from datetime import datetime

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import BadInput
from revenue_engine.records.causes import MARKS, Cause, Stop
from revenue_engine.services.judged import counted_by_now


def close_by_hand(w: Wiring, org: str, *, by: str, now: datetime) -> bool:
    """Closes it in Control, which every send asks, and then in the parameter that people read. False: it is not open, and nothing that
    was counted is forgiven."""
    closed = w.control.close_by_hand(org, by=by, now=now, counted=counted_by_now(w, org, now))
    w.parameters.put(
        names.breaker_parameter(w.stage, org), "closed"
    )  # also where it was: a first attempt may have come no further
    return closed


def stopped(w: Wiring, org: str, *, now: datetime) -> tuple[Stop, ...]:
    """What the judge has stopped."""
    return w.safety.stops(org, now=epoch_seconds(now))


def parse_cause(key: str) -> Cause:
    """`offer#1042`, `variant#1042/soft`, `segment#new`, `provider#yahoo`. Raises BadInput."""
    kind, mark, name = key.partition("#")
    if kind not in MARKS or not mark or not name:
        raise BadInput("cause", "unknown", f"one of {', '.join(MARKS)}, then # and a name")
    return Cause(kind, name)


def lift_stop(w: Wiring, org: str, key: str, *, by: str, now: datetime) -> bool:
    """Lets a stopped cause be mailed again. False: nothing by that key is stopped."""
    return w.safety.lift(org, parse_cause(key), by=by, at=epoch_seconds(now))
