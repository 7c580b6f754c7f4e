"""All offers for one reader in one cycle, best first: the specification's RankedOffer, from the arrays that the cycle decided by.

The specification weighs expected revenue with an affinity once more, which is in it already. Here affinities are what the funnel makes of
a reader, as ratios of chances: they say where the revenue comes from, and change nothing. Offers compete by what a mail of theirs brings;
what a mail costs the reader's future is the same for each, and stands in the decision's own steps (`explanation`).

What cannot be had: assets that the judge has stopped were taken out of their offers before the cycle, so they are not listed; an offer
that is stopped as a whole is, with its reason. A row does not keep what one offer has earned from its reader (single people convert too
rarely to tell), so its past performance is that of the reader's segment, and of himself there is when he was last mailed it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.context import Cycle
from revenue_engine.offers.book import at_rest, barred_by_country, lately_mailed
from revenue_engine.offers.choice import exploration_budget
from revenue_engine.prediction.features import CROSS
from revenue_engine.prediction.segments import segment_of
from revenue_engine.prospects import Prospects, features, look, offers_open
from revenue_engine.records.batch import Batch
from revenue_engine.records.subscriber import ARMS

_OF_TOPICS = [CROSS.index(name) for name in ("topic_declared", "topic_other", "clicks_of_topic", "clicks_of_others")]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a mail of the offer's best asset is expected to do to the reader. Conversions are approved and net of what is taken back."""

    variant: str
    open_rate: float  # of a mail, by people
    click_rate: float
    conversion_rate: float  # of a click
    payout_micros: float | None  # of a conversion; None: in another currency, or nobody knows it
    revenue_micros: float | None  # of a mail
    score_micros: float | None  # and less what the mail costs: what offers compete by
    affinity: float  # chance of a conversion by a mail, over what rates and posteriors alone say of the reader's segment
    category_affinity: float  # over all arms of the offer's category, likewise
    topic_affinity: float  # what of it his declared interests and the topics of his clicks make; 1: nothing
    historical_performance: float  # net conversions per click in the reader's segment, by the posteriors


@dataclass(frozen=True, slots=True)
class RankedOffer:
    """One offer for one reader."""

    offer: str
    name: str
    category: str
    ineligible: str | None  # why he may not get it now; None: he may
    propensity: float  # chance that it would be a mail's of this cycle, if he were mailed
    days_since_mailed: float | None  # as far back as his row remembers
    expected: Expected | None  # None: it has no asset


def rank_offers(one: Batch, cycle: Cycle) -> tuple[RankedOffer, ...]:
    """Of the one row of a batch: first what it may get, by score, then the others, likewise; those without a sum come last.

    Whether the reader may be mailed at all is not asked here.
    """
    book = cycle.book
    segment = segment_of(one, cycle.now).astype(np.intp)
    seen = look(one, cycle, segment, offers_open(one, cycle))
    cross = features(one, cycle)[1][0]
    since = cross[:, CROSS.index("days_since_offer")]
    propensity = _propensity(one, cycle, seen)
    expected = _expected(one, cycle, seen, int(segment[0]))
    reasons = _reasons(one, cycle)
    found = [
        RankedOffer(
            offer=offer.offer,
            name=offer.name,
            category=offer.category,
            ineligible=reasons.get(offer.offer),
            propensity=float(propensity[book.offer_of_arm == o].sum()),
            days_since_mailed=None if np.isnan(since[o]) else float(since[o]),
            expected=expected.get(offer.offer),
        )
        for o, offer in enumerate(book.offers)
    ]
    return tuple(sorted(found, key=_order))


def _order(of: RankedOffer) -> tuple[bool, float]:
    score = None if of.expected is None else of.expected.score_micros
    return of.ineligible is not None, float("inf") if score is None else -score


def _reasons(one: Batch, cycle: Cycle) -> dict[str, str]:
    """Why not, by offer: for everybody, then for this reader."""
    book, gap_days = cycle.book, cycle.context.controls.same_offer_gap_days
    own = {
        "country_excluded": barred_by_country(book, one)[0],
        "mailed_lately": lately_mailed(book, one, now=cycle.now, gap_days=gap_days)[0],
        "could_not_be_mailed": at_rest(book, one, now=cycle.now, gap_days=gap_days)[0],
    }
    of_reader = [(book.offers[o].offer, reason) for reason, barred in own.items() for o in np.flatnonzero(barred)]
    return dict(reversed([*book.closed, *of_reader]))  # the first that is said of an offer holds


def _propensity(one: Batch, cycle: Cycle, seen: Prospects) -> Floats:
    """(A,) as the reader's own policy plays; nothing where it has nothing to choose from."""
    if not seen.votes.any():
        return np.zeros(seen.votes.shape[1])
    if one.column("arm")[0] == ARMS.index("fixed"):
        taste = np.where(seen.eligible[0], cycle.fixed_revenue, -np.inf)
        return np.asarray(np.arange(len(taste)) == taste.argmax(), dtype=np.float64)
    epsilon = exploration_budget(cycle.context.controls.epsilon_per_day, now=cycle.now, decided_at=one.decided_at)
    return np.asarray(seen.mixture(epsilon)[0])


def _expected(one: Batch, cycle: Cycle, seen: Prospects, segment: int) -> dict[str, Expected]:
    """By offer, of its arm that brings most."""
    book = cycle.book
    if not book.arms:
        return {}
    people, cross = features(one, cycle)
    rates = {"p_click": cycle.p_click[[segment]], "p_sale": cycle.p_conversion[[segment]]}
    indifferent = cross.copy()
    indifferent[..., _OF_TOPICS] = 0.0
    without = cycle.funnel.chances(people, indifferent[:, book.offer_of_arm], **rates).sale[0]
    payout = cycle.payout.mean(people)[0]
    usual = cycle.p_click[segment] * cycle.p_conversion[segment]
    category = np.array([book.offers[o].category for o in book.offer_of_arm.tolist()])
    sale, revenue, controls = seen.sale[0], seen.revenue[0], cycle.context.controls
    found = {}
    for o, offer in enumerate(book.offers):
        own = np.flatnonzero(book.offer_of_arm == o)
        if not len(own):
            continue
        a, kin = int(own[revenue[own].argmax()]), category == offer.category
        priced = offer.currency == controls.currency and book.payout_micros[a] > 0  # or it is no sum of the org's money (M1)
        found[offer.offer] = Expected(
            variant=book.arms[a][1],
            open_rate=float(cycle.p_open[segment, a]),
            click_rate=float(seen.click[0, a]),
            conversion_rate=float(sale[a] / seen.click[0, a]),
            payout_micros=float(payout[a]) if priced else None,
            revenue_micros=float(revenue[a]) if priced else None,
            score_micros=float(revenue[a]) - controls.cost_per_email_micros if priced else None,
            affinity=float(sale[a] / usual[a]),
            category_affinity=float(sale[kin].sum() / usual[kin].sum()),
            topic_affinity=float(sale[a] / without[a]),
            historical_performance=float(cycle.p_conversion[segment, a]),
        )
    return found
