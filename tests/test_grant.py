"""The budget and the velocity: who keeps a place, who waits, what it is called, and what ghosts have to do with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from revenue_engine.cycle import decide_batch, grant, room_left
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.decisions import NONE, Decisions
from revenue_engine.records.subscriber import ARMS
from revenue_engine.records.zones import zone_number
from tests.core_cases import HOUR, T, a_crowd, a_cycle, a_page, a_row, many, names, same

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
    after = grant(decide_batch(page, cycle), page, cycle, 30, taken=120)
    assert (after.mail.sum(), names(after.reason).count("velocity_limit")) == (30, 70)


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
    assert room_left(cycle, 0) == 60
    after = grant(decide_batch(page, cycle), page, cycle, 60)
    assert np.bincount(after.minute[after.mail]).tolist() == [10] * 6


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
