"""Lift of the engine's arm: known answers, who counts in it, when there is none, and intervals that hold on every day."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evidence_lift import SHARES, World, coverage
from revenue_engine.evaluation.cuped import ArmMean
from revenue_engine.evaluation.lift import Lift, People, Report, Settings, lift_of, report
from revenue_engine.evaluation.power import Unknown
from revenue_engine.records.subscriber import ARMS

ENGINE, FIXED, NO_MAIL = (ARMS.index(name) for name in ("engine", "fixed", "no_mail"))


def people(seed: int = 1, n: int = 50_000, lift: float = 0.5, paying: float = 0.1) -> People:
    """One in ten pays about 20 dollars, half as many more under the engine."""
    random = np.random.default_rng(seed)
    arm = random.choice(3, n, p=SHARES).astype(np.uint8)
    pays = random.random(n) < paying * np.array([1 + lift, 1.0, 0.0])[arm]
    micros = np.where(pays, np.rint(random.lognormal(0.0, 0.6, n) * 20e6), 0).astype(np.int64)
    return People(arm, micros, random.random(n) < 0.9, random.normal(size=(n, 1)), 30.0)


def look(these: People, settings: Settings | None = None) -> Report:
    return report(these, SHARES, settings or Settings())


def lift_in(got: Report) -> Lift:
    assert isinstance(got.lift, Lift), got.lift
    return got.lift


def test_a_lift_is_found_in_money_per_person_in_all_and_as_a_share() -> None:
    these = people()
    got = look(these)
    lift = lift_in(got)
    micros, arm = these.approved_micros, these.arm
    plain = micros[arm == ENGINE].mean() - micros[arm == FIXED].mean()
    assert lift.per_person_micros.value == pytest.approx(plain, rel=0.02)
    assert lift.per_person_micros.lower > 0
    engines = int((arm == ENGINE).sum())
    assert lift.incremental_micros.lower == engines * lift.per_person_micros.lower
    assert lift.incremental_micros.upper == engines * lift.per_person_micros.upper
    assert 0 < lift.relative.lower < 0.5 < lift.relative.upper < inf
    assert lift.relative.value == pytest.approx(plain / micros[arm == FIXED].mean(), rel=0.05)


def test_nothing_gained_is_not_found() -> None:
    lift = lift_in(look(people(lift=0.0)))
    assert lift.per_person_micros.lower < 0 < lift.per_person_micros.upper
    assert lift.relative.lower < 0 < lift.relative.upper


def test_a_worse_engine_is_found_to_be_worse() -> None:
    lift = lift_in(look(people(lift=-0.6)))
    assert lift.per_person_micros.upper < 0
    assert lift.relative.upper < 0


def test_a_reversal_is_taken_out_of_the_next_look() -> None:
    these = people()
    payer = int(np.flatnonzero((these.arm == FIXED) & (these.approved_micros > 0))[0])
    reversed_since = these.approved_micros.copy()
    reversed_since[payer] = 0
    before, after = look(these), look(replace(these, approved_micros=reversed_since))
    assert before.fixed is not None
    assert after.fixed is not None
    assert after.fixed.payers == before.fixed.payers - 1
    assert (before.fixed.plain - after.fixed.plain) * after.fixed.people == pytest.approx(these.approved_micros[payer])
    assert lift_in(after).per_person_micros.value > lift_in(before).per_person_micros.value


def test_people_who_left_still_count_in_their_arm() -> None:
    these = people()
    nobody_left = replace(these, reachable=np.ones_like(these.reachable))
    assert look(these).lift == look(nobody_left).lift
    for name, health in look(these).health.items():
        assert health.people == (these.arm == ARMS.index(name)).sum()
        assert health.reachable == (these.reachable & (these.arm == ARMS.index(name))).sum()


def test_of_people_without_mail_there_is_health_and_no_money() -> None:
    these = people()
    forged = np.where(these.arm == NO_MAIL, 10**12, these.approved_micros)
    wild = np.where((these.arm == NO_MAIL)[:, None], 1e9, these.covariates)
    got = look(replace(these, approved_micros=forged, covariates=wild))
    assert got == look(these)
    assert got.health["no_mail"].people > 0


def test_the_order_of_people_does_not_matter() -> None:
    these = people()
    order = np.random.default_rng(2).permutation(len(these.arm))
    shuffled = People(these.arm[order], these.approved_micros[order], these.reachable[order], these.covariates[order], these.days)
    assert lift_in(look(shuffled)).relative.lower == pytest.approx(lift_in(look(these)).relative.lower, rel=1e-6)


@given(st.floats(0.05, 20.0), st.floats(0.01, 0.6), st.floats(0.01, 0.6), st.integers(20, 100_000))
def test_money_and_share_never_contradict_each_other(ratio: float, of_engine: float, of_fixed: float, fixed: int) -> None:
    engine = ArmMean(100_000, 1_000, 1e6 * ratio, 1e6 * ratio, 1e6 * ratio * of_engine)
    lift = lift_of(engine, ArmMean(fixed, 500, 1e6, 1e6, 1e6 * of_fixed), Settings())
    assert (lift.per_person_micros.lower > 0) == (lift.relative.lower > 0)
    assert (lift.per_person_micros.upper < 0) == (lift.relative.upper < 0)
    assert -1 <= lift.relative.lower <= lift.relative.value <= lift.relative.upper


def test_a_share_of_what_may_be_nothing_has_no_upper_bound() -> None:
    engine, fixed = ArmMean(9_500, 400, 2e6, 2e6, 1e5), ArmMean(400, 20, 1e6, 1e6, 5e5)
    relative = lift_of(engine, fixed, Settings()).relative
    assert isinf(relative.upper)
    assert relative.lower < 0 < relative.value


def test_mis_split_arms_have_no_lift() -> None:
    these = people()
    to_fixed = (these.arm == ENGINE) & (np.random.default_rng(3).random(len(these.arm)) < 0.02)
    got = look(replace(these, arm=np.where(to_fixed, FIXED, these.arm).astype(np.uint8)))
    assert got.mismatch_p < 1e-6
    for missing in (got.lift, got.more_days):
        assert isinstance(missing, Unknown)
        assert missing.reason == "sample_ratio_mismatch"


def test_too_few_payers_have_no_lift_yet_and_a_day_when_they_will() -> None:
    got = look(people(n=20_000, paying=0.02, lift=0.0))
    assert got.fixed is not None
    assert 5 <= got.fixed.payers < 20
    assert isinstance(got.lift, Unknown)
    assert got.lift.reason == "too_few_payers"
    assert isinstance(look(people(n=20_000, paying=0.02), Settings(effect=1.0)).more_days, float)


def test_no_revenue_and_no_people_are_told_apart() -> None:
    these = people()
    broke = look(replace(these, approved_micros=np.zeros_like(these.approved_micros)))
    assert isinstance(broke.lift, Unknown)
    assert broke.lift.reason == "no_revenue"
    nobody = People(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros((0, 0)), 0.0)
    got = look(nobody)
    assert isinstance(got.lift, Unknown)
    assert got.lift.reason == "arm_empty"
    assert got.engine is None
    assert got.health["engine"].people == 0


def test_columns_that_do_not_fit_are_refused() -> None:
    these = people(n=100)
    with pytest.raises(ValueError, match="different lengths"):
        replace(these, approved_micros=these.approved_micros[1:])
    with pytest.raises(ValueError, match="covariates"):
        replace(these, covariates=np.full((100, 1), np.nan))
    with pytest.raises(ValueError, match="no such arm"):
        replace(these, arm=np.full(100, 3, np.uint8))
    with pytest.raises(ValueError, match="add up to 1"):
        report(these, (0.9, 0.04, 0.01), Settings())


def test_daily_looks_at_revenue_with_a_long_tail_hold_where_the_textbook_does_not() -> None:
    world = World("a test", people=12_000, monthly=0.06, days=60, tail=1.2)
    _, seen = coverage([world], 25, Settings())
    assert len(seen) == 25
    assert np.mean([found.inside for found in seen]) >= 0.92
    assert np.mean([found.plain_inside for found in seen]) < 0.92


def test_people_who_all_earn_the_same_break_nothing() -> None:
    arm = np.repeat(np.array([ENGINE, FIXED, NO_MAIL], np.uint8), [950, 40, 10])
    micros = np.array([3_000_000, 2_000_000, 0])[arm]
    got = look(People(arm, micros, np.ones(1_000, np.bool_), np.zeros((1_000, 0)), 30.0))
    # what the sizes of payments in both arms say of the fixed one leaves it some error
    bounds = lift_in(got).per_person_micros
    assert bounds.value == 1_000_000
    assert bounds.lower > 0
    equal = look(People(arm, np.full(1_000, 5), np.ones(1_000, np.bool_), np.zeros((1_000, 0)), 30.0))
    assert lift_in(equal).per_person_micros.lower == lift_in(equal).per_person_micros.upper == 0
