"""Posteriors of net conversions per click. Shapes: S segments, A arms, M joint draws.

A click that has not converted yet is no failure: it counts as the share of its conversions that would have arrived by now,

    E = Σ clicks · ρ^age · G(age)        S = Σ conversions · ρ^age        θ ~ Beta(a0 + S, b0 + max(E - S, 0))

(survival weighting; Chapelle, "Modeling delayed feedback in display advertising", KDD 2014, for the delay; ρ = 0.99 a day for drift).
G is the category's, as learned from conversions that have come and clicks that are still open. S is of all conversions that were ever
counted; the share of them that is kept is of reversals, by offer towards the org's, which come late too, and θ times it is net. The
prior of a cell is what its offer did elsewhere, and the offer's what its category did elsewhere (`offers.hierarchy`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.clock import epoch_seconds
from revenue_engine.draws import generator
from revenue_engine.offers.book import Arm, arms_of, sorted_offers
from revenue_engine.offers.hierarchy import Positions, pool
from revenue_engine.prediction.rates import Delay, Rates
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.offer import Offer

FORGETTING_PER_DAY = 0.99
EVIDENCE_DAYS = 180  # with that forgetting, older evidence weighs less than a sixth
DRAWN_VARIANCE = 0.5  # offers end, and what they brought is known late: measured in decision 32
MIN_CONVERSIONS_FOR_PAYOUT = 5
REVERSAL_STRENGTH = 25.0  # conversions without a reversal that an org, and then an offer, is presumed to have had
REVERSAL_DELAY = Delay(fast_share=0.01, fast_days=1.0, tail_days=14.0)  # after the click: networks hold returns for a few weeks
_DAY = 86_400
_UNIX_EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Beta posteriors of net conversions per click, and what else the evidence says of a cycle."""

    arms: tuple[Arm, ...]
    shape: Floats  # (S, A) α, conversions, before reversals
    rate: Floats  # (S, A) α + β, clicks
    kept: Floats  # (A,) expected share of conversions that nobody takes back
    clicks: Floats  # (A,) of people, faded, over all segments
    mean_payouts: dict[str, int]  # micros per conversion, of offers with enough of them
    segment_share: Floats  # (S,) of deliveries, sums to 1
    shared: Floats  # (S, A) correlation with what is unknown of the arm's offer; 0 = none, as engines before drew
    spread: float = 1.0  # how much of their variance the joint draws are made with

    @property
    def mean(self) -> Floats:
        """Expected net conversions per click, (S, A)."""
        return self.shape / self.rate * self.kept


@dataclass(frozen=True, slots=True)
class Exposure:
    """Evidence rows as arrays of weights, one each."""

    clicks: Floats  # delay- and age-weighted
    conversions: Floats  # age-weighted, those taken back too
    reversed: Floats  # of them
    reversible: Floats  # of them, by the share of their reversals that would have come by now
    fading: Floats  # ρ^age, of the row's mean age


def exposure(evidence: list[Evidence], rates: Rates, now: datetime, categories: Mapping[str, str]) -> Exposure:
    """Weights as of `now`. A day's clicks lie evenly between its start and its end, or now; days to come count nothing.

    Parameters
    ----------
    categories
        Of each offer: whose delay is its category's. Others have that of all.
    """
    youngest, oldest = _ages(evidence, now)
    fading = fading_of(evidence, now)
    clicks = np.array([row.clicks for row in evidence], dtype=np.float64)
    back = np.array([row.reversed for row in evidence], dtype=np.float64)
    conversions = np.array([row.conversions for row in evidence], dtype=np.float64) + back
    arrived = rates.delay.arrived(youngest, oldest)
    named = np.array([categories.get(row.offer, "") for row in evidence])
    for category, delay in rates.category_delay.items():
        inside = named == category
        arrived[inside] = delay.arrived(youngest[inside], oldest[inside])
    weighted = conversions * fading
    return Exposure(
        clicks=clicks * fading * arrived,
        conversions=weighted,
        reversed=back * fading,
        reversible=np.maximum(weighted, 0.0) * REVERSAL_DELAY.arrived(youngest, oldest),
        fading=fading,
    )


def fading_of(evidence: Sequence[Evidence], now: datetime) -> Floats:
    """How much of each row still counts as of `now`, by its mean age."""
    youngest, oldest = _ages(evidence, now)
    return np.where(oldest > 0, FORGETTING_PER_DAY ** ((oldest + youngest) / 2), 0.0)


def _ages(evidence: Sequence[Evidence], now: datetime) -> tuple[Floats, Floats]:
    """Of each row's day, days since its end and since its start; not below nothing."""
    start = np.array([row.day.toordinal() - _UNIX_EPOCH_ORDINAL for row in evidence], dtype=np.float64)
    at = epoch_seconds(now) / _DAY
    return np.maximum(at - start - 1.0, 0.0), np.maximum(at - start, 0.0)


def fold(evidence: Iterable[Evidence], offers: Iterable[Offer], rates: Rates, now: datetime) -> Posteriors:
    """The posteriors of the catalogue's arms. Evidence of offers outside the catalogue is left out."""
    ordered = sorted_offers(offers)
    position = {offer.offer: o for o, offer in enumerate(ordered)}
    arms = arms_of(ordered)
    rows = [row for row in evidence if row.offer in position]
    weight = exposure(rows, rates, now, {offer.offer: offer.category for offer in ordered})

    # arms that are no longer offered still say something of their offer
    gone = sorted({(row.offer, row.variant) for row in rows} - set(arms))
    cell = {arm: a for a, arm in enumerate((*arms, *gone))}
    where = np.array([SEGMENTS.index(row.segment) * len(cell) + cell[row.offer, row.variant] for row in rows], dtype=np.intp)
    conversions, clicks = (
        np.asarray(np.bincount(where, of, len(SEGMENTS) * len(cell)), dtype=np.float64).reshape(len(SEGMENTS), len(cell))
        for of in (weight.conversions, weight.clicks)
    )
    categories = sorted({offer.category for offer in ordered})
    pooled = pool(
        conversions,
        clicks,
        offer_of_arm=np.array([position[offer] for offer, _ in cell], dtype=np.intp),
        category_of_offer=np.array([categories.index(offer.category) for offer in ordered], dtype=np.intp),
        prior_mean=np.array([rates.prior_conversion(offer.category) for offer in ordered]),
    )
    return Posteriors(
        arms=arms,
        shape=pooled.shape[:, : len(arms)],
        rate=pooled.rate[:, : len(arms)],
        clicks=_by_arm([cell[row.offer, row.variant] for row in rows], [row.clicks for row in rows], weight, len(cell))[
            : len(arms)
        ],
        kept=_kept(np.array([position[row.offer] for row in rows], dtype=np.intp), weight, len(ordered))[
            np.array([position[offer] for offer, _ in arms], dtype=np.intp)
        ],
        mean_payouts=_mean_payouts(rows),
        segment_share=_segment_share(rows, now),
        shared=pooled.shared[:, : len(arms)],
        spread=DRAWN_VARIANCE,
    )


def _by_arm(arm: list[int], clicks: list[int], weight: Exposure, arms: int) -> Floats:
    """Faded clicks, (arms,)."""
    counted = np.bincount(np.array(arm, dtype=np.intp), weight.fading * np.array(clicks, dtype=np.float64), arms)
    return counted.astype(np.float64)


def _kept(offer: Positions, weight: Exposure, offers: int) -> Floats:
    """Expected share of conversions that are not taken back, (O,), above 0: Beta posterior means, the prior's own mean the org's.

    What came back was due, however early it came: an advertiser who takes all of a day back the next morning is ahead of every delay.
    """
    back, by_now = (np.asarray(np.bincount(offer, of, offers), dtype=np.float64) for of in (weight.reversed, weight.reversible))
    due = np.maximum(by_now, back)
    org = back.sum() / (REVERSAL_STRENGTH + due.sum())
    return np.asarray(1.0 - (REVERSAL_STRENGTH * org + back) / (REVERSAL_STRENGTH + due))


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
    """M joint draws of net conversions per click, (S, M, A): shared by everybody of a segment in this cycle, the same in a retry or a
    replay (D1).

    Arms of one offer are high and low together (`Posteriors.shared`). Each is of Beta(α / spread, β / spread): the posterior's mean, and
    about `spread` of its variance. Thompson sampling explores as if offers were there for ever and too much when they are not (Russo and
    Van Roy, "Satisficing in Time-Sensitive Bandit Learning", Math. Oper. Res. 47, 2022); narrower draws are the posterior reshaping of
    Chapelle and Li ("An Empirical Evaluation of Thompson Sampling", NIPS 2011).
    """
    size = (draws, len(posteriors.arms))
    hits, misses = posteriors.shape / posteriors.spread, (posteriors.rate - posteriors.shape) / posteriors.spread
    theta = np.stack([generator("theta", org, cycle_id, name).beta(hits[s], misses[s], size) for s, name in enumerate(SEGMENTS)])
    if posteriors.shared.any():
        theta = _together(theta, posteriors, org=org, cycle_id=cycle_id)
    return np.asarray(theta * posteriors.kept)


def _together(theta: Floats, posteriors: Posteriors, *, org: str, cycle_id: str) -> Floats:
    """The same draws of each arm, (S, M, A), in an order in which arms of one offer are high and low together, as far as they share what
    is unknown of it: an offer with twelve assets has not twelve chances to be the best (Iman and Conover, "A distribution-free approach
    to inducing rank correlation among input variables", Communications in Statistics 11, 1982)."""
    offers = sorted({offer for offer, _ in posteriors.arms})
    of_arm = np.array([offers.index(offer) for offer, _ in posteriors.arms], dtype=np.intp)
    chance, (segments, draws, arms) = generator("together", org, cycle_id), theta.shape
    of_offer = chance.standard_normal((segments, draws, len(offers)))[:, :, of_arm]
    share = posteriors.shared[:, None, :]
    score = share * of_offer + np.sqrt(1.0 - share**2) * chance.standard_normal((segments, draws, arms))
    ranks = score.argsort(axis=1).argsort(axis=1)
    return np.take_along_axis(np.sort(theta, axis=1), ranks, axis=1)
