"""Plans that wait for a person (autonomy = approval): listed whole, approved or rejected, expired by time."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch
from revenue_engine.errors import Refused
from revenue_engine.pacing.minutes import span_minutes
from revenue_engine.records.controls import Controls
from revenue_engine.records.send import PlannedSend
from revenue_engine.safety.claim import OUTSIDE_HOURS, within_hours
from revenue_engine.services import send_messages
from revenue_engine.services.drops import Drops
from revenue_engine.services.gate import Gate
from revenue_engine.services.pace import in_force
from revenue_engine.services.warm_up import rooms_of

NO_ROOM, DOES_NOT_WAIT = "no_room_now", "does_not_wait"
_KEEP_SECONDS = 30 * 86_400


class StillWaits(Refused):
    """Nothing of a plan may leave now: it goes on waiting, and may be approved later."""


def listed(w: Wiring, org: str, *, now: datetime) -> list[Item]:
    """Every plan on record: `approval_id`, `status`, `valid_until`, `sends`, `predicted_revenue_micros`, and while it waits `not_routine`
    (why it has not approved itself), `groups`, its mails by offer, variant and segment, the most numerous first, and `zones`, by time
    zone."""
    return [plan if waits(plan, now) else _without_groups(plan) for plan in w.control.approvals(org)]


def waits(plan: Item, now: datetime) -> bool:
    """Whether a person may still approve it."""
    return bool(plan["status"] == "waiting" and plan["valid_until"] > epoch_seconds(now))


def _without_groups(plan: Item) -> Item:
    """A month of plans is a long list: of what is decided groups and zones are read one plan at a time."""
    return {name: value for name, value in plan.items() if name not in ("groups", "zones")}


def outside_hours(plan: Item, controls: Controls, *, now: datetime) -> int:
    """Of a plan's mails, those whose readers may not be mailed at this time of their day; none of a plan that has noted no zones."""
    zones: dict[str, int] = plan.get("zones", {})
    return sum(n for zone, n in zones.items() if not within_hours(zone, controls, epoch_seconds(now)))


def approve(w: Wiring, org: str, approval_id: str, *, by: str, now: datetime) -> int:
    """Reserves the day's budget and queues the plan; returns how many sends were queued.

    The first of it, as decide would have cut it (`grant.first_served`), as far as the day's budget, the mailbox providers and the coming
    minutes at the velocity reach; the rest is dropped by name. The minutes go by `send_id`, a keyed hash, for who finds room first need
    not leave first. Everything is checked anew by execute, which sends only what is approved and still valid. Approving again what was
    approved but never queued, because the first attempt died in between, goes on where that one stopped, in the minutes that come now.

    Dropped is what was not queued, after the plan is on record as queued: where an attempt dies in between, the rest has no row, and
    what the day had set aside for it stays unused.

    Raises StillWaits, and the plan goes on waiting, when nothing could leave: by the gate's own reason (the switch, the breaker, stops)
    where execute would refuse every mail of it, "outside_hours" where no reader may be mailed at this time of his day, "no_room_now"
    where there is no room, or another attempt has just found so. Raises Refused("does_not_wait") for one that is queued, rejected, too
    old or unknown.
    """
    known = w.control.approval(org, approval_id)
    if known is None:
        raise Refused(DOES_NOT_WAIT, f"{approval_id}: unknown")
    if "queued_at" in known or known["status"] not in ("waiting", "approved"):
        raise Refused(DOES_NOT_WAIT, f"{approval_id}: {known['status']} by {known.get('decided_by', 'nobody')}")
    if known["valid_until"] <= epoch_seconds(now):
        raise Refused(DOES_NOT_WAIT, f"{approval_id}: valid until {from_epoch(known['valid_until']):%Y-%m-%d %H:%M} UTC")
    body = w.decisions.get(f"plans/{org}/{approval_id}.json.gz")
    if body is None:
        raise Refused(DOES_NOT_WAIT, f"{approval_id}: its mails are gone")
    controls = w.parameters.controls(org)
    per_minute = in_force(w, org, controls)
    today, quarter = day_in(now, controls.zone), epoch_seconds(now) // 900
    planned = _mails(body, day=today.isoformat())
    wanted = Counter(plan.provider for plan in planned)
    rooms = rooms_of(w, org, controls, day=today, providers=tuple(wanted))
    of_day = _Budget(w, org, today.isoformat(), controls.max_daily_emails)
    # approvals of one quarter of an hour share its room, and each provider's
    minutes = _Budget(w, org, f"velocity-{quarter}", span_minutes(now, controls.zone) * per_minute)
    rates = {name: _Budget(w, org, f"rate-{name}-{quarter}", min(room.today, room.cycle)) for name, room in rooms.items()}
    if known["status"] == "waiting":
        _refuse_if_shut(Gate(w, org, lambda: now), planned)
        if outside_hours(known, controls, now=now) >= known["sends"]:
            raise StillWaits(
                OUTSIDE_HOURS, "none of the plan's readers may be mailed at this time of their day: the plan still waits"
            )
        room = max(rate.room(approval_id) for rate in rates.values())
        _refuse_if_full(of_day=of_day.room(approval_id), minutes=minutes.room(approval_id), providers=room)
        if not w.control.decide_approval(org, approval_id, status="approved", by=by, now=epoch_seconds(now)):
            raise Refused(DOES_NOT_WAIT, f"{approval_id}: somebody has just decided it")
    taken = {name: rate.reserve(approval_id, wanted=wanted[name], now=now) for name, rate in rates.items()}
    going, full = _within(planned, taken)
    fits = minutes.reserve(approval_id, wanted=len(going), now=now)
    # an earlier attempt may have reserved these minutes at another velocity
    first = minutes.taken - fits
    fits = max(0, min(fits, minutes.cap - first))
    # of the whole plan, and only once some of it can leave: an attempt that goes on in another quarter of an hour may have room for more
    paid = of_day.reserve(approval_id, wanted=len(planned), now=now) if fits else 0
    granted = min(paid, fits)
    if not granted:
        w.control.wait_again(org, approval_id)
        # what was not asked, because nothing came so far, is not what binds
        _refuse_if_full(of_day=paid if fits else 1, minutes=fits if going else 1, providers=len(going))
    leaving = sorted(going[:granted], key=lambda plan: plan.send_id)
    w.sends_queue.send(send_messages.messages(((first + i) // per_minute, plan) for i, plan in enumerate(leaving)))
    if not w.control.note_queued(org, approval_id, at=epoch_seconds(now)):
        # execute refuses what is queued unless it is approved again by then; the rest is not dropped, for it waits
        raise StillWaits(NO_ROOM, f"{approval_id}: another attempt has just found no room for it")
    binds = "daily_limit_reached" if paid < fits else "velocity_limit"
    left = [*((plan, binds) for plan in going[granted:]), *((plan, rooms[plan.provider].what_binds) for plan in full)]
    drops = Drops(w, org, lambda: now, today.isoformat())
    for i, (plan, reason) in enumerate(left):
        drops.add(plan if i < paid - granted else replace(plan, budget_day=""), reason)  # no more than the day paid for goes back
    drops.write()
    return granted


def _refuse_if_shut(gate: Gate, planned: Iterable[PlannedSend]) -> None:
    """Raises StillWaits with the commonest reason for which execute would refuse every one of these, once they were approved."""
    reasons = Counter[str]()
    for plan in planned:
        reason = gate.refusal(plan, approved=True)
        if reason is None:
            return
        reasons[reason] += 1
    raise StillWaits(reasons.most_common(1)[0][0], "nothing of the plan may leave now: it still waits")


def _refuse_if_full(*, of_day: int, minutes: int, providers: int) -> None:
    """Raises StillWaits("no_room_now") that names what has no room for a single mail."""
    rooms = {
        "the day's budget is used up": of_day,
        "these minutes are taken": minutes,
        "the plan's mailbox providers have had what they take now": providers,
    }
    full = [what for what, room in rooms.items() if room <= 0]
    if full:
        raise StillWaits(NO_ROOM, f"{' and '.join(full)}: the plan still waits")


@dataclass(frozen=True, slots=True)
class _Budget:
    """A counter of mails, and the most it takes. What an approval has reserved of it is remembered by its name: what was reserved of
    another day or quarter of an hour does not pay for this one (D6)."""

    w: Wiring
    org: str
    name: str
    cap: int

    @property
    def taken(self) -> int:
        return self.w.control.budget_reserved(self.org, self.name)

    def room(self, approval_id: str) -> int:
        """What it would give now: an earlier attempt's reservation is the approval's own."""
        before = self.w.control.granted(self.org, cycle_id=self._key(approval_id), page=0)
        return self.cap - self.taken if before is None else before

    def reserve(self, approval_id: str, *, wanted: int, now: datetime) -> int:
        """What it still takes of them; asked again, what it gave before. Where that was nothing, there may be room by now."""
        return self.w.control.reserve(
            self.org,
            self.name,
            cycle_id=self._key(approval_id),
            page=0,
            wanted=wanted,
            cap=self.cap,
            expires_at=epoch_seconds(now) + _KEEP_SECONDS,
            remember_none=False,
        )

    def _key(self, approval_id: str) -> str:
        return f"approval-{approval_id}-{self.name}"


def _mails(body: bytes, *, day: str) -> list[PlannedSend]:
    """Of a plan's file, in its order."""
    return [replace(plan, budget_day=day) for plan in send_messages.decode(gzip.decompress(body).decode())]


def _within(planned: Iterable[PlannedSend], rooms: Mapping[str, int]) -> tuple[list[PlannedSend], list[PlannedSend]]:
    """Those that their mailbox providers have room for, and the others, in their order."""
    ahead = Counter[str]()
    going, full = list[PlannedSend](), list[PlannedSend]()
    for plan in planned:
        (going if ahead[plan.provider] < rooms[plan.provider] else full).append(plan)
        ahead[plan.provider] += 1
    return going, full


def reject(w: Wiring, org: str, approval_id: str, *, by: str, now: datetime) -> bool:
    """The plan is never sent; its people are due again when it would have expired."""
    return w.control.decide_approval(org, approval_id, status="rejected", by=by, now=epoch_seconds(now))
