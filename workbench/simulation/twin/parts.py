"""The parts of a forecast, fitted to a log; or why they cannot be had. O offers, D whole days of log, n mails, c conversions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from workbench.logs.columns import Columns
from workbench.simulation.twin import curves, money, pace, rates

DAYS = 7
FEWEST_DAYS, FEWEST_CONVERSIONS = 14, 20
_MOST_UNCLICKED = 0.1  # of approved conversions: above it the log's clicks do not explain its money
_PAST_DAYS = 10  # that a mail is clicked for
_ACTIVE_DAYS = 28  # whoever was mailed in them is on the list


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no forecast."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Parts:
    """What a forecast is made of."""

    offers: tuple[str, ...]
    currency: str
    mails: Floats  # (O, D) by days ago
    delivered: float  # share of mails
    pace: pace.Pace
    clicks: rates.Rates  # clicked mails per delivered mail, on a usual weekday
    conversions: rates.Rates  # per clicked mail
    click_delay: curves.Curve
    conversion_delay: curves.Curve
    waiting: Floats  # (O,) clicks so far, each counted as the share of its conversions that falls into the week
    past: Floats  # (O,) delivered mails, each counted as the share of what its later clicks bring that falls into the week
    coming: Floats  # (7,) that share of a mail to come, by day, times the weekday's factor
    weekday: Floats  # (7,) factor of the click rate by day to come
    kept: money.Kept
    amounts: money.Amounts
    rebills: money.Rebills
    crowding: float  # variance over mean of a week's conversions, for some people make several
    unclicked: int  # conversions set aside


def fit(of: Columns, now: float) -> Parts | Refusal:
    """The parts as of `now`, the end of the log."""
    lines = money.sort(of)
    refusal = _refusal(of, lines, now)
    if refusal is not None:
        return refusal
    keeps = money.kept(of, lines, now)
    if keeps is None:
        return Refusal("nothing_settled", f"fewer than {money.FEWEST_SETTLED} conversions are old enough to be decided")
    days = int(_days_of(of, now))
    ago = _days_ago(of.sent_at, now)
    table = len(of.offers), days
    mails = curves.by_days_ago(of.offer, ago, np.ones(len(ago)), table)

    clicked = ~np.isnan(of.clicked_at)
    age, delay = _hours(now - of.sent_at[of.delivered]), _hours((of.clicked_at - of.sent_at)[clicked])
    click_delay = curves.fit(age, delay, curves.CLICK_AGES)
    exposed = curves.by_days_ago(of.offer[of.delivered], ago[of.delivered], click_delay.by(age), table)
    follows = curves.by_days_ago(of.offer[clicked], ago[clicked], np.ones(clicked.sum()), table)
    weekday = rates.weekdays(follows, exposed)
    clicks = rates.fit(follows, exposed * weekday[np.arange(days) % DAYS])

    click_of = of.clicked_at[of.sale_mail[lines.sale]]
    click_age, offer = _hours(now - of.clicked_at[clicked]), of.offer[clicked]
    conversion_delay = curves.fit(click_age, _hours(of.sale_at[lines.sale] - click_of), curves.CONVERSION_AGES)
    arrived = conversion_delay.by(click_age)
    exposed = curves.by_days_ago(offer, _days_ago(of.clicked_at[clicked], now), arrived, table)
    sold = curves.by_days_ago(of.sale_offer[lines.sale], _days_ago(click_of, now), np.ones(lines.sale.sum()), table)
    conversions = rates.fit(sold, exposed)

    hours = np.bincount((((of.sent_at - now) % money.DAY) // curves.HOUR).astype(np.int64), minlength=24) / len(ago)
    past, coming = curves.landing(click_delay, conversion_delay, hours, _PAST_DAYS, DAYS)
    delivered = float(of.delivered.mean())
    return Parts(
        offers=of.offers,
        currency=of.currencies[0],
        mails=mails,
        delivered=delivered,
        pace=pace.fit(mails, _loss(of, ago)),
        clicks=clicks,
        conversions=conversions,
        click_delay=click_delay,
        conversion_delay=conversion_delay,
        waiting=np.bincount(offer, conversion_delay.by(click_age + 24 * DAYS) - arrived, len(of.offers)).astype(np.float64),
        past=mails[:, :_PAST_DAYS] @ (past * weekday[np.arange(_PAST_DAYS) % DAYS]) * delivered,
        coming=coming * weekday[::-1],  # the last day to come is the weekday of the last day gone
        weekday=weekday[::-1],
        kept=keeps,
        amounts=money.amounts(of, lines),
        rebills=money.rebills(of, lines, now, DAYS),
        crowding=_crowding(of, lines.sale, now),
        unclicked=int(lines.unclicked.sum()),
    )


def _refusal(of: Columns, lines: money.Lines, now: float) -> Refusal | None:
    """The log is too short, too poor or not what it seems."""
    if len(of.currencies) > 1:
        return Refusal("several_currencies", ", ".join(of.currencies))
    if of.sent_at.max(initial=-np.inf) > now or of.sale_at.max(initial=-np.inf) > now:
        return Refusal("later_lines", "the log goes on after the time that the forecast is made for")
    days = _days_of(of, now)
    if days < FEWEST_DAYS:
        return Refusal("short_log", f"{days:.0f} days of mails, of {FEWEST_DAYS} at least")
    if lines.sale.sum() < FEWEST_CONVERSIONS:
        return Refusal("few_conversions", f"{lines.sale.sum()} conversions of clicks, of {FEWEST_CONVERSIONS} at least")
    approved = of.approved_micros > 0
    if (approved & lines.unclicked).sum() > _MOST_UNCLICKED * approved.sum():
        return Refusal("conversions_without_clicks", f"{(approved & lines.unclicked).sum()} of {approved.sum()} approved ones")
    if now - of.sent_at.max() > DAYS * money.DAY:
        return Refusal("no_pace", f"no mail in the last {DAYS} days")
    return None


def _days_of(of: Columns, now: float) -> float:
    """Whole days since the first mail; a log that begins within the hour of a day has it whole."""
    return float(np.floor((now - of.sent_at.min(initial=now)) / money.DAY + 0.5))


def _days_ago(at: Floats, now: float) -> Ints:
    return ((now - at) // money.DAY).astype(np.int64)


def _hours(seconds: Floats) -> Floats:
    return seconds / curves.HOUR


def _loss(of: Columns, ago: Ints) -> float:
    """Share of the list that a week costs: exits of the last four weeks' mails, over who was mailed in them."""
    recent = ago < _ACTIVE_DAYS
    left = ~np.isnan(of.unsubscribed_at) | ~np.isnan(of.complained_at) | of.hard_bounced
    weeks = min(_ACTIVE_DAYS, int(ago.max()) + 1) / DAYS
    people = len(np.unique(of.subscriber[recent]))
    return len(np.unique(of.subscriber[recent & left])) / people / weeks if people else 0.0


def _crowding(of: Columns, sale: Bools, now: float) -> float:
    """Sum of squares over sum of people's conversions in a week."""
    who = of.subscriber[of.sale_mail[sale]]
    week = _days_ago(of.sale_at[sale], now) // DAYS
    _, counts = np.unique(np.stack([who, week]), axis=1, return_counts=True)
    return float((counts**2).sum() / counts.sum())
