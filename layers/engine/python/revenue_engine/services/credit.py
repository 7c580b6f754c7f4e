"""The attribution report of some days: read by people at a terminal, from the outbox and the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta

from revenue_engine.attribution.arms_report import ArmCredit, MailFacts, arm_credits
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in
from revenue_engine.records.send import SendState


def credit_by_arm(w: Wiring, org: str, *, days: int, now: datetime) -> tuple[ArmCredit, ...]:
    """The mails of the last `days` org days, and the money booked in them."""
    controls = w.parameters.controls(org)
    last = day_in(now, controls.zone)
    window = [(last - timedelta(days=n)).isoformat() for n in reversed(range(days))]
    mails = [_facts(item) for day in window for item in w.sends.on_day(org, day) if item["state"] == SendState.SENT.value]
    entries = [entry for day in window for _, entry in w.ledger.booked_on(org, day)]
    return arm_credits(mails, entries, currency=controls.currency)


def _facts(send: Item) -> MailFacts:
    return MailFacts(
        send_id=send["pk"],
        subscriber=send["subscriber"],
        arm=f"{send['offer']}/{send['variant']}",
        touched_at=send.get("first_human_click_at", send.get("first_human_open_at")),
        conversions=send.get("conversions", 0),
    )
