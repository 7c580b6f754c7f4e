"""The gate: rewards it judges by, and what it lets through. Worlds with known truth; 20,000 decisions about 5,000 people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.evidence_ope_worlds import challenge, market
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
        value_per_click=np.full(4, 0.3),
        unsubscribed=np.array([False, True, False, True]),
        complained=np.array([False, False, False, True]),
        worth=np.full(4, 5.0),
        continuation=np.array([0.0, 0.0, 0.25, 0.0]),
    )
    # who complains and unsubscribes is lost once, and costs the provider's trust once
    assert got.reward.tolist() == pytest.approx([0.6, -5.0, 0.55, -10.0])
    assert got.expected_revenue.tolist() == pytest.approx([0.6, 0.0, 0.3, 0.0])


@pytest.mark.parametrize(("factor", "misled"), [(1.0, False), (0.5, True), (2.0, True), (0.95, False)])
def test_agreement_finds_a_surrogate_that_misleads(factor: float, misled: bool) -> None:
    n = 40_000
    random = np.random.default_rng(4)
    clicked = random.random(n) < 0.1
    revenue = np.where(clicked & (random.random(n) < 0.1), 20.0 * factor, 0.0)
    target = np.tile([0.3, 0.7], (n, 1))
    log = Logged(random.integers(0, 2, n), revenue, np.full(n, 0.5), target, np.arange(n), np.zeros((n, 2)))
    got = agreement(log, clicked * 2.0, revenue, most=10.0)
    assert got is not None
    low, high = got.ratio.both()
    assert low < factor < high
    assert got.misled == misled
    assert got.converted == (revenue > 0).sum()
    assert f"{got.converted} conversions" in got.bias_statement()


def test_few_conversions_mislead_nobody_and_no_clicks_say_nothing() -> None:
    n = 2_000
    clicked = np.arange(n) % 10 == 0
    log = Logged(np.zeros(n, np.int64), np.zeros(n), np.full(n, 0.5), np.full((n, 2), 0.5), np.arange(n), np.zeros((n, 2)))
    revenue = np.where(np.arange(n) % 1_000 == 0, 20.0, 0.0)  # two conversions where ten were to come
    few = agreement(log, clicked * 1.0, revenue, most=10.0)
    assert few is not None and few.converted == 2 and not few.misled
    assert agreement(log, np.zeros(n), revenue, most=10.0) is None


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
    taken = {lift: np.mean([reason(take_over(tried(lift, seed), LIMITS)) == "eligible" for seed in range(20)]) for lift in (0.13, 0.0, -0.11)}
    assert taken[0.13] >= 0.8
    assert taken[0.0] <= 0.2
    assert taken[-0.11] == 0


def test_clicks_that_buy_nothing_are_seen_through() -> None:
    verdicts = [reason(take_over(tried(0.13, seed, misleading=2.0), LIMITS)) for seed in range(10)]
    assert "eligible" not in verdicts
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
