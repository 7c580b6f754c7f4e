"""The whole policy, worked out again from stored inputs: what the receipts say of the arm that was drawn, and the rest adds up (D2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from revenue_engine.audit import receipts, replay
from revenue_engine.context import Cycle, CycleContext, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.evaluation.decided import SKIP, Decided, decided
from revenue_engine.evaluation.receipts import Receipt
from revenue_engine.grant import grant
from revenue_engine.mixture import mixture, with_policy
from revenue_engine.prospects import Prospects, look, offers_open
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.subscriber import ARMS
from revenue_engine.snapshot import save_context, save_page
from tests.core_cases import NOW, OFFERS, PRIOR, T, a_context, a_crowd, an_offer, many

ENGINE = ARMS.index("engine")
CONTROLS = Controls(ghost_share=0.1, epsilon_per_day=0.2)
CONTEXT = a_context(
    controls=CONTROLS,
    evidence=[Evidence(NOW.date() - timedelta(days=3), "101", "soft", "clicker", deliveries=900, clicks=50, conversions=3)],
)
OTHER = a_context(
    controls=CONTROLS, offers=(*OFFERS[1:], an_offer(104, variants=("bold",))), cycle_id="2026-03-04T12:15", now=NOW
)
LATER = T + 4 * 86_400.0
CROWD = a_crowd(300)


def on_record(context: CycleContext, page: Batch, granted: int = 10_000) -> list[Receipt]:
    cycle = prepare(context)
    decisions = grant(decide_batch(page, cycle), page, cycle, granted)
    lines = receipts(
        decisions, page, cycle, page_key=f"page of {context.cycle_id}", context_key=context.cycle_id, granted=granted
    )
    return [Receipt.model_validate_json(line) for line in lines.splitlines()]


def stored(*contexts: CycleContext, page: Batch = CROWD) -> Callable[[str], bytes | None]:
    files = {context.cycle_id: save_context(context) for context in contexts}
    return (files | {f"page of {context.cycle_id}": save_page(page) for context in contexts}).get


def prospects(cycle: Cycle, page: Batch, decisions: Decisions, rows: np.ndarray) -> Prospects:
    some = Batch(page.subscriber[rows], page.rows[rows], page.decided_at[rows])
    return look(some, cycle, decisions.segment[rows].astype(np.intp), offers_open(some, cycle))


def seen(*read: Receipt) -> Decided:
    return decided(read, {}, as_of=LATER, worth_micros=0)


def test_replayed_rows_add_up_to_one_and_hold_the_logged_propensity_of_what_was_done() -> None:
    page = a_crowd(1_500)
    decisions, _, cycle = replay(save_page(page), save_context(CONTEXT), PRIOR, granted=250)
    rows = np.flatnonzero((decisions.arm >= 0) & (decisions.policy == ENGINE))
    whole = mixture(prospects(cycle, page, decisions, rows), cycle, decisions.epsilon[rows])
    done = np.where(decisions.ghost[rows], len(cycle.book.arms), decisions.arm[rows])
    assert {"send", "ghost"} == {"ghost" if ghost else "send" for ghost in decisions.ghost[rows]}
    assert len(rows) > 100
    assert np.abs(whole.sum(axis=1) - 1).max() <= 1e-9
    assert np.abs(whole[np.arange(len(rows)), done] - decisions.propensity_joint[rows]).max() <= 1e-12
    eligible = np.unpackbits(decisions.eligible[rows], axis=1, count=len(cycle.book.arms)).astype(bool)
    assert ((whole[:, :-1] > 0) == eligible).all()


def test_arms_are_drawn_as_often_as_the_mixture_says() -> None:
    """One state, so one mixture a cycle: 5,000 draws of each."""
    page, statistic, degrees = many(5_000), 0.0, 0
    for number in range(8):
        cycle = prepare(replace(CONTEXT, cycle_id=f"cycle {number}"))
        got = decide_batch(page, cycle)
        whole = mixture(prospects(cycle, page, got, np.arange(1)), cycle, got.epsilon[:1])[0]
        counts = np.bincount(np.where(got.ghost, len(whole) - 1, got.arm), minlength=len(whole))
        statistic += float(stats.chisquare(counts, whole * len(page)).statistic)
        degrees += len(whole) - 1
    assert stats.chi2.sf(statistic, degrees) > 1e-3


def test_cycles_of_different_catalogues_share_one_list_of_arms() -> None:
    read = on_record(CONTEXT, CROWD) + on_record(OTHER, CROWD)
    log = with_policy(seen(*read), stored(CONTEXT, OTHER), PRIOR)
    assert log.policy is not None
    assert log.arms == ("101/soft", "101/standard", "102/soft", "102/standard", "103/standard", "104/bold", SKIP)
    rows = np.arange(len(log))
    assert np.abs(log.policy.logging[rows, log.action] - log.propensity).max() <= 1e-12
    assert np.abs(log.policy.logging.sum(axis=1) - 1).max() <= 1e-9
    first = log.page == 0
    assert not log.policy.eligible[first, log.arms.index("104/bold")].any()
    assert log.policy.eligible[~first, log.arms.index("104/bold")].any()
    assert not log.policy.eligible[:, -1].any()
    supported = [one for one in read if one.off_policy_support]
    names = [SKIP if one.ghost else one.arm_name for one in supported]
    assert [log.arms[action] for action in log.action.tolist()] == names
    wanted = [one.payout_micros * one.p_conversion for one in supported]  # type: ignore[operator]
    played = log.policy.expected[rows, log.action]
    mailed = log.action < len(log.arms) - 1
    assert (played[mailed] <= np.array(wanted)[mailed]).all()  # a mail is clicked less often than always
    assert (played[~mailed] == 0).all()


def test_without_the_stored_inputs_rows_are_left_out_and_counted() -> None:
    read = on_record(CONTEXT, CROWD) + on_record(OTHER, CROWD)
    plain = seen(*read)
    of_other = int((plain.page == 1).sum())
    log = with_policy(plain, stored(CONTEXT), PRIOR)
    assert len(log) == len(plain) - of_other > 0
    assert log.left_out == {**plain.left_out, "inputs_missing": of_other}
    none = with_policy(plain, stored(), PRIOR)
    assert (len(none), none.arms, none.left_out["inputs_missing"]) == (0, (SKIP,), len(plain))


def test_a_context_that_did_not_decide_these_rows_is_not_believed() -> None:
    read = on_record(CONTEXT, CROWD)
    plain = seen(*read)
    for changed in (
        replace(CONTEXT, controls=Controls(ghost_share=0.05, epsilon_per_day=0.2)),
        replace(OTHER, cycle_id=CONTEXT.cycle_id),
    ):
        log = with_policy(plain, stored(changed), PRIOR)
        assert (len(log), log.left_out["inputs_disagree"]) == (0, len(plain))
    torn = with_policy(plain, lambda name: b"{", PRIOR)
    assert torn.left_out["inputs_unreadable"] == len(plain)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_and_none_break_nothing(rows: int) -> None:
    log = with_policy(seen(*on_record(CONTEXT, many(1))[:rows]), stored(CONTEXT, page=many(1)), PRIOR)
    assert log.policy is not None
    assert log.policy.logging.shape == (rows, len(log.arms))


def test_receipts_are_the_documents_that_decide_writes() -> None:
    cycle = prepare(CONTEXT)
    page = many(1)
    raw = receipts(decide_batch(page, cycle), page, cycle, page_key="p", context_key="c", granted=1)
    document = json.loads(raw)
    assert set(Receipt.model_fields) <= set(document)
