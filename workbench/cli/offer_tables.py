"""All offers for one reader as tables: what each would bring, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revenue_engine.money import format_micros
from revenue_engine.offers.stats import OfferStats
from revenue_engine.ranking import RankedOffer
from revenue_engine.services.ranked import Ranked
from workbench.cli import display


def show(ranked: Ranked, record: Mapping[str, Any]) -> None:
    """Under a decision's own table, a row an offer: so many figures side by side would not be read in a terminal."""
    currency = record["currency"]
    title = f"offers for {record['subscriber']}, best first (affinities are ratios to segment {record['segment']})"
    display.table(title, ("offer", "what is expected"), [_expected(of, currency) for of in ranked.offers])
    title = f"what is known of them in segment {record['segment']} (believed, then counted)"
    display.table(title, ("offer", "what is known"), [_known(of, currency) for of in ranked.stats])


def _expected(of: RankedOffer, currency: str) -> tuple[str, str]:
    since = None if of.days_since_mailed is None else f"{of.days_since_mailed:.1f}"
    first = {"may he get it": of.ineligible or "yes", "propensity": f"{of.propensity:.4f}"}
    if of.expected is None:
        return f"{of.offer} ({of.name})", _listed(first | {"days since": since})
    seen = of.expected
    figures = {
        "score": _money(seen.score_micros, currency, decimals=6),
        "revenue": _money(seen.revenue_micros, currency, decimals=6),
        "P(open)": f"{seen.open_rate:.5f}",
        "P(click)": f"{seen.click_rate:.5f}",
        "P(conv | click)": f"{seen.conversion_rate:.5f}",
        "payout": _money(seen.payout_micros, currency),
        "affinity": f"{seen.affinity:.3f}",
        "of category": f"{seen.category_affinity:.3f}",
        "of topics": f"{seen.topic_affinity:.3f}",
        "so far": f"{seen.historical_performance:.5f}",
        "days since": since,
    }
    return f"{of.offer} ({of.name}), {seen.variant}", _listed(first | figures)


def _known(of: OfferStats, currency: str) -> tuple[str, str]:
    figures = {
        "α": f"{of.alpha:.2f}",
        "β": f"{of.beta:.1f}",
        "conv rate": f"{of.expected_conversion_rate:.5f}",
        "EPC": _money(of.expected_epc_micros, currency, decimals=4),
        "refunds": f"{of.refund_rate:.1%}",
        "exposure": f"{of.exposure_clicks:.1f}",
        "mails": f"{of.total_deliveries:,}",
        "clicks": f"{of.total_clicks:,}",
        "conversions": f"{of.total_conversions:,}",
        "taken back": f"{of.total_reversed:,}",
        "revenue": _money(of.total_revenue_micros, currency),
        "click rate": None if of.click_rate is None else f"{of.click_rate:.5f}",
        "conv rate seen": None if of.conversion_rate is None else f"{of.conversion_rate:.5f}",
        "EPC seen": _money(of.epc_micros, currency, decimals=4),
        "EPM seen": _money(of.epm_micros, currency, decimals=4),
    }
    return f"{of.offer}, {of.variant}", _listed(figures)


def _listed(figures: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {value}" for name, value in figures.items() if value is not None)


def _money(micros: float | None, currency: str, *, decimals: int = 2) -> str | None:
    return None if micros is None else format_micros(round(micros), currency, decimals=decimals)
