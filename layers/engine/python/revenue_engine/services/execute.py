"""Mail what decide planned: gate, facts, render, claim, hand over once, record (P1, P2)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.mailer import Answer, Result
from revenue_engine.aws.queues import Message
from revenue_engine.aws.subscribers import row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, utc_hour
from revenue_engine.errors import Refused
from revenue_engine.records.causes import sent_by_cause
from revenue_engine.records.controls import Controls
from revenue_engine.records.send import CONTENT_INCOMPLETE, PlannedSend, SendState, counted_of_cycle, counted_when_sent
from revenue_engine.records.subscriber import apply_claim, apply_rest
from revenue_engine.services import send_messages
from revenue_engine.services.compose import Composer, Mail
from revenue_engine.services.drops import Drops, with_budget_back
from revenue_engine.services.gate import Gate
from revenue_engine.services.outlet import ACCOUNT_REFUSALS, Outlet

log = logging.getLogger(__name__)

CLAIM_ATTEMPTS = 5
THROTTLE_PAUSES_SECONDS = (0.2, 0.5, 1.0)
OF_THIS_PAIR = (CONTENT_INCOMPLETE, "advertiser_suppressed")  # what keeps a mail from one reader, and holds tomorrow as well
NEXT_MINUTE = "next_minute"  # an outcome that is none yet: the org's velocity has no room for it now
KEEP_BACK_MILLIS = 20_000  # enough for the mail in hand and for re-queueing the rest


@dataclass
class Report:
    """What one message came to: counts by outcome, drops by reason."""

    org: str
    outcomes: Counter[str] = field(default_factory=Counter)
    requeued: int = 0


@dataclass
class Run:
    """One message's work: what all its sends share."""

    w: Wiring
    org: str
    controls: Controls
    gate: Gate
    outlet: Outlet
    composer: Composer
    drops: Drops
    now: Callable[[], datetime]
    failures_in_a_row: int = 0
    accepted: int = 0


def execute_message(
    w: Wiring,
    body: str,
    *,
    now: Callable[[], datetime],
    remaining_millis: Callable[[], int],
    pause: Callable[[float], None] = time.sleep,
) -> Report:
    """All sends of one message. A redelivered message finds its claims taken and mails nobody twice (P2)."""
    planned = send_messages.decode(body)
    org = planned[0].org
    report = Report(org)
    try:
        controls = w.parameters.controls(org)
    except Refused as refused:  # D5: unreadable controls, no mail
        drops = Drops(w, org, now, day_in(now(), w.parameters.last_zone(org)).isoformat())
        for plan in planned:
            drops.add(plan, refused.reason)
            report.outcomes[refused.reason] += 1
        drops.write()
        return report
    drops = Drops(w, org, now, day_in(now(), controls.zone).isoformat())
    outlet = Outlet(w, org, controls, provider=planned[0].provider, now=now)
    composer = Composer(w, org, controls, frozenset(plan.offer for plan in planned))
    run = Run(w, org, controls, Gate(w, org, now), outlet, composer, drops, now)
    for i, plan in enumerate(planned):
        seconds = outlet.seconds_to_wait()
        if remaining_millis() - 1_000 * seconds < KEEP_BACK_MILLIS:
            report.requeued = _again(w, planned[i:])
            break
        if seconds > 0:
            pause(seconds)  # before the last looks and the claim: on a small account it is longer than they may be old
        outcome = _one(run, plan, len(planned) - i, pause)
        if outcome == NEXT_MINUTE:
            report.requeued = _again(w, planned[i:], delay_seconds=60 - now().second)
            break
        report.outcomes[outcome] += 1
    drops.write()
    outlet.close()
    w.control.note_failures(org, in_a_row=run.failures_in_a_row, all_failed=run.accepted == 0)
    return report


def _again(w: Wiring, rest: list[PlannedSend], *, delay_seconds: int = 0) -> int:
    w.sends_queue.send([Message(send_messages.encode(rest), delay_seconds)])
    return len(rest)


def _one(run: Run, plan: PlannedSend, rest: int, pause: Callable[[float], None]) -> str:
    reason = run.gate.refusal(plan)
    if reason is None and plan.budget_day != _day(run):
        reason = "day_over"  # D6: another day's budget does not pay for it
    if reason is None:
        if run.outlet.minute_is_full(rest):
            return NEXT_MINUTE
        reason = run.outlet.refusal()
        if reason in ACCOUNT_REFUSALS:  # counts as a refused mail, so that the breaker opens and a person hears of it (D5)
            run.failures_in_a_row += 1
            run.gate.stop(reason)
    if reason is not None:
        return _drop(run, plan, reason)
    for _ in range(CLAIM_ATTEMPTS):
        person = run.w.subscribers.get(run.org, plan.subscriber)
        mail = run.composer.compose(plan, person, now=run.now())
        if isinstance(mail, str):
            if mail in OF_THIS_PAIR and person is not None:
                _rest(run, plan, person)
            return _drop(run, plan, mail)
        assert person is not None
        lost = _claim(run, plan, person)
        if lost is None:
            run.outlet.used()
            return _hand_over(run, plan, mail, pause)
        if lost != "changed":
            return lost if lost == "already_claimed" else _drop(run, plan, lost)
    return _drop(run, plan, "contention")


def _claim(run: Run, plan: PlannedSend, person: Item) -> str | None:
    """P1, P2: person, suppression list and outbox row in one transaction. None = claimed."""
    now = run.now()
    offer = run.composer.offer(plan.offer)
    assert offer is not None
    row = apply_claim(row_of(person), at=epoch_seconds(now), offer_number=offer.number)
    try:
        commit(
            [
                run.w.subscribers.writing_row(
                    run.org, plan.subscriber, row=row, read_version=person["version"], must_be_mailable=True
                ),
                run.w.suppression.checking(run.org, person["address_hash"]),
                run.w.sends.claiming(plan, now=now, day=_day(run)),
            ]
        )
    except TransactionCancelled as cancelled:
        if cancelled.codes[2] == "ConditionalCheckFailed":
            return "already_claimed"
        if cancelled.codes[1] == "ConditionalCheckFailed":
            return "suppressed"
        return "changed"  # somebody wrote the person meanwhile: read again, and believe that
    return None


def _rest(run: Run, plan: PlannedSend, person: Item) -> None:
    """The next cycle has to choose another offer for this person, as it would after a mail."""
    row = apply_rest(row_of(person), at=epoch_seconds(run.now()), offer_number=int(plan.offer))
    writing = run.w.subscribers.writing_row(
        run.org, plan.subscriber, row=row, read_version=person["version"], must_be_mailable=False
    )
    with suppress(TransactionCancelled):  # somebody wrote the person meanwhile: the next such drop says it again
        commit([writing])


def _hand_over(run: Run, plan: PlannedSend, mail: Mail, pause: Callable[[float], None]) -> str:
    tags = {names.TAG_SEND: plan.send_id, names.TAG_ORG: plan.org, names.TAG_OFFER: plan.offer, names.TAG_CAMPAIGN: plan.campaign}
    answer = _send(run, mail, tags)
    for seconds in THROTTLE_PAUSES_SECONDS:
        if answer.result is not Result.THROTTLED:
            break
        run.outlet.throttled()
        pause(seconds)  # surely not accepted, so another attempt is not a second mail
        answer = _send(run, mail, tags)
    now = run.now()
    if answer.result is Result.ACCEPTED:
        run.failures_in_a_row = 0
        run.accepted += 1
        amounts = counted_when_sent(
            offer=plan.offer,
            policy=plan.policy,
            predicted_revenue_micros=plan.predicted_revenue_micros,
            p_click=plan.p_click,
            p_conversion=plan.p_conversion,
        )
        by_cause = sent_by_cause(asdict(plan)) | counted_of_cycle(plan.cycle_id, "sent")
        counting = run.w.counters.counting(
            run.org, now, amounts, zone=run.controls.zone, shard_by=plan.send_id, by_cause=by_cause
        )
        facts = {"message_id": answer.message_id, "sent_at": epoch_seconds(now)}
        run.w.sends.move(plan.send_id, org=run.org, to=SendState.SENT, facts=facts, counting=counting)
        return "sent"
    run.failures_in_a_row += 1
    unknown = answer.result is Result.UNKNOWN
    log.error("mail %s: %s %s", plan.send_id, answer.result, answer.code)
    facts = {"reason": answer.code}
    of_cycle = counted_of_cycle(plan.cycle_id, "unknown" if unknown else "failed")
    counting = run.w.counters.hour(run.org, utc_hour(now), of_cycle, shard_by=plan.send_id)
    if unknown:  # it may have left: its budget is spent
        run.w.sends.move(plan.send_id, org=run.org, to=SendState.UNKNOWN, facts=facts, counting=counting)
    else:
        failing = run.w.sends.moving(plan.send_id, org=run.org, to=SendState.FAILED, facts=facts)
        with_budget_back(run.w, plan, failing, counting)
    if answer.result is Result.STOP:
        run.gate.stop("provider_account_stopped")
    elif run.failures_in_a_row >= run.controls.circuit_breaker_threshold:
        # the judge opens the breaker for so many; hundreds more would be lost until it looks
        run.gate.stop("consecutive_failures")
    return "unknown" if unknown else "failed"


def _send(run: Run, mail: Mail, tags: dict[str, str]) -> Answer:
    return run.w.mailer.send(from_address=mail.from_address, to_address=mail.to_address, mime=mail.mime, tags=tags)


def _drop(run: Run, plan: PlannedSend, reason: str) -> str:
    """A plan that was never claimed ends here, with its reason; its budget goes back to the day it came from."""
    run.drops.add(plan, reason)
    return reason


def _day(run: Run) -> str:
    return day_in(run.now(), run.controls.zone).isoformat()
