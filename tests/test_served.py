"""Training rows know what the page knew and no more, and count what happened inside the horizon and no more."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from revenue_engine.audit import decision_id
from revenue_engine.cycle import decide_batch, grant
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.features import OFFER, SUBSCRIBER, subscriber_features
from revenue_engine.served import CLICK_SECONDS, SALE_SECONDS, Outcome, training_rows
from tests.core_cases import DAY, T, a_crowd, a_cycle

LATER = T + 60 * DAY
CYCLE, PAGE = a_cycle(), a_crowd(300)
DECISIONS = grant(decide_batch(PAGE, CYCLE), PAGE, CYCLE, 1_000)
MAILED = np.flatnonzero(DECISIONS.mail)


def _outcomes(**changes: object) -> dict[str, Outcome]:
    """Of all mails: nothing happened, unless changed."""
    plain = {"sent_at": float(T + 60), "first_click_at": None, "sales": ()} | changes
    return {decision_id(CYCLE.context.cycle_id, key): Outcome(**plain) for key in DECISIONS.subscriber[MAILED].tolist()}  # type: ignore[arg-type]


def _rows(outcomes: dict[str, Outcome], as_of: float = LATER) -> Rows:
    return training_rows(DECISIONS, PAGE, CYCLE, outcomes, as_of=as_of)[0]


def test_every_mail_is_a_row_with_the_features_it_was_served_by() -> None:
    rows = _rows(_outcomes())
    assert len(rows) == len(MAILED) > 50
    own = subscriber_features(PAGE, CYCLE.now)[MAILED]
    assert rows.features[:, : len(SUBSCRIBER)].tobytes() == own.tobytes()
    payout = rows.features[:, len(SUBSCRIBER) + OFFER.index("payout_dollars")]
    assert payout.tolist() == (CYCLE.book.payout_micros[DECISIONS.arm[MAILED]] / 1e6).tolist()
    assert rows.p_click.tolist() == DECISIONS.p_click[MAILED].tolist()
    assert rows.p_sale.tolist() == DECISIONS.p_conversion[MAILED].tolist()
    assert rows.propensity.tolist() == DECISIONS.propensity_joint[MAILED].tolist()


def test_what_happened_later_changes_labels_and_never_a_feature() -> None:
    before = _rows(_outcomes())
    after = _rows(_outcomes(first_click_at=float(T + 3_600), sales=((float(T + 7_200), 20_000_000),)))
    assert not before.clicked.any() and after.clicked.all() and after.sold.all()
    for field in fields(Rows):
        if field.name not in ("clicked", "sold"):
            assert getattr(before, field.name).tobytes() == getattr(after, field.name).tobytes(), field.name


@pytest.mark.parametrize(
    ("after_seconds", "clicks", "sells"),
    [
        (CLICK_SECONDS, True, True),
        (CLICK_SECONDS + 1, False, True),
        (SALE_SECONDS, False, True),
        (SALE_SECONDS + 1, False, False),
    ],
)
def test_only_what_happened_inside_the_horizon_counts(after_seconds: int, clicks: bool, sells: bool) -> None:
    at = float(T + 60 + after_seconds)
    rows = _rows(_outcomes(first_click_at=at, sales=((at, 20_000_000),)))
    assert set(rows.clicked.tolist()) == {clicks} and set(rows.sold.tolist()) == {sells}


def test_a_sale_that_was_taken_back_is_none() -> None:
    at = float(T + 7_200)
    assert not _rows(_outcomes(first_click_at=at, sales=((at, 0),))).sold.any()
    assert _rows(_outcomes(first_click_at=at, sales=((at, 0), (at + 60, 5_000_000)))).sold.all()


def test_young_mails_are_left_out_and_never_failures() -> None:
    horizon = T + 60 + SALE_SECONDS
    rows, left_out = training_rows(DECISIONS, PAGE, CYCLE, _outcomes(), as_of=horizon - 1)
    assert (len(rows), left_out) == (0, {"not_matured": len(MAILED)})
    assert len(_rows(_outcomes(), as_of=horizon)) == len(MAILED)


def test_what_never_left_is_no_row() -> None:
    outcomes = _outcomes()
    missing = next(iter(outcomes))
    del outcomes[missing]
    rows, left_out = training_rows(DECISIONS, PAGE, CYCLE, outcomes, as_of=LATER)
    assert (len(rows), left_out) == (len(MAILED) - 1, {"never_left": 1})
