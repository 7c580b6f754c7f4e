"""The one-minute judge and the breaker's probe: look at rates and machinery, sweep the outbox, stop the cause, or everything (P2, D5)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, parse_iso, utc_hour
from revenue_engine.records.controls import Controls
from revenue_engine.records.send import CONTENT_INCOMPLETE, UNKNOWN_TOO_LONG, SendState, counted_of_cycle
from revenue_engine.safety import breaker
from revenue_engine.safety.claim import TRICKLE_STALE_SECONDS
from revenue_engine.safety.findings import Finding, Judgement, Remedy
from revenue_engine.safety.stops import stop_for
from revenue_engine.services.health import health_facts
from revenue_engine.services.judged import WINDOW, counted_by_now, gmail_facts, judged_window
from revenue_engine.services.offer_days import judge_offer_days

log = logging.getLogger(__name__)

CLAIM_SETTLES_WITHIN = timedelta(minutes=15)
UNKNOWN_SETTLES_WITHIN = timedelta(hours=72)
MACHINE_STARTS_WITHIN_SECONDS = 120
MACHINE_IS_LATE_SECONDS = 900  # beyond its cool-down
SWEEP = 200


def judge(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """One look. The heartbeat comes last: a judge that fails leaves it stale, and stale means no sends (D5)."""
    swept, stuck = _sweep(w, org, now)
    observe.count(names.METRIC_POSTBACKS_TAKEN, org, 0)  # the silence alarm compares sums: silence must be a figure too
    controls = w.parameters.controls(org)
    seen = _begin_trial(w, org, w.control.breaker(org) or {}, now)
    judgement = _judgement(w, org, seen, controls, now, stuck=stuck)
    for finding in judgement.stopping:
        _stop_cause(w, org, finding, controls, now)
    if judgement.trip:
        _stop_all(w, org, judgement, now)
    else:
        for finding in judgement.telling:
            _warn_once_an_hour(w, org, finding, now)
    w.safety.put_look(org, at=epoch_seconds(now), findings=[str(finding) for finding in judgement.findings])
    _ensure_machine(w, org, w.control.heartbeat(org, at=epoch_seconds(now)), controls, now)
    judge_offer_days(w, org, controls, now=now)  # after the heartbeat: money that looks odd must not stop all mail
    return {
        "trip": judgement.trip,
        "warn": bool(judgement.findings),
        "reason": judgement.reason,
        "stopped": [f.cause.key for f in judgement.stopping if f.cause],
        "swept": swept,
    }


def probe(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """The machine asks after a trickle: may the breaker close? What the trickle brought decides, nothing older."""
    controls = w.parameters.controls(org)
    seen = _begin_trial(w, org, w.control.breaker(org) or {}, now)
    judgement = _judgement(w, org, seen, controls, now, stuck=0)
    window = judged_window(w, org, seen, now)
    young = len(window.hours) - window.after(epoch_seconds(now - timedelta(hours=breaker.TOLD_AFTER_HOURS + 1)))
    verdict = breaker.trial_verdict(window.hours, judgement, controls, reason=seen.get("reason", ""), young=young)
    return {
        "healthy": verdict == "healthy",
        "undecided": verdict == "undecided",
        "human_needed": judgement.human_needed,
        "reason": judgement.reason or "",
    }


def _judgement(w: Wiring, org: str, seen: Item, controls: Controls, now: datetime, *, stuck: int) -> Judgement:
    window, gmail = judged_window(w, org, seen, now), gmail_facts(w, org, seen, controls, now)
    stops = w.safety.stops(org, now=epoch_seconds(now))
    blamed = [stop for stop in stops if stop.reason != CONTENT_INCOMPLETE]  # the others brought no trouble, only no mail
    return breaker.judge(
        window.hours,
        controls,
        health_facts(w, org, seen, stuck=stuck, now=now),
        days=window.days,
        stopped={stop.cause: window.after(stop.since) for stop in blamed},
        lately=sum(stop.since > epoch_seconds(now - WINDOW) for stop in blamed),
        without_mail=frozenset(stop.cause for stop in stops if stop not in blamed),
        gmail=gmail.days,
        gmail_variants=gmail.variants,
        earned=window.earned,
    )


def _begin_trial(w: Wiring, org: str, seen: Item, now: datetime) -> Item:
    """What a trickle brings is judged by itself: from the first look at it on. Later trickles of the same trip add to it."""
    if seen.get("state") != "half_open" or seen.get("judge_from", 0) >= seen.get("tripped_at", 1):
        return seen
    at = epoch_seconds(now)
    w.control.begin_trial(org, at=at, counted=counted_by_now(w, org, now))
    return w.control.breaker(org) or {}


def _stop_all(w: Wiring, org: str, judgement: Judgement, now: datetime) -> None:
    """The last remedy. Of two trips the graver counts: complaints that come while it is open for something else wait for a person."""
    assert judgement.reason is not None
    opened = w.control.trip(org, reason=judgement.reason, human=judgement.human_needed, now=now)
    if opened or (judgement.human_needed and w.control.need_human(org, reason=judgement.reason)):
        figures = "; ".join(map(str, judgement.findings))
        log.error("breaker trips: %s", figures)
        w.alerts.tell(f"Revenue engine: {judgement.severity}: {judgement.reason}, all mail is stopped", figures)


def _stop_cause(w: Wiring, org: str, finding: Finding, controls: Controls, now: datetime) -> None:
    """The first remedy. Decide leaves the cause out from its next cycle on, execute drops what is queued of it."""
    if w.safety.stop(org, stop_for(finding, controls, now=epoch_seconds(now))):
        log.error("stopped: %s", finding)
        observe.count(names.METRIC_CAUSES_STOPPED, org)
        assert finding.cause is not None
        w.alerts.tell(f"Revenue engine: {finding.cause.kind} {finding.cause.name} is stopped", f"{finding.level}: {finding}")


def _sweep(w: Wiring, org: str, now: datetime) -> tuple[int, int]:
    """CLAIMED for long → UNKNOWN, UNKNOWN for days → DROPPED; a late event may still turn either into SENT (P2). How many, and how many
    of them were stuck claims."""
    swept = stuck = 0
    sweeps = [(SendState.CLAIMED, CLAIM_SETTLES_WITHIN, SendState.UNKNOWN, "claimed_too_long")]
    if now.minute == 0:  # days of patience need no look every minute
        sweeps.append((SendState.UNKNOWN, UNKNOWN_SETTLES_WITHIN, SendState.DROPPED, UNKNOWN_TOO_LONG))
    for state, patience, to, reason in sweeps:
        for send_id in w.sends.in_state(org, state, claimed_before=epoch_seconds(now - patience), limit=SWEEP):
            lost = to is SendState.UNKNOWN
            row = (w.sends.get(send_id) if lost else None) or {}
            counted = counted_of_cycle(row["cycle_id"], "unknown") if row else {}
            counting = w.counters.hour(org, utc_hour(now), counted, shard_by=send_id)
            moved = w.sends.move(send_id, org=org, to=to, facts={"reason": reason}, counting=counting)
            swept += moved
            if moved and lost:
                stuck += 1
                observe.count(names.METRIC_UNKNOWN_SENDS, org)
    return swept, stuck


def _ensure_machine(w: Wiring, org: str, state: Item, controls: Controls, now: datetime) -> None:
    """An open breaker has a machine: started at the trip, and again while none has signed the breaker's item, or when the one that did
    is overdue. Whatever a dead machine leaves behind, mail is stopped."""
    if state["state"] == "closed" or ("execution" in state and state.get("human_needed") is True):
        return
    if "execution" in state and _overdue(state, controls, now):
        log.error("the breaker's machine is dead: state %s since %s", state["state"], state["since"])
        if not w.control.open_again(org, seen=state, now=now):
            return
        state = w.control.breaker(org) or state
    if state["state"] != "open" or "execution" in state or "tripped_at" not in state:
        return
    waited = epoch_seconds(now) - state["tripped_at"]
    attempt = waited // MACHINE_STARTS_WITHIN_SECONDS
    w.alerts.start_breaker(f"{org}-{state['tripped_at']}-{attempt}", _machine_input(w, org, state, controls))


def _overdue(state: Item, controls: Controls, now: datetime) -> bool:
    """Whether the machine should have moved the breaker on long ago."""
    waited = epoch_seconds(now) - epoch_seconds(parse_iso(state["since"]))
    if state["state"] == "half_open":
        return waited > TRICKLE_STALE_SECONDS
    return waited > controls.cool_down_minutes * 60 + MACHINE_IS_LATE_SECONDS


def _machine_input(w: Wiring, org: str, state: Item, controls: Controls) -> Item:
    return {
        "org": org,
        "stage": w.stage,
        "reason": state["reason"],
        "cool_down_seconds": controls.cool_down_minutes * 60,
        "human_needed": state.get("human_needed") is True,
    }


def _warn_once_an_hour(w: Wiring, org: str, finding: Finding, now: datetime) -> None:
    assert finding.remedy is Remedy.TELL
    name = f"warned#{finding.name}#{utc_hour(now)}"
    if w.control.capped_increment(org, name, cap=1, expires_at=epoch_seconds(now + timedelta(days=7))):
        w.alerts.tell(f"Revenue engine: {finding.level}: {finding.name}", str(finding))
