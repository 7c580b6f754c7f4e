"""Whom a full cycle had no place for comes again when there is room: inside every rule of his own, and no hour or day is promised twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.audit import receipts, replay, taken_of
from revenue_engine.context import LATER_HOURS, Cycle, CycleContext, first_later_hour, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import NOTHING_TAKEN, grant, places
from revenue_engine.later import MOST_PLANNED, Taken
from revenue_engine.pacing.warm_up import CYCLES_OF_DAY, Room
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import PROVIDERS, RECENT
from revenue_engine.records.zones import ZONES
from revenue_engine.snapshot import save_context, save_page
from tests.core_cases import DAY, HOUR, NOW, OFFERS, PLAIN, PRIOR, T, a_context, a_page, a_row, an_offer, many, names, same

CUT = {"daily_limit_reached", "velocity_limit", "provider_warm_up", "provider_rate"}
SLOW = Controls(ghost_share=0.0, sends_per_minute=10)


def played(page: Batch, context: CycleContext, *, granted: int = 10**6, taken: Taken = NOTHING_TAKEN) -> tuple[Decisions, Cycle]:
    cycle = prepare(context)
    before = decide_batch(page, cycle)
    return grant(before, page, cycle, min(granted, places(before, cycle, taken)), taken=taken), cycle


def cut(decisions: Decisions) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(np.array(names(decisions.reason)), list(CUT))


def by_hour(decisions: Decisions) -> list[int]:
    """People who were cut, by hour to come."""
    hour = (decisions.next_decision_at[cut(decisions)] - first_later_hour(T)) // HOUR
    return [int(n) for n in np.bincount(hour, minlength=LATER_HOURS)]


def test_a_queue_is_spread_over_the_hours_that_can_carry_it() -> None:
    """150 leave, and an hour carries 600: nobody is told to come when the hour is full."""
    after, _ = played(many(2_000), a_context(controls=SLOW, budget_left=10_000))
    assert after.mail.sum() == 150
    assert by_hour(after)[:4] == [600, 600, 600, 50]  # the earlier the better: no hour is like another but for the wait


def test_hours_that_others_will_fill_are_left_to_them() -> None:
    busy = (600, 350, *(0,) * (LATER_HOURS - 2))
    after, _ = played(many(600), a_context(controls=SLOW, budget_left=10_000, spoken_for=busy))
    assert by_hour(after)[:3] == [0, 250, 200]


def test_later_pages_know_whom_earlier_ones_put_off() -> None:
    context = a_context(controls=SLOW, budget_left=10_000)
    first, cycle = played(many(700), context)
    taken = NOTHING_TAKEN.and_then(first, cycle)
    assert (sum(taken.mails), taken.later[:2]) == (150, (550, 0))
    second, _ = played(many(200), context, taken=taken)
    assert second.mail.sum() == 0
    assert by_hour(second)[:2] == [50, 150]


def test_who_finds_the_budget_spent_is_not_put_off_by_plan() -> None:
    after, cycle = played(many(300), a_context(budget_left=0))
    assert (after.reason == NUMBER_OF["daily_limit_reached"]).all()
    assert sum(NOTHING_TAKEN.and_then(after, cycle).later) == 0


def test_the_best_come_first_and_who_has_a_better_hour_waits_for_it() -> None:
    page = a_page([a_row(i + 1, peak_hour=20 if i % 2 else -1) for i in range(300)])
    after, _ = played(page, a_context(controls=SLOW, budget_left=10_000))
    at = after.next_decision_at[cut(after)]
    evening = np.array([datetime.fromtimestamp(moment, UTC).hour for moment in at.tolist()])
    declared = page.column("peak_hour")[cut(after)] == 20
    assert (np.abs(evening[declared] - 20) <= 2).all()
    assert (at[~declared] <= T + 3 * HOUR).all()


@pytest.mark.parametrize(
    ("wednesday", "thursday", "waits"),
    [(1.0, 2.0, True), (2.0, 1.0, False), (2.0, 2.4, True), (2.0, 2.14, True), (2.0, 2.08, False), (2.4, 2.4, False)],
)
def test_who_is_cut_is_put_off_to_a_better_day_where_it_is_worth_the_wait(wednesday: float, thursday: float, waits: bool) -> None:
    """Today's index has today's share of the revenue already: a good day is no reason to wait for one that is as good, or less."""
    hours = np.repeat([1.0, 1.0, wednesday, thursday, 1.0, 1.0, 1.0], 24)
    bundle = replace(PLAIN, parts=replace(PLAIN.parts, hours=hours))
    after, _ = played(many(400), a_context(controls=SLOW, budget_left=10_000, bundle=bundle))
    at = after.next_decision_at[cut(after)]
    assert len(at) == 250
    tomorrow = [datetime.fromtimestamp(moment, UTC).weekday() == 3 for moment in at.tolist()]
    # last mailed five days ago, to wait until Thursday's first hour costs an eighth of the mails; of a Wednesday worth twice a day's
    # mail, the index is 0.43 of the revenue: 1 + 0.07 / 0.43 of it is more than that, and 1 + 0.04 / 0.43 is less
    assert set(tomorrow) == {waits}
    if thursday == wednesday:
        plain, _ = played(many(400), a_context(controls=SLOW, budget_left=10_000))
        assert (after.next_decision_at == plain.next_decision_at).all()


def test_a_spent_day_promises_nothing_more_today_and_no_more_than_a_day_tomorrow() -> None:
    controls = Controls(ghost_share=0.0, max_daily_emails=100)
    after, _ = played(many(400), a_context(controls=controls, budget_left=30), granted=30)
    at = after.next_decision_at[cut(after)]
    midnight = T + 12 * HOUR
    assert at.min() >= midnight
    assert after.mail.sum() == 30


def test_who_stands_behind_the_planned_ones_waits_by_the_rule_of_his_reason() -> None:
    after, _ = played(many(MOST_PLANNED + 1_000), a_context(controls=SLOW, budget_left=10_000))
    assert cut(after).sum() == MOST_PLANNED + 850
    assert (after.next_decision_at[cut(after)] >= T + HOUR).all()
    assert max(by_hour(after)) > 600  # those behind, who come by chance


def test_what_is_not_cut_is_as_it_was() -> None:
    page = many(300)
    cycle = prepare(a_context(controls=SLOW))
    before = decide_batch(page, cycle)
    after = grant(before, page, cycle, 100)
    assert (after.next_decision_at[after.mail] == before.next_decision_at[after.mail]).all()


# --- every rule at once -----------------------------------------------------------------------------------------------------
@st.composite
def weeks(draw: st.DrawFn) -> tuple[Batch, CycleContext]:
    """A page at some moment near a change of clocks, and caps that bind."""
    seed = draw(st.integers(0, 10**6))
    random = np.random.default_rng(seed)
    day = draw(
        st.sampled_from(["2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31", "2026-04-04", "2026-09-05", "2026-06-10"])
    )
    now = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(minutes=15 * draw(st.integers(0, 95)))
    at = int(now.timestamp())
    first, last = sorted(random.choice(25, 2, replace=False).tolist())
    controls = Controls(
        zone=str(random.choice(ZONES)),
        ghost_share=0.0,
        sends_per_minute=10,
        max_daily_emails=200,
        sending_hours_start=min(first, 12),
        sending_hours_end=max(last, 14),
        enabled_weekdays=frozenset(int(d) for d in random.choice(7, 6, replace=False)),
        max_emails_per_subscriber_per_week=int(random.integers(1, 5)),
        min_hours_between_emails=int(random.integers(12, 73)),
    )
    zones = random.integers(0, len(ZONES), 4)
    rows = []
    for i in range(260):
        sends = [at - int(back) for back in np.cumsum(random.integers(DAY, 4 * DAY, int(random.integers(0, 6))))]
        rows.append(
            a_row(
                i + 1,
                decayed_at=at,
                zone=int(random.choice(zones)),
                provider=int(random.integers(0, 5)),
                peak_hour=int(random.integers(-1, 24)),
                created_at=at - 99 * DAY,
                last_human_click_at=at - 2 * DAY,
                first_send_at=sends[-1] if sends else 0,
                last_send_at=sends[0] if sends else 0,
                recent_sends=(*sends, *(0,) * (RECENT - len(sends))),
            )
        )
    rooms = {name: Room(today=int(random.integers(0, 40)), cycle=int(random.integers(1, 12))) for name in PROVIDERS[:3]}
    context = a_context(
        now=now,
        controls=controls,
        budget_left=int(random.integers(1, 90)),
        rooms=rooms,
        spoken_for=tuple(random.integers(0, 620, LATER_HOURS).tolist()),
        offers=(*OFFERS[:2], an_offer(104, live_until=now + timedelta(hours=int(random.integers(2, 30))))),
    )
    return a_page(rows), context


@settings(max_examples=60, deadline=None)
@given(weeks())
def test_a_cycle_plans_no_mail_that_a_rule_forbids_and_promises_no_place_twice(week: tuple[Batch, CycleContext]) -> None:
    page, context = week
    controls, at = context.controls, int(context.now.timestamp())
    after, cycle = played(page, context, granted=context.budget_left)
    # what leaves now
    assert after.mail.sum() <= min(context.budget_left, 10 * 15)
    for name, room in context.rooms.items():
        assert (after.mail & (after.provider == PROVIDERS.index(name))).sum() <= min(room.today, room.cycle)
    for row in np.flatnonzero(after.mail).tolist():
        leaves = at + 60 * int(after.minute[row])
        assert allowed(page, row, leaves, controls)
    # who is put off: inside his rules at that very moment, and an hour away at least
    put_off = np.flatnonzero(cut(after))
    assert (after.next_decision_at[put_off] >= at + HOUR).all()
    start = first_later_hour(at)
    planned = [row for row in put_off.tolist() if start <= after.next_decision_at[row] < start + LATER_HOURS * HOUR]
    for row in planned:
        assert allowed(page, row, int(after.next_decision_at[row]), controls)
    taken = NOTHING_TAKEN.and_then(after, cycle)
    assert sum(taken.later) == len(planned)
    # the same once more, and as it is replayed
    again, _ = played(page, context, granted=context.budget_left)
    assert same(after, again)


def allowed(page: Batch, row: int, leaves: int, controls: Controls) -> bool:
    """The rules of the sender's last look, by `datetime`; hours and days with a quarter of an hour to spare but where a clock skips."""
    there = datetime.fromtimestamp(leaves, ZoneInfo(ZONES[int(page.column("zone")[row])]))
    sends = [at for at in page.column("recent_sends")[row].tolist() if at]
    return (
        there.weekday() in controls.enabled_weekdays
        and controls.sending_hours_start <= there.hour < controls.sending_hours_end
        and (not sends or leaves - max(sends) >= controls.min_hours_between_emails * HOUR)
        and sum(at > leaves - 7 * DAY for at in sends) < controls.max_emails_per_subscriber_per_week
    )


@pytest.mark.parametrize("taken", [NOTHING_TAKEN, Taken((9, 0, 3, 0, 0), (0, 40, *(0,) * (LATER_HOURS - 2)))])
def test_a_cut_page_is_replayed_to_the_byte(taken: Taken) -> None:
    page, context = many(400, peak_hour=17), a_context(controls=SLOW, rooms={"gmail": Room(5, 5)}, spoken_for=(1,) * LATER_HOURS)
    after, cycle = played(page, context, taken=taken)
    keys: dict[str, Any] = {"page_key": "p", "context_key": "c"}
    stored = receipts(after, page, cycle, granted=100, taken=taken, **keys)
    granted = int(after.mail.sum())
    assert {taken_of(json.loads(line)) for line in stored.splitlines()} == {taken}
    decisions, batch, again = replay(save_page(page), save_context(context), PRIOR, granted=granted, taken=taken)
    assert same(decisions, replace(after, subscriber=decisions.subscriber))
    assert receipts(decisions, batch, again, granted=100, taken=taken, **keys) == stored


def test_nobody_is_put_off_before_the_next_full_hour_but_one() -> None:
    for minute in (0, 15, 30, 45):
        now = int((NOW + timedelta(minutes=minute)).timestamp())
        assert now + HOUR <= first_later_hour(now) < now + 2 * HOUR
        assert first_later_hour(now) % HOUR == 0


def test_an_allowance_of_tomorrow_is_no_more_than_today_s() -> None:
    room = Room(today=10, cycle=10)
    context = a_context(controls=Controls(ghost_share=0.0), rooms={"gmail": room}, budget_left=10_000)
    after, _ = played(many(400, provider=1), context)
    assert after.mail.sum() == 10
    tomorrow = after.next_decision_at[cut(after)]
    assert tomorrow.min() >= T + 12 * HOUR
    horizon = first_later_hour(T) + LATER_HOURS * HOUR
    assert (tomorrow < horizon).sum() <= CYCLES_OF_DAY * room.cycle + 230  # those the plan had no place for come by chance
