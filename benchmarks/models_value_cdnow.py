"""CDNOW: who will spend how much in the 39 weeks after September 1997, by models that saw nothing later than that."""

from __future__ import annotations

import numpy as np

from benchmarks.models_value_data import CALIBRATION_ENDS, HOLDOUT_ENDS, cdnow
from revenue_engine.arrays import Floats
from revenue_engine.evaluation.ranking import normalised_gini, spearman, top_share
from revenue_engine.learning.btyd import fit_bg_nbd, fit_gamma_gamma
from revenue_engine.learning.purchases import Purchases, features, history
from revenue_engine.learning.revenue import Window, fit_revenue, index_days
from revenue_engine.learning.spread import fit_spread
from revenue_engine.money import MICROS
from revenue_engine.value.confidence import chance_between
from revenue_engine.value.segments import CUTS_MICROS, bands

Row = tuple[str, str, str]  # what, measured, beside it
Part = tuple[list[Row], dict[str, float]]
HORIZON_DAYS = 91  # of the windows that are learned from: a third of what is to be predicted
FIRST_DAY = 90  # the last of the cohort had bought by then
EVERY_DAYS = 7


def window(orders: Purchases, day: int, ends: int) -> Window:
    """As of `day`: the offset is fitted to what was known then, too."""
    buyers, past = history(orders, day)
    bg, gg = fit_bg_nbd(past), fit_gamma_gamma(past)
    known = dict(features(orders, day))
    known["alive"], known["order_value"] = bg.alive(past), gg.expected(past)
    known["orders_a_week"] = bg.expected(past, 13.0) / 13.0
    expected = bg.expected(past, (ends - day) / 7) * known["order_value"]
    return Window(day, ends, known, expected, orders.spent(buyers, day, ends))


def cdnow_figures(*, every: int = EVERY_DAYS) -> Part:
    """The published parameters on the sample; then ranking, level and error of both models on everybody's hold-out."""
    orders, sample = cdnow()
    days = index_days(FIRST_DAY, CALIBRATION_ENDS, horizon=HORIZON_DAYS, embargo=0, every=every)
    windows = [window(orders.until(CALIBRATION_ENDS), day, day + HORIZON_DAYS) for day in days]
    model = fit_revenue(windows)
    asked = window(orders, CALIBRATION_ENDS, HOLDOUT_ENDS)
    learned = model.predict(asked.features, asked.expected)
    rows, figures = _published(orders.where(np.isin(orders.buyer, sample)))
    for name, suffix, predicted in (("BG/NBD + GG", "_bgnbd", asked.expected), ("Tweedie on it", "", learned)):
        got = _scores(predicted, asked.revenue)
        rows += [(f"CDNOW, {name}: {what}", f"{value:.4f}", _beside(what, asked.revenue)) for what, value in got.items()]
        figures |= {f"cdnow_{what}{suffix}": value for what, value in got.items()}
    error = _confidence_error(orders, windows)
    rows.append(("CDNOW confidence: error of the share in its band", f"{error:.4f}", "13 weeks after September"))
    return rows, figures | {"cdnow_confidence_error": error}


def _published(orders: Purchases) -> Part:
    _, past = history(orders, CALIBRATION_ENDS)
    bg, gg = fit_bg_nbd(past), fit_gamma_gamma(past)
    likelihood = float(bg.log_likelihood(past).sum())
    fitted = {"r": bg.r, "alpha": bg.alpha, "a": bg.a, "b": bg.b, "ll": likelihood, "p": gg.p, "q": gg.q, "gamma": gg.gamma}
    published = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "ll": -9582.4, "p": 6.25, "q": 3.744, "gamma": 15.44}
    rows = [(f"CDNOW sample: {name}", f"{value:.4f}", f"{published[name]} published") for name, value in fitted.items()]
    return rows, {f"cdnow_sample_{name}": value for name, value in fitted.items()}


def _scores(predicted: Floats, brought: Floats) -> dict[str, float]:
    return {
        "gini": normalised_gini(predicted, brought),
        "spearman": spearman(predicted, brought),
        "top_tenth": top_share(predicted, brought),
        "bias_abs": abs(float(predicted.sum() / brought.sum()) - 1),
        "mae": float(np.abs(predicted - brought).mean()),
    }


def _beside(what: str, brought: Floats) -> str:
    targets = {"gini": "0.71, aim 0.72", "spearman": "0.44", "top_tenth": "0.518", "bias_abs": "0.08 at most"}
    return targets.get(what, f"{brought.mean():.2f} for nothing from anybody: no target")


def _confidence_error(orders: Purchases, windows: list[Window]) -> float:
    """Confidence is what the latest window showed of a model that had not seen it; asked about the 13 weeks after. Mean over tenths by
    confidence of |stated − share of people who ended in the band that was predicted|, weighted by people."""
    latest = windows[-1]
    before = fit_revenue([known for known in windows if known.ends <= latest.day])
    table = fit_spread(
        before.predict(latest.features, latest.expected) * MICROS, latest.revenue * MICROS, horizon_days=HORIZON_DAYS
    )
    asked = window(orders, CALIBRATION_ENDS, CALIBRATION_ENDS + HORIZON_DAYS)
    predicted = before.predict(asked.features, asked.expected) * MICROS
    band = bands(predicted)
    edges = np.concatenate([[-np.inf], CUTS_MICROS, [np.inf]])
    stated = chance_between(table, predicted, edges[band], edges[band + 1])
    right = bands(asked.revenue * MICROS) == band
    tenths = np.array_split(np.argsort(stated, kind="stable"), 10)
    return float(sum(len(part) * abs(stated[part].mean() - right[part].mean()) for part in tenths) / len(stated))
