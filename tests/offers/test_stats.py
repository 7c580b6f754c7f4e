"""What is known of an arm: the books' counts beside the posteriors that decisions are made by."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from revenue_engine.context import prepare
from revenue_engine.offers.stats import OfferStats, offer_stats
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.offer import Offer
from tests.core_cases import NOW, OFFERS, a_context, an_offer

TODAY = NOW.date()


def seen(day: date, *, offer: str = "101", variant: str = "soft", segment: str = "clicker", **counts: int) -> Evidence:
    return Evidence(day, offer, variant, segment, **counts)


def stats(*evidence: Evidence, offers: tuple[Offer, ...] = OFFERS) -> dict[tuple[str, str], OfferStats]:
    context = a_context(offers=offers, evidence=evidence)
    found = offer_stats(
        evidence, context.posteriors, prepare(context).book, context.bundle.rates, segment="clicker", currency="USD", now=NOW
    )
    return {(of.offer, of.variant): of for of in found}


def test_counts_add_up_and_quotients_are_of_them() -> None:
    days = [TODAY - timedelta(days=n) for n in (3, 40)]
    found = stats(
        seen(days[0], deliveries=700, clicks=30, conversions=1, conversion_micros=20_000_000, reversed=1),
        seen(days[1], deliveries=300, clicks=20, conversions=2, conversion_micros=40_000_001),
        seen(days[1], segment="quiet", deliveries=9_999, clicks=9_999, conversions=99, conversion_micros=1),
        seen(TODAY + timedelta(days=1), deliveries=9_999, clicks=9_999),
    )
    assert list(found) == [("101", "soft"), ("101", "standard"), ("102", "soft"), ("102", "standard"), ("103", "standard")]
    of = found["101", "soft"]
    assert (of.total_deliveries, of.total_clicks, of.total_conversions, of.total_reversed) == (1_000, 50, 3, 1)
    assert of.total_revenue_micros == 60_000_001
    assert (of.click_rate, of.conversion_rate) == (0.05, 0.06)
    assert (of.epc_micros, of.epm_micros) == (1_200_000, 60_000_001)
    nothing = found["103", "standard"]
    assert (nothing.click_rate, nothing.conversion_rate, nothing.epc_micros, nothing.epm_micros) == (None,) * 4
    assert nothing.exposure_clicks == 0.0 and nothing.total_revenue_micros == 0


def test_what_is_believed_is_what_the_cycle_decides_by() -> None:
    evidence = [seen(TODAY - timedelta(days=n), deliveries=500, clicks=40, conversions=2, reversed=1) for n in range(1, 30)]
    posteriors = a_context(evidence=evidence).posteriors
    of, arm = stats(*evidence)["101", "soft"], posteriors.arms.index(("101", "soft"))
    assert (of.alpha, of.alpha + of.beta) == pytest.approx((posteriors.shape[1, arm], posteriors.rate[1, arm]))
    assert of.expected_conversion_rate == pytest.approx(of.alpha / (of.alpha + of.beta) * (1 - of.refund_rate))
    assert of.expected_epc_micros == pytest.approx(of.expected_conversion_rate * 20_000_000)
    assert of.refund_rate == pytest.approx(1 - posteriors.kept[arm])
    assert 1 / 3 < of.refund_rate < 1, "a third of what came was taken back, and more will be"


def test_a_click_of_today_counts_little_and_an_old_one_less_than_it_did() -> None:
    today, week, year = (stats(seen(TODAY - timedelta(days=n), clicks=100))["101", "soft"].exposure_clicks for n in (0, 20, 170))
    assert 0 < today < week < 100
    assert year == pytest.approx(100 * 0.99**170, rel=0.01)


def test_a_payout_in_another_currency_or_unknown_has_no_expected_earnings() -> None:
    offers = (
        an_offer(101, variants=("soft",), currency="EUR"),
        replace(an_offer(102, variants=("soft",)), payout_micros=None, currency="EUR"),
        an_offer(103, variants=("soft",)),
    )
    found = stats(offers=offers)
    assert [of.expected_epc_micros is None for of in found.values()] == [True, True, False]
