"""The lift of a running system: everybody ever given an arm, what is approved of them, and honest reasons why there is none yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.counters import Counters
from revenue_engine.aws.dynamo import Table
from revenue_engine.aws.ledger import Ledger
from revenue_engine.aws.subscribers import Subscribers, lot_key
from revenue_engine.clock import epoch_seconds
from revenue_engine.evaluation import lift as arms_report
from revenue_engine.evaluation.lift import Lift
from revenue_engine.evaluation.power import Unknown
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import lift as service
from revenue_engine.services import verdicts
from revenue_engine.services.console import answer
from revenue_engine.services.engage import opt_out
from revenue_engine.services.http import request_of
from revenue_engine.services.lift import document, look
from tests.builders import NOW, Org
from tests.http_events import http_event
from tests.services.test_books import arrival, booked, report
from workbench.cli.connection import Connection
from workbench.cli.main import main

HALVES = {"fixed_policy_share": 0.25, "no_mail_share": 0.25}
LATER = NOW + timedelta(days=10)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[arms_report.People]:
    """The people that looks have handed to the report."""
    found: list[arms_report.People] = []

    def remembering(people: arms_report.People, *arguments: Any) -> arms_report.Report:
        found.append(people)
        return arms_report.report(people, *arguments)

    monkeypatch.setattr(service, "report", remembering)
    return found


def people_of(org: Org, count: int) -> dict[str, list[str]]:
    """Imports people; their keys by arm."""
    found: dict[str, list[str]] = {"engine": [], "fixed": [], "no_mail": []}
    for _ in range(count):
        key = org.add_person()
        found[org.person(key)["arm"]].append(key)
    return found


def mail_to(org: Org, subscriber: str, policy: str) -> PlannedSend:
    plan = org.plan(subscriber, policy=policy, decision=f"d-{subscriber}")
    assert org.execute([plan]).outcomes == {"sent": 1}
    return plan


def sells(org: Org, plan: PlannedSend, micros: int, *, approved: bool = True, **changes: Any) -> None:
    facts = {"transaction_id": f"t-{plan.subscriber}", "payout_micros": micros, **changes}
    made = arrival(org, plan, receipt_id=f"r-{plan.subscriber}", **facts)
    booked(org, made)
    if approved:
        booked(org, report(org, plan, f"c-{facts['transaction_id']}", **facts))


def by_arm(people: arms_report.People) -> list[list[int]]:
    """Approved micros of each arm's people, sorted."""
    return [sorted(people.approved_micros[people.arm == arm].tolist()) for arm in range(3)]


# --- who and what is counted ------------------------------------------------------------------------------------------------
def test_everybody_ever_given_an_arm_is_counted_with_what_is_approved_of_them(org: Org, seen: list[arms_report.People]) -> None:
    org.set_controls(**HALVES, fx_rates={"EUR": {"rate": "2", "as_of": "2026-03-01"}})
    given = people_of(org, 60)
    assert min(len(keys) for keys in given.values()) >= 4
    first, second, third, *_ = (mail_to(org, key, "engine") for key in given["engine"])
    fixed = mail_to(org, given["fixed"][0], "fixed")
    sells(org, first, 30_000_000)
    sells(org, second, 5_000_000, currency="EUR")  # at the rate
    sells(org, third, 9_000_000, approved=False)  # nobody has confirmed it
    sells(org, fixed, 7_000_000)
    sells(org, fixed, 1_000_000, transaction_id="again")
    booked(org, arrival(org, None, transaction_id="nobody's", receipt_id="r0"))
    opt_out(org.w, org.name, given["engine"][0], status="unsubscribed", at=NOW, source="test")  # left, after paying
    opt_out(org.w, org.name, given["no_mail"][0], status="complained", at=NOW, source="test")

    got = look(org.w, org.name, now=LATER)
    (people,) = seen
    assert by_arm(people) == [
        [*[0] * (len(given["engine"]) - 2), 10_000_000, 30_000_000],
        [*[0] * (len(given["fixed"]) - 1), 8_000_000],
        [0] * len(given["no_mail"]),
    ]
    assert {name: (health.people, health.reachable) for name, health in got.report.health.items()} == {
        name: (len(keys), len(keys) - (name != "fixed")) for name, keys in given.items()
    }
    assert got.days == people.days == pytest.approx(10.0)
    assert got.shares == (0.5, 0.25, 0.25)


def test_what_is_taken_back_is_gone_at_the_next_look(org: Org, seen: list[arms_report.People]) -> None:
    org.set_controls(**HALVES)
    given = people_of(org, 12)
    plan = mail_to(org, given["engine"][0], "engine")
    sells(org, plan, 30_000_000)
    look(org.w, org.name, now=LATER)
    conversion, read_at = f"t-{plan.subscriber}", LATER - timedelta(hours=1)
    key = arrival(org, plan, transaction_id=conversion).key
    assert verdicts.take_back(org.w, org.name, key, conversion_id=f"c-{conversion}", read_at=read_at, now=read_at)
    look(org.w, org.name, now=LATER)
    assert [int(people.approved_micros.sum()) for people in seen] == [30_000_000, 0]


def test_the_erased_stay_in_their_arm_with_what_they_paid(org: Org, seen: list[arms_report.People]) -> None:
    """Whether the person's item says `erased`, or is no longer there at all."""
    org.set_controls(**HALVES)
    given = people_of(org, 24)
    marked, deleted = given["engine"][:2]
    for key, micros in ((marked, 3_000_000), (deleted, 4_000_000)):
        sells(org, mail_to(org, key, "engine"), micros)
    look(org.w, org.name, now=LATER)
    kept = org.person(marked)
    erased = {n: v for n, v in kept.items() if n not in ("address", "address_hash", "profile", "due_shard", "next_decision_at")}
    org.w.subscribers.table.put(erased | {"status": "erased"})
    for key in (deleted, given["fixed"][0]):
        org.system.client("dynamodb").delete_item(TableName=org.w.subscribers.table.name, Key={"pk": {"S": f"{org.name}#{key}"}})
    got = look(org.w, org.name, now=LATER)
    before, after = seen
    assert by_arm(after) == by_arm(before)
    health = {name: (each.people, each.reachable) for name, each in got.report.health.items()}
    assert health["engine"] == (len(given["engine"]), len(given["engine"]) - 2)
    assert health["fixed"] == (len(given["fixed"]), len(given["fixed"]) - 1)
    assert after.days == before.days


def test_who_came_opted_out_is_nobodys_result(org: Org) -> None:
    org.set_controls(**HALVES)
    given = people_of(org, 6)
    org.add_person(status="unsubscribed")
    health = look(org.w, org.name, now=LATER).report.health
    assert {name: each.people for name, each in health.items()} == {name: len(keys) for name, keys in given.items()}


def test_people_of_other_shares_are_another_experiment(org: Org, seen: list[arms_report.People]) -> None:
    org.set_controls(**HALVES)
    early = people_of(org, 10)
    sells(org, mail_to(org, early["engine"][0], "engine"), 50_000_000)
    org.set_controls(fixed_policy_share=0.5, no_mail_share=0)
    late = people_of(org, 8)
    sells(org, mail_to(org, late["fixed"][0], "fixed"), 2_000_000)
    got = look(org.w, org.name, now=LATER)
    assert got.other_lots == 10
    assert got.shares == (0.5, 0.5, 0.0)
    assert by_arm(seen[0]) == [[0] * len(late["engine"]), [*[0] * (len(late["fixed"]) - 1), 2_000_000], []]
    org.set_controls(**HALVES)  # and back: the first people are compared again
    assert look(org.w, org.name, now=LATER).other_lots == 8
    assert int(seen[1].approved_micros.sum()) == 50_000_000


def test_what_is_known_of_the_time_before_is_consent_and_provider(org: Org, seen: list[arms_report.People]) -> None:
    org.add_person("a@gmail.com", consent_at=NOW - timedelta(days=3))
    org.add_person("b@else.example", consent_at=NOW)
    look(org.w, org.name, now=LATER)
    rows = sorted(seen[0].covariates.tolist())
    assert rows == [[0.0, 1, 0, 0, 0, 0], [pytest.approx(np.log(4.0)), 1, 1, 0, 0, 0]]


# --- what is said ---------------------------------------------------------------------------------------------------------------
class Crowd:
    """Stores of a list as large as an answer needs, with the books of its payers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, org: Org, *, counts: tuple[int, int, int], paying: float) -> None:
        random = np.random.default_rng(6)
        arms = np.repeat(["engine", "fixed", "no_mail"], counts)
        pays = random.random(len(arms)) < paying * np.where(arms == "engine", 1.5, np.where(arms == "fixed", 1.0, 0.0))
        people = [
            {"subscriber": f"s{n}", "arm": arm, "status": "active", "provider": "other", "created_at": epoch_seconds(NOW)}
            for n, arm in enumerate(arms.tolist())
        ]
        first = org.mailed()
        sells(org, first, 20_000_000)
        ((_, _), (_, approved)) = [  # the provisional entry, and the one that approves it
            found for found in org.w.ledger.booked_on(org.name, "2026-03-04")
        ]
        sales = []
        for person, paid in zip(people, pays.tolist(), strict=True):
            if paid:
                place = replace(approved.position.place, subscriber=str(person["subscriber"]), policy=str(person["arm"]))
                amounts = replace(approved.position.amounts, reported_approved_micros=20_000_000)
                sales.append(("key", replace(approved, position=replace(approved.position, place=place, amounts=amounts))))
        monkeypatch.setattr(Subscribers, "of_lot", lambda self, org, lot: iter(people))
        monkeypatch.setattr(
            Counters, "lots", lambda self, org: {"0.04/0.01": dict(zip(("engine", "fixed", "no_mail"), counts, strict=True))}
        )
        monkeypatch.setattr(Ledger, "booked_on", lambda self, org, day: iter(sales if day == "2026-03-04" else []))
        org.set_controls(fixed_policy_share=0.04, no_mail_share=0.01)


def shown(org: Org, *arguments: str) -> str:
    connection = Connection(org.name, org.system.stage, clock=lambda: LATER)
    said = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["lift", *arguments], obj=connection)
    assert said.exit_code == 0, said.output
    return said.stdout


def test_a_lift_is_shown_with_its_interval_and_when_it_would_show(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    Crowd(monkeypatch, org, counts=(19_000, 800, 200), paying=0.2)
    got = look(org.w, org.name, now=LATER)
    assert isinstance(got.report.lift, Lift)
    said = json.loads(shown(org, "--json"))
    relative = said["lift"]["relative"]
    assert relative["lower"] < 0.5 < relative["upper"]
    money = said["lift"]["per_person_micros"]
    assert all(isinstance(value, int) for value in money.values())
    assert money["lower"] < 2_000_000 < money["upper"]
    assert (said["more_days"] is None) == ("more_days" in said["why"])
    text = shown(org)
    for words in ("engine against fixed mail", "19,000", "a lift of 20% would show", "95.0%"):
        assert words in text, words


@pytest.mark.parametrize(
    ("counts", "paying", "reason"),
    [
        ((1_900, 80, 20), 0.1, "too_few_payers"),
        ((1_900, 80, 20), 0.0, "no_revenue"),
        ((1_000, 980, 20), 0.1, "sample_ratio_mismatch"),
        ((1_900, 0, 20), 0.1, "arm_empty"),
    ],
)
def test_why_there_is_no_lift_is_said(
    org: Org, monkeypatch: pytest.MonkeyPatch, counts: tuple[int, int, int], paying: float, reason: str
) -> None:
    Crowd(monkeypatch, org, counts=counts, paying=paying)
    found = document(look(org.w, org.name, now=LATER))
    assert (found["lift"], found["why"]["lift"]["reason"]) == (None, reason)
    assert {name: health["people"] for name, health in found["health"].items()} == dict(
        zip(("engine", "fixed", "no_mail"), counts, strict=True)
    )
    assert f"no lift yet: {reason.replace('_', ' ')}" in shown(org)


def test_an_unbounded_side_is_null_and_said_in_words(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "Settings", lambda: arms_report.Settings(fewest_payers=1))
    Crowd(monkeypatch, org, counts=(1_900, 80, 20), paying=0.05)
    found = json.loads(json.dumps(document(look(org.w, org.name, now=LATER)), allow_nan=False))
    assert found["lift"]["relative"]["upper"] is None
    assert "no bound" in shown(org)


# --- the daily look -------------------------------------------------------------------------------------------------------------
def test_the_console_shows_the_last_daily_look(org: Org) -> None:
    org.set_controls(**HALVES)
    given = people_of(org, 8)

    def ask() -> tuple[int, Any]:
        said = answer(org.w, request_of(http_event("GET", f"/console/{org.name}/lift")), now=LATER)
        return said.status, json.loads(said.body)

    assert ask() == (409, {"error": "not_looked_yet", "detail": "the arms are looked at once a day"})
    kept = service.look_and_keep(org.w, org.name, now=LATER)
    assert ask() == (200, kept)
    assert kept["health"]["engine"]["people"] == len(given["engine"])
    assert kept["as_of"] == "2026-03-14T10:00:00.000Z"
    later = service.look_and_keep(org.w, org.name, now=LATER + timedelta(days=1))
    assert ask() == (200, later)
    assert "address" not in json.dumps(later) and ids.ID_LENGTH not in {len(word) for word in json.dumps(later).split('"')}


def test_an_org_without_people_is_told_so(org: Org) -> None:
    got = look(org.w, org.name, now=NOW)
    assert isinstance(got.report.lift, Unknown)
    assert (got.report.lift.reason, got.days) == ("arm_empty", 0.0)


def test_a_look_reads_each_person_and_each_day_once(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of people the index alone: keys, arms and status, never an address."""
    org.set_controls(**HALVES)
    people_of(org, 5)
    requests: list[str | None] = []
    query = Table.query

    def counting(self: Table, condition: str, values: Any, **named: Any) -> Iterator[Any]:
        requests.append(named.get("index"))
        for item in query(self, condition, values, **named):
            assert not {"address", "profile", "row"} & item.keys()
            yield item

    monkeypatch.setattr(Table, "query", counting)
    look(org.w, org.name, now=LATER)
    assert requests.count(names.LOT_INDEX) == 2  # the first day, then everybody
    assert requests.count(names.LEDGER_BY_DAY_INDEX) == 11
    assert lot_key("a", "b") == "a#b"
