"""Everflow's own report says what the money is; what did not come whole, or may be a fault, concludes nothing (M3, M4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import quarantine, reconcile
from revenue_engine.services.everflow_api import EverflowClient, EverflowUnavailable
from revenue_engine.services.receipts import queue_message
from tests.builders import NOW, Org, an_offer
from tests.services.test_books import arrival, booked, check
from workbench.simulation.everflow import EverflowApi, Fault
from workbench.simulation.truth import Deal

DAY = timedelta(days=1)
START = NOW + 4 * DAY  # the mails of these tests leave at NOW
AT = START - 3 * DAY


def deal(name: str, **changes: Any) -> Deal:
    facts: dict[str, Any] = {
        "kind": "conversion", "transaction_id": f"t-{name}", "conversion_id": name, "event_id": "0", "event_name": "Base",
        "offer": "1042", "currency": "USD", "payout_micros": 32_500_000, "sub1": "", "clicked_at": AT - timedelta(hours=1),
        "converted_at": AT, "approved_micros": 32_500_000,
    }  # fmt: skip
    return Deal(**(facts | changes))


class Network(EverflowApi):
    """The API with rows that come and go."""

    def __init__(self, *deals: Deal) -> None:
        super().__init__("the-key")
        self.rows = {one.conversion_id: one for one in deals}
        self.elsewhere: dict[str, Deal] = {}  # known by id, but not in the report
        self.listed = lambda start, end: [one for one in self.rows.values() if start <= one.converted_at <= end]
        self.known = lambda one: self.rows.get(one) or self.elsewhere.get(one)


@pytest.fixture
def network(org: Org, monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()

    @contextmanager
    def client(w: Wiring, name: str) -> Iterator[EverflowClient]:
        with EverflowClient(
            "https://api.example", "the-key", pause=lambda seconds: None, clock=lambda: 0.0, transport=made.transport()
        ) as everflow:
            yield everflow

    monkeypatch.setattr(reconcile, "everflow_of", client)
    return made


def run(org: Org, now: datetime = START, **options: Any) -> dict[str, Any]:
    said = reconcile.reconcile(org.w, org=org.name, now=now, **options)
    said.pop("requeued")
    return said


def ours(org: Org, plan: PlannedSend) -> str:
    return ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)


def approved(org: Org) -> int:
    return org.counters().get("approved_micros#USD", 0)


def test_rows_are_booked_and_a_second_reading_changes_nothing(org: Org, network: Network) -> None:
    plan = org.mailed()
    rows = [
        deal("c1", sub1=ours(org, plan)),
        deal("c2"),
        deal("c3", kind="event", event_name="Upsell", approved_micros=4_250_000),
    ]
    network.rows = {row.conversion_id: row for row in rows}
    assert run(org) == {"booked": 3}
    counted = org.counters()
    assert (approved(org), org.send(plan)["revenue_micros#USD"]) == (69_250_000, 32_500_000)
    assert run(org, START + DAY) == {"as_booked": 1, "already_booked": 2}  # what names no mail is looked at again
    assert org.counters() == counted
    check(org)


def test_without_a_key_nothing_is_asked(org: Org) -> None:
    assert run(org) == {"skipped": "no_api_key"}


def test_a_held_conversion_that_appears_weeks_later_is_booked_with_its_own_time(org: Org, network: Network) -> None:
    plan = org.mailed()
    late = deal("c1", sub1=ours(org, plan), converted_at=START + DAY)
    assert run(org, START + 2 * DAY) == {}
    network.rows["c1"] = late
    assert run(org, START + 33 * DAY) == {"booked": 1}
    (item,) = [i for i in org.items(names.LEDGER_TABLE) if i["sk"] == "head"]
    assert item["position"]["place"]["day"] == "2026-03-09"
    check(org)


def test_once_a_week_the_reading_goes_back_half_a_year(org: Org, network: Network) -> None:
    network.rows["c1"] = deal("c1", converted_at=START - 100 * DAY)
    tuesday = datetime(2026, 3, 10, 23, tzinfo=NOW.tzinfo)
    assert run(org, tuesday) == {}
    assert run(org, tuesday - DAY) == {"booked": 1}


def test_a_changed_amount_is_an_adjustment(org: Org, network: Network) -> None:
    plan = org.mailed()
    network.rows["c1"] = deal("c1", sub1=ours(org, plan))
    run(org)
    network.rows["c1"].approved_micros = 20_000_000
    assert run(org, START + DAY) == {"booked": 1}
    assert approved(org) == 20_000_000
    check(org)


def test_a_postback_without_our_id_gets_its_mail_from_the_report(org: Org, network: Network) -> None:
    plan = org.mailed()
    booked(org, arrival(org, None, transaction_id="t-c1", payout_micros=32_500_000))
    assert org.counters()["unattributed_micros#USD"] == 32_500_000
    network.rows["c1"] = deal("c1", sub1=ours(org, plan), converted_at=AT)
    assert run(org) == {"booked": 1}
    assert org.counters().get("unattributed_micros#USD", 0) == 0
    assert org.send(plan)["conversions"] == 1
    check(org)


# --- what the report no longer lists ----------------------------------------------------------------------------------
def approve(org: Org, network: Network, number: int = 1) -> PlannedSend:
    plan = org.mailed()
    for n in range(number):
        network.rows[f"c{n}"] = deal(f"c{n}", sub1=ours(org, plan))
    network.rows["stays"] = deal("stays")
    run(org)
    return plan


def test_two_whole_readings_without_it_and_no_answer_by_id_take_it_back(org: Org, network: Network) -> None:
    plan = approve(org, network)
    del network.rows["c0"]
    assert run(org, START + DAY) == {"already_booked": 1, "missed": 1}
    assert approved(org) == 65_000_000
    assert run(org, START + 2 * DAY) == {"already_booked": 1, "missed": 1, "reversed": 1}
    assert approved(org) == 32_500_000
    assert (org.send(plan)["revenue_micros#USD"], org.send(plan)["conversions"]) == (0, 0)
    check(org)
    assert run(org, START + 3 * DAY) == {"already_booked": 1}


def test_what_is_listed_again_begins_anew(org: Org, network: Network) -> None:
    approve(org, network)
    gone = network.rows.pop("c0")
    run(org, START + DAY)
    network.rows["c0"] = gone
    run(org, START + 2 * DAY)
    del network.rows["c0"]
    assert run(org, START + 3 * DAY)["missed"] == 1
    assert approved(org) == 65_000_000


def test_two_readings_of_one_bad_hour_are_one(org: Org, network: Network) -> None:
    approve(org, network)
    del network.rows["c0"]
    assert [run(org, START + DAY + timedelta(hours=h)).get("reversed", 0) for h in (0, 1, 2)] == [0, 0, 0]


def test_what_the_look_up_by_id_knows_stays(org: Org, network: Network) -> None:
    approve(org, network)
    network.elsewhere["c0"] = network.rows.pop("c0")
    run(org, START + DAY)
    assert run(org, START + 2 * DAY) == {"already_booked": 1, "missed": 1}
    assert approved(org) == 65_000_000


def test_what_comes_back_after_a_reversal_is_money_again(org: Org, network: Network) -> None:
    plan = approve(org, network)
    gone = network.rows.pop("c0")
    for day in (1, 2):
        run(org, START + day * DAY)
    network.rows["c0"] = gone
    assert run(org, START + 3 * DAY)["booked"] == 1
    assert org.send(plan)["revenue_micros#USD"] == 32_500_000
    check(org)


@pytest.mark.parametrize("fault", [Fault.SHORT_PAGE, Fault.MOVED_TOTAL, Fault.NO_DATA, Fault.SERVER_ERROR])
def test_a_report_that_is_not_whole_concludes_nothing(org: Org, network: Network, fault: Fault) -> None:
    approve(org, network)
    counted = org.counters()
    for day in (1, 2, 3):
        network.faults.extend([fault] * 12)
        with pytest.raises(EverflowUnavailable):
            run(org, START + day * DAY)
        network.faults.clear()
    assert org.counters() == counted
    assert run(org, START + 4 * DAY) == {"as_booked": 1, "already_booked": 1}


def test_a_row_without_an_id_takes_nothing_back(org: Org, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(org, network)
    counted = org.counters()
    network.rows["c0"].conversion_id = ""
    for day in (1, 2, 3):
        assert run(org, START + day * DAY)["ids_missing"] == 1
    assert org.counters() == counted


def test_an_empty_report_takes_nothing_back_until_a_person_confirms(org: Org, network: Network) -> None:
    approve(org, network)
    counted = org.counters()
    network.rows.clear()
    run(org, START + DAY)
    assert run(org, START + 2 * DAY) == {"missed": 2, "reversals_held": 2}  # the look-up by id finds nothing either
    assert org.counters() == counted
    assert run(org, START + 3 * DAY, confirmed_by="pat")["reversed"] == 2
    assert approved(org) == 0
    check(org)


def test_many_reversals_at_once_wait_for_a_person(org: Org, network: Network) -> None:
    approve(org, network, 6)
    stays = network.rows["stays"]
    network.rows = {"stays": stays}
    run(org, START + DAY)
    assert run(org, START + 2 * DAY) == {"already_booked": 1, "missed": 6, "reversals_held": 6}
    assert approved(org) == 7 * 32_500_000
    said = run(org, START + 2 * DAY + timedelta(hours=1), confirmed_by="pat")
    assert said == {"already_booked": 1, "missed": 6, "reversed": 6}
    assert approved(org) == 32_500_000
    check(org)


def test_a_reading_that_died_while_taking_back_is_finished_by_the_next(
    org: Org, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = approve(org, network)
    check(org)
    del network.rows["c0"]
    run(org, START + DAY)

    def down(self: object, messages: object) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.engagement_queue), "send", down)
        with pytest.raises(ConnectionError):
            run(org, START + 2 * DAY)
    assert org.row(plan.subscriber).revenue_micros == 32_500_000
    run(org, START + 3 * DAY)
    check(org)
    assert org.row(plan.subscriber).revenue_micros == 0


def test_a_reading_that_died_while_booking_is_made_good_by_the_next(
    org: Org, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = org.mailed()
    network.rows["c1"] = deal("c1", sub1=ours(org, plan))

    def down(self: object, messages: object) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.engagement_queue), "send", down)
        with pytest.raises(ConnectionError):
            run(org)
    assert run(org, START + DAY) == {"already_booked": 1}
    check(org)
    assert org.row(plan.subscriber).revenue_micros == 32_500_000
    assert run(org, START + 2 * DAY) == {"as_booked": 1}


def test_a_rate_that_is_set_later_reaches_money_that_was_booked_without_one(org: Org, network: Network) -> None:
    plan = org.mailed()
    network.rows = {"c1": deal("c1", sub1=ours(org, plan), currency="EUR"), "c2": deal("c2", currency="EUR")}
    run(org)
    org.set_controls(fx_rates={"EUR": {"rate": "1.1", "as_of": "2026-03-08"}})
    org.w.parameters.forget()
    run(org, START + DAY)
    check(org)
    assert org.counters()["reported_approved_micros"] == 2 * 35_750_000
    assert org.row(plan.subscriber).revenue_micros == 35_750_000


def test_an_event_renamed_by_the_network_is_the_same_money(org: Org, network: Network) -> None:
    plan = org.mailed()
    event = {"kind": "event", "transaction_id": "t-1"}
    network.rows = {
        "e1": deal("e1", event_name="Upsell", sub1=ours(org, plan), **event),
        "e2": deal("e2", kind="event", event_name="Upsell"),
    }
    run(org)
    for row in network.rows.values():
        row.event_name, row.approved_micros = "Upsell Pro", 30_000_000
    run(org, START + DAY)
    assert (approved(org), org.counters()["conversions"]) == (60_000_000, 2)
    check(org)


def test_a_hold_of_the_report_waits_its_own_three_days(org: Org, network: Network) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan, transaction_id="t-c1", received_at=AT, converted_at=AT))  # an amount nobody expected: review
    clicked_at = AT - timedelta(seconds=2)
    network.rows["c1"] = deal("c1", sub1=ours(org, plan), clicked_at=clicked_at, approved_micros=10_000_001)
    assert "released" not in run(org, START + 5 * DAY)
    assert org.counters()["held_micros#USD"] == 10_000_001
    assert run(org, START + 9 * DAY)["released"] == 1
    assert "held_micros#USD" not in org.counters()


# --- what the report never listed -------------------------------------------------------------------------------------
def test_provisional_money_is_given_up_after_its_time_and_comes_back_with_a_row(org: Org, network: Network) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan))
    assert run(org, NOW + 44 * DAY) == {}
    assert run(org, NOW + 46 * DAY) == {"given_up": 1}
    assert org.counters().get("provisional_micros#USD", 0) == 0
    check(org)
    assert run(org, NOW + 47 * DAY) == {}
    late = deal(
        "c1",
        transaction_id="t1",
        sub1=ours(org, plan),
        approved_micros=10_000_001,
        clicked_at=NOW + timedelta(hours=3),
        converted_at=NOW + timedelta(hours=4),
    )
    network.rows["c1"] = late
    monday = datetime(2026, 4, 27, 23, tzinfo=NOW.tzinfo)
    assert run(org, monday) == {"booked": 1, "released": 1}  # the amount had looked odd
    assert approved(org) == 10_000_001
    check(org)


def test_what_is_held_is_learned_from_after_three_days_when_the_network_pays_for_it(org: Org, network: Network) -> None:
    plan = org.mailed()
    clicked_at = START + timedelta(hours=1)
    made = deal("c1", sub1=ours(org, plan), clicked_at=clicked_at, converted_at=clicked_at + timedelta(seconds=2))
    network.rows["c1"] = made
    assert run(org, START + DAY) == {"booked": 1}
    assert org.counters()["held_micros#USD"] == 32_500_000
    assert (org.send(plan).get("reward_micros#USD", 0), org.evidence().get("2026-03-08", {}).get("conversions", 0)) == (0, 0)
    assert "released" not in run(org, START + 3 * DAY)
    assert run(org, START + 5 * DAY)["released"] == 1
    assert org.counters().get("held_micros#USD", 0) == 0
    assert org.send(plan)["reward_micros#USD"] == 32_500_000
    check(org)


# --- rows and postbacks that need a person, or another try --------------------------------------------------------------
def test_a_row_that_cannot_be_booked_waits_in_quarantine_for_the_run_that_can(org: Org, network: Network) -> None:
    network.rows = {"c1": deal("c1", transaction_id=""), "c2": deal("c2", offer="7"), "c3": deal("c3")}
    assert run(org) == {"not_understood": 1, "quarantined": 1, "booked": 1}
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["receipt_id"], entry["reason"], entry["source"]) == ("c2", "unknown_offer", "report")
    assert not quarantine.replay(org.w, org.name, "c2")  # nothing of it lies in the bucket
    org.w.offers.put(org.name, an_offer(7))
    assert run(org) == {"not_understood": 1, "booked": 1, "already_booked": 1}
    assert quarantine.listed(org.w, org.name) == []


def test_what_was_stored_and_never_queued_is_queued(org: Org) -> None:
    body = queue_message(org.name, "r1", "raw/x", token_state="ok").body
    org.w.postbacks.put(f"unqueued/{org.name}/r1.json", body.encode())
    assert reconcile.reconcile(org.w, org=org.name, now=START)["requeued"] == 1
    assert org.drained(names.POSTBACKS_QUEUE_URL) == [body]
    assert org.w.postbacks.keys(f"unqueued/{org.name}/") == []
