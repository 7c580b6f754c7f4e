"""All offers for one reader as tables: what each would bring, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revenue_engine.money import format_micros
from revenue_engine.offers.stats import OfferStats
from revenue_engine.ranking import RankedOffer
from revenue_engine.services.ranked import Ranked
from workbench.cli import display

_EXPECTED = (
    *("offer", "content", "may he get it", "propensity", "score", "revenue", "P(open)", "P(click)", "P(conv | click)", "payout"),
    *("affinity", "of category", "of topics", "so far", "days since"),
)
_KNOWN = (
    *("offer", "content", "α", "β", "conv rate", "EPC", "refunds", "exposure", "mails", "clicks", "conversions", "taken back"),
    *("revenue", "click rate", "conv rate seen", "EPC seen", "EPM seen"),
)


def show(ranked: Ranked, record: Mapping[str, Any]) -> None:
    """Under a decision's own table."""
    currency = record["currency"]
    title = f"offers for {record['subscriber']}, best first (affinities are ratios to segment {record['segment']})"
    display.table(title, _EXPECTED, [_expected(of, currency) for of in ranked.offers])
    title = f"what is known of them in segment {record['segment']} (believed, then counted)"
    display.table(title, _KNOWN, [_known(of, currency) for of in ranked.stats])


def _expected(of: RankedOffer, currency: str) -> tuple[object, ...]:
    first = f"{of.offer} ({of.name})", of.expected and of.expected.variant, of.ineligible or "yes", f"{of.propensity:.4f}"
    since = None if of.days_since_mailed is None else f"{of.days_since_mailed:.1f}"
    if of.expected is None:
        return *first, *(None,) * (len(_EXPECTED) - len(first) - 1), since
    seen = of.expected
    return (
        *first,
        *(_money(micros, currency, decimals=6) for micros in (seen.score_micros, seen.revenue_micros)),
        *(f"{chance:.5f}" for chance in (seen.open_rate, seen.click_rate, seen.conversion_rate)),
        _money(seen.payout_micros, currency),
        *(f"{ratio:.3f}" for ratio in (seen.affinity, seen.category_affinity, seen.topic_affinity)),
        f"{seen.historical_performance:.5f}",
        since,
    )


def _known(of: OfferStats, currency: str) -> tuple[object, ...]:
    return (
        of.offer,
        of.variant,
        f"{of.alpha:.2f}",
        f"{of.beta:.1f}",
        f"{of.expected_conversion_rate:.5f}",
        _money(of.expected_epc_micros, currency, decimals=4),
        f"{of.refund_rate:.1%}",
        f"{of.exposure_clicks:.1f}",
        *(f"{count:,}" for count in (of.total_deliveries, of.total_clicks, of.total_conversions, of.total_reversed)),
        _money(of.total_revenue_micros, currency),
        *(None if rate is None else f"{rate:.5f}" for rate in (of.click_rate, of.conversion_rate)),
        *(_money(micros, currency, decimals=4) for micros in (of.epc_micros, of.epm_micros)),
    )


def _money(micros: float | None, currency: str, *, decimals: int = 2) -> str | None:
    return None if micros is None else format_micros(round(micros), currency, decimals=decimals)
