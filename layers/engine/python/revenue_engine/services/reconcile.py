"""Once a day Everflow's own report confirms what the postbacks said; what was stored but never queued is queued (M3, M4)."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.aws import names
from revenue_engine.aws.queues import Message
from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import BadInput
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival
from revenue_engine.services import quarantine
from revenue_engine.services.attribute import book
from revenue_engine.services.everflow_api import conversion_pages

log = logging.getLogger(__name__)

WINDOW = timedelta(days=14)


def reconcile(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """Books every row of the sliding window; a row booked before changes nothing. Raises EverflowUnavailable."""
    controls = w.parameters.controls(org)
    requeued = _queue_what_lies_unqueued(w, org)
    api_key = w.parameters.everflow_api_key(org)
    if api_key is None:
        log.warning("no Everflow API key: postback revenue stays provisional")
        return {"requeued": requeued, "skipped": "no_api_key"}
    outcomes: Counter[str] = Counter()
    pages = conversion_pages(w.value(names.EVERFLOW_BASE_URL), api_key, org=org, start=now - WINDOW, end=now, received_at=now)
    for page in pages:
        for problem in page.problems:
            log.error("report row not understood: %s %s %s", problem.where, problem.field, problem.reason)
            outcomes["not_understood"] += 1
        for arrival in page.rows:
            outcomes[_one(w, arrival, controls, now)] += 1
    return {"requeued": requeued, **outcomes}


def _one(w: Wiring, arrival: Arrival, controls: Controls, now: datetime) -> str:
    """A row an operator has to look at is listed in quarantine; the next run books it when its cause is gone."""
    try:
        result = book(w, arrival, controls=controls, now=now)
    except BadInput as bad:
        quarantine.keep_arrival(w, arrival, field=bad.field, reason=bad.reason, detail=bad.detail, now=now)
        return "quarantined"
    if result != "doubtful":
        w.ledger.release(arrival.org, receipt_id=arrival.receipt_id, received_at=arrival.converted_at)
    return result


def _queue_what_lies_unqueued(w: Wiring, org: str) -> int:
    keys = w.postbacks.keys(f"unqueued/{org}/")
    for key in keys:
        body = w.postbacks.get(key)
        if body is not None:
            w.postbacks_queue.send([Message(body.decode())])
            w.postbacks.delete(key)
    return len(keys)
