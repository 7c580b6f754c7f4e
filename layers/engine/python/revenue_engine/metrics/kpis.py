"""The specification's KPIs (section 10.1), each with the figures it is made of, or with the reason why it has no value.

A KPI without enough data is no KPI: it says what is missing instead of a number that chance made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from revenue_engine.clock import CYCLE, day_in
from revenue_engine.metrics.amounts import Counts, attributed_to_mails, per, ratio, revenue_of, total
from revenue_engine.records.causes import SILENT_PROVIDERS
from revenue_engine.records.controls import Controls

WINDOW_DAYS = 30  # with today
# Accuracy looks at mails whose conversions have had time to come: all but a few do within days.
MATURE_AFTER_DAYS = 7
ACCURACY_DAYS = 28
DAYS_READ = MATURE_AFTER_DAYS + ACCURACY_DAYS
ACCURACY_MARGIN = Decimal("0.15")
# (1.44 / 0.15)^2: below it even a perfect prediction is outside 15 % in more than 15 % of all periods, by the Poisson chance of
# the number of conversions alone.
ACCURACY_CONVERSIONS = 92

REVENUE_PER_EMAIL_MICROS = Decimal(100_000)
CONVERSION_RATE = Decimal("0.02")
COMPLAINT_RATE = Decimal("0.0005")
UPTIME = Decimal("0.99")
LTV_RETENTION = Decimal("0.95")


@dataclass(frozen=True, slots=True)
class Kpi:
    """One KPI. Money is micros of the org's currency, rates are shares of one."""

    name: str
    value: Decimal | None
    target: Decimal
    met: bool | None
    reason: str | None  # why there is no value, or no verdict yet
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CycleFacts:
    """What uptime needs beside the counters."""

    first_at: datetime | None  # when decide was first called at all
    current_done: bool = False  # the cycle of this quarter of an hour is in the counters already
    current_off: bool = False


def kpis(
    days: Mapping[date, Counts], *, controls: Controls, cycles: CycleFacts, window_start: datetime, now: datetime
) -> tuple[Kpi, ...]:
    """All of them, in the specification's order.

    Parameters
    ----------
    days
        Counters by org day, at least of the last DAYS_READ and today.
    window_start
        The midnight of the org's zone at which the last WINDOW_DAYS began.
    """
    today = day_in(now, controls.zone)
    month = total(days, today - timedelta(days=WINDOW_DAYS - 1), today)
    mature_last = today - timedelta(days=MATURE_AFTER_DAYS)
    mature = total(days, mature_last - timedelta(days=ACCURACY_DAYS - 1), mature_last)
    return (
        _revenue_per_email(month),
        _prediction_accuracy(mature),
        _goal(days, today, controls),
        _conversion_rate(month),
        Kpi("subscriber_ltv_retention", None, LTV_RETENTION, None, "no_ltv_model", {}),
        _complaint_rate(month),
        _uptime(month, cycles, window_start, now),
    )


def _revenue_per_email(counted: Counts) -> Kpi:
    sent = counted.get("sent", 0)
    each = per(attributed_to_mails(counted)[0], sent)
    if each is None:
        return Kpi("revenue_per_email", None, REVENUE_PER_EMAIL_MICROS, None, "no_mail_sent", {"sent": 0})
    detail = {"sent": sent, "provisional_micros": each.provisional_micros, "approved_micros": each.approved_micros}
    value = Decimal(each.booked_micros)
    return Kpi("revenue_per_email", value, REVENUE_PER_EMAIL_MICROS, value >= REVENUE_PER_EMAIL_MICROS, None, detail)


def _prediction_accuracy(counted: Counts) -> Kpi:
    """Approved revenue for what was predicted, over mails and conversions of the same settled days.

    Money still provisional may yet be approved or not, so the truth lies between the approved share and the booked one.
    """
    predicted, (revenue, _) = counted.get("predicted_micros", 0), attributed_to_mails(counted)
    expected = Decimal(counted.get("predicted_conversions_millionths", 0)).scaleb(-6)
    low, high = ratio(revenue.approved_micros, predicted), ratio(revenue.booked_micros, predicted)
    detail = {
        "predicted_micros": predicted,
        "approved_micros": revenue.approved_micros,
        "provisional_micros": revenue.provisional_micros,
        "booked_for_predicted": high,
        "expected_conversions": expected,
        "conversions_needed": ACCURACY_CONVERSIONS,
    }
    target = 1 - ACCURACY_MARGIN
    if expected < ACCURACY_CONVERSIONS or low is None or high is None:
        return Kpi("prediction_accuracy", None, target, None, "too_few_expected_conversions", detail)
    inside = [abs(share - 1) <= ACCURACY_MARGIN for share in (low, high)]
    outside = high < 1 - ACCURACY_MARGIN or low > 1 + ACCURACY_MARGIN
    if all(inside) or outside:
        return Kpi("prediction_accuracy", low, target, not outside, None, detail)
    return Kpi("prediction_accuracy", low, target, None, "provisional_money_decides", detail)


def _goal(days: Mapping[date, Counts], today: date, controls: Controls) -> Kpi:
    """Today so far; the week is the last seven days, the month the calendar's."""
    spans = {
        "daily": (today, controls.daily_revenue_goal_micros),
        "weekly": (today - timedelta(days=6), controls.weekly_revenue_goal_micros),
        "monthly": (today.replace(day=1), controls.monthly_revenue_goal_micros),
    }
    detail: dict[str, Any] = {}
    for name, (first, goal) in spans.items():
        revenue = revenue_of(total(days, first, today))
        detail[f"{name}_goal_micros"] = goal
        detail[f"{name}_provisional_micros"] = revenue.provisional_micros
        detail[f"{name}_approved_micros"] = revenue.approved_micros
        detail[name] = ratio(revenue.booked_micros, goal)
    value, target = detail["daily"], Decimal(1)
    if value is None:
        return Kpi("daily_revenue_goal", None, target, None, "no_goal_set", detail)
    return Kpi("daily_revenue_goal", value, target, value >= target, None, detail)


def _conversion_rate(counted: Counts) -> Kpi:
    """Upsells and rebills are no second reader: base conversions alone are counted."""
    detail = {"base_conversions": attributed_to_mails(counted)[1], "clicked_mails": counted.get("clicked_mails", 0)}
    value = ratio(detail["base_conversions"], detail["clicked_mails"])
    if value is None:
        return Kpi("conversion_rate", None, CONVERSION_RATE, None, "no_clicked_mails", detail)
    return Kpi("conversion_rate", value, CONVERSION_RATE, value > CONVERSION_RATE, None, detail)


def _complaint_rate(counted: Counts) -> Kpi:
    """Over mail delivered where complaints are told of at all."""
    silent = sum(counted.get(f"delivered#{provider}", 0) for provider in sorted(SILENT_PROVIDERS))
    detail = {
        "complaints": counted.get("complaints", 0),
        "delivered": counted.get("delivered", 0) - silent,
        "not_told_of": silent,
    }
    value = ratio(detail["complaints"], detail["delivered"])
    if value is None:
        return Kpi("complaint_rate", None, COMPLAINT_RATE, None, "no_delivered", detail)
    return Kpi("complaint_rate", value, COMPLAINT_RATE, value < COMPLAINT_RATE, None, detail)


def _uptime(counted: Counts, cycles: CycleFacts, window_start: datetime, now: datetime) -> Kpi:
    """Cycles completed of those whose quarter of an hour has passed while the switch was not off: refused and missing ones are down."""
    detail: dict[str, Any] = {}
    value = None
    if cycles.first_at is not None:
        passed = _quarters(now) - _quarters(max(cycles.first_at, window_start))
        off = counted.get("cycles_off", 0) - cycles.current_off
        detail["scheduled"] = max(0, passed - off)
        detail["completed"] = min(counted.get("cycles_completed", 0) - cycles.current_done, detail["scheduled"])
        value = ratio(detail["completed"], detail["scheduled"])
    if value is None:
        return Kpi("autonomous_uptime", None, UPTIME, None, "no_cycle_scheduled", detail)
    return Kpi("autonomous_uptime", value, UPTIME, value > UPTIME, None, detail)


def _quarters(at: datetime) -> int:
    return int(at.timestamp()) // int(CYCLE.total_seconds())
