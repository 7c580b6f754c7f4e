"""Posteriors of net conversions per click. Shapes: S segments, A arms, M joint draws.

A click that has not converted yet is no failure: it counts as the share of its conversions that would have arrived by now,

    E = Σ clicks · ρ^age · G(age)        S = Σ conversions · ρ^age        θ ~ Gamma(a0 + S, rate b0 + E)

(Poissonised survival weighting; Chapelle 2014 for the delay, ρ = 0.99 a day for drift). The prior of a cell is what its offer did
elsewhere, and the offer's what its category did elsewhere: leaving the cell's own counts out, so that nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.clock import epoch_seconds
from revenue_engine.draws import generator
from revenue_engine.offers.book import Arm, arms_of, sorted_offers
from revenue_engine.prediction.rates import Rates
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.offer import Offer

FORGETTING_PER_DAY = 0.99
EVIDENCE_DAYS = 180  # with that forgetting, older evidence weighs less than a sixth
MIN_CONVERSIONS_FOR_PAYOUT = 5
_DAY = 86_400
_UNIX_EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Gamma posteriors of net conversions per click, and what else the evidence says of a cycle."""

    arms: tuple[Arm, ...]
    shape: Floats  # (S, A)
    rate: Floats  # (S, A) clicks
    mean_payouts: dict[str, int]  # micros per conversion, of offers with enough of them
    segment_share: Floats  # (S,) of deliveries, sums to 1

    @property
    def mean(self) -> Floats:
        """Expected net conversions per click, (S, A)."""
        return self.shape / self.rate


@dataclass(frozen=True, slots=True)
class Exposure:
    """Evidence rows as arrays of weights, one each."""

    clicks: Floats  # delay- and age-weighted
    conversions: Floats  # age-weighted
    fading: Floats  # ρ^age, of the row's mean age


def exposure(evidence: list[Evidence], rates: Rates, now: datetime) -> Exposure:
    """Weights as of `now`. A day's clicks lie evenly between its start and its end, or now; days to come count nothing."""
    start = np.array([row.day.toordinal() - _UNIX_EPOCH_ORDINAL for row in evidence], dtype=np.float64)
    at = epoch_seconds(now) / _DAY
    oldest = np.maximum(at - start, 0.0)
    youngest = np.maximum(at - start - 1.0, 0.0)
    fading = np.where(oldest > 0, FORGETTING_PER_DAY ** ((oldest + youngest) / 2), 0.0)
    clicks = np.array([row.clicks for row in evidence], dtype=np.float64)
    conversions = np.array([row.conversions for row in evidence], dtype=np.float64)
    return Exposure(clicks * fading * rates.delay.arrived(youngest, oldest), conversions * fading, fading)


def fold(evidence: Iterable[Evidence], offers: Iterable[Offer], rates: Rates, now: datetime) -> Posteriors:
    """The posteriors of the catalogue's arms. Evidence of offers outside the catalogue is left out."""
    ordered = sorted_offers(offers)
    position = {offer.offer: o for o, offer in enumerate(ordered)}
    arms = arms_of(ordered)
    cell = {arm: a for a, arm in enumerate(arms)}
    rows = [row for row in evidence if row.offer in position]
    weight = exposure(rows, rates, now)

    counts = np.zeros((2, len(SEGMENTS), len(arms)))  # conversions, clicks per cell
    per_offer = np.zeros((2, len(ordered)))  # over all segments and variants, those no longer offered too
    segment = np.array([SEGMENTS.index(row.segment) for row in rows], dtype=np.intp)
    arm = np.array([cell.get((row.offer, row.variant), -1) for row in rows], dtype=np.intp)
    offer = np.array([position[row.offer] for row in rows], dtype=np.intp)
    for kind, values in enumerate((weight.conversions, weight.clicks)):
        known = arm >= 0
        np.add.at(counts[kind], (segment[known], arm[known]), values[known])
        np.add.at(per_offer[kind], offer, values)

    strength = rates.prior_clicks
    prior_mean = _prior_means(ordered, per_offer, rates)  # (O,) from the offer's category
    offer_of_arm = np.array([position[o] for o, _ in arms], dtype=np.intp)
    elsewhere = per_offer[:, offer_of_arm][:, None, :] - counts  # the offer's counts outside the cell
    cell_mean = _blend(strength, prior_mean[offer_of_arm], elsewhere[0], elsewhere[1])
    return Posteriors(
        arms=arms,
        shape=strength * cell_mean + np.maximum(counts[0], 0.0),
        rate=strength + counts[1],
        mean_payouts=_mean_payouts(rows),
        segment_share=_segment_share(rows, now),
    )


def _blend(strength: float, mean: Floats, conversions: Floats, clicks: Floats) -> Floats:
    """Posterior mean of a rate whose prior is worth `strength` clicks. Net conversions below zero count as none."""
    return (strength * mean + np.maximum(conversions, 0.0)) / (strength + np.maximum(clicks, 0.0))


def _prior_means(offers: tuple[Offer, ...], per_offer: Floats, rates: Rates) -> Floats:
    """What each offer's category did without it, (O,)."""
    categories = [offer.category for offer in offers]
    names = sorted(set(categories))
    member = np.array([names.index(c) for c in categories], dtype=np.intp)
    totals = np.zeros((2, len(names)))
    for kind in range(2):
        np.add.at(totals[kind], member, per_offer[kind])
    prior = np.array([rates.prior_conversion(c) for c in categories])
    others = totals[:, member] - per_offer
    return _blend(rates.prior_clicks, prior, others[0], others[1])


def _mean_payouts(rows: list[Evidence]) -> dict[str, int]:
    """Whole micros per conversion, of offers with enough of them: for those whose payout is hidden."""
    totals: dict[str, list[int]] = {}
    for row in rows:
        total = totals.setdefault(row.offer, [0, 0])
        total[0] += row.conversions
        total[1] += row.conversion_micros
    return {
        offer: micros // conversions
        for offer, (conversions, micros) in sorted(totals.items())
        if conversions >= MIN_CONVERSIONS_FOR_PAYOUT and micros > 0
    }


def _segment_share(rows: list[Evidence], now: datetime) -> Floats:
    """Shares of the last 30 days' deliveries, one added to each segment so that none is zero."""
    since = (now - timedelta(days=30)).date()
    deliveries = np.ones(len(SEGMENTS))
    for row in rows:
        if row.day >= since:
            deliveries[SEGMENTS.index(row.segment)] += row.deliveries
    return np.asarray(deliveries / deliveries.sum())


def joint_draws(posteriors: Posteriors, *, org: str, cycle_id: str, draws: int) -> Floats:
    """M joint draws of θ per segment, (S, M, A): shared by everybody of a segment in this cycle, the same in a retry or a replay
    (D1)."""
    return np.stack(
        [
            generator("theta", org, cycle_id, name).gamma(
                posteriors.shape[s], 1.0 / posteriors.rate[s], (draws, len(posteriors.arms))
            )
            for s, name in enumerate(SEGMENTS)
        ]
    )
