"""What is said of a conversion that is booked: learn from it after all, give it up, take it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from revenue_engine.attribution.facts import Facts, unlisted, whole_millis
from revenue_engine.attribution.ledger import Head
from revenue_engine.aws.dynamo import TransactionCancelled
from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import Contention
from revenue_engine.services.booking import add_facts

ATTEMPTS = 8
OPERATOR = "rejected_by_operator"


def release(w: Wiring, org: str, key: str, *, by: str, now: datetime) -> bool:
    """A held conversion is learned from after all. False when none is held under the key, or a person rejected it."""
    return _judge(w, org, key, _released, by=by, now=now)


def reject(w: Wiring, org: str, key: str, *, by: str, now: datetime) -> bool:
    """Its provisional money is given up, and nothing is ever learned from it; what the report approves is paid all the same.

    False when there is no such conversion, or it is rejected already.
    """
    given_up = Facts(rejected_at=whole_millis(now), held_for=(OPERATOR,))
    return _judge(w, org, key, lambda head: None if OPERATOR in head.facts.held_for else given_up, by=by, now=now)


def give_up(w: Wiring, org: str, key: str, *, now: datetime) -> bool:
    """Provisional money that no report has confirmed in time. False when a report has spoken meanwhile, or it is given up already."""
    given_up = Facts(rejected_at=whole_millis(now))
    return _judge(
        w,
        org,
        key,
        lambda head: None if head.position.state != "provisional" else given_up,
        by="",
        now=now,
        source="reconcile",
    )


def take_back(w: Wiring, org: str, key: str, *, conversion_id: str, read_at: datetime, now: datetime) -> bool:
    """The report no longer lists the conversion, and does not know its id. False when it is not booked as approved."""

    def gone(head: Head) -> Facts | None:
        known = head.facts.reported
        if known is None or known.conversion_id != conversion_id or not known.listed or known.read_at > read_at:
            return None
        return unlisted(known, read_at=read_at)

    return _judge(w, org, key, gone, by=conversion_id, now=now, source="report")


def _released(head: Head) -> Facts | None:
    if not head.facts.held or OPERATOR in head.facts.held_for:
        return None
    return Facts(released=head.facts.held_for)


def _judge(
    w: Wiring,
    org: str,
    key: str,
    verdict: Callable[[Head], Facts | None],
    *,
    by: str,
    now: datetime,
    source: str = "operator",
) -> bool:
    controls = w.parameters.controls(org)
    for _ in range(ATTEMPTS):
        read = w.ledger.head(key) if key.startswith(f"{org}#") else None
        if read is None:
            return False
        facts = verdict(read)
        try:
            # without a verdict there is no news, but the subscriber's row may not have heard of the last one
            add_facts(w, org, key, read, facts or Facts(), controls=controls, source=source, receipt_id=by, now=now)
        except TransactionCancelled:
            continue
        return facts is not None
    raise Contention(f"ledger key {key} kept changing")
