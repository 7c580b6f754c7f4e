"""The offer catalogue and advertisers' opt-out lists, from the operator's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.offer import Offer


def import_offers(w: Wiring, org: str, offers: Iterable[Offer]) -> Counter[str]:
    """created | updated | unchanged, by the hash of their content: `time_saved` does not tell (contracts 1.10)."""
    outcomes: Counter[str] = Counter()
    for offer in offers:
        known = w.offers.get(org, offer.offer)
        if known is not None and known.content_hash == offer.content_hash:
            outcomes["unchanged"] += 1
            continue
        w.offers.put(org, offer)
        outcomes["updated" if known else "created"] += 1
    return outcomes


def import_suppression_list(
    w: Wiring, org: str, list_id: str, hashes: Iterable[str], *, people: int | None = None, now: datetime
) -> int:
    """Loads an advertiser's opt-out list; only a whole load makes it fresh (P1). `people`: when they are not one a hash."""
    return w.suppression.add_to_advertiser_list(org, list_id, hashes, refreshed_at=epoch_seconds(now), entries=people)
