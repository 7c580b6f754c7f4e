"""Who may get which offer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from revenue_engine.offers.book import OfferBook, at_rest, barred_by_country, lately_mailed, make_book
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import Offer
from revenue_engine.records.subscriber import apply_claim, country_number, sends_within
from tests.core_cases import DAY, HOUR, NOW, OFFERS, T, a_page, a_row, an_offer


def book_of(*offers: Offer, **changes: Any) -> OfferBook:
    facts = {"list_refreshed_at": {}, "mean_payouts": {}, "caps_reached": {}} | changes
    return make_book(offers, controls=Controls(), now=NOW, **facts)


def test_arms_have_one_order_whatever_the_catalogue_had() -> None:
    assert book_of(*OFFERS).arms == book_of(*reversed(OFFERS)).arms
    assert book_of(*OFFERS).arms == (
        ("101", "soft"),
        ("101", "standard"),
        ("102", "soft"),
        ("102", "standard"),
        ("103", "standard"),
    )
    assert [c.variant for c in book_of(*OFFERS).creatives] == [variant for _, variant in book_of(*OFFERS).arms]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "paused"}, "offer_not_active"),
        ({"may_run": False}, "offer_not_approved"),
        ({"allows_email": False}, "channel_excludes_email"),
        ({"live_until": NOW}, "offer_expired"),
        ({"live_until": NOW + timedelta(minutes=14)}, "offer_expires_in_cycle"),
        ({"creatives": ()}, "no_approved_creative"),
        ({"currency": "EUR"}, "currency_not_converted"),
        ({"payout_micros": 0}, "payout_unknown"),
        ({"payout_micros": 3_000_000_000}, "payout_above_limit"),
        ({"suppression_list": "never taken in"}, "suppression_list_stale"),
        ({"suppression_list": "old"}, "suppression_list_stale"),
        ({"stop_reason": "offer_not_listed"}, "offer_not_listed"),
    ],
)
def test_each_closed_offer_says_why(changes: dict[str, Any], reason: str) -> None:
    lists = {"old": NOW - timedelta(days=8), "fresh": NOW - timedelta(days=6)}
    book = book_of(an_offer(101, **changes), an_offer(102), list_refreshed_at=lists)
    assert book.closed == (("101", reason),)
    assert not book.open_offers[book.offer_of_arm][:-2].any()
    assert book.open_offers[book.offer_of_arm][-2:].all()


def test_an_offer_that_hides_its_payout_is_expected_to_pay_what_its_category_does() -> None:
    """The lower middle of what is listed in the category, of all offers where none is; nothing where nobody lists anything."""
    listed = [an_offer(102, payout_micros=9), an_offer(103, payout_micros=5), an_offer(104, payout_micros=2, category="health")]
    book = book_of(
        an_offer(101, payout_micros=None), *listed, an_offer(105, payout_micros=None, category="home"), mean_payouts={"105": 7}
    )
    assert dict(zip((offer for offer, _ in book.arms), book.payout_micros.tolist(), strict=True))["101"] == 5
    assert book.payout_micros[-1] == 7, "what was seen comes first"
    assert book_of(an_offer(105, payout_micros=None, category="home"), *listed).payout_micros[-1] == 5
    assert book_of(an_offer(101, payout_micros=None)).closed == (("101", "payout_unknown"),)


def test_what_another_currency_lists_says_nothing_of_a_hidden_payout() -> None:
    yen = an_offer(102, payout_micros=1_500_000_000, currency="JPY")
    hidden = an_offer(101, payout_micros=None)
    assert book_of(hidden, yen, an_offer(103, payout_micros=5)).payout_micros[0] == 5
    assert book_of(hidden, yen).closed == (("101", "payout_unknown"), ("102", "currency_not_converted"))


def test_an_offer_that_has_reached_a_cap_says_which() -> None:
    book = book_of(*OFFERS, caps_reached={"102": "weekly_cap_reached"})
    assert book.closed == (("102", "weekly_cap_reached"),)


def test_what_is_fresh_below_its_cap_and_known_stays_open() -> None:
    offer = an_offer(101, suppression_list="fresh", payout_micros=None)
    book = book_of(
        offer,
        list_refreshed_at={"fresh": NOW - timedelta(days=6)},
        caps_reached={"102": "daily_cap_reached"},
        mean_payouts={"101": 12_345_678},
    )
    assert book.closed == ()
    assert book.payout_micros.tolist() == [12_345_678, 12_345_678]


def test_a_published_payout_is_known_not_learned() -> None:
    assert book_of(an_offer(101), mean_payouts={"101": 1}).payout_micros[0] == 20_000_000


def test_the_same_offer_waits_for_its_gap_and_only_it() -> None:
    sent = (T - 6 * DAY, T - 8 * DAY, *(0,) * 6)
    page = a_page(
        [
            a_row(1, recent_offers=(102, 101, *(0,) * 6), recent_sends=sent),
            a_row(2, recent_offers=(777, 103, *(0,) * 6), recent_sends=sent),
            a_row(3, recent_offers=(0,) * 8, recent_sends=(0,) * 8),
        ]
    )
    assert lately_mailed(book_of(*OFFERS), page, now=T, gap_days=7).tolist() == [
        [False, True, False],
        [False, False, False],
        [False, False, False],
    ]
    assert lately_mailed(book_of(*OFFERS), page, now=T, gap_days=9)[1].tolist() == [False, False, True]


def test_an_offer_that_made_no_mail_rests_for_thirty_days_whatever_the_gap_or_for_a_longer_one() -> None:
    dropped = {"rested_offers": (103, 101, 777, *(0,) * 5), "rested_at": (T - 29 * DAY, T - 30 * DAY, T, *(0,) * 5)}
    book, page = book_of(*OFFERS), a_page([a_row(1, **dropped), a_row(2)])
    for gap_days in (0, 3, 30):
        assert at_rest(book, page, now=T, gap_days=gap_days).tolist() == [[False, False, True], [False, False, False]]
    assert at_rest(book, page, now=T, gap_days=31).tolist() == [[True, False, True], [False, False, False]]
    assert not lately_mailed(book, page, now=T, gap_days=31).any()


@pytest.mark.parametrize("per_week", range(1, 8))
def test_the_longest_gap_that_controls_allow_is_kept_with_as_many_mails_as_they_allow(per_week: int) -> None:
    """Offers go out one after another, as soon as the week's cap allows: no mail repeats one within the gap."""
    gap = 7 * (9 // per_week)
    Controls(same_offer_gap_days=gap, max_emails_per_subscriber_per_week=per_week)
    row, book = a_row(1, recent_sends=(0,) * 8, recent_offers=(0,) * 8), book_of(*OFFERS)
    sent: dict[int, int] = {}
    for at in range(T, T + 120 * DAY, 12 * HOUR):
        barred = lately_mailed(book, a_page([row]), now=at, gap_days=gap)[0]
        if sends_within(row, now=at, seconds=7 * DAY) < per_week:
            for offer, is_barred in zip((101, 102, 103), barred.tolist(), strict=True):
                assert is_barred == (at - sent.get(offer, 0) < gap * DAY)
            offer = next((n for n, is_barred in zip((101, 102, 103), barred.tolist(), strict=True) if not is_barred), 999)
            row, sent[offer] = apply_claim(row, at=at, offer_number=offer), at
    with pytest.raises(ValidationError, match="same_offer_gap_days"):
        Controls(same_offer_gap_days=gap + 1, max_emails_per_subscriber_per_week=per_week)


def test_an_empty_catalogue_is_a_book() -> None:
    assert book_of().arms == ()
    assert lately_mailed(book_of(), a_page([a_row()]), now=T, gap_days=7).shape == (1, 0)
    assert barred_by_country(book_of(), a_page([a_row()])).shape == (1, 0)


def test_rules_about_countries_bar_whoever_they_exclude_and_whoever_is_not_known() -> None:
    book = book_of(
        an_offer(101),
        an_offer(102, countries=frozenset({"US", "CA"})),
        an_offer(103, excluded_countries=frozenset({"FR"})),
        an_offer(104, countries=frozenset({"US", "FR"}), excluded_countries=frozenset({"FR"})),
    )
    page = a_page([a_row(n, country=country_number(code)) for n, code in enumerate(("US", "FR", "DE", "", "US"))])
    free, barred = False, True
    assert barred_by_country(book, page).tolist() == [
        [free, free, free, free],
        [free, barred, barred, barred],
        [free, barred, free, barred],
        [free, barred, barred, barred],
        [free, free, free, free],
    ]
