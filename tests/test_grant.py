"""The budget and the velocity: who keeps a place, who waits, what it is called, and what ghosts have to do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.bundle import Bundle
from revenue_engine.context import Cycle
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import NOTHING_TAKEN, grant, places, supply_of
from revenue_engine.later import Taken
from revenue_engine.pacing.places import fitting, without_place
from revenue_engine.pacing.price import histogram, shadow_price
from revenue_engine.pacing.warm_up import Room
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.decisions import NONE, Decisions
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import ARMS
from revenue_engine.records.zones import zone_number
from tests.core_cases import HOUR, PLAIN, T, a_crowd, a_cycle, a_page, a_row, many, names, same

FIXED, NO_MAIL = ARMS.index("fixed"), ARMS.index("no_mail")
SILENT = {"last_human_click_at": 0, "human_clicks": 0.0}


def granted_of(page: Batch, granted: int, **changes: Any) -> tuple[Decisions, Decisions]:
    cycle = a_cycle(**changes)
    before = decide_batch(page, cycle)
    return before, grant(before, page, cycle, granted)


@pytest.mark.parametrize("granted", [0, 1, 57, 10_000])
def test_never_more_mails_than_granted_and_the_best_are_kept(granted: int) -> None:
    before, after = granted_of(a_crowd(600), granted, controls=Controls(ghost_share=0.0))
    assert after.mail.sum() == min(granted, before.mail.sum())
    engine = before.mail & (before.policy == 0)
    kept, cut = engine & after.mail, engine & ~after.mail
    if kept.any() and cut.any():
        assert before.row_index_micros[kept].min() >= before.row_index_micros[cut].max()
    assert set(names(after.reason[before.mail & ~after.mail])) <= {"daily_limit_reached"}


def test_the_fixed_policy_is_not_thinned_out_by_the_engine_s_wishes() -> None:
    before, after = granted_of(a_crowd(600), 40)
    fixed = before.mail & (before.policy == FIXED)
    assert 0 < fixed.sum() <= 40
    assert after.mail[fixed].all()


def test_the_cut_ignores_the_drawn_arm_so_exploration_survives_it() -> None:
    before, after = granted_of(many(20_000), 1_000, controls=Controls(ghost_share=0, epsilon_per_day=0.2))
    assert after.mail.sum() == 1_000
    assert after.explored[after.mail].mean() == pytest.approx(before.explored.mean(), abs=0.04)


def test_a_row_that_was_cut_is_a_skip_like_any_other() -> None:
    before, after = granted_of(many(100), 30)
    cut = before.send & ~after.send
    assert cut.sum() == 70
    assert (after.arm[cut] == NONE).all()
    assert (after.propensity_joint[cut] == 1).all()
    assert (after.expected_revenue_micros[cut] == 0).all()
    assert (after.next_decision_at[cut] >= T + 12 * HOUR).all()  # tomorrow
    assert (after.minute[cut] == NONE).all()


def test_ghosts_use_no_budget_and_are_ghosts_only_among_those_who_would_be_mailed() -> None:
    page = many(4_000)
    _, after = granted_of(page, 500, controls=Controls(ghost_share=0.2))
    _, none = granted_of(page, 500, controls=Controls(ghost_share=0.0))
    assert after.mail.sum() == none.mail.sum() == 500
    assert after.ghost.sum() == pytest.approx(500 * 0.2 / 0.8, abs=40)
    assert granted_of(page, 0, controls=Controls(ghost_share=0.2))[1].ghost.sum() == 0


def test_mails_beyond_what_a_cycle_carries_wait_without_spending_the_day() -> None:
    _, after = granted_of(many(400), 150, controls=Controls(ghost_share=0, sends_per_minute=10))
    assert after.mail.sum() == 150
    late = np.array(names(after.reason)) == "velocity_limit"
    assert late.sum() == 250
    assert (after.next_decision_at[late] <= T + 3 * HOUR).all()
    assert np.bincount(after.minute[after.mail]).tolist() == [10] * 15


def test_a_later_page_has_the_room_that_earlier_ones_left() -> None:
    cycle = a_cycle(controls=Controls(ghost_share=0, sends_per_minute=10))
    page = many(100)
    after = grant(decide_batch(page, cycle), page, cycle, 30, taken=Taken((50, 40, 30, 0, 0)))
    assert (after.mail.sum(), names(after.reason).count("velocity_limit")) == (30, 70)


def test_pages_of_one_cycle_share_its_minutes() -> None:
    cycle, taken = a_cycle(controls=Controls(ghost_share=0, sends_per_minute=10)), NOTHING_TAKEN
    minutes = []
    for first in range(0, 147, 7):
        page = a_page([a_row(first + i + 1) for i in range(7)])
        after = grant(decide_batch(page, cycle), page, cycle, 7, taken=taken)
        minutes += after.minute[after.mail].tolist()
        taken = taken.and_then(after, cycle)
    assert len(minutes) == 147
    assert np.bincount(minutes, minlength=15).max() == 10


def test_a_ghost_is_no_rarer_on_a_page_of_one() -> None:
    cycle = a_cycle(controls=Controls(ghost_share=0.2))
    ghosts = 0
    for i in range(600):
        page = a_page([a_row(i + 1)])
        before = decide_batch(page, cycle)
        ghosts += int(grant(before, page, cycle, int(before.mail.sum())).ghost.sum())
    assert ghosts == pytest.approx(600 * 0.2, abs=4 * (600 * 0.2 * 0.8) ** 0.5)


def test_no_mail_is_planned_past_the_orgs_midnight() -> None:
    now = datetime(2026, 3, 4, 4, 54, tzinfo=UTC)  # six minutes to midnight in New York
    controls = Controls(ghost_share=0, sends_per_minute=10, zone="America/New_York")
    cycle = a_cycle(controls=controls, now=now)
    page = many(400, zone=zone_number("Europe/Athens"))
    assert places(decide_batch(page, cycle), cycle, NOTHING_TAKEN) == 60
    after = grant(decide_batch(page, cycle), page, cycle, 60)
    assert np.bincount(after.minute[after.mail]).tolist() == [10] * 6


ROOMS = {"gmail": Room(today=30, cycle=100), "yahoo": Room(today=90, cycle=20)}


def test_a_provider_gets_no_more_than_it_takes_and_who_is_cut_comes_when_there_is_room() -> None:
    page = a_page([a_row(i + 1, provider=i % 3) for i in range(300)])  # a hundred each to others, Gmail, Yahoo
    cycle = a_cycle(controls=Controls(ghost_share=0), rooms=ROOMS)
    before = decide_batch(page, cycle)
    assert places(before, cycle, NOTHING_TAKEN) == 150
    after = grant(before, page, cycle, 150)
    assert np.bincount(after.provider[after.mail]).tolist() == [100, 30, 20]
    why = np.array(names(after.reason))
    assert Counter(why[~after.mail].tolist()) == {"provider_warm_up": 70, "provider_rate": 80}
    assert (after.next_decision_at[why == "provider_warm_up"] >= T + 12 * HOUR).all()  # tomorrow
    # Yahoo takes eighty an hour, and seventy more today
    again = after.next_decision_at[why == "provider_rate"]
    assert ((again <= T + 3 * HOUR).sum(), (again >= T + 12 * HOUR).sum()) == (70, 10)
    for provider in (1, 2):
        mine = before.provider == provider
        assert before.row_index_micros[mine & after.mail].min() >= before.row_index_micros[mine & ~after.mail].max()
    # who is kept from the budget by his provider bids for none of it
    assert supply_of(after, page, cycle).sum() == 150 < supply_of(before, page, cycle).sum()


# --- what is bid tomorrow ----------------------------------------------------------------------------------------------
def week_of(**days: float) -> Bundle:
    """The round figures, and weekdays that are worth so much."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return replace(PLAIN, parts=replace(PLAIN.parts, hours=np.repeat([days.get(name, 1.0) for name in names], 24)))


def bidders(reasons: Sequence[str], index: Sequence[int], gross: Sequence[int], **changes: Any) -> tuple[Decisions, Batch, Cycle]:
    """People whom a cycle of Wednesday's noon left so; what a mail brings is before its cost, of 1,000 micros."""
    cycle, page = a_cycle(**changes), many(len(reasons))
    found = replace(
        decide_batch(page, cycle),
        reason=np.array([NUMBER_OF[name] for name in reasons], dtype=np.uint8),
        row_index_micros=np.array(index, dtype=np.int64),
        row_value_micros=np.array(gross, dtype=np.int64) - 1_000,
    )
    return found, page, cycle


def bids(*indices: int) -> list[int]:
    return [*histogram(np.array(indices, dtype=np.int64), np.ones(len(indices), dtype=np.bool_)).tolist()]


def test_where_days_are_alike_today_s_bids_are_tomorrow_s() -> None:
    page = a_crowd(600)
    before, after = granted_of(page, 40)
    engine = after.policy == ARMS.index("engine")
    wanted = np.isin(
        names(after.reason), ["revenue_opportunity", "exploration", "ghost", "daily_limit_reached", "below_shadow_price"]
    )
    assert (after.row_index_micros[wanted & engine] > 0).sum() > 100
    told = bids(*after.row_index_micros[wanted & engine].tolist())
    assert supply_of(after, page, a_cycle()).tolist() == told == supply_of(before, page, a_cycle()).tolist()
    assert supply_of(after, page, a_cycle(bundle=week_of())).tolist() == told


def test_who_would_bid_tomorrow_alone_is_counted_and_who_would_not_is_none() -> None:
    """Known answers: a mail that brings 30,000 today brings 60,000 on a day worth twice as much, and 15,000 on one worth half."""
    reasons = ["revenue_opportunity", "negative_long_term_value", "negative_long_term_value", "below_shadow_price"]
    index, gross = [9_000, -4_000, -25_000, 20_000], [30_000, 30_000, 20_000, 30_000]
    better = bidders(reasons, index, gross, bundle=week_of(wed=0.6, thu=1.2))
    assert supply_of(*better).tolist() == bids(39_000, 26_000, 50_000)
    poorer = bidders(reasons, index, gross, bundle=week_of(wed=1.2, thu=0.6))
    assert supply_of(*poorer).tolist() == bids(5_000)
    # Thursday has begun for who lives in Auckland: his tomorrow is Friday
    there = replace(better[1], rows=many(4, zone=zone_number("Pacific/Auckland")).rows)
    assert supply_of(better[0], there, better[2]).tolist() == bids(9_000 - 5_000, 20_000 - 5_000)


def test_bids_are_for_the_next_day_on_which_the_org_mails() -> None:
    """Wednesday's cycle, of an org that rests on Thursdays: Friday is the day to come."""
    page, bundle = many(30), week_of(thu=9.0, fri=3.0)
    resting = Controls(ghost_share=0.0, enabled_weekdays=frozenset({0, 2, 4}))
    every = supply_of(decide_batch(page, cycle := a_cycle(bundle=bundle)), page, cycle)
    friday = supply_of(decide_batch(page, cycle := a_cycle(bundle=bundle, controls=resting)), page, cycle)
    assert np.flatnonzero(friday).max() < np.flatnonzero(every).min()


def test_a_trickle_bids_for_all_for_whom_it_stands() -> None:
    """What a half-open afternoon leaves is the price of the next: twenty times too few bids would make it nothing."""
    page = many(4_000)
    of_all, of_some = (
        supply_of(grant(decide_batch(page, cycle), page, cycle, 4_000), page, cycle)
        for cycle in (a_cycle(let_through_share=share, budget_left=4_000) for share in (1.0, 0.05))
    )
    assert of_all.sum() == 4_000
    assert of_some.sum() == pytest.approx(4_000, rel=0.15)  # two hundred people: three standard errors are a fifth
    for budget in (500, 2_000):
        assert shadow_price([of_some], budget) == shadow_price([of_all], budget) > 0


def test_whom_rails_stopped_bids_nothing_tomorrow_and_who_found_the_budget_spent_bids_all_the_same() -> None:
    steep = week_of(wed=0.5, thu=2.0)
    page = many(30)
    cycle = a_cycle(bundle=steep, controls=Controls(ghost_share=0, min_hours_between_emails=24 * 6))
    skipped = decide_batch(page, cycle)
    assert set(names(skipped.reason)) == {"too_soon_since_last_email"}
    assert supply_of(skipped, page, cycle).sum() == 0
    for bundle in (steep, PLAIN):
        cycle = a_cycle(bundle=bundle, budget_left=0)
        late = decide_batch(page, cycle)
        assert late.mail.sum() == late.ghost.sum() == 0
        bids = supply_of(decide_batch(page, a_cycle(bundle=bundle)), page, cycle)
        assert bids.sum() == 30 and supply_of(late, page, cycle).tolist() == bids.tolist()
    assert set(names(late.reason)) == {"daily_limit_reached"}
    fixed = many(30, arm=FIXED)
    cycle = a_cycle(bundle=steep)
    assert supply_of(decide_batch(fixed, cycle), fixed, cycle).sum() == 0
    assert supply_of(decide_batch(page, cycle), page, cycle).sum() == 30


def test_what_earlier_pages_planned_to_a_provider_is_gone_for_later_ones() -> None:
    page = a_page([a_row(i + 1, provider=1) for i in range(50)])
    cycle = a_cycle(controls=Controls(ghost_share=0), rooms=ROOMS)
    before = decide_batch(page, cycle)
    taken = Taken((0, 25, 0, 0, 0))
    assert places(before, cycle, taken) == 5
    assert grant(before, page, cycle, 5, taken=taken).mail.sum() == 5


def test_a_provider_s_ghosts_are_lost_behind_its_own_mails_alone() -> None:
    page = a_page([a_row(i + 1, provider=1 + i % 2) for i in range(8_000)])
    rooms = {"gmail": Room(today=500, cycle=500)}
    controls = Controls(ghost_share=0.2, sends_per_minute=1_000)
    after = granted_of(page, 10**6, controls=controls, rooms=rooms)[1]
    of_gmail = after.provider == 1
    assert (after.mail & of_gmail).sum() == 500
    assert (after.ghost & of_gmail).sum() == pytest.approx(500 * 0.2 / 0.8, abs=40)
    assert (after.ghost & ~of_gmail).sum() == pytest.approx(4_000 * 0.2, abs=90)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=60),
    st.lists(st.integers(0, 12), min_size=5, max_size=5),
    st.integers(0, 40),
)
def test_no_limit_is_passed_and_no_place_is_left_that_somebody_wanted(
    queue: list[tuple[bool, int]], room: list[int], most: int
) -> None:
    mail = np.array([is_mail for is_mail, _ in queue], dtype=np.bool_)
    provider = np.array([code for _, code in queue], dtype=np.uint8)
    full, late = without_place(mail, provider, room=np.array(room), most=most)
    kept = ~full & ~late
    assert not (full & late).any()
    by_provider = np.bincount(provider[mail & kept], minlength=5)
    assert (by_provider <= room).all() and by_provider.sum() <= most
    assert by_provider.sum() == min(fitting(mail, provider, room=np.array(room)), most)
    for i in np.flatnonzero(full):  # only where the provider is full by better mails
        assert mail[:i][(provider[:i] == provider[i])].sum() >= room[provider[i]]


def test_in_shadow_nothing_is_cut_and_nothing_leaves() -> None:
    before, after = granted_of(many(100), 0, autonomy=Autonomy.SHADOW)
    assert not after.mail.any()
    assert (after.send == before.send).all()
    assert (after.reason == before.reason).all()


def test_in_canary_the_budget_is_the_canaries_alone() -> None:
    before, after = granted_of(many(4_000), 50, autonomy=Autonomy.CANARY)
    assert after.mail.sum() == 50
    assert (after.send[~before.canary] == before.send[~before.canary]).all()


def test_the_same_grant_gives_the_same_minutes() -> None:
    page = a_crowd()
    assert same(granted_of(page, 80)[1], granted_of(page, 80)[1])
