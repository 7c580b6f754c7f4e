"""The stand-in for Everflow's API speaks as the published answers do, and fails as asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.everflow_members import a_deal, a_member
from tests.shared_data import shared_path
from workbench.simulation.everflow import CONVERSIONS, OFFERS, RUNNABLE, EverflowApi, Fault

BUNDLED = Path(__file__).resolve().parents[2] / "workbench" / "data" / "offers.json"
KEY = "the-key"
WINDOW = {"from": "2026-03-01 00:00:00", "to": "2026-03-05 00:00:00", "timezone_id": 67}


@pytest.fixture
def api() -> EverflowApi:
    api = EverflowApi(KEY)
    api.offers = json.loads(BUNDLED.read_text())["offers"]
    api.listed = lambda start, end: [a_deal(1), a_deal(2)]
    api.known = lambda one: a_deal(1) if one == "c1" else None
    return api


def get(api: EverflowApi, path: str) -> tuple[int, dict[str, Any]]:
    return api.answer("GET", path, KEY, b"")


def test_the_listing_has_the_form_of_the_published_one(api: EverflowApi) -> None:
    published = json.loads(shared_path("contracts/everflow-offersrunnable-response.json").read_text())
    status, listing = get(api, f"{RUNNABLE}?page=1&page_size=100")
    assert status == 200
    assert set(listing) == set(published) - {"_http"}
    for member in listing["offers"]:
        assert set(published["offers"][0]) - set(member) <= {
            "daily_payout_cap", "weekly_payout_cap", "monthly_payout_cap", "global_payout_cap",
            "daily_click_cap", "weekly_click_cap", "monthly_click_cap", "global_click_cap",
        }  # fmt: skip
        assert member["relationship"]["creatives"] == {"total": 0, "entries": []}
        assert "sub_slot" not in member


def test_the_detail_has_creatives_without_what_is_ours(api: EverflowApi) -> None:
    published = json.loads(shared_path("contracts/everflow-offer-detail-response.json").read_text())
    api.offers.append(a_member(7, suppression_file="https://v.example/x"))
    status, detail = get(api, f"{OFFERS}/7")
    assert status == 200
    assert set(detail["relationship"]["email_optout"]) - {"is_enabled"} <= set(published["relationship"]["email_optout"])
    _, bundled = get(api, f"{OFFERS}/1001")
    creatives = bundled["relationship"]["creatives"]["entries"]
    assert len(creatives) == 3 and not any("variant" in creative for creative in creatives)
    assert "variant" in api.offers[0]["relationship"]["creatives"]["entries"][0]  # the network's own copy is untouched


@pytest.mark.parametrize("path", [f"{OFFERS}/9", f"{OFFERS}/", f"{CONVERSIONS}/c9", "/v1/affiliates/alloffers", "/"])
def test_what_is_not_there_is_404(api: EverflowApi, path: str) -> None:
    assert get(api, path) == (404, {"error": "Not Found"})


def test_one_conversion_is_the_row_that_the_report_has(api: EverflowApi) -> None:
    _, report = api.answer("POST", f"{CONVERSIONS}?page=1&page_size=1", KEY, json.dumps(WINDOW).encode())
    assert get(api, f"{CONVERSIONS}/c1") == (200, report["conversions"][0])
    assert report["paging"] == {"page": 1, "page_size": 1, "total_count": 2}


def test_every_path_but_a_vendors_file_wants_the_key(api: EverflowApi) -> None:
    api.files["/list.txt"] = b"a@x.example\n"
    with httpx.Client(base_url="https://api.example", transport=api.transport()) as http:
        assert http.get("/list.txt").content == b"a@x.example\n"
        for path in (RUNNABLE, f"{OFFERS}/1001", f"{CONVERSIONS}/c1"):
            assert http.get(path).status_code == 401
            assert http.get(path, headers={"X-Eflow-API-Key": KEY}).status_code == 200


def test_faults_come_once_each_in_their_order(api: EverflowApi) -> None:
    api.faults.extend([Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.NO_DATA, None, Fault.SHORT_PAGE, Fault.MOVED_TOTAL])
    headers = {"X-Eflow-API-Key": KEY}
    with httpx.Client(base_url="https://api.example", transport=api.transport(), headers=headers) as http:
        refused = http.get(RUNNABLE)
        assert (refused.status_code, refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == (429, "2", "0")
        assert (http.get(RUNNABLE).status_code, http.get(RUNNABLE).text[:9]) == (500, "<!doctype")
        whole, short, moved = (http.get(RUNNABLE).json() for _ in range(3))
    assert [len(page["offers"]) for page in (whole, short, moved)] == [5, 4, 5]
    assert [page["paging"]["total_count"] for page in (whole, short, moved)] == [5, 5, 6]
    assert len(api.asked) == 6


def test_an_answer_that_does_not_come_is_a_time_out_or_a_closed_connection(api: EverflowApi) -> None:
    api.faults.extend([Fault.NO_ANSWER, Fault.NO_ANSWER])
    with httpx.Client(transport=api.transport()) as http, pytest.raises(httpx.ReadTimeout):
        http.get(f"https://api.example{RUNNABLE}")
    with api.serve() as origin, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{origin}{RUNNABLE}")
