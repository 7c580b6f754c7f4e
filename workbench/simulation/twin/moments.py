"""What is counted of a log to liken a world to it, with errors. Ratios of sums over people, so that a jackknife over groups of people
gives errors that know how people differ (Efron 1982)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats
from workbench.logs.columns import STATES, Columns
from workbench.simulation.twin import money

GROUPS = 20
NAMES = (
    "opened",  # mails whose opening by a person was seen, per delivered mail
    "clicked",  # mails that a person clicked, per delivered mail
    "sold",  # conversions per clicked mail
    "unsubscribed",  # per delivered mail
    "complained",  # told, per delivered mail
    "bounced",  # for good, per person mailed
    "payout",  # micros, of conversions that pay or may
    "lost",  # conversions taken back or turned down, per conversion
    "rebilled",  # conversions that paid again, per conversion
    "spread",  # log of 1 + squared coefficient of variation of click rates between people
)
RARE = [4, 5, 6, 10, 11]  # of the sums: events of which a log may have none
_LOST = [STATES.index("rejected"), STATES.index("reversed")]


@dataclass(frozen=True)
class Moments:
    """In the order of NAMES; NaN where nothing is below the line."""

    values: Floats
    errors: Floats  # standard, of the log as a sample of people; offers are taken as they are


def of_log(of: Columns) -> Moments:
    """Of everything in the log, as it is by now: young mails are as young in a world mailed for as long."""
    sums = totals(of)
    return Moments(ratios(sums.sum(axis=0)), jackknife(sums))


def totals(of: Columns) -> Floats:
    """(GROUPS, 14) sums over people by group."""
    people = int(of.subscriber.max(initial=-1)) + 1
    clicked, lines = ~np.isnan(of.clicked_at), money.sort(of)
    mails = _count(of.subscriber, of.delivered, people)
    clicks = _count(of.subscriber, clicked, people)
    sale, paying = lines.sale, lines.sale & (lines.micros > 0)
    buyer = np.where(of.sale_mail >= 0, of.subscriber[of.sale_mail], 0)
    rebilled = np.zeros(len(of.sale_at), dtype=bool)
    rebilled[lines.first[lines.rebill]] = True
    each = [
        mails,
        _count(of.subscriber, of.opened & of.delivered, people),
        clicks,
        _count(buyer, sale, people),
        _count(of.subscriber, ~np.isnan(of.unsubscribed_at), people),
        _count(of.subscriber, ~np.isnan(of.complained_at), people),
        (_count(of.subscriber, of.hard_bounced, people) > 0).astype(np.float64),
        (np.bincount(of.subscriber, minlength=people) > 0).astype(np.float64),
        np.bincount(buyer[paying], lines.micros[paying], people),
        _count(buyer, paying, people),
        _count(buyer, sale & np.isin(of.sale_state, _LOST), people),
        _count(buyer, sale & rebilled, people),
        clicks * (clicks - 1),
        mails * (mails - 1),
    ]
    group = np.arange(people) % GROUPS
    return np.stack([np.bincount(group, values, GROUPS) for values in each], axis=1)


def ratios(sums: Floats) -> Floats:
    """(…, 10) moments of (…, 14) sums."""
    mails, opens, clicks, sales, unsubscribes, complaints, bounced, people, micros, paying, lost, rebilled, pairs, chances = (
        np.moveaxis(sums, -1, 0)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [
            opens / mails,
            clicks / mails,
            sales / clicks,
            unsubscribes / mails,
            complaints / mails,
            bounced / people,
            micros / paying,
            lost / sales,
            rebilled / sales,
            # of a person of rate λ_i, pairs of clicked mails are expected to be λ_i² times pairs of mails
            np.log(pairs / chances / (clicks / mails) ** 2),
        ]
    return np.stack(parts, axis=-1)


def jackknife(sums: Floats) -> Floats:
    """(10,) standard errors of the moments of all, each group (G, 14) left out in turn."""
    left = ratios(sums.sum(axis=0) - sums)
    count = len(sums)
    return np.asarray(np.sqrt((count - 1) / count * ((left - left.mean(axis=0)) ** 2).sum(axis=0)))


def _count(who: np.ndarray, chosen: np.ndarray, people: int) -> Floats:
    return np.bincount(who[chosen], minlength=people).astype(np.float64)
