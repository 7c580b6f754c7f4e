"""Once a day Everflow's own report says what the money is: it approves, adjusts and takes back (M3, M4).

Held conversions appear weeks after their click, so the window is long, and longer still once a week. A report that did not come whole
concludes nothing. What a whole one lacks is taken back only when two of them lacked it, the look-up by id knows nothing of it either, and
it is not suspiciously much at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from revenue_engine.attribution.ledger import Entry
from revenue_engine.attribution.reconciliation import (
    ABSENCES,
    Absence,
    Booked,
    absence_after,
    booked_of,
    is_known,
    too_many,
    unconfirmed,
    unlisted_in,
)
from revenue_engine.aws import names, observe
from revenue_engine.aws.queues import Message
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch
from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import ConversionsReport
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival
from revenue_engine.services import anomaly_desk, quarantine, verdicts
from revenue_engine.services.attribute import book
from revenue_engine.services.everflow_api import EverflowClient, EverflowUnavailable, everflow_of

log = logging.getLogger(__name__)

WINDOW, LONG_WINDOW = timedelta(days=35), timedelta(days=180)
LONG_WINDOW_WEEKDAY = 0  # Monday
HELD_FOR = timedelta(hours=72)
GIVING_UP = timedelta(days=7)  # how long each day looks back beyond the age limit, should days have been missed


def reconcile(w: Wiring, *, org: str, now: datetime, confirmed_by: str = "") -> dict[str, Any]:
    """One reading. `confirmed_by`: the person who has looked at reversals that were held. Raises EverflowUnavailable."""
    controls = w.parameters.controls(org)
    requeued = _queue_what_lies_unqueued(w, org)
    with everflow_of(w, org) as everflow:
        if everflow is None:
            log.warning("no Everflow API key: postback revenue stays provisional")
            return {"requeued": requeued, "skipped": "no_api_key"}
        window = LONG_WINDOW if now.weekday() == LONG_WINDOW_WEEKDAY else WINDOW
        slots = {offer.offer: offer.sub_slot for offer in w.offers.catalogue(org)}
        report = everflow.conversions(org, now - window, now, read_at=now, sub_slots=slots)
        booked = booked_of(_entries(w, org, controls, now - window, now))
        # a reading that died may have booked what it told nobody: then every row is looked at again, and no news still tells
        whole = w.control.begin_reading(org, now=now)
        outcomes = _book_rows(w, report, booked if whole else {}, controls, now)
        outcomes += _take_back(w, everflow, report, booked, now, confirmed_by)
    outcomes += _give_up(w, org, controls, now)
    outcomes += _release_what_is_approved(w, org, now)
    w.control.end_reading(org, now=now)
    return {"requeued": requeued, **outcomes}


def _entries(w: Wiring, org: str, controls: Controls, start: datetime, end: datetime) -> Iterator[tuple[str, Entry]]:
    """Booked in the window: a conversion of the window cannot have been booked before it began."""
    first, last = day_in(start, controls.zone).toordinal(), day_in(end, controls.zone).toordinal()
    for day in range(first, last + 1):
        yield from w.ledger.booked_on(org, date.fromordinal(day).isoformat())


def _book_rows(
    w: Wiring, report: ConversionsReport, booked: dict[str, Booked], controls: Controls, now: datetime
) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for problem in report.problems:
        log.error("report row not understood: %s %s %s", problem.where, problem.field, problem.reason)
        outcomes["not_understood"] += 1
    observe.count(names.METRIC_QUARANTINED, report.org, outcomes["not_understood"])
    by_id = {one.conversion_id: one for one in booked.values() if one.conversion_id is not None}
    for row in report.rows:
        outcomes["as_booked" if is_known(row, by_id.get(row.conversion_id or "")) else _one(w, row, controls, now)] += 1
    return outcomes


def _one(w: Wiring, arrival: Arrival, controls: Controls, now: datetime) -> str:
    """A row an operator has to look at is listed in quarantine; the next run books it when its cause is gone."""
    try:
        result = book(w, arrival, controls=controls, now=now)
    except BadInput as bad:
        quarantine.keep_arrival(w, arrival, field=bad.field, reason=bad.reason, detail=bad.detail, now=now)
        return "quarantined"
    w.quarantine.release(arrival.org, receipt_id=arrival.receipt_id, received_at=arrival.converted_at)
    return result


def _take_back(
    w: Wiring, everflow: EverflowClient, report: ConversionsReport, booked: dict[str, Booked], now: datetime, confirmed_by: str
) -> Counter[str]:
    org = report.org
    if not report.complete_ids:  # a row without an id may be any of those that seem to lack
        return Counter({"ids_missing": 1})
    missed, known = unlisted_in(booked, report.conversion_ids, start=report.start, end=report.end), w.absences.all(org)
    for conversion_id, absence in known.items():
        if absence.times and conversion_id in report.conversion_ids:
            w.absences.put(org, conversion_id, replace(absence, times=0, last_at=now))
    # what was about to be taken back when the last run died is no longer booked, but still on the list
    gone = {one: absence.key for one, absence in known.items() if absence.times >= ABSENCES and one not in report.conversion_ids}
    for conversion_id, key in missed.items():
        absence = absence_after(known.get(conversion_id), key, read_at=now)
        w.absences.put(org, conversion_id, absence)
        if absence.times >= ABSENCES:
            gone[conversion_id] = key
    found: Counter[str] = Counter({"missed": len(missed)} if missed else {})
    if not gone:
        return found
    if too_many(len(gone), booked) and not confirmed_by:
        log.error("%d conversions are gone from the report: held until a person confirms", len(gone))
        observe.count(names.METRIC_REVERSALS_HELD, org, len(gone))
        found["reversals_held"] = len(gone)
        return found
    try:
        absent = everflow.confirm_absent(report, gone)
    except EverflowUnavailable as unavailable:
        if not confirmed_by:
            log.error("%d conversions are gone from the report and cannot be looked up: %s", len(gone), unavailable)
            observe.count(names.METRIC_REVERSALS_HELD, org, len(gone))
            found["reversals_held"] = len(gone)
            return found
        absent = frozenset(gone)
    for conversion_id, key in sorted(gone.items()):
        if conversion_id in absent:
            found["reversed"] += verdicts.take_back(w, org, key, conversion_id=conversion_id, read_at=now, now=now)
        w.absences.put(org, conversion_id, Absence(key, 0, now))  # settled: taken back, or there after all
    return found


def _give_up(w: Wiring, org: str, controls: Controls, now: datetime) -> Counter[str]:
    """Provisional money that no report has confirmed for long is none (M4)."""
    limit = now - timedelta(days=controls.provisional_valid_days)
    booked = booked_of(_entries(w, org, controls, limit - GIVING_UP, limit))
    given_up = sum(verdicts.give_up(w, org, key, now=now) for key in unconfirmed(booked, before=limit))
    observe.count(names.METRIC_PROVISIONAL_GIVEN_UP, org, given_up)
    return Counter({"given_up": given_up} if given_up else {})


def _release_what_is_approved(w: Wiring, org: str, now: datetime) -> Counter[str]:
    """Nobody need decide for ever: what the network pays for, and no person has rejected within HELD_FOR, is learned from."""
    released = 0
    for anomaly in w.anomalies.all(org):
        if not anomaly.waiting or from_epoch(anomaly.waiting_since) > now - HELD_FOR:
            continue
        head = w.ledger.head(anomaly.key)
        if head is not None and head.position.state == "approved":
            released += anomaly_desk.decide(w, org, anomaly.key, verdict="released", by="the report", now=now)
        elif from_epoch(anomaly.waiting_since) < now - LONG_WINDOW:  # it was taken back, and no report can bring it back
            signals = [flag.signal for flag in anomaly.waiting]
            w.anomalies.settle(org, anomaly.key, signals, verdict="taken_back", by="the report", at=epoch_seconds(now))
    return Counter({"released": released} if released else {})


def _queue_what_lies_unqueued(w: Wiring, org: str) -> int:
    keys = w.postbacks.keys(f"unqueued/{org}/")
    for key in keys:
        body = w.postbacks.get(key)
        if body is not None:
            w.postbacks_queue.send([Message(body.decode())])
            w.postbacks.delete(key)
    return len(keys)
