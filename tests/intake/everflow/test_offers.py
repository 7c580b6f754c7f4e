"""Offers: what may run, what it pays, what is approved to be said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import content_hash, parse_offer_detail, parse_offers
from revenue_engine.records.offer import Cap, ineligible_reason
from tests.intake.everflow.offer_cases import EMAIL, NOW, OFFER, changed, detail, imported, one
from tests.shared_data import shared_path


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
    assert (first.suppression_list, first.may_run, first.allows_email) == ("12", True, True)
    assert (first.caps, first.caps_zone) == ((Cap("day", "conversions", 100),), "America/New_York")
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
        ({"r_ruleset": {"countries": ["XX"]}}, "relationship.ruleset.countries", "unknown_country"),
        ({"r_ruleset": {"countries": [{"country_id": 227}]}}, "relationship.ruleset.countries", "unknown_country"),
        ({"r_ruleset": {"countries": "US"}}, "relationship.ruleset.countries", "wrong_type"),
        (
            {"r_ruleset": {"countries": [{"country_code": "US", "targeting_type": "prefer"}]}},
            "relationship.ruleset.countries",
            "unknown_targeting",
        ),
        (
            {"r_ruleset": {"countries": [{"country_code": "US", "match_type": "range"}]}},
            "relationship.ruleset.countries",
            "unknown_targeting",
        ),
        (
            {"r_ruleset": {"regions": [{"region_id": 1501, "targeting_type": "exclude"}]}},
            "relationship.ruleset.regions",
            "rule_we_cannot_keep",
        ),
        ({"r_ruleset": {"postal_codes": [{"postal_code": "1"}]}}, "relationship.ruleset.postal_codes", "rule_we_cannot_keep"),
        ({"r_ruleset": {"ages": [{"from": 21}]}}, "relationship.ruleset.ages", "rule_we_cannot_keep"),
        (
            {"r_ruleset": {"regions": {"entries": [{"region_code": "CA"}]}}},
            "relationship.ruleset.regions",
            "rule_we_cannot_keep",
        ),
        ({"r_ruleset": {"region_codes": "US-CA"}}, "relationship.ruleset.region_codes", "rule_we_cannot_keep"),
        ({"r_ruleset": {"least_age": 21}}, "relationship.ruleset.least_age", "rule_we_cannot_keep"),
        ({"r_channels": {"entries": [{}]}}, "relationship.channels", "unreadable_channel"),
        ({"r_channels": {"entries": [{"name": 7}]}}, "relationship.channels", "unreadable_channel"),
        ({"r_channels": {"entries": [{"name": "No email"}]}}, "relationship.channels", "unreadable_channel"),
        ({"r_channels": {"entries": [{"name": "All but e-mail"}]}}, "relationship.channels", "unreadable_channel"),
        ({"r_channels": {"total": 2, "entries": [{"name": "Email"}]}}, "relationship.channels", "not_the_whole_list"),
        ({"r_channels": {"total": 1, "entries": None}}, "relationship.channels", "not_the_whole_list"),
        ({"r_channels": {}}, "relationship.channels", "missing"),
        ({"r_channels": "Email"}, "relationship.channels", "wrong_type"),
        ({"r_email_optout": {"is_enabled": "perhaps"}}, "relationship.email_optout.is_enabled", "wrong_type"),
        ({"global_payout_cap": -0.5}, "global_payout_cap", "wrong_type"),
        ({"weekly_payout_cap": 0.0000001}, "weekly_payout_cap", "finer_than_a_micro"),
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
        (
            [{"payout_type": "cpa", "payout_amount": 3}, {"payout_type": "cpa", "payout_amount": 4, "is_default": True}],
            4_000_000,
            0.0,
            None,
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
        ({"total": 0, "entries": None}, True),
        (None, True),
        ({"entries": [{"name": "Search"}, {"name": "Email"}]}, True),
        ({"total": 2, "entries": [{"name": "Search", "status": "active"}, {"name": "E mail", "status": "active"}]}, True),
        ({"entries": [{"name": "Search"}]}, False),
        ({"entries": [{"name": "Female lifestyle"}]}, False),
        ({"entries": [{"name": "Email", "status": "inactive"}, {"name": "Search"}]}, False),
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
    caps = {"daily_conversion_cap": 9, "weekly_conversion_cap": 88, "global_payout_cap": 300.5, "caps_timezone_id": 90}
    offer = one(**caps)
    assert offer.caps == (
        Cap("day", "conversions", 9), Cap("week", "conversions", 88), Cap("ever", "payout_micros", 300_500_000)
    )  # fmt: skip
    assert offer.caps_zone == "America/Los_Angeles"
    assert one(**caps, is_caps_enabled=False).caps == ()
    assert one(suppression_list_id=12).suppression_list is None
    assert one(suppression_list_id=12, is_using_suppression_list=True).suppression_list == "12"


def test_a_cap_in_a_zone_nobody_has_documented_is_kept_with_a_remark() -> None:
    got = imported(changed(daily_conversion_cap=9, caps_timezone_id=54))
    assert (got.offers[0].caps_zone, [(w.field, w.reason) for w in got.warnings]) == (
        None,
        [("caps_timezone_id", "unknown_time_zone")],
    )


@pytest.mark.parametrize(
    ("optout", "name"),
    [
        ({"suppression_file_link": "https://v.example/x"}, "offer-7"),
        ({"is_enabled": True, "suppression_file_link": "https://v.example/x"}, "offer-7"),
        ({"is_enabled": False, "suppression_file_link": "https://v.example/x"}, None),
        ({"is_enabled": True, "suppression_file_link": ""}, None),
        ({"suppression_file_link": None}, None),
        (None, None),
    ],
)
def test_a_list_that_is_only_a_file_bears_the_offers_number(optout: Any, name: str | None) -> None:
    assert one(r_email_optout=optout).suppression_list == name
    # by the network's number when it has one, whether or not its file is known
    assert one(r_email_optout=optout, is_using_suppression_list=True, suppression_list_id=12).suppression_list == "12"


def test_countries_come_from_the_ruleset_when_it_names_them() -> None:
    rules: list[Any] = [
        {"country_id": 227, "country_code": "us", "targeting_type": "include", "match_type": "exact"},
        "CA",
        {"country_code": "UK", "targeting_type": "exclude"},
    ]
    offer = one(r_ruleset={"countries": rules, "platforms": [{"platform_id": 2, "targeting_type": "include"}], "regions": []})
    assert (offer.countries, offer.excluded_countries) == ({"US", "CA"}, {"GB"})
    of_the_click = {
        "is_block_proxy": True,
        "is_use_day_parting": False,
        "day_parting_apply_to": "null_value",
        "brands": {"total": 1},
    }
    numbered = {"network_ruleset_id": 7, "network_id": 1, "time_created": 1772500000, "time_saved": 1772500000}
    silent: list[Any] = [
        *({}, None, {"countries": None}, {"countries": []}, of_the_click, numbered),
        {"regions": {"total": 0, "entries": []}, "cities": {}, "is_for_adults": False},
    ]
    assert [one(r_ruleset=nothing).countries for nothing in silent] == [set()] * 7


def test_the_content_hash_changes_with_what_matters_and_with_nothing_else() -> None:
    base = one().content_hash
    assert one(time_saved=9, thumbnail_url="x", r_remaining_caps={"remaining_daily_conversion_cap": 1}).content_hash == base
    payouts = {"entries": [{"payout_type": "cpa", "payout_amount": 26}]}
    creatives = {"entries": [{**EMAIL, "email_subject": "Hello"}]}
    others = [
        one(daily_conversion_cap=3),
        one(r_ruleset={"countries": ["US"]}),
        one(r_ruleset={"countries": [{"country_code": "US", "targeting_type": "exclude"}]}),
        one(r_payouts=payouts),
        one(name="N"),
        one(date_live_until="2026-03-31"),
        one(r_creatives=creatives),
        one(offer_status="paused"),
    ]
    assert len({base, *(offer.content_hash for offer in others)}) == 9
    assert content_hash(replace(one(), caps_read_at=NOW, stop_reason="offer_not_listed")) == base


# --- the API's detail --------------------------------------------------------------------------------------------------------


def test_the_detail_names_the_file_of_the_opt_outs() -> None:
    text = shared_path("contracts/everflow-offer-detail-response.json").read_text()
    got = parse_offer_detail(text, offer="1042", known=None, read_at=NOW)
    assert (got.offer.suppression_list, got.suppression_file_link) == ("12", "https://suppression.example/download/abc")
    off = {"is_enabled": False, "suppression_file_link": "https://v.example/x"}
    assert detail(r_email_optout=off).suppression_file_link is None


def test_another_offers_detail_is_none() -> None:
    with pytest.raises(BadInput, match="another_offer"):
        detail(network_offer_id=8)


def test_what_is_left_of_a_cap_is_read_where_it_is_said() -> None:
    left = {"remaining_daily_conversion_cap": 4, "remaining_global_payout_cap": -1.5, "remaining_weekly_conversion_cap": "?"}
    offer = detail(daily_conversion_cap=9, weekly_conversion_cap=9, global_payout_cap=9, r_remaining_caps=left).offer
    assert [(cap.window, cap.left) for cap in offer.caps] == [("day", 4), ("week", None), ("ever", 0)]
    assert offer.caps_read_at == NOW
    clicks = detail(daily_click_cap=10, global_click_cap=90, r_remaining_caps={"remaining_global_click_cap": 7}).offer.caps
    assert [(cap.window, cap.unit, cap.limit, cap.left) for cap in clicks] == [
        ("day", "clicks", 10, None),
        ("ever", "clicks", 90, 7),
    ]
    silences: list[Any] = [None, {}, [], "x", {"remaining_monthly_conversion_cap": 5}]
    for nothing in silences:
        silent = detail(daily_conversion_cap=9, r_remaining_caps=nothing).offer
        assert (silent.caps[0].left, silent.caps_read_at) == (None, None)
