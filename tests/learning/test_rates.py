"""Fitting: known truths come back, chance does not."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from revenue_engine.bundle import Bundle, dump, load, prior_bundle
from revenue_engine.learning.rates import fit_rates
from revenue_engine.learning.train import train
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import table
from revenue_engine.records.evidence import SEGMENTS, Evidence
from tests.core_cases import NOW

CATEGORIES = {str(offer): ("finance" if offer % 2 else "health") for offer in range(1, 9)}
LEVEL = {"new": 0.02, "clicker": 0.08, "opener": 0.03, "quiet": 0.01, "silent": 0.003}
TRUE_RATIO = {1: 2.0, 2: 0.5, 3: 1.0, 4: 1.0, 5: 1.3, 6: 0.8, 7: 1.0, 8: 1.0}


def a_history(mails: int, *, flat: bool = False, days: int = 20) -> list[Evidence]:
    """Offer 1 goes to clickers above all, offer 2 to the silent: a naive rate per offer would credit the audience to the offer."""
    rng = np.random.default_rng(8)
    rows = []
    for day in range(1, days + 1):
        for s, segment in enumerate(SEGMENTS):
            for offer in range(1, 9):
                skew = 5 if (offer, segment) in ((1, "clicker"), (2, "silent")) else 1
                delivered = mails * skew
                rate = LEVEL[segment] * (1.0 if flat else TRUE_RATIO[offer])
                clicks = int(rng.binomial(delivered, rate))
                rows.append(
                    Evidence(
                        NOW.date() - timedelta(days=day),
                        str(offer),
                        "standard",
                        segment,
                        deliveries=delivered,
                        opens=int(rng.binomial(delivered, 0.2)),
                        clicks=clicks,
                        conversions=int(rng.binomial(clicks, 0.05)) if day > 10 else 0,
                        unsubscribes=int(rng.binomial(delivered, 0.002 + 0.001 * s)),
                    )
                )
    return rows


def predicted(rows: list[Evidence]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rates = fit_rates(rows, CATEGORIES, NOW)
    return table(rates.click_level, rates.click_ratio, [(str(o), "standard", CATEGORIES[str(o)]) for o in range(1, 9)])


def test_true_rates_come_back() -> None:
    truth = np.array([[LEVEL[s] * TRUE_RATIO[o] for o in range(1, 9)] for s in SEGMENTS])
    assert np.median(np.abs(predicted(a_history(400)) / truth - 1)) < 0.06


def test_an_offer_is_not_credited_with_its_audience() -> None:
    got = predicted(a_history(400, flat=True))
    assert np.abs(got[:, 0] / got[:, 3] - 1).max() < 0.15


def test_a_segment_is_not_credited_with_the_offers_it_got() -> None:
    """Clickers got the best offer five times as often as the others, the silent the worst."""
    level = fit_rates(a_history(400), CATEGORIES, NOW).click_level
    assert level["clicker"] / level["new"] == pytest.approx(4.0, rel=0.06)
    assert level["opener"] / level["quiet"] == pytest.approx(3.0, rel=0.06)


def test_chance_is_shrunk_away_when_offers_do_not_differ() -> None:
    rows = a_history(15, flat=True)
    raw = np.array(
        [
            sum(r.clicks for r in rows if r.offer == str(o))
            / sum(r.deliveries * LEVEL[r.segment] for r in rows if r.offer == str(o))
            for o in range(1, 9)
        ]
    )
    got = predicted(rows)
    ratio = got[1] / got[1].mean()
    assert ratio.std() < 0.6 * raw.std()


def learned(rows: list[Evidence]) -> Bundle:
    (only,) = train(rows, CATEGORIES, NOW, code_version="1", champion=prior_bundle(NOW))
    assert only.name == "kept"
    return only.bundle


def test_predictions_add_up_to_the_clicks_that_were() -> None:
    bundle = learned(a_history(200))
    assert bundle.manifest.metrics["predicted_to_actual_clicks"] == pytest.approx(1, abs=0.03)
    assert not bundle.manifest.prior


@pytest.mark.parametrize("after", [0.02, 0.03, 0.08])
@pytest.mark.parametrize("days_since", [10, 40, 90, 200, 360])
def test_rates_that_follow_a_lasting_change_are_not_held_against_the_year_before_it(after: float, days_since: int) -> None:
    """Clicks of four in a hundred become others for good; a year of evidence remembers both, the rates forget a hundredth a day."""
    rows = [
        Evidence(NOW.date() - timedelta(days=day), "1", "standard", segment, deliveries=200, clicks=round(200 * rate))
        for day in range(1, 366)
        for rate in (after if day <= days_since else 0.04,)
        for segment in ("clicker", "silent")
    ]
    (only,) = train(rows, CATEGORIES, NOW, code_version="1", champion=prior_bundle(NOW))
    assert only.verdict.passed, only.verdict.reasons
    figures = only.bundle.manifest.metrics
    assert figures["predicted_to_actual_clicks"] == pytest.approx(1, abs=0.03)
    assert (figures["deliveries"], figures["clicks"]) == (sum(row.deliveries for row in rows), sum(row.clicks for row in rows))
    young = 1 - 0.99**days_since  # of all that is remembered
    level = only.bundle.rates.click_level["clicker"] * only.bundle.rates.click_ratio.get("1", 1.0)
    assert level == pytest.approx(0.04 + (after - 0.04) * young / (1 - 0.99**365), rel=0.03)


def test_without_evidence_the_prior_stands() -> None:
    assert fit_rates([], {}, NOW) == PRIOR_RATES


def test_hazards_and_conversions_are_learned_with_their_delay() -> None:
    rates = fit_rates(a_history(400), CATEGORIES, NOW)
    assert rates.unsubscribe_hazard["silent"] == pytest.approx(0.006, rel=0.1)
    assert rates.unsubscribe_hazard["new"] == pytest.approx(0.002, rel=0.15)
    old = fit_rates([row for row in a_history(400) if row.day < NOW.date() - timedelta(days=10)], CATEGORIES, NOW)
    assert old.conversions_per_click["finance"] == pytest.approx(0.05, rel=0.15)


def test_todays_mails_do_not_count_as_unclicked() -> None:
    rows = a_history(50)
    today = [Evidence(NOW.date(), "1", "standard", "clicker", deliveries=100_000)]
    assert fit_rates(rows + today, CATEGORIES, NOW).click_level == fit_rates(rows, CATEGORIES, NOW).click_level


def test_same_evidence_in_any_order_gives_the_same_bundle() -> None:
    rows = a_history(20)
    one = learned(rows)
    other = learned(rows[::-1])
    assert one.version == other.version
    assert dump(one) == dump(other)
    assert load(dump(one)) == one
    assert learned(rows[1:]).version != one.version
