"""The org's gate, re-read inside the message loop with at most 15 seconds of cache (P1, D5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_began, cycle_id_at, epoch_seconds, parse_iso
from revenue_engine.errors import Refused
from revenue_engine.records.causes import Stop
from revenue_engine.records.controls import Autonomy
from revenue_engine.records.send import PlannedSend
from revenue_engine.safety.claim import BreakerFacts, gate
from revenue_engine.safety.stops import stopped_reason

MAX_AGE = timedelta(seconds=15)


class Gate:
    """Whether a planned send may go now, as far as the org decides it."""

    def __init__(self, w: Wiring, org: str, now: Callable[[], datetime]) -> None:
        self._w, self._org, self._now = w, org, now
        self._read_at: datetime | None = None
        self._breaker: BreakerFacts | None = None
        self._approvals: dict[str, bool] = {}
        self._stops: tuple[Stop, ...] = ()
        self._stopped = ""

    def refusal(self, plan: PlannedSend, *, approved: bool | None = None) -> str | None:
        """Why not, or None. `approved`: whether a person said yes to the plan it belongs to; None: as that is on record."""
        if self._stopped:
            return self._stopped
        now = self._now()
        try:
            autonomy = self._w.parameters.autonomy(self._org)
        except Refused as refused:
            return refused.reason
        if self._read_at is None or now - self._read_at >= MAX_AGE:
            self._breaker, self._approvals, self._read_at = breaker_facts(self._w.control.breaker(self._org)), {}, now
            self._stops = self._w.safety.stops(self._org, now=epoch_seconds(now))
        if approved is None:
            approved = bool(plan.approval_id) and self._approved(plan.approval_id, now)
        reason = gate(
            autonomy,
            self._breaker,
            now=epoch_seconds(now),
            canary=plan.canary,
            approval_id=plan.approval_id,
            approved=approved,
            planned_at=_planned_at(plan),
        )
        return reason or stopped_reason(
            self._stops, offer=plan.offer, variant=plan.variant, segment=plan.segment, provider=plan.provider
        )

    def stop(self, reason: str) -> None:
        """Nothing more of this message goes out."""
        self._stopped = reason

    def _approved(self, approval_id: str, now: datetime) -> bool:
        if approval_id not in self._approvals:
            plan = self._w.control.approval(self._org, approval_id)
            self._approvals[approval_id] = (
                plan is not None and plan["status"] == "approved" and plan["valid_until"] > epoch_seconds(now)
            )
        return self._approvals[approval_id]


def _planned_at(plan: PlannedSend) -> int:
    """When its cycle began; a cycle of an unknown name began never."""
    try:
        return epoch_seconds(cycle_began(plan.cycle_id))
    except ValueError:
        return 0


def refuse_unless_closed(w: Wiring, org: str, autonomy: Autonomy, now: datetime) -> None:
    """No cycle while nothing may leave but a trickle. Raises Refused."""
    if autonomy is Autonomy.SHADOW:
        return  # nothing leaves, so nothing has to be safe
    facts = breaker_facts(w.control.breaker(org))
    began = epoch_seconds(cycle_began(cycle_id_at(now)))
    reason = gate(Autonomy.FULL, facts, now=epoch_seconds(now), canary=True, approval_id="", approved=False, planned_at=began)
    if reason is not None:
        raise Refused(reason)


def breaker_facts(item: Item | None) -> BreakerFacts | None:
    """The breaker as the core reads it."""
    # closed by hand before the judge ever looked: no heartbeat, so stale
    if item is None:
        return None
    return BreakerFacts(
        state=item.get("state", ""),
        judged_at=item.get("judged_at", 0),
        since=_seconds(item, "since"),
        trickle_since=_seconds(item, "trickle_since"),
    )


def _seconds(item: Item, name: str) -> int:
    """A time that the machine wrote; 0 where there is none to be read, and then nothing trickles."""
    try:
        return epoch_seconds(parse_iso(item[name]))
    except (KeyError, ValueError, TypeError):
        return 0
