"""Who is there when everything breaks: an org in a fresh plane, with offers and people who are all due at once."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.items import Item, encode
from revenue_engine.aws.subscribers import ACTIVE, GRANTED, due_shard
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.records.subscriber import ARMS, PROVIDERS, Row, pack, provider_of
from revenue_engine.records.zones import zone_number
from revenue_engine.services.setup import set_up
from workbench.cli.connection import Connection
from workbench.local.plane import Plane

ORG, ZONE = "main", "UTC"
START = datetime(2026, 3, 2, 13, 57, 30, tzinfo=UTC)  # the judge looks twice before the cycle in which everybody is due
GAP_HOURS, PER_WEEK = 12, 2
PAYOUT_MICROS = 90_000_000
_DOMAINS = {"gmail.com": 40, "outlook.com": 20, "yahoo.com": 15, "icloud.com": 5, "mail.example": 20}  # by weight
_WRITES_PER_CALL = 25


@dataclass(frozen=True)
class Scene:
    """Everything set up."""

    w: Wiring
    postback_path: str
    tracking_key: bytes
    subscriber_of: dict[str, str]  # by address


def prepared(plane: Plane, *, people: int, daily_cap: int, seed: int) -> Scene:
    """An org whose autonomy is full, with this many people due, of whom a day's budget mails `daily_cap` at most."""
    chance, w = random.Random(seed), Connection(ORG, plane.stage, clock=plane.clock.now).wiring
    made = set_up(w, ORG, now=START, random_bytes=chance.randbytes)
    assert made.webhook_path is not None
    controls = {
        "zone": ZONE,
        "sender": {"from_address": "deals@mail.example.com", "postal_address": "Sample Sender, 1 Sample Street, Springfield"},
        "max_daily_emails": daily_cap,
        "warm_up_start_per_day": 5_000_000,  # what is tried here is not how a domain warms up
        "max_emails_per_subscriber_per_week": PER_WEEK,
        "min_hours_between_emails": GAP_HOURS,
        "sends_per_minute": max(10, min(1_000, daily_cap // 12)),
        # the world here answers by chance, so no rate means anything: of the breaker's trips only failures in a row are wanted
        "max_complaint_rate": 0.003,
        "max_bounce_rate": 0.1,
        "max_unsubscribe_rate": 0.05,
        "no_mail_share": 0.0,
    }
    w.parameters.put(names.controls_parameter(plane.stage, ORG), json.dumps(controls))
    for number in range(1, 5):
        w.offers.put(ORG, _offer(str(1_000 + number), number))
    subscriber_of = _load_people(plane, w, people, chance)
    w.parameters.put(names.autonomy_parameter(plane.stage, ORG), "full")
    return Scene(w, made.webhook_path, w.parameters.tracking_key(ORG), subscriber_of)


def _offer(offer: str, number: int) -> Offer:
    creatives = tuple(
        Creative(variant, "Deals", f"Deal {offer} {variant}", f'<p>Hello</p><p><a href="{{{{ offer_url }}}}">{variant}</a></p>')
        for variant in ("short", "long")
    )
    return Offer(
        offer=offer, name=f"Offer {offer}", status="active", category="finance", currency="USD", payout_micros=PAYOUT_MICROS,
        payout_percentage=0.0, tracking_url=f"https://www.track.example/28KL6/{number}/", sub_slot="sub1", may_run=True,
        allows_email=True, suppression_list=None, live_until=None, countries=frozenset(), creatives=creatives, content_hash="h",
    )  # fmt: skip


def _load_people(plane: Plane, w: Wiring, people: int, chance: random.Random) -> dict[str, str]:
    """Writes the items that an import would have written, many at a time; everybody is due."""
    address_key, dynamodb, table = w.parameters.address_key(ORG), plane.client("dynamodb"), w.value(names.SUBSCRIBERS_TABLE)
    domains, weights = list(_DOMAINS), list(_DOMAINS.values())
    known: dict[str, str] = {}
    requests: list[dict[str, Any]] = []
    for n in range(people):
        address = f"p{n}@{chance.choices(domains, weights)[0]}"
        person = _person(address, ids.address_hash(address_key, address), chance)
        known[address] = person["subscriber"]
        requests.append({"PutRequest": {"Item": encode(person)}})
        if len(requests) == _WRITES_PER_CALL or n == people - 1:
            answer = dynamodb.batch_write_item(RequestItems={table: requests})
            assert not answer.get("UnprocessedItems")
            requests = []
    return known


def _person(address: str, digest: str, chance: random.Random) -> Item:
    subscriber, at, provider = ids.new_subscriber_key(chance.randbytes), epoch_seconds(START), provider_of(address)
    arm = "fixed" if chance.random() < 0.04 else "engine"
    row = Row(
        decayed_at=at,
        draw_key=ids.stable_hash("draw", ORG, subscriber),
        created_at=at - 90 * 86_400,
        provider=PROVIDERS.index(provider),
        arm=ARMS.index(arm),
        zone=zone_number(ZONE),
    )
    return {
        "pk": f"{ORG}#{subscriber}", "org": ORG, "subscriber": subscriber, "address": address, "address_hash": digest, "status": ACTIVE,
        "consent_status": GRANTED, "consent_source": "form", "consent_at": at, "provider": provider, "arm": arm, "row": pack(row),
        "version": 1, "created_at": at, "zone": ZONE, "profile": {}, "due_shard": due_shard(ORG, subscriber), "next_decision_at": at,
    }  # fmt: skip
