"""Every postback case of the contracts, and every way one can be wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine import ids
from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import RawPostback, check_amount, classify_sub1, understand_postback
from revenue_engine.records.conversion import Arrival
from tests.shared_data import shared_path

AT = datetime(2026, 3, 4, 12, 31, 55, 570_000, tzinfo=UTC)
KEY = bytes(32)
GOOD = {
    "kind": "conversion",
    "transaction_id": "b8695973e621b52188f69db2087a0951",
    "payout": "32.5",
    "offer_id": "1042",
    "sub1": "x",
    "event_id": "0",
}


def raw(query: str = "", *, method: str = "GET", body: str = "", content_type: str = "") -> RawPostback:
    return RawPostback("r1", "main", AT, method, query, body, content_type)


def understand(**changes: str | None) -> Arrival:
    return understand_postback(raw(urlencode({k: v for k, v in {**GOOD, **changes}.items() if v is not None})))


def refusal(raw_postback: RawPostback) -> tuple[str, str]:
    with pytest.raises(BadInput) as caught:
        understand_postback(raw_postback)
    return caught.value.field, caught.value.reason


# case id → (payout, kind, event id, how its sub1 is seen), or the refusal
CASES: dict[str, Any] = {
    "base": (32_500_000, "conversion", "0", "foreign"),
    "event_same_click": (4_250_000, "event", "77", "foreign"),
    "redelivery": (32_500_000, "conversion", "0", "foreign"),
    "same_click_other_payout": (40_000_000, "conversion", "0", "foreign"),
    "blank_sub1": (18_000_000, "conversion", "0", "blank"),
    "foreign_sub1": (12_000_000, "conversion", "0", "foreign"),
    "literal_macro": ("payout", "unreplaced_macro"),
    "long_sub1": (9_990_000, "conversion", "0", "foreign"),
    "zero_payout": (0, "conversion", "0", "foreign"),
    "three_decimals": (25_996_000, "conversion", "0", "foreign"),
    "no_transaction": ("transaction_id", "no_transaction_id"),
}


def contract_cases() -> dict[str, dict[str, Any]]:
    return {case["id"]: case for case in json.loads(shared_path("contracts/everflow-postback-cases.json").read_text())["cases"]}


def test_every_case_of_the_contract_has_its_test() -> None:
    assert set(contract_cases()) == set(CASES)


@pytest.mark.parametrize("case_id", CASES)
def test_a_case_of_the_contract_is_understood_as_it_expects(case_id: str) -> None:
    case, want = contract_cases()[case_id], CASES[case_id]
    postback = raw(urlencode(case["query"]))
    if len(want) == 2:
        assert refusal(postback) == want
        return
    assert case["expect"].startswith(
        ("accepted", "answered 200, not counted", "kept as a doubtful", "money kept", "exact decimal")
    )
    arrival = understand_postback(postback)
    sub1 = classify_sub1(KEY, arrival.sub1, "main")
    assert (arrival.payout_micros, arrival.kind, arrival.event_id, sub1.status) == want
    assert sub1.send_id is None
    assert (arrival.transaction_id, arrival.offer) == (case["query"]["transaction_id"], case["query"]["offer_id"])
    assert (arrival.source, arrival.currency, arrival.converted_at, arrival.receipt_id) == ("postback", None, AT, "r1")


def test_a_redelivery_has_the_key_of_the_first_delivery_and_another_event_of_the_click_has_not() -> None:
    base, event, again = (
        understand_postback(raw(urlencode(contract_cases()[c]["query"]))) for c in ("base", "event_same_click", "redelivery")
    )
    assert again.key == base.key != event.key


def test_the_rendered_requests_of_the_contract_are_understood() -> None:
    lines = shared_path("contracts/everflow-postback.txt").read_text().splitlines()
    outcomes: list[Any] = []
    for line in lines:
        if line.startswith("GET "):
            try:
                outcomes.append(understand_postback(raw(urlsplit(line.split(" ")[1]).query)).payout_micros)
            except BadInput as bad:
                outcomes.append(bad.reason)
    assert outcomes == [32_500_000, 4_250_000, 32_500_000, 18_000_000, "unreplaced_macro", 0]


def test_the_url_templates_themselves_are_refused_as_unreplaced() -> None:
    templates = [
        line for line in shared_path("contracts/everflow-postback.txt").read_text().splitlines() if line.startswith("https://")
    ]
    assert [refusal(raw(urlsplit(t).query)) for t in templates] == [("transaction_id", "unreplaced_macro")] * 2


def test_the_networks_json_webhook_is_understood() -> None:
    body = shared_path("contracts/everflow-network-webhook-conversion.json").read_text()
    arrival = understand_postback(raw(method="POST", body=body, content_type="application/json"))
    assert (arrival.payout_micros, arrival.offer, arrival.currency, arrival.kind, arrival.event_id) == (
        32_500_000,
        "1042",
        "USD",
        "conversion",
        "0",
    )
    assert (arrival.sub1, arrival.conversion_id) == ("k7Qm2cV9xT4hL0pZ", "b1946ac92492d2347c6235b4d2611184")
    assert arrival.converted_at == datetime.fromtimestamp(1772618405, UTC)


def webhook(**changes: object) -> RawPostback:
    hook = {"transaction_id": "t1", "payout": 1.5, "relationship": {"offer": {"network_offer_id": 7}}, **changes}
    return raw(
        method="POST",
        body=json.dumps({k: v for k, v in hook.items() if v is not ...}),
        content_type="application/json; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"transaction_id": ...}, "transaction_id", "missing"),
        ({"transaction_id": ""}, "transaction_id", "no_transaction_id"),
        ({"payout": None}, "payout", "payout_missing"),
        ({"payout": "many"}, "payout", "wrong_type"),
        ({"payout": -1}, "payout", "negative_payout"),
        ({"relationship": {}}, "relationship.offer", "missing"),
        ({"status": "rejected"}, "status", "status_not_payable"),
        ({"currency_id": "???"}, "currency", "unknown_currency"),
        ({"is_event": True}, "event_id", "event_missing"),
        ({"conversion_unix_timestamp": 1772618405000}, "conversion_unix_timestamp", "not_a_time"),
    ],
)
def test_a_bad_webhook_is_refused_by_field(changes: dict[str, object], field: str, reason: str) -> None:
    assert refusal(webhook(**changes)) == (field, reason)


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"transaction_id": NaN}', '{"a":' * 5000])
def test_a_body_that_is_no_webhook_is_refused(body: str) -> None:
    assert refusal(raw(method="POST", body=body, content_type="application/json"))[1] in (
        "not_json",
        "too_deep",
        "missing",
        "wrong_type",
    )


@pytest.mark.parametrize("number", ["1e5000", "1e999999999", "9" * 4_000])
@pytest.mark.parametrize("field", ["conversion_id", "conversion_unix_timestamp", "network_offer_id"])
def test_a_whole_number_of_absurd_size_is_refused_by_its_field(field: str, number: str) -> None:
    members = {"transaction_id": "t", "payout": 5, "conversion_id": 1, "conversion_unix_timestamp": 1_772_618_400}
    document = members | {"relationship": {"offer": {"network_offer_id": 7}}}
    hook = re.sub(rf'"{field}": \d+', f'"{field}": {number}', json.dumps(document))
    named, reason = refusal(raw(method="POST", body=hook, content_type="application/json"))
    assert field in named
    assert reason == "wrong_type"


def test_an_exponent_no_decimal_can_hold_is_no_json() -> None:
    body = '{"transaction_id": "t", "payout": 1e99999999999999999999}'
    assert refusal(raw(method="POST", body=body, content_type="application/json")) == ("body", "not_json")


def test_brackets_without_end_are_refused() -> None:
    assert refusal(raw(method="POST", body='{"a":' * 9_000, content_type="application/json")) == ("body", "too_deep")


def test_a_payout_of_absurd_exponent_costs_no_memory() -> None:
    body = '{"transaction_id": "t", "payout": 1e99999, "relationship": {"offer": {"network_offer_id": 7}}}'
    assert refusal(raw(method="POST", body=body)) == ("payout", "not_a_number")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_the_query_is_read_whatever_the_method(method: str) -> None:
    assert understand_postback(raw(urlencode(GOOD), method=method)).payout_micros == 32_500_000


def test_a_form_body_is_read_and_may_share_the_work_with_the_query() -> None:
    form = raw(
        "kind=conversion&offer_id=1042",
        method="POST",
        body="transaction_id=t1&payout=7",
        content_type="application/x-www-form-urlencoded",
    )
    assert understand_postback(form).payout_micros == 7_000_000


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"transaction_id": None}, "transaction_id", "no_transaction_id"),
        ({"transaction_id": "   "}, "transaction_id", "no_transaction_id"),
        ({"transaction_id": "a#0"}, "transaction_id", "bad_transaction_id"),
        ({"transaction_id": "a b"}, "transaction_id", "bad_transaction_id"),
        ({"transaction_id": "a\0"}, "transaction_id", "bad_transaction_id"),
        ({"transaction_id": "x" * 101}, "transaction_id", "too_long"),
        ({"transaction_id": "{transaction_id}"}, "transaction_id", "unreplaced_macro"),
        ({"payout": ""}, "payout", "payout_missing"),
        ({"payout": None}, "payout", "payout_missing"),
        ({"payout": "{payout}"}, "payout", "unreplaced_macro"),
        ({"payout": "free"}, "payout", "not_a_number"),
        ({"payout": "1_000"}, "payout", "not_a_number"),
        ({"payout": "٣"}, "payout", "not_a_number"),
        ({"payout": "NaN"}, "payout", "not_a_number"),
        ({"payout": "32,5"}, "payout", "not_a_number"),
        ({"payout": "-0.01"}, "payout", "negative_payout"),
        ({"payout": "0.0000001"}, "payout", "finer_than_a_micro"),
        ({"payout": "9" * 20}, "payout", "amount_out_of_range"),
        ({"offer_id": ""}, "offer_id", "offer_missing"),
        ({"offer_id": "12a"}, "offer_id", "bad_offer_id"),
        ({"offer_id": "0"}, "offer_id", "bad_offer_id"),
        ({"offer_id": "4294967296"}, "offer_id", "bad_offer_id"),
        ({"offer_id": "{offer_id}"}, "offer_id", "unreplaced_macro"),
        ({"sub1": "{sub1}"}, "sub1", "unreplaced_macro"),
        ({"sub1": "x" * 601}, "sub1", "too_long"),
        ({"currency": "QQQ"}, "currency", "unknown_currency"),
        ({"kind": "cpc"}, "kind", "unknown_kind"),
        ({"event_id": "{event_id}"}, "event_id", "unreplaced_macro"),
        ({"kind": "event", "event_id": "7 7"}, "event_id", "bad_event_id"),
        ({"kind": "event", "event_id": ""}, "event_id", "event_missing"),
        ({"event_name": "x" * 101}, "event_name", "too_long"),
    ],
)
def test_a_bad_parameter_is_named_with_its_reason(changes: dict[str, str | None], field: str, reason: str) -> None:
    assert refusal(raw(urlencode({k: v for k, v in {**GOOD, **changes}.items() if v is not None}))) == (field, reason)


def test_a_parameter_said_twice_with_two_values_is_ambiguous_and_with_one_is_not() -> None:
    assert refusal(raw(urlencode(GOOD) + "&payout=99")) == ("payout", "duplicate_parameter")
    assert understand_postback(raw(urlencode(GOOD) + "&payout=32.5")).payout_micros == 32_500_000


def test_parameters_nobody_asked_for_are_harmless() -> None:
    assert understand_postback(raw(urlencode(GOOD) + "&sub9=a&sub9=b&=&&x&sale_amount={sale_amount}")).payout_micros == 32_500_000


def test_too_much_of_anything_is_refused() -> None:
    assert refusal(raw("a=1&" * 300)) == ("query", "too_many_parameters")
    assert refusal(raw("x" * 64_001)) == ("query", "too_long")
    assert refusal(raw(body="x" * 64_001)) == ("body", "too_long")


def test_without_a_kind_the_event_id_decides() -> None:
    assert understand(kind=None, event_id="").kind == "conversion"
    assert understand(kind=None, event_id="0").kind == "conversion"
    assert (understand(kind=None, event_id="77").kind, understand(kind=None, event_id="77").event_id) == ("event", "77")


def test_a_base_conversion_has_event_id_zero_whatever_the_feed_renders() -> None:
    assert [understand(event_id=e).event_id for e in ("", "0", "31")] == ["0", "0", "0"]


def test_an_event_with_the_base_events_id_goes_by_its_name() -> None:
    event = understand(kind="event", event_id="0", event_name="Upsell")
    assert (event.event_id, event.event_name) == ("", "Upsell")


def test_a_currency_and_another_sub_slot_are_honoured() -> None:
    assert understand(currency="eur").currency == "EUR"
    assert understand_postback(raw(urlencode({**GOOD, "sub5": "ours"})), sub_slot="sub5").sub1 == "ours"


def test_an_offer_id_has_one_spelling() -> None:
    assert understand(offer_id="01042").offer == "1042"


@given(
    st.text(max_size=300), st.text(max_size=300), st.sampled_from(["", "application/json", "application/x-www-form-urlencoded"])
)
def test_any_request_at_all_is_either_understood_or_refused_by_field(query: str, body: str, content_type: str) -> None:
    try:
        understand_postback(raw(query, method="POST", body=body, content_type=content_type))
    except BadInput as bad:
        assert bad.field and bad.reason


def test_a_raw_postback_survives_being_stored() -> None:
    postback = raw("a=%7Bx%7D&ü=\0", method="POST", body='{"é": 1}\n', content_type="application/json")
    assert RawPostback.from_json(postback.to_json()) == postback


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "raw"),
        ("[]", "raw"),
        ("{}", "receipt_id"),
        ('{"receipt_id": 1}', "receipt_id"),
        (raw().to_json().replace("2026-03-04T", "now"), "received_at"),
    ],
)
def test_a_stored_object_that_is_no_raw_postback_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        RawPostback.from_json(text)
    assert caught.value.field == field


def test_sub1_is_ours_blank_foreign_or_forged() -> None:
    send = ids.send_id(KEY, org="main", subscriber="a", decision_id="b")
    tracking = ids.tracking_id(KEY, org="main", send_id=send)
    forged = tracking[:-1] + ("a" if tracking[-1] != "a" else "b")
    assert (classify_sub1(KEY, tracking, "main").status, classify_sub1(KEY, tracking, "main").send_id) == ("ours", send)
    assert classify_sub1(KEY, forged, "main").status == "forged"
    assert classify_sub1(KEY, tracking, "another").status == "forged"
    assert classify_sub1(KEY, "", "main").status == "blank"
    assert classify_sub1(KEY, "someone-elses-value", "main").status == "foreign"


@pytest.mark.parametrize(
    ("payout", "known", "fine"),
    [("50", None, True), ("51", None, False), ("50", 1_000_000, True), ("50", 400_000, False), ("50", 0, True)],
)
def test_an_absurd_amount_is_refused(payout: str, known: int | None, fine: bool) -> None:
    assert is_fine(understand(payout=payout), known_payout_micros=known) == fine


def is_fine(arrival: Arrival, **changes: Any) -> bool:
    """Whether its amount passes, of dollars at most 50."""
    of: dict[str, Any] = {"currency": "USD", "offer_currency": "USD", "org_currency": "USD", "rate": "1"}
    try:
        check_amount(arrival, **of | {"max_payout_micros": 50_000_000, "known_payout_micros": None} | changes)
    except BadInput as bad:
        assert (bad.field, bad.reason) == ("payout", "payout_out_of_range")
        return False
    return True


@pytest.mark.parametrize(
    ("payout", "of", "fine"),
    [
        ("4800", {"currency": "JPY", "rate": "0.0067"}, True),  # 32 dollars
        ("8000", {"currency": "JPY", "rate": "0.0067"}, False),
        ("45", {"currency": "GBP", "rate": "1.27"}, False),
        ("150000", {"currency": "IDR", "rate": None}, True),  # nobody knows what it is worth
        ("51", {"rate": None}, False),
    ],
)
def test_the_maximum_is_in_the_orgs_currency(payout: str, of: dict[str, Any], fine: bool) -> None:
    assert is_fine(understand(payout=payout), **of) == fine


def test_the_offers_payout_says_nothing_of_events_and_other_currencies() -> None:
    lead = {"known_payout_micros": 300_000}
    assert not is_fine(understand(payout="40"), **lead)
    assert is_fine(understand(payout="40", kind="event", event_id="77", event_name="Sale"), **lead)
    assert is_fine(understand(payout="4800"), currency="JPY", rate="0.0067", **lead)
    assert not is_fine(understand(payout="4800"), currency="JPY", offer_currency="JPY", rate="0.0067", **lead)


def test_the_reports_own_amount_is_never_refused() -> None:
    row = replace(understand(payout="4000"), source="report")
    assert is_fine(row, known_payout_micros=300_000)


@pytest.mark.parametrize(("ahead", "fine"), [(-3_600, True), (86_400, True), (86_401, False), (10**9, False)])
def test_a_webhook_cannot_tell_of_another_day_than_today_or_before(ahead: int, fine: bool) -> None:
    body = {
        "transaction_id": "t1",
        "payout": 5,
        "conversion_unix_timestamp": int(AT.timestamp()) + ahead,
        "relationship": {"offer": {"network_offer_id": 1042}},
    }
    sent = raw(method="POST", content_type="application/json", body=json.dumps(body))
    if fine:
        assert understand_postback(sent).converted_at == AT.replace(microsecond=0) + timedelta(seconds=ahead)
    else:
        assert refusal(sent) == ("conversion_unix_timestamp", "not_a_time")
