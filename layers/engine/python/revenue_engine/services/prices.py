"""What a cycle asks of a mail and for a complaint: records of cycles, evidence and counters, read for `pacing.price` and `.complaints`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from revenue_engine.arrays import Ints
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import CYCLE, cycle_began, cycle_id_at, day_in, midnight
from revenue_engine.context import Price
from revenue_engine.offers.posterior import EVIDENCE_DAYS
from revenue_engine.pacing.complaints import complaint_price
from revenue_engine.pacing.price import BINS, mean_price, shadow_price
from revenue_engine.pacing.weekdays import days_back
from revenue_engine.records.causes import HEARD_PROVIDERS
from revenue_engine.records.controls import Controls
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.subscriber import PROVIDERS

HEARD_DAYS = 28


def price_now(
    w: Wiring,
    org: str,
    recent: Iterable[Item],
    evidence: Iterable[Evidence],
    budget_left: int,
    *,
    controls: Controls,
    now: datetime,
) -> Price:
    """What the rest of the day bids for what is left of the budget, what a day asks on average, and κ.

    `recent` are the cycles of the days of `told_on`, or more. The version names the first and last cycle that told of the rest of the
    day, and the last day whose complaints count.
    """
    supply, zone = _supply(recent, now, controls), controls.zone
    price = shadow_price(supply.values(), budget_left)
    told_by = f"supply-{min(supply)}-{max(supply)}" if supply else "no-supply"
    return Price(
        price,
        f"{told_by}/complaints-{now.date() - timedelta(days=1)}",
        usual_micros=mean_price(price, _usual(w, org, now, controls)),
        kappa_micros=complaint_price(evidence, now.date(), heard_share(w, org, day_in(now, zone))),
    )


def told_on(now: datetime, controls: Controls) -> set[date]:
    """The UTC days whose cycles tell of today: of the last two days on which the org mailed."""
    back = days_back(day_in(now, controls.zone), controls.enabled_weekdays, 2)
    return {now.date() - timedelta(days=days - late) for days in back for late in (0, 1)}


def _supply(recent: Iterable[Item], now: datetime, controls: Controls) -> dict[str, Ints]:
    """By cycle, what lay before each quarter of an hour to come today, at the same time of the last day on which the org mailed, or of the
    one before where no cycle told of it: neither a weekend nor a day of an outage is followed by a day without a price."""
    told = {item["sk"].removeprefix("cycle#"): item["report"]["supply"] for item in recent if "supply" in item.get("report", {})}
    today = day_in(now, controls.zone)
    back, day_ends = days_back(today, controls.enabled_weekdays, 2), midnight(today + timedelta(days=1), controls.zone)
    found, quarter = {}, cycle_began(cycle_id_at(now))
    while quarter < day_ends:
        there = quarter.astimezone(ZoneInfo(controls.zone))  # the same time by the clock, whatever its changes
        before = (cycle_id_at((there - timedelta(days=days)).astimezone(UTC)) for days in back)
        known = next((cycle_id for cycle_id in before if cycle_id in told), None)
        if known is not None:
            found[known] = _histogram(told[known])
        quarter += CYCLE
    return found


def _histogram(supply: dict[str, int]) -> Ints:
    """(BINS,) as a report keeps it: what is not zero."""
    counts = np.zeros(BINS, dtype=np.int64)
    for bin, n in supply.items():
        counts[int(bin)] = n
    return counts


def _usual(w: Wiring, org: str, now: datetime, controls: Controls) -> tuple[int, ...]:
    """Shadow prices of this quarter of an hour on the other weekdays on which the org mails, as far as a cycle ran then."""
    week = days_back(day_in(now, controls.zone), controls.enabled_weekdays, len(controls.enabled_weekdays))
    before = (w.control.cycle(org, cycle_id_at(now - timedelta(days=days))) or {} for days in week if days < 7)
    return tuple(int(item["report"]["lambda_micros"]) for item in before if "lambda_micros" in item.get("report", {}))


def heard_share(w: Wiring, org: str, today: date) -> float:
    """Of the mails delivered lately, or before a pause, those to mailbox providers that tell of complaints; all, where none ever was."""
    names = {provider: f"delivered#{provider}" for provider in PROVIDERS}
    for days in (HEARD_DAYS, EVIDENCE_DAYS):
        counted = w.counters.day_counters(org, today - timedelta(days=days), today, only=list(names.values())).values()
        delivered = {provider: sum(day.get(name, 0) for day in counted) for provider, name in names.items()}
        if any(delivered.values()):
            return sum(delivered[provider] for provider in HEARD_PROVIDERS) / sum(delivered.values())
    return 1.0
