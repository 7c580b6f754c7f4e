"""Evidence and mails in, bundles out, each with what the gate says of it (D3). The same data, in any order, and the same seed give the
same versions.

Two bundles are made. `learned` has a funnel of the org's own mails, fitted to all but the newest fifth of them and judged on that; it
starts from rates of the evidence before that fifth, and is served with those of today. `kept` is the champion's funnel, or none, on
rates of today's evidence: rates are counts, shrunk towards the prior, so a small list may have them long before its mails can teach and
judge trees. Both have the hours of the week in which people click (`learning.hours`), or the prior's where these are not believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from revenue_engine.bundle import Bundle, prior_hours, seal
from revenue_engine.errors import Refused
from revenue_engine.learning.dataset import Dataset
from revenue_engine.learning.gate import ONE_SIDED, Verdict, judge, judge_value
from revenue_engine.learning.habits import WouldBe, fit_habits
from revenue_engine.learning.hours import fit_hours
from revenue_engine.learning.rates import fit_rates
from revenue_engine.learning.told import clicks_by, paying, payout_level, told
from revenue_engine.offers.posterior import exposure
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction.rates import Rates, table
from revenue_engine.records.evidence import SEGMENTS, Evidence

if TYPE_CHECKING:
    from revenue_engine.learning.value import MailLog

MIN_CLICKS = 50
CALIBRATED = (0.8, 1.25)
FEWEST_TO_LEARN = 300  # clicks before the test: with fewer, trees are noise


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that may become champion."""

    name: str  # learned | kept | value | habits
    bundle: Bundle
    verdict: Verdict


def first_passed(candidates: Iterable[Candidate]) -> Candidate | None:
    """The one that becomes champion: the first that the gate lets through."""
    return next((one for one in candidates if one.verdict.passed), None)


def train(
    evidence: Iterable[Evidence],
    categories: Mapping[str, str],
    now: datetime,
    *,
    code_version: str,
    champion: Bundle,
    data: Dataset | None = None,
    seed: int = 0,
) -> tuple[Candidate, ...]:
    """Candidates of this evidence and these mails, the most wanted first.

    Parameters
    ----------
    categories
        Of offers.
    champion
        What the org decides by now, or the prior.
    data
        Mails and what became of them (`revenue_engine.served`); without them only `kept` is made.
    """
    rows = sorted(evidence, key=lambda e: (e.day, e.offer, e.variant, e.segment))
    rates = fit_rates(rows, categories, now)
    counted, on_rates = _rates_verdict(rows, rates, categories, now)
    fingerprint = hashlib.sha256(orjson.dumps([rows, data.fingerprint if data else ""], option=orjson.OPT_SORT_KEYS)).hexdigest()

    hours, hours_figures = champion.parts.hours, dict[str, float]()
    if data is not None:
        hours, hours_figures = fit_hours(data, prior_hours(), champion.funnel)

    def made(name: str, learned: Mapping[str, Any], verdict: Verdict) -> Candidate:
        bundle = seal(
            replace(champion.parts, rates=rates, hours=hours, **learned),
            trained_at=now,
            code_version=code_version,
            prior=False,
            data_fingerprint=fingerprint,
            seed=seed,
            metrics=counted | hours_figures | dict(verdict.figures),
        )
        return Candidate(name, bundle, verdict)

    if data is None or not len(data.test):
        return (made("kept", {}, on_rates),)
    cut = datetime.fromtimestamp(float(data.test.sent_at[0]), UTC)
    before = fit_rates([row for row in rows if row.day < cut.date()], categories, datetime.combine(cut, time.min, UTC))
    # rates that were fitted since have seen what became of the test: no fair opponent
    seen = champion.manifest.trained_at > cut and not champion.manifest.prior
    today = told(before if seen else champion.rates, champion.funnel, data.test, data.arms)
    candidates = []
    if int(data.old.rows.clicked.sum()) >= FEWEST_TO_LEARN:
        # these load LightGBM, which most runs of small lists can do without
        from revenue_engine.learning.funnel import fit_funnel
        from revenue_engine.learning.payout import fit_payout

        old = replace(data.old.rows, p_click=clicks_by(before, data.old, data.arms))
        funnel = fit_funnel(old, seed=seed).tables()
        verdict = judge(data.test, today, told(before, funnel, data.test, data.arms))
        sales = data.old.where(paying(data.old))
        payout = fit_payout(sales.rows.features, sales.payout_micros, sales.paid_micros, seed=seed).tables()
        level, off = payout_level(data.test, payout)
        learned = {"funnel": funnel} | ({} if off else {"payout": payout})
        candidates.append(made("learned", learned, replace(verdict, figures={**verdict.figures, **level})))
    newer = judge(data.test, today, told(before, champion.funnel, data.test, data.arms))
    worse = newer.figures.get("log_loss_gain", 0.0) + ONE_SIDED * newer.figures.get("log_loss_gain_error", 0.0) < 0
    verdict = Verdict((*on_rates.reasons, *(("worse",) if worse else ())), newer.figures)
    return (*candidates, made("kept", {}, verdict))


def train_habits(meant: WouldBe, *, code_version: str, champion: Bundle) -> Candidate:
    """The champion with the index's table solved for this list's habits. It needs no judge: what evidence cannot tell is the prior."""
    fitted = fit_habits(meant, Habits())
    bundle = seal(
        replace(champion.parts, index=solve(fitted.habits)),
        trained_at=champion.manifest.trained_at,
        code_version=code_version,
        prior=champion.manifest.prior,
        data_fingerprint=_fingerprint(meant),
        seed=champion.manifest.seed,
        metrics={**champion.manifest.metrics, **fitted.figures()},
    )
    return Candidate("habits", bundle, Verdict((), fitted.figures()))


def train_value(log: MailLog, last_day: int, *, code_version: str, champion: Bundle) -> Candidate:
    """The champion with a value model of these mails (`learning.value`).

    Raises Refused("value_too_young") where the log is too short to judge one, and what `fit_value` raises besides.
    """
    from revenue_engine.learning.value import fit_value  # loads LightGBM and lifelines

    try:
        fitted = fit_value(log, last_day=last_day)
    except ValueError as error:  # nobody left
        raise Refused("value_too_young", str(error)) from None
    verdict = judge_value(fitted.latest.revenue, fitted.told, fitted.latest.expected)
    bundle = seal(
        replace(champion.parts, value=fitted.model),
        trained_at=champion.manifest.trained_at,
        code_version=code_version,
        prior=champion.manifest.prior,
        data_fingerprint=_fingerprint(log),
        seed=champion.manifest.seed,
        metrics={**champion.manifest.metrics, **verdict.figures, "value_windows": float(fitted.windows)},
    )
    return Candidate("value", bundle, verdict)


def _fingerprint(log: MailLog | WouldBe) -> str:
    digest = hashlib.sha256()
    for name in log.__slots__:
        digest.update(np.ascontiguousarray(getattr(log, name)).tobytes())
    return digest.hexdigest()


def _rates_verdict(
    rows: list[Evidence], rates: Rates, categories: Mapping[str, str], now: datetime
) -> tuple[dict[str, float], Verdict]:
    """What was counted, and whether the rates fit it: enough clicks seen, and predictions within a fifth of them, both faded as the rates
    were fitted. Held against unfaded clicks of a year, rates that follow a list's change would be off for as long as the year remembers."""
    settled = [row for row in rows if row.day < now.date()]
    fading = exposure(settled, rates, now, categories).fading
    arms = sorted({(row.offer, row.variant) for row in settled})
    rate_of = table(
        rates.click_level, rates.click_ratio, [(offer, variant, categories.get(offer, "")) for offer, variant in arms]
    )
    place = {arm: a for a, arm in enumerate(arms)}
    rate = np.array([rate_of[SEGMENTS.index(row.segment), place[row.offer, row.variant]] for row in settled], dtype=np.float64)
    deliveries, clicks = (
        np.array([getattr(row, name) for row in settled], dtype=np.float64) for name in ("deliveries", "clicks")
    )
    faded = float(fading @ clicks)
    ratio = float(fading @ (deliveries * rate)) / faded if faded else 0.0
    counted = {
        "deliveries": float(deliveries.sum()),
        "clicks": float(clicks.sum()),
        "conversions": float(sum(row.conversions for row in rows)),
        "predicted_to_actual_clicks": ratio,
    }
    reasons = []
    if clicks.sum() < MIN_CLICKS:
        reasons.append("too_few_clicks")
    elif not CALIBRATED[0] <= ratio <= CALIBRATED[1]:
        reasons.append("rates_off")
    return counted, Verdict(tuple(reasons), {})
