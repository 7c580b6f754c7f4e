"""Offers: what may run, what it pays, what is approved to be said."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import OfferImport, parse_offers
from revenue_engine.records.offer import ineligible_reason
from tests.shared_data import shared_path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EMAIL = {"creative_type": "email", "name": "Standard", "email_from": "Deals", "email_subject": "Hi", "html_code": "<a>"}
OFFER: dict[str, Any] = {
    "network_offer_id": 7,
    "name": "Seven",
    "offer_status": "active",
    "currency_id": "USD",
    "tracking_url": "https://t.example/a/b/",
    "relationship": {
        "offer_affiliate_status": "approved",
        "category": {"name": "Health"},
        "payouts": {"entries": [{"payout_type": "cpa", "payout_amount": 25.996, "payout_percentage": 0}]},
        "channels": {"total": 1, "entries": [{"name": "E-Mail newsletters"}]},
        "creatives": {"entries": [EMAIL]},
    },
}


def changed(**changes: Any) -> dict[str, Any]:
    """OFFER with members changed; `r_x` is a member of `relationship`; ... removes."""
    offer = copy.deepcopy(OFFER)
    for name, value in changes.items():
        place = offer["relationship"] if name.startswith("r_") else offer
        if value is ...:
            del place[name.removeprefix("r_")]
        else:
            place[name.removeprefix("r_")] = value
    return offer


def imported(*offers: Any) -> OfferImport:
    return parse_offers(json.dumps({"offers": offers}))


def one(**changes: Any) -> Any:
    got = imported(changed(**changes))
    assert got.problems == ()
    return got.offers[0]


def test_the_published_form_of_the_list_is_read() -> None:
    got = parse_offers(shared_path("contracts/everflow-offersrunnable-response.json").read_text())
    first, second = got.offers
    assert got.problems == ()
    assert (first.offer, first.name, first.category, first.currency, first.payout_micros) == (
        "1042",
        "Sample Offer",
        "Health",
        "USD",
        32_500_000,
    )
    assert (first.suppression_list, first.daily_conversion_cap, first.may_run, first.allows_email) == ("12", 100, True, True)
    assert (second.payout_micros, second.payout_percentage, second.suppression_list) == (None, 40.0, None)
    assert second.tracking_url == "https://merchant2.example/?_ef_transaction_id=&oid=2077&affid=17"
    assert {w.reason for w in got.warnings} == {"no_approved_creative"}
    assert ineligible_reason(first, now=NOW) == "no_approved_creative"


def test_the_detail_of_one_offer_is_the_same_offer() -> None:
    listed = parse_offers(shared_path("contracts/everflow-offersrunnable-response.json").read_text()).offers[0]
    assert parse_offers(shared_path("contracts/everflow-offer-detail-response.json").read_text()).offers == (listed,)


def test_an_approved_offer_with_a_creative_may_be_mailed() -> None:
    offer = one()
    assert ineligible_reason(offer, now=NOW) is None
    assert (offer.payout_micros, offer.creatives[0].variant, offer.creatives[0].subject, offer.sub_slot) == (
        25_996_000,
        "standard",
        "Hi",
        "sub1",
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"network_offer_id": 0}, "network_offer_id", "bad_offer_id"),
        ({"network_offer_id": 2**32}, "network_offer_id", "bad_offer_id"),
        ({"network_offer_id": ...}, "network_offer_id", "missing"),
        ({"name": ""}, "name", "wrong_type"),
        ({"offer_status": ...}, "offer_status", "missing"),
        ({"currency_id": "ZZZ"}, "currency_id", "unknown_currency"),
        ({"tracking_url": ""}, "tracking_url", "missing"),
        ({"tracking_url": "http://t.example/a/b/"}, "tracking_url", "not_https"),
        ({"tracking_url": "/a/b"}, "tracking_url", "not_https"),
        ({"tracking_url": "https:///a"}, "tracking_url", "not_absolute"),
        ({"tracking_url": "https://t.example/a b"}, "tracking_url", "not_a_url"),
        ({"tracking_url": "https://user@t.example/"}, "tracking_url", "not_a_url"),
        ({"tracking_url": "https://t.example:99999/"}, "tracking_url", "not_a_url"),
        ({"tracking_url": "https://t.example/" + "x" * 2000}, "tracking_url", "too_long"),
        ({"sub_slot": "sub11"}, "sub_slot", "unknown_sub_slot"),
        ({"date_live_until": "soon"}, "date_live_until", "not_a_time"),
        ({"date_live_until": 1772618405000}, "date_live_until", "not_a_time"),
        ({"is_using_suppression_list": True}, "suppression_list_id", "missing"),
        ({"daily_conversion_cap": -1}, "daily_conversion_cap", "wrong_type"),
        ({"relationship": ...}, "relationship", "missing"),
        (
            {"r_payouts": {"entries": [{"payout_type": "cpa", "payout_amount": -1}]}},
            "relationship.payouts.payout_amount",
            "negative_payout",
        ),
        (
            {"r_payouts": {"entries": [{"payout_type": "cps", "payout_percentage": 101}]}},
            "relationship.payouts.payout_percentage",
            "not_a_percentage",
        ),
        ({"r_payouts": {"entries": [{"payout_amount": 1}]}}, "relationship.payouts.entries.0.payout_type", "missing"),
        ({"r_ruleset": {"countries": ["Atlantis"]}}, "relationship.ruleset.countries", "unknown_country"),
        ({"r_ruleset": {"countries": "US"}}, "relationship.ruleset.countries", "wrong_type"),
    ],
)
def test_a_bad_offer_is_named_with_its_field_and_the_others_survive(changes: dict[str, Any], field: str, reason: str) -> None:
    got = imported(changed(**changes), changed(network_offer_id=8))
    assert [(p.field, p.reason) for p in got.problems] == [(field, reason)]
    want = "offers[0]" if changes.get("network_offer_id") is ... else f"offer {changes.get('network_offer_id', 7)}"
    assert got.problems[0].where == want
    assert [o.offer for o in got.offers] == ["8"]


def test_an_offer_that_comes_twice_is_an_error() -> None:
    got = imported(OFFER, changed(name="Other"))
    assert [(p.where, p.reason) for p in got.problems] == [("offer 7", "duplicate_offer")]
    assert [o.name for o in got.offers] == ["Seven"]


@pytest.mark.parametrize("text", ["", "{}", "[", '{"offers": {}}', "7", '{"error": "Out of realm"}'])
def test_a_document_without_offers_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_offers(text)


def test_a_bare_list_is_a_list_of_offers() -> None:
    assert [o.offer for o in parse_offers(json.dumps([OFFER])).offers] == ["7"]


def test_a_page_that_is_not_the_whole_list_says_so() -> None:
    got = parse_offers(json.dumps({"offers": [OFFER], "paging": {"page": 1, "page_size": 1, "total_count": 9}}))
    assert [(w.field, w.reason) for w in got.warnings] == [("paging", "not_the_whole_list")]


@pytest.mark.parametrize(
    ("entries", "micros", "percentage", "remark"),
    [
        ([{"payout_type": "cps", "payout_amount": 0, "payout_percentage": 12.5}], None, 12.5, None),
        ([{"payout_type": "prv"}], None, 0.0, "payout_hidden"),
        ([], None, 0.0, "payout_hidden"),
        ([{"payout_type": "cpa_cps", "payout_amount": 3, "payout_percentage": 5}], 3_000_000, 5.0, None),
        (
            [{"payout_type": "cpa", "payout_amount": 3}, {"payout_type": "cpa", "payout_amount": 4}],
            3_000_000,
            0.0,
            "several_payouts_first_taken",
        ),
        ([{"payout_type": "cpa", "payout_amount": 0}], 0, 0.0, None),
    ],
)
def test_payouts_are_known_hidden_or_a_share(
    entries: list[Any], micros: int | None, percentage: float, remark: str | None
) -> None:
    got = imported(changed(r_payouts={"entries": entries}))
    assert (got.offers[0].payout_micros, got.offers[0].payout_percentage) == (micros, percentage)
    assert [w.reason for w in got.warnings] == ([remark] if remark else [])


@pytest.mark.parametrize(
    ("changes", "may_run"),
    [
        ({}, True),
        ({"r_offer_affiliate_status": "public"}, True),
        ({"r_offer_affiliate_status": "pending"}, False),
        ({"r_offer_affiliate_status": ...}, False),
        ({"is_force_terms_and_conditions": True}, False),
    ],
)
def test_an_offer_runs_when_approved_or_public_and_nothing_is_left_to_accept(changes: dict[str, Any], may_run: bool) -> None:
    assert one(**changes).may_run is may_run


@pytest.mark.parametrize(
    ("channels", "allowed"),
    [
        ({"total": 0, "entries": []}, True),
        ({"entries": [{"name": "Search"}, {"name": "Email"}]}, True),
        ({"entries": [{"name": "Search"}]}, False),
        ({"entries": [{}]}, False),
    ],
)
def test_a_channel_list_without_e_mail_forbids_it(channels: dict[str, Any], allowed: bool) -> None:
    assert one(r_channels=channels).allows_email is allowed


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("", None),
        (None, None),
        (0, None),
        ("0", None),
        ("2026-03-31", datetime(2026, 3, 31, tzinfo=UTC)),
        ("2026-03-31 18:00:00", datetime(2026, 3, 31, 18, tzinfo=UTC)),
        (1772618405, datetime.fromtimestamp(1772618405, UTC)),
    ],
)
def test_the_end_of_an_offer_is_none_a_date_a_time_or_unix_seconds(text: Any, until: datetime | None) -> None:
    assert one(date_live_until=text).live_until == until


def test_caps_count_only_when_switched_on_and_a_list_only_when_used() -> None:
    assert one(daily_conversion_cap=9).daily_conversion_cap == 9
    assert one(daily_conversion_cap=9, is_caps_enabled=False).daily_conversion_cap == 0
    assert one(suppression_list_id=12).suppression_list is None
    assert one(suppression_list_id=12, is_using_suppression_list=True).suppression_list == "12"


def test_countries_come_from_the_ruleset_when_it_names_them() -> None:
    assert one(r_ruleset={"countries": [{"country_code": "us", "targeting_type": "include"}, "CA"]}).countries == frozenset(
        {"US", "CA"}
    )
    got = imported(changed(r_ruleset={"countries": [{"country_code": "FR", "targeting_type": "exclude"}]}))
    assert (got.offers[0].countries, [w.reason for w in got.warnings]) == (frozenset(), ["exclusion_not_honoured"])


def test_creatives_are_the_active_e_mail_ones_one_a_variant() -> None:
    entries = [
        {**EMAIL, "creative_type": "html"},
        {**EMAIL, "creative_status": "paused"},
        {**EMAIL, "variant": "soft"},
        {**EMAIL, "name": "Urgency"},
        EMAIL,
    ]
    assert [c.variant for c in one(r_creatives={"entries": entries}).creatives] == ["soft", "urgency", "standard"]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"email_subject": " "}, "email_subject", "missing"),
        ({"email_from": "Deals\r\nBcc: x@y.example"}, "email_from", "control_character"),
        ({"html_code": "x" * 60_001}, "html_code", "too_long"),
        ({"variant": "shouting"}, "variant", "unknown_variant"),
        ({"variant": "standard"}, "variant", "duplicate_variant"),
    ],
)
def test_a_bad_creative_is_left_out_with_a_remark_and_the_offer_stays(changes: dict[str, Any], field: str, reason: str) -> None:
    got = imported(changed(r_creatives={"entries": [EMAIL, {**EMAIL, "name": "", **changes}]}))
    assert [(w.field, w.reason) for w in got.warnings] == [(f"relationship.creatives[1].{field}", reason)]
    assert len(got.offers[0].creatives) == 1


def test_the_content_hash_changes_with_what_matters_and_with_nothing_else() -> None:
    base = one().content_hash
    assert one(time_saved=9, thumbnail_url="x").content_hash == base
    payouts = {"entries": [{"payout_type": "cpa", "payout_amount": 26}]}
    creatives = {"entries": [{**EMAIL, "email_subject": "Hello"}]}
    others = [
        one(r_payouts=payouts),
        one(name="N"),
        one(date_live_until="2026-03-31"),
        one(r_creatives=creatives),
        one(offer_status="paused"),
    ]
    assert len({base, *(offer.content_hash for offer in others)}) == 6
