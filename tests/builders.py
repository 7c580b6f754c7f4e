"""An org in a running system: people, offers, plans, and what can be read back of it."""

from __future__ import annotations

import email
import email.message
import email.policy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.items import Item, decode
from revenue_engine.aws.subscribers import row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, parse_iso
from revenue_engine.intake.subscribers_csv import SubscriberRecord
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.records.send import PlannedSend
from revenue_engine.records.subscriber import Row, pack
from revenue_engine.services import send_messages
from revenue_engine.services.execute import Report, execute_message
from revenue_engine.services.import_subscribers import import_subscribers
from revenue_engine.services.setup import set_up
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Mail

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)  # a Wednesday; the SES fixtures' mail leaves two seconds later
CYCLE = "20260304T1000"
DAY = "2026-03-04"
SENDER = {
    "from_address": "news@mail.example.com",
    "postal_address": "1 Main Street, Springfield",
    "reply_to": "hello@mail.example.com",
}
HTML = '<html><body><p>Hello {{ first_name }}</p><a href="{{ offer_url }}">Go</a></body></html>'
# what one mail of `Org.plan` adds to the counters when it is sent
COUNTED_SENT = {
    "sent": 1,
    "sent@1042": 1,
    "sent%engine": 1,
    "predicted_micros": 50_000,
    "predicted_clicks_millionths": 50_000,
    "predicted_conversions_millionths": 5_000,
}
_QUEUES = {names.POSTBACKS_QUEUE_URL, names.ENGAGEMENT_QUEUE_URL, names.SENDS_QUEUE_URL}


def an_offer(number: int = 1042, **changes: Any) -> Offer:
    """An offer that everybody may get, with one creative."""
    offer = Offer(
        offer=str(number),
        name=f"Offer {number}",
        status="active",
        category="finance",
        currency="USD",
        payout_micros=32_500_000,
        payout_percentage=0.0,
        tracking_url="https://www.track.example/28KL6/2CTPL/?sub2=c0412",
        sub_slot="sub1",
        may_run=True,
        allows_email=True,
        suppression_list=None,
        live_until=None,
        countries=frozenset(),
        creatives=(Creative("standard", "Daily Deals", "An offer for {{ first_name }}", HTML),),
        content_hash=f"h{number}",
    )
    return replace(offer, **changes)


def a_record(email: str = "pat@recipient.example", **changes: Any) -> SubscriberRecord:
    """A person of a file who consented."""
    record = SubscriberRecord(
        email=email,
        status="active",
        consent_source="form",
        consent_at=datetime(2026, 1, 1, tzinfo=UTC),
        zone="UTC",
        first_name="Pat",
        last_name="Doe",
        country="US",
        topics=(),
        price_sensitivity=None,
        peak_hour=None,
        purchases=None,
        last_purchase_at=None,
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        profile={},
    )
    return replace(record, **changes)


@dataclass
class Org:
    """One org: full autonomy, a closed breaker just judged, no randomised arms, an offer and secrets, unless changed."""

    system: Plane
    w: Wiring
    name: str
    chance: random.Random
    opened_with: int = 0
    _emails: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    @classmethod
    def open(cls, system: Plane, name: str) -> Org:
        """A new org in a running system, with empty queues."""
        variables: dict[str, str] = {}
        for function in system.deployment.functions:
            variables |= function.environment
        variables[names.ORG] = name
        made = cls(system, Wiring(tuple(sorted(variables.items()))), name, random.Random(4), len(system.ses.mails))
        for queue in _QUEUES:
            made.drained(queue)
        set_up(made.w, name, now=NOW, random_bytes=made.chance.randbytes)
        made.set_controls()
        made.set_autonomy("full")
        made.w.control.heartbeat(name, at=epoch_seconds(NOW))
        made.w.offers.put(name, an_offer())
        return made

    def close(self) -> None:
        """Leaves the provider in order for the next test."""
        self.system.ses.fault = lambda request: None

    # --- setting up ---------------------------------------------------------------------------------------------------
    def set_controls(self, **changes: Any) -> None:
        document = {"sender": SENDER, "fixed_policy_share": 0, "no_mail_share": 0} | changes
        self.w.parameters.put(names.controls_parameter(self.w.stage, self.name), json.dumps(document))

    def set_autonomy(self, value: str) -> None:
        self.w.parameters.put(names.autonomy_parameter(self.w.stage, self.name), value)

    def set_secret(self, secret: str, value: str) -> None:
        self.w.parameters.put(names.secret_parameter(self.w.stage, self.name, secret), value, secure=True)

    @property
    def key(self) -> bytes:
        return self.w.parameters.tracking_key(self.name)

    @property
    def token(self) -> str:
        return self.w.parameters.webhook_tokens(self.name)[0]

    def add_person(self, email: str = "", *, row: dict[str, Any] | None = None, **changes: Any) -> str:
        """Imports one person; `row` changes the packed row afterwards. Returns the subscriber's key."""
        record = a_record(email or f"p{next(self._emails)}@recipient.example", **changes)
        import_subscribers(self.w, self.name, [record], now=NOW, random_bytes=self.chance.randbytes)
        subscriber = self.subscriber(record.email)
        if row:
            person = self.person(subscriber)
            packed = pack(replace(row_of(person), **row))
            self.w.subscribers.table.put(person | {"row": packed})
        return subscriber

    def subscriber(self, address: str) -> str:
        item = self.w.subscribers.by_address(self.name, self.address_hash(address))
        assert item is not None
        return str(item["subscriber"])

    def address_hash(self, address: str) -> str:
        return ids.address_hash(self.w.parameters.address_key(self.name), address)

    def plan(self, subscriber: str, *, offer: str = "1042", decision: str = "d1", **changes: Any) -> PlannedSend:
        known = self.w.offers.get(self.name, offer)
        contents = {creative.variant: creative.content_hash for creative in known.creatives} if known else {}
        plan = PlannedSend(
            org=self.name,
            cycle_id=CYCLE,
            budget_day=DAY,
            decision_id=decision,
            send_id=ids.send_id(self.key, org=self.name, subscriber=subscriber, decision_id=decision),
            subscriber=subscriber,
            offer=offer,
            variant="standard",
            campaign=f"20260304-{offer}-standard",
            segment="new",
            topic=0,
            content_hash=contents.get("standard", ""),
            listed_payout_micros=known.payout_micros or 0 if known else 0,
            listed_payout_percentage=known.payout_percentage if known else 0.0,
            provider="other",
            policy="engine",
            approval_id="",
            canary=True,
            predicted_revenue_micros=50_000,
            p_click=0.05,
            p_conversion=0.1,
            propensity=0.5,
        )
        return replace(plan, **changes)

    # --- doing --------------------------------------------------------------------------------------------------------
    def execute(
        self,
        plans: Sequence[PlannedSend],
        *,
        now: datetime | Callable[[], datetime] = NOW,
        remaining_millis: Callable[[], int] = lambda: 300_000,
    ) -> Report:
        """execute, on one message of these plans."""
        clock = now if callable(now) else lambda: now
        return execute_message(
            self.w, send_messages.encode(plans), now=clock, remaining_millis=remaining_millis, pause=lambda seconds: None
        )

    def mailed(self, **person: Any) -> PlannedSend:
        """A mail that execute has sent."""
        plan = self.plan(self.add_person(**person))
        assert self.execute([plan]).outcomes == {"sent": 1}
        return plan

    # --- reading back -------------------------------------------------------------------------------------------------
    def person(self, subscriber: str) -> Item:
        found = self.w.subscribers.get(self.name, subscriber)
        assert found is not None
        return found

    def row(self, subscriber: str) -> Row:
        return row_of(self.person(subscriber))

    def send(self, plan: PlannedSend) -> Item:
        found = self.w.sends.get(plan.send_id)
        assert found is not None
        return found

    def timeline(self, subscriber: str) -> list[Item]:
        far = {"start": parse_iso("2020-01-01T00:00:00Z"), "end": parse_iso("2030-01-01T00:00:00Z")}
        return self.w.timeline.between(self.name, subscriber, **far)

    def counters(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for item in self.items(names.CONTROL_TABLE):
            if item["sk"].startswith("day#"):
                total.update({k: v for k, v in item.items() if k not in ("pk", "sk", "expires_at")})
        return {name: value for name, value in total.items() if value}

    def evidence(self) -> dict[str, dict[str, int]]:
        """Counts by day."""
        found: dict[str, dict[str, int]] = {}
        for item in self.w.offers.evidence(self.name, since_day="2020-01-01"):
            counts = {k: v for k, v in item.items() if k not in ("pk", "sk", "day", "offer", "variant", "segment") and v}
            found.setdefault(item["day"], {}).update(counts)
        return {day: counts for day, counts in found.items() if counts}

    def reserved(self, day: str = DAY) -> int:
        return self.w.control.budget_reserved(self.name, day)

    @property
    def mails(self) -> list[Mail]:
        return [mail for mail in self.system.ses.mails[self.opened_with :] if mail.tags.get(names.TAG_ORG) == self.name]

    def items(self, variable: str) -> list[Item]:
        """All items of the org in a table."""
        pages = self.system.client("dynamodb").get_paginator("scan").paginate(TableName=self.w.value(variable))
        found: Iterable[Item] = (decode(item) for page in pages for item in page["Items"])
        return [item for item in found if (item["pk"] + "#").startswith(self.name + "#")]

    def drained(self, variable: str) -> list[str]:
        """The bodies of a queue, taken out of it."""
        sqs, url = self.system.client("sqs"), self.w.value(variable)
        bodies: list[str] = []
        while True:
            taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
            if not taken:
                return bodies
            for message in taken:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def parsed(mail: Mail) -> email.message.EmailMessage:
    """The MIME form as a mailbox would read it."""
    message = email.message_from_bytes(mail.mime, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message
