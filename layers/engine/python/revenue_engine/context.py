"""What a cycle decides by, and the same worked out once for all its pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.bundle import Bundle
from revenue_engine.clock import epoch_seconds
from revenue_engine.draws import Stream, uniforms
from revenue_engine.errors import Refused
from revenue_engine.ids import stable_hash
from revenue_engine.offers import choice
from revenue_engine.offers.book import OfferBook, make_book
from revenue_engine.offers.posterior import Posteriors, joint_draws
from revenue_engine.prediction.rates import table
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.offer import Offer

JOINT_DRAWS = 256
UPPER_QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class Price:
    """What a send must beat: the shadow price of the day's cap, in micros."""

    lambda_micros: int = 0
    version: str = "zero"


@dataclass(frozen=True, slots=True)
class CycleContext:
    """All a cycle decides by, beside the rows: written once before the first claim, read by every retry and replay (D6)."""

    org: str
    cycle_id: str
    now: datetime
    autonomy: Autonomy
    controls: Controls
    offers: tuple[Offer, ...]
    posteriors: Posteriors
    bundle: Bundle
    price: Price
    budget_left: int
    list_refreshed_at: Mapping[str, datetime]
    caps_reached: Mapping[str, str]  # offer → which cap
    code_version: str
    stopped_segments: tuple[str, ...] = ()  # by the judge; what it stopped of offers and variants is not in `offers`
    stopped_providers: tuple[str, ...] = ()
    let_through_share: float = 1.0  # of people; less while the breaker is half open


@dataclass(frozen=True, slots=True)
class Cycle:
    """A context, worked out once for all its pages. S segments, A arms, M joint draws."""

    context: CycleContext
    now: int
    key: int  # of every keyed draw
    canary_key: int  # the org's, so that the canaries stay the same people
    trickle_key: int  # the org's and the day's, so that one trickle is of the same people
    book: OfferBook
    p_open: Floats  # (S, A)
    p_click: Floats  # (S, A)
    p_conversion: Floats  # (S, A) posterior means
    revenue: Floats  # (S, A) expected micros of a mail
    upper: Floats  # (S, A) and their optimistic bound
    scores: Floats  # (S, M, A) micros of a mail under each draw
    order: choice.Positions  # (S, M, A)
    fixed_revenue: Floats  # (A,) over the org: the fixed policy's taste


def prepare(context: CycleContext) -> Cycle:
    """Work a context out.

    Raises Refused("posteriors_mismatch") when the posteriors were folded for another catalogue (D5).
    """
    book = make_book(
        context.offers,
        controls=context.controls,
        now=context.now,
        list_refreshed_at=context.list_refreshed_at,
        mean_payouts=context.posteriors.mean_payouts,
        caps_reached=context.caps_reached,
    )
    if book.arms != context.posteriors.arms:
        raise Refused("posteriors_mismatch")
    rates = context.bundle.rates
    arms = [(offer, variant, book.offers[o].category) for (offer, variant), o in zip(book.arms, book.offer_of_arm, strict=True)]
    p_click = table(rates.click_level, rates.click_ratio, arms)
    worth = p_click * book.payout_micros * (1.0 - book.refund_rate)
    draws = joint_draws(context.posteriors, org=context.org, cycle_id=context.cycle_id, draws=JOINT_DRAWS)
    scores = worth[:, None, :] * draws
    # which of equal scores wins is drawn afresh per joint draw
    ties = uniforms(stable_hash("ties", context.org, context.cycle_id), np.arange(scores.size, dtype=np.uint64), Stream.RANK)
    revenue = worth * context.posteriors.mean
    return Cycle(
        context=context,
        now=epoch_seconds(context.now),
        key=stable_hash("cycle", context.org, context.cycle_id),
        canary_key=stable_hash("canary", context.org),
        trickle_key=stable_hash("trickle", context.org, f"{context.now:%Y-%m-%d}"),
        book=book,
        p_open=table(rates.open_level, rates.open_ratio, arms),
        p_click=p_click,
        p_conversion=context.posteriors.mean,
        revenue=revenue,
        upper=np.maximum(np.quantile(scores, UPPER_QUANTILE, axis=1), revenue),
        scores=scores,
        order=choice.preference(scores, ties.reshape(scores.shape)),
        fixed_revenue=context.posteriors.segment_share @ revenue,
    )
