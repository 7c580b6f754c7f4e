"""An explanation says of every check what the cycle found, and agrees with the receipt's reason whatever the row."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from revenue_engine.audit import receipts
from revenue_engine.context import CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.explanation import FAILED, NOT_REACHED, PASSED, Step, explain
from revenue_engine.flips import nearest_flip
from revenue_engine.grant import NOTHING_TAKEN, grant
from revenue_engine.later import Taken
from revenue_engine.pacing.warm_up import Room
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.subscriber import PROVIDERS, topic_number, unpack
from tests.core_cases import DAY, HOUR, NOW, T, a_context, a_page, a_row, many, unpriced
from tests.value.test_model import fit

_GIVEN = {"revenue_opportunity", "exploration", "fixed_policy", "ghost"}
KEYS: dict[str, Any] = {"page_key": "page", "context_key": "context"}


def decided(
    page: Batch, context: CycleContext, *, granted: int = 10**6, taken: Taken = NOTHING_TAKEN, flips: bool = False
) -> list[tuple[dict[str, Any], tuple[Step, ...]]]:
    """Each row's receipt and its explanation; the nearest change, which takes a hundred decisions, only where it is asked for."""
    cycle = prepare(context)
    decisions = grant(decide_batch(page, cycle), page, cycle, granted, taken=taken)
    lines = receipts(decisions, page, cycle, granted=granted, taken=taken, **KEYS).splitlines()
    records = [json.loads(line) for line in lines]
    rows = [unpack(raw.tobytes()) for raw in page.rows]
    alone = [Batch(page.subscriber[[n]], page.rows[[n]], page.decided_at[[n]]) for n in range(len(page))]
    nearest = [partial(nearest_flip, one, context) if flips else (lambda: None) for one in alone]
    each = zip(records, rows, nearest, strict=True)
    return [(record, explain(record, row, context, flip, page=records)) for record, row, flip in each]


def step(steps: tuple[Step, ...], what: str) -> Step:
    return next(one for one in steps if one.what == what)


MIXED = a_page(
    [
        a_row(
            i + 1,
            arm=i % 3 if i % 7 == 0 else 0,
            last_send_at=T - (6 + i) * HOUR,
            recent_sends=tuple(T - (6 + i + 20 * k) * HOUR for k in range(i % 6)) + (0,) * (8 - i % 6),
            zone=(i * 5) % 200,
            sends=float("nan") if i % 50 == 3 else 4.0,
        )
        for i in range(300)
    ]
)
MIXED_CONTEXTS = [
    a_context(controls=Controls(ghost_share=0.2)),
    a_context(controls=Controls(churn_risk_threshold=0.0), price=Price(5, "p")),
    a_context(controls=Controls(complaint_risk_threshold=0.0)),
    a_context(controls=Controls(min_engagement_score=0.9)),
    a_context(budget_left=0),
    a_context(price=Price(50_000_000, "high")),
    a_context(controls=Controls(min_revenue_per_email_micros=900_000_000)),
    a_context(offers=()),
    a_context(stopped_segments=("clicker", "opener"), stopped_providers=("gmail",)),
    a_context(let_through_share=0.2),
    a_context(bundle=unpriced()),
]


@pytest.mark.parametrize("context", MIXED_CONTEXTS)
@pytest.mark.parametrize("granted", [0, 40, 10**6])
def test_the_failing_check_is_the_receipts_reason_and_its_value_says_so(context: CycleContext, granted: int) -> None:
    for record, steps in decided(MIXED, context, granted=granted):
        checks = [one for one in steps if one.verdict]
        failed = [one.what for one in checks if one.verdict == FAILED]
        if failed == ["place by rank"]:
            assert step(steps, "place by rank").detail.startswith(f"{record['reason']}: ")
        else:
            assert failed == ([] if record["reason"] in _GIVEN else [record["reason"]])
        assert len({one.what for one in steps}) == len(steps), "no step has another's name"
        verdicts = [one.verdict for one in checks]
        assert verdicts == sorted(verdicts, key=[PASSED, FAILED, NOT_REACHED].index)
        assert step(steps, "what would have changed it").detail
        assert record["subscriber"] in step(steps, "decision").detail


@pytest.mark.parametrize(
    ("row", "reason", "value", "otherwise"),
    [
        ({"arm": 2}, "holdout", "arm no_mail", "nothing: nobody leaves the no-mail arm (a hard veto: no number turns it)"),
        (
            {"last_send_at": T - 15 * HOUR, "recent_sends": (T - 15 * HOUR, *(0,) * 7)},
            "too_soon_since_last_email",
            "last mail 2026-03-03T21:00:00.000Z, the gap is 24 h",
            "a decision at 2026-03-04T21:00:00.000Z; nearest: offer 101 with the hours between mails 15 instead of 24, 37.5% away; "
            "not yet with 16",
        ),
        (
            {"recent_sends": tuple(T - (k + 3) * DAY for k in range(4)) + (0,) * 4},
            "subscriber_frequency_limit",
            "4 mails in seven days, the cap is 4",
            # the oldest of the four, six days ago, leaves the week
            "a decision after 2026-03-05T12:00:00.000Z; nearest: offer 101 with the mails in seven days 5 instead of 4, 20.0% away; "
            "not yet with 4",
        ),
    ],
)
def test_a_rail_shows_its_value_its_limit_and_when_it_frees(row: dict[str, Any], reason: str, value: str, otherwise: str) -> None:
    ((record, steps),) = decided(a_page([a_row(1, **row)]), a_context(), flips=True)
    assert record["reason"] == reason
    assert (step(steps, reason).verdict, step(steps, reason).detail) == (FAILED, value)
    assert step(steps, "what would have changed it").detail == otherwise


@pytest.mark.parametrize(
    ("changes", "reason", "value", "otherwise"),
    [
        (
            {"stopped_segments": ("clicker",)},
            "segment_stopped",
            "segment clicker is stopped",
            "`revenue-engine stops lift segment#clicker`, or its end (a hard veto: no number turns it)",
        ),
        (
            {"stopped_providers": ("other",)},
            "provider_stopped",
            "provider other is stopped",
            "`revenue-engine stops lift provider#other`, or its end (a hard veto: no number turns it)",
        ),
        (
            {"let_through_share": 1e-9},
            "breaker_half_open",
            "the breaker is half open: a trickle of 0.0% of people is mailed",
            "a closed breaker, or a place in the trickle (a hard veto: no number turns it)",
        ),
    ],
)
def test_what_the_judge_stopped_is_named_and_nothing_behind_it_passed(
    changes: dict[str, Any], reason: str, value: str, otherwise: str
) -> None:
    ((record, steps),) = decided(many(1), a_context(**changes))
    assert record["reason"] == reason
    assert (step(steps, reason).verdict, step(steps, reason).detail) == (FAILED, value)
    assert step(steps, "what would have changed it").detail == otherwise
    assert step(steps, "no_suitable_offer").verdict == NOT_REACHED


def _sum_of(detail: str) -> tuple[int, int]:
    """What an index line's terms come to, and what it says they do, micros."""
    terms, _, rest = detail.partition(" = ")
    first, *minus = [round(1e6 * float(amount)) for amount in re.findall(r"(-?[0-9.]+) USD", terms)]
    return first - sum(minus), round(1e6 * float(rest.split(" ")[0]))


def test_the_index_adds_up_whoever_decides() -> None:
    page = a_page([a_row(n, arm=n % 2, recent_sends=(T - 9 * DAY, *(0,) * 7), last_send_at=T - 9 * DAY) for n in range(1, 41)])
    mailed = [(record, steps) for record, steps in decided(page, a_context()) if record["offer"] is not None]
    assert {record["arm"] for record, _ in mailed} == {"engine", "fixed"}
    for record, steps in mailed:
        for what, index in (("index", "index_micros"), ("row index", "row_index_micros")):
            detail = step(steps, what).detail
            assert _sum_of(detail) == (record[index], record[index])
            assert ("hazard price" in detail) == (record["arm"] == "engine")
        assert ("the fixed policy heeds no price" in step(steps, "row index").detail) == (record["arm"] == "fixed")
        assert ("the fixed policy's" in step(steps, "offer and content").detail) == (record["arm"] == "fixed")
        if record["runner_up_offer"] is not None:
            assert "-" not in step(steps, "runner-up").detail.rpartition(", ")[2]


PRICED_OUT = {
    "below_shadow_price": a_context(price=Price(50_000_000, "high")),
    "negative_long_term_value": a_context(price=Price(0, "p", kappa_micros=10**12)),
    "daily_limit_reached": a_context(budget_left=0),
    "predicted_revenue_too_low": a_context(controls=Controls(min_revenue_per_email_micros=900_000_000)),
}


@pytest.mark.parametrize("reason", PRICED_OUT)
def test_a_mail_that_was_not_worth_it_shows_what_it_was_worth_and_which_it_would_have_been(reason: str) -> None:
    context = PRICED_OUT[reason]
    for record, steps in decided(many(6), context):
        assert (record["reason"], record["offer"]) == (reason, None)
        line = step(steps, "row index").detail
        assert _sum_of(line) == (record["row_index_micros"], record["row_index_micros"])
        assert (
            f"− complaint price {record['complaint_price_micros'] / 1e6:.6f} USD" in line or not record["complaint_price_micros"]
        )
        apart = record["row_index_micros"] - context.price.lambda_micros
        assert f"{abs(apart) / 1e6:.6f} USD {'above it' if apart > 0 else 'short'}" in line
        considered = f"{record['considered_offer']} (Offer {record['considered_offer']}), {record['considered_content']}"
        index = record["considered_index_micros"] / 1e6
        revenue = 0.025 if record["considered_offer"] == "102" else 0.02  # 5 % click, 2 % of them convert
        assert step(steps, "offer considered").detail == f"{considered}: revenue {revenue:.6f} USD, index {index:.6f} USD"
        less = (record["considered_index_micros"] - record["runner_up_index_micros"]) / 1e6
        assert less >= 0 and step(steps, "runner-up").detail.endswith(f"{less:.6f} USD less")


@pytest.mark.parametrize("context", [a_context(offers=()), a_context(stopped_segments=("clicker",))])
def test_who_was_asked_nothing_has_no_index_and_no_offer(context: CycleContext) -> None:
    ((record, steps),) = decided(many(1), context)
    assert record["considered_offer"] is record["runner_up_offer"] is record["considered_index_micros"] is None
    assert not {"row index", "offer considered", "runner-up"} & {one.what for one in steps}


def test_outside_hours_names_the_next_opening() -> None:
    night = NOW.replace(hour=23)
    ((record, steps),) = decided(a_page([a_row(1)]), a_context(now=night))
    assert record["reason"] == "outside_hours"
    opening = (NOW + timedelta(days=1)).replace(hour=6)
    assert step(steps, "what would have changed it").detail == (
        f"a decision at {opening:%Y-%m-%dT%H:%M:%S}.000Z (a hard veto: no number turns it)"
    )


def test_a_price_that_was_not_met_says_by_how_much() -> None:
    ((record, steps),) = decided(a_page([a_row(1)]), a_context(price=Price(50_000_000, "high")))
    assert record["reason"] == "below_shadow_price"
    best = record["row_index_micros"] / 1e6
    assert step(steps, "below_shadow_price").detail == f"index {best:.6f} USD, to beat: 50.000000 USD"
    assert "50.000000 USD instead" in step(steps, "what would have changed it").detail


def test_where_complaints_are_priced_the_index_says_so() -> None:
    ((_, steps),) = decided(a_page([a_row(1)]), a_context(price=Price(0, "p", kappa_micros=1_250_000)))
    assert step(steps, "row index").detail.endswith("; price of a complaint κ 1.250000 USD")


def test_a_send_shows_choice_propensity_price_index_and_runner_up() -> None:
    record, steps = next(
        (record, steps)
        for record, steps in decided(many(10), a_context(controls=Controls(ghost_share=0.1)), flips=True)
        if record["action"] == "send"
    )
    assert all(one.verdict in ("", PASSED) for one in steps)
    joint = f"{record['propensity_joint']:.4f} = send {record['propensity_send']:.4f} × offer {record['propensity_offer']:.4f}"
    assert step(steps, "propensity").detail.startswith(joint)
    assert record["subject_line"] in step(steps, "offer and content").detail
    assert f"P(click) {record['p_click']:.5f}" in step(steps, "predictions").detail
    assert step(steps, "index").detail.endswith(f"= {record['index_micros'] / 1e6:.6f} USD")
    above = (
        f"= {record['row_index_micros'] / 1e6:.6f} USD; price λ 0.000000 USD, {record['row_index_micros'] / 1e6:.6f} USD above it"
    )
    assert step(steps, "row index").detail.endswith(above)
    runner_up = step(steps, "runner-up").detail
    assert runner_up.startswith(f"{record['runner_up_offer']}, {record['runner_up_content']}: index ")
    flip = step(steps, "what would have changed it").detail
    assert re.match(r"(no mail \(\w+\)|offer \d+) with .* instead of .*% away; not yet with ", flip)
    assert "instead by another draw" in flip


def test_only_a_mail_that_was_drawn_could_have_been_another_by_another_draw() -> None:
    page = a_page([a_row(n, arm=n % 2, recent_sends=(T - 9 * DAY, *(0,) * 7), last_send_at=T - 9 * DAY) for n in range(1, 21)])
    mailed = [(record, steps) for record, steps in decided(page, a_context()) if record["action"] == "send"]
    assert all(record["runner_up_offer"] is not None for record, _ in mailed)
    assert {record["arm"] for record, _ in mailed} == {"engine", "fixed"}
    for record, steps in mailed:
        drawn = record["propensity_offer"] * record["propensity_content"] < 1.0
        assert drawn == (record["arm"] == "engine")
        assert ("another draw" in step(steps, "what would have changed it").detail) == drawn


def test_the_nearest_limit_of_a_send_is_named() -> None:
    page = many(1)
    ((before, _),) = decided(page, a_context())
    near = before["churn_risk"] * 1.001
    context = a_context(controls=Controls(churn_risk_threshold=near, ghost_share=0.0))
    ((record, steps),) = decided(page, context, flips=True)
    assert record["action"] == "send"
    flip = step(steps, "what would have changed it").detail
    assert flip.startswith("no mail (high_churn_risk) with the most churn risk ")
    assert f" instead of {near:.7g}, 0.1% away" in flip
    ((changed, _),) = decided(page, replace(context, controls=Controls(churn_risk_threshold=before["churn_risk"] * 0.999)))
    assert changed["reason"] == "high_churn_risk"  # and it would have


def test_what_the_budget_cut_by_rank_is_told_from_what_it_refused_before() -> None:
    page, context = many(20), a_context(controls=Controls(ghost_share=0.0))
    cut = next(steps for record, steps in decided(page, context, granted=5) if record["reason"] == "daily_limit_reached")
    assert step(cut, "daily_limit_reached").verdict == step(cut, "below_shadow_price").verdict == PASSED
    assert step(cut, "place by rank").detail.startswith(
        "daily_limit_reached: the page got 5 places, 0 were taken by earlier pages"
    )
    refused = decided(page, replace(context, budget_left=0))[0][1]
    assert step(refused, "daily_limit_reached").verdict == FAILED
    assert step(refused, "below_shadow_price").verdict == NOT_REACHED


RANKED = a_page(
    [a_row(n + 1, provider=n % 2, last_send_at=T - (2 + n) * DAY, recent_sends=(T - (2 + n) * DAY, *(0,) * 7)) for n in range(8)]
)


@pytest.mark.parametrize(
    ("reason", "changes", "granted"),
    [
        ("daily_limit_reached", {}, 5),
        ("velocity_limit", {}, 10**6),
        ("provider_rate", {"rooms": {PROVIDERS[0]: Room(today=900, cycle=2)}}, 10**6),
    ],
)
def test_a_mail_cut_by_rank_says_by_how_much_and_which_it_would_have_been(
    reason: str, changes: dict[str, Any], granted: int
) -> None:
    """The longer ago the last mail, the less tired, the higher the index: no two are equal here."""
    taken = Taken(mails=(145, *NOTHING_TAKEN.mails[1:])) if reason == "velocity_limit" else NOTHING_TAKEN
    context = a_context(controls=Controls(ghost_share=0.0, sends_per_minute=10), **changes)
    found = decided(RANKED, context, granted=granted, taken=taken)
    assert Counter(record["reason"] for record, _ in found)[reason] >= 2
    for record, steps in found:
        if record["reason"] != reason:
            continue
        rivals = [r for r, _ in found if r["mailed"] and (reason != "provider_rate" or r["provider"] == record["provider"])]
        last = min(r["row_index_micros"] for r in rivals)
        away = (last - record["row_index_micros"]) / 1e6
        assert away > 0
        assert f"{away:.6f} USD less than the last one placed ({last / 1e6:.6f} USD)" in step(steps, "place by rank").detail
        assert step(steps, "what would have changed it").detail == (
            f"an index above {last / 1e6:.6f} USD, {away:.6f} USD more, or more places"
        )
        assert _sum_of(step(steps, "row index").detail) == (record["row_index_micros"],) * 2
        (uncut,) = (r for r, _ in decided(RANKED, replace(context, rooms={})) if r["subscriber"] == record["subscriber"])
        assert (record["offer"], record["off_policy_support"], uncut["mailed"]) == (None, False, True)
        for name in ("offer", "content", "index_micros"):
            assert record[f"considered_{name}"] == uncut[name]
        for name in ("runner_up_offer", "runner_up_content", "runner_up_index_micros"):
            assert record[name] == uncut[name]
        brings = f"revenue {uncut['expected_revenue_micros'] / 1e6:.6f} USD, index {uncut['index_micros'] / 1e6:.6f} USD"
        assert (
            step(steps, "offer considered").detail == f"{uncut['offer']} (Offer {uncut['offer']}), {uncut['content']}: {brings}"
        )


def test_an_equal_lost_the_draw_and_where_no_place_was_left_no_index_would_have_helped() -> None:
    page, context = many(20), a_context(controls=Controls(ghost_share=0.0))
    equal = next(s for r, s in decided(page, context, granted=5) if r["reason"] == "daily_limit_reached")
    assert step(equal, "place by rank").detail.endswith("is that of the last one placed, equals go by lot")
    assert step(equal, "what would have changed it").detail == "another draw among equals, or more places"
    none = next(s for r, s in decided(page, context, granted=0) if r["reason"] == "daily_limit_reached")
    assert step(none, "place by rank").detail.endswith("none was left for it, whatever its index")
    assert "no index would have got it one" in step(none, "what would have changed it").detail


def test_a_ghost_is_explained_by_its_lot() -> None:
    ghost = next(s for r, s in decided(many(60), a_context(controls=Controls(ghost_share=0.2))) if r["action"] == "ghost")
    assert "20.0% of what would be sent is held back by lot" in step(ghost, "what would have changed it").detail


def test_a_reader_is_told_of_by_the_bundle_that_knows_his_worth() -> None:
    plain = a_context()
    bundle = replace(plain.bundle, parts=replace(plain.bundle.parts, value=fit().model))
    page = a_page([a_row(recent_clicks=(topic_number("finance"), 31, *(0,) * 6), price_sensitivity=0.9)])
    ((_, without),), ((_, known),) = decided(page, plain), decided(page, replace(plain, bundle=bundle))
    assert all(one.what != "the reader" for one in without)
    said = step(known, "the reader").detail
    assert re.match(
        r"(low|medium|high|whale|at_risk) value \(sure by [01]\.\d\d\): [\d.,]+ USD, of which [\d.,]+ USD is to come", said
    )
    assert "clicks finance, topic 31; price sensitivity high" in said
