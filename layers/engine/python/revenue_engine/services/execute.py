"""Mail what decide planned: gate, facts, render, claim, hand over once, record (P1, P2)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.mailer import Answer, Result
from revenue_engine.aws.queues import Message
from revenue_engine.aws.subscribers import row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds
from revenue_engine.content.mime import ascii_address, build_mail
from revenue_engine.content.render import render
from revenue_engine.errors import BadInput, Refused
from revenue_engine.intake.everflow import tracking_link
from revenue_engine.records.causes import sent_by_cause
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import Offer, ineligible_reason, may_go_to
from revenue_engine.records.send import PlannedSend, SendState, counted_when_sent
from revenue_engine.records.subscriber import apply_claim, country_code
from revenue_engine.safety.claim import may_claim
from revenue_engine.services import send_messages
from revenue_engine.services.gate import Gate

log = logging.getLogger(__name__)

CLAIM_ATTEMPTS = 5
THROTTLE_PAUSES_SECONDS = (0.2, 0.5, 1.0)
KEEP_BACK_MILLIS = 20_000  # enough for the mail in hand and for re-queueing the rest


@dataclass
class Report:
    """What one message came to: counts by outcome, drops by reason."""

    org: str
    outcomes: Counter[str] = field(default_factory=Counter)
    requeued: int = 0


@dataclass(frozen=True)
class Mail:
    """One rendered mail, ready for its claim."""

    to_address: str
    from_address: str
    mime: bytes


@dataclass
class Run:
    """One message's work: what all its sends share."""

    w: Wiring
    org: str
    controls: Controls
    gate: Gate
    now: Callable[[], datetime]
    offers: dict[str, Offer | None] = field(default_factory=dict)
    list_ages: dict[str, int | None] = field(default_factory=dict)
    failures_in_a_row: int = 0
    accepted: int = 0

    def offer(self, offer: str) -> Offer | None:
        """The catalogue's offer, read once per message."""
        if offer not in self.offers:
            self.offers[offer] = self.w.offers.get(self.org, offer)
        return self.offers[offer]

    def list_age(self, list_id: str) -> int | None:
        """When an advertiser's list was refreshed, read once per message."""
        if list_id not in self.list_ages:
            self.list_ages[list_id] = self.w.suppression.refreshed_at(self.org, list_id)
        return self.list_ages[list_id]


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
        for plan in planned:
            w.sends.dropping_unclaimed(plan, reason=refused.reason, now=now(), day=f"{now():%Y-%m-%d}")
            report.outcomes[refused.reason] += 1
        return report
    run = Run(w, org, controls, Gate(w, org, now), now)
    for i, plan in enumerate(planned):
        if remaining_millis() < KEEP_BACK_MILLIS:
            rest = planned[i:]
            w.sends_queue.send([Message(send_messages.encode(rest))])
            report.requeued = len(rest)
            break
        report.outcomes[_one(run, plan, pause)] += 1
    w.control.note_failures(org, in_a_row=run.failures_in_a_row, all_failed=run.accepted == 0)
    return report


def _one(run: Run, plan: PlannedSend, pause: Callable[[float], None]) -> str:
    reason = run.gate.refusal(plan)
    if reason is None and plan.budget_day != _day(run):
        reason = "day_over"  # D6: another day's budget does not pay for it
    if reason is not None:
        return _drop(run, plan, reason)
    for _ in range(CLAIM_ATTEMPTS):
        person = run.w.subscribers.get(run.org, plan.subscriber)
        mail = _prepare(run, plan, person)
        if isinstance(mail, str):
            return _drop(run, plan, mail)
        assert person is not None
        lost = _claim(run, plan, person)
        if lost is None:
            return _hand_over(run, plan, mail, pause)
        if lost != "changed":
            return lost if lost == "already_claimed" else _drop(run, plan, lost)
    return _drop(run, plan, "contention")


def _prepare(run: Run, plan: PlannedSend, person: Item | None) -> Mail | str:
    """The mail, or why there is none. Everything that can say no says it before the claim, on facts read now."""
    try:
        return _mail(run, plan, person)
    except Refused as refused:  # D5: a row or a key we cannot read stops this mail
        log.error("mail %s: %s", plan.send_id, refused)
        return refused.reason


def _mail(run: Run, plan: PlannedSend, person: Item | None) -> Mail | str:
    now, offer = run.now(), run.offer(plan.offer)
    if person is None:
        return "unknown_subscriber"
    row = row_of(person)
    reason = may_claim(
        status=person["status"],
        consent_status=person["consent_status"],
        row=row,
        controls=run.controls,
        now=epoch_seconds(now),
    )
    if reason is not None:
        return reason
    if offer is None:
        return "unknown_offer"
    reason = ineligible_reason(offer, now=now) or _advertiser_says_no(run, offer, person["address"])
    if reason is not None:
        return reason
    if not may_go_to(offer, country_code(row.country)):
        return "country_excluded"
    creative = next((c for c in offer.creatives if c.variant == plan.variant), None)
    if creative is None:
        return "no_approved_creative"
    if not run.controls.sender.complete:
        return "sender_incomplete"
    key = run.w.parameters.tracking_key(run.org)
    base = run.w.value(names.PUBLIC_BASE_URL).rstrip("/")
    token = ids.unsubscribe_token(key, org=run.org, subscriber=plan.subscriber, send_id=plan.send_id)
    unsubscribe_url = f"{base}/u/{run.org}/{token}"
    sender = run.controls.sender
    try:
        to_address = ascii_address(person["address"])
        content = render(
            creative,
            fields={k: str(v) for k, v in person.get("profile", {}).items()},
            offer_url=tracking_link(offer.tracking_url, offer.sub_slot, ids.tracking_id(key, org=run.org, send_id=plan.send_id)),
            unsubscribe_url=unsubscribe_url,
            postal_address=sender.postal_address,
        )
        mime = build_mail(
            content,
            from_name=creative.from_name,
            from_address=sender.from_address,
            to_address=to_address,
            reply_to=sender.reply_to,
            unsubscribe_url=unsubscribe_url,
            feedback_id=(plan.campaign, f"{plan.offer}-{plan.variant}", run.org),
        )
    except BadInput as bad:  # stops this mail, not the batch
        log.warning("mail %s does not render: %s", plan.send_id, bad)
        return "content_incomplete"
    return Mail(to_address, sender.from_address, mime)


def _advertiser_says_no(run: Run, offer: Offer, address: str) -> str | None:
    if offer.suppression_list is None:
        return None
    refreshed_at = run.list_age(offer.suppression_list)
    oldest = epoch_seconds(run.now()) - run.controls.suppression_max_age_days * 86_400
    if refreshed_at is None or refreshed_at < oldest:
        return "suppression_list_stale"
    if run.w.suppression.advertiser_forbids(run.org, offer.suppression_list, address):
        return "advertiser_suppressed"
    return None


def _claim(run: Run, plan: PlannedSend, person: Item) -> str | None:
    """P1, P2: person, suppression list and outbox row in one transaction. None = claimed."""
    now = run.now()
    offer = run.offer(plan.offer)
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


def _hand_over(run: Run, plan: PlannedSend, mail: Mail, pause: Callable[[float], None]) -> str:
    tags = {names.TAG_SEND: plan.send_id, names.TAG_ORG: plan.org, names.TAG_OFFER: plan.offer, names.TAG_CAMPAIGN: plan.campaign}
    answer = _send(run, mail, tags)
    for seconds in THROTTLE_PAUSES_SECONDS:
        if answer.result is not Result.THROTTLED:
            break
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
        counting = run.w.counters.counting(
            run.org, now, amounts, zone=run.controls.zone, shard_by=plan.send_id, by_cause=sent_by_cause(asdict(plan))
        )
        facts = {"message_id": answer.message_id, "sent_at": epoch_seconds(now)}
        run.w.sends.move(plan.send_id, org=run.org, to=SendState.SENT, facts=facts, counting=counting)
        return "sent"
    run.failures_in_a_row += 1
    unknown = answer.result is Result.UNKNOWN
    log.error("mail %s: %s %s", plan.send_id, answer.result, answer.code)
    to = SendState.UNKNOWN if unknown else SendState.FAILED
    if run.w.sends.move(plan.send_id, org=run.org, to=to, facts={"reason": answer.code}) and not unknown:
        _give_back(run, plan)
    if answer.result is Result.STOP:
        run.gate.stop("provider_stopped")
    return "unknown" if unknown else "failed"


def _send(run: Run, mail: Mail, tags: dict[str, str]) -> Answer:
    return run.w.mailer.send(from_address=mail.from_address, to_address=mail.to_address, mime=mail.mime, tags=tags)


def _drop(run: Run, plan: PlannedSend, reason: str) -> str:
    """A plan that was never claimed ends here, with its reason; its budget goes back on the same org day."""
    if run.w.sends.dropping_unclaimed(plan, reason=reason, now=run.now(), day=_day(run)):
        _give_back(run, plan)
    return reason


def _give_back(run: Run, plan: PlannedSend) -> None:
    """D6: on the org day it was reserved on, never out of the next day's budget."""
    if plan.budget_day == _day(run):
        run.w.control.give_back(run.org, _day(run))


def _day(run: Run) -> str:
    return day_in(run.now(), run.controls.zone).isoformat()
