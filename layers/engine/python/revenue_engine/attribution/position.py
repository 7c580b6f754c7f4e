"""Where the books stand with one conversion: money, shares, counts and what may be learned, as a function of its facts (M1, M4).

Postbacks are provisional money, the report's row makes it approved; what the report no longer knows is worth nothing, and neither is
provisional money that was given up. A held conversion is money like any other, but nothing is learned from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from revenue_engine.attribution.facts import Facts
from revenue_engine.attribution.models import MODELS, PRIMARY, allocate_all, primary, touches_per_mail
from revenue_engine.clock import day_in, utc_hour
from revenue_engine.fx import convert, rate_for
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Allocation
from revenue_engine.records.evidence import took_of
from revenue_engine.records.send import Touch

State = Literal["provisional", "approved", "rejected", "reversed"]
Attribution = Mapping[str, tuple[Allocation, ...]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The controls that a conversion's books depend on, frozen when they are opened: later edits do not move booked money."""

    zone: str
    currency: str  # of the org: what reports are in
    window_days: int
    half_life_days: float
    click_weight: float


@dataclass(frozen=True, slots=True)
class Cell:
    """The (click day, arm, segment) whose evidence a conversion belongs to, and how long after the click it came."""

    day: str  # UTC, of the click
    offer: str
    variant: str
    segment: str
    took: str = ""  # of TOOK_DAYS; "" when the click is not known


@dataclass(frozen=True, slots=True)
class Place:
    """Which counters and totals the money stands in. What moves to another place is taken out of the old one first."""

    currency: str
    offer: str
    hour: str  # UTC, of the conversion
    day: str  # of the org's zone, of the conversion
    send_id: str | None
    subscriber: str | None
    campaign: str | None
    policy: str | None
    cell: Cell | None


@dataclass(frozen=True, slots=True)
class Amounts:
    """What adds up over conversions. Micros of the place's currency; `reported_*` of the org's, 0 while no rate is known."""

    provisional_micros: int = 0
    approved_micros: int = 0
    reported_provisional_micros: int = 0
    reported_approved_micros: int = 0
    unattributed_micros: int = 0
    held_micros: int = 0
    conversions: int = 0
    held_conversions: int = 0
    learned_conversions: int = 0
    reversed_conversions: int = 0  # once counted, and nothing was held against them
    learned_micros: int = 0  # of the currency of the offer mailed
    reward_micros: int = 0  # of the place's currency, of the mail that is credited

    @property
    def total_micros(self) -> int:
        """Provisional and approved together."""
        return self.provisional_micros + self.approved_micros


@dataclass(frozen=True, slots=True)
class Position:
    """The whole of it."""

    state: State
    place: Place
    amounts: Amounts
    attribution: Attribution  # model → shares that, with the unattributed rest, add up to the total
    converted_at: datetime


def rules_of(controls: Controls, currency: str) -> Rules:
    """Today's rules, for books that are kept in `currency`."""
    return Rules(
        zone=controls.zone,
        currency=currency,
        window_days=controls.attribution_window_days,
        half_life_days=controls.attribution_half_life_days,
        click_weight=controls.attribution_click_weight,
    )


def frozen_rate(controls: Controls, currency: str, *, books: str) -> tuple[tuple[str, str], ...]:
    """`Facts.fx_rates` of a currency, as controls know it now; () when they do not.

    `books` is the currency that sums are in. Rates are of the controls' currency: when somebody has changed that, they say nothing.
    """
    if currency == books:
        return ((currency, "1"),)
    rate = rate_for(controls, currency) if controls.currency == books else None
    return () if rate is None else ((currency, rate),)


def position(facts: Facts, rules: Rules) -> Position:
    """Where the books stand. Raises ValueError when neither a postback nor a report is known."""
    state, provisional, approved = _money(facts)
    place = _place(facts, rules)
    rate = dict(facts.fx_rates).get(place.currency)
    total, counts = provisional + approved, int(state in ("provisional", "approved"))
    credited = place.send_id is not None
    learns = counts if credited and not facts.held else 0
    in_evidence = learns and facts.credit is not None and facts.credit.evidence_currency == place.currency
    amounts = Amounts(
        provisional_micros=provisional,
        approved_micros=approved,
        reported_provisional_micros=convert(provisional, rate) if rate else 0,
        reported_approved_micros=convert(approved, rate) if rate else 0,
        unattributed_micros=0 if credited else total,
        held_micros=total if facts.held else 0,
        conversions=counts,
        held_conversions=counts if facts.held else 0,
        learned_conversions=learns,
        reversed_conversions=int(state == "reversed" and credited and not facts.held),
        learned_micros=total if in_evidence else 0,
        reward_micros=total if learns else 0,
    )
    return Position(state, place, amounts, _shares(total, facts, rules) if counts else {}, facts.converted_at)


def _money(facts: Facts) -> tuple[State, int, int]:
    """State, provisional and approved micros."""
    if facts.reported is not None:
        return ("approved", 0, facts.reported.amount_micros) if facts.reported.listed else ("reversed", 0, 0)
    if facts.rejected_at is not None or facts.standing is None:
        return "rejected", 0, 0
    return "provisional", facts.standing.amount_micros, 0


def _place(facts: Facts, rules: Rules) -> Place:
    said = facts.reported or facts.standing
    if said is None:
        raise ValueError("facts: neither a postback nor a report")
    credit = facts.credit
    cell = None
    if credit is not None:
        # a conversion stands beside the click it came from, so that exposure can be weighted by the click's age
        clicked = credit.click_at if credit.click_at and credit.click_at <= said.converted_at else None
        took = took_of((said.converted_at - clicked).total_seconds()) if clicked else ""
        cell = Cell(f"{clicked or credit.claimed_at:%Y-%m-%d}", credit.offer, credit.variant, credit.segment, took)
    day: date = day_in(said.converted_at, rules.zone)
    return Place(
        currency=said.currency,
        offer=said.offer,
        hour=utc_hour(said.converted_at),
        day=day.isoformat(),
        send_id=credit.send_id if credit else None,
        subscriber=credit.subscriber if credit else None,
        campaign=credit.campaign if credit else None,
        policy=credit.policy if credit else None,
        cell=cell,
    )


def _shares(total_micros: int, facts: Facts, rules: Rules) -> Attribution:
    """Every model's shares; none where no authentic id names a mail.

    The id proves a click on its mail, whatever the touches say: a click still under way, or taken for a machine's, is put in at the
    time of the conversion.
    """
    if facts.credit is None:
        return {model: () for model in (PRIMARY, *MODELS)}
    counted = counted_touches(facts, rules)
    send_id = facts.credit.send_id
    if not any(touch.send_id == send_id and touch.kind == "click" for touch in counted):
        proven = Touch("click", facts.converted_at, send_id, True, 1.0)
        counted = touches_per_mail((*counted, proven), facts.converted_at, rules.window_days)
    shares: dict[str, tuple[Allocation, ...]] = {PRIMARY: primary(total_micros, send_id)}
    shares.update(allocate_all(total_micros, counted, half_life_days=rules.half_life_days, click_weight=rules.click_weight))
    return shares


def counted_touches(facts: Facts, rules: Rules) -> tuple[Touch, ...]:
    """The touches that matter at the conversion's time, one a mail: all that is worth keeping of them."""
    return touches_per_mail(facts.touches, facts.converted_at, rules.window_days)
