"""The checker finds every rule that is broken; the figures are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import schedule
from benchmarks.schedule_cases import HOUR, drawn, greedy, optimum, people_of, violations
from revenue_engine.pacing.schedule import Plan, plan


def rules(case: object, made: Plan) -> set[str]:
    return set(violations(case, made))  # type: ignore[arg-type]


def test_the_checker_finds_what_is_broken() -> None:
    case = drawn(3, 200, 72)
    made = plan(people_of(case), case.places)
    assert len(made.row) > 10
    assert rules(case, made) == set()
    again = Plan(*(np.concatenate([getattr(made, name)] * 2) for name in ("row", "hour", "at", "price")))
    assert {"twice"} <= rules(case, again)
    assert {"outside_hours"} <= rules(case, replace(made, hour=made.hour + 0, at=made.at - 12 * HOUR))
    assert {"hour"} <= rules(case, replace(made, at=made.at + HOUR))
    assert {"expired"} <= rules(replace(case, ends_at=np.full(200, case.start)), made)
    assert {"too_soon"} <= rules(replace(case, recent_sends=np.full((200, 8), case.start - 60)), made)
    strict = case.controls.model_copy(update={"max_emails_per_subscriber_per_week": 0})
    assert {"week"} <= rules(replace(case, controls=strict), made)
    assert {"worthless"} <= rules(replace(case, worth=-case.worth), made)
    none = replace(case.places, hour=case.places.hour * 0, day=case.places.day * 0)
    assert {"hour_full", "day_full"} <= rules(replace(case, places=none), made)
    cold = replace(case.places, provider_hour=case.places.provider_hour * 0, provider_day=case.places.provider_day * 0)
    assert {"hour_full", "day_full"} <= rules(replace(case, places=cold), made)


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_nothing_is_above_the_bound(seed: int) -> None:
    case = drawn(seed, 50, 72)
    bound = optimum(case)
    made = plan(people_of(case), case.places)
    assert case.worth[made.row, made.hour].sum() <= bound + 1e-9
    assert greedy(case) <= bound + 1e-9


def test_the_table_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PEOPLE", 40), ("QUICK_WEEKS", 4), ("QUICK_BOUNDED", 6), ("BOUNDED_PEOPLE", 30), ("BOUNDED_HOURS", 48)):
        monkeypatch.setattr(schedule, name, value)
    figures = schedule.measure(quick=True).figures
    assert figures["violations"] == 0
    assert figures["cases"] == 160
    assert 0.9 < figures["share_of_lp_optimum"] <= 1.0
