"""The gate: rewards it judges by, and what it lets through. Worlds with known truth; 20,000 decisions about 5,000 people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.evidence_ope_worlds import challenge, market
from revenue_engine.arrays import Floats
from revenue_engine.evaluation.gate import Challenge, Eligible, Limits, take_over
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.overlap import Refusal
from revenue_engine.evaluation.rewards import agreement, surrogate

LIMITS = Limits()


def tried(lift: float, seed: int, misleading: float = 0.0) -> Challenge:
    random = np.random.default_rng([seed, 99])
    return challenge(market(lift, random, misleading=misleading), 20_000, random)


def reason(verdict: Eligible | Refusal) -> str:
    return verdict.reason if isinstance(verdict, Refusal) else "eligible"


def test_a_surrogate_pays_clicks_and_charges_exits() -> None:
    got = surrogate(
        clicks=np.array([2.0, 0.0, 1.0, 0.0]),
        p_conversion=np.full(4, 0.03),
        payout=np.full(4, 10.0),
        unsubscribed=np.array([False, True, False, True]),
        complained=np.array([False, False, False, True]),
        worth=np.full(4, 5.0),
        continuation=np.array([0.0, 0.0, 0.25, 0.0]),
    )
    # who complains and unsubscribes is lost once, and costs the provider's trust once
    assert got.reward.tolist() == pytest.approx([0.6, -5.0, 0.55, -10.0])
    assert got.expected_revenue.tolist() == pytest.approx([0.6, 0.0, 0.3, 0.0])
    assert got.expected_square.tolist() == pytest.approx([6.0, 0.0, 3.0, 0.0])


@pytest.mark.parametrize(("factor", "misled"), [(1.0, False), (0.5, True), (2.0, True), (0.95, False)])
def test_agreement_finds_a_surrogate_that_misleads(factor: float, misled: bool) -> None:
    n = 40_000
    random = np.random.default_rng(4)
    clicked: Floats = (random.random(n) < 0.1).astype(np.float64)
    revenue = clicked * (random.random(n) < 0.1) * 20.0 * factor
    target = np.tile([0.3, 0.7], (n, 1))
    log = Logged(random.integers(0, 2, n), revenue, np.full(n, 0.5), target, np.arange(n), np.zeros((n, 2)))
    got = agreement(log, clicked * 2.0, clicked * 40.0, revenue, most=10.0)
    assert got is not None
    low, high = got.ratio.both()
    assert low < factor < high
    assert got.misled == misled
    assert got.converted == (revenue > 0).sum()
    assert f"{got.converted} conversions" in got.bias_statement()


@pytest.mark.parametrize(("expected", "seen", "misled"), [(4, 2, False), (2, 0, False), (10, 0, True), (400, 250, True)])
def test_few_conversions_mislead_nobody(expected: int, seen: int, misled: bool) -> None:
    n = 20_000
    clicked = np.where(np.arange(n) % 10 == 0, 1.0, 0.0)
    log = Logged(np.zeros(n, np.int64), np.zeros(n), np.full(n, 0.5), np.full((n, 2), 0.5), np.arange(n), np.zeros((n, 2)))
    revenue = np.zeros(n)
    revenue[np.flatnonzero(clicked)[:seen]] = 20.0
    per_click = 20.0 * expected / clicked.sum()
    got = agreement(log, clicked * per_click, clicked * per_click * 20.0, revenue, most=10.0)
    assert got is not None and got.converted == seen
    assert got.ratio.value == pytest.approx(seen / expected)
    assert got.misled == misled


def test_without_clicks_nothing_is_known_of_the_surrogate() -> None:
    log = Logged(np.zeros(9, np.int64), np.zeros(9), np.full(9, 0.5), np.full((9, 2), 0.5), np.arange(9), np.zeros((9, 2)))
    assert agreement(log, np.zeros(9), np.zeros(9), np.zeros(9), most=10.0) is None


def test_a_better_challenger_goes_on_to_its_canary() -> None:
    got = take_over(tried(0.13, seed=1), LIMITS)
    assert isinstance(got, Eligible), got
    assert 0 < got.gain.lower(0.95) < got.gain.value
    assert got.complaints_at_most < LIMITS.complaint_budget
    assert got.agreement is not None and not got.agreement.misled
    assert got.overlap.effective > LIMITS.guards.fewest_effective
    low, high = got.revenue_gain.both()
    assert low < got.gain.value < high


def test_power_and_false_take_overs() -> None:
    taken = {
        lift: np.mean([reason(take_over(tried(lift, seed), LIMITS)) == "eligible" for seed in range(20)])
        for lift in (0.13, 0.0, -0.11)
    }
    assert taken[0.13] >= 0.8
    assert taken[0.0] <= 0.2
    assert taken[-0.11] == 0


def test_clicks_that_buy_nothing_are_seen_through() -> None:
    verdicts = [reason(take_over(tried(0.13, seed, misleading=2.0), LIMITS)) for seed in range(10)]
    assert verdicts.count("eligible") <= 1  # by chance alone; a canary comes after
    assert {"revenue_contradicts", "surrogate_misleads"} & set(verdicts)


def test_complaints_stop_it() -> None:
    good = tried(0.13, seed=1)
    assert good.log.logging is not None
    n = len(good.log)
    # the arms it moves to annoy: shown to be worse, and then also possibly over what is allowed
    preferred = good.log.played(good.log.target) > good.log.played(good.log.logging)
    annoyed = np.where(preferred & (np.arange(n) % 20 == 0), 1.0, 0.0)
    assert reason(take_over(replace(good, complained=annoyed), LIMITS)) == "complaints_would_rise"
    everywhere = np.where(np.arange(n) % 500 == 0, 1.0, 0.0)
    assert reason(take_over(replace(good, complained=everywhere), LIMITS)) == "complaints_over_budget"
    # no complaint at all is not proof of none
    quiet = replace(good, complained=np.zeros(n))
    assert reason(take_over(quiet, LIMITS)) == "eligible"
    assert reason(take_over(quiet, replace(LIMITS, complaint_budget=1e-5))) == "complaints_over_budget"


def test_revenue_from_other_arms_contradicts() -> None:
    good = tried(0.13, seed=1)
    assert good.log.logging is not None
    left = good.log.played(good.log.target) < good.log.played(good.log.logging)
    # what is left brought a third more than thought, what is preferred a little less: about right on the whole
    revenue = np.where(left, 1.35, 0.85) * good.expected_revenue
    assert reason(take_over(replace(good, revenue=revenue), LIMITS)) == "revenue_contradicts"


def test_half_the_conversions_are_a_misleading_surrogate() -> None:
    # the gain in revenue is too uncertain to contradict; revenue per click is not
    good = tried(0.13, seed=1)
    half = np.where(np.arange(len(good.log)) % 2 == 0, good.revenue, 0.0)
    assert reason(take_over(replace(good, revenue=half), LIMITS)) == "surrogate_misleads"


def test_weight_that_is_cut_counts_as_average() -> None:
    good = tried(0.13, seed=1)
    nothing, even = np.zeros(len(good.log)), np.ones(len(good.log))
    cut = replace(LIMITS, most_weight=1.5)
    # nothing was expected, and everybody alike was paid back
    got = take_over(replace(good, expected_revenue=nothing, expected_square=even, revenue=-even), cut)
    assert isinstance(got, Eligible)
    assert got.revenue_gain.value == pytest.approx(0, abs=1e-12)


def test_revenue_that_cannot_be_in_yet_contradicts_nothing() -> None:
    good = tried(0.13, seed=1)
    rare = replace(good, expected_revenue=good.expected_revenue / 100, expected_square=good.expected_square / 100)
    assert reason(take_over(replace(rare, revenue=np.zeros(len(good.log))), LIMITS)) == "eligible"  # two conversions were to come
    assert reason(take_over(replace(good, revenue=np.zeros(len(good.log))), LIMITS)) in {
        "revenue_contradicts",
        "surrogate_misleads",
    }


def test_certain_rows_weaken_nothing_and_are_counted() -> None:
    good = tried(0.13, seed=1)
    n = len(good.log)
    certain = np.arange(n) % 10 == 0
    assert good.log.logging is not None
    log = replace(
        good.log,
        propensity=np.where(certain, 1.0, good.log.propensity),
        logging=np.where(certain[:, None], np.eye(12)[good.log.action], good.log.logging),
    )
    got = take_over(replace(good, log=log, revenue=np.where(certain, 1e6, good.revenue)), LIMITS)
    assert isinstance(got, Eligible)
    assert got.overlap.left_out == n // 10
    assert got.revenue_gain.standard_error < 1


def test_the_gate_refuses_what_the_guards_refuse_and_needs_the_policy_as_played() -> None:
    good = tried(0.13, seed=1)
    early = replace(LIMITS, guards=replace(LIMITS.guards, fewest_effective=1e6))
    assert reason(take_over(good, early)) == "too_few_effective_samples"
    with pytest.raises(ValueError, match="logging"):
        take_over(replace(good, log=replace(good.log, logging=None)), LIMITS)
