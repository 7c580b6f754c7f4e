"""Pages of the offers we may run: which there are, and whether one says something else than before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import ListedOffer, OffersPage, parse_offers_page
from tests.shared_data import shared_path


def page(*members: Any) -> OffersPage:
    paging = {"page": 1, "page_size": 100, "total_count": len(members)}
    return parse_offers_page(json.dumps({"offers": members, "paging": paging}))


def listed(**changes: Any) -> ListedOffer:
    member = {"network_offer_id": 7, "name": "Seven", "relationship": {"offer_affiliate_status": "approved"}} | changes
    return page(member).offers[0]


def test_the_published_form_of_the_listing_is_read() -> None:
    got = parse_offers_page(shared_path("contracts/everflow-offersrunnable-response.json").read_text())
    assert ([one.offer for one in got.offers], got.page, got.total_count) == (["1042", "2077"], 1, 2)


def test_an_offer_is_seen_to_change_by_anything_it_says_but_counts() -> None:
    base = listed()
    assert listed() == base
    moves = {
        "offer_affiliate_status": "approved",
        "remaining_caps": {"remaining_daily_conversion_cap": 3},
        "reporting": {"cv": 9},
    }
    assert listed(relationship=moves).seen == base.seen
    assert listed(relationship=moves).left == {("day", "conversions"): 3}
    for changes in (
        {"name": "Eight"},
        {"time_saved": 9},
        {"relationship": {"offer_affiliate_status": "pending"}},
        {"unheard_of": 1},
    ):
        assert listed(**changes).seen != base.seen


@pytest.mark.parametrize(
    "member", [{}, {"network_offer_id": None}, {"network_offer_id": "x"}, {"network_offer_id": 2**32}, 7, None]
)
def test_a_member_without_a_number_is_missing_from_the_page(member: Any) -> None:
    got = page(member, {"network_offer_id": 8})
    assert ([one.offer for one in got.offers], got.total_count) == (["8"], 2)  # so the listing is not whole


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", '{"offers": null}', '{"offers": []}', '{"error": "x"}'])
def test_an_answer_that_is_no_page_is_never_read_as_an_empty_one(text: str) -> None:
    with pytest.raises(BadInput):
        parse_offers_page(text)
