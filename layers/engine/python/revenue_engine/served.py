"""Sends as they were served, read again from a stored page, and what became of them: the rows that models learn from.

Features come from the page's own rows and the cycle's own tables, by the function that serves them, so nothing that happened later can be
in them. Outcomes count inside a closed horizon alone: a mail that is younger than that is left out, never taken for a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints
from revenue_engine.audit import decision_id
from revenue_engine.context import Cycle
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.features import cross_features, offer_features, subscriber_features
from revenue_engine.records.batch import Batch
from revenue_engine.records.decisions import Decisions

CLICK_SECONDS = 72 * 3_600
SALE_SECONDS = 14 * 86_400


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a mail by now. Times are epoch seconds; clicks are those of people."""

    sent_at: float
    first_click_at: float | None
    sales: Sequence[tuple[float, int]]  # when converted, and micros approved by now: 0 for what was taken back


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the funnel is given of m sends."""

    features: npt.NDArray[np.float32]  # (m, F) of the person, then of the offer
    cross: npt.NDArray[np.float32]  # (m, 3)
    p_click: Floats  # (m,)
    p_sale: Floats
    payout_micros: Floats


def inputs(page: Batch, cycle: Cycle, rows: Ints, arm: Ints, segment: Ints) -> Inputs:
    """Of these rows (m,) of a page, each with the arm it was sent and the segment it was in."""
    book, people = cycle.book, Batch(page.subscriber[rows], page.rows[rows], page.decided_at[rows])
    cross = cross_features(people, cycle.now, book.numbers, [offer.category for offer in book.offers])
    of_arms = offer_features(
        book.payout_micros.astype(np.float64),
        (cycle.p_click / cycle.p_click.mean(axis=1, keepdims=True)).mean(axis=0),
        cycle.context.posteriors.segment_share @ cycle.p_conversion,
        [variant for _, variant in book.arms],
        [book.offers[o].category for o in book.offer_of_arm.tolist()],
        list(book.creatives),
    )
    return Inputs(
        features=np.concatenate([subscriber_features(people, cycle.now), of_arms[arm]], axis=1),
        cross=cross[np.arange(len(rows)), book.offer_of_arm[arm]],
        p_click=cycle.p_click[segment, arm],
        p_sale=cycle.p_conversion[segment, arm],
        payout_micros=book.payout_micros[arm].astype(np.float64),
    )


def training_rows(
    decisions: Decisions, page: Batch, cycle: Cycle, outcomes: Mapping[str, Outcome], *, as_of: float
) -> tuple[Rows, Counter[str]]:
    """Rows of the page's mails (`audit.replay` gives the first three), and how many were left out and why.

    Parameters
    ----------
    outcomes
        By decision id, of mails that left.
    as_of
        Epoch seconds up to which outcomes are known.
    """
    left_out: Counter[str] = Counter()
    known: list[Outcome] = []
    kept: list[int] = []
    for row in np.flatnonzero(decisions.mail).tolist():
        outcome = outcomes.get(decision_id(cycle.context.cycle_id, str(decisions.subscriber[row])))
        if outcome is None:
            left_out["never_left"] += 1
        elif outcome.sent_at > as_of - SALE_SECONDS:
            left_out["not_matured"] += 1
        else:
            known.append(outcome)
            kept.append(row)
    rows = np.array(kept, dtype=np.int64)
    arm, segment = decisions.arm[rows].astype(np.int64), decisions.segment[rows].astype(np.int64)
    given = inputs(page, cycle, rows, arm, segment)
    clicked = [o.first_click_at is not None and o.first_click_at <= o.sent_at + CLICK_SECONDS for o in known]
    sold = [any(micros > 0 and at <= o.sent_at + SALE_SECONDS for at, micros in o.sales) for o in known]
    return Rows(
        features=given.features,
        cross=given.cross,
        p_click=given.p_click,
        p_sale=given.p_sale,
        clicked=np.array(clicked, dtype=np.bool_),
        sold=np.array(sold, dtype=np.bool_),
        propensity=decisions.propensity_joint[rows],
        weight=np.ones(len(rows)),
    ), left_out
