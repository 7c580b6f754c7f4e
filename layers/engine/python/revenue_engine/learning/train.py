"""Evidence in, bundle out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

import orjson

from revenue_engine.bundle import Bundle, seal
from revenue_engine.learning.rates import fit_rates
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction.rates import table
from revenue_engine.records.evidence import SEGMENTS, Evidence

MIN_CLICKS = 50
CALIBRATED = (0.8, 1.25)


def may_be_champion(metrics: Mapping[str, float]) -> bool:
    """Enough clicks seen, and its predictions within a fifth of them (D3)."""
    return metrics["clicks"] >= MIN_CLICKS and CALIBRATED[0] <= metrics["predicted_to_actual_clicks"] <= CALIBRATED[1]


def train(evidence: Iterable[Evidence], categories: Mapping[str, str], now: datetime, *, code_version: str) -> Bundle:
    """The bundle of this evidence; the same evidence in any order gives the same version."""
    rows = sorted(evidence, key=lambda e: (e.day, e.offer, e.variant, e.segment))
    rates = fit_rates(rows, categories, now)
    document = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)
    settled = [row for row in rows if row.day < now.date()]
    arms = sorted({(row.offer, row.variant) for row in settled})
    rate_of = table(
        rates.click_level, rates.click_ratio, [(offer, variant, categories.get(offer, "")) for offer, variant in arms]
    )
    place = {arm: a for a, arm in enumerate(arms)}
    predicted = float(
        sum(row.deliveries * rate_of[SEGMENTS.index(row.segment), place[row.offer, row.variant]] for row in settled)
    )
    clicks = sum(row.clicks for row in settled)
    metrics = {
        "deliveries": float(sum(row.deliveries for row in settled)),
        "clicks": float(clicks),
        "conversions": float(sum(row.conversions for row in rows)),
        "predicted_to_actual_clicks": predicted / clicks if clicks else 0.0,
    }
    return seal(
        rates,
        solve(Habits()),
        trained_at=now,
        code_version=code_version,
        prior=False,
        data_fingerprint=hashlib.sha256(document).hexdigest(),
        metrics=metrics,
    )
