"""The advertiser's side: postbacks with life's nuisances, and a report that agrees with them in the end."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import RawPostback, classify_sub1, parse_conversions_page, understand_postback
from tests.shared_data import shared_path
from workbench.cli.files import catalogue_of
from workbench.simulation.everflow import CONVERSIONS, EverflowApi
from workbench.simulation.network import Feed, Network
from workbench.simulation.report import listed
from workbench.simulation.truth import Truth

START = datetime(2026, 3, 2, 5, tzinfo=UTC)
OFFERS = {o.offer: o for o in catalogue_of(Path(__file__).resolve().parents[2] / "workbench" / "data" / "offers.json").offers}
PATH = "/everflow/v1/main/token"


class Clockwork:
    """Runs what the network plans, in the order of time."""

    def __init__(self) -> None:
        self.agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self.order = itertools.count()
        self.heard: list[str] = []

    def at(self, moment: datetime, action: Callable[[], object]) -> None:
        heapq.heappush(self.agenda, (moment, next(self.order), action))

    def get(self, path: str) -> int:
        self.heard.append(path)
        return 200

    def run(self) -> None:
        while self.agenda:
            heapq.heappop(self.agenda)[2]()


def _network(seed: int = 7, clicks: list[int] | None = None) -> tuple[Clockwork, Truth, Network]:
    clockwork, truth = Clockwork(), Truth()
    network = Network(OFFERS, Feed(PATH, clockwork.get, clockwork.at), truth, seed)
    for n in clicks if clicks is not None else range(300):
        clicked = START + timedelta(minutes=n)
        network.purchase("1001", tracking_id=f"1t{n}", clicked_at=clicked, converted_at=clicked + timedelta(minutes=10))
    clockwork.run()
    return clockwork, truth, network


def _raw(path: str) -> RawPostback:
    return RawPostback("r1", "main", START, "GET", urlsplit(path).query, "", "")


def test_the_truth_of_a_click_does_not_depend_on_the_others() -> None:
    _, forwards, _ = _network(clicks=list(range(50)))
    _, backwards, _ = _network(clicks=list(range(50))[::-1])
    assert sorted(map(repr, forwards.deals)) == sorted(map(repr, backwards.deals))
    _, other, _ = _network(seed=8, clicks=list(range(50)))
    assert sorted(map(repr, forwards.deals)) != sorted(map(repr, other.deals))


def test_postbacks_are_lost_repeated_and_contradicted_now_and_then() -> None:
    clockwork, truth, _ = _network()
    told = Counter(clockwork.heard)
    assert sum(n > 1 for n in told.values()) > 20  # redelivered word for word
    assert sum(deal.posted_micros is None for deal in truth.deals) > 3  # lost: only the report knows
    assert 0 < truth.doubtful < 30
    assert sum(deal.kind == "event" for deal in truth.deals) > 30
    assert truth.postbacks == len(clockwork.heard)
    assert truth.refused == []


def test_every_understandable_postback_says_what_the_deal_says() -> None:
    clockwork, truth, _ = _network(clicks=list(range(40)))
    deals = {(d.transaction_id, d.event_id): d for d in truth.deals}
    for path in clockwork.heard:
        arrival = understand_postback(_raw(path))
        deal = deals[arrival.transaction_id, arrival.event_id]
        assert arrival.payout_micros in (deal.payout_micros, deal.payout_micros + 7_500_000)
        assert (arrival.offer, arrival.sub1) == (deal.offer, deal.sub1)


def test_rubbish_is_of_every_kind_the_engine_has_to_survive() -> None:
    clockwork, truth, network = _network(clicks=[])
    network.rubbish(START, timedelta(hours=20))
    clockwork.run()
    assert set(truth.rubbish) == {
        "unreplaced_macro", "forged_tracking_id", "payout_out_of_range", "unknown_offer", "unknown_currency", "no_transaction_id",
        "negative_payout", "not_a_number", "wrong_token",
    }  # fmt: skip
    forged = next(sub for path in clockwork.heard for sub in parse_qs(urlsplit(path).query).get("sub1", []) if sub)
    assert classify_sub1(b"a key", forged, "main").status == "forged"
    refused = []
    for path in clockwork.heard:
        try:
            understand_postback(_raw(path))
        except BadInput as bad:
            refused.append(bad.reason)
    assert sorted(refused) == sorted(
        ["unreplaced_macro", "unknown_currency", "no_transaction_id", "negative_payout", "not_a_number"]
    )


def test_a_refused_postback_is_on_record() -> None:
    clockwork, truth, network = _network(clicks=[])
    clockwork.get = lambda path: 500  # type: ignore[method-assign]
    network = Network(OFFERS, Feed(PATH, clockwork.get, clockwork.at), truth, 7)
    network.stray("1001", sub1="", at=START)
    clockwork.run()
    assert truth.refused == ["a postback was answered 500"]


# --- the report --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def api() -> tuple[EverflowApi, Truth]:
    _, truth, _ = _network(clicks=list(range(60)))
    api = EverflowApi("the-key")
    api.listed = lambda start, end: listed(truth, start, end, START + timedelta(days=1))
    return api, truth


BODY = b'{"from": "2026-03-01 00:00:00", "to": "2026-03-03 05:00:00", "timezone_id": 67, "query": {}}'


def test_without_its_key_the_report_answers_as_everflow_does(api: tuple[EverflowApi, Truth]) -> None:
    assert api[0].answer("POST", CONVERSIONS, None, BODY) == (401, {"error": "No Authentication Method Found"})
    assert api[0].answer("POST", CONVERSIONS, "another", BODY)[0] == 401
    assert api[0].answer("POST", CONVERSIONS, "the-key", b"{}")[0] == 400


def test_the_pages_of_the_report_hold_every_approved_conversion_once(api: tuple[EverflowApi, Truth]) -> None:
    server, truth = api
    rows = []
    for page in (1, 2, 3, 4, 5, 6, 7, 8):
        status, document = server.answer("POST", f"{CONVERSIONS}?page={page}&page_size=10", "the-key", BODY)
        assert status == 200
        rows += document["conversions"]
    approved = {d.conversion_id for d in truth.deals if d.approves_at and d.approves_at <= START + timedelta(days=1)}
    assert [row["conversion_id"] for row in rows] == [d.conversion_id for d in sorted(
        (d for d in truth.deals if d.conversion_id in approved), key=lambda d: (d.converted_at, d.conversion_id)
    )]  # fmt: skip
    assert len(rows) < len(truth.deals)  # some come later, some never
    assert {d.conversion_id for d in truth.deals if d.reported} == approved


def test_a_row_has_the_members_of_the_fixture_and_the_engine_reads_it(api: tuple[EverflowApi, Truth]) -> None:
    _, document = api[0].answer("POST", CONVERSIONS, "the-key", BODY)
    fixture = json.loads(shared_path("contracts/everflow-conversions-response.json").read_text())
    assert set(document["conversions"][0]) == set(fixture["conversions"][0])
    assert set(document["paging"]) == set(fixture["paging"])
    page = parse_conversions_page(json.dumps(document), org="main", received_at=START)
    assert page.problems == ()
    known = {d.conversion_id: d for d in api[1].deals}
    assert all(row.payout_micros == known[row.conversion_id or ""].approved_micros for row in page.rows)
