"""May a bundle become champion? Only if it predicts better than the champion what neither has seen, by more than chance, and means what
it says there (D3).

Better: the log loss of clicks and sales together, mail by mail on the same mails, its standard error over people, since one person's
mails are not independent. Meaning what it says: slope 0.9 to 1.1 or, of few events, less than two standard errors from 1; the level within
a tenth, or likewise; and calibration error at most 1.25 of its noise, or not beyond it by a twentieth of the mean chance. (Of 25 bins a
right model's error is that or more one time in twenty, whatever the number of events; of ten bins one time in seven.) Too few events to
tell: not champion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Keys
from revenue_engine.evaluation.calibration import auc, calibration, losses
from revenue_engine.evaluation.ranking import normalised_gini
from revenue_engine.learning.dataset import Part
from revenue_engine.money import MICROS
from revenue_engine.prediction.funnel import Chances
from revenue_engine.prediction.platt import logistic, logit

FEWEST_CLICKS = 100  # in the test
FEWEST_SALES = 50  # fewer: of sales the level alone is looked at
ONE_SIDED = 1.645  # 95 %
SLOPE, ERRORS_OF_SLOPE = (0.9, 1.1), 2.0
BINS = 25
ERROR_OVER_NOISE, ERROR_OF_MEAN = 1.25, 0.05
LEVEL, ERRORS_OF_LEVEL = 0.1, 2.0
FEWEST_PAYERS, VALUE_LEVEL = 50, 0.2
_LEAST_DOLLARS = 1e-6


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a bundle may be champion; why not; and what was measured."""

    reasons: tuple[str, ...]
    figures: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Meant:
    """Predictions beside what happened."""

    events: int
    level: float  # predicted over actual
    slope: float
    slope_error: float
    error: float
    noise_floor: float
    auc: float

    def figures(self, name: str) -> dict[str, float]:
        """By name, for a manifest."""
        return {
            f"{name}_events": float(self.events),
            f"{name}_predicted_over_actual": self.level,
            f"{name}_slope": self.slope,
            f"{name}_slope_error": self.slope_error,
            f"{name}_error_over_noise": self.error / self.noise_floor,
            f"{name}_auc": self.auc,
        }


def judge(test: Part, champion: Chances, candidate: Chances) -> Verdict:
    """Of a candidate, on mails that neither it nor the champion was fitted to; (n,) chances each."""
    rows = test.rows
    clicks, sales = int(rows.clicked.sum()), int(rows.sold.sum())
    figures = {"test_mails": float(len(test)), "test_clicks": float(clicks), "test_sales": float(sales)}
    if clicks < FEWEST_CLICKS or clicks == len(test):
        return Verdict(("too_few_events",), figures)
    of_clicks = losses(rows.clicked, champion.click) - losses(rows.clicked, candidate.click)
    of_sales = losses(rows.sold, champion.sale) - losses(rows.sold, candidate.sale)
    gain, error = mean_over_people(of_clicks + of_sales, test.person)
    sale_gain, sale_error = mean_over_people(of_sales, test.person)
    figures |= {
        "log_loss_gain": gain,
        "log_loss_gain_error": error,
        "sale_log_loss_gain": sale_gain,
        "sale_log_loss_gain_error": sale_error,
    }
    reasons = []
    if gain - ONE_SIDED * error <= 0:
        reasons.append("not_better")
    if sale_gain + ONE_SIDED * sale_error < 0:
        reasons.append("sales_worse")
    for name, happened, predicted in (("click", rows.clicked, candidate.click), ("sale", rows.sold, candidate.sale)):
        found = meant(happened, predicted)
        if found is not None:
            figures |= found.figures(name)
            reasons += [f"{name}_{why}" for why in wrong_with(found, float(happened.mean()), shape=found.events >= FEWEST_SALES)]
    return Verdict(tuple(reasons), figures)


def judge_value(revenue: Floats, told: Floats, simple: Floats) -> Verdict:
    """Of a value model, on what people (w,) brought in a window it has not seen: better than the simple model by more than chance, by
    Tweedie deviance (power 1.5, of which both are fitted to), and at the right level. Micros."""
    payers = int((revenue > 0).sum())
    figures = {"value_people": float(len(revenue)), "value_payers": float(payers)}
    if payers < FEWEST_PAYERS:
        return Verdict(("value_too_few_payers",), figures)
    gains = _deviance(revenue, simple) - _deviance(revenue, told)
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    total = float(revenue.sum())
    level, level_error = float(told.sum()) / total, float(np.sqrt((revenue**2).sum())) / total
    figures |= {"value_gain": gain, "value_gain_error": error, "value_level": level, "value_gini": normalised_gini(told, revenue)}
    reasons = []
    if gain - ONE_SIDED * error <= 0:
        reasons.append("value_not_better")
    if abs(level - 1) > max(VALUE_LEVEL, ERRORS_OF_LEVEL * level_error):
        reasons.append("value_level")
    return Verdict(tuple(reasons), figures)


def _deviance(revenue: Floats, told: Floats) -> Floats:
    """Per person, in roots of dollars, but for what does not depend on `told`."""
    dollars, mean = revenue / MICROS, np.maximum(told / MICROS, _LEAST_DOLLARS)
    return np.asarray(2 * (2 * dollars / np.sqrt(mean) + 2 * np.sqrt(mean)))


def wrong_with(found: Meant, rate: float, *, shape: bool) -> list[str]:
    """What is wrong with predictions of an event of this rate: `level`, and with `shape` also `slope` and `calibration`."""
    wrong = []
    if abs(found.level - 1) > max(LEVEL, ERRORS_OF_LEVEL / np.sqrt(found.events)):
        wrong.append("level")
    if shape and not SLOPE[0] <= found.slope <= SLOPE[1] and abs(found.slope - 1) > ERRORS_OF_SLOPE * found.slope_error:
        wrong.append("slope")
    if shape and found.error > ERROR_OVER_NOISE * found.noise_floor and found.error - found.noise_floor > ERROR_OF_MEAN * rate:
        wrong.append("calibration")
    return wrong


def meant(happened: Bools, predicted: Floats) -> Meant | None:
    """None where it happened to nobody or to everybody: nothing can be said."""
    events = int(happened.sum())
    if not 0 < events < len(happened):
        return None
    found = calibration(happened, predicted, bins=BINS)
    return Meant(
        events=events,
        level=float(predicted.sum() / events),
        slope=found.slope,
        slope_error=_slope_error(predicted, found.intercept, found.slope),
        error=found.error,
        noise_floor=found.noise_floor,
        auc=auc(happened, predicted),
    )


def _slope_error(predicted: Floats, intercept: float, slope: float) -> float:
    """Of the slope of the outcome's logit on the prediction's, from the information of the fit."""
    z = logit(predicted)
    p = logistic(intercept + slope * z)
    curve = p * (1 - p)
    middle = np.average(z, weights=curve)
    return float(1 / np.sqrt(max((curve * (z - middle) ** 2).sum(), 1e-12)))


def mean_over_people(values: Floats, person: Keys) -> tuple[float, float]:
    """Mean of values (n,) and its standard error, the mails of a person together (Liang and Zeger, Biometrika 73, 1986)."""
    mean = float(values.mean())
    place = np.unique(person, return_inverse=True)[1].reshape(-1)
    sums = np.bincount(place, values - mean)
    people = len(sums)
    if people < 2:
        return mean, np.inf
    return mean, float(np.sqrt((sums**2).sum() * people / (people - 1)) / len(values))
