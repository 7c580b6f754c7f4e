"""Silence slows mail down, ends in very few, and never for good while there is hope."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.pacing.reentry import NEVER, STAGES, rhythm
from revenue_engine.records.subscriber import RECENT
from tests.core_cases import DAY, T, a_page, a_row


def stage(silent_days: int, mailed_days_ago: tuple[int, ...] = ()) -> tuple[str, int]:
    sends = tuple(T - d * DAY for d in mailed_days_ago) + (0,) * (RECENT - len(mailed_days_ago))
    answered = T - silent_days * DAY
    page = a_page([a_row(1, created_at=T - 2_000 * DAY, last_human_click_at=answered, recent_sends=sends)])
    found = rhythm(page, now=T, gap_seconds=np.array([DAY]))
    return STAGES[found.stage[0]], int(found.gap_seconds[0])


@pytest.mark.parametrize(
    ("silent", "mailed", "want"),
    [
        (3, (1,), ("active", DAY)),
        (59, (1, 3, 5), ("active", DAY)),
        (60, (1,), ("cooling", 14 * DAY)),
        (130, (40, 60), ("win_back", 30 * DAY)),  # mails from before the win-back are none of it
        (250, (10, 45, 80), ("sunset", 180 * DAY)),
        (250, (10, 45), ("win_back", 30 * DAY)),
        (731, (200,), ("gone", NEVER)),
    ],
)
def test_stages(silent: int, mailed: tuple[int, ...], want: tuple[str, int]) -> None:
    assert stage(silent, mailed) == want


def test_any_answer_or_a_new_person_is_active() -> None:
    for name in ("created_at", "last_human_open_at", "last_conversion_at", "last_human_click_at"):
        row = {"created_at": T - 900 * DAY, "last_human_click_at": 0} | {name: T - DAY}
        assert rhythm(a_page([a_row(1, **row)]), now=T, gap_seconds=np.array([DAY])).stage.tolist() == [0]


def test_a_policy_s_own_longer_gap_stands() -> None:
    page = a_page([a_row(1)])
    assert rhythm(page, now=T, gap_seconds=np.array([99 * DAY])).gap_seconds.tolist() == [99 * DAY]


def test_nobody_who_is_silent_is_lost_for_ever_before_two_years() -> None:
    """Played day by day: mails go out whenever the gap allows, nobody answers."""
    sends: list[int] = []
    start = T - 1_000 * DAY
    for day in range(1_000):
        now = start + day * DAY
        recent = tuple(sorted(sends, reverse=True)[:RECENT])
        page = a_page([a_row(1, created_at=start, last_human_click_at=0, recent_sends=recent + (0,) * (RECENT - len(recent)))])
        gap = int(rhythm(page, now=now, gap_seconds=np.array([2 * DAY])).gap_seconds[0])
        if not sends or now - max(sends) >= gap:
            sends.append(now)
    days = [(at - start) // DAY for at in sends]
    assert len([d for d in days if d < 60]) == 30
    assert len([d for d in days if 60 <= d < 120]) in (4, 5)
    assert [d for d in days if d >= 730] == []
    late = [d for d in days if 120 <= d < 730]
    assert 4 <= len(late) <= 7
    assert max(late) >= 365
