"""The velocity moves by what chance would not explain, by the specification's steps, within its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.pacing.nowcast import CLICK_DELAY, Sends, arrived, expected
from revenue_engine.pacing.velocity import Delivery, Flow, Verdict, judge, trouble
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import Delay
from revenue_engine.records.controls import Controls


def flow(expected: float, came: int, past_expected: float, past_came: int, past_days: int = 21) -> Flow:
    return Flow(expected, came, past_expected, past_came, past_days)


NOTHING = flow(0.0, 0, 0.0, 0)
DELAY = PRIOR_RATES.delay


def look(
    conversions: Flow = NOTHING,
    clicks: Flow = NOTHING,
    *,
    ails: str | None = None,
    current: int = 100,
    untroubled: int = 100,
    most: int = 1_000,
    calm: bool = False,
) -> Verdict:
    return judge(conversions, clicks, trouble=ails, current=current, untroubled=untroubled, most=most, calm=calm)


@pytest.mark.parametrize(
    ("came", "state", "then"),
    [
        (100, "on_track", 100),
        (125, "on_track", 100),  # beyond the specification's 20 %, but days differ by that much
        (160, "outperforming_predictions", 125),
        (50, "underperforming_predictions", 75),
    ],
)
def test_states_and_steps_are_the_specification_s(came: int, state: str, then: int) -> None:
    verdict = look(flow(100.0, came, 2_000.0, 2_000))
    assert (verdict.state, verdict.sends_per_minute) == (state, then)
    assert verdict.ratio == pytest.approx(came / 100)


def test_it_stays_between_ten_and_a_thousand_and_below_what_the_operator_allows() -> None:
    good, bad = flow(100.0, 300, 0.0, 0), flow(100.0, 10, 0.0, 0)
    assert look(good, current=900).sends_per_minute == 1_000
    assert look(good, current=900, most=920).sends_per_minute == 920
    assert look(bad, current=11).sends_per_minute == 10
    assert look(current=900, most=300).sends_per_minute == 300


def test_few_conversions_say_nothing() -> None:
    assert look(flow(4.0, 0, 90.0, 90)).state == "too_early"
    assert look(flow(6.0, 1, 90.0, 90)).state == "on_track"


def test_predictions_that_are_always_a_third_too_high_do_not_brake() -> None:
    assert look(flow(300.0, 200, 6_000.0, 4_000)).state == "on_track"
    assert look(flow(300.0, 200, 0.0, 0)).state == "on_track"  # nobody knows yet what they are worth
    assert look(flow(300.0, 150, 6_000.0, 6_000)).state == "underperforming_predictions"


def test_missing_clicks_brake_whatever_the_money_says_and_clicks_alone_never_raise() -> None:
    missing, many = flow(1_000.0, 400, 9_000.0, 9_000), flow(1_000.0, 3_000, 9_000.0, 9_000)
    verdict = look(flow(100.0, 300, 2_000.0, 2_000), missing)
    assert (verdict.state, verdict.trouble, verdict.sends_per_minute) == ("delivery_trouble", "clicks_missing", 75)
    assert look(clicks=many).sends_per_minute == 100


def test_what_trouble_took_is_given_back_when_it_is_over_and_no_more_than_that() -> None:
    braked = look(ails="bounces")
    assert (braked.sends_per_minute, braked.untroubled) == (75, 100)
    assert look(current=60).sends_per_minute == 60  # not yet calm
    assert look(current=60, calm=True).sends_per_minute == 75
    assert look(current=93, calm=True).sends_per_minute == 100
    assert look(current=100, calm=True).state == "too_early"


def test_what_money_took_comes_back_by_money_alone() -> None:
    bad, usual, good = (flow(100.0, came, 2_000.0, 2_000) for came in (50, 100, 160))
    braked = look(bad)
    assert (braked.sends_per_minute, braked.untroubled) == (75, 75)
    # trouble of long ago makes no difference, nor does trouble on top give back more than it took
    assert look(usual, current=75, untroubled=75, calm=True).sends_per_minute == 75
    both = look(ails="bounces", current=75, untroubled=75)
    assert (both.sends_per_minute, both.untroubled) == (56, 75)
    assert look(usual, current=56, untroubled=75, calm=True).sends_per_minute == 70
    assert look(usual, current=70, untroubled=75, calm=True).sends_per_minute == 75
    raised = look(good, current=75, untroubled=75)
    assert (raised.sends_per_minute, raised.untroubled) == (93, 93)


@pytest.mark.parametrize(
    ("delivery", "found"),
    [
        (Delivery(10_000, 10_000, 1, 90, 300), None),
        (Delivery(10_000, 10_000, 25, 0, 0), "complaints"),
        (Delivery(10_000, 10_000, 5, 0, 0), None),
        (Delivery(10_000, 1_000, 5, 0, 0), "complaints"),  # of a thousand mails that could be complained about
        (Delivery(2_000, 2_000, 0, 60, 0), "bounces"),
        (Delivery(2_000, 200, 0, 25, 0), None),
        (Delivery(2_000, 2_000, 0, 0, 180), "deferrals"),
        (Delivery(2_000, 200, 0, 0, 110), None),
        (Delivery(0, 0, 0, 0, 3), None),
        (Delivery(99, 99, 0, 0, 30), None),  # too few mails to say anything
        (Delivery(100, 100, 0, 0, 30), "deferrals"),
        (Delivery(10_000, 3_000, 0, 50, 100), None),  # innocent
    ],
)
def test_trouble_is_half_a_limit_of_the_breaker_s_and_no_chance(delivery: Delivery, found: str | None) -> None:
    assert trouble(delivery, Controls()) == found


# --- the nowcast ------------------------------------------------------------------------------------------------------------
def test_the_delays_sum_is_what_sampling_finds() -> None:
    rng = np.random.default_rng(4)

    def drawn(delay: Delay) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        scale = np.where(rng.random(200_000) < delay.fast_share, delay.fast_days, delay.tail_days)
        return rng.exponential(1.0, 200_000) * scale

    days = np.array([0.0, 0.05, 0.5, 1.0, 3.0, 10.0])
    total = drawn(CLICK_DELAY) + drawn(DELAY)
    assert arrived(days, DELAY) == pytest.approx([(total <= t).mean() for t in days], abs=0.005)
    equal = Delay(fast_share=0.5, fast_days=CLICK_DELAY.fast_days, tail_days=CLICK_DELAY.tail_days)
    assert np.isfinite(arrived(days, equal)).all()


def test_what_should_have_come_adds_up_over_windows_and_in_the_end_to_everything() -> None:
    sends = Sends(np.array([10.0, 11.0]), np.array([11.0, 11.5]), np.array([500.0, 100.0]), np.array([10.0, 2.0]))
    first, second, both = (
        np.array(expected(sends, since_days=a, now_days=b, conversion=DELAY)) for a, b in ((9.0, 12.0), (12.0, 15.0), (9.0, 15.0))
    )
    assert first + second == pytest.approx(both)
    assert expected(sends, since_days=9.0, now_days=200.0, conversion=DELAY) == pytest.approx((600.0, 12.0), rel=1e-6)
    assert expected(sends, since_days=5.0, now_days=9.5, conversion=DELAY) == (0.0, 0.0)
