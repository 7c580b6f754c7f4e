"""What an operator sees of anomalies, and what he decides: learn from it after all, or give it up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from revenue_engine.aws.anomalies import Anomaly
from revenue_engine.aws.offer_days import KEEP_DAYS
from revenue_engine.aws.queues import Message
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, from_epoch
from revenue_engine.services import verdicts

Verdict = Literal["released", "rejected"]
MOST_KEY_BYTES = 1_024


def listed(w: Wiring, org: str, *, settled: bool = False, now: datetime) -> list[dict[str, Any]]:
    """Offer-days, then conversions, that wait for a decision, or those that had one; JSON-able, the oldest first."""
    first_day = (now - timedelta(days=KEEP_DAYS)).date()
    days = [
        {
            "key": day.key,
            "offer": day.offer,
            "at": day.since.isoformat(),
            "flags": [day.flag.as_item()],
        }
        for day in w.offer_days.since(org, first_day)
        if day.dismissed == settled
    ]
    conversions = [
        {
            "key": anomaly.key,
            "offer": anomaly.offer,
            "at": from_epoch(anomaly.converted_at).isoformat(),
            "flags": [flag.as_item() for flag in (anomaly.flags if settled else anomaly.waiting)],
            "payout_micros": anomaly.payout_micros,
            "currency": anomaly.currency,
            **({"settled": dict(anomaly.settled)} if settled else {}),
        }
        for anomaly in sorted(w.anomalies.all(org), key=lambda anomaly: (anomaly.first_flagged_at, anomaly.key))
        if bool(anomaly.waiting) != settled
    ]
    return [*days, *conversions]


def decide(w: Wiring, org: str, key: str, *, verdict: Verdict, by: str, now: datetime) -> bool:
    """False when nothing by that key waits for such a verdict.

    released: a conversion is learned from after all, an offer's day makes no conversion suspicious any more. rejected, for conversions
    alone: its provisional money is given up, and nothing is ever learned from it. The books come first: what dies before the list is
    written waits on, and can be decided again.
    """
    if verdict == "released" and _dismissed(w, org, key, by=by, now=now):
        return True
    anomaly = _waiting(w, org, key)
    if anomaly is None:
        return False
    (verdicts.release if verdict == "released" else verdicts.reject)(w, org, key, by=by, now=now)
    signals = [flag.signal for flag in anomaly.waiting]
    return w.anomalies.settle(org, key, signals, verdict=verdict, by=by, at=epoch_seconds(now))


def queue_decision(w: Wiring, org: str, key: str, *, verdict: Verdict, by: str, now: datetime) -> bool:
    """The same for somebody who may not write the books: attribute does it. False when nothing by that key waits."""
    if verdict == "released" and _dismissed(w, org, key, by=by, now=now):
        return True
    if _waiting(w, org, key) is None:
        return False
    body = {"kind": "verdict", "org": org, "key": key, "verdict": verdict, "by": by}
    w.postbacks_queue.send([Message(json.dumps(body))])
    return True


def decide_message(w: Wiring, message: Mapping[str, Any], *, now: datetime) -> str:
    """A queued decision: decided | unchanged."""
    done = decide(w, message["org"], message["key"], verdict=message["verdict"], by=message["by"], now=now)
    return "decided" if done else "unchanged"


def _dismissed(w: Wiring, org: str, key: str, *, by: str, now: datetime) -> bool:
    return _fits(key) and w.offer_days.dismiss(org, key, by=by, at=epoch_seconds(now))


def _waiting(w: Wiring, org: str, key: str) -> Anomaly | None:
    found = w.anomalies.get(org, key) if _fits(key) else None
    return found if found and found.waiting else None


def _fits(key: str) -> bool:
    """Somebody typed it: the table refuses other lengths."""
    return 0 < len(key.encode()) <= MOST_KEY_BYTES
