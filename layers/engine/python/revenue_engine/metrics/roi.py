"""What the engine earns for what it costs, attributed and, beside it, caused (specification 10.2; D4).

    ROI = (revenue − cost) / cost,  cost = mails × cost_per_email + the platform's share of the month

Attributed revenue counts every mail's conversions as caused by the engine. The randomised arms know better: what a person brings
under the engine less what one brings under the fixed weekly policy, times the engine's people. People are counted as they were
assigned, opted out or not (intention to treat), and both arms have had the same file imports, so their time under treatment is alike.
These are thirty days of booked money, without an interval: whether the engine earns more at all is for `services.lift` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from revenue_engine.metrics.amounts import Counts, Revenue, attributed_to_mails, ratio, revenue_of, total
from revenue_engine.metrics.kpis import WINDOW_DAYS
from revenue_engine.records.controls import Controls

# A smaller arm's revenue per person is mostly chance: 30 conversions alone have a standard error of 18 %.
MIN_PEOPLE = 100
MIN_CONVERSIONS = 30
_MONTHS_PER_DAY = Fraction(12, 365)


@dataclass(frozen=True, slots=True)
class Cost:
    """Micros of the org's currency."""

    mails_micros: int
    platform_micros: int

    @property
    def total_micros(self) -> int:
        """Both together."""
        return self.mails_micros + self.platform_micros


@dataclass(frozen=True, slots=True)
class Arm:
    """One randomised arm's people, and what they brought in the window."""

    people: int
    sent: int
    conversions: int
    revenue: Revenue


@dataclass(frozen=True, slots=True)
class Roi:
    """Of the last thirty days, or of those since the first count. An ROI of 2 is two units earned for each spent."""

    days: int
    cost: Cost
    attributed: Revenue
    attributed_roi: Decimal | None  # of booked money; None: nothing was spent
    approved_roi: Decimal | None  # of approved money alone
    arms: Mapping[str, Arm]
    incremental: Revenue | None
    incremental_roi: Decimal | None  # against what the engine's own mails and the platform cost
    incremental_reason: str | None  # why there is none


def roi(days: Mapping[date, Counts], people: Mapping[str, int], *, controls: Controls, today: date) -> Roi:
    """`days`: counters by org day, at least of the last thirty; `people`: how many each arm was given."""
    first = max(today - timedelta(days=WINDOW_DAYS - 1), min(days, default=today))
    length = (today - first).days + 1
    counted = total(days, first, today)
    platform = round(controls.platform_cost_micros_per_month * _MONTHS_PER_DAY * length)
    cost = Cost(counted.get("sent", 0) * controls.cost_per_email_micros, platform)
    brought, _ = attributed_to_mails(counted)
    arms = {arm: _arm(counted, people, arm) for arm in ("engine", "fixed")}
    reason = _too_small(arms)
    incremental = None if reason else _incremental(**arms)
    engine_cost = Cost(arms["engine"].sent * controls.cost_per_email_micros, platform)
    return Roi(
        days=length,
        cost=cost,
        attributed=brought,
        attributed_roi=_roi(brought.booked_micros, cost),
        approved_roi=_roi(brought.approved_micros, cost),
        arms=arms,
        incremental=incremental,
        incremental_roi=_roi(incremental.booked_micros, engine_cost) if incremental else None,
        incremental_reason=reason,
    )


def _roi(revenue_micros: int, cost: Cost) -> Decimal | None:
    return ratio(revenue_micros - cost.total_micros, cost.total_micros)


def _arm(counted: Counts, people: Mapping[str, int], arm: str) -> Arm:
    sent, conversions = (counted.get(f"{name}%{arm}", 0) for name in ("sent", "conversions"))
    return Arm(people.get(arm, 0), sent, conversions, revenue_of(counted, f"%{arm}"))


def _too_small(arms: Mapping[str, Arm]) -> str | None:
    for name, arm in arms.items():
        if arm.people < MIN_PEOPLE:
            return f"{name}_arm_has_{arm.people}_people_of_{MIN_PEOPLE}"
        if arm.conversions < MIN_CONVERSIONS:
            return f"{name}_arm_has_{arm.conversions}_conversions_of_{MIN_CONVERSIONS}"
    return None


def _incremental(engine: Arm, fixed: Arm) -> Revenue:
    def more(engine_micros: int, fixed_micros: int) -> int:
        return round(engine_micros - Fraction(fixed_micros * engine.people, fixed.people))

    return Revenue(
        more(engine.revenue.provisional_micros, fixed.revenue.provisional_micros),
        more(engine.revenue.approved_micros, fixed.revenue.approved_micros),
    )
