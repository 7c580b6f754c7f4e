"""The change an explanation names turns the decision round, and the value next to it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.context import CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.flips import Flip, nearest_flip
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import REASONS
from tests.core_cases import HOUR, T, a_context, a_page, a_row, many

PLAIN = Controls(ghost_share=0.0)


def one_of(page: Batch, row: int) -> Batch:
    return Batch(page.subscriber[[row]], page.rows[[row]], page.decided_at[[row]])


def answer(page: Batch, flip: Flip, value: float) -> tuple[str, str | None]:
    """The reason and the offer with this value of the number."""
    cycle = flip.changed(value)
    decisions = decide_batch(page, cycle)
    arm = int(decisions.arm[0])
    return REASONS[int(decisions.reason[0])], None if arm < 0 else cycle.book.arms[arm][0]


CASES = {
    "cheap": a_context(),
    "priced": a_context(price=Price(20_000, "p")),
    "complained": a_context(price=Price(0, "p", kappa_micros=10**12)),
    "dear": a_context(price=Price(50_000_000, "high")),
    "strict": a_context(controls=PLAIN.model_copy(update={"churn_risk_threshold": 1e-6})),
    "floor": a_context(controls=PLAIN.model_copy(update={"min_revenue_per_email_micros": 900_000_000})),
}


@pytest.mark.parametrize("name", CASES)
def test_the_decision_turns_at_the_named_value_and_not_before_it(name: str) -> None:
    context, page = CASES[name], many(6)
    whole = decide_batch(page, prepare(context))
    turned = 0
    for n in range(len(page)):
        row = one_of(page, n)
        flip = nearest_flip(row, context)
        if flip is None:
            continue
        turned += 1
        before = answer(row, flip, flip.before)
        assert before[0] == REASONS[int(whole.reason[n])], "a row alone is decided as on its page"
        assert answer(row, flip, flip.short_of)[1] == before[1]
        after = answer(row, flip, flip.after)
        assert after[1] != before[1]
        assert flip.becomes == (after[0] if after[1] is None else f"offer {after[1]}")
        assert 0 < flip.share <= 1 and abs(flip.after - flip.short_of) <= max(1.0, 1e-5 * abs(flip.before))
    assert turned == len(page)


def test_a_skip_for_its_price_names_the_price_it_would_have_met_or_what_is_nearer() -> None:
    context = a_context(price=Price(50_000_000, "high"))
    (row,) = (many(1),)
    index = int(decide_batch(row, prepare(context)).row_index_micros[0])
    flip = nearest_flip(row, context)
    assert flip is not None and flip.becomes.startswith("offer ")
    near = context.price.lambda_micros * (1 - flip.share)
    assert index < context.price.lambda_micros and near < context.price.lambda_micros


def test_a_skip_for_its_complaints_names_their_price_where_nothing_is_nearer() -> None:
    """A trifle above the price at which the row's index is nothing."""
    row, plain = many(1), a_context()
    index = [
        int(decide_batch(row, prepare(replace(plain, price=Price(0, "p", kappa_micros=kappa)))).row_index_micros[0])
        for kappa in (10**9, 2 * 10**9)
    ]
    each = (
        index[0] - index[1]
    ) / 10**9  # of an index, for a micro of the price; a line from where a complaint costs more than its reader
    turns_at = 10**9 + index[0] / each
    flip = nearest_flip(row, replace(plain, price=Price(0, "p", kappa_micros=round(1.01 * turns_at))))
    assert flip is not None
    assert flip.what == "the price of a complaint κ" and flip.after == pytest.approx(turns_at, rel=1e-3)
    unpriced = nearest_flip(row, plain)
    assert unpriced is None or unpriced.what != "the price of a complaint κ", "where there is none it explains nothing"


def test_a_mail_too_soon_names_the_gap_that_would_have_let_it_go() -> None:
    row = a_page([a_row(1, last_send_at=T - 5 * HOUR, recent_sends=(T - 5 * HOUR, *(0,) * 7))])
    flip = nearest_flip(row, a_context())
    assert flip is not None
    assert (flip.what, flip.before, flip.after, flip.short_of) == ("the hours between mails", 24, 5, 6)


@pytest.mark.parametrize("context", [a_context(stopped_segments=("clicker",)), a_context(offers=()), a_context(budget_left=0)])
def test_what_no_number_moves_has_no_flip(context: CycleContext) -> None:
    assert nearest_flip(many(1), context) is None
    assert nearest_flip(a_page([a_row(1, arm=2)]), replace(context, budget_left=9)) is None


def test_it_is_the_same_every_time() -> None:
    first, again = (nearest_flip(many(1), CASES["priced"]) for _ in range(2))
    assert first is not None and again is not None
    assert np.isclose(first.after, again.after) and first.what == again.what
