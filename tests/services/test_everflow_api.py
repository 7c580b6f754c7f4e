"""The API's client: whole or nothing, and never faster than a guest may be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.intake.everflow import ConversionsReport
from revenue_engine.services import everflow_api
from revenue_engine.services.everflow_api import EverflowClient, EverflowUnavailable
from tests.builders import NOW
from tests.everflow_members import a_deal
from workbench.simulation.everflow import CONVERSIONS, RUNNABLE, EverflowApi, Fault

START = NOW - timedelta(days=14)
KEY = "the-key"


class Waiting:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def api() -> EverflowApi:
    return made(4)


def made(deals: int) -> EverflowApi:
    api = EverflowApi(KEY)
    rows = [a_deal(n) for n in range(deals)]
    api.listed = lambda start, end: rows
    api.known = lambda one: next((row for row in rows if row.conversion_id == one), None)
    return api


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def client(api: EverflowApi, waiting: Waiting) -> Iterator[EverflowClient]:
    with client_of(api, waiting) as made:
        yield made


def client_of(api: EverflowApi, waiting: Waiting, key: str = KEY) -> EverflowClient:
    return EverflowClient(
        "https://api.example",
        key,
        pause=waiting.pause,
        clock=lambda: waiting.now,
        jitter=lambda: 0.0,
        transport=api.transport(),
    )


def read(client: EverflowClient, **changes: Any) -> ConversionsReport:
    return client.conversions("main", START, NOW, read_at=NOW, **changes)


# --- the report --------------------------------------------------------------------------------------------------------------
def test_every_page_is_asked_for_in_the_query_and_the_report_is_whole(
    client: EverflowClient, api: EverflowApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everflow_api, "PAGE_SIZE", 3)
    report = read(client)
    assert [row.conversion_id for row in report.rows] == ["c0", "c1", "c2", "c3"]
    assert report.conversion_ids == {"c0", "c1", "c2", "c3"}
    assert (report.org, report.start, report.end, report.read_at, report.problems) == ("main", START, NOW, NOW, ())
    assert api.asked == [f"POST https://api.example{CONVERSIONS}?page={page}&page_size=3" for page in (1, 2)]


def test_an_empty_report_is_whole(client: EverflowClient, api: EverflowApi) -> None:
    api.listed = lambda start, end: []
    assert (read(client).rows, read(client).conversion_ids) == ((), frozenset())


def test_a_row_that_is_not_understood_is_in_the_report_and_not_among_its_rows(client: EverflowClient, api: EverflowApi) -> None:
    api.listed = lambda start, end: [a_deal(1), a_deal(2, transaction_id="")]
    report = read(client)
    assert [row.conversion_id for row in report.rows] == ["c1"]
    assert [(p.where, p.reason) for p in report.problems] == [("conversion c2", "no_transaction_id")]
    assert report.conversion_ids == {"c1", "c2"}


def test_the_window_is_whole_seconds_and_reaches_back_a_year_at_most(client: EverflowClient, api: EverflowApi) -> None:
    asked: list[tuple[datetime, datetime]] = []
    api.listed = lambda start, end: asked.append((start, end)) or []  # type: ignore[func-returns-value]
    until = NOW + timedelta(microseconds=700_000)
    report = client.conversions("main", NOW - timedelta(days=500), until, read_at=NOW)
    assert asked == [(NOW - timedelta(days=365), NOW)] == [(report.start, report.end)]


@pytest.mark.parametrize("fault", [Fault.SHORT_PAGE, Fault.MOVED_TOTAL])
@pytest.mark.parametrize("page", [1, 2])
def test_a_report_that_moves_is_read_again_and_given_up_after_three_times(
    client: EverflowClient, api: EverflowApi, fault: Fault, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everflow_api, "PAGE_SIZE", 2)
    api.faults.extend([None] * (page - 1) + [fault])
    assert len(read(client).rows) == 4
    before = len(api.asked)
    api.faults.extend([fault] * 40)
    with pytest.raises(EverflowUnavailable, match=r"conversions: .* \(read 3 times\)"):
        read(client)
    assert len(api.asked) - before <= 9


def test_a_page_that_comes_twice_is_not_two_pages(api: EverflowApi, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when paging stands in the body, where it does nothing: every page is the first one."""
    monkeypatch.setattr(everflow_api, "PAGE_SIZE", 2)
    first = api.transport()

    def always_first(request: httpx.Request) -> httpx.Response:
        return first.handle_request(
            httpx.Request("POST", request.url.copy_set_param("page", 1), headers=request.headers, content=request.read())
        )

    with client_of(api, waiting) as client:
        client._http._transport = httpx.MockTransport(always_first)
        with pytest.raises(EverflowUnavailable, match="asked for page 2, was given 1"):
            read(client)


def test_a_row_that_names_no_conversion_is_a_problem_and_the_others_come(
    client: EverflowClient, api: EverflowApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everflow_api, "PAGE_SIZE", 1)
    assert read(client).complete_ids
    api.listed = lambda start, end: [a_deal(1), a_deal(2, conversion_id=""), a_deal(3, conversion_id=""), a_deal(4)]
    report = read(client)
    assert [row.conversion_id for row in report.rows] == ["c1", "c4"]
    assert [(p.field, p.reason) for p in report.problems] == [("conversion_id", "wrong_type")] * 2
    assert report.conversion_ids == {"c1", "c4"}
    assert not report.complete_ids


def test_a_row_without_an_id_does_not_stand_in_for_one_that_is_missing(client: EverflowClient, api: EverflowApi) -> None:
    api.listed = lambda start, end: [a_deal(1, conversion_id=""), a_deal(2), a_deal(3)]
    api.faults.extend([Fault.SHORT_PAGE] * 20)
    with pytest.raises(EverflowUnavailable, match="ended after 2 of 3"):
        read(client)


def test_an_answer_that_is_no_report_is_no_data(client: EverflowClient, api: EverflowApi) -> None:
    api.faults.append(Fault.NO_DATA)
    with pytest.raises(EverflowUnavailable, match="not_json"):
        read(client)


@given(
    deals=st.integers(0, 9),
    page_size=st.integers(1, 4),
    faults=st.lists(st.sampled_from([None, None, *Fault]), max_size=25),
)
def test_whatever_goes_wrong_the_report_is_whole_or_is_none(deals: int, page_size: int, faults: list[Fault | None]) -> None:
    api = made(deals)
    api.faults.extend(faults)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everflow_api, "PAGE_SIZE", page_size)
        try:
            report = read(client_of(api, Waiting()))
        except EverflowUnavailable:
            assert any(faults)
            return
    assert [row.conversion_id for row in report.rows] == [f"c{n}" for n in range(deals)]
    assert report.conversion_ids == {f"c{n}" for n in range(deals)}


# --- one conversion ----------------------------------------------------------------------------------------------------------
def test_a_conversion_is_found_by_its_id_or_is_not_there(client: EverflowClient) -> None:
    found = client.conversion("main", "c2", read_at=NOW)
    assert found is not None and (found.conversion_id, found.payout_micros, found.source) == ("c2", 32_500_000, "report")
    assert client.conversion("main", "c9", read_at=NOW) is None
    assert client.conversion("main", "../c2", read_at=NOW) is None


def test_another_conversion_than_the_one_asked_for_says_nothing(client: EverflowClient, api: EverflowApi) -> None:
    api.known = lambda one: a_deal(1)
    with pytest.raises(EverflowUnavailable, match="told another"):
        client.conversion("main", "c2", read_at=NOW)
    api.known = lambda one: a_deal(2, transaction_id="")
    with pytest.raises(EverflowUnavailable, match="not understood: transaction_id"):
        client.conversion("main", "c2", read_at=NOW)


def test_absence_is_confirmed_one_by_one_once_the_look_up_has_proved_itself(client: EverflowClient, api: EverflowApi) -> None:
    report = read(client)
    later = api.known
    api.known = lambda one: a_deal(9) if one == "c9" else later(one)  # approved since the report was read
    asked = len(api.asked)
    assert client.confirm_absent(report, ["c8", "c9", "c1", "c8"]) == {"c8"}
    assert [line.rpartition("/")[2] for line in api.asked[asked:]] == ["c0", "c8", "c9"]
    assert client.confirm_absent(report, ["c1"]) == client.confirm_absent(report, []) == frozenset()


def test_a_look_up_that_finds_nothing_at_all_confirms_nothing(client: EverflowClient, api: EverflowApi) -> None:
    report = read(client)
    api.known = lambda one: None
    with pytest.raises(EverflowUnavailable, match="finds nothing that the report lists"):
        client.confirm_absent(report, ["c8"])
    api.listed = lambda start, end: []
    with pytest.raises(EverflowUnavailable, match="finds nothing"):
        client.confirm_absent(read(client), ["c8"])


# --- offers ------------------------------------------------------------------------------------------------------------------
def offer(number: int) -> dict[str, Any]:
    return {"network_offer_id": number, "name": f"Offer {number}", "relationship": {}}


def test_the_listing_is_whole_or_is_not_there(client: EverflowClient, api: EverflowApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everflow_api, "PAGE_SIZE", 2)
    api.offers = [offer(number) for number in (5, 6, 7)]
    assert [one.offer for one in client.runnable_offers()] == ["5", "6", "7"]
    assert api.asked[-1] == f"GET https://api.example{RUNNABLE}?page=2&page_size=2"
    api.faults.extend([Fault.SHORT_PAGE] * 9)
    with pytest.raises(EverflowUnavailable, match="offers: "):
        client.runnable_offers()
    api.faults.clear()
    api.offers.append(offer(5))  # listed twice: another is missing
    with pytest.raises(EverflowUnavailable, match="ended after 3 of 4"):
        client.runnable_offers()


def test_the_detail_of_an_offer_is_its_document_or_nothing(client: EverflowClient, api: EverflowApi) -> None:
    api.offers = [offer(5)]
    text = client.offer_detail("5")
    assert text is not None and '"Offer 5"' in text
    assert client.offer_detail("6") is None


# --- manners -----------------------------------------------------------------------------------------------------------------
def test_requests_keep_their_pace(client: EverflowClient, waiting: Waiting) -> None:
    for _ in range(4):
        client.offer_detail("5")
    assert waiting.pauses == [everflow_api.PACE_SECONDS] * 3
    assert 1 / everflow_api.PACE_SECONDS <= 5 / 2


def test_a_bucket_that_runs_low_is_left_to_the_others(client: EverflowClient, api: EverflowApi, waiting: Waiting) -> None:
    api.remaining = 4
    client.offer_detail("5")
    client.offer_detail("5")
    assert waiting.pauses == [everflow_api.FEW_LEFT_SECONDS]


def test_refusals_and_faults_are_waited_out_each_time_longer(client: EverflowClient, api: EverflowApi, waiting: Waiting) -> None:
    api.faults.extend([Fault.SERVER_ERROR, Fault.NO_ANSWER, Fault.SERVER_ERROR, Fault.NO_ANSWER])
    assert len(read(client).rows) == 4
    assert waiting.pauses == [0.5, 1.0, 2.0, 4.0]  # the shortest jitter allows; each is longer than the pace


def test_a_burst_of_refusals_waits_as_long_as_it_is_told(client: EverflowClient, api: EverflowApi, waiting: Waiting) -> None:
    api.faults.extend([Fault.TOO_MANY] * 3)
    assert len(read(client).rows) == 4
    assert waiting.pauses == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.NO_ANSWER, Fault.TOO_MANY])
def test_waiting_has_an_end(client: EverflowClient, api: EverflowApi, waiting: Waiting, fault: Fault) -> None:
    api.faults.extend([fault] * 100)
    said = {Fault.SERVER_ERROR: "500 Internal Server Error", Fault.NO_ANSWER: "ReadTimeout", Fault.TOO_MANY: "429 descriptive"}
    with pytest.raises(EverflowUnavailable, match=said[fault]):
        read(client)
    assert 20 < sum(waiting.pauses) <= everflow_api.MOST_WAITED_SECONDS


def test_a_wait_longer_than_we_have_is_not_begun(waiting: Waiting) -> None:
    def busy(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "3600"})

    with (
        EverflowClient("https://api.example", KEY, pause=waiting.pause, transport=httpx.MockTransport(busy)) as client,
        pytest.raises(EverflowUnavailable, match="429"),
    ):
        client.offer_detail("5")
    assert waiting.pauses == []


def test_a_refused_key_is_told_at_once_and_named_by_no_error(api: EverflowApi, waiting: Waiting) -> None:
    with client_of(api, waiting, key="another-key") as client:
        with pytest.raises(EverflowUnavailable, match="401 No Authentication Method Found") as told:
            read(client)
        assert (len(api.asked), "another-key" in str(told.value)) == (1, False)


@pytest.mark.parametrize(
    ("status", "body"), [(403, '{"Error": "Out of realm"}'), (400, '{"error": "bad"}'), (302, ""), (404, "")]
)
def test_what_asking_again_cannot_mend_is_asked_once(waiting: Waiting, status: int, body: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(status, text=body, headers={"Location": "https://elsewhere.example/"})

    with (
        EverflowClient("https://api.example", KEY, pause=waiting.pause, transport=httpx.MockTransport(answer)) as client,
        pytest.raises(EverflowUnavailable, match=str(status)),
    ):
        read(client)
    assert (len(asked), waiting.pauses) == (1, [])  # and the key is not carried to where a redirect points
