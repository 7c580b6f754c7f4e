"""The learned factor: found where there is one, 1 where there is none, at the level of the latest window."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.learning.mail_prior import PRIOR_MAILS, expected_per_mail
from revenue_engine.learning.revenue import Window, fit_revenue, index_days


def drawn(day: int, seed: int, *, effect: float, level: float = 1.0, people: int = 6_000, unit: float = 1.0) -> Window:
    """One in five buys; who has the trait brings `effect` times what the simple model expects."""
    random = np.random.default_rng(seed)
    trait = (random.random(people) < 0.5).astype(np.float64)
    expected = np.exp(random.normal(1.0, 0.5, people))
    mean = level * expected * np.where(trait > 0, effect, 1.0)
    revenue = np.where(random.random(people) < 0.2, random.gamma(2.0, 1.0, people) * mean / 2 / 0.2, 0.0)
    return Window(day, day + 90, {"trait": trait, "noise": random.normal(size=people)}, unit * expected, unit * revenue)


def test_the_factor_of_a_trait_is_found_and_carries_to_other_horizons() -> None:
    model = fit_revenue([drawn(day, day, effect=3.0) for day in (0, 10)])
    asked = drawn(200, 9, effect=3.0)
    factor = model.predict(asked.features, asked.expected) / asked.expected
    trait = asked.features["trait"] > 0
    assert factor[trait].mean() == pytest.approx(3.0, rel=0.12)
    assert factor[~trait].mean() == pytest.approx(1.0, rel=0.12)
    assert model.predict(asked.features, 4 * asked.expected) == pytest.approx(4 * factor * asked.expected)


def test_where_nothing_is_to_be_learned_the_simple_model_stays() -> None:
    model = fit_revenue([drawn(0, 1, effect=1.0, people=20_000)])
    asked = drawn(200, 2, effect=1.0)
    factor = model.predict(asked.features, asked.expected) / asked.expected
    assert factor.mean() == pytest.approx(1.0, abs=0.05)
    assert factor.std() < 0.15


def test_the_level_is_the_latest_windows_by_a_model_that_had_not_seen_it() -> None:
    """Windows before bring as expected, the latest half as much again; windows that overlap with it say nothing about the level."""
    earlier, overlapping = drawn(0, 1, effect=2.0, people=40_000), drawn(60, 2, effect=2.0, level=1.5)
    latest = drawn(100, 3, effect=2.0, level=1.5, people=40_000)
    together = fit_revenue([latest, overlapping, earlier])
    alone = fit_revenue([earlier])
    missed = latest.revenue.sum() / alone.predict(latest.features, latest.expected).sum()
    expected = np.concatenate([window.expected for window in (earlier, overlapping, latest)]).sum()
    revenue = np.concatenate([window.revenue for window in (earlier, overlapping, latest)]).sum()
    assert missed == pytest.approx(1.5, rel=0.06)
    assert together.level == pytest.approx(missed * revenue / expected)


def test_the_same_windows_in_any_order_give_the_same_model_and_the_unit_does_not_matter() -> None:
    one, other = drawn(0, 1, effect=2.0), drawn(120, 2, effect=2.0)
    assert fit_revenue([one, other]) == fit_revenue([other, one])
    asked = drawn(200, 3, effect=2.0)
    cents = fit_revenue([drawn(0, 1, effect=2.0, unit=100.0), drawn(120, 2, effect=2.0, unit=100.0)])
    dollars = fit_revenue([one, other]).predict(asked.features, asked.expected)
    assert cents.predict(asked.features, 100 * asked.expected) == pytest.approx(100 * dollars, rel=1e-6)


def test_windows_end_and_are_final_before_they_teach() -> None:
    days = index_days(60, 239, horizon=90, embargo=44, every=7)
    assert days == [63, 70, 77, 84, 91, 98, 105]
    assert index_days(60, 100, horizon=90, embargo=44) == []


def test_what_does_not_fit_together_is_refused() -> None:
    good = drawn(0, 1, effect=1.0, people=300)
    with pytest.raises(ValueError, match="same features"):
        fit_revenue([good, Window(5, 95, {"other": good.expected}, good.expected, good.revenue)])
    for expected, revenue in (
        (0 * good.expected, good.revenue),
        (good.expected, -good.revenue),
        (good.expected, 0 * good.revenue),
    ):
        with pytest.raises(ValueError, match="above 0"):
            fit_revenue([Window(0, 90, good.features, expected, revenue)])
    with pytest.raises(KeyError):
        fit_revenue([good]).predict({"trait": good.expected}, good.expected)


def test_a_mail_brings_what_clicks_bring_by_shrunk_clicks() -> None:
    mails, clicks = np.array([100.0, 0.0, 900.0]), np.array([5.0, 0.0, 15.0])
    per_mail = expected_per_mail(mails, clicks, np.array([0.0, 0.0, 40.0]))
    rate, worth = 20 / 1_000, 40 / 20
    assert per_mail == pytest.approx(
        [worth * (5 + PRIOR_MAILS * rate) / 200, worth * rate, worth * (15 + PRIOR_MAILS * rate) / 1_000]
    )
    with pytest.raises(ValueError, match="no click"):
        expected_per_mail(mails, 0 * clicks, mails)
