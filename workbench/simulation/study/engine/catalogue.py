"""A world's offers as the engine's catalogue: what Everflow would list of them."""

from __future__ import annotations

from collections.abc import Sequence

from revenue_engine.records.offer import Creative, Offer
from workbench.simulation.study.engine.rows import category_name
from workbench.simulation.worlds import Observables
from workbench.simulation.worlds.spec import TONES

FIRST_NUMBER = 1_001


def offers_of(seen: Observables, *, tones: Sequence[str] = TONES) -> tuple[Offer, ...]:
    """One creative a tone. What does not run any more, or not yet, is listed as paused; a share of the sale hides its payout."""
    creatives = tuple(Creative(tone, "Shop", f"A {tone} subject", "<p>Hello</p>") for tone in sorted(tones))
    columns = (seen.offer_category, seen.offer_running, seen.offer_payout_micros, seen.offer_share)
    return tuple(
        Offer(
            offer=str(FIRST_NUMBER + number),
            name=f"Offer {FIRST_NUMBER + number}",
            status="active" if running else "paused",
            category=category_name(category),
            currency="USD",
            payout_micros=payout or None,
            payout_percentage=100 * share,
            tracking_url="https://track.example/click",
            sub_slot="sub1",
            may_run=True,
            allows_email=True,
            suppression_list=None,
            live_until=None,
            countries=frozenset(),
            creatives=creatives,
            content_hash=str(number),
        )
        for number, (category, running, payout, share) in enumerate(zip(*(column.tolist() for column in columns), strict=True))
    )
