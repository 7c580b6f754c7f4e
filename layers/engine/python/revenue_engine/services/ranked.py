"""All offers for the reader of a stored decision, and what is known of them. Only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from revenue_engine.aws.wiring import Wiring
from revenue_engine.context import prepare
from revenue_engine.offers.posterior import EVIDENCE_DAYS
from revenue_engine.offers.stats import OfferStats, offer_stats
from revenue_engine.ranking import RankedOffer, rank_offers
from revenue_engine.records.evidence import parse_evidence
from revenue_engine.services.explain import Explained


@dataclass(frozen=True, slots=True)
class Ranked:
    """Of one decision."""

    offers: tuple[RankedOffer, ...]  # best first
    stats: tuple[OfferStats, ...]  # of the reader's segment, by arm


def ranked_offers(w: Wiring, org: str, decision: Explained) -> Ranked:
    """The offers and the posteriors are the cycle's own; counts are of the days up to it as the books have them now, what has come late
    among them."""
    context = decision.context
    cycle = prepare(context)
    since = f"{context.now - timedelta(days=EVIDENCE_DAYS):%Y-%m-%d}"
    stats = offer_stats(
        (parse_evidence(item) for item in w.offers.evidence(org, since_day=since)),
        context.posteriors,
        cycle.book,
        context.bundle.rates,
        segment=decision.record["segment"],
        currency=context.controls.currency,
        now=context.now,
    )
    return Ranked(rank_offers(decision.alone, cycle), stats)
