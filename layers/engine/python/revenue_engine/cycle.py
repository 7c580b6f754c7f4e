"""One decision cycle over one page: pure, and the same however often and in whatever pages it is run (D1, D6).

rails → choice of an arm → floor and price → randomised skips → when next. Whether a row is sent depends on what is known of it,
never on the arm the lottery drew; so the logged propensities are exact (D2), and neither floor, price nor budget can veto
exploration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Codes, Floats, Ints, Keys
from revenue_engine.context import Cycle
from revenue_engine.draws import Stream, hashes, uniforms
from revenue_engine.offers import choice
from revenue_engine.offers.book import barred_by_country, lately_mailed
from revenue_engine.offers.patterns import Patterns, find_patterns
from revenue_engine.pacing.hours import in_hours
from revenue_engine.pacing.minutes import CYCLE_MINUTES, span_minutes
from revenue_engine.pacing.next_time import next_decision_at
from revenue_engine.pacing.spread import minutes
from revenue_engine.prediction.rates import by_segment
from revenue_engine.prediction.segments import engagement_score, planned_sends, risk, segment_of
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.decisions import NONE, Decisions
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import ARMS, PROVIDERS
from revenue_engine.safety.rails import PASSED, Facts, first_failing

FIXED_GAP_SECONDS = 7 * 86_400  # the fixed policy is a weekly newsletter
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

    barred = barred_by_country(cycle.book, batch)
    barred |= lately_mailed(cycle.book, batch, now=cycle.now, gap_days=controls.same_offer_gap_days)
    patterns = find_patterns(
        cycle.book,
        barred,
        segment,
        needed=reason == PASSED,
        order=cycle.order,
        scores=cycle.scores,
        revenue=cycle.revenue,
        upper=cycle.upper,
    )
    # the row's prospects, (n,): none of them depends on the arm that will be drawn
    best = _micros(patterns.best[patterns.of_row]) - cost
    upper = _micros(patterns.upper[patterns.of_row])
    for name, failed in (
        ("no_suitable_offer", patterns.votes.sum(axis=1)[patterns.of_row] == 0),
        ("predicted_revenue_too_low", facts.engine & (upper < controls.min_revenue_per_email_micros)),
        ("below_shadow_price", facts.engine & (best <= price)),
    ):
        reason = np.where((reason == PASSED) & failed, np.uint8(NUMBER_OF[name]), reason)

    go = reason == PASSED
    pick = _pick(batch, cycle, patterns, go, policy, keys)
    fixed = go & (policy == _FIXED)
    ghost = go & ~fixed & (uniforms(cycle.key, keys, Stream.GHOST) < controls.ghost_share)
    send = go & ~ghost
    for name, which in (("revenue_opportunity", go), ("exploration", pick.explored), ("fixed_policy", fixed), ("ghost", ghost)):
        reason = np.where(which, np.uint8(NUMBER_OF[name]), reason)
    send_share = np.where(go & ~fixed, 1.0 - controls.ghost_share, 1.0)
    joint = np.where(send, send_share * np.nan_to_num(pick.offer * pick.content), np.where(ghost, controls.ghost_share, 1.0))
    runner_up = np.where(
        patterns.first[patterns.of_row] == pick.arm, patterns.second[patterns.of_row], patterns.first[patterns.of_row]
    )
    runner_up = np.where(go, runner_up, NONE)
    expected = np.where(go, _micros(_at(cycle.revenue, segment, pick.arm)), 0)
    canary = uniforms(cycle.canary_key, keys, Stream.CANARY) < controls.canary_share
    return Decisions(
        subscriber=batch.subscriber,
        send=send,
        mail=send & _lets_leave(cycle.context.autonomy, canary),
        ghost=ghost,
        canary=canary,
        explored=pick.explored,
        reason=reason,
        policy=policy,
        segment=segment.astype(np.uint8),
        provider=batch.column("provider").astype(np.uint8),
        arm=pick.arm.astype(np.int32),
        runner_up=runner_up.astype(np.int32),
        eligible=np.packbits(patterns.eligible[patterns.of_row], axis=1),
        epsilon=pick.epsilon,
        propensity_joint=joint,
        propensity_send=send_share,
        propensity_offer=pick.offer,
        propensity_content=pick.content,
        p_open=np.where(go, _at(cycle.p_open, segment, pick.arm), np.nan),
        p_click=np.where(go, _at(cycle.p_click, segment, pick.arm), np.nan),
        p_conversion=np.where(go, _at(cycle.p_conversion, segment, pick.arm), np.nan),
        churn_risk=facts.churn_risk,
        complaint_risk=facts.complaint_risk,
        engagement=facts.engagement,
        payout_micros=np.where(go, _at(cycle.book.payout_micros[None, :], np.zeros_like(segment), pick.arm), 0).astype(np.int64),
        expected_revenue_micros=expected,
        index_micros=np.where(go, expected - cost, 0),
        runner_up_index_micros=np.where(runner_up >= 0, _micros(_at(cycle.revenue, segment, runner_up)) - cost, 0),
        best_index_micros=best,
        upper_micros=upper,
        rank=hashes(cycle.key, keys, Stream.RANK),
        minute=np.full(len(batch), NONE, dtype=np.int16),
        next_decision_at=_when_next(batch, cycle, reason),
    )


def room_left(cycle: Cycle, taken: int) -> int:
    """How many mails the cycle can still carry: its minutes on the org's day at the velocity, less what earlier pages took."""
    controls = cycle.context.controls
    return max(0, span_minutes(cycle.context.now, controls.zone) * controls.sends_per_minute - taken)


def grant(decisions: Decisions, batch: Batch, cycle: Cycle, granted: int, *, taken: int = 0) -> Decisions:
    """Keep the sends that got a place in the day's budget, and give each its minute. D6: never more than `granted`.

    The fixed policy's few come first, so that the engine's wishes do not thin out what it is measured against; then the best by
    the row's index, equals by a keyed draw. Mails beyond what the cycle can carry wait for a later one. A ghost uses no budget, and
    is lost only behind mails that are (so its draw and the cut do not mix, but for the one row at the very edge of a cut).

    Parameters
    ----------
    granted
        Mails of this page that the day's budget pays for.
    taken
        Mails that the cycle's earlier pages have planned.
    """
    controls = cycle.context.controls
    room = room_left(cycle, taken)
    ghost_mail = decisions.ghost & _lets_leave(cycle.context.autonomy, decisions.canary)
    rows = np.flatnonzero(decisions.mail | ghost_mail)
    order = rows[np.lexsort((decisions.rank[rows], -decisions.best_index_micros[rows], decisions.policy[rows] != _FIXED))]
    real = decisions.mail[order]
    ahead: Ints = np.cumsum(real) - real  # mails before each in the queue
    wanted, limit = int(real.sum()), min(granted, room)
    lost = order[(ahead >= limit) & (wanted > limit)]

    reason = decisions.reason.copy()
    reason[lost] = NUMBER_OF["daily_limit_reached" if granted < min(wanted, room) else "velocity_limit"]
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
        span=span_minutes(cycle.context.now, controls.zone),
    )
    nothing = np.where(kept, 1.0, np.nan)
    return replace(
        decisions,
        send=decisions.send & kept,
        mail=mail,
        ghost=decisions.ghost & kept,
        explored=decisions.explored & kept,
        reason=reason,
        arm=np.where(kept, decisions.arm, NONE).astype(np.int32),
        runner_up=np.where(kept, decisions.runner_up, NONE).astype(np.int32),
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
        runner_up_index_micros=np.where(kept, decisions.runner_up_index_micros, 0),
        minute=minute,
        next_decision_at=np.where(kept, decisions.next_decision_at, _when_next(batch, cycle, reason)),
    )


@dataclass(frozen=True, slots=True)
class _Pick:
    """The arms of the rows that go, (n,); of the others nothing."""

    arm: choice.Positions
    explored: Bools
    epsilon: Floats
    offer: Floats  # propensities
    content: Floats


def _pick(batch: Batch, cycle: Cycle, patterns: Patterns, go: Bools, policy: Codes, keys: Keys) -> _Pick:
    n = len(batch)
    arm, explored, epsilon = np.full(n, NONE, dtype=np.intp), np.zeros(n, dtype=np.bool_), np.zeros(n)
    offer, content = np.full(n, np.nan), np.full(n, np.nan)
    fixed = np.flatnonzero(go & (policy == _FIXED))
    if len(fixed):
        arm[fixed] = np.where(patterns.eligible[patterns.of_row[fixed]], cycle.fixed_revenue, -np.inf).argmax(axis=1)
        offer[fixed] = content[fixed] = 1.0
    play = np.flatnonzero(go & (policy != _FIXED))
    if len(play):
        epsilon[play] = choice.exploration_budget(
            cycle.context.controls.epsilon_per_day, now=cycle.now, decided_at=batch.decided_at[play]
        )
        picked = choice.choose(
            patterns.votes,
            patterns.even,
            cycle.book.offer_of_arm,
            pattern=patterns.of_row[play],
            epsilon=epsilon[play],
            explore=uniforms(cycle.key, keys[play], Stream.EXPLORE),
            pick_voted=uniforms(cycle.key, keys[play], Stream.TALLY),
            pick_even=uniforms(cycle.key, keys[play], Stream.UNIFORM),
        )
        arm[play], explored[play] = picked.arm, picked.explored
        offer[play], content[play] = picked.propensity_offer, picked.propensity_content
    return _Pick(arm, explored, epsilon, offer, content)


def _facts(batch: Batch, cycle: Cycle, segment: choice.Positions) -> Facts:
    controls, rates, now = cycle.context.controls, cycle.context.bundle.rates, cycle.now
    policy = batch.column("arm").astype(np.uint8)
    sends = planned_sends(batch, now, most_per_week=controls.max_emails_per_subscriber_per_week)
    people = batch.column("draw_key").astype(np.uint64)
    return Facts(
        no_mail=policy == _NO_MAIL,
        let_through=uniforms(cycle.trickle_key, people, Stream.TRICKLE) < cycle.context.let_through_share,
        segment_stopped=np.isin(segment, [SEGMENTS.index(name) for name in cycle.context.stopped_segments]),
        provider_stopped=np.isin(batch.column("provider"), [PROVIDERS.index(name) for name in cycle.context.stopped_providers]),
        engine=policy == _ENGINE,
        # a send of this cycle may leave in its last minute
        in_hours=in_hours(batch.column("zone"), now, controls, for_seconds=CYCLE_MINUTES * 60),
        budget_left=cycle.context.budget_left,
        recent_sends=batch.column("recent_sends").astype(np.int64),
        last_send_at=batch.column("last_send_at").astype(np.int64),
        gap_seconds=_gap_seconds(policy, controls),
        churn_risk=risk(by_segment(rates.unsubscribe_hazard)[segment], sends),
        complaint_risk=by_segment(rates.complaint_hazard)[segment],  # of this mail
        engagement=engagement_score(batch, now, by_segment(rates.click_level)[segment]),
    )


def _gap_seconds(policy: Codes, controls: Controls) -> Ints:
    gap = controls.min_hours_between_emails * 3_600
    return np.where(policy == _FIXED, max(gap, FIXED_GAP_SECONDS), gap).astype(np.int64)


def _when_next(batch: Batch, cycle: Cycle, reason: Codes) -> Ints:
    return next_decision_at(
        reason,
        zones=batch.column("zone"),
        now=cycle.now,
        last_send_at=batch.column("last_send_at").astype(np.int64),
        recent_sends=batch.column("recent_sends").astype(np.int64),
        gap_seconds=_gap_seconds(batch.column("arm").astype(np.uint8), cycle.context.controls),
        jitter=uniforms(cycle.key, batch.column("draw_key").astype(np.uint64), Stream.JITTER),
        controls=cycle.context.controls,
    )


def _lets_leave(autonomy: Autonomy, canary: Bools) -> Bools:
    """Whom the operator's switch lets a mail leave for, (n,); execute looks again (P1)."""
    if autonomy is Autonomy.CANARY:
        return canary
    return np.full(len(canary), autonomy in (Autonomy.APPROVAL, Autonomy.FULL))


def _at(values: npt.NDArray[Any], segment: choice.Positions, arm: choice.Positions) -> Floats:
    """values[segment, arm] per row, (n,); 0 where there is no arm."""
    if not values.shape[1]:
        return np.zeros(len(arm))
    return np.where(arm >= 0, values[segment, np.maximum(arm, 0)], 0.0).astype(np.float64)


def _micros(values: Floats) -> Ints:
    """Whole micros of an expectation."""
    return np.rint(values).astype(np.int64)
