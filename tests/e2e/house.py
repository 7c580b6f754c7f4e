"""A small sender on the local plane: people, offers, and what the world does to them, in one line each."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_id_at
from revenue_engine.intake.subscribers_csv import read_subscribers
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.services.catalogue import import_offers
from revenue_engine.services.import_subscribers import ImportReport, import_subscribers
from revenue_engine.services.setup import set_up
from tests.core_cases import an_offer
from workbench.local.http_front import Response
from workbench.local.plane import GOLDEN_TEMPLATE, Plane
from workbench.simulation import events
from workbench.simulation.mail import Received, open_mail

ORG = "main"
START = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)  # a Monday; the first cycle is at 14:15
MINUTE = timedelta(minutes=1)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
HOME = "192.0.2.77"
Template = dict[str, Any]
_HTML = '<html><body><p>Hi {{first_name}}</p><a href="{{offer_url}}">Look</a></body></html>'

# Everybody in the engine's arm and nobody a ghost: what a test wants otherwise it says.
CONTROLS: dict[str, Any] = {
    "zone": "UTC",
    "sender": {"from_address": "news@mail.example.com", "postal_address": "1 Main Street"},
    "fixed_policy_share": 0.0,
    "no_mail_share": 0.0,
    "ghost_share": 0.0,
}


def offers() -> tuple[Offer, ...]:
    """Two offers with two creatives each, 20 and 25 dollars."""
    return tuple(an_offer_to_mail(number, payout_micros=micros) for number, micros in ((1001, 20_000_000), (1002, 25_000_000)))


def an_offer_to_mail(number: int, **changes: Any) -> Offer:
    """An offer whose creatives carry its link."""
    offer = an_offer(number, **changes)
    creatives = tuple(Creative(c.variant, c.from_name, c.subject, _HTML) for c in offer.creatives)
    return replace(offer, creatives=creatives, content_hash=f"h{number}-{changes}")


class House:
    """One org on one plane. `w` is the operator's wiring, `mails` what left."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._random = random.Random(7)
        stored = plane.client("ssm").get_parameter(Name=names.environment_parameter(plane.stage))["Parameter"]["Value"]
        self.w = Wiring(tuple(sorted(json.loads(stored).items())))
        made = set_up(self.w, ORG, now=self.now, random_bytes=self._random.randbytes)
        assert made.webhook_path is not None
        self.webhook_path = made.webhook_path

    # --- what operators do -----------------------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        return self.plane.clock.now()

    def autonomy(self, value: str) -> None:
        self._put(names.autonomy_parameter(self.w.stage, ORG), value)

    def controls(self, **changes: Any) -> None:
        self._put(names.controls_parameter(self.w.stage, ORG), json.dumps(CONTROLS | changes))

    def _put(self, name: str, value: str) -> None:
        """With the plane's own client: a test may do so in the middle of a function's work, but not in its name."""
        self.plane.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        self.w.parameters.forget()

    def offers(self, *catalogue: Offer) -> None:
        import_offers(self.w, ORG, catalogue)

    def people(self, count: int, *, first: int = 0, zone: str = "UTC") -> ImportReport:
        """`p0@gmail.com`, `p1@gmail.com`, …"""
        lines = ["email,first_name,zone,consent_at,consent_source"]
        lines += [f"{address(first + i)},P{first + i},{zone},2026-01-01T00:00:00Z,form" for i in range(count)]
        records = [line.record for line in read_subscribers(lines, mapping={}, now=self.now) if line.record is not None]
        assert len(records) == count
        return import_subscribers(self.w, ORG, records, now=self.now, random_bytes=self._random.randbytes)

    def routine(self, *, mails: int = 1_000, clicks: int = 5) -> None:
        """Yesterday everything of the catalogue was clicked, and the day before a cycle mailed so many."""
        day = f"{self.now - timedelta(days=1):%Y-%m-%d}"
        arms = [(offer.offer, creative.variant) for offer in self.w.offers.catalogue(ORG) for creative in offer.creatives]
        amounts = {"deliveries": 20 * clicks, "clicks": clicks}
        commit(
            [
                self.w.offers.adding_evidence(ORG, day=day, offer=offer, variant=variant, segment="new", amounts=amounts)
                for offer, variant in arms
            ]
        )
        before = self.now - timedelta(days=2)
        self.w.control.finish_cycle(ORG, cycle_id_at(before), now=before, report={"planned": mails})

    def run(self, minutes: float) -> None:
        """Let time pass."""
        self.plane.run_until(self.now + minutes * MINUTE)

    def judge(self) -> dict[str, Any]:
        """One look of the safety function."""
        answer: dict[str, Any] = self.plane.invoke("safety", {"org": ORG, "action": "judge"})
        self.plane.settle()
        return answer

    def cycle(self, *, minutes: float = 15) -> dict[str, Any]:
        """Judge, decide, and let the cycle's minutes pass with the judge on duty; what decide answered."""
        self.judge()
        answer: dict[str, Any] = self.plane.invoke("decide", {"org": ORG})
        self.watch(minutes)
        return answer

    def watch(self, minutes: float) -> None:
        """Let time pass with the judge on duty."""
        end = self.now + minutes * MINUTE
        while self.now < end:
            self.plane.run_until(min(self.now + 4 * MINUTE, end))
            self.judge()

    # --- what the world does ---------------------------------------------------------------------------------------------
    @property
    def mails(self) -> list[Received]:
        return [open_mail(mail) for mail in self.plane.ses.mails]

    def publish(self, *happened: events.Event) -> int:
        """Events of the provider, taken in by the engine at once."""
        delivered = self.plane.ses.publish_events(happened)
        self.plane.settle()
        return delivered

    def delivered(self, mail: Received) -> int:
        return self.publish(events.send(mail), events.delivery(mail, mail.at + timedelta(seconds=2)))

    def clicked(self, mail: Received, *, after: timedelta = 4 * MINUTE) -> int:
        return self.publish(events.clicked(mail, mail.at + after, agent=PHONE, ip=HOME))

    def postback(self, mail: Received, **changes: str) -> str:
        """Path and query of the postback that follows a conversion of this mail's click."""
        given = {"kind": "conversion", "transaction_id": "tx1", "payout": "20.00", "offer_id": mail.offer, "event_id": "0"}
        return f"{self.webhook_path}?{urlencode(given | {'currency': 'USD', 'sub1': mail.tracking_id} | changes)}"

    def converted(self, mail: Received, **changes: str) -> Response:
        answer = self.plane.http("GET", self.postback(mail, **changes))
        self.plane.settle()
        return answer

    def unsubscribed(self, mail: Received) -> Response:
        """The mailbox provider's one-click POST (RFC 8058)."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self.plane.http("POST", mail.unsubscribe_url, headers, "List-Unsubscribe=One-Click")

    # --- what can be read back ---------------------------------------------------------------------------------------------
    def send(self, mail: Received) -> Item:
        found = self.w.sends.get(mail.send_id)
        assert found is not None
        return found

    def person(self, subscriber: str) -> Item:
        found = self.w.subscribers.get(ORG, subscriber)
        assert found is not None
        return found

    def everybody(self) -> list[Item]:
        """The people, by address."""
        return sorted((item for item in self.rows(names.SUBSCRIBERS_TABLE) if "address" in item), key=lambda i: i["address"])

    def rows(self, table_variable: str) -> list[Item]:
        """A whole table: the tests' own view, which no function has."""
        from revenue_engine.aws.items import decode

        pages = self.plane.client("dynamodb").get_paginator("scan").paginate(TableName=self.w.value(table_variable))
        return [decode(item) for page in pages for item in page["Items"]]

    def counters(self) -> dict[str, int]:
        days = self.w.counters.day_counters(ORG, START.date() - timedelta(days=1), self.now.date())
        total = Counter[str]()
        for counted in days.values():
            total.update(counted)
        return dict(total)

    def object(self, key: str) -> bytes:
        """An object of the decisions bucket."""
        body = self.w.decisions.get(key)
        assert body is not None, key
        return body

    def receipts(self, cycle_id: str | None = None) -> list[dict[str, Any]]:
        """Every decision on record, of one cycle or of all."""
        lines: list[dict[str, Any]] = []
        for key in self.w.decisions.keys(f"decisions/{ORG}/"):
            if cycle_id is None or f"/{cycle_id}/" in key:
                lines += [json.loads(line) for line in gzip.decompress(self.object(key)).splitlines()]
        return lines

    def reserved(self) -> int:
        return self.w.control.budget_reserved(ORG, f"{self.now:%Y-%m-%d}")

    def states(self) -> list[str]:
        """The outbox, by state."""
        return sorted(item["state"] for item in self.rows(names.SENDS_TABLE))

    def drops(self) -> set[str]:
        """Why plans were dropped."""
        return {item["reason"] for item in self.rows(names.SENDS_TABLE) if item["state"] == "DROPPED"}


def address(number: int) -> str:
    return f"p{number}@gmail.com"


def golden() -> Template:
    """The synthesised template as a document of one's own to change."""
    document: Template = json.loads(GOLDEN_TEMPLATE.read_text())
    return document


@contextmanager
def house(
    people: int = 1,
    *,
    start: datetime = START,
    autonomy: str = "full",
    template: Template | None = None,
    by_hand: bool = False,
    catalogue: Sequence[Offer] | None = None,
    parameters: Mapping[str, str] | None = None,
    **controls: Any,
) -> Iterator[House]:
    """A house that is ready at `start`; its first cycle runs a quarter of an hour later.

    `by_hand` stops the schedules: time passes for nothing, and the test says when judge and decide run (`House.cycle`).
    """
    document = template or golden()
    if by_hand:
        for resource in document["Resources"].values():
            if resource["Type"] == "AWS::Events::Rule":
                resource["Properties"]["State"] = "DISABLED"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(json.dumps(document))
        with Plane.start(now=start, template_path=path, parameters=parameters) as plane:
            made = House(plane)
            made.controls(**controls)
            made.offers(*(offers() if catalogue is None else catalogue))
            made.people(people)
            made.autonomy(autonomy)
            yield made
