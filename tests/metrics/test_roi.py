"""ROI: attributed, and caused by the engine as the randomised arms show it."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from revenue_engine.metrics.amounts import Revenue
from revenue_engine.metrics.roi import MIN_CONVERSIONS, MIN_PEOPLE, Roi, roi
from revenue_engine.records.controls import Controls

TODAY = date(2026, 3, 30)
FIRST = TODAY - timedelta(days=29)


def measured(counted: dict[str, int], people: dict[str, int] | None = None, *, first: date = FIRST, **controls: Any) -> Roi:
    days: dict[date, dict[str, int]] = {first: {}, TODAY: counted}
    return roi(days, people or {}, controls=Controls(**controls), today=TODAY)


def test_the_specifications_example() -> None:
    """A million mails, $100,000, $0.001 a mail and $5,000 for the platform: 94,000 / 6,000, here for thirty days of the month."""
    counted = {"sent": 1_000_000, "reported_approved_micros%engine": 100_000_000_000}
    found = measured(counted, cost_per_email_micros=1_000, platform_cost_micros_per_month=5_000_000_000)
    assert (found.cost.mails_micros, found.cost.platform_micros) == (1_000_000_000, 4_931_506_849)  # 5,000 · 12 / 365 · 30
    assert found.attributed_roi == found.approved_roi == Decimal("15.859122")  # 15.67 at the full month's 5,000


def test_unattributed_money_is_no_return_and_provisional_money_is_shown_apart() -> None:
    counted = {
        "sent": 100,
        "reported_approved_micros": 10**12,
        "reported_approved_micros%engine": 100_000,
        "reported_provisional_micros%fixed": 200_000,
    }
    found = measured(counted, cost_per_email_micros=1_000)
    assert found.attributed == Revenue(200_000, 100_000)
    assert (found.attributed_roi, found.approved_roi) == (Decimal(2), Decimal(0))


def test_the_platform_is_charged_from_the_first_count_on() -> None:
    found = measured({"sent": 0}, first=TODAY - timedelta(days=2), platform_cost_micros_per_month=365_000_000)
    assert (found.days, found.cost.platform_micros) == (3, 36_000_000)


def test_nothing_spent_is_no_return() -> None:
    found = measured({"reported_approved_micros%engine": 5})
    assert found.attributed_roi is found.approved_roi is found.incremental_roi is None


BIG = {"conversions%engine": 900, "conversions%fixed": MIN_CONVERSIONS}
PEOPLE = {"engine": 9_500, "fixed": 400, "no_mail": 100}


def test_incremental_revenue_is_what_a_person_brings_more_than_under_the_fixed_policy() -> None:
    counted = BIG | {
        "sent%engine": 1_000,
        "sent": 1_040,
        "reported_approved_micros%engine": 9_500_000_000,  # one a person
        "reported_approved_micros%fixed": 300_000_000,  # three quarters a person
        "reported_provisional_micros%fixed": 4_000_000,  # a hundredth
    }
    found = measured(counted, PEOPLE, cost_per_email_micros=100_000)
    assert found.incremental == Revenue(-95_000_000, 2_375_000_000)
    assert found.incremental_reason is None
    assert found.incremental_roi == Decimal("21.8")  # (2,280 - 100) / 100: the engine's own mails
    assert found.attributed_roi is not None
    assert found.attributed_roi > found.incremental_roi


@pytest.mark.parametrize(
    ("counted", "people", "reason"),
    [
        (BIG, {}, f"engine_arm_has_0_people_of_{MIN_PEOPLE}"),
        (BIG, PEOPLE | {"fixed": 99}, "fixed_arm_has_99_people_of_100"),
        (BIG | {"conversions%fixed": 29}, PEOPLE, "fixed_arm_has_29_conversions_of_30"),
        (BIG | {"conversions%engine": 0}, PEOPLE, "engine_arm_has_0_conversions_of_30"),
    ],
)
def test_arms_too_small_to_tell_say_so(counted: dict[str, int], people: dict[str, int], reason: str) -> None:
    found = measured(counted, people, cost_per_email_micros=1)
    assert (found.incremental, found.incremental_roi, found.incremental_reason) == (None, None, reason)


def test_two_arms_of_one_policy_cause_nothing_on_average() -> None:
    chance = random.Random(5)
    people = {"engine": 2_000, "fixed": 2_000}
    caused = []
    for _ in range(60):
        arms = {arm: sum(chance.random() < 0.05 for _ in range(n)) for arm, n in people.items()}
        counted = {f"conversions%{arm}": n for arm, n in arms.items()}
        counted |= {f"reported_approved_micros%{arm}": 20_000_000 * n for arm, n in arms.items()}
        found = measured(counted, people).incremental
        assert found is not None
        caused.append(found.approved_micros / 20_000_000)
    # a single difference has a deviation of sqrt(2 · 95) = 14 conversions, the mean of sixty one of 1.8
    assert abs(sum(caused) / len(caused)) < 5.4
