"""Revenue metrics and KPIs of an org: a bounded number of counter items is read, whatever the traffic was, and the core does the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_id_at, day_in, from_epoch, midnight
from revenue_engine.errors import Refused
from revenue_engine.metrics import kpis as figures
from revenue_engine.metrics.kpis import CycleFacts, Kpi
from revenue_engine.metrics.revenue import RevenueMetrics, campaign_days, days_read, revenue_metrics
from revenue_engine.metrics.roi import Roi, roi
from revenue_engine.services.books import controls_in_books_currency

TOP_SUBSCRIBERS = 10
MOST_CAMPAIGN_ITEMS = 2_000  # one a campaign and day: sixty-six campaigns that convert every day of thirty


@dataclass(frozen=True, slots=True)
class KpiReport:
    """The specification's section 10, as of now."""

    org: str
    currency: str
    zone: str
    as_of: datetime
    kpis: tuple[Kpi, ...]
    roi: Roi


def revenue(w: Wiring, org: str, *, now: datetime) -> RevenueMetrics:
    """Today and before. Raises Refused when the controls are unreadable: nobody knows then which day it is."""
    controls = controls_in_books_currency(w, org)
    today = day_in(now, controls.zone)
    campaigns, cut = w.counters.campaign_counters(org, *campaign_days(today), most=MOST_CAMPAIGN_ITEMS)
    return revenue_metrics(
        org,
        controls=controls,
        now=now,
        days=w.counters.day_counters(org, *days_read(today)),
        campaigns=campaigns,
        campaigns_cut=cut,
        top=w.subscribers.top_by_revenue(org, TOP_SUBSCRIBERS),
    )


def kpis(w: Wiring, org: str, *, now: datetime) -> KpiReport:
    """KPIs and ROI. Raises Refused when the controls are unreadable."""
    controls = controls_in_books_currency(w, org)
    today = day_in(now, controls.zone)
    days = w.counters.day_counters(org, today - timedelta(days=figures.DAYS_READ - 1), today)
    return KpiReport(
        org=org,
        currency=controls.currency,
        zone=controls.zone,
        as_of=now,
        kpis=figures.kpis(
            days,
            controls=controls,
            cycles=_cycle_facts(w, org, now),
            window_start=midnight(today - timedelta(days=figures.WINDOW_DAYS - 1), controls.zone),
            now=now,
        ),
        roi=roi(days, w.counters.people(org), controls=controls, today=today),
    )


def last_look(w: Wiring, org: str) -> dict[str, Any]:
    """What the randomised arms showed at the last daily look (`services.lift`). Raises Refused before the first."""
    document = w.control.last_look(org)
    if document is None:
        raise Refused("not_looked_yet", "the arms are looked at once a day")
    found: dict[str, Any] = json.loads(document)
    return found


def _cycle_facts(w: Wiring, org: str, now: datetime) -> CycleFacts:
    first_at = (w.control.last_cycle(org) or {}).get("first_at")
    current = w.control.cycle(org, cycle_id_at(now)) or {}
    return CycleFacts(
        first_at=None if first_at is None else from_epoch(first_at),
        current_done="done_at" in current,
        current_off="off_at" in current,
    )
