"""Duplicates, any order, workers that die between any two calls, and workers in the middle of each other: the books of a clean
replay (M1–M4). Hypothesis looks for the sequence that breaks them, on a backend whose writes are atomic."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.items import Item
from revenue_engine.errors import Contention
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import anomalies, verdicts
from revenue_engine.services.attribute import attribute_message, book
from revenue_engine.services.engage import engage_message
from revenue_engine.services.metrics import revenue
from tests.builders import NOW, Org
from tests.services.chaos import Crash, interrupted
from tests.ses_events import ses_event
from workbench.local.plane import Plane
from workbench.simulation.recount import disagreements, recount

_orgs = itertools.count(1)
MONTH = NOW + timedelta(days=30)
MAILS = 2  # of one reader
TRANSACTIONS = {"t1": 0, "t2": 1, "t3": None}  # whose mail's click; None: without our id


@pytest.fixture(autouse=True)
def unsuspicious(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held from learning depends on what is known when it comes, and moves no money: tests/services/test_anomalies.py."""
    monkeypatch.setattr(anomalies, "flags_for", lambda *given, **named: ())


@dataclass(frozen=True)
class Fact:
    """Something the world says, at least once: what it is, and when a clean replay hears it."""

    order: tuple[int, datetime, str]
    say: Callable[[House], None]


@dataclass
class House:
    """An org with a reader who got two mails, and the messages its queues still hold."""

    org: Org
    plans: list[PlannedSend] = field(default_factory=list)

    @classmethod
    def build(cls, system: Plane, name: str) -> House:
        org = Org.open(system, name)
        first = org.mailed()
        other = replace(
            first, send_id=ids.send_id(org.key, org=name, subscriber=first.subscriber, decision_id="d2"), decision_id="d2"
        )
        other = replace(other, campaign="20260304-1042-soft", variant="soft", policy="fixed")
        org.w.sends.table.put(
            org.send(first)
            | {"pk": other.send_id, **{n: getattr(other, n) for n in ("send_id", "campaign", "variant", "policy")}}
        )
        return cls(org, [first, other])

    def arrival(self, transaction: str, kind: str, **facts: Any) -> Arrival:
        mail = TRANSACTIONS[transaction]
        sub1 = (
            ""
            if mail is None or facts.pop("blank", False)
            else ids.tracking_id(self.org.key, org=self.org.name, send_id=self.plans[mail].send_id)
        )
        facts.pop("blank", None)
        base = Arrival(
            org=self.org.name, kind=kind, transaction_id=transaction, event_id="0" if kind == "conversion" else "77",
            event_name="Base" if kind == "conversion" else "Upsell", payout_micros=0, currency="USD", offer="1042", sub1=sub1,
            source="postback", conversion_id=None, converted_at=NOW, received_at=NOW, receipt_id="r",
        )  # fmt: skip
        return replace(base, **facts)

    def book(self, arrival: Arrival) -> None:
        book(self.org.w, arrival, controls=self.org.w.parameters.controls(self.org.name), now=MONTH)

    def keys_of(self, transaction: str, kind: str) -> list[str]:
        prefix = f"{self.org.name}#{kind}#{transaction}#"
        return sorted(i["pk"] for i in self.org.items(names.LEDGER_TABLE) if i["sk"] == "head" and i["pk"].startswith(prefix))

    def work(self) -> None:
        """The queues, until nothing is left."""
        while True:
            postbacks, engagement = (self.org.drained(q) for q in (names.POSTBACKS_QUEUE_URL, names.ENGAGEMENT_QUEUE_URL))
            if not postbacks and not engagement:
                return
            for body in postbacks:
                attribute_message(self.org.w, body, now=MONTH)
            for body in engagement:
                engage_message(self.org.w, body, now=MONTH)

    def books(self) -> dict[str, Any]:
        """All that must be the same, with the names of this house taken out."""
        org, who = self.org, {plan.send_id: f"mail {n}" for n, plan in enumerate(self.plans)}
        money: Counter[str] = Counter()
        shares: Counter[tuple[str, str]] = Counter()
        for item in org.items(names.LEDGER_TABLE):
            if item["sk"] != "head":
                continue
            # an event lies under its id or its name, whichever was heard first; and a click's conversions under any n
            arrival_key = "#".join(item["pk"].split("#")[1:3])
            for name, n in item["position"]["amounts"].items():
                money[f"{arrival_key} {name}"] += n
            for model, given in item["position"]["attribution"].items():
                for share in given:
                    shares[model, who[share["send_id"]]] += share["micros"]
        kept = [
            i
            for i in org.items(names.CONTROL_TABLE)
            if i["sk"].startswith(("day#", "counter#")) or i["pk"].endswith("#campaigns")
        ]
        counters: Counter[tuple[str, str]] = Counter()
        for item in kept:
            for name, n in item.items():
                if name.startswith(("provisional", "approved", "unattributed", "held", "reported", "conversions")):
                    counters[item["sk"].rpartition("#")[0], name] += n
        return {
            "money": +money,
            "shares": +shares,
            "counters": +counters,
            "mails": [_money_of(org.send(plan)) for plan in self.plans],
            "evidence": sorted(
                (i["sk"], i.get("conversions", 0), i.get("conversion_micros", 0))
                for i in org.w.offers.evidence(org.name, since_day="2020-01-01")
                if i.get("conversions") or i.get("conversion_micros")
            ),
            "row": org.row(self.plans[0].subscriber).revenue_micros,
        }

    def revenue(self) -> dict[str, tuple[int, int]]:
        """Thirty days, and its parts, as reports have them: provisional and approved micros."""
        told = revenue(self.org.w, self.org.name, now=MONTH - timedelta(days=9))
        parts = {"all": told.last_30_days.revenue, "mails": told.last_30_days.attributed}
        parts |= {name: campaign.revenue for name, campaign in told.campaigns.items()}
        return {name: (of.provisional_micros, of.approved_micros) for name, of in parts.items() if of.booked_micros}

    def recounted(self) -> dict[str, tuple[int, int]]:
        """The same from the ledger's entries."""
        sums: dict[str, list[int]] = {}
        for key in (i["pk"] for i in self.org.items(names.LEDGER_TABLE) if i["sk"] == "head"):
            for entry in self.org.w.ledger.entries(key):
                amounts, place = entry.position.amounts, entry.position.place
                for name in ("all", *(("mails", place.campaign) if place.campaign else ())):
                    total = sums.setdefault(name, [0, 0])
                    total[0] += amounts.reported_provisional_micros
                    total[1] += amounts.reported_approved_micros
        return {name: (p, a) for name, (p, a) in sums.items() if p + a}

    def disagreements(self) -> list[str]:
        org = self.org
        return disagreements(
            recount(org.items(names.LEDGER_TABLE), org.name),
            control=org.items(names.CONTROL_TABLE),
            sends=[org.send(plan) for plan in self.plans],
            offers=org.items(names.OFFERS_TABLE),
            subscribers=org.items(names.SUBSCRIBERS_TABLE),
            org=org.name,
        )


def _money_of(send: Item) -> dict[str, int]:
    return {n: v for n, v in send.items() if n.startswith(("revenue_micros", "reward_micros", "conversions")) and v}


transactions = st.sampled_from(sorted(TRANSACTIONS))
kinds = st.sampled_from(["conversion", "event"])
amounts = st.sampled_from([10_000_001, 7_000_000, 0])
hours = st.integers(1, 40)
moments = st.integers(1, 60)


def postback(transaction: str, kind: str, micros: int, hour: int, *, blank: bool) -> Fact:
    at = NOW + timedelta(hours=hour)
    receipt = f"{micros}-{hour}-{blank}"

    def say(house: House) -> None:
        house.book(
            house.arrival(
                transaction, kind, payout_micros=micros, received_at=at, converted_at=at, receipt_id=receipt, blank=blank
            )
        )

    return Fact((1, at, f"{transaction}{kind}{receipt}"), say)


def row(transaction: str, kind: str, n: int, micros: int, day: int) -> Fact:
    """One reading of the report."""
    read_at, conversion = NOW + timedelta(days=day, hours=n), f"{transaction}{kind}{n}"
    facts = {
        "source": "report", "conversion_id": conversion, "receipt_id": conversion, "payout_micros": micros,
        "received_at": read_at, "converted_at": NOW + timedelta(hours=3 + 20 * n), "event_id": "0" if kind == "conversion" else "",
    }  # fmt: skip
    return Fact((2, read_at, f"{conversion}{micros}"), lambda house: house.book(house.arrival(transaction, kind, **facts)))


def withdrawal(transaction: str, kind: str, n: int, day: int) -> Fact:
    """A reading in which the conversion is gone: it happens only where the row was read before."""
    read_at, conversion = NOW + timedelta(days=day, hours=n, minutes=1), f"{transaction}{kind}{n}"

    def say(house: House) -> None:
        for key in house.keys_of(transaction, kind):
            verdicts.take_back(house.org.w, house.org.name, key, conversion_id=conversion, read_at=read_at, now=MONTH)

    return Fact((2, read_at, f"{conversion} gone"), say)


def touch(mail: int, kind: str, hour: int) -> Fact:
    at = NOW + timedelta(hours=hour)

    def say(house: House) -> None:
        event = json.loads(ses_event(f"ses-event-{kind}.json", house.plans[mail]))
        event[kind]["timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        engage_message(house.org.w, json.dumps(event), now=MONTH)

    return Fact((0, at, f"{mail}{kind}"), say)


def machine_for(system: Plane) -> type[RuleBasedStateMachine]:
    """The machine of one running system."""

    class Books(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.house = House.build(system, f"x{next(_orgs)}")
            self.said: list[Fact] = []
            self.owed: list[Fact] = []  # whoever told them died: the queue, or the next reading, tells them again

        def tell(self, fact: Fact, *, crash_at: int | None = None, meanwhile: Fact | None = None, meanwhile_at: int = 0) -> None:
            heard = []

            def interruption() -> None:
                if meanwhile is None:
                    raise Crash
                meanwhile.say(self.house)
                heard.append(meanwhile)

            self.said += [fact] if meanwhile is None else [fact, meanwhile]
            try:
                with interrupted(crash_at or meanwhile_at, interruption):
                    fact.say(self.house)
            except (Crash, Contention):
                self.owed.append(fact)
            if meanwhile is not None and not heard:
                meanwhile.say(self.house)

        @rule(transaction=transactions, kind=kinds, micros=amounts, hour=hours, blank=st.booleans(), at=st.none() | moments)
        def a_postback(self, transaction: str, kind: str, micros: int, hour: int, blank: bool, at: int | None) -> None:
            self.tell(postback(transaction, kind, micros, hour, blank=blank), crash_at=at)

        @rule(
            transaction=transactions,
            kind=kinds,
            n=st.integers(0, 1),
            micros=amounts,
            day=st.integers(2, 9),
            at=st.none() | moments,
        )
        def a_row_of_the_report(self, transaction: str, kind: str, n: int, micros: int, day: int, at: int | None) -> None:
            self.tell(row(transaction, kind, n, micros, day), crash_at=at)

        @rule(transaction=transactions, kind=kinds, n=st.integers(0, 1), day=st.integers(10, 20), at=st.none() | moments)
        def a_reversal(self, transaction: str, kind: str, n: int, day: int, at: int | None) -> None:
            told = any(f.order[0] == 2 and f.order[2].startswith(f"{transaction}{kind}{n}") for f in self.said)
            if told and not self.owed:
                self.tell(withdrawal(transaction, kind, n, day), crash_at=at)

        @rule(mail=st.integers(0, MAILS - 1), kind=st.sampled_from(["open", "click"]), at=st.none() | moments)
        def a_touch(self, mail: int, kind: str, at: int | None) -> None:
            self.tell(touch(mail, kind, 2 + mail), crash_at=at)

        @rule(transaction=transactions, micros=amounts, hour=hours, mail=st.integers(0, MAILS - 1), at=moments)
        def a_postback_with_a_touch_in_the_middle(self, transaction: str, micros: int, hour: int, mail: int, at: int) -> None:
            self.tell(
                postback(transaction, "conversion", micros, hour, blank=False),
                meanwhile=touch(mail, "click", 2 + mail),
                meanwhile_at=at,
            )

        @rule(transaction=transactions, kind=kinds, micros=amounts, hour=hours, day=st.integers(2, 9), at=moments)
        def a_postback_with_its_row_in_the_middle(
            self, transaction: str, kind: str, micros: int, hour: int, day: int, at: int
        ) -> None:
            self.tell(
                postback(transaction, kind, micros, hour, blank=False),
                meanwhile=row(transaction, kind, 0, micros, day),
                meanwhile_at=at,
            )

        @rule(data=st.data())
        def anything_again(self, data: st.DataObject) -> None:
            if self.said:
                fact = data.draw(st.sampled_from(self.said))
                if fact.order[2].endswith("gone"):
                    return
                fact.say(self.house)

        @rule()
        def what_is_owed_and_queued(self) -> None:
            owed, self.owed = self.owed, []
            for fact in owed:
                fact.say(self.house)
            self.house.work()

        @invariant()
        def the_ledger_is_the_sum_of_its_entries(self) -> None:
            wrong = [line for line in self.house.disagreements() if not line.startswith("row of")]  # rows follow by their queue
            assert wrong == []

        def teardown(self) -> None:
            self.what_is_owed_and_queued()
            assert self.house.disagreements() == []
            assert self.house.revenue() == self.house.recounted()
            clean = House.build(system, f"y{next(_orgs)}")
            for fact in sorted(self.said, key=lambda fact: fact.order):
                fact.say(clean)
                clean.work()
            assert self.house.books() == clean.books()

    return Books


def test_the_books_equal_a_clean_replay(system: Plane) -> None:
    run_state_machine_as_test(
        machine_for(system),
        settings=settings(
            max_examples=400 if os.environ.get("NIGHTLY") else 8,
            stateful_step_count=12,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # shrinking a run of a whole system takes longer than reading it
        ),
    )


CLICK = touch(1, "click", 2)
PURCHASE = postback("t1", "conversion", 10_000_001, 4, blank=False)
APPROVAL = row("t1", "conversion", 0, 7_000_000, 3)
REVERSAL = withdrawal("t1", "conversion", 0, 12)


@pytest.mark.parametrize(
    ("before", "fact"),
    [([], PURCHASE), ([PURCHASE], APPROVAL), ([PURCHASE, APPROVAL], REVERSAL), ([PURCHASE], CLICK)],
    ids=["purchase", "approval", "reversal", "late click"],
)
def test_a_worker_may_die_at_any_moment(system: Plane, before: list[Fact], fact: Fact) -> None:
    clean = _clean(system, [*before, fact])
    for at in itertools.count(1):
        house = House.build(system, f"k{next(_orgs)}")
        for earlier in before:
            earlier.say(house)
        died = _dies(house, fact, at)
        fact.say(house)  # the queue delivers again, the next reading reads again
        house.work()
        assert house.disagreements() == []
        assert house.books() == clean
        if not died:
            return


@pytest.mark.parametrize("fact", [PURCHASE, APPROVAL], ids=["purchase", "approval"])
def test_a_touch_may_come_to_light_at_any_moment_of_a_booking(system: Plane, fact: Fact) -> None:
    clean = _clean(system, [fact, CLICK])
    for at in itertools.count(1):
        house = House.build(system, f"t{next(_orgs)}")
        heard: list[bool] = []

        def hear(house: House = house, heard: list[bool] = heard) -> None:
            CLICK.say(house)
            heard.append(True)

        with interrupted(at, hear):
            fact.say(house)
        house.work()
        if not heard:
            return
        assert house.books() == clean, at


def _clean(system: Plane, facts: list[Fact]) -> dict[str, Any]:
    house = House.build(system, f"c{next(_orgs)}")
    for fact in facts:
        fact.say(house)
        house.work()
    return house.books()


def _dies(house: House, fact: Fact, at: int) -> bool:
    def crash() -> None:
        raise Crash

    try:
        with interrupted(at, crash):
            fact.say(house)
    except Crash:
        return True
    return False
