"""What is known of every arm in one segment: the specification's OfferStats, from evidence and posteriors.

Counts are the books' and are reports. Decisions are made by α and β, which count a click by the share of its conversions that should
have come by now, and older ones less (`offers.posterior`): of young clicks, what is counted falls short of what is believed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from revenue_engine.offers.book import OfferBook
from revenue_engine.offers.posterior import Posteriors, exposure
from revenue_engine.prediction.rates import Rates
from revenue_engine.records.evidence import SEGMENTS, Evidence


@dataclass(frozen=True, slots=True)
class OfferStats:
    """One arm in one segment. Clicks are people's, conversions net of what was taken back, money micros of the org's currency."""

    offer: str
    variant: str
    segment: str
    # the specification's TotalSends are deliveries here: a mail that bounced was no chance to click
    total_deliveries: int
    total_clicks: int
    total_conversions: int
    total_reversed: int
    total_revenue_micros: int
    click_rate: float | None  # of a delivered mail; None: nothing to divide by
    conversion_rate: float | None  # of a click
    epc_micros: int | None  # earnings per click
    epm_micros: int | None  # and per thousand delivered mails
    exposure_clicks: float  # clicks by age and by what of their conversions should have come
    alpha: float  # conversions before reversals, the prior's with them
    beta: float  # clicks that brought none, likewise
    refund_rate: float  # of the conversions that are believed in
    expected_conversion_rate: float  # of a click, net: α / (α + β) · (1 − refund rate)
    expected_epc_micros: float | None  # that, times the payout to expect; None: in another currency, or nobody knows it


def offer_stats(
    evidence: Iterable[Evidence],
    posteriors: Posteriors,
    book: OfferBook,
    rates: Rates,
    *,
    segment: str,
    currency: str,
    now: datetime,
) -> tuple[OfferStats, ...]:
    """Of each arm of the book, in its order; evidence of days after `now` and of other segments is left out. `currency` is the org's."""
    rows = [row for row in evidence if row.segment == segment and row.day <= now.date()]
    weights = exposure(rows, rates, now, {offer.offer: offer.category for offer in book.offers}).clicks.tolist()
    of_arm: defaultdict[tuple[str, str], list[tuple[Evidence, float]]] = defaultdict(list)
    for row, weight in zip(rows, weights, strict=True):
        of_arm[row.offer, row.variant].append((row, weight))
    s = SEGMENTS.index(segment)
    found = []
    for a, ((offer, variant), o) in enumerate(zip(book.arms, book.offer_of_arm.tolist(), strict=True)):
        seen = of_arm[offer, variant]
        mails, clicks, conversions, back, micros = (
            sum(getattr(row, name) for row, _ in seen)
            for name in ("deliveries", "clicks", "conversions", "reversed", "conversion_micros")
        )
        priced = book.offers[o].currency == currency and book.payout_micros[a] > 0
        shape, rate, mean = (float(of[s, a]) for of in (posteriors.shape, posteriors.rate, posteriors.mean))
        found.append(
            OfferStats(
                offer=offer,
                variant=variant,
                segment=segment,
                total_deliveries=mails,
                total_clicks=clicks,
                total_conversions=conversions,
                total_reversed=back,
                total_revenue_micros=micros,
                click_rate=clicks / mails if mails > 0 else None,
                conversion_rate=conversions / clicks if clicks > 0 else None,
                epc_micros=round(Fraction(micros, clicks)) if clicks > 0 else None,
                epm_micros=round(Fraction(1_000 * micros, mails)) if mails > 0 else None,
                exposure_clicks=sum(weight for _, weight in seen),
                alpha=shape,
                beta=rate - shape,
                refund_rate=1.0 - float(posteriors.kept[a]),
                expected_conversion_rate=mean,
                expected_epc_micros=mean * int(book.payout_micros[a]) if priced else None,
            )
        )
    return tuple(found)
