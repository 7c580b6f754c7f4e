"""Receipts become logged decisions: what is inside the support, what it brought, and policies asked about a log of known truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from revenue_engine.audit import receipts
from revenue_engine.context import prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.errors import BadInput
from revenue_engine.evaluation.decided import MATURE_SECONDS, SKIP, Decided, Policy, decided, logged
from revenue_engine.evaluation.evaluate import Evaluation, evaluate
from revenue_engine.evaluation.overlap import Guards
from revenue_engine.evaluation.receipts import Became, Receipt
from revenue_engine.evaluation.targets import target_of
from revenue_engine.grant import grant
from revenue_engine.mixture import with_policy
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.snapshot import save_context, save_page
from tests.core_cases import PRIOR, T, a_context, a_crowd, many

LATER = T + MATURE_SECONDS + 900.0
LINE: dict[str, Any] = {
    "decision_id": "c.s1", "ts": "2026-03-04T12:00:00.000Z", "subscriber": "s1", "autonomy": "full", "canary": False, "arm": "engine",
    "action": "send", "offer": "1", "content": "a", "segment": "new", "epsilon": 0.05, "propensity_joint": 0.3,
    "propensity_send": 0.98, "p_conversion": 0.1, "payout_micros": 20_000_000, "currency": "USD", "context": "c", "page": "p", "row": 0,
    "off_policy_support": True,
}  # fmt: skip
MAIL = Became(T + 60.0, None, None, None, 0)


def line(**changes: Any) -> Receipt:
    return Receipt.model_validate(LINE | changes)


def of(*read: Receipt, became: dict[str, Became] | None = None, worth_micros: int = 0) -> Decided:
    return decided(read, became or {}, as_of=LATER, worth_micros=worth_micros)


# --- what is inside ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arm": "fixed", "off_policy_support": False}, "fixed_policy"),
        ({"arm": "no_mail", "action": "skip", "off_policy_support": False}, "holdout"),
        ({"action": "skip", "offer": None, "content": None, "off_policy_support": False}, "certain_skip"),
        ({"autonomy": "shadow"}, "not_let_leave"),
        ({"autonomy": "approval"}, "not_let_leave"),
        ({"autonomy": "canary"}, "not_let_leave"),
        ({"action": "ghost", "autonomy": "canary"}, "not_let_leave"),
        ({"ts": "2026-03-04T12:15:00.001Z"}, "not_matured"),
    ],
)
def test_what_chance_did_not_make_or_nobody_answered_is_left_out_by_its_reason(changes: dict[str, Any], reason: str) -> None:
    log = of(line(), line(**changes), line(autonomy="canary", canary=True), line(ts="2026-03-04T12:15:00.000Z"))
    assert (len(log), log.left_out) == (3, {reason: 1})


def test_a_page_is_counted_whole() -> None:
    page = a_crowd()
    cycle = prepare(a_context(controls=Controls(ghost_share=0.2)))
    got = grant(decide_batch(page, cycle), page, cycle, 100)
    raw = receipts(got, page, cycle, page_key="p", context_key="c", granted=100)
    log = of(*(Receipt.model_validate_json(each) for each in raw.splitlines()))
    free = (got.arm >= 0) & (got.policy == 0)
    assert len(log) == free.sum()
    assert sum(log.left_out.values()) == (~free).sum()
    assert (log.propensity == got.propensity_joint[free]).all()
    assert ((log.action == log.arms.index(SKIP)) == got.ghost[free]).all()
    assert log.policy is None  # a receipt alone does not say what else might have been done


# --- what it brought -----------------------------------------------------------------------------------------------------
def test_rewards_are_clicks_at_their_expectation_less_what_was_lost() -> None:
    read = [line(decision_id=name) for name in ("clicked", "left", "complained", "nothing", "never left")]
    read.append(line(decision_id="late"))
    became = {
        "clicked": replace(MAIL, clicked_at=T + 100.0, approved_micros=7_000_000),
        "left": replace(MAIL, unsubscribed_at=T + 100.0),
        "complained": replace(MAIL, clicked_at=T + 90.0, complained_at=T + 100.0),
        "nothing": MAIL,
        "late": replace(MAIL, clicked_at=MAIL.sent_at + MATURE_SECONDS + 1, approved_micros=5),
    }
    log = of(*read, became=became, worth_micros=3_000_000)
    assert log.rewards.reward.tolist() == [2e6, -3e6, 2e6 - 6e6, 0, 0, 0]
    assert log.revenue_micros.tolist() == [7_000_000, 0, 0, 0, 0, 5]
    assert log.complained.tolist() == [False, False, True, False, False, False]


def test_a_receipt_that_cannot_be_is_refused_by_its_field() -> None:
    for changes, field in (
        ({"propensity_joint": 0.0}, "propensity_joint"),
        ({"segment": "rich"}, "segment"),
        ({"row": -1}, "row"),
        ({"ts": "2026-03-04T12:00:00"}, "ts"),
        ({"offer": None}, "off_policy_support"),
    ):
        with pytest.raises(ValidationError, match=field):
            line(**changes)


# --- policies asked about ---------------------------------------------------------------------------------------------------
@cache
def market(n: int = 40_000, seed: int = 4) -> tuple[Decided, np.ndarray[Any, Any]]:
    """Real decisions of one cycle, clicked by rates of the test's own; and each arm's true reward by decision."""
    cycle = prepare(context := a_context(controls=Controls(ghost_share=0.1, epsilon_per_day=0.2, sends_per_minute=1_000)))
    page = many(n)
    raw = receipts(decide_batch(page, cycle), page, cycle, page_key="p", context_key="c", granted=n)
    read = [Receipt.model_validate_json(each) for each in raw.splitlines()]
    rates = {"101/soft": 0.02, "101/standard": 0.08, "102/soft": 0.03, "102/standard": 0.04, "103/standard": 0.05, SKIP: 0.0}
    random = np.random.default_rng(seed)
    became = {
        one.decision_id: replace(MAIL, clicked_at=T + 100.0 if random.random() < rates[one.arm_name] else None)
        for one in read
        if not one.ghost
    }
    log = with_policy(of(*read, became=became), {"c": save_context(context), "p": save_page(page)}.get, PRIOR)
    worth = {one.arm_name: one.p_conversion * one.payout_micros for one in read}  # type: ignore[operator]
    return log, np.array([rates[arm] * worth.get(arm, 0.0) for arm in log.arms])


@pytest.mark.parametrize("name", ["always:101/standard", "always:101/soft", "even", "greedy"])
@pytest.mark.parametrize("method", ["dr", "snips"])
def test_a_targets_true_value_is_in_its_interval(name: str, method: Any) -> None:
    log, truth = market()
    assert log.policy is not None
    target = target_of(name, log, log.policy)
    got = evaluate(logged(log, target), method, Guards())
    assert isinstance(got, Evaluation), got
    true = float((target @ truth).mean())
    low, high = got.interval.both(0.999)  # eight questions to one log: none of them may be answered wrongly by chance
    assert low <= true <= high
    assert got.interval.standard_error < true / 5


def policy(rows: int = 3) -> Policy:
    """Three arms; the second is eligible in all rows but the last, the third predicted best where it is."""
    eligible = np.array([[True, True, True, False], [True, True, False, False], [True, False, True, False]])[:rows]
    expected = np.array([[1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 9.0, 0.0], [4.0, 9.0, 3.0, 0.0]])[:rows]
    return Policy(np.tile([0.5, 0.2, 0.2, 0.1], (rows, 1)), eligible, expected)


def test_targets_are_what_they_are_called() -> None:
    log = replace(of(line(), line(), line()), arms=("1/a", "1/b", "2/a", SKIP))
    assert target_of("always:1/b", log, policy()).tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0.5, 0.2, 0.2, 0.1]]
    assert target_of("even", log, policy()).tolist() == [[1 / 3, 1 / 3, 1 / 3, 0], [0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0]]
    assert target_of("greedy", log, policy()).argmax(axis=1).tolist() == [2, 1, 0]


@pytest.mark.parametrize("name", ["always:9/z", f"always:{SKIP}", "often", ""])
def test_another_target_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInput) as raised:
        target_of(name, replace(of(line()), arms=("1/a", SKIP)), policy(1))
    assert raised.value.field == "target"


def test_every_switch_is_known_to_let_leave_or_not() -> None:
    assert {value for value in Autonomy if line(autonomy=value.value).played} == {Autonomy.FULL}
