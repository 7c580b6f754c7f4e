"""The one-minute judge and the breaker's probe: look at rates and machinery, sweep the outbox, stop early (P2, D5)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, from_epoch, utc_hour
from revenue_engine.records.controls import Controls
from revenue_engine.records.send import SendState
from revenue_engine.safety import breaker
from revenue_engine.safety.breaker import HealthFacts, Judgement, WindowCounts
from revenue_engine.services.offer_days import judge_offer_days

log = logging.getLogger(__name__)

WINDOW = timedelta(hours=24)  # mails sent in it, and what came of them
CLAIM_SETTLES_WITHIN = timedelta(minutes=15)
UNKNOWN_SETTLES_WITHIN = timedelta(hours=72)
MACHINE_STARTS_WITHIN_SECONDS = 120
SWEEP = 200
_MONEY = ("reported_provisional_micros", "reported_approved_micros")  # every currency with a rate, in the org's
_RATES = ("sent", "complaints", "bounces", "unsubscribes", "clicked_mails", "conversions")


def judge(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """One look. The heartbeat comes last: a judge that fails leaves it stale, and stale means no sends (D5)."""
    swept = _sweep(w, org, now)
    observe.count(names.METRIC_POSTBACKS_TAKEN, org, 0)  # the silence alarm compares sums: silence must be a figure too
    controls = w.parameters.controls(org)
    judgement = _judgement(w, org, controls, now)
    if judgement.trip and judgement.reason is not None and w.control.trip(org, reason=judgement.reason, now=now):
        log.error("breaker trips: %s", judgement.findings)
    elif judgement.warn and not judgement.trip:
        _warn_once_an_hour(w, org, judgement, now)
    _ensure_machine(w, org, w.control.heartbeat(org, at=epoch_seconds(now)), controls, now)
    judge_offer_days(w, org, controls, now=now)  # after the heartbeat: money that looks odd must not stop the mail
    return {"trip": judgement.trip, "warn": judgement.warn, "reason": judgement.reason, "swept": swept}


def probe(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """The machine asks after its cool-down: may the breaker close? Failures in a row are forgiven once, rates are not."""
    w.control.note_failures(org, in_a_row=0, all_failed=False)
    judgement = _judgement(w, org, w.parameters.controls(org), now)
    return {"healthy": not judgement.trip, "human_needed": judgement.human_needed, "reason": judgement.reason or ""}


def _judgement(w: Wiring, org: str, controls: Controls, now: datetime) -> Judgement:
    seen = w.control.breaker(org) or {}
    # A person who closed the breaker has judged what came before: the window begins at the next full hour.
    since = max(now - WINDOW, from_epoch((seen.get("closed_by_hand_at", 0) // 3600 + 1) * 3600))
    counted = w.counters.settled_hour_counters(org, since=since, until=now, only=(*_RATES, *_MONEY))
    counts = WindowCounts(
        mails=counted.get("sent", 0),
        complaints=counted.get("complaints", 0),
        bounces=counted.get("bounces", 0),
        unsubscribes=counted.get("unsubscribes", 0),
        human_clicks=counted.get("clicked_mails", 0),
        conversions=counted.get("conversions", 0),
        revenue_micros=sum(counted.get(name, 0) for name in _MONEY),
    )
    return breaker.judge(counts, controls, HealthFacts(consecutive_failures=seen.get("failures_in_a_row", 0)))


def _sweep(w: Wiring, org: str, now: datetime) -> int:
    """CLAIMED for long → UNKNOWN, UNKNOWN for days → DROPPED; a late event may still turn either into SENT (P2)."""
    swept = 0
    sweeps = [(SendState.CLAIMED, CLAIM_SETTLES_WITHIN, SendState.UNKNOWN)]
    if now.minute == 0:  # days of patience need no look every minute
        sweeps.append((SendState.UNKNOWN, UNKNOWN_SETTLES_WITHIN, SendState.DROPPED))
    for state, patience, to in sweeps:
        for send_id in w.sends.in_state(org, state, claimed_before=epoch_seconds(now - patience), limit=SWEEP):
            moved = w.sends.move(send_id, org=org, to=to, facts={"reason": f"{state.value.lower()}_too_long"})
            swept += moved
            if moved and to is SendState.UNKNOWN:
                observe.count(names.METRIC_UNKNOWN_SENDS, org)
    return swept


def _ensure_machine(w: Wiring, org: str, state: Item, controls: Controls, now: datetime) -> None:
    """An open breaker has a machine: started at the trip, and again while none has signed the breaker's item."""
    if state["state"] != "open" or "execution" in state or "tripped_at" not in state:
        return
    waited = epoch_seconds(now) - state["tripped_at"]
    attempt = waited // MACHINE_STARTS_WITHIN_SECONDS
    w.alerts.start_breaker(f"{org}-{state['tripped_at']}-{attempt}", _machine_input(w, org, state, controls))


def _machine_input(w: Wiring, org: str, state: Item, controls: Controls) -> Item:
    return {"org": org, "stage": w.stage, "reason": state["reason"], "cool_down_seconds": controls.cool_down_minutes * 60}


def _warn_once_an_hour(w: Wiring, org: str, judgement: Judgement, now: datetime) -> None:
    name = f"warned#{judgement.reason}#{utc_hour(now)}"
    if w.control.capped_increment(org, name, cap=1, expires_at=epoch_seconds(now + timedelta(days=7))):
        w.alerts.tell(f"Revenue engine: {judgement.reason} is rising", "; ".join(map(str, judgement.findings)))
