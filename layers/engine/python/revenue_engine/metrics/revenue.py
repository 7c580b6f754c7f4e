"""The specification's RevenueMetrics, from the counters of org days: provisional beside approved, exact, nothing divided by nothing.

A quotient has the money of conversions of these days above its line and the mails, opens and clicks of these days below it: it is
what the days brought, not what their own mails will have brought once all conversions are in (that is `prediction_accuracy`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from revenue_engine.clock import day_in
from revenue_engine.fx import rate_for
from revenue_engine.metrics.amounts import Counts, Revenue, attributed_to_mails, per, ratio, revenue_of, total
from revenue_engine.metrics.trend import DAYS as TREND_DAYS
from revenue_engine.metrics.trend import Trend, trend
from revenue_engine.records.controls import Controls

DAYS_READ = 31  # today and what the longest window or month needs before it
_OFFER_DAYS = 7
_CAMPAIGN_DAYS = 30
_BOOKED = ("provisional", "approved", "unattributed", "held")


@dataclass(frozen=True, slots=True)
class WindowMetrics:
    """Some org days up to and with today. Mails count as opened and clicked when a person did it, once each.

    Per mail, open and click is what mails of ours have brought: `attributed`, not all of `revenue`.
    """

    first_day: date
    last_day: date
    revenue: Revenue
    attributed: Revenue
    sent: int
    opened_mails: int
    clicked_mails: int
    conversions: int
    revenue_per_email: Revenue | None
    revenue_per_open: Revenue | None
    revenue_per_click: Revenue | None


@dataclass(frozen=True, slots=True)
class OfferMetrics:
    """What mails of ours have brought of one offer in the last seven days."""

    revenue: Revenue
    sent: int
    clicked_mails: int
    conversions: int
    conversion_rate: Decimal | None  # base conversions per clicked mail: no upsells, no rebills
    epc: Revenue | None  # per clicked mail
    epm: Revenue | None  # per thousand mails sent


@dataclass(frozen=True, slots=True)
class CampaignMetrics:
    """One campaign in the last thirty days."""

    revenue: Revenue
    conversions: int


@dataclass(frozen=True, slots=True)
class SubscriberRevenue:
    """All that one person has brought so far, micros of the org's currency."""

    subscriber: str
    revenue_micros: int


@dataclass(frozen=True, slots=True)
class Booked:
    """One currency's money of the last thirty days as it was booked, in its own micros."""

    provisional_micros: int
    approved_micros: int
    unattributed_micros: int
    held_micros: int
    has_rate: bool  # in the controls, now; what was booked while there was none is in no sum


@dataclass(frozen=True, slots=True)
class RevenueMetrics:
    """All of it in the org's currency and days, but for `booked`."""

    org: str
    currency: str
    zone: str
    as_of: datetime
    today: WindowMetrics
    last_7_days: WindowMetrics
    last_30_days: WindowMetrics
    this_month: WindowMetrics
    offers: Mapping[str, OfferMetrics]
    campaigns: Mapping[str, CampaignMetrics]
    campaigns_cut: bool  # there were too many to read: of the oldest of the thirty days some, or some money, is missing
    top_revenue_subscribers: tuple[SubscriberRevenue, ...]
    booked: Mapping[str, Booked]
    trend: Trend | None  # None: fewer than TREND_DAYS full days since the first count


def revenue_metrics(
    org: str,
    *,
    controls: Controls,
    now: datetime,
    days: Mapping[date, Counts],
    campaigns: Mapping[str, Counts],
    campaigns_cut: bool,
    top: Sequence[tuple[str, int]],
) -> RevenueMetrics:
    """Parameters
    ----------
    days
        Counters by org day, at least of the last DAYS_READ.
    campaigns
        Counters by campaign of the days `campaign_days` names; `campaigns_cut`: of the newest of them alone.
    top
        (subscriber, micros), best first.
    """
    today = day_in(now, controls.zone)
    month = _counted(days, today, 30)
    return RevenueMetrics(
        org=org,
        currency=controls.currency,
        zone=controls.zone,
        as_of=now,
        today=_window(days, today, today),
        last_7_days=_window(days, today - timedelta(days=6), today),
        last_30_days=_window(days, today - timedelta(days=29), today),
        this_month=_window(days, today.replace(day=1), today),
        offers=_offers(_counted(days, today, _OFFER_DAYS)),
        campaigns={
            name: CampaignMetrics(revenue_of(counted), counted.get("conversions", 0))
            for name, counted in sorted(campaigns.items())
        },
        campaigns_cut=campaigns_cut,
        top_revenue_subscribers=tuple(SubscriberRevenue(*one) for one in top),
        booked=_booked(month, controls),
        trend=_trend(days, today),
    )


def days_read(today: date) -> tuple[date, date]:
    """The first and last org day that `revenue_metrics` needs."""
    return today - timedelta(days=DAYS_READ - 1), today


def campaign_days(today: date) -> tuple[date, date]:
    """The first and last org day of the campaigns' window."""
    return today - timedelta(days=_CAMPAIGN_DAYS - 1), today


def _counted(days: Mapping[date, Counts], today: date, length: int) -> Counts:
    return total(days, today - timedelta(days=length - 1), today)


def _window(days: Mapping[date, Counts], first: date, last: date) -> WindowMetrics:
    counted = total(days, first, last)
    attributed, _ = attributed_to_mails(counted)
    sent, opened, clicked, conversions = (
        counted.get(name, 0) for name in ("sent", "opened_mails", "clicked_mails", "conversions")
    )
    return WindowMetrics(
        first_day=first,
        last_day=last,
        revenue=revenue_of(counted),
        attributed=attributed,
        sent=sent,
        opened_mails=opened,
        clicked_mails=clicked,
        conversions=conversions,
        revenue_per_email=per(attributed, sent),
        revenue_per_open=per(attributed, opened),
        revenue_per_click=per(attributed, clicked),
    )


def _offers(counted: Counts) -> dict[str, OfferMetrics]:
    found = {}
    for offer in sorted({name.partition("@")[2] for name in counted if "@" in name}):
        revenue = revenue_of(counted, f"@{offer}")
        sent, clicked, conversions = (counted.get(f"{name}@{offer}", 0) for name in ("sent", "clicked_mails", "conversions"))
        found[offer] = OfferMetrics(
            revenue=revenue,
            sent=sent,
            clicked_mails=clicked,
            conversions=conversions,
            conversion_rate=ratio(counted.get(f"base_conversions@{offer}", 0), clicked),
            epc=per(revenue, clicked),
            epm=per(revenue, sent, times=1_000),
        )
    return found


def _booked(counted: Counts, controls: Controls) -> dict[str, Booked]:
    currencies = sorted(
        {name.partition("#")[2] for name in counted if name.partition("#")[0] in {f"{k}_micros" for k in _BOOKED}}
    )
    return {
        currency: Booked(
            **{f"{kind}_micros": counted.get(f"{kind}_micros#{currency}", 0) for kind in _BOOKED},
            has_rate=rate_for(controls, currency) is not None,
        )
        for currency in currencies
    }


def _trend(days: Mapping[date, Counts], today: date) -> Trend | None:
    full = [today - timedelta(days=n) for n in range(TREND_DAYS, 0, -1)]
    if not days or min(days) > full[0]:
        return None
    return trend([revenue_of(days.get(day, {})).booked_micros for day in full])
