"""What a dead cycle that nobody finishes leaves to others."""

from __future__ import annotations

from revenue_engine.aws.wiring import Wiring
from revenue_engine.services.cycle_inputs import page_keys
from revenue_engine.services.waiting import approval_id_of

CYCLE_GIVEN_UP = "cycle_given_up"


def give_up(w: Wiring, org: str, cycle_id: str) -> None:
    """Its plans that approved themselves, and are in no queue, wait for a person: what they have reserved is remembered, and serves the
    approval. Every step may be repeated."""
    for page in range(len(page_keys(w, org, cycle_id))):
        w.control.wait_again(org, approval_id_of(cycle_id, page), (CYCLE_GIVEN_UP,))
    w.control.give_up_cycle(org)
