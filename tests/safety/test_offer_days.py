"""Bursts of an offer's conversions: found, and by chance alone hardly ever. Breaks: `test_silence`."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.records.anomaly import Severity
from revenue_engine.safety.offer_days import (
    BURST,
    CLEAN_DAYS,
    FEWEST_CLEAN_DAYS,
    LANDING,
    LOOK_BACK_DAYS,
    Finding,
    Morning,
    alerts,
    baseline,
    burst,
    exposures,
    morning,
)

CLICKS, RATE = 200, 0.05
STEADY = [CLICKS] * LOOK_BACK_DAYS
USUAL = [round(CLICKS * RATE)] * LOOK_BACK_DAYS
CLEAN = [True] * LOOK_BACK_DAYS


def before(conversions: list[int] | None = None, clean: list[bool] | None = None) -> Morning:
    found = morning(STEADY, conversions or USUAL, clean or CLEAN)
    assert found is not None
    return found


def raised(known: Morning, **day: float) -> dict[str, str]:
    facts = {"clicks": CLICKS, "conversions": 10, "hours": 24.0} | day
    return {flag.signal: flag.severity.value for _, flag in alerts([burst("7", known, **facts)])}  # type: ignore[arg-type]


def test_a_clicks_conversions_land_on_its_day_and_the_days_after_and_none_is_lost() -> None:
    assert sum(LANDING) == pytest.approx(1.0)
    due = exposures([100.0] + [0.0] * (len(LANDING) + 3))
    assert due[: len(LANDING)] == pytest.approx([100 * share for share in LANDING])
    assert sum(due) == pytest.approx(100)
    assert exposures(STEADY)[-1] == pytest.approx(CLICKS)


@pytest.mark.parametrize(
    ("conversions", "expected"),
    [
        (10, {}),
        (20, {}),
        (25, {}),
        (32, {BURST: "review"}),
        (60, {BURST: "hold"}),
        (0, {}),
    ],
)
def test_a_day_stands_out_by_its_conversions_against_the_last_clean_days(conversions: int, expected: dict[str, str]) -> None:
    assert raised(before(), conversions=conversions) == expected


def test_the_flag_says_what_was_seen_and_what_was_usual() -> None:
    ((offer, flag),) = alerts([burst("7", before(), clicks=CLICKS, conversions=60, hours=12.0)])
    assert (offer, flag.signal, flag.severity) == ("7", BURST, Severity.HOLD)
    assert flag.detail["conversions"] == 60
    assert flag.detail["expected"] == pytest.approx(10, rel=0.01)
    assert flag.detail["clean_days"] == CLEAN_DAYS
    assert 0 < flag.detail["chance"] < 1e-4


def test_yesterdays_clicks_are_no_burst_of_today() -> None:
    # nobody was mailed today: what comes are the conversions of the days before
    assert raised(before(), clicks=0, conversions=5) == {}
    assert raised(before(), clicks=0, conversions=30) == {BURST: "hold"}


def test_a_flagged_day_does_not_make_its_like_look_normal() -> None:
    attacked = [*USUAL[:-3], 80, 90, 70]
    marked = [*CLEAN[:-3], False, False, False]
    assert before(attacked, marked).usual.rate == pytest.approx(RATE, rel=0.01)
    # nor does one that nobody flagged
    assert before([*USUAL[:-1], 80]).usual.rate == pytest.approx(RATE, rel=0.01)


def test_too_few_clean_days_judge_nothing() -> None:
    assert morning(STEADY[:4], USUAL[:4], CLEAN[:4]) is None
    assert morning(STEADY[:5], USUAL[:5], CLEAN[:5]) is not None
    assert morning(STEADY, USUAL, [False] * LOOK_BACK_DAYS) is None
    assert baseline([0.0] * 20, [0] * 20, [True] * 20) is None
    assert FEWEST_CLEAN_DAYS <= CLEAN_DAYS


def test_a_quiet_offer_is_given_wide_bounds() -> None:
    few = morning([20.0] * LOOK_BACK_DAYS, [0, 0, 1, 0] * (LOOK_BACK_DAYS // 4) + [0] * (LOOK_BACK_DAYS % 4), CLEAN)
    assert few is not None
    assert raised(few, clicks=20, conversions=2) == {}
    assert raised(few, clicks=20, conversions=12) == {BURST: "hold"}


def test_of_many_tests_the_luckiest_is_no_alert() -> None:
    def tests(n: int, chance: float) -> list[Finding]:
        dull = [Finding(str(i), BURST, 0.5, False, 1, 1.0, 0.1, 14, 24.0) for i in range(n - 1)]
        return [*dull, Finding("lucky", BURST, chance, False, 9, 1.0, 0.1, 14, 24.0)]

    assert [offer for offer, _ in alerts(tests(10, 5e-4))] == ["lucky"]
    assert alerts(tests(1_000, 5e-4)) == []
    assert [offer for offer, _ in alerts(tests(1_000, 1e-5))] == ["lucky"]
    assert alerts([]) == []


def test_by_chance_alone_days_that_differ_by_a_third_are_hardly_ever_flagged() -> None:
    """Uniform day effects of 0.4 to 1.6, that is a deviation of 0.35: not the gamma that the test assumes."""
    rng = np.random.default_rng(8)
    flagged = held = days = 0
    for _ in range(150):
        clicks = rng.poisson(rng.uniform(50, 800), LOOK_BACK_DAYS + 30)
        conversions = rng.poisson(clicks * rng.uniform(0.01, 0.06) * rng.uniform(0.4, 1.6, len(clicks)))
        for day in range(LOOK_BACK_DAYS, len(clicks)):
            past = slice(day - LOOK_BACK_DAYS, day)
            known = morning(clicks[past].tolist(), conversions[past].tolist(), CLEAN)
            assert known is not None
            today = int(clicks[day])
            found = raised(known, clicks=today, conversions=int(conversions[day]))
            days, flagged, held = days + 1, flagged + bool(found), held + (found.get(BURST) == "hold")
    assert flagged / days < 0.002
    assert held / days < 0.0005
