"""The value model of a log, in one step: the hazard from mails and exits, revenue from windows that are over, the spread of what came.

m mails, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.draws import mix
from revenue_engine.errors import Refused
from revenue_engine.learning.export import export
from revenue_engine.learning.exposures import Exposures, of_mails
from revenue_engine.learning.hazard import HazardFit, fit_hazard
from revenue_engine.learning.revenue import RevenueModel, Window, fit_revenue, index_days
from revenue_engine.learning.spread import fit_spread
from revenue_engine.prediction.features import BASE
from revenue_engine.value.model import TRAITS, Table, ValueModel, traits_of
from revenue_engine.value.revenue import ONE, Revenue

HORIZON_DAYS, EMBARGO_DAYS, EVERY_DAYS = 90, 44, 14  # the embargo: 14 for conversions, 30 for what is taken back
FIRST_DAY = 30  # of the log on which a window may begin
HAZARD_MAILS = 400_000  # of whole people, by lot: more make the hazard slower, not better
_AT = {name: place for place, name in enumerate(BASE)}


@dataclass(frozen=True, slots=True)
class MailLog:
    """Mails that were delivered, in any order, (m,) each; what is said of a mail's features is as it was served."""

    person: Ints
    day: Ints  # whole days since the log began
    left: Bools  # answered by an opt-out or a complaint: a mail that bounced was not delivered, and is not among them
    clicked: Bools
    paid_micros: Floats  # what it brought, net of what was taken back, not below 0
    sales: Ints  # conversions that stand
    sent_before: Floats  # mails its reader had before the log
    features: Table  # (m, F) as `features.BASE`

    def where(self, chosen: Bools | Ints) -> MailLog:
        """Some of them."""
        return MailLog(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class ValueFit:
    """What is served, and what there is to say about its hazard."""

    model: ValueModel
    hazard: HazardFit
    windows: int
    latest: Window  # the newest one that is over,
    told: Floats  # (w,) and what a model that had not seen it said of its people's revenue


def fit_value(log: MailLog, *, last_day: int, horizon_days: int = HORIZON_DAYS, embargo_days: int = EMBARGO_DAYS) -> ValueFit:
    """The value model as of the evening of `last_day`.

    Raises
    ------
    Refused
        `value_too_young`: no window that is over has another before it that was over when it began (confidence is what a model that had
        not seen a window said of it), or nobody clicked or bought; `hazard_did_not_converge`.
    ValueError
        Nobody left.
    """
    ordered = log.where(np.lexsort((log.day, log.person)))
    days = index_days(FIRST_DAY, last_day, horizon=horizon_days, embargo=embargo_days, every=EVERY_DAYS)
    clicks, sales = int(ordered.clicked.sum()), int(ordered.sales.sum())
    if not days or days[0] + horizon_days + embargo_days > days[-1] or not (clicks and sales):
        raise Refused("value_too_young", f"{len(days)} windows, {clicks} clicks, {sales} conversions")
    per_click = float(ordered.paid_micros.sum()) / clicks
    windows = [_window(ordered, day, horizon_days, embargo_days, per_click) for day in days]
    latest = windows[-1]
    before = fit_revenue([window for window in windows if window.ends <= latest.day])
    told = before.predict(latest.features, latest.expected)
    spread = fit_spread(told, latest.revenue, horizon_days=horizon_days)
    revenue = fit_revenue(windows)
    hazard = fit_hazard(_exposures(ordered))
    model = ValueModel(hazard.hazard, served(revenue, per_click), spread, float(ordered.paid_micros.sum()) / sales)
    return ValueFit(model, hazard, len(windows), latest, told)


def served(model: RevenueModel, micros_per_click: float) -> Revenue:
    """The revenue model as tables. Raises NotExportable for trees they cannot hold."""
    trees = export(lightgbm.Booster(model_str=model.trees), subscriber=model.names, offer=ONE)
    return Revenue(trees, model.level, micros_per_click)


def _window(log: MailLog, day: int, horizon: int, embargo: int, per_click: float) -> Window:
    """People mailed in the days after `day`: known as their first mail of these days found them, which is before anything came of it."""
    inside = np.flatnonzero((log.day > day) & (log.day <= day + horizon))
    people, first, place = np.unique(log.person[inside], return_index=True, return_inverse=True)
    mails = np.bincount(place, minlength=len(people))
    features = np.asarray(log.features[inside[first]], dtype=np.float64)
    return Window(
        day=day,
        ends=day + horizon + embargo,
        features={name: features[:, column] for name, column in _AT.items()},
        expected=features[:, _AT["click_rate"]] * per_click * mails,
        revenue=np.bincount(place, log.paid_micros[inside], len(people)).astype(np.float64),
    )


def _exposures(log: MailLog) -> Exposures:
    share = min(1.0, HAZARD_MAILS / max(len(log.person), 1))
    drawn = (mix(log.person.astype(np.uint64)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    some = log.where(drawn < share)
    return of_mails(
        np.unique(some.person, return_inverse=True)[1].astype(np.int64).reshape(-1),
        some.day,
        some.left,
        sent_before=some.sent_before,
        tenure_days=np.asarray(some.features[:, _AT["tenure_days"]], dtype=np.float64),
        traits=traits_of(some.features),
        trait_names=TRAITS,
    )
