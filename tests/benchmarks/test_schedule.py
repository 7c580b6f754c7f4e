"""The checker finds every rule that is broken; the figures are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from benchmarks import schedule
from benchmarks.schedule_cases import Page, best_hours, drawn, greedy, optimum, plans_of, played, told_otherwise, violations
from revenue_engine.context import LATER_HOURS, CycleContext
from revenue_engine.pacing.schedule import HOUR, Plan
from revenue_engine.pacing.warm_up import Room
from revenue_engine.records.subscriber import PROVIDERS


def rules(context: CycleContext, pages: list[Page], plans: list[Plan]) -> set[str]:
    return set(violations(context, pages, plans))


def with_rows(page: Page, **columns: object) -> Page:
    rows = page.batch.rows.copy()
    for name, value in columns.items():
        rows[name] = value
    return replace(page, batch=replace(page.batch, rows=rows))


def with_controls(context: CycleContext, **changes: object) -> CycleContext:
    return replace(context, controls=context.controls.model_copy(update=changes))


def test_the_checker_finds_what_is_broken() -> None:
    context, batches = drawn(18, 600, 2)
    made = played(context, batches)
    plans = plans_of(made)
    assert min(len(of.row) for of in plans) > 10
    assert rules(context, made, plans) == set()
    now = int(context.now.timestamp())

    def told(**changes: object) -> list[Plan]:
        return [replace(of, **{name: getattr(of, name) + by for name, by in changes.items()}) for of in plans]

    again = [Plan(*(np.concatenate([getattr(of, name)] * 2) for name in ("row", "hour", "at", "price"))) for of in plans]
    assert {"twice"} <= rules(context, made, again)
    assert {"hour"} <= rules(context, made, told(at=HOUR))
    assert {"outside_hours"} <= rules(with_controls(context, enabled_weekdays=frozenset()), made, plans)
    ended = replace(context, offers=tuple(replace(of, live_until=context.now + timedelta(minutes=30)) for of in context.offers))
    assert {"expired"} <= rules(ended, made, plans)
    assert {"too_soon"} <= rules(context, [with_rows(page, recent_sends=now + 3_000) for page in made], plans)
    assert {"week"} <= rules(with_controls(context, max_emails_per_subscriber_per_week=0), made, plans)
    worthless = [replace(page, people=replace(page.people, worth=-page.people.worth)) for page in made]
    assert {"worthless"} <= rules(context, worthless, plans)
    assert {"hour_full"} <= rules(replace(context, spoken_for=(10**6,) * LATER_HOURS), made, plans)
    assert {"day_full"} <= rules(with_controls(replace(context, budget_left=0), max_daily_emails=0), made, plans)
    cold = replace(context, rooms={name: Room(0, 0) for name in PROVIDERS})
    assert {"provider_hour_full", "provider_day_full"} <= rules(cold, made, plans)
    assert sum(map(told_otherwise, made, plans)) == 0
    assert sum(map(told_otherwise, made, told(at=1))) == sum(len(of.row) for of in plans)


def test_a_second_page_that_knew_nothing_of_the_first_would_fill_its_hours_again() -> None:
    context, batches = drawn(18, 600, 2)
    tight = replace(with_controls(context, sends_per_minute=10), spoken_for=(590,) * LATER_HOURS)
    made = played(tight, batches)
    assert rules(tight, made, plans_of(made)) == set()
    blind = [replace(page, places=replace(page.places, hour=np.full(LATER_HOURS, 10))) for page in made]
    assert {"hour_full"} <= rules(tight, made, plans_of(blind))


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_nothing_is_above_the_bound(seed: int) -> None:
    (page,) = played(*drawn(seed, 200, 1))
    (made,) = plans_of([page])
    bound = optimum(page.people, page.places)
    assert page.people.worth[made.row, made.hour].sum() <= bound + 1e-6
    assert greedy(page.people, page.places) <= bound + 1e-6
    assert len(best_hours(page).row) == len(page.cut)


def test_the_table_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PEOPLE", 300), ("QUICK_CYCLES", 4), ("QUICK_BOUNDED", 4), ("BOUNDED_PEOPLE", 300)):
        monkeypatch.setattr(schedule, name, value)
    figures = schedule.measure(quick=True).figures
    assert figures["violations"] == 0
    assert figures["cases"] >= figures["mails"] > 0
    assert 0.9 < figures["share_of_lp_optimum"] <= 1.0
