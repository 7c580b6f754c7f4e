"""Who chooses in `benchmarks.bandit`: the engine's own posteriors and votes, and those it is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np

from benchmarks.bandit_worlds import BINS, STEPS, Market, Offers, Seen
from revenue_engine.arrays import Floats
from revenue_engine.draws import generator
from revenue_engine.learning.delay import Clicks, fit_delays
from revenue_engine.offers.choice import even_shares, tally
from revenue_engine.offers.posterior import FORGETTING_PER_DAY, fold, joint_draws
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import Delay, Rates
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.offer import Creative, Offer

START = datetime(2026, 3, 2, tzinfo=UTC)
DRAWS = 256
TRAINED_EVERY_DAYS = 7


class Chooser(Protocol):
    """Shares of offers by segment."""

    def shares(self, seen: Seen, step: int) -> Floats:
        """(S, O): of live offers only; rows sum to 1."""


def voted(scores: Floats, offers: Offers, step: int, ties: np.random.Generator) -> Floats:
    """The shares of `offers.choice`'s votes, of scores (S, M, O)."""
    segments, live = np.arange(len(scores)), np.repeat(offers.live(step)[None], len(scores), axis=0)
    drawn = (scores * (1.0 + 1e-6 * ties.random(scores.shape))).transpose(0, 2, 1)
    votes = tally(np.ones(live.shape), np.ascontiguousarray(drawn, dtype=np.float32), segments, live)
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


@dataclass
class Engine:
    """fold → joint_draws → votes. `epsilon` is the daily exploration of a person who is decided once a day."""

    market: Market
    offers: Offers
    seed: int
    rates: Rates = PRIOR_RATES
    epsilon: float = 0.0
    learns_delay: bool = True

    def __post_init__(self) -> None:
        self._catalogue = tuple(_offer(o, int(c)) for o, c in enumerate(self.offers.category))

    def shares(self, seen: Seen, step: int) -> Floats:
        now = START + timedelta(days=step / STEPS)
        if self.learns_delay and step and step % (TRAINED_EVERY_DAYS * STEPS) == 0:
            self.rates = self.rates.model_copy(update=learned_delays(seen, self.offers, step, self.rates.delay))
        posteriors = fold(evidence_of(seen, step), self._catalogue, self.rates, now)
        scores = joint_draws(posteriors, org=f"bandit-{self.seed}", cycle_id=str(step), draws=DRAWS) * self.offers.payout
        shares = voted(scores, self.offers, step, generator("ties", str(self.seed), str(step)))
        if not self.epsilon:
            return shares
        even = even_shares(np.repeat(self.offers.live(step)[None], len(SEGMENTS), axis=0), np.arange(len(self.offers.category)))
        return (1 - self.epsilon) * shares + self.epsilon * even


def learned_delays(seen: Seen, offers: Offers, step: int, prior: Delay) -> dict[str, object]:
    """What a weekly training makes of the clicks and conversions so far."""
    day, offer = np.nonzero(seen.clicks[: step // STEPS].sum(axis=2))
    oldest = (step / STEPS - day).astype(np.float64)
    groups = Clicks(
        offer,
        oldest - 1.0,
        oldest,
        seen.clicks[day, offer].sum(axis=1).astype(np.float64),
        seen.by_delay[day, offer].astype(np.float64),
    )
    pooled, by_category = fit_delays(groups, BINS, offers.category, PRIOR_RATES.delay)
    return {"delay": pooled, "category_delay": {f"c{c}": delay for c, delay in by_category.items()}}


def _offer(number: int, category: int) -> Offer:
    return Offer(
        offer=str(number + 1),
        name="",
        status="active",
        category=f"c{category}",
        currency="USD",
        payout_micros=1,
        payout_percentage=0.0,
        tracking_url="",
        sub_slot="sub1",
        may_run=True,
        allows_email=True,
        suppression_list=None,
        live_until=None,
        countries=frozenset(),
        creatives=(Creative("standard", "", "", ""),),
        content_hash="",
    )


def evidence_of(seen: Seen, step: int) -> list[Evidence]:
    """The rows that the Offers table would hold."""
    days = step // STEPS + 1
    day, offer, segment = np.nonzero(seen.clicks[:days])
    where = (day, offer, segment)
    on = [START.date() + timedelta(days=d) for d in range(days)]
    return [
        Evidence(on[d], str(o + 1), "standard", SEGMENTS[s], clicks=c, conversions=n)
        for d, o, s, c, n in zip(
            day.tolist(),
            offer.tolist(),
            segment.tolist(),
            seen.clicks[where].tolist(),
            seen.conversions[where].tolist(),
            strict=True,
        )
    ]


@dataclass
class Naive:
    """Textbook Thompson: of every offer α + conversions, β + clicks that have not converted, prior of 12 clicks; no delay."""

    offers: Offers
    seed: int

    def shares(self, seen: Seen, step: int) -> Floats:
        clicks, sold = seen.clicks.sum(axis=(0, 2)), seen.conversions.sum(axis=(0, 2))
        mean, strength = PRIOR_RATES.prior_conversion("*"), PRIOR_RATES.prior_clicks
        random = np.random.default_rng([self.seed, 3, step])
        draws = random.beta(strength * mean + sold, strength * (1 - mean) + clicks - sold, (len(SEGMENTS), DRAWS, len(clicks)))
        return voted(draws * self.offers.payout, self.offers, step, random)


@dataclass
class Specification:
    """Its sampler: U^(1/α) / (U^(1/α) + V^(1/β)) of α = 1 + conversions, β = 1 + clicks without one."""

    offers: Offers
    seed: int

    def shares(self, seen: Seen, step: int) -> Floats:
        clicks, sold = seen.clicks.sum(axis=(0, 2)), seen.conversions.sum(axis=(0, 2))
        random = np.random.default_rng([self.seed, 3, step])
        draws = specified(1.0 + sold, 1.0 + clicks - sold, (len(SEGMENTS), DRAWS, len(clicks)), random)
        return voted(draws * self.offers.payout, self.offers, step, random)


def specified(alpha: Floats, beta: Floats, size: tuple[int, ...], random: np.random.Generator) -> Floats:
    """The specification's `sampleBeta`: Jöhnk's method without its rejection."""
    x, y = random.random(size) ** (1.0 / alpha), random.random(size) ** (1.0 / beta)
    return np.asarray(x / (x + y))


@dataclass
class Unpooled:
    """Delay-weighted as the engine is, by the true delays, but each offer learns alone, in each segment or over all of them."""

    offers: Offers
    seed: int
    by_segment: bool = True

    def shares(self, seen: Seen, step: int) -> Floats:
        days = step // STEPS + 1
        now = step / STEPS
        old, young = np.maximum(now - np.arange(days), 0.0), np.maximum(now - np.arange(days) - 1.0, 0.0)
        fading = FORGETTING_PER_DAY ** ((old + young) / 2)
        arrived = np.stack(
            [
                Delay(fast_share=f, fast_days=0.014, tail_days=t).arrived(young, old)
                for f, t in zip(self.offers.fast, self.offers.tail_days, strict=True)
            ],
            axis=1,
        )
        clicks = np.einsum("dos,do->so", seen.clicks[:days], fading[:, None] * arrived)
        sold = np.einsum("dos,d->so", seen.conversions[:days], fading)
        if not self.by_segment:
            clicks, sold = (np.repeat(of.sum(axis=0, keepdims=True), len(SEGMENTS), axis=0) for of in (clicks, sold))
        mean, strength = PRIOR_RATES.prior_conversion("*"), PRIOR_RATES.prior_clicks
        random = np.random.default_rng([self.seed, 3, step])
        alpha, beta = strength * mean + sold, strength * (1 - mean) + np.maximum(clicks - sold, 0.0)
        draws = random.beta(alpha[:, None], beta[:, None], (len(SEGMENTS), DRAWS, clicks.shape[1]))
        return voted(draws * self.offers.payout, self.offers, step, random)
