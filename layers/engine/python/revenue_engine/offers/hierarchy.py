"""Conversions per click, pooled: category → offer → segment and variant. Shapes: S segments, A arms, O offers, C categories.

Counts are Poisson about exposure times a rate, and rates are Gamma about what stands above them:

    θ[s, a] = m[category] · g[category] · u[offer] · r[s] · w[s, a],     Var g = 1/4,  Var u = v_offer,  Var w = v_cell,  means 1

How much offers differ (v_offer) and cells of one offer (v_cell) is read from the counts by the method of moments, against a prior that
is worth a few conversions: empirical Bayes that holds on a list with five conversions too. Every pool leaves out what it is the prior
of, so that nothing is counted twice. Members of a pool that are well known count alike, whatever their traffic: each by 1 / (1 + v ·
due), the credibility of Bühlmann and Straub ("Glaubwürdigkeit für Schadensätze", 1970). A chooser sends clicks to what is good, and a
plain sum would promise every newcomer the rate of the best.

Cells of one offer are right or wrong together. Of normal variables u + w_a, each seen with variance e_a, the posterior's covariance is
Var(u) · k_a · k_b with k = e / (v + e), the same credibility: so a cell's correlation with u is k · √(Var u / Var θ).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats

CATEGORY_STRENGTH = 4.0  # conversions that the prior of a category is worth: right within a factor of about 1.5
OFFER_VARIANCE = 1.0  # relative, between offers of a category, before the counts have spoken: a new offer's rate is exponential
CELL_VARIANCE = 0.05  # relative, between segments and variants of an offer, before the counts have spoken
VARIANCE_STRENGTH = 25.0  # what a prior of a variance is worth: one group with five conversions due
LEAST_VARIANCE, MOST_VARIANCE = 0.01, 10.0
SEGMENT_STRENGTH = 20.0  # conversions that a segment's ratio of 1 is worth
HIGHEST = 0.95  # of a rate, as of all rates (`prediction.rates`)
ROUNDS = 8  # of ratios of segments, offers and categories in turn: they agree to a percent even if segments got different offers

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Posteriors of conversions per click, and how they came about."""

    shape: Floats  # (S, A) conversions
    rate: Floats  # (S, A) clicks
    shared: Floats  # (S, A) correlation of a cell's posterior with what is unknown of its offer: two cells of it have the product
    offer_variance: float  # relative, between offers of a category
    segment_ratio: Floats  # (S,)


def pool(
    conversions: Floats,
    clicks: Floats,
    *,
    offer_of_arm: Positions,
    category_of_offer: Positions,
    prior_mean: Floats,
) -> Pooled:
    """The posteriors of all cells.

    Parameters
    ----------
    conversions, clicks
        (S, A) weighted counts. Net conversions below zero count as none.
    offer_of_arm, category_of_offer
        (A,) and (O,) positions.
    prior_mean
        (O,) conversions per click of the offer's category as believed before this evidence.
    """
    seen = np.maximum(conversions, 0.0)
    offers, categories = len(prior_mean), int(category_of_offer.max(initial=-1)) + 1
    due = clicks * prior_mean[offer_of_arm]  # (S, A) of the prior alone
    seen_of, v_offer = _sums(offer_of_arm, seen.sum(axis=0), offers), OFFER_VARIANCE
    segment, category = np.ones(len(seen)), np.ones(categories)
    for _ in range(ROUNDS):
        due_of = _sums(offer_of_arm, (due * segment[:, None]).sum(axis=0), offers)
        fair = _fair(seen_of, due_of, v_offer, category, category_of_offer)
        category = fair.ratio
        expected = due_of * category[category_of_offer]
        v_offer = _variance(seen_of, expected, OFFER_VARIANCE, fair.own)
        offer = category[category_of_offer] * (1.0 / v_offer + seen_of) / (1.0 / v_offer + expected)
        segment = _segment_ratios(seen, due * offer[offer_of_arm])
    expected = due * segment[:, None] * offer[offer_of_arm]
    own = expected / (1.0 / v_offer + _sums(offer_of_arm, expected.sum(axis=0), offers)[offer_of_arm])
    v_cell = _variance(seen, expected, CELL_VARIANCE, own)

    fair = _fair(seen_of, due_of, v_offer, category, category_of_offer)
    above = 1.0 / ((1.0 + 1.0 / (CATEGORY_STRENGTH + fair.seen)) * (1.0 + v_offer) - 1.0)  # (O,) worth of an offer's prior
    level = prior_mean * (CATEGORY_STRENGTH + fair.seen) / (CATEGORY_STRENGTH + fair.due)  # (O,) and its mean
    due = clicks * segment[:, None] * level[offer_of_arm]
    weight = 1.0 / (1.0 + v_cell * due * (offer * prior_mean / level)[offer_of_arm])
    seen_else, due_else = (
        _sums(offer_of_arm, (weight * of).sum(axis=0), offers)[offer_of_arm] - weight * of for of in (seen, due)
    )
    known = above[offer_of_arm] + seen_else
    mean = level[offer_of_arm] * segment[:, None] * known / (above[offer_of_arm] + due_else)
    strength = 1.0 / ((1.0 + 1.0 / known) * (1.0 + v_cell) - 1.0)
    # conversions that came sooner than due are no clicks of the prior's: those that brought none it keeps
    rate = strength / np.minimum(mean, HIGHEST) + np.maximum(clicks, seen)
    shape = np.minimum(strength + seen, HIGHEST * rate)
    of_offer = above + _sums(offer_of_arm, (weight * seen).sum(axis=0), offers)  # what is known of u, cells' own w left open
    shared = np.minimum(weight * np.sqrt(shape / of_offer[offer_of_arm]), 1.0)
    return Pooled(shape, rate, shared, v_offer, segment)


@dataclass(frozen=True, slots=True)
class _Fair:
    """Credibility-weighted sums of a category."""

    ratio: Floats  # (C,) to the prior, shrunk
    seen: Floats  # (O,) of the other offers of an offer's category
    due: Floats  # (O,)
    own: Floats  # (O,) how much of its category's ratio an offer makes itself


def _fair(seen: Floats, due: Floats, variance: float, ratio: Floats, category: Positions) -> _Fair:
    weight = 1.0 / (1.0 + variance * due * ratio[category])
    seen_of, due_of = (_sums(category, weight * of, len(ratio)) for of in (seen, due))
    return _Fair(
        (CATEGORY_STRENGTH + seen_of) / (CATEGORY_STRENGTH + due_of),
        np.maximum(seen_of[category] - weight * seen, 0.0),
        np.maximum(due_of[category] - weight * due, 0.0),
        weight * due / (CATEGORY_STRENGTH + due_of[category]),
    )


def _variance(seen: Floats, due: Floats, prior: float, own: Floats) -> float:
    """Relative variance of rates beyond chance: Var(seen) = due + due² · v, less what members had to say about their own due (`own`,
    shares)."""
    excess = float(((seen - due) ** 2 - due * (1.0 - own)).sum())
    v = (excess + VARIANCE_STRENGTH * prior) / (float((due**2 * (1.0 - own)).sum()) + VARIANCE_STRENGTH)
    return min(max(v, LEAST_VARIANCE), MOST_VARIANCE)


def _segment_ratios(seen: Floats, due: Floats) -> Floats:
    """How segments differ when they get the same offers, (S,); 1 on average over what was due."""
    seen_of, due_of = seen.sum(axis=1), due.sum(axis=1)
    ratio = (SEGMENT_STRENGTH + seen_of) / (SEGMENT_STRENGTH + due_of)
    total = due_of.sum()
    return np.asarray(ratio / ((due_of * ratio).sum() / total) if total > 0 else ratio)


def _sums(member: Positions, values: Floats, length: int) -> Floats:
    """Sums of `values` per member number, (length,)."""
    return np.asarray(np.bincount(member, values, length), dtype=np.float64)
