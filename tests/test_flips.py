"""The change an explanation names turns the decision round, and the value next to it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.bundle import Bundle, prior_bundle, seal
from revenue_engine.context import CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.flips import Flip, nearest_flip
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.reasons import REASONS
from tests.core_cases import HOUR, NOW, T, a_context, a_page, a_row, an_offer, many
from tests.core_cases import PLAIN as PLAIN_BUNDLE

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
        Controls.model_validate(flip.changed(flip.after).context.controls.model_dump())  # an operator can set it
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


def turns_at(row: Batch, context: CycleContext) -> float:
    """The price of a complaint at which the row's index is nothing: a line from where a complaint costs more than its reader."""
    high = 10**12
    index = [
        int(decide_batch(row, prepare(replace(context, price=Price(0, "p", kappa_micros=kappa)))).row_index_micros[0])
        for kappa in (high, 2 * high)
    ]
    return high + index[0] / ((index[0] - index[1]) / high)


def with_hazards(*, unsubscribe: float, complaint: float) -> Bundle:
    """The plain bundle, everybody's chances of leaving these."""
    own = {"unsubscribe_hazard": unsubscribe, "complaint_hazard": complaint}
    rates = PRIOR_RATES.model_copy(update={name: dict.fromkeys(SEGMENTS, chance) for name, chance in own.items()})
    parts = replace(PLAIN_BUNDLE.parts, rates=rates)
    return seal(parts, trained_at=NOW, code_version="test", prior=True, data_fingerprint="", metrics={})


@pytest.mark.parametrize("times", [1.01, 2.0])
def test_who_complains_and_nothing_else_is_mailed_with_fewer_complaints_or_a_lower_price_of_them(times: float) -> None:
    """The index charges chance times price: half of one is half of the other."""
    row, plain = many(1), a_context(bundle=with_hazards(unsubscribe=1e-9, complaint=1e-6))
    kappa = round(times * turns_at(row, plain))
    flip = nearest_flip(row, replace(plain, price=Price(0, "p", kappa_micros=kappa)))
    assert flip is not None and flip.becomes.startswith("offer ")
    assert flip.what in ("the chance that a mail makes people leave, times", "the price of a complaint κ")
    assert flip.after / flip.before == pytest.approx(1 / times, rel=2e-3)


def test_the_chance_of_leaving_is_that_of_complaining_too() -> None:
    """Who only complains, and costs no more by it than his own worth twice: mailed where he complains less, and no sooner."""
    row, loose = many(1), PLAIN.model_copy(update={"complaint_risk_threshold": 0.5, "churn_risk_threshold": 1.0})
    flip = nearest_flip(row, a_context(bundle=with_hazards(unsubscribe=1e-9, complaint=0.0013), controls=loose))
    assert flip is not None and flip.what == "the chance that a mail makes people leave, times"
    for times, reason in ((flip.after, "revenue_opportunity"), (flip.short_of, "negative_long_term_value")):
        other = a_context(bundle=with_hazards(unsubscribe=1e-9 * times, complaint=0.0013 * times), controls=loose)
        assert REASONS[int(decide_batch(row, prepare(other)).reason[0])] == reason


def test_where_complaints_have_no_price_it_explains_nothing() -> None:
    unpriced = nearest_flip(many(1), a_context())
    assert unpriced is None or unpriced.what != "the price of a complaint κ"


def test_a_payout_that_would_send_is_found_below_the_payout_that_closes_its_offer() -> None:
    row, context = many(1), a_context(price=Price(200_000, "p"))
    flip = nearest_flip(row, context)
    assert flip is not None and flip.what == "the payout of offer 102"
    assert flip.before < flip.after < context.controls.max_payout_micros
    assert answer(row, flip, flip.after) == ("revenue_opportunity", "102")
    low = a_context(price=Price(200_000, "p"), controls=PLAIN.model_copy(update={"max_payout_micros": 2 * 25_000_000}))
    other = nearest_flip(row, low)
    assert other is not None and other.what == "the price λ", "no payout that is allowed is enough"


def test_one_mail_a_week_more_is_named_though_three_more_are_too_much_risk() -> None:
    sent = tuple(T - hours * HOUR for hours in (90, 130, 160))
    row = a_page([a_row(1, sends=1_000.0, last_send_at=sent[0], recent_sends=(*sent, *(0,) * 5))])
    context = a_context(controls=PLAIN.model_copy(update={"churn_risk_threshold": 0.02, "max_emails_per_subscriber_per_week": 3}))
    flip = nearest_flip(row, context)
    assert flip is not None
    assert (flip.what, flip.before, flip.after) == ("the mails in seven days", 3, 4)
    assert answer(row, flip, 3)[0] == "subscriber_frequency_limit" and answer(row, flip, 7)[0] == "high_churn_risk"


def test_a_mail_too_soon_names_the_gap_that_would_have_let_it_go_if_it_may_be_set() -> None:
    row = a_page([a_row(1, last_send_at=T - 13 * HOUR, recent_sends=(T - 13 * HOUR, *(0,) * 7))])
    flip = nearest_flip(row, a_context())
    assert flip is not None
    assert (flip.what, flip.before, flip.after, flip.short_of) == ("the hours between mails", 24, 13, 14)
    # twelve hours are the least that controls take
    assert (
        nearest_flip(a_page([a_row(1, last_send_at=T - 5 * HOUR, recent_sends=(T - 5 * HOUR, *(0,) * 7))]), a_context()) is None
    )


def test_no_offer_s_payout_turns_a_mail_sooner_than_what_is_named() -> None:
    """A third offer's moves the votes of both the chosen one and the runner-up."""
    payouts = [(10 + n) * 1_000_000 for n in range(8)]
    offers = [an_offer(100 + n, payout_micros=payout) for n, payout in enumerate(payouts)]
    context, page = a_context(offers=offers, bundle=prior_bundle(NOW)), many(7)
    cycle = prepare(context)
    chosen, third = decide_batch(page, cycle), 0
    for n in range(len(page)):
        if chosen.arm[n] < 0:
            continue
        row, flip = one_of(page, n), nearest_flip(one_of(page, n), context)
        own, runner_up = (cycle.book.arms[arm][0] for arm in (chosen.arm[n], chosen.runner_up[n]))
        third += flip is not None and flip.what.startswith("the payout of") and flip.what[-3:] not in (own, runner_up)
        nearer = [share for share in (0.01, 0.05, 0.1, 0.2) if flip is None or share < flip.share]
        for offer, payout in zip(offers, payouts, strict=True):
            for micros in (times * payout for share in nearer for times in (1 - share, 1 / (1 - share))):
                changed = (replace(of, payout_micros=round(micros)) if of == offer else of for of in offers)
                other = prepare(replace(context, offers=tuple(changed)), factors=cycle.factors)
                assert other.book.arms[int(decide_batch(row, other).arm[0])][0] == own
    assert third


@pytest.mark.parametrize("context", [a_context(stopped_segments=("clicker",)), a_context(offers=()), a_context(budget_left=0)])
def test_what_no_number_moves_has_no_flip(context: CycleContext) -> None:
    assert nearest_flip(many(1), context) is None
    assert nearest_flip(a_page([a_row(1, arm=2)]), replace(context, budget_left=9)) is None


def test_it_is_the_same_every_time() -> None:
    first, again = (nearest_flip(many(1), CASES["priced"]) for _ in range(2))
    assert first is not None and again is not None
    assert np.isclose(first.after, again.after) and first.what == again.what
