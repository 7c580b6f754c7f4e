"""A page that breaks: what the world does then, and how leaving is counted."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from workbench.simulation.study import broken
from workbench.simulation.study.broken import BREAKS_AT_HOUR, Leaving, Scene, leave
from workbench.simulation.study.engine.engine import Engine
from workbench.simulation.worlds import DayEvents, Kind

SCENE = Scene(700, 12, 4)


def test_after_the_break_clicks_go_on_and_nothing_is_sold(monkeypatch: pytest.MonkeyPatch) -> None:
    clicks: Counter[int] = Counter()
    sent_on: Counter[tuple[int, int]] = Counter()
    told = Engine.told
    hours: list[float] = []

    def listening(self: Engine, events: DayEvents, day: int) -> None:
        hours.extend((events.at // 3_600).tolist())
        for row in events.of(Kind.CLICK).offer.tolist():
            clicks[row] += day > SCENE.days_before
        sold = events.of(Kind.CONVERSION)
        for offer, sent in zip(sold.offer.tolist(), sold.sent_day.tolist(), strict=True):
            sent_on[offer, sent] += 1
        told(self, events, day)

    monkeypatch.setattr(Engine, "told", listening)
    found = leave(1, SCENE)
    assert clicks[found.offer] > 50
    # of mails sent on the day after the break and later, every click comes too late
    assert not any(sent > SCENE.days_before for offer, sent in sent_on if offer == found.offer)
    assert any(sent > SCENE.days_before for offer, sent in sent_on if offer != found.offer)
    assert any(sent < SCENE.days_before for offer, sent in sent_on if offer == found.offer)
    assert hours == sorted(hours), "news comes in its hour"
    assert 0.05 < found.former_share < 0.8 and found.clicks_per_day > 10
    assert found == leave(1, SCENE), "the same every time"


def test_who_leaves_is_counted_from_the_break_and_for_a_day() -> None:
    """Mails at hours 1, 3, 5, ... after it; the offer has 40 of 100 until hour 31, then 3, with one relapse at hour 33."""
    hours = np.arange(96)
    all_mails = np.where(hours % 2 == 1, 100, 0)
    own = np.where(hours % 2 == 1, np.where(hours < 31, 40, 3), 0)
    assert broken._left_after(own, all_mails, 0.04) == 31.0
    own[33] = 40  # the day from 31 on then has 73 of 1,200
    assert broken._left_after(own, all_mails, 0.04) == 35.0
    assert math.isinf(broken._left_after(own, all_mails, 0.01))


def test_the_engines_own_test_sees_a_page_that_sells_nothing() -> None:
    """Eight clicks an hour and a sale every other one, then none: within two days of a dozen sales that do not come."""
    look = broken._Look(24, 2)
    look._clicks[:] = 8
    look._conversions[:, ::2] = 1
    look._conversions[20:, :, 0] = 0
    flagged = [(day, hour) for day in range(20, 23) for hour in range(24) if 0 in look.flagged(day, hour, {})]
    assert flagged and (20, 11) < flagged[0] < (21, 20)
    assert not any(1 in look.flagged(day, 23, {}) for day in (20, 21))
    # once stopped, what it was clicked before is forgotten
    day, hour = flagged[0]
    assert look.flagged(day, hour + 1, {0: 24 * day + hour + 1}) == set()


def test_too_few_days_before_it_are_refused() -> None:
    with pytest.raises(ValueError, match="days_before"):
        leave(0, Scene(50, 9, 2))
    assert BREAKS_AT_HOUR < 24 and Leaving(0, 0, 0.1, 1.0, 2.0, 3, 0.5, math.inf).document()["flagged_hours"] == math.inf
