"""What the twin has to say, as rows of tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revenue_engine.money import format_micros
from workbench.simulation.twin.forecast import BAND, DEFINITION, Forecast
from workbench.simulation.twin.moments import NAMES
from workbench.simulation.twin.parts import Refusal
from workbench.simulation.twin.rates import Rates
from workbench.simulation.twin.world import Twin

Row = tuple[str, str]
MOMENT_COLUMNS = ("moment", "log", "±", "twin", "±")


def headline(told: Forecast | Refusal) -> str:
    """One sentence: the band, or why there is none."""
    if isinstance(told, Refusal):
        return f"no forecast: {told.reason} ({told.detail})"
    low, high = (format_micros(micros, "").strip() for micros in (told.low_micros, told.high_micros))
    expected = format_micros(told.expected_micros, told.parts.currency)
    return f"{DEFINITION}: {expected} expected, {BAND:.0%} band {low} to {high}"


def figures(told: Forecast | Refusal) -> dict[str, Any]:
    """For machines; amounts in whole micros."""
    if isinstance(told, Refusal):
        return {"refused": told.reason, "detail": told.detail}
    return {
        "forecast": DEFINITION,
        "band": BAND,
        "currency": told.parts.currency,
        "now": told.now,
        "expected_micros": told.expected_micros,
        "low_micros": told.low_micros,
        "high_micros": told.high_micros,
        "mails": told.mails,
        "clicks": told.clicks,
        "conversions": told.conversions,
    }


def rows(told: Forecast) -> Sequence[Row]:
    """What the forecast is made of, with what is uncertain about it (one standard deviation)."""
    parts, pace = told.parts, told.parts.pace
    decided = parts.kept.kept + parts.kept.lost
    waiting = float((parts.waiting * parts.conversions.mean).sum())
    return (
        ("mails, next 7 days", f"{told.mails:,.0f}"),
        ("trend of mails, a week", f"{pace.trend:+.1%} ± {pace.trend_sd:.1%}"),
        ("list lost, a week", f"{pace.loss:.2%}"),
        ("delivered", f"{parts.delivered:.2%}"),
        ("clicked, of delivered mails", _rate(parts.clicks, told.clicks / max(told.mails * parts.delivered, 1.0))),
        ("conversions, of clicks", _rate(parts.conversions, float(parts.conversions.shape.sum() / parts.conversions.rate.sum()))),
        ("come within a day of the click", f"{float(parts.conversion_delay.by(np.array(24.0))):.0%}"),
        ("conversions, next 7 days", f"{told.conversions:.1f}, {waiting:.1f} of them of clicks so far"),
        ("approved in the end", f"{parts.kept.kept} of {decided} decided, {parts.kept.hold_days:.0f} days old or more"),
        ("rebills that may fall due", f"{len(parts.rebills.micros)}"),
        ("set aside: conversions without a click", f"{parts.unclicked}"),
        (
            "scatter of a week that all offers share",
            f"clicks {parts.clicks.common**0.5:.0%}, conversions {parts.conversions.common**0.5:.0%}",
        ),
        ("variance of conversions over chance", f"{parts.crowding:.2f}"),
    )


def moment_rows(twin: Twin) -> Sequence[tuple[str, ...]]:
    """The log's moments beside those of the world fitted to it."""
    return [
        (name, *(f"{value:.4g}" for value in values))
        for name, *values in zip(NAMES, twin.log.values, twin.log.errors, twin.world.values, twin.world.errors, strict=True)
    ]


def _rate(rates: Rates, mean: float) -> str:
    return f"{mean:.3%}, trend {rates.trend:+.1%} a week ± {rates.trend_sd:.1%}"
