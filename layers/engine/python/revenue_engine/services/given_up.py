"""What a dead cycle that nobody finishes leaves to others."""

from __future__ import annotations

from revenue_engine.aws.wiring import Wiring
from revenue_engine.services.cycle_inputs import page_keys, receipts_key
from revenue_engine.services.waiting import approval_id_of

CYCLE_GIVEN_UP = "cycle_given_up"


def give_up(w: Wiring, org: str, cycle_id: str) -> None:
    """Its plans that are approved, and not on record as queued, wait for a person: what they have reserved is remembered, and serves the
    approval. What it has reserved for pages without receipts goes back to the day, for nothing of them was queued: at the end, so that no
    attempt goes on with a page that has nothing any more."""
    pages = range(len(page_keys(w, org, cycle_id)))
    for page in pages:
        w.control.wait_again(org, approval_id_of(cycle_id, page), (CYCLE_GIVEN_UP,))
    w.control.give_up_cycle(org)
    for page in pages:
        if w.decisions.get(receipts_key(org, cycle_id, page)) is None:
            w.control.give_back_page(org, cycle_id=cycle_id, page=page)
