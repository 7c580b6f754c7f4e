"""Who is there when the postbacks come: an org in a fresh plane, with offers, people, and mails that they have clicked."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.postback_stream import OFFERS
from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.intake.subscribers_csv import SubscriberRecord
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.records.send import PlannedSend
from revenue_engine.services.import_subscribers import import_subscribers
from revenue_engine.services.setup import set_up
from workbench.cli.connection import Connection
from workbench.local.plane import Plane

ORG, ZONE = "main", "America/New_York"
START = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)  # the org's midnight is at five: money falls on two days at least
MAILS_PER_PERSON = 2
DOLLARS_A_EURO = 1.25


@dataclass(frozen=True)
class Scene:
    """Everything set up: who was mailed, and by which path the network reaches us."""

    plane: Plane
    w: Wiring
    path: str
    plans: list[PlannedSend]
    sub1: list[str]


def prepared(plane: Plane, *, mails: int, seed: int) -> Scene:
    """An org with offers, people and mails that they have clicked."""
    chance, w = random.Random(seed), Connection(ORG, plane.stage, clock=plane.clock.now).wiring
    made = set_up(w, ORG, now=START, random_bytes=chance.randbytes)
    assert made.webhook_path is not None
    rates = {"EUR": {"rate": str(DOLLARS_A_EURO), "as_of": "2026-03-01"}}
    w.parameters.put(names.controls_parameter(plane.stage, ORG), json.dumps({"zone": ZONE, "fx_rates": rates}))
    for number in OFFERS:
        w.offers.put(ORG, _offer(number))
    people = [_person(number) for number in range(-(-mails // MAILS_PER_PERSON))]
    import_subscribers(w, ORG, people, now=START, random_bytes=chance.randbytes)
    key, address_key = w.parameters.tracking_key(ORG), w.parameters.address_key(ORG)
    subscribers = []
    for person in people:
        item = w.subscribers.by_address(ORG, ids.address_hash(address_key, person.email))
        assert item is not None
        subscribers.append(str(item["subscriber"]))
    plans = [_plan(key, subscribers[n % len(subscribers)], OFFERS[n % len(OFFERS)], n) for n in range(mails)]
    for n, plan in enumerate(plans):
        commit([w.sends.claiming(plan, now=START, day=plan.budget_day)])
        at, touch = START + timedelta(minutes=n % 60), {"send_id": plan.send_id, "human": True, "human_probability": 1.0}
        clicked = w.sends.outcome(plan.send_id, first={"first_human_click_at": epoch_seconds(at)}, add={"human_clicks": 1})
        commit([clicked, w.timeline.recording(ORG, plan.subscriber, at=at, kind="click", event_id=f"c{n}", facts=touch)])
    return Scene(plane, w, made.webhook_path, plans, [ids.tracking_id(key, org=ORG, send_id=plan.send_id) for plan in plans])


def _offer(number: str) -> Offer:
    return Offer(
        offer=number, name=f"Offer {number}", status="active", category="finance", currency="USD", payout_micros=None,
        payout_percentage=10.0, tracking_url="https://www.track.example/28KL6/2CTPL/", sub_slot="sub1", may_run=True, allows_email=True,
        suppression_list=None, live_until=None, countries=frozenset(), creatives=(Creative("standard", "Deals", "Deals", "<p></p>"),),
        content_hash="h",
    )  # fmt: skip


def _person(number: int) -> SubscriberRecord:
    return SubscriberRecord(
        email=f"p{number}@recipient.example", status="active", consent_source="form", consent_at=START, zone=ZONE,
        first_name="", last_name="", country="US", topics=(), price_sensitivity=None, peak_hour=None, purchases=None,
        last_purchase_at=None, created_at=START, profile={},
    )  # fmt: skip


def _plan(key: bytes, subscriber: str, offer: str, number: int) -> PlannedSend:
    decision, day = f"d{number}", f"{START:%Y-%m-%d}"
    facts: dict[str, Any] = {
        "approval_id": "",
        "canary": True,
        "predicted_revenue_micros": 50_000,
        "p_click": 0.05,
        "p_conversion": 0.1,
        "content_hash": "c",
        "listed_payout_micros": 0,
        "listed_payout_percentage": 0.0,
    }
    return PlannedSend(
        org=ORG, cycle_id="20260304T1000", budget_day=day, decision_id=decision, subscriber=subscriber, offer=offer,
        send_id=ids.send_id(key, org=ORG, subscriber=subscriber, decision_id=decision), variant="standard",
        campaign=f"20260304-{offer}-standard", segment="new", topic=0, provider="other", policy="engine", propensity=0.5, **facts,
    )  # fmt: skip
