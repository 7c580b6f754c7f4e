"""Fit the smoothed rates: empirical Bayes, counts against what the level above expects of them.

Each level's ratio is (observed + k) / (expected + k): Gamma-Poisson shrinkage towards 1, its strength k (in expected clicks) read
from how much the ratios of that level differ beyond chance (method of moments). Expected counts are summed over segments, so an
offer that only clickers get is not called a good offer for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats
from revenue_engine.clock import epoch_seconds
from revenue_engine.learning.delay import Clicks, fit_delays
from revenue_engine.offers.posterior import exposure
from revenue_engine.prediction.prior import HAZARD_MAILS, PRIOR_RATES
from revenue_engine.prediction.rates import ANY_CATEGORY, HIGHEST_RATE, Delay, Rates, keys_of
from revenue_engine.records.evidence import SEGMENTS, TOOK_DAYS, Evidence

LEVEL_MAILS = 200.0  # what a segment's prior rate is worth
FEWEST, MOST, UNKNOWN = 5.0, 1_000.0, 20.0  # limits of k, and k where one ratio alone cannot tell
ROUNDS = 5  # levels and ratios settle to a percent in two or three
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class _Cells:
    """Faded counts of every (segment, offer, variant) seen, C of them."""

    keys: list[tuple[str, str, str]]
    segment: npt.NDArray[np.intp]
    counts: Mapping[str, Floats]


def fit_rates(evidence: Iterable[Evidence], categories: Mapping[str, str], now: datetime, *, prior: Rates = PRIOR_RATES) -> Rates:
    """Rates of this evidence, shrunk towards `prior`.

    Parameters
    ----------
    categories
        Of each offer; evidence of an offer without one teaches levels and hazards only.
    now
        Evidence of today is left out of the rates per mail: its mails had no time to be clicked.
    """
    rows = sorted(evidence, key=lambda e: (e.day, e.offer, e.variant, e.segment))
    weight = exposure(rows, prior, now, categories)
    delay, category_delay = _delays(rows, categories, now, prior)
    settled = [i for i, row in enumerate(rows) if row.day < now.date()]
    cells = _gather([rows[i] for i in settled], weight.fading[settled])
    click_level, click_ratio = _fit(cells, "clicks", prior.click_level, categories)
    open_level, open_ratio = _fit(cells, "opens", prior.open_level, categories)
    plain = np.ones(len(cells.keys))
    return Rates(
        click_level=click_level,
        open_level=open_level,
        unsubscribe_hazard=_levels(cells, "unsubscribes", prior.unsubscribe_hazard, HAZARD_MAILS, plain),
        complaint_hazard=_levels(cells, "complaints", prior.complaint_hazard, HAZARD_MAILS, plain),
        click_ratio=click_ratio,
        open_ratio=open_ratio,
        conversions_per_click=_conversions(rows, weight.clicks, weight.conversions, categories, prior),
        prior_clicks=prior.prior_clicks,
        delay=delay,
        category_delay=category_delay,
    )


def _delays(
    rows: Sequence[Evidence], categories: Mapping[str, str], now: datetime, prior: Rates
) -> tuple[Delay, dict[str, Delay]]:
    """The delay of conversions: of all, and of each category with enough of its own."""
    at = epoch_seconds(now) / 86_400
    known = [row for row in rows if row.clicks and row.offer in categories]
    if not known:
        return prior.delay, {}
    offers = sorted({row.offer for row in known})
    start = np.array([(row.day - date(1970, 1, 1)).days for row in known], dtype=np.float64)
    groups = Clicks(
        offer=np.array([offers.index(row.offer) for row in known], dtype=np.intp),
        youngest=np.maximum(at - start - 1.0, 0.0),
        oldest=np.maximum(at - start, 0.0),
        clicks=np.array([row.clicks for row in known], dtype=np.float64),
        conversions=np.array([[getattr(row, f"took_{name}") for name in TOOK_DAYS] for row in known], dtype=np.float64),
    )
    edges = np.array(list(TOOK_DAYS.values()))
    names = sorted({categories[offer] for offer in offers})
    pooled, found = fit_delays(groups, edges, np.array([names.index(categories[offer]) for offer in offers]), prior.delay)
    return pooled, {names[c]: delay for c, delay in found.items()}


def _fit(
    cells: _Cells, name: str, prior: Mapping[str, float], categories: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Levels and ratios in turn until they agree: a segment that mostly got good offers is not called a good segment for it."""
    product = np.ones(len(cells.keys))
    ratios: dict[str, float] = {}
    levels = _levels(cells, name, prior, LEVEL_MAILS, product)
    for _ in range(ROUNDS):
        ratios, product = _ratios(cells, name, levels, categories)
        levels = _levels(cells, name, prior, LEVEL_MAILS, product)
    return levels, ratios


def _gather(rows: Sequence[Evidence], fading: Floats) -> _Cells:
    keys = sorted({(row.segment, row.offer, row.variant) for row in rows})
    place = {key: c for c, key in enumerate(keys)}
    where = np.array([place[(row.segment, row.offer, row.variant)] for row in rows], dtype=np.intp)
    counts: dict[str, Floats] = {}
    for name in ("deliveries", "opens", "clicks", "unsubscribes", "complaints"):
        values = np.array([getattr(row, name) for row in rows], dtype=np.float64) * fading
        counts[name] = _sums(where, values, len(keys))
    return _Cells(keys, np.array([SEGMENTS.index(key[0]) for key in keys], dtype=np.intp), counts)


def _sums(member: npt.NDArray[np.intp], values: Floats, length: int) -> Floats:
    """Sums of `values` per member number, (length,)."""
    result = np.zeros(length)
    np.add.at(result, member, values)
    return result


def _levels(cells: _Cells, name: str, prior: Mapping[str, float], strength: float, product: Floats) -> dict[str, float]:
    """(events + strength · prior) / (mails + strength) per segment, each cell's mails weighted by its ratios' product, (C,)."""
    result = {}
    for s, segment in enumerate(SEGMENTS):
        inside = cells.segment == s
        events, mails = cells.counts[name][inside].sum(), (cells.counts["deliveries"] * product)[inside].sum()
        result[segment] = float(min((events + strength * prior[segment]) / (mails + strength), HIGHEST_RATE))
    return result


def _ratios(
    cells: _Cells, name: str, levels: Mapping[str, float], categories: Mapping[str, str]
) -> tuple[dict[str, float], Floats]:
    """Shrunk ratios of each level below the segments', from categories down to cells, and each cell's product of them, (C,)."""
    kept = np.array([c for c, (_, offer, _) in enumerate(cells.keys) if offer in categories], dtype=np.intp)
    keys = [cells.keys[c] for c in kept]
    observed = cells.counts[name][kept]
    base = cells.counts["deliveries"][kept] * np.array([levels[segment] for segment, _, _ in keys])
    product = np.ones(len(cells.keys))
    result: dict[str, float] = {}
    for level in range(_LEVELS if keys else 0):
        labels = [keys_of(segment, categories[offer], offer, variant)[level] for segment, offer, variant in keys]
        names = sorted(set(labels))
        place = {label: i for i, label in enumerate(names)}
        member = np.array([place[label] for label in labels], dtype=np.intp)
        seen, due = _sums(member, observed, len(names)), _sums(member, base * product[kept], len(names))
        k = _strength(seen, due)
        ratio = (seen + k) / (due + k)
        ratio /= (due * ratio).sum() / due.sum() if due.sum() > 0 else 1.0  # 1 on average: what all share belongs to the level
        result.update({label: float(r) for label, r in zip(names, ratio, strict=True)})
        product[kept] *= ratio[member]
    return result, product


def _strength(seen: Floats, due: Floats) -> float:
    """k of a Gamma(k, k) prior of ratios: Var(seen) = due + due² / k."""
    if len(seen) < 2:
        return UNKNOWN
    excess = float(((seen - due) ** 2 - due).sum())
    return float(np.clip((due**2).sum() / excess, FEWEST, MOST)) if excess > 0 else MOST


def _conversions(
    rows: Sequence[Evidence], clicks: Floats, conversions: Floats, categories: Mapping[str, str], prior: Rates
) -> dict[str, float]:
    """Net conversions per delay-weighted click: overall, then per category towards it."""
    strength = prior.prior_clicks
    least, most = 1e-5, HIGHEST_RATE

    def shrunk(inside: Bools, mean: float) -> float:
        net = max(float(conversions[inside].sum()), 0.0)
        return float(np.clip((net + strength * mean) / (float(clicks[inside].sum()) + strength), least, most))

    overall = shrunk(np.ones(len(rows), dtype=np.bool_), prior.conversions_per_click[ANY_CATEGORY])
    result = {ANY_CATEGORY: overall}
    for category in sorted({categories[row.offer] for row in rows if row.offer in categories}):
        result[category] = shrunk(np.array([categories.get(row.offer) == category for row in rows], dtype=np.bool_), overall)
    return result
