"""Why a decision came out as it did, step by step, from what is on record: the receipt, the row and the controls it was decided by (D1).

The checks stand in the order in which the cycle makes them (`safety.rails`, then `cycle.decide_batch`). The receipt's own reason is the
last word: what stands behind it was not reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from revenue_engine.clock import epoch_seconds, from_epoch, iso_millis, parse_iso
from revenue_engine.context import CycleContext
from revenue_engine.flips import Flip
from revenue_engine.pacing.hours import in_hours, next_opening
from revenue_engine.pacing.minutes import CYCLE_SECONDS
from revenue_engine.pacing.reentry import STAGES, answered_at, rhythm_of
from revenue_engine.reckoned import Cut, cut_by_rank, in_money, reckoned
from revenue_engine.records.batch import decode
from revenue_engine.records.controls import Controls
from revenue_engine.records.subscriber import Row, pack, sends_within
from revenue_engine.records.zones import ZONES
from revenue_engine.value.words import in_words

PASSED, FAILED, NOT_REACHED = "passed", "failed", "not reached"
_WEEK = 7 * 86_400
_FIXED_GAP_HOURS = 7 * 24  # the fixed policy is a weekly newsletter
_GIVEN = ("revenue_opportunity", "exploration", "fixed_policy", "ghost")  # reasons of a row that passed every check
_CUT = ("velocity_limit", "provider_warm_up", "provider_rate")  # by rank, after all choices
# what no number turns round: a lot, a stop, the hour, the day's budget, a silence
_HARD = (
    "holdout",
    "segment_stopped",
    "provider_stopped",
    "outside_hours",
    "breaker_half_open",
    "daily_limit_reached",
    "silent_too_long",
    "no_suitable_offer",
    "worth_unknown",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the explanation. `verdict` is empty for what is not a check."""

    what: str
    detail: str
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing that could have said no: its value beside its limit, and what would turn its answer round."""

    reason: str
    detail: str
    otherwise: str


def explain(
    record: Mapping[str, Any],
    row: Row,
    context: CycleContext,
    flip: Callable[[], Flip | None],
    *,
    page: Iterable[Mapping[str, Any]],
) -> tuple[Step, ...]:
    """The steps of one decision.

    Parameters
    ----------
    record
        The receipt (`revenue_engine.audit`), as read from its line.
    row
        The subscriber's row of the stored page, as the cycle saw it.
    context
        As stored.
    flip
        `flips.nearest_flip` of that row: a hundred decisions, made only where one number could matter.
    page
        The receipts of its page, read only where rank decided: who got a place says what it took.
    """
    now, controls = parse_iso(record["ts"]), context.controls
    checks = _checks(record, row, context, now)
    # the budget says no twice: to everybody when nothing is left of it, and by rank when there is something (`grant.grant`)
    cut = None
    if record["reason"] in _CUT or (record["reason"] == "daily_limit_reached" and context.budget_left > 0):
        cut = cut_by_rank(record, page, context)
    return (
        Step("decision", f"{record['decision_id']} at {record['ts']}, autonomy {record['autonomy']}"),
        Step(
            "who decides",
            f"{record['policy']} for arm {record['arm']}, segment {record['segment']}, mailbox {record['provider']}",
        ),
        *_worth(record, row, context, now),
        *_judged(record, checks, context, cut=cut),
        *(Step(what, detail) for what, detail in reckoned(record, context)),
        Step("answer", _answer(record)),
        Step("what would have changed it", _flip(record, checks, controls, flip, cut=cut)),
        Step("decided by", _versions(record)),
    )


def _worth(record: Mapping[str, Any], row: Row, context: CycleContext, now: datetime) -> tuple[Step, ...]:
    """What the reader is worth, where the bundle says."""
    if context.bundle.value is None:
        return ()
    one, known = decode([record["subscriber"]], [pack(row)], [0]), (offer.category for offer in context.offers)
    said = in_words(context.bundle.value, one, epoch_seconds(now), currency=record["currency"], categories=known)
    return (Step("the reader", said),)


def _checks(record: Mapping[str, Any], row: Row, context: CycleContext, now: datetime) -> tuple[_Check, ...]:
    controls, budget_left = context.controls, context.budget_left
    at, zone, currency = epoch_seconds(now), np.array([row.zone], dtype=np.uint16), record["currency"]
    fixed = record["arm"] == "fixed"
    opening = int(next_opening(zone, np.array([at], dtype=np.int64), controls, for_seconds=CYCLE_SECONDS)[0])
    inside = bool(in_hours(zone, at, controls, for_seconds=CYCLE_SECONDS)[0])
    floor = controls.min_revenue_per_email_micros
    in_week, cap = sends_within(row, now=at, seconds=_WEEK), controls.max_emails_per_subscriber_per_week
    own_gap = max(controls.min_hours_between_emails, _FIXED_GAP_HOURS if fixed else 0) * 3_600
    rhythm = rhythm_of(decode([record["subscriber"]], [pack(row)], [0]), now=at, gap_seconds=np.array([own_gap], dtype=np.int64))
    stage, gap_hours = STAGES[rhythm.stage[0]], int(rhythm.gap_seconds[0]) // 3_600
    newest = sorted((sent for sent in row.recent_sends if sent), reverse=True)
    week_frees = _moment(newest[cap - 1] + _WEEK) if 0 < cap <= len(newest) else "never: the cap is 0"
    local = f"{controls.sending_hours_start}:00 to {controls.sending_hours_end}:00 in {ZONES[row.zone]}"
    checks = [
        _Check("holdout", f"arm {record['arm']}", "nothing: nobody leaves the no-mail arm"),
        _stop("segment", record, context.stopped_segments),
        _stop("provider", record, context.stopped_providers),
        _Check("outside_hours", f"{'inside' if inside else 'outside'} {local}", f"a decision at {_moment(max(opening, at))}"),
        _Check("breaker_half_open", *_trickle(context.let_through_share)),
        _Check("subscriber_frequency_limit", f"{in_week} mails in seven days, the cap is {cap}", f"a decision after {week_frees}"),
        _Check(
            "too_soon_since_last_email",
            f"last mail {_moment(row.last_send_at) if row.last_send_at else 'never'}, the gap is {gap_hours} h{_because(stage)}",
            f"a decision at {_moment(row.last_send_at + gap_hours * 3_600)}",
        ),
        _Check("silent_too_long", f"{stage}, {_silence(row, at)}", "an answer: an open, a click or a conversion"),
        _limit("high_churn_risk", "churn risk", record["churn_risk"], most=controls.churn_risk_threshold),
        _limit("high_complaint_risk", "complaint risk", record["complaint_risk"], most=controls.complaint_risk_threshold),
        _limit("engagement_too_low", "engagement", record["engagement_score"], least=controls.min_engagement_score),
        _Check("no_suitable_offer", f"{_arms(record)} eligible arms", "an offer that may go to this person"),
        _Check("worth_unknown", f"what it brings and costs is {_known(record)}", "a sound row and a sound model"),
        _micros("predicted_revenue_too_low", "revenue at best", record["upper_revenue_micros"], floor, currency),
        _micros("negative_long_term_value", "index", record["row_index_micros"], 0, currency),
        _Check("daily_limit_reached", f"{budget_left:,} mails left of the day's budget", "a budget with a mail left: tomorrow's"),
        _micros("below_shadow_price", "index", record["row_index_micros"], record["lambda_micros"], currency),
    ]  # fmt: skip
    spared = (
        "high_churn_risk",
        "engagement_too_low",
        "predicted_revenue_too_low",
        "negative_long_term_value",
        "below_shadow_price",
    )
    return tuple(check for check in checks if not (fixed and check.reason in spared))  # the fixed policy heeds no judgement


def _stop(kind: str, record: Mapping[str, Any], stopped: tuple[str, ...]) -> _Check:
    name = record[kind]
    is_stopped = "is stopped" if name in stopped else "is not stopped"
    return _Check(f"{kind}_stopped", f"{kind} {name} {is_stopped}", f"`revenue-engine stops lift {kind}#{name}`, or its end")


def _because(stage: str) -> str:
    return "" if stage == "active" else f" ({stage})"


def _silence(row: Row, at: int) -> str:
    since = int(answered_at(decode([""], [pack(row)], [0]))[0])
    return f"{(at - since) // 86_400} days since an answer or the first mail" if since else "never mailed"


def _trickle(share: float) -> tuple[str, str]:
    """What it was, and what would have changed it."""
    half_open = f"the breaker is half open: a trickle of {share:.1%} of people is mailed"
    return ("the breaker is closed" if share >= 1 else half_open), "a closed breaker, or a place in the trickle"


def _known(record: Mapping[str, Any]) -> str:
    return "no number" if record["reason"] == "worth_unknown" else "known"


def _limit(reason: str, name: str, value: float | None, *, most: float | None = None, least: float | None = None) -> _Check:
    limit = most if most is not None else least
    assert limit is not None
    word, said = "at most" if most is not None else "at least", "no number" if value is None else f"{value:.4g}"
    return _Check(reason, f"{name} {said}, {word} {limit:.4g} is allowed", f"{name} {limit:.4g} instead of {said}")


def _micros(reason: str, name: str, value: int, limit: int, currency: str) -> _Check:
    return _Check(
        reason,
        f"{name} {in_money(value, currency)}, to beat: {in_money(limit, currency)}",
        f"{name} {in_money(limit, currency)} instead of {in_money(value, currency)}",
    )


def _judged(record: Mapping[str, Any], checks: tuple[_Check, ...], context: CycleContext, *, cut: Cut | None) -> list[Step]:
    """Every check with its verdict: those before the reason passed, those behind it were not reached."""
    known = [check.reason for check in checks]
    reason = record["reason"]
    failed = known.index(reason) if reason in known and cut is None else None
    steps = []
    for n, check in enumerate(checks):
        verdict = PASSED if failed is None or n < failed else FAILED if n == failed else NOT_REACHED
        steps.append(Step(check.reason, check.detail if verdict != NOT_REACHED else "", verdict))
    if cut is not None:  # the budget's own check stands above, passed: there was some
        steps.append(Step("place by rank", f"{reason}: {cut.detail}", FAILED))
    elif reason not in known and reason not in _GIVEN:
        steps.append(Step(reason, "", FAILED))
    return steps


def _answer(record: Mapping[str, Any]) -> str:
    again = f"next decision {_moment(record['next_decision_at'])}"
    if record["action"] != "send":
        return f"{record['action']}: {record['reason']}; {again}"
    if record["awaits_approval"]:
        return f"send: {record['reason']}; waits for a person's approval; {again}"
    if not record["mailed"]:
        return f"send: {record['reason']}; autonomy {record['autonomy']} lets it not leave; {again}"
    return f"send: {record['reason']}; planned for {_moment(record['scheduled_at'])}; {again}"


def _flip(
    record: Mapping[str, Any],
    checks: tuple[_Check, ...],
    controls: Controls,
    flip: Callable[[], Flip | None],
    *,
    cut: Cut | None,
) -> str:
    """What it would have taken: of limits and prices the nearest change of one number alone, found by deciding again."""
    reason = record["reason"]
    if reason == "ghost":
        return f"another draw: {controls.ghost_share:.1%} of what would be sent is held back by lot, to measure what a mail does"
    if cut is not None:
        return cut.otherwise
    failed = next((check for check in checks if check.reason == reason), None)
    if failed is not None and reason in _HARD:
        return f"{failed.otherwise} (a hard veto: no number turns it)"
    if failed is None and reason not in _GIVEN:
        return "nothing that the record knows of"
    found = flip()
    nearest = "no number alone" if found is None else _nearest(found, record["currency"])
    if failed is not None:
        return f"{failed.otherwise}; nearest: {nearest}"
    certain = record["propensity_offer"] * record["propensity_content"] >= 1.0  # as the fixed policy's, which draws nothing
    if record["runner_up_offer"] is None or certain:
        return nearest
    return f"{nearest}; {record['runner_up_offer']}, {record['runner_up_content']} instead by another draw"


def _nearest(flip: Flip, currency: str) -> str:
    after, short_of, before = (
        in_money(round(value), currency) if flip.money else f"{value:.7g}" for value in (flip.after, flip.short_of, flip.before)
    )
    becomes = flip.becomes if flip.becomes.startswith("offer ") else f"no mail ({flip.becomes})"
    return f"{becomes} with {flip.what} {after} instead of {before}, {flip.share:.1%} away; not yet with {short_of}"


def _versions(record: Mapping[str, Any]) -> str:
    prior = " (a prior, not trained)" if record["model_prior"] else ""
    return (
        f"model {record['model_version']}{prior}, controls {record['controls_version']}, price {record['price_version']}, "
        f"code {record['code_version']}; inputs {record['page']} row {record['row']}, {record['context']}"
    )


def _arms(record: Mapping[str, Any]) -> int:
    return int.from_bytes(bytes.fromhex(record["eligible"]), "big").bit_count()


def _moment(seconds: int) -> str:
    return iso_millis(from_epoch(seconds))
