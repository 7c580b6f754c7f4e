"""What a cycle decides by, and the same worked out once for all its pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.bundle import Bundle
from revenue_engine.clock import epoch_seconds
from revenue_engine.draws import Stream, generator, uniforms
from revenue_engine.errors import Refused
from revenue_engine.ids import stable_hash
from revenue_engine.offers import choice
from revenue_engine.offers.book import OfferBook, make_book
from revenue_engine.offers.posterior import Posteriors, joint_draws
from revenue_engine.pacing.curve import Week, week
from revenue_engine.pacing.index import ValueTable
from revenue_engine.pacing.warm_up import Room
from revenue_engine.prediction.features import offer_features
from revenue_engine.prediction.funnel import RATES_ALONE, Served
from revenue_engine.prediction.payout import AS_EXPECTED, Paid
from revenue_engine.prediction.rates import table
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.offer import Offer

JOINT_DRAWS = 256
UPPER_QUANTILE = 0.95
# how far offers' clicks per mail, and those of an offer's assets, lie from what the rates say while nothing was seen, as shares
OFFER_SPREAD, ASSET_SPREAD = 0.5, 0.2
_TIE = 1e-6
LATER_HOURS = 48  # that people are put off to by plan: the whole of tomorrow, whatever the hour


@dataclass(frozen=True, slots=True)
class Price:
    """What a send must beat: the shadow price of the day's cap, in micros."""

    lambda_micros: int = 0
    version: str = "zero"
    kappa_micros: int = 0  # of a complaint, beside the loss of the person
    usual_micros: int | None = None  # on average over the days of the last week, what later mails will have to beat; None: as now

    @property
    def later_micros(self) -> int:
        """Of the mails to come, of whatever weekday."""
        return self.lambda_micros if self.usual_micros is None else self.usual_micros


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
    spoken_for: tuple[
        int, ...
    ] = ()  # (LATER_HOURS,) mails that each hour from `first_later_hour` on will carry anyway; none known: ()
    # (P,) mails of another cycle that ended within this one's quarter of an hour, late: they leave in the same minutes; none: ()
    taken_before: tuple[int, ...] = ()
    rooms: Mapping[str, Room] = field(default_factory=dict)  # by mailbox provider; no limit of its own for one that is not named
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
    funnel: Served
    payout: Paid
    arms: npt.NDArray[np.float32]  # (A, len(OFFER)) what the funnel knows of them
    factors: choice.Tables  # (S, A, M) what each joint draw makes of an arm's worth; mean 1
    upper: Floats  # (S, A) their optimistic quantile, at least 1
    fixed_revenue: Floats  # (A,) over the org: the fixed policy's taste
    week: Week  # what hours are to readers, before their own clicks
    values: ValueTable  # what a mail costs its reader's future


def first_later_hour(now: int) -> int:
    """The first full hour, epoch seconds, that people may be put off to: an hour away at least."""
    return -(-(now + 3_600) // 3_600) * 3_600


def prepare(context: CycleContext, *, factors: choice.Tables | None = None) -> Cycle:
    """Work a context out. `factors` are those of a context with the same names and posteriors, where they are at hand.

    Raises Refused (D5): "posteriors_mismatch" when the posteriors were folded for another catalogue, "posteriors_broken" when one of
    them is no rate above nothing, for what is not a number would be so for every reader who may get that arm.
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
    if not (np.isfinite(context.posteriors.mean) & (context.posteriors.mean > 0)).all():
        raise Refused("posteriors_broken")
    rates = context.bundle.rates
    arms = [(offer, variant, book.offers[o].category) for (offer, variant), o in zip(book.arms, book.offer_of_arm, strict=True)]
    p_click = table(rates.click_level, rates.click_ratio, arms)
    key = stable_hash("cycle", context.org, context.cycle_id)
    usual = p_click.mean(axis=1, keepdims=True) if arms else 1.0  # a catalogue can be empty
    factors = _factors(context, book, key) if factors is None else factors
    of_arms = offer_features(
        book.payout_micros.astype(np.float64),
        (p_click / usual).mean(axis=0),
        context.posteriors.segment_share @ context.posteriors.mean,
        [variant for _, variant in book.arms],
        [category for _, _, category in arms],
        list(book.creatives),
    )
    worth = p_click * book.payout_micros * context.posteriors.mean
    return Cycle(
        context=context,
        now=epoch_seconds(context.now),
        key=key,
        canary_key=stable_hash("canary", context.org),
        trickle_key=stable_hash("trickle", context.org, f"{context.now:%Y-%m-%d}"),
        book=book,
        p_open=table(rates.open_level, rates.open_ratio, arms),
        p_click=p_click,
        p_conversion=context.posteriors.mean,
        funnel=Served(context.bundle.funnel or RATES_ALONE, of_arms),
        payout=Paid(context.bundle.payout or AS_EXPECTED, of_arms, book.payout_micros.astype(np.float64)),
        arms=of_arms,
        factors=factors,
        upper=np.maximum(np.quantile(factors, UPPER_QUANTILE, axis=2), 1.0),
        fixed_revenue=context.posteriors.segment_share @ worth,
        week=week(context.bundle.hours),
        values=context.bundle.index,
    )


def _factors(context: CycleContext, book: OfferBook, key: int) -> choice.Tables:
    """(S, A, M): joint draws over their means. Conversions per click are a segment's, clicks per mail an offer's and its asset's; each
    is moved by a millionth at random so that no two arms are ever equal."""
    posteriors, who = context.posteriors, (context.org, context.cycle_id)
    drawn = joint_draws(posteriors, org=context.org, cycle_id=context.cycle_id, draws=JOINT_DRAWS) / posteriors.mean[:, None, :]
    of_offer = np.bincount(book.offer_of_arm, posteriors.clicks, len(book.offers)) + OFFER_SPREAD**-2
    of_asset = posteriors.clicks + ASSET_SPREAD**-2
    offers = generator("offers", *who).gamma(of_offer, 1.0 / of_offer, (JOINT_DRAWS, len(of_offer)))
    assets = generator("assets", *who).gamma(of_asset, 1.0 / of_asset, (JOINT_DRAWS, len(of_asset)))
    ties = uniforms(key, np.arange(drawn.size, dtype=np.uint64), Stream.RANK).reshape(drawn.shape)
    relative = drawn * (offers[:, book.offer_of_arm] * assets)[None, :, :] * (1.0 + _TIE * ties)
    return np.ascontiguousarray(relative.transpose(0, 2, 1), dtype=np.float32)
