"""The conversion report: what is asked, what is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import api_error, conversions_request, parse_conversion, parse_conversions_page
from revenue_engine.intake.everflow.report import ReportPage
from tests.shared_data import shared_path

AT = datetime(2026, 3, 5, tzinfo=UTC)
ROW: dict[str, Any] = {
    "conversion_id": "c1",
    "transaction_id": "t1",
    "conversion_unix_timestamp": 1772618405,
    "revenue": 32.5,
    "currency_id": "USD",
    "is_event": False,
    "event": "Base",
    "sub1": "s",
    "relationship": {"offer": {"network_offer_id": 1042}},
}


def page(*rows: object) -> ReportPage:
    text = json.dumps({"conversions": rows, "paging": {"page": 1, "page_size": 500, "total_count": len(rows)}})
    return parse_conversions_page(text, org="main", received_at=AT)


def test_the_published_form_of_the_report_is_read_exactly() -> None:
    text = shared_path("contracts/everflow-conversions-response.json").read_text()
    got = parse_conversions_page(text, org="main", received_at=AT)
    assert [
        (r.conversion_id, r.kind, r.event_id, r.event_name, r.payout_micros, r.currency, r.offer, r.sub1) for r in got.rows
    ] == [
        ("7c2d9f4fee0dfd207388a711a8f58674", "conversion", "0", "Base", 32_500_000, "USD", "1042", "k7Qm2cV9xT4hL0pZ"),
        ("833f510fa21bc6dd58b9e890dc9e2996", "event", "", "Upsell", 4_250_000, "USD", "1042", "k7Qm2cV9xT4hL0pZ"),
        ("2ebd90dbe6338bd932cdece73af62a1d", "conversion", "0", "Purchase", 25_996_000, "USD", "2077", ""),
    ]
    assert {r.source for r in got.rows} == {"report"}
    assert got.rows[0].converted_at == datetime.fromtimestamp(1772618405, UTC)
    assert all(r.receipt_id == r.conversion_id and r.received_at == AT for r in got.rows)
    assert (got.problems, got.page, got.page_size, got.total_count) == ((), 1, 500, 3)
    assert got.rows[0].clicked_at == datetime.fromtimestamp(1772611202, UTC)
    assert got.conversion_ids == tuple(r.conversion_id for r in got.rows)


def test_an_empty_report_is_a_report() -> None:
    text = shared_path("contracts/everflow-conversions-response-empty.json").read_text()
    assert parse_conversions_page(text, org="main", received_at=AT) == ReportPage((), (), (), 0, 1, 500, 0)


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"conversion_id": ""}, "conversion_id", "wrong_type"),
        ({"transaction_id": ""}, "transaction_id", "no_transaction_id"),
        ({"revenue": None}, "revenue", "wrong_type"),
        ({"revenue": -1}, "payout", "negative_payout"),
        ({"revenue": 0.0000001}, "payout", "finer_than_a_micro"),
        ({"currency_id": "ZZZ"}, "currency", "unknown_currency"),
        ({"conversion_unix_timestamp": 0}, "conversion_unix_timestamp", "not_a_time"),
        ({"is_event": True, "event": ""}, "event_id", "event_missing"),
        ({"relationship": {"offer": {}}}, "relationship.offer.network_offer_id", "missing"),
    ],
)
def test_a_bad_row_is_a_problem_and_the_others_survive(changes: dict[str, Any], field: str, reason: str) -> None:
    got = page({**ROW, **changes}, {**ROW, "conversion_id": "c2"})
    assert [(p.field, p.reason) for p in got.problems] == [(field, reason)]
    assert got.problems[0].where == ("conversion c1" if changes.get("conversion_id") != "" else "conversions[0]")
    assert [r.conversion_id for r in got.rows] == ["c2"]


def test_a_row_that_is_not_understood_is_there_all_the_same() -> None:
    got = page({**ROW, "revenue": None}, {**ROW, "conversion_id": "c2"}, {**ROW, "conversion_id": 7}, 7)
    assert (got.conversion_ids, got.nameless, len(got.rows), len(got.problems)) == (("c1", "c2"), 2, 1, 3)


@pytest.mark.parametrize(("said", "clicked"), [(1772611202, True), (0, False), (-5, False), (1772611202000, False)])
def test_the_time_of_the_click_is_told_where_it_is_a_time(said: int, clicked: bool) -> None:
    (row,) = page({**ROW, "click_unix_timestamp": said}).rows
    assert (row.clicked_at == datetime.fromtimestamp(1772611202, UTC)) if clicked else row.clicked_at is None


def test_the_tracking_id_is_read_from_the_slot_that_the_offers_link_has() -> None:
    text = json.dumps({"conversions": [{**ROW, "sub5": "five"}], "paging": {"page": 1, "page_size": 500, "total_count": 1}})
    for slots, want in (({}, "s"), ({"1042": "sub5"}, "five"), ({"7": "sub5"}, "s")):
        assert parse_conversions_page(text, org="main", received_at=AT, sub_slots=slots).rows[0].sub1 == want


def test_one_conversion_by_its_id_is_the_row_of_the_report() -> None:
    assert parse_conversion(json.dumps(ROW), org="main", received_at=AT) == page(ROW).rows[0]
    for text in ("", "[]", "{}", '{"error": "x"}'):
        with pytest.raises(BadInput):
            parse_conversion(text, org="main", received_at=AT)


def test_a_row_that_is_no_object_is_a_problem() -> None:
    assert [(p.where, p.reason) for p in page(7).problems] == [("conversions[0]", "wrong_type")]


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", "{}", '{"conversions": null}', '{"conversions": [], "paging": {"page": 1}}', '{"error": "x"}']
)
def test_an_answer_that_is_no_page_is_never_read_as_an_empty_one(text: str) -> None:
    with pytest.raises(BadInput):
        parse_conversions_page(text, org="main", received_at=AT)


def test_the_request_is_of_the_documented_form() -> None:
    want = json.loads(shared_path("contracts/everflow-conversions-request.json").read_text())
    got = conversions_request(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC))
    assert got == {**{k: v for k, v in want.items() if k != "_http"}, "query": {"filters": [], "search_terms": []}}


def test_the_request_speaks_the_time_zone_it_names() -> None:
    got = conversions_request(datetime(2026, 3, 1, 5, tzinfo=UTC), datetime(2026, 3, 2, 5, tzinfo=UTC), timezone_id=80)
    assert (got["from"], got["to"], got["timezone_id"]) == ("2026-03-01 00:00:00", "2026-03-02 00:00:00", 80)


@pytest.mark.parametrize(("days", "zone"), [(0, 67), (-1, 67), (366, 67), (1, 66)])
def test_a_request_the_api_would_refuse_is_not_made(days: int, zone: int) -> None:
    with pytest.raises(ValueError, match=r"from, to|timezone_id"):
        conversions_request(AT, AT + timedelta(days=days), timezone_id=zone)


def test_the_errors_of_the_contract_are_read_under_both_spellings() -> None:
    samples = json.loads(shared_path("contracts/everflow-errors.json").read_text())["samples"]
    got = [api_error(s["status"], json.dumps(s["body"])) for s in samples]
    assert [(e.status, e.message, e.retry) for e in got] == [
        (401, "No Authentication Method Found", False),
        (403, "Out of realm", False),
        (400, "descriptive error message", False),
        (429, "descriptive error message", True),
    ]


def test_an_error_that_is_no_json_still_says_something() -> None:
    assert (api_error(502, "<h1>Bad gateway</h1>").message, api_error(502, "").message) == ("<h1>Bad gateway</h1>", "HTTP 502")
    assert api_error(500, "[1]").retry
