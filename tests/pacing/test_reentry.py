"""Silence slows mail down, ends in very few, and never for good while there is hope."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.pacing.reentry import GONE_DAYS, STAGES, SUNSET_GAP_DAYS, WIN_BACK_MAILS, Rhythm, rhythm_of
from revenue_engine.records.subscriber import RECENT, Row, apply_claim, apply_touch
from tests.core_cases import DAY, T, a_page, a_row

OLD_LIST = {"created_at": T - 2_000 * DAY, "last_human_click_at": 0}


def rhythm(row: Row, now: int = T, gap: int = DAY) -> Rhythm:
    return rhythm_of(a_page([row]), now=now, gap_seconds=np.array([gap]))


def stage(silent_days: int, mailed_days_ago: tuple[int, ...] = ()) -> tuple[str, int]:
    sends = tuple(T - d * DAY for d in mailed_days_ago) + (0,) * (RECENT - len(mailed_days_ago))
    first = T - 1_900 * DAY
    found = rhythm(a_row(1, **OLD_LIST | {"last_human_click_at": T - silent_days * DAY}, first_send_at=first, recent_sends=sends))
    return STAGES[found.stage[0]], int(found.gap_seconds[0])


@pytest.mark.parametrize(
    ("silent", "mailed", "want"),
    [
        (3, (1,), ("active", DAY)),
        (89, (1, 3, 5), ("active", DAY)),
        (90, (1,), ("cooling", 7 * DAY)),
        (190, (40, 60), ("win_back", 30 * DAY)),  # mails from before the win-back are none of it
        (260, (10, 45, 80), ("sunset", 180 * DAY)),
        (260, (10, 45), ("win_back", 30 * DAY)),
        (731, (200, 400, 500), ("gone", 180 * DAY)),
        (731, (200,), ("win_back", 30 * DAY)),  # nobody is gone who was not asked
    ],
)
def test_stages(silent: int, mailed: tuple[int, ...], want: tuple[str, int]) -> None:
    assert stage(silent, mailed) == want


def test_any_answer_makes_active() -> None:
    for name in ("last_human_open_at", "last_conversion_at", "last_human_click_at"):
        row = a_row(1, **OLD_LIST | {"first_send_at": T - 1_900 * DAY, name: T - DAY})
        assert rhythm(row).stage.tolist() == [0]


def test_an_old_list_that_was_just_imported_is_not_silent() -> None:
    never_mailed = a_row(1, **OLD_LIST, last_send_at=0, recent_sends=(0,) * RECENT)
    assert rhythm(never_mailed).stage.tolist() == [0]
    once = apply_claim(never_mailed, at=T, offer_number=1)
    assert rhythm(once, now=T + 89 * DAY).stage.tolist() == [0]
    assert rhythm(once, now=T + 90 * DAY).stage.tolist() == [1]


def test_a_policy_s_own_longer_gap_stands() -> None:
    assert rhythm(a_row(1), gap=99 * DAY).gap_seconds.tolist() == [99 * DAY]


def play(days: int, answers: frozenset[int] = frozenset()) -> list[int]:
    """Days of mails that go out whenever the gap allows, to somebody who answers on these days alone."""
    start, sent = T - 2_000 * DAY, []
    row = a_row(1, created_at=start, last_human_click_at=0, last_send_at=0, recent_sends=(0,) * RECENT)
    for day in range(days):
        now = start + day * DAY
        if day in answers:
            row = apply_touch(row, kind="human_click", at=now)
        found = rhythm(row, now=now, gap=2 * DAY)
        if not found.gone[0] and now - row.last_send_at >= found.gap_seconds[0]:
            row = apply_claim(row, at=now, offer_number=1)
            sent.append(day)
    return sent


def test_nobody_who_is_silent_is_lost_for_ever_before_two_years() -> None:
    days = play(1_000)
    assert len([d for d in days if d < 90]) == 45
    assert len([d for d in days if 90 <= d < 180]) in (12, 13)
    assert [d for d in days if d >= 730] == []
    late = [d for d in days if 180 <= d < 730]
    assert 4 <= len(late) <= 7
    assert max(late) >= 365


@given(st.frozensets(st.integers(0, 1_500), max_size=6))
def test_an_answer_starts_the_clock_again_and_silence_is_mailed_seldom(answers: frozenset[int]) -> None:
    days = play(1_500, answers)
    for answer in answers:
        assert any(answer <= day <= answer + 2 for day in days if day < 1_500) or answer >= 1_498
        later = [day for day in days if day > answer and not any(answer < other <= day for other in answers)]
        tried = [day for day in later if day >= answer + 180]
        assert all(b - a >= SUNSET_GAP_DAYS for a, b in zip(tried[WIN_BACK_MAILS - 1 :], tried[WIN_BACK_MAILS:], strict=False))
        assert not [day for day in later if day >= answer + GONE_DAYS]
