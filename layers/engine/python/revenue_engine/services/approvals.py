"""Plans that wait for a person (autonomy = approval): listed whole, approved or rejected, expired by time."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import datetime

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.pacing.minutes import span_minutes
from revenue_engine.services import send_messages
from revenue_engine.services.pace import in_force

NO_ROOM = "no_room_now"


def listed(w: Wiring, org: str, *, now: datetime) -> list[Item]:
    """Every plan on record: `approval_id`, `status`, `valid_until`, `sends`, `predicted_revenue_micros`, and while it waits `not_routine`
    (why it has not approved itself) and `groups`: its mails by offer, variant and segment, the most numerous first."""
    return [plan if _waits(plan, now) else _without_groups(plan) for plan in w.control.approvals(org)]


def _waits(plan: Item, now: datetime) -> bool:
    return bool(plan["status"] == "waiting" and plan["valid_until"] > epoch_seconds(now))


def _without_groups(plan: Item) -> Item:
    """A month of plans is a long list: of what is decided the groups are read one plan at a time."""
    return {name: value for name, value in plan.items() if name != "groups"}


def approve(w: Wiring, org: str, approval_id: str, *, by: str, now: datetime) -> int:
    """Reserves the day's budget and queues the plan; returns how many sends were queued, 0 when it no longer waits.

    The best of it, as far as the day's budget and the coming minutes at the velocity reach; the rest is dropped by name.
    Everything is checked anew by execute, which sends only what is approved and still valid. Approving again what was approved
    but never queued, because the first attempt died in between, goes on where that one stopped.

    Raises Refused("no_room_now") when nothing could leave: the plan goes on waiting.
    """
    body = w.decisions.get(f"plans/{org}/{approval_id}.json.gz")
    if body is None:
        return 0
    controls = w.parameters.controls(org)
    per_minute = in_force(w, org, controls)
    day, room = day_in(now, controls.zone).isoformat(), span_minutes(now, controls.zone) * per_minute
    quarter = f"velocity-{epoch_seconds(now) // 900}"  # approvals of one quarter of an hour share its room
    known = w.control.approval(org, approval_id)
    if known is None or known["valid_until"] <= epoch_seconds(now) or "queued_at" in known:
        return 0
    if known["status"] == "waiting":
        if room <= w.control.budget_reserved(org, quarter) or controls.max_daily_emails <= w.control.budget_reserved(org, day):
            raise Refused(NO_ROOM, "the day's budget is used up, or these minutes are taken: the plan still waits")
        if not w.control.decide_approval(org, approval_id, status="approved", by=by, now=epoch_seconds(now)):
            return 0
    elif known["status"] != "approved":
        return 0
    best_first = sorted(
        send_messages.decode(gzip.decompress(body).decode()), key=lambda plan: (-plan.predicted_revenue_micros, plan.send_id)
    )
    planned = [replace(plan, budget_day=day) for plan in best_first]
    expires_at = epoch_seconds(now) + 30 * 86_400
    fits = w.control.reserve(
        org, quarter, cycle_id=f"{quarter}-{approval_id}", page=0, wanted=len(planned), cap=room, expires_at=expires_at
    )
    # the day is part of the key: what was reserved for another day does not pay for this one (D6)
    granted = w.control.reserve(
        org,
        day,
        cycle_id=f"approval-{approval_id}-{day}",
        page=0,
        wanted=fits,
        cap=controls.max_daily_emails,
        expires_at=expires_at,
    )
    first = w.control.budget_reserved(org, quarter) - fits
    w.sends_queue.send(send_messages.messages(((first + i) // per_minute, plan) for i, plan in enumerate(planned[:granted])))
    for i, plan in enumerate(planned[granted:], start=granted):
        reason = "daily_limit_reached" if i < fits else "velocity_limit"
        w.sends.dropping_unclaimed(plan, reason=reason, now=now, day=day)
    w.control.note_queued(org, approval_id, at=epoch_seconds(now))
    return granted


def reject(w: Wiring, org: str, approval_id: str, *, by: str, now: datetime) -> bool:
    """The plan is never sent; its people are due again when it would have expired."""
    return w.control.decide_approval(org, approval_id, status="rejected", by=by, now=epoch_seconds(now))
