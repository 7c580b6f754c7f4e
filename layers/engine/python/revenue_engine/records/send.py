"""A planned send, the outbox's states, and touches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SendState(StrEnum):
    """PLANNED → CLAIMED → SENT | FAILED | UNKNOWN | DROPPED (P2)."""

    PLANNED = "PLANNED"
    CLAIMED = "CLAIMED"
    SENT = "SENT"
    FAILED = "FAILED"  # the provider surely refused it
    UNKNOWN = "UNKNOWN"  # nobody knows whether the provider took it: never mailed again
    DROPPED = "DROPPED"  # never handed to the provider, or unknown for too long


# An event of the provider proves the mail went out, whatever we believed.
NEXT_STATES: dict[SendState, frozenset[SendState]] = {
    SendState.PLANNED: frozenset({SendState.CLAIMED, SendState.DROPPED}),
    SendState.CLAIMED: frozenset({SendState.SENT, SendState.FAILED, SendState.UNKNOWN, SendState.DROPPED}),
    SendState.UNKNOWN: frozenset({SendState.SENT, SendState.DROPPED}),
    SendState.DROPPED: frozenset({SendState.SENT}),
    SendState.FAILED: frozenset({SendState.SENT}),
    SendState.SENT: frozenset(),
}


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """One row of a `sends` message: what decide chose and why, as far as execute and the outbox need it."""

    org: str
    cycle_id: str
    decision_id: str
    send_id: str
    subscriber: str
    offer: str
    variant: str
    campaign: str
    segment: str
    topic: int  # of the offer's category (`topic_number`)
    content_hash: str  # of the creative as it was decided on (`Creative.content_hash`); "" = planned before anybody noted it
    listed_payout_micros: int  # per conversion, as the offer listed it then; 0 = it lists none
    listed_payout_percentage: float  # of a sale, likewise
    provider: str
    policy: str  # engine | fixed
    approval_id: str  # "" unless the plan waited for a person
    budget_day: str  # the org day whose budget pays for it, and on which alone it may leave; "" while it waits for a person
    canary: bool  # inside the canary share
    predicted_revenue_micros: int
    p_click: float
    p_conversion: float
    propensity: float


def counted_when_sent(
    *, offer: str, policy: str, predicted_revenue_micros: int, p_click: float, p_conversion: float
) -> dict[str, int]:
    """What a mail adds to the counters when the provider takes it.

    The predictions are what decide expected of this mail: revenue in micros of the org's currency, clicks and conversions in
    millionths.
    """
    return {
        "sent": 1,
        f"sent@{offer}": 1,
        f"sent%{policy}": 1,
        "predicted_micros": predicted_revenue_micros,
        "predicted_clicks_millionths": round(p_click * 1_000_000),
        "predicted_conversions_millionths": round(p_click * p_conversion * 1_000_000),
    }


OF_CYCLE = ("sent", "failed", "unknown", "dropped")
CONTENT_INCOMPLETE = "content_incomplete"  # of a mail that its creative does not make for its reader
UNKNOWN_TOO_LONG = "unknown_too_long"  # of a row that the judge no longer watches


def counted_of_cycle(cycle_id: str, outcome: str, mails: int = 1) -> dict[str, int]:
    """What mails that came to one of OF_CYCLE add for the cycle that planned them, in the UTC hour in which they did."""
    return {f"cycle_{outcome}~{cycle_id}": mails}


def counted_as(state: SendState, reason: str) -> str:
    """As which of OF_CYCLE a row was counted, "" = none yet. Who was unknown for too long stays counted as unknown."""
    counted = "unknown" if reason == UNKNOWN_TOO_LONG else state.value.lower()
    return counted if counted in OF_CYCLE else ""


@dataclass(frozen=True, slots=True)
class Touch:
    """What a person, or a machine in a person's name, did with one mail."""

    kind: str  # open | click
    at: datetime
    send_id: str
    human: bool
    human_probability: float
