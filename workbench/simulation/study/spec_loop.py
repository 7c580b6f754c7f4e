"""The specification's loop, read literally (its sections 4.1, 5.1 and 6.1), faults included: what it was asked to be measured against.

Kept as written: `sampleBeta` without its rejection step; posteriors that only ever see successes; affinity as 0.4 category + 0.4
topic + 0.2 price, multiplied with money; machine opens taken for readers; sort by predicted revenue and cut at what the day's cap
leaves, in the first cycle of the day; a person's churn risk from how long he has not opened. In place of its trained boosters stand
smoothed rates of each subscriber, which is kinder to it than models trained on a cold list would be.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats
from workbench.simulation.study.policy import NO_MAIL, Calendar, Setting, best, to_all
from workbench.simulation.worlds import DayEvents, Kind, Mailing, Observables
from workbench.simulation.worlds.people import HOUR_BINS

CHURN_RISK_THRESHOLD = 0.3
MIN_REVENUE_PER_EMAIL_MICROS = 2_000.0
_SEGMENT_MICROS = np.array([10e6, 100e6, 500e6])  # low, medium, high, whale by what a person has brought
_MAILS, _OPENED, _CLICKED = 5.0, 4.0, 20.0  # what the list's rate is worth against a person's own
_PRIOR_OPEN, _PRIOR_CLICK, _PRIOR_CONVERT = 0.2, 0.1, 0.02
_SILENT_DAYS = 180.0
_HOUR = 6


class SpecLoop:
    """One cycle a day does all it would ever do: the first one spends the cap."""

    def __init__(self, setting: Setting) -> None:
        n = setting.people
        self._setting, self._calendar = setting, Calendar(setting)
        self._rng = np.random.default_rng([setting.seed, 0x5BEC])
        self._mails, self._opens, self._clicks, self._sales = (np.zeros(n) for _ in range(4))
        self._opened_on = np.zeros(n)
        self._revenue = np.zeros(n)
        self._by_category = np.zeros((2, n, 0))  # clicks and mails of a person
        self._alpha = np.ones((4, setting.offers))
        self._paid = np.zeros((2, setting.offers))  # conversions, micros

    def mail(self, seen: Observables, day: int) -> Mailing:
        running = np.flatnonzero(seen.offer_running)
        if not len(running):
            return NO_MAIL
        self._offer_category = seen.offer_category
        if not self._by_category.shape[2]:
            self._by_category = np.zeros((2, self._setting.people, seen.topics.shape[1]))
        churn = np.minimum((day - self._opened_on) / _SILENT_DAYS, 1.0)
        free = np.flatnonzero(seen.mailable & self._calendar.free(day) & (churn <= CHURN_RISK_THRESHOLD))
        payout = self._payout(seen)
        segment = np.searchsorted(_SEGMENT_MICROS, self._revenue[free])
        # x^(1/alpha) / (x^(1/alpha) + y^(1/beta)), and beta is never updated
        x, y = self._rng.random((2, len(free), len(running)))
        first = x ** (1 / self._alpha[segment][:, running])
        score = first / (first + y) * payout[running] * self._affinity(seen, free, running)
        offer = running[score.argmax(axis=1)]
        predicted = np.zeros(self._setting.people)
        predicted[free] = self._p_sale()[free] * payout[offer]
        good = free[predicted[free] >= MIN_REVENUE_PER_EMAIL_MICROS]
        who = best(predicted, good, self._setting.daily_cap)
        self._calendar.mailed(who, day)
        chosen = np.zeros(self._setting.people, dtype=np.int64)
        chosen[free] = offer
        bins = seen.past_opens[who].argmax(axis=1)
        hours = np.where(seen.past_opens[who].any(axis=1), bins * (24 // HOUR_BINS) + 2, _HOUR)
        return to_all(who, chosen[who], hour=np.clip(hours, _HOUR, 21))

    def told(self, events: DayEvents, day: int) -> None:
        delivered, opens, clicks = (events.of(kind) for kind in (Kind.DELIVERY, Kind.OPEN, Kind.CLICK))
        sales = events.of(Kind.CONVERSION)
        n = self._setting.people
        for total, rows in ((self._mails, delivered), (self._opens, opens), (self._clicks, clicks), (self._sales, sales)):
            total += np.bincount(rows.row, minlength=n)
        self._opened_on[opens.row] = day
        self._revenue += np.bincount(sales.row, sales.micros, n)
        if len(delivered) and self._by_category.shape[2]:
            np.add.at(self._by_category[0], (clicks.row, self._offer_category[clicks.offer]), 1)
            np.add.at(self._by_category[1], (delivered.row, self._offer_category[delivered.offer]), 1)
        segment = np.searchsorted(_SEGMENT_MICROS, self._revenue[sales.row])
        np.add.at(self._alpha, (segment, sales.offer), 1)
        self._paid += np.stack([np.bincount(sales.offer, weights, self._setting.offers) for weights in (None, sales.micros)])

    def _payout(self, seen: Observables) -> Floats:
        """(O,) as listed; of a share of the sale, what it has paid so far, or 10 % of 100 dollars."""
        seen_mean = self._paid[1] / np.maximum(self._paid[0], 1)
        guess = np.where(self._paid[0] > 0, seen_mean, 10e6)
        return np.where(seen.offer_payout_micros > 0, seen.offer_payout_micros, guess)

    def _p_sale(self) -> Floats:
        """(n,) P(open) · P(click | open) · P(conversion | click), each a person's own rate drawn towards a guess."""
        opened = (self._opens + _MAILS * _PRIOR_OPEN) / (self._mails + _MAILS)
        clicked = (self._clicks + _OPENED * _PRIOR_CLICK) / (self._opens + _OPENED)
        bought = (self._sales + _CLICKED * _PRIOR_CONVERT) / (self._clicks + _CLICKED)
        return np.asarray(np.minimum(opened, 1) * np.minimum(clicked, 1) * np.minimum(bought, 1))

    def _affinity(self, seen: Observables, who: np.ndarray, running: np.ndarray) -> Floats:
        """(len(who), len(running)), 0 to 1."""
        category = seen.offer_category[running]
        clicks, mails = self._by_category[:, who][:, :, category]
        performance = (clicks + 0.5) / (mails + 1.0)
        topic = np.where(seen.topics_known[who, None], seen.topics[who][:, category], 0.5)
        price = np.repeat(1.0 - seen.price_sensitivity[who, None] * 0.5, len(running), axis=1)
        return np.asarray(0.4 * np.minimum(performance, 1.0) + 0.4 * topic + 0.2 * price)
