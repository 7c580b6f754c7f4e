"""One decision cycle over one page: pure, and the same however often and in whatever pages it is run (D1, D6).

rails → choice of an arm → floor and price → randomised skips → when next. Whether a row is sent depends on what is known of it,
never on the arm the lottery drew; so the logged propensities are exact (D2), and neither floor, price nor budget can veto an arm that
exploration drew. Whether a reader is worth a mail at all is asked of expectations: where every offer open to him is doubtful, it is the
fixed policy's mails that go on learning of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Codes, Floats, Ints, Keys
from revenue_engine.context import Cycle
from revenue_engine.draws import Stream, hashes, uniforms
from revenue_engine.offers import choice
from revenue_engine.offers.book import last_end
from revenue_engine.pacing.curve import taste_of
from revenue_engine.pacing.hours import in_hours, local_seconds
from revenue_engine.pacing.index import Prices, fatigue_of, prices
from revenue_engine.pacing.minutes import CYCLE_SECONDS
from revenue_engine.pacing.next_time import next_decision_at
from revenue_engine.pacing.reentry import Rhythm, rhythm_of
from revenue_engine.prediction.rates import by_segment
from revenue_engine.prediction.segments import engagement_score, planned_sends, risk, segment_of
from revenue_engine.prospects import Prospects, look, offers_open
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy
from revenue_engine.records.decisions import NONE, Decisions
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import ARMS, PROVIDERS
from revenue_engine.safety.rails import PASSED, Facts, first_failing

FIXED_GAP_SECONDS = 7 * 86_400  # the fixed policy is a weekly newsletter
_MOST_MICROS = 2.0**62  # amounts below it are whole numbers, and so are their differences
# reasons of whom there was a mail for: what it is worth, or the day's budget, refused it
_WEIGHED = [
    NUMBER_OF[name]
    for name in ("predicted_revenue_too_low", "negative_long_term_value", "daily_limit_reached", "below_shadow_price")
]
_ENGINE, _FIXED, _NO_MAIL = (ARMS.index(name) for name in ("engine", "fixed", "no_mail"))


def decide_batch(batch: Batch, cycle: Cycle) -> Decisions:
    """Decide every row of a page, (n,). Sends still need their budget: `grant`."""
    controls = cycle.context.controls
    cost, price = controls.cost_per_email_micros, cycle.context.price.lambda_micros
    keys = batch.column("draw_key").astype(np.uint64)
    policy = batch.column("arm").astype(np.uint8)
    segment = segment_of(batch, cycle.now).astype(np.intp)
    facts = _facts(batch, cycle, segment)
    reason = first_failing(facts, now=cycle.now, controls=controls)
    open_offers = offers_open(batch, cycle)
    eligible = open_offers[:, cycle.book.offer_of_arm]

    # what passed the rails is looked at; none of a row's prospects depends on the arm that will be drawn
    asked = np.flatnonzero(reason == PASSED)
    those = Batch(batch.subscriber[asked], batch.rows[asked], batch.decided_at[asked])
    seen = look(those, cycle, segment[asked], open_offers[asked])
    future = _future(those, cycle, seen, facts, asked)
    of_engine = facts.engine[asked]
    hazard, fatigue, complaint, lapse = map(_micros, (future.hazard, future.fatigue, future.complaint, future.lapse))
    # of the whole micros that are logged, so that a receipt adds up
    toll = cost + np.where(of_engine, hazard + fatigue + complaint + lapse, 0)
    worth = _micros(seen.value)
    index = worth - toll
    why = np.full(len(asked), PASSED, dtype=np.uint8)
    for name, failed in (
        ("no_suitable_offer", seen.votes.sum(axis=1) == 0),
        # fail closed (D5): a sum that is no number is neither above nor below anything
        ("worth_unknown", ~(_is_sum(seen.value) & _is_sum(seen.upper) & _is_sum(future.total) & _is_sum(future.value_now))),
        ("predicted_revenue_too_low", of_engine & (_micros(seen.upper) < controls.min_revenue_per_email_micros)),
        ("negative_long_term_value", of_engine & (index <= 0)),
        # behind what is known of the row: whoever finds the day's budget spent bids for tomorrow's all the same
        ("daily_limit_reached", np.full(len(asked), cycle.context.budget_left <= 0)),
        ("below_shadow_price", of_engine & (index <= price)),
    ):
        why = np.where((why == PASSED) & failed, np.uint8(NUMBER_OF[name]), why)
    reason[asked] = why

    go, chosen = np.flatnonzero(why == PASSED), asked[why == PASSED]
    pick = _pick(batch.decided_at[chosen], cycle, seen, go, policy[chosen], keys[chosen])
    fixed = policy[chosen] == _FIXED
    ghost = ~fixed & (uniforms(cycle.key, keys[chosen], Stream.GHOST) < controls.ghost_share)
    send_share = np.where(fixed, 1.0, 1.0 - controls.ghost_share)
    reason[chosen] = np.select(
        [ghost, fixed, pick.explored],
        [np.uint8(NUMBER_OF[name]) for name in ("ghost", "fixed_policy", "exploration")],
        np.uint8(NUMBER_OF["revenue_opportunity"]),
    )
    joint = np.where(ghost, controls.ghost_share, send_share * pick.offer * pick.content)
    expected = _micros(seen.revenue[go, pick.arm])

    # of whom a sum of money refused, too, it is logged which mail it was, and what came next
    refused = np.flatnonzero(np.isin(why, _WEIGHED))
    considered, by_fixed = seen.first[refused], ~of_engine[refused]
    considered[by_fixed] = _of_fixed(seen, refused[by_fixed], cycle)
    weighed = np.concatenate([go, refused])
    first, second = seen.first[weighed], seen.second[weighed]
    second = np.where(first == np.concatenate([pick.arm, considered]), second, first)
    behind = np.where(second >= 0, _micros(seen.revenue[weighed, second]) - toll[weighed], 0)

    n = len(batch)
    of_asked, of_chosen, of_refused, of_weighed = (_Spread(n, rows) for rows in (asked, chosen, asked[refused], asked[weighed]))
    send = of_chosen(~ghost, False)
    canary = uniforms(cycle.canary_key, keys, Stream.CANARY) < controls.canary_share
    return Decisions(
        subscriber=batch.subscriber,
        send=send,
        mail=send & lets_leave(cycle.context.autonomy, canary),
        ghost=of_chosen(ghost, False),
        canary=canary,
        explored=of_chosen(pick.explored, False),
        reason=reason,
        policy=policy,
        segment=segment.astype(np.uint8),
        provider=batch.column("provider").astype(np.uint8),
        arm=of_chosen(pick.arm.astype(np.int32), NONE),
        considered=of_refused(considered.astype(np.int32), NONE),
        runner_up=of_weighed(second.astype(np.int32), NONE),
        eligible=np.packbits(eligible, axis=1),
        epsilon=of_chosen(pick.epsilon, 0.0),
        propensity_joint=of_chosen(joint, 1.0),
        propensity_send=of_chosen(send_share, 1.0),
        propensity_offer=of_chosen(pick.offer, np.nan),
        propensity_content=of_chosen(pick.content, np.nan),
        p_open=of_chosen(cycle.p_open[segment[chosen], pick.arm], np.nan),
        p_click=of_chosen(seen.click[go, pick.arm], np.nan),
        p_conversion=of_chosen(seen.sale[go, pick.arm] / seen.click[go, pick.arm], np.nan),
        churn_risk=facts.churn_risk,
        complaint_risk=facts.complaint_risk,
        engagement=facts.engagement,
        payout_micros=of_chosen(cycle.book.payout_micros[pick.arm], 0),
        expected_revenue_micros=of_chosen(expected, 0),
        index_micros=of_chosen(expected - toll[go], 0),
        considered_index_micros=of_refused(_micros(seen.revenue[refused, considered]) - toll[refused], 0),
        runner_up_index_micros=of_weighed(behind, 0),
        row_index_micros=of_asked(index, 0),
        row_value_micros=of_asked(worth - cost, 0),
        upper_micros=of_asked(_micros(seen.upper), 0),
        hazard_price_micros=of_asked(hazard, 0),
        fatigue_price_micros=of_asked(fatigue, 0),
        complaint_price_micros=of_asked(complaint, 0),
        lapse_price_micros=of_asked(lapse, 0),
        ltv_micros=of_asked(_micros(future.value_now), 0),
        v_after_micros=of_asked(_micros(future.value_after), 0),
        rank=hashes(cycle.key, keys, Stream.RANK),
        minute=np.full(len(batch), NONE, dtype=np.int16),
        next_decision_at=when_next(batch, cycle, reason, offers_end=last_end(cycle.book, eligible)),
    )


@dataclass(frozen=True, slots=True)
class _Spread:
    """Lays columns of some rows out over all n rows of a page."""

    n: int
    rows: Ints

    def __call__(self, values: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
        whole = np.full(self.n, otherwise, dtype=values.dtype)
        whole[self.rows] = values
        return whole


@dataclass(frozen=True, slots=True)
class _Pick:
    """The arms of the rows that go, (g,)."""

    arm: choice.Positions
    explored: Bools
    epsilon: Floats
    offer: Floats  # propensities
    content: Floats


def _pick(decided_at: Ints, cycle: Cycle, seen: Prospects, go: choice.Positions, policy: Codes, keys: Keys) -> _Pick:
    """Of the rows `go` of the prospects; the other columns are theirs alone, (g,)."""
    n = len(go)
    arm, explored, epsilon = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.bool_), np.zeros(n)
    offer, content = np.ones(n), np.ones(n)
    fixed = np.flatnonzero(policy == _FIXED)
    if len(fixed):
        arm[fixed] = _of_fixed(seen, go[fixed], cycle)
    play = np.flatnonzero(policy != _FIXED)
    if len(play):
        epsilon[play] = choice.exploration_budget(
            cycle.context.controls.epsilon_per_day, now=cycle.now, decided_at=decided_at[play]
        )
        picked = choice.choose(
            seen.votes[go[play]],
            seen.even[go[play]],
            cycle.book.offer_of_arm,
            epsilon=epsilon[play],
            explore=uniforms(cycle.key, keys[play], Stream.EXPLORE),
            pick_voted=uniforms(cycle.key, keys[play], Stream.TALLY),
            pick_even=uniforms(cycle.key, keys[play], Stream.UNIFORM),
        )
        arm[play], explored[play] = picked.arm, picked.explored
        offer[play], content[play] = picked.propensity_offer, picked.propensity_content
    return _Pick(arm, explored, epsilon, offer, content)


def _of_fixed(seen: Prospects, rows: choice.Positions, cycle: Cycle) -> choice.Positions:
    """The arms that the fixed policy gives these rows of the prospects; each may get one at least."""
    if not len(rows):
        return np.zeros(0, dtype=np.intp)  # there may be no arms at all
    return np.asarray(np.where(seen.eligible[rows], cycle.fixed_revenue, -np.inf).argmax(axis=1))


def _future(those: Batch, cycle: Cycle, seen: Prospects, facts: Facts, asked: Ints) -> Prices:
    """What a mail costs these people's future."""
    habits, controls = cycle.values.habits, cycle.context.controls
    fatigue = fatigue_of(those.column("recent_sends").astype(np.int64), cycle.now, habits.half_life_days)
    return prices(
        cycle.values,
        value_micros=seen.value / habits.worth(fatigue) / today_of(those, cycle),
        fatigue=fatigue,
        exits=facts.exits[asked],
        complaint=facts.complaint_risk[asked],
        cost_micros=float(controls.cost_per_email_micros + cycle.context.price.later_micros),
        kappa=float(cycle.context.price.kappa_micros),
    )


def _facts(batch: Batch, cycle: Cycle, segment: choice.Positions) -> Facts:
    controls, rates, now = cycle.context.controls, cycle.context.bundle.rates, cycle.now
    policy = batch.column("arm").astype(np.uint8)
    unsubscribe, complaint = by_segment(rates.unsubscribe_hazard)[segment], by_segment(rates.complaint_hazard)[segment]
    sends = planned_sends(batch, now, most_per_week=controls.max_emails_per_subscriber_per_week)
    people = batch.column("draw_key").astype(np.uint64)
    rhythm = rhythm_at(batch, cycle)
    return Facts(
        no_mail=policy == _NO_MAIL,
        let_through=uniforms(cycle.trickle_key, people, Stream.TRICKLE) < cycle.context.let_through_share,
        segment_stopped=np.isin(segment, [SEGMENTS.index(name) for name in cycle.context.stopped_segments]),
        provider_stopped=np.isin(batch.column("provider"), [PROVIDERS.index(name) for name in cycle.context.stopped_providers]),
        engine=policy == _ENGINE,
        # a send of this cycle may leave in its last minute
        in_hours=in_hours(batch.column("zone"), now, controls, for_seconds=CYCLE_SECONDS),
        recent_sends=batch.column("recent_sends").astype(np.int64),
        last_send_at=batch.column("last_send_at").astype(np.int64),
        gap_seconds=rhythm.gap_seconds,
        gone=rhythm.gone,
        churn_risk=risk(unsubscribe, sends),
        complaint_risk=complaint,  # of this mail
        exits=unsubscribe + complaint,
        engagement=engagement_score(batch, now, by_segment(rates.click_level)[segment]),
    )


def rhythm_at(batch: Batch, cycle: Cycle) -> Rhythm:
    """How often each row may be mailed, by its policy and its silence."""
    gap = cycle.context.controls.min_hours_between_emails * 3_600
    fixed = batch.column("arm") == _FIXED
    return rhythm_of(batch, now=cycle.now, gap_seconds=np.where(fixed, max(gap, FIXED_GAP_SECONDS), gap).astype(np.int64))


def when_next(batch: Batch, cycle: Cycle, reason: Codes, *, offers_end: Ints) -> Ints:
    """When each row is decided next, for itself alone: epoch seconds, (n,)."""
    return next_decision_at(
        reason,
        zones=batch.column("zone"),
        now=cycle.now,
        last_send_at=batch.column("last_send_at").astype(np.int64),
        recent_sends=batch.column("recent_sends").astype(np.int64),
        gap_seconds=rhythm_at(batch, cycle).gap_seconds,
        offers_end=offers_end,
        taste=taste_of(batch, cycle.week),
        jitter=uniforms(cycle.key, batch.column("draw_key").astype(np.uint64), Stream.JITTER),
        controls=cycle.context.controls,
    )


def today_of(batch: Batch, cycle: Cycle, *, ahead: int = 0) -> Floats:
    """What the reader's weekday, or the one so many days later, makes of a mail's worth, (n,); 1 over the week. What is to come is worth
    what it is on average, however good today is."""
    weekday = local_seconds(batch.column("zone"), np.full((len(batch), 1), cycle.now + ahead * 86_400))[:, 0] // 86_400 % 7
    return cycle.week.days[weekday]


def lets_leave(autonomy: Autonomy, canary: Bools) -> Bools:
    """Whom the operator's switch lets a mail leave for, (n,); execute looks again (P1)."""
    if autonomy is Autonomy.CANARY:
        return canary
    return np.full(len(canary), autonomy in (Autonomy.APPROVAL, Autonomy.FULL))


def _is_sum(values: Floats) -> Bools:
    """Whether they are amounts of money at all."""
    return np.abs(values) < _MOST_MICROS


def _micros(values: Floats) -> Ints:
    """Whole micros of an expectation; 0 of what is no amount."""
    return np.rint(np.where(_is_sum(values), values, 0.0)).astype(np.int64)
