"""Every postback case of the contract, through the webhook and attribute, and what may be wrong with one (M1, M3, M4)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from revenue_engine import ids
from revenue_engine.attribution.models import MODELS, PRIMARY
from revenue_engine.aws import names
from revenue_engine.clock import epoch_seconds
from revenue_engine.intake.everflow import RawPostback, understand_postback
from revenue_engine.records.conversion import Allocation
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import quarantine
from revenue_engine.services.attribute import attribute_message, book
from revenue_engine.services.engage import engage_message
from revenue_engine.services.take_postback import take_postback
from tests.builders import NOW, Org, an_offer
from tests.http_events import postback_request
from tests.ses_events import ses_event
from tests.shared_data import shared_path

OURS = "k7Qm2cV9xT4hL0pZ"  # what the cases have where our tracking id goes
LATER = NOW.replace(hour=14)
CASES = (
    "base", "event_same_click", "redelivery", "same_click_other_payout", "blank_sub1", "foreign_sub1", "literal_macro", "long_sub1",
    "zero_payout", "three_decimals", "no_transaction",
)  # fmt: skip


@pytest.fixture
def clicked(org: Org) -> PlannedSend:
    """A mail that was delivered, and clicked by its reader."""
    plan = org.mailed()
    for name in ("delivery", "click"):
        engage_message(org.w, ses_event(f"ses-event-{name}.json", plan), now=NOW)
    org.w.offers.put(org.name, an_offer(2077, payout_micros=None))
    return plan


def case(name: str, org: Org, plan: PlannedSend) -> tuple[dict[str, str], str]:
    """A case's query with our own tracking id in it, and what it expects."""
    cases = {c["id"]: c for c in json.loads(shared_path("contracts/everflow-postback-cases.json").read_text())["cases"]}
    assert set(cases) == set(CASES)
    query = dict(cases[name]["query"])
    if query["sub1"] == OURS:
        query["sub1"] = ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)
    return query, cases[name]["expect"]


def postback(org: Org, query: dict[str, str]) -> str:
    """Takes it, attributes it, lets engage apply it; what attribute said."""
    at = LATER + timedelta(seconds=len(org.w.postbacks.keys(f"raw/{org.name}/")))  # the first to arrive stands
    answer = take_postback(org.w, postback_request(org.name, org.token, query), now=at)
    assert answer.status == 200
    (body,) = org.drained(names.POSTBACKS_QUEUE_URL)
    said = attribute_message(org.w, body, now=LATER)
    for message in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, message, now=LATER)
    return said


def money(org: Org) -> dict[str, int]:
    counted = org.counters()
    return {
        n: counted.get(n, 0) for n in ("conversions", "provisional_micros#USD", "approved_micros#USD", "unattributed_micros#USD")
    }


def expected(conversions: int, provisional: int, unattributed: int = 0) -> dict[str, int]:
    return {
        "conversions": conversions,
        "provisional_micros#USD": provisional,
        "approved_micros#USD": 0,
        "unattributed_micros#USD": unattributed,
    }


def entries(org: Org, transaction: str) -> list[Any]:
    return org.w.ledger.entries(f"{org.name}#conversion#{transaction}#0")


def reasons(org: Org) -> list[tuple[str, str]]:
    return [(entry["field"], entry["reason"]) for entry in quarantine.listed(org.w, org.name)]


def test_base_is_booked_and_told_to_everybody_who_must_know(org: Org, clicked: PlannedSend) -> None:
    query, expect = case("base", org, clicked)
    assert expect == "accepted, new"
    assert postback(org, query) == "booked"
    assert money(org) == expected(1, 32_500_000)
    assert org.counters()["reported_provisional_micros@1042"] == 32_500_000
    assert org.counters()["conversions@1042"] == 1
    (entry,) = entries(org, query["transaction_id"])
    place, amounts = entry.position.place, entry.position.amounts
    assert (entry.entry_kind, amounts.provisional_micros, amounts.approved_micros) == ("provisional", 32_500_000, 0)
    assert (place.send_id, place.subscriber, entry.source) == (clicked.send_id, clicked.subscriber, "postback")
    assert entry.position.attribution == {model: (Allocation(clicked.send_id, 1.0, 32_500_000),) for model in (PRIMARY, *MODELS)}
    send = org.send(clicked)
    assert (send["conversions"], send["revenue_micros#USD"], send["reward_micros#USD"]) == (1, 32_500_000, 32_500_000)
    row = org.row(clicked.subscriber)
    assert (row.revenue_micros, row.conversions, row.last_conversion_at) == (32_500_000, 1.0, epoch_seconds(LATER))
    conversion = org.timeline(clicked.subscriber)[-2:]
    assert [item["kind"] for item in conversion] == ["conversion", "row_conversion"]
    assert (conversion[0]["delta_micros"], conversion[0]["send_id"]) == (32_500_000, clicked.send_id)
    assert org.evidence()["2026-03-04"] == {
        "deliveries": 1,
        "clicks": 1,
        "conversions": 1,
        "conversion_micros": 32_500_000,
        "took_day": 1,
    }


def test_event_same_click_is_money_of_its_own(org: Org, clicked: PlannedSend) -> None:
    postback(org, case("base", org, clicked)[0])
    query, expect = case("event_same_click", org, clicked)
    assert expect.startswith("accepted, new")
    assert postback(org, query) == "booked"
    assert money(org) == expected(2, 36_750_000)
    assert org.row(clicked.subscriber).revenue_micros == 36_750_000


def test_redelivery_is_answered_and_not_counted_again(org: Org, clicked: PlannedSend) -> None:
    base, again = case("base", org, clicked)[0], case("redelivery", org, clicked)
    assert again[1] == "answered 200, not counted again"
    assert [postback(org, q) for q in (base, again[0], again[0])] == ["booked", "already_booked", "already_booked"]
    assert money(org) == expected(1, 32_500_000)
    assert len(entries(org, base["transaction_id"])) == 1
    assert org.row(clicked.subscriber).revenue_micros == 32_500_000


def test_same_click_other_payout_is_kept_in_doubt_and_moves_no_money(org: Org, clicked: PlannedSend) -> None:
    base = case("base", org, clicked)[0]
    query, expect = case("same_click_other_payout", org, clicked)
    assert expect.startswith("kept as a doubtful row")
    assert [postback(org, q) for q in (base, query, query)] == ["booked", "doubtful", "doubtful"]
    assert money(org) == expected(1, 32_500_000)
    head = org.w.ledger.head(f"{org.name}#conversion#{base['transaction_id']}#0")
    assert head is not None
    assert [claim.amount_micros for claim in head.facts.doubtful] == [40_000_000]
    assert head.position.amounts.provisional_micros == 32_500_000


def test_a_contradicting_postback_is_replayed_without_harm_and_closes_when_the_report_has_decided(
    org: Org, clicked: PlannedSend
) -> None:
    base, other = case("base", org, clicked)[0], case("same_click_other_payout", org, clicked)[0]
    assert [postback(org, q) for q in (base, other)] == ["booked", "doubtful"]
    assert reasons(org) == [("payout", "contradicts_booked_amount")]

    def replay() -> str:
        (entry,) = quarantine.listed(org.w, org.name)
        assert quarantine.replay(org.w, org.name, entry["receipt_id"])
        (body,) = org.drained(names.POSTBACKS_QUEUE_URL)
        return attribute_message(org.w, body, now=LATER)

    assert replay() == "doubtful"
    assert reasons(org) == [("payout", "contradicts_booked_amount")]
    assert money(org) == expected(1, 32_500_000)
    first = understand_postback(RawPostback("c1", org.name, LATER, "GET", urlencode(base), "", ""))
    settling = replace(first, source="report", conversion_id="c1", payout_micros=40_000_000)
    assert book(org.w, settling, controls=org.w.parameters.controls(org.name), now=LATER) == "booked"
    assert replay() == "already_booked"
    assert reasons(org) == []
    assert org.counters()["approved_micros#USD"] == 40_000_000


@pytest.mark.parametrize(("name", "micros"), [("blank_sub1", 18_000_000), ("foreign_sub1", 12_000_000), ("long_sub1", 9_990_000)])
def test_without_our_id_the_money_is_kept_unattributed(org: Org, clicked: PlannedSend, name: str, micros: int) -> None:
    query, expect = case(name, org, clicked)
    assert expect in ("money kept, unattributed", "accepted")
    assert postback(org, query) == "booked"
    assert money(org) == expected(1, micros, micros)
    (entry,) = entries(org, query["transaction_id"])
    place = entry.position.place
    assert (place.subscriber, place.send_id, entry.position.amounts.unattributed_micros) == (None, None, micros)
    assert "conversions" not in org.send(clicked)
    assert org.row(clicked.subscriber).revenue_micros == 0


def test_literal_macro_is_quarantined_by_name(org: Org, clicked: PlannedSend) -> None:
    query, expect = case("literal_macro", org, clicked)
    assert expect.startswith("answered 200, payout unknown")
    assert postback(org, query) == "quarantined"
    assert reasons(org) == [("payout", "unreplaced_macro")]
    assert money(org) == expected(0, 0)


def test_zero_payout_is_a_conversion_without_money(org: Org, clicked: PlannedSend) -> None:
    query, expect = case("zero_payout", org, clicked)
    assert expect == "accepted, revenue 0"
    assert postback(org, query) == "booked"
    assert money(org) == expected(1, 0)
    assert org.send(clicked)["conversions"] == 1


def test_three_decimals_are_exact(org: Org, clicked: PlannedSend) -> None:
    query, expect = case("three_decimals", org, clicked)
    assert expect == "exact decimal kept"
    assert postback(org, query) == "booked"
    assert money(org) == expected(1, 25_996_000)


def test_no_transaction_is_stored_and_quarantined(org: Org, clicked: PlannedSend) -> None:
    query, expect = case("no_transaction", org, clicked)
    assert expect.startswith("answered 200, stored raw")
    assert postback(org, query) == "quarantined"
    assert reasons(org) == [("transaction_id", "no_transaction_id")]
    assert len(org.w.postbacks.keys(f"raw/{org.name}/")) == 1


# --- what else may be wrong -------------------------------------------------------------------------------------------
def forged(text: str) -> str:
    return text[:-1] + ("a" if text[-1] != "a" else "b")


BAD: dict[str, tuple[dict[str, str], tuple[str, str]]] = {
    "absurd amount": ({"payout": "3250.01"}, ("payout", "payout_out_of_range")),
    "more than the org allows": ({"payout": "2000.01", "offer_id": "2077"}, ("payout", "payout_out_of_range")),
    "unknown currency": ({"currency": "XYZ"}, ("currency", "unknown_currency")),
    "unknown offer": ({"offer_id": "9"}, ("offer_id", "unknown_offer")),
    "negative": ({"payout": "-1"}, ("payout", "negative_payout")),
    "no number": ({"payout": "1e3"}, ("payout", "not_a_number")),
}


@pytest.mark.parametrize("name", BAD)
def test_what_an_operator_must_look_at_is_quarantined_and_books_nothing(org: Org, clicked: PlannedSend, name: str) -> None:
    changes, reason = BAD[name]
    assert postback(org, case("base", org, clicked)[0] | changes) == "quarantined"
    assert reasons(org) == [reason]
    assert money(org) == expected(0, 0)


def test_a_forged_tracking_id_is_quarantined(org: Org, clicked: PlannedSend) -> None:
    query = case("base", org, clicked)[0]
    assert postback(org, query | {"sub1": forged(query["sub1"])}) == "quarantined"
    assert reasons(org) == [("sub1", "forged_tracking_id")]
    assert "conversions" not in org.send(clicked)


@pytest.mark.parametrize("whose", ["nobody's", "another org's"])
def test_an_authentic_id_of_a_send_that_is_not_there_is_quarantined(org: Org, clicked: PlannedSend, whose: str) -> None:
    send_id = "a" * 26
    if whose == "another org's":
        org.w.sends.table.put(org.send(clicked) | {"pk": send_id, "org": "other"})
    query = case("base", org, clicked)[0] | {"sub1": ids.tracking_id(org.key, org=org.name, send_id=send_id)}
    assert postback(org, query) == "quarantined"
    assert reasons(org) == [("sub1", "unknown_send")]


def test_money_in_another_currency_is_booked_in_its_own(org: Org, clicked: PlannedSend) -> None:
    assert postback(org, case("base", org, clicked)[0] | {"currency": "EUR"}) == "booked"
    assert org.counters()["provisional_micros#EUR"] == 32_500_000
    assert "provisional_micros#USD" not in org.counters()
    assert org.send(clicked)["revenue_micros#EUR"] == 32_500_000


def test_credit_is_shared_by_the_mails_the_person_touched_and_adds_up(org: Org, clicked: PlannedSend) -> None:
    other = replace(clicked, send_id="b" * 26)
    org.w.sends.table.put(org.send(clicked) | {"pk": other.send_id, "send_id": other.send_id})
    opened = json.loads(ses_event("ses-event-open.json", other))
    opened["mail"]["messageId"] = "another"
    engage_message(org.w, json.dumps(opened), now=NOW)
    query = case("base", org, clicked)[0]
    postback(org, query)
    (entry,) = entries(org, query["transaction_id"])
    shares = {model: {s.send_id: s.micros for s in given} for model, given in entry.position.attribution.items()}
    assert shares[PRIMARY] == {clicked.send_id: 32_500_000}
    assert shares["linear"] == {clicked.send_id: 16_250_000, other.send_id: 16_250_000}
    assert shares["time_decay"][clicked.send_id] > 2 * shares["time_decay"][other.send_id] - 100_000
    assert all(sum(given.values()) == 32_500_000 for given in shares.values())


def test_a_postback_whose_raw_object_is_not_there_goes_back_to_the_queue(org: Org) -> None:
    with pytest.raises(LookupError, match="is not there"):
        attribute_message(org.w, json.dumps({"raw_key": "raw/x", "token_state": "ok"}), now=NOW)


def test_a_crash_between_booking_and_telling_is_made_good_by_the_redelivery(
    org: Org, clicked: PlannedSend, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_postback(org.w, postback_request(org.name, org.token, case("base", org, clicked)[0]), now=LATER)
    (body,) = org.drained(names.POSTBACKS_QUEUE_URL)

    def down(self: object, messages: object) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.engagement_queue), "send", down)
        with pytest.raises(ConnectionError):
            attribute_message(org.w, body, now=LATER)
    assert org.row(clicked.subscriber).revenue_micros == 0
    assert attribute_message(org.w, body, now=LATER) == "already_booked"
    for message in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, message, now=LATER)
    assert org.row(clicked.subscriber).revenue_micros == 32_500_000
    assert money(org) == expected(1, 32_500_000)
