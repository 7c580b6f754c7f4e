"""Who of those that decide would mail gets a place: within the day's budget, the cycle's minutes and what mailbox providers take; and
the minute each leaves at, or until when it waits for a person. Shapes: n rows of a page, P mailbox providers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from revenue_engine.arrays import Codes, Ints
from revenue_engine.clock import day_in
from revenue_engine.context import Cycle
from revenue_engine.cycle import lets_leave, today_of
from revenue_engine.draws import Stream, hashes
from revenue_engine.later import Taken, come_again
from revenue_engine.pacing.minutes import span_minutes
from revenue_engine.pacing.places import fitting, without_place
from revenue_engine.pacing.price import histogram
from revenue_engine.pacing.spread import minutes
from revenue_engine.pacing.weekdays import days_ahead
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy
from revenue_engine.records.decisions import NONE, Decisions
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import ARMS, PROVIDERS

NOTHING_TAKEN = Taken()
_WANTED = ("revenue_opportunity", "exploration", "ghost", "below_shadow_price", "daily_limit_reached", "velocity_limit")
_WANTED_ON_OTHER_DAYS = ("negative_long_term_value",)
_ENGINE, _FIXED = ARMS.index("engine"), ARMS.index("fixed")


def supply_of(decisions: Decisions, batch: Batch, cycle: Cycle) -> Ints:
    """A histogram (pacing.price) of what people like these will bid at the same hour of the next day on which the org mails, a day of the
    week that may be worth more or less to them: the indices of those whom the engine would mail at no price if there were budget for
    all. As `grant` leaves them, for who finds no room with his mailbox provider bids for none of the budget either. While the breaker is
    half open the share of people who are let through stands for all: the price of the next day is no trickle's."""
    names = (*_WANTED, *_WANTED_ON_OTHER_DAYS)
    wanted = np.isin(decisions.reason, [NUMBER_OF[name] for name in names]) & (decisions.policy == _ENGINE)
    ahead = days_ahead(day_in(cycle.context.now, cycle.context.controls.zone), cycle.context.controls.enabled_weekdays)
    value = decisions.row_value_micros + cycle.context.controls.cost_per_email_micros
    gained = np.rint(value * (today_of(batch, cycle, ahead=ahead) / today_of(batch, cycle) - 1.0)).astype(np.int64)
    bids = histogram(decisions.row_index_micros + gained, wanted)
    return np.rint(bids / cycle.context.let_through_share).astype(np.int64)


def places(decisions: Decisions, cycle: Cycle, taken: Taken) -> int:
    """How many mails of a page the cycle can carry, by velocity and mailbox providers, after what its earlier pages took."""
    return min(fitting(decisions.mail, decisions.provider, room=_provider_room(cycle, taken)), _cycle_room(cycle, taken))


def first_served(decisions: Decisions, rows: Ints) -> Ints:
    """These rows in the order in which they find room, wherever there is too little of it: the fixed policy's few come first, so that the
    engine's wishes do not thin out what it is measured against; then the best by the row's index, whichever arm was drawn (D4), equals
    by a keyed draw."""
    return rows[np.lexsort((decisions.rank[rows], -decisions.row_index_micros[rows], decisions.policy[rows] != _FIXED))]


def grant(decisions: Decisions, batch: Batch, cycle: Cycle, granted: int, *, taken: Taken = NOTHING_TAKEN) -> Decisions:
    """Keep the sends that got a place in the day's budget, and give each its minute. D6: never more than `granted`.

    They come in the order of `first_served`. Mails beyond what their mailbox provider takes wait for its room, those beyond what the
    cycle can carry for a later one. A ghost uses no budget, and is lost only behind mails that are (so its draw and the cut do not
    mix, but for the one row at the very edge of a cut). Under autonomy = approval the mails wait for a person, and their people are due
    again when that time is over.

    Parameters
    ----------
    granted
        Mails of this page that the day's budget pays for.
    taken
        What the cycle's earlier pages have taken.
    """
    controls = cycle.context.controls
    room, of_provider = _cycle_room(cycle, taken), _provider_room(cycle, taken)
    wanted = places(decisions, cycle, taken)
    ghost_mail = decisions.ghost & lets_leave(cycle.context.autonomy, decisions.canary)
    rows = np.flatnonzero(decisions.mail | ghost_mail)
    order = first_served(decisions, rows)
    full, late = without_place(decisions.mail[order], decisions.provider[order], room=of_provider, most=min(granted, room))
    lost = order[full | late]

    reason = decisions.reason.copy()
    reason[order[late]] = NUMBER_OF["daily_limit_reached" if granted < wanted else "velocity_limit"]
    reason[order[full]] = _why_full(cycle)[decisions.provider[order[full]]]
    kept = np.ones(len(decisions), dtype=np.bool_)
    kept[lost] = False
    mail = decisions.mail & kept
    minute = np.full(len(decisions), NONE, dtype=np.int16)
    leaving = np.flatnonzero(mail)
    order_of_minutes = hashes(cycle.key, batch.column("draw_key")[leaving], Stream.MINUTE)
    minute[leaving] = minutes(
        order_of_minutes,
        decisions.provider[leaving],
        per_minute=controls.sends_per_minute,
        taken=sum(taken.mails),
        span=span_minutes(cycle.context.now, controls.zone),
    )
    nothing = np.where(kept, 1.0, np.nan)
    left = replace(
        decisions,
        send=decisions.send & kept,
        mail=mail,
        ghost=decisions.ghost & kept,
        explored=decisions.explored & kept,
        reason=reason,
        arm=np.where(kept, decisions.arm, NONE).astype(np.int32),
        considered=np.where(kept, decisions.considered, decisions.arm).astype(np.int32),
        # cut by rank, whatever arm was drawn: a deterministic skip, outside the support of off-policy evaluation (D2)
        epsilon=np.where(kept, decisions.epsilon, 0.0),
        propensity_joint=np.where(kept, decisions.propensity_joint, 1.0),
        propensity_send=np.where(kept, decisions.propensity_send, 1.0),
        propensity_offer=decisions.propensity_offer * nothing,
        propensity_content=decisions.propensity_content * nothing,
        p_open=decisions.p_open * nothing,
        p_click=decisions.p_click * nothing,
        p_conversion=decisions.p_conversion * nothing,
        payout_micros=np.where(kept, decisions.payout_micros, 0),
        expected_revenue_micros=np.where(kept, decisions.expected_revenue_micros, 0),
        index_micros=np.where(kept, decisions.index_micros, 0),
        considered_index_micros=np.where(kept, decisions.considered_index_micros, decisions.index_micros),
        minute=minute,
    )
    again = decisions.next_decision_at.copy()
    if len(lost):
        again[lost] = come_again(left, batch, cycle, taken, cut=lost)
    if cycle.context.autonomy is Autonomy.APPROVAL:
        again[leaving] = waits_until(cycle)
    return replace(left, next_decision_at=again)


def waits_until(cycle: Cycle) -> int:
    """When the cycle's plans expire under autonomy = approval, epoch seconds: those whom nobody let them mail are due again."""
    return cycle.now + cycle.context.controls.approval_valid_hours * 3_600


def _cycle_room(cycle: Cycle, taken: Taken) -> int:
    """How many mails the cycle can still carry: its minutes on the org's day at the velocity, less what earlier pages took."""
    controls = cycle.context.controls
    return max(0, span_minutes(cycle.context.now, controls.zone) * controls.sends_per_minute - sum(taken.mails))


def _provider_room(cycle: Cycle, taken: Taken) -> Ints:
    """The same of each mailbox provider, (P,)."""
    rooms = [cycle.context.rooms.get(name) for name in PROVIDERS]
    most = [min(room.today, room.cycle) if room else np.iinfo(np.int64).max for room in rooms]
    return np.maximum(np.array(most, dtype=np.int64) - np.array(taken.mails, dtype=np.int64), 0)


def _why_full(cycle: Cycle) -> Codes:
    """What binds each mailbox provider, (P,): its day or its quarter of an hour."""
    rooms = [cycle.context.rooms.get(name) for name in PROVIDERS]
    return np.array([NUMBER_OF[room.what_binds if room else "provider_rate"] for room in rooms], dtype=np.uint8)
