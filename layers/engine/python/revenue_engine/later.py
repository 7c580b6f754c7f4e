"""When those come again whom a full cycle had no place for: planned together over the next two days, by all time rules and what is left of
every shared cap (`pacing.schedule`). Shapes: n rows of a page, m of them cut, H hours to come, P mailbox providers.

Everybody else wants a mail at a time of his own, in his best hour; only where too many meet have hours a price. So the plan is made for
the people whom a cap has just cut, the best of them first: they are worth a mail, and the question is when there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from revenue_engine.arrays import Bools, Ints
from revenue_engine.clock import day_in, epoch_seconds, midnight
from revenue_engine.context import LATER_HOURS, Cycle, CycleContext, first_later_hour
from revenue_engine.cycle import rhythm_at, today_of, when_next
from revenue_engine.draws import Stream, uniforms
from revenue_engine.offers.book import last_end
from revenue_engine.offers.choice import Positions
from revenue_engine.pacing.curve import taste_of
from revenue_engine.pacing.hours import local_seconds
from revenue_engine.pacing.minutes import CYCLE_MINUTES, PLANNED_SECONDS
from revenue_engine.pacing.next_time import frequency
from revenue_engine.pacing.schedule import HOUR, People, Places, permitted, plan
from revenue_engine.pacing.warm_up import CYCLES_OF_DAY
from revenue_engine.records.batch import Batch
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import PROVIDERS

MOST_PLANNED = 2_000  # of a page, the best: who stands behind so many waits by the rule of his reason (`pacing.next_time`)
CUT = ("daily_limit_reached", "velocity_limit", "provider_warm_up", "provider_rate")
_CYCLES_OF_HOUR = 60 // CYCLE_MINUTES
_DAYS = 4  # that the hours to come may touch
_PLENTY = np.int64(1) << 40


@dataclass(frozen=True, slots=True)
class Taken:
    """What a cycle's earlier pages have taken."""

    mails: tuple[int, ...] = (0,) * len(PROVIDERS)  # (P,) planned for the cycle itself
    later: tuple[int, ...] = (0,) * LATER_HOURS  # (H,) people whom they have put off to each hour

    @classmethod
    def at_first(cls, context: CycleContext) -> Taken:
        """Before the first page: the mails of another cycle that leave in the same minutes."""
        return cls(context.taken_before or cls().mails)

    def by_pages(self, context: CycleContext) -> tuple[int, ...]:
        """(P,) mails without that other cycle's, which has paid for them."""
        return _sum(self.mails, -np.array(context.taken_before or 0, dtype=np.int64))

    def and_then(self, decisions: Decisions, cycle: Cycle) -> Taken:
        """With what one more page took, as `grant` leaves it."""
        mails = np.bincount(decisions.provider[decisions.mail], minlength=len(PROVIDERS))
        hour = (decisions.next_decision_at - first_later_hour(cycle.now)) // HOUR
        put_off = hour[_was_cut(decisions, cycle) & (hour >= 0) & (hour < LATER_HOURS)]
        return Taken(_sum(self.mails, mails), _sum(self.later, np.bincount(put_off, minlength=LATER_HOURS)))


def come_again(decisions: Decisions, batch: Batch, cycle: Cycle, taken: Taken, *, cut: Positions) -> Ints:
    """When the rows `cut` (m,), best first, are decided next: epoch seconds, (m,).

    Parameters
    ----------
    decisions
        Of the page, with the mails that found a place and the reasons of those that did not.
    """
    whole = when_next(_rows(batch, cut), cycle, decisions.reason[cut], offers_end=_offers_end(decisions, cycle, cut))
    made = plan(*asked(decisions, batch, cycle, taken, cut=cut))
    whole[made.row] = made.at
    return whole


def asked(decisions: Decisions, batch: Batch, cycle: Cycle, taken: Taken, *, cut: Positions) -> tuple[People, Places]:
    """Of the rows `cut`, best first, those for whom a plan is made, and what is left for them once this page's mails have left."""
    some = cut[:MOST_PLANNED]
    return _people(decisions, _rows(batch, some), cycle, some), _places(decisions, cycle, taken)


def _people(decisions: Decisions, batch: Batch, cycle: Cycle, rows: Positions) -> People:
    controls, start, zones = cycle.context.controls, first_later_hour(cycle.now), batch.column("zone")
    offset = (uniforms(cycle.key, batch.column("draw_key"), Stream.JITTER) * HOUR).astype(np.int64)
    at = start + offset[:, None] + HOUR * np.arange(LATER_HOURS)
    hour = local_seconds(zones, at) // HOUR
    factor = taste_of(batch, cycle.week).at(hour) * (cycle.week.days[hour // 24] / today_of(batch, cycle)[:, None])
    # the index as it was found today, with the hour's share of the revenue; waiting costs mails
    revenue = decisions.row_value_micros[rows] + controls.cost_per_email_micros
    worth = decisions.row_index_micros[rows, None] + revenue[:, None] * (factor - 1.0)
    last, gap = batch.column("last_send_at").astype(np.int64), rhythm_at(batch, cycle).gap_seconds
    often = frequency(at, last_send_at=last, gap_seconds=gap, controls=controls)
    return People(
        worth=worth * often,
        permitted=permitted(
            zones,
            offset,
            _offers_end(decisions, cycle, rows),
            start=start,
            hours=LATER_HOURS,
            controls=controls,
            for_seconds=PLANNED_SECONDS,
        ),
        offset=offset,
        provider=decisions.provider[rows].astype(np.intp),
    )


def _offers_end(decisions: Decisions, cycle: Cycle, rows: Positions) -> Ints:
    """When the last of the offers ends that a row may get, whichever it was to be, (m,)."""
    eligible = np.unpackbits(decisions.eligible[rows], axis=1, count=len(cycle.book.arms)).astype(np.bool_)
    return last_end(cycle.book, eligible)


def _places(decisions: Decisions, cycle: Cycle, taken: Taken) -> Places:
    """What is left of every cap once this page's mails have left."""
    context, controls, start = cycle.context, cycle.context.controls, first_later_hour(cycle.now)
    mine = np.array(_sum(taken.mails, np.bincount(decisions.provider[decisions.mail], minlength=len(PROVIDERS))))
    today = day_in(context.now, controls.zone)
    day_ends = [epoch_seconds(midnight(today + timedelta(days=n), controls.zone)) for n in range(1, _DAYS + 1)]
    rooms = [context.rooms.get(name) for name in PROVIDERS]
    by_hour = [_CYCLES_OF_HOUR * room.cycle if room else _PLENTY for room in rooms]
    of_day = np.array(
        [CYCLES_OF_DAY * room.cycle if room else _PLENTY for room in rooms]
    )  # tomorrow as today: nobody knows it to be more
    left = np.array([room.today if room else _PLENTY for room in rooms]) - mine
    spent = bool(
        (decisions.reason == NUMBER_OF["daily_limit_reached"]).any()
    )  # others reserve too, beside what was left at the start
    spoken_for = np.array(context.spoken_for or (0,) * LATER_HOURS, dtype=np.int64) + np.array(taken.later)
    return Places(
        start=start,
        hour=np.maximum(60 * controls.sends_per_minute - spoken_for, 0),
        provider_hour=np.repeat(np.array(by_hour, dtype=np.int64)[:, None], LATER_HOURS, axis=1),
        day_ends=np.array(day_ends),
        day=np.array(
            [
                0 if spent else max(context.budget_left - int(mine.sum()) + sum(context.taken_before), 0),
                *[controls.max_daily_emails] * (_DAYS - 1),
            ]
        ),
        provider_day=np.array([np.maximum(left, 0), *[of_day] * (_DAYS - 1)], dtype=np.int64).T,
    )


def _was_cut(decisions: Decisions, cycle: Cycle) -> Bools:
    """By rank. Who found the day's budget spent is wanted tomorrow only if he beats tomorrow's price."""
    names = CUT if cycle.context.budget_left > 0 else CUT[1:]
    return np.isin(decisions.reason, [NUMBER_OF[name] for name in names])


def _rows(batch: Batch, rows: Positions) -> Batch:
    return Batch(batch.subscriber[rows], batch.rows[rows], batch.decided_at[rows])


def _sum(one: Sequence[int], other: Ints) -> tuple[int, ...]:
    return tuple((np.array(one, dtype=np.int64) + other).tolist())
