"""Commands that show what the engine brings: revenue as it comes, who gets credit, KPIs and ROI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import click

from revenue_engine.attribution.models import MODELS, PRIMARY
from revenue_engine.metrics.amounts import Revenue
from revenue_engine.metrics.kpis import Kpi
from revenue_engine.metrics.revenue import RevenueMetrics, WindowMetrics
from revenue_engine.money import format_micros
from revenue_engine.services import metrics
from revenue_engine.services.credit import credit_by_arm
from workbench.cli import display
from workbench.cli.connection import Connection

MOST_ROWS = 20
_NONE = "-"
_EACH = 4  # decimals of what one mail or click brings
_VERDICTS = {True: "met", False: "not met", None: _NONE}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def revenue(connection: Connection, as_json: bool) -> None:
    """What came in today, lately and this month: by mail, offer, campaign and person."""
    found = metrics.revenue(connection.wiring, connection.org, now=connection.now())
    if as_json:
        click.echo(json.dumps(asdict(found), default=str, indent=2))
        return
    click.echo(f"{found.org}: {found.currency}, days of {found.zone}, approved + provisional money")
    windows = {
        "today": found.today,
        "last 7 days": found.last_7_days,
        "last 30 days": found.last_30_days,
        "this month": found.this_month,
    }
    display.table("", ("", *windows), _window_rows(list(windows.values())))
    click.echo(_trend(found))
    _offers(found)
    _campaigns(found)
    people = [(p.subscriber, _money(p.revenue_micros)) for p in found.top_revenue_subscribers]
    _table_unless_empty("people who brought most", ("subscriber", "revenue"), people, whole=("subscriber",))
    missing = [
        (currency, _money(b.approved_micros), _money(b.provisional_micros))
        for currency, b in found.booked.items()
        if not b.has_rate
    ]
    _table_unless_empty("without a rate", ("currency", "approved", "provisional"), missing)


@click.command()
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def attribution(connection: Connection, days: int, as_json: bool) -> None:
    """Who gets credit, arm by arm, under every model; none of them says what a mail causes."""
    found = credit_by_arm(connection.wiring, connection.org, days=days, now=connection.now())
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=2))
        return
    models = (PRIMARY, *MODELS)
    rows = [
        (
            row.arm,
            row.mails,
            row.touched,
            *(_money(row.micros[model]) for model in models),
            f"{row.markov_conversions:.1f}",
            f"{row.shapley_conversions:.1f}",
        )
        for row in found
    ]
    heads = ("arm", "mails", "touched", *models, "markov, conversions", "shapley, conversions")
    display.table(f"credit of {days} days", heads, rows)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def kpis(connection: Connection, as_json: bool) -> None:
    """The KPIs against their targets, and what the engine earns for what it costs."""
    found = metrics.kpis(connection.wiring, connection.org, now=connection.now())
    if as_json:
        click.echo(json.dumps(asdict(found), default=str, indent=2))
        return
    rows = [
        (k.name, _kpi(k, k.value), _kpi(k, k.target), _VERDICTS[k.met], k.reason or "", _detail(k.detail)) for k in found.kpis
    ]
    display.table(f"{found.org}: KPIs", ("KPI", "value", "target", "", "why not", "made of"), rows)
    roi = found.roi
    reason = roi.incremental_reason or ""
    display.table(
        f"return over {roi.days} days, {found.currency}",
        ("", "value", "why not"),
        [
            ("cost of mails", _money(roi.cost.mails_micros), ""),
            ("cost of the platform", _money(roi.cost.platform_micros), ""),
            ("attributed revenue", _both(roi.attributed), ""),
            ("ROI, attributed", _or_none(roi.attributed_roi), ""),
            ("ROI, attributed and approved", _or_none(roi.approved_roi), ""),
            ("incremental revenue", _both(roi.incremental) if roi.incremental else _NONE, reason),
            ("ROI, incremental", _or_none(roi.incremental_roi), reason),
        ],
    )


def _window_rows(windows: list[WindowMetrics]) -> list[tuple[str, ...]]:
    return [
        ("approved", *(_money(w.revenue.approved_micros) for w in windows)),
        ("provisional", *(_money(w.revenue.provisional_micros) for w in windows)),
        ("of these, by mail", *(_both(w.attributed) for w in windows)),
        ("conversions", *(f"{w.conversions:,}" for w in windows)),
        ("mails sent", *(f"{w.sent:,}" for w in windows)),
        ("mails opened", *(f"{w.opened_mails:,}" for w in windows)),
        ("mails clicked", *(f"{w.clicked_mails:,}" for w in windows)),
        ("per mail", *(_each(w.revenue_per_email) for w in windows)),
        ("per opened mail", *(_each(w.revenue_per_open) for w in windows)),
        ("per clicked mail", *(_each(w.revenue_per_click) for w in windows)),
    ]


def _trend(found: RevenueMetrics) -> str:
    if found.trend is None:
        return "trend: not before two full weeks"
    return f"trend: {found.trend.direction} (p = {found.trend.p_value:.3f}), {_share(found.trend.daily_growth_rate)} a day"


def _offers(found: RevenueMetrics) -> None:
    best = sorted(found.offers.items(), key=lambda item: -item[1].revenue.booked_micros)
    rows = [
        (name, _both(o.revenue), f"{o.sent:,}", f"{o.clicked_mails:,}", o.conversions, _share(o.conversion_rate), *each)
        for name, o in best[:MOST_ROWS]
        for each in [(_each(o.epc), _each(o.epm))]
    ]
    columns = ("offer", "revenue", "sent", "clicked", "conversions", "conversion rate", "EPC", "EPM")
    _table_unless_empty(_titled("offers, last 7 days", len(best)), columns, rows)


def _campaigns(found: RevenueMetrics) -> None:
    best = sorted(found.campaigns.items(), key=lambda item: -item[1].revenue.booked_micros)
    rows = [(name, _both(c.revenue), c.conversions) for name, c in best[:MOST_ROWS]]
    _table_unless_empty(_titled("campaigns, last 30 days", len(best)), ("campaign", "revenue", "conversions"), rows)
    if found.campaigns_cut:
        click.echo("there are more campaigns than are read: of the oldest days some is missing")


def _table_unless_empty(title: str, columns: tuple[str, ...], rows: list[Any], *, whole: tuple[str, ...] = ()) -> None:
    if rows:
        display.table(title, columns, rows, whole=whole)


def _titled(title: str, count: int) -> str:
    return title if count <= MOST_ROWS else f"{title}: the best {MOST_ROWS} of {count}"


def _money(micros: int, decimals: int = 2) -> str:
    return format_micros(micros, "", decimals=decimals).strip()


def _both(revenue: Revenue) -> str:
    return f"{_money(revenue.approved_micros)} + {_money(revenue.provisional_micros)}"


def _each(revenue: Revenue | None) -> str:
    if revenue is None:
        return _NONE
    return f"{_money(revenue.approved_micros, _EACH)} + {_money(revenue.provisional_micros, _EACH)}"


def _share(value: Decimal | None) -> str:
    return _NONE if value is None else f"{value:.2%}"


def _or_none(value: object) -> str:
    return _NONE if value is None else str(value)


def _kpi(kpi: Kpi, value: Decimal | None) -> str:
    if value is None:
        return _NONE
    return _money(int(value), _EACH) if kpi.name == "revenue_per_email" else f"{value:.3%}"


def _detail(detail: Mapping[str, Any]) -> str:
    shown = {
        name.removesuffix("_micros"): _money(value) if name.endswith("_micros") else value
        for name, value in detail.items()
        if value is not None
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())
