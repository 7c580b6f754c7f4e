"""One decision cycle: lease, snapshot, decide, reserve, record, queue, move due times — each step repeatable (D1, D5, D6)."""

from __future__ import annotations

import gzip
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np

from revenue_engine import audit
from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_began, cycle_id_at, day_in, epoch_seconds
from revenue_engine.context import Cycle, first_later_hour, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.errors import Refused
from revenue_engine.grant import grant, places, supply_of
from revenue_engine.later import Taken
from revenue_engine.plans import planned_sends
from revenue_engine.prediction.profile import coverage
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.reasons import REASONS
from revenue_engine.records.subscriber import PROVIDERS
from revenue_engine.services import send_messages
from revenue_engine.services.cycle_inputs import (
    known_context,
    page_keys,
    pages,
    receipts_key,
    refuse_unless_mailable,
    send_ids,
    stored_context,
    written_pages,
)
from revenue_engine.services.cycle_report import CycleReport
from revenue_engine.services.gate import refuse_unless_closed
from revenue_engine.services.given_up import give_up
from revenue_engine.services.waiting import Waiting

log = logging.getLogger(__name__)

WRITERS = 8  # due times are written side by side: the calls wait on the network
NEXT_PAGE_MILLIS = 120_000  # what an invocation must have left to begin another page: it would be killed in the middle of it
HOPELESS_SECONDS = (
    3_600  # of a dead cycle, without a page that ran: attempts that are killed come one a quarter, failing ones three
)
_STATE_DAYS = 30

Clock = Callable[[], datetime]
RemainingMillis = Callable[[], int]  # of the invocation, until it is killed


def run_cycle(w: Wiring, *, org: str, now: Clock, remaining_millis: RemainingMillis) -> CycleReport:
    """Decides everybody whose time has come. What is missing or stale means no mail, its own reason and a metric (D5).

    The lease ends with the invocation that holds it: given back when it fails, run out when it is killed, so that the retry
    within the same quarter of an hour goes on where it stopped (D6). Raises TimeoutError when the time is up before what an earlier
    attempt has begun is done, or before the cycle could begin: the retry goes on there.
    """
    began = now()
    report = CycleReport(cycle_id_at(began))
    try:
        autonomy = w.parameters.autonomy(org)
        if autonomy is Autonomy.OFF:
            report.outcome = "autonomy_off"
            observe.count(names.METRIC_CYCLE_COMPLETED, org)  # the operator's wish, not a missing cycle
            off = w.counters.counting(org, began, {"cycles_off": 1}, zone=w.parameters.last_zone(org), shard_by=report.cycle_id)
            w.control.skip_cycle(org, report.cycle_id, now=began, counting=off)
            return report
        refuse_unless_closed(w, org, autonomy, began)
        _finish_dead_cycle(w, org, report.cycle_id, now=now, remaining_millis=remaining_millis)
        lease = _lease(w, org, report.cycle_id, now, remaining_millis)
        if lease is None:
            report.outcome = "leased_or_done"
            return report
    except Refused as refused:
        return _refused(report, org, refused)
    try:
        cycle = prepare(stored_context(w, org, report.cycle_id, autonomy, began))
        batches = pages(w, cycle, resumed=lease["attempts"] > 1)
        _run_pages(w, cycle, batches, report, ran=_pages_ran(lease), now=now, remaining_millis=remaining_millis)
        # the switch may have been turned on within the quarter of an hour: no cycle is both
        amounts = {"cycles_completed": 1, "cycles_off": -1 if "off_at" in lease else 0}
        completed = w.counters.counting(org, began, amounts, zone=cycle.context.controls.zone, shard_by=report.cycle_id)
        _finish(w, org, lease, report, now(), counting=completed)
    except BaseException as error:
        w.control.release_cycle(org, report.cycle_id, until=lease["lease_until"])
        if isinstance(error, Refused):
            return _refused(report, org, error)
        raise
    observe.count(names.METRIC_CYCLE_COMPLETED, org)
    return report


def _finish_dead_cycle(w: Wiring, org: str, current: str, *, now: Clock, remaining_millis: RemainingMillis) -> None:
    """A cycle that died with all its retries has reserved budget and written pages: its pages are run to their end, once (D6).

    Only on the org day that pays for them. What is refused is given up, with an alarm: it must not keep this cycle from running. Any
    other error may be gone at the next attempt, which goes on there, until so many attempts got no further that it is given up too.
    Raises Refused("dead_cycle_leased") while the lease of somebody who died finishing it runs: this cycle begun, nobody would know of
    it. Raises TimeoutError when too little time is left for this cycle.
    """
    unfinished = (w.control.last_cycle(org) or {}).get("unfinished")
    if unfinished is None or unfinished == current:
        return
    zone = w.parameters.controls(org).zone
    lease = _lease(w, org, unfinished, now, remaining_millis, late=True)
    if lease is None:
        raise Refused("dead_cycle_leased", unfinished)
    report = CycleReport(unfinished, outcome="finished_late")
    try:
        if not page_keys(w, org, unfinished):
            give_up(w, org, unfinished)  # it was refused, or died before it had decided anybody
            return
        if day_in(cycle_began(unfinished), zone) != day_in(now(), zone):
            raise Refused("another_day", "what it has reserved was that day's")
        idle = epoch_seconds(now()) - max(int(lease["started_at"]), int(lease.get("progressed_at", 0)))
        if idle > HOPELESS_SECONDS and lease["late_attempts"] > 1:  # after a pause of all cycles it is tried once
            raise Refused("dead_cycle_hopeless", f"{lease['attempts']} attempts, {_pages_ran(lease)} pages")
        context = known_context(w, org, unfinished)
        if context is None:
            raise Refused("context_missing")
        cycle = prepare(context)
        _run_pages(
            w, cycle, written_pages(w, org, unfinished), report, ran=_pages_ran(lease), now=now, remaining_millis=remaining_millis
        )
        _finish(w, org, lease, report, now())
    except Refused as refused:
        log.exception("cycle %s is given up: %s", unfinished, refused.reason)
        observe.count(names.METRIC_CYCLE_REFUSED, org)
        give_up(w, org, unfinished)
    except BaseException:
        w.control.release_cycle(org, unfinished, until=lease["lease_until"])
        raise
    if remaining_millis() < NEXT_PAGE_MILLIS:
        raise TimeoutError(f"{unfinished} is finished, and {current} not begun")


def _lease(
    w: Wiring, org: str, cycle_id: str, now: Clock, remaining_millis: RemainingMillis, *, late: bool = False
) -> Item | None:
    """From now until the invocation is killed."""
    return w.control.lease_cycle(org, cycle_id, now=now(), seconds=remaining_millis() // 1_000 + 1, late=late)


def _finish(
    w: Wiring, org: str, lease: Item, report: CycleReport, ended: datetime, counting: Sequence[dict[str, Any]] = ()
) -> None:
    report.started_at, report.ended_at = int(lease["started_at"]), epoch_seconds(ended)
    w.control.finish_cycle(org, report.cycle_id, now=ended, report=report.as_dict(), counting=counting)


def _pages_ran(lease: Item) -> int:
    """Of the cycle's first pages, by earlier attempts."""
    return int(lease.get("pages_ran", 0))


def _refused(report: CycleReport, org: str, refused: Refused) -> CycleReport:
    log.error("no cycle: %s %s", refused.reason, refused.detail)
    observe.count(names.METRIC_CYCLE_REFUSED, org)
    report.outcome = refused.reason
    return report


# --- one page ------------------------------------------------------------------------------------------------------------
def _run_pages(
    w: Wiring,
    cycle: Cycle,
    batches: Iterable[Batch],
    report: CycleReport,
    *,
    ran: int,
    now: Clock,
    remaining_millis: RemainingMillis,
) -> None:
    """Velocity, providers and the hours to come bound the cycle, not its pages. `ran`: the first pages that only have to be counted.

    Raises TimeoutError when the time is up with pages left that an attempt has written, and may have reserved budget for. Refused for what
    a mail needs, before anything is reserved for it: every cycle of the day would reserve, and refuse behind it.
    """
    context, price, taken, waiting = cycle.context, cycle.context.price, Taken.at_first(cycle.context), Waiting(w, cycle, now)
    refuse_unless_mailable(w, context)
    # its minutes run from its beginning, a dead one's within the quarter of an hour in which it is finished
    first_minute = max(context.now, cycle_began(cycle_id_at(now())))
    report.autonomy = context.autonomy.value
    report.lambda_micros, report.kappa_micros = price.lambda_micros, price.kappa_micros
    following = iter(batches)
    for number in itertools.count():
        if remaining_millis() < NEXT_PAGE_MILLIS:
            if number < len(page_keys(w, context.org, context.cycle_id)):
                raise TimeoutError(f"{context.cycle_id}: pages from {number} on are left to the next attempt")
            report.out_of_time = True
            log.warning("%s: no time for a page after %d", context.cycle_id, number)
            break
        batch = next(following, None)
        if batch is None:
            break
        late_seconds = int((now() - first_minute).total_seconds())
        taken = _run_page(w, cycle, number, batch, report, taken, waiting, late_seconds, number < ran)
    waiting.decide()
    if report.reasons["worth_unknown"]:
        log.error("what a mail to %d people is worth is no number", report.reasons["worth_unknown"])
        observe.count(names.METRIC_CYCLE_REFUSED, context.org)
    hour = first_later_hour(cycle.now) // 3_600
    report.providers.update(dict(zip(PROVIDERS, taken.by_pages(context), strict=True)))
    report.later.update({str(hour + h): n for h, n in enumerate(taken.later) if n})


def _run_page(
    w: Wiring,
    cycle: Cycle,
    number: int,
    batch: Batch,
    report: CycleReport,
    taken: Taken,
    waiting: Waiting,
    late_seconds: int,
    ran: bool,
) -> Taken:
    """Every step may be repeated: the reservation is remembered, receipts must be the same, claims refuse a second mail."""
    context = cycle.context
    org, cycle_id = context.org, context.cycle_id
    decisions = decide_batch(batch, cycle)
    wanted = places(decisions, cycle, taken)
    if context.autonomy is Autonomy.APPROVAL:  # a plan that waits reserves on approval: no more than there would be then
        granted = min(wanted, max(0, context.budget_left - sum(taken.by_pages(context))))
    else:
        granted = w.control.reserve(
            org,
            day_in(context.now, context.controls.zone).isoformat(),
            cycle_id=cycle_id,
            page=number,
            wanted=wanted,
            cap=context.controls.max_daily_emails,
            expires_at=cycle.now + _STATE_DAYS * 86_400,
        )
    decisions = grant(decisions, batch, cycle, granted, taken=taken)
    report.supply.update({str(bin): int(n) for bin, n in enumerate(supply_of(decisions, batch, cycle)) if n})
    _record(w, cycle, number, batch, decisions, granted, taken)
    planned = planned_sends(decisions, cycle, send_ids(w, org)) if decisions.mail.any() else []
    if context.autonomy is Autonomy.APPROVAL:
        waiting.add(number, batch, decisions, planned)
    elif not ran:
        w.sends_queue.send(send_messages.messages(planned, late_seconds=late_seconds))
    if not ran:
        _move_due_times(w, cycle, decisions)
        w.control.note_pages(org, cycle_id, ran=number + 1, now=waiting.clock())
    report.pages += 1
    report.decided += len(decisions)
    report.profile += coverage(batch)
    report.planned += len(planned)
    report.predicted_revenue_micros += int(decisions.expected_revenue_micros[decisions.mail].sum())
    codes, counts = np.unique(decisions.reason, return_counts=True)
    report.reasons.update({REASONS[code]: int(count) for code, count in zip(codes, counts, strict=True)})
    return taken.and_then(decisions, cycle)


def _record(w: Wiring, cycle: Cycle, number: int, batch: Batch, decisions: Decisions, granted: int, taken: Taken) -> None:
    """Receipts before the first claim: a mail whose decision is not on record cannot exist (D1).

    Raises Refused("decided_otherwise") when an earlier attempt has recorded other decisions, those of another engine or library: its
    mails may be on their way, and what is on record stays.
    """
    org, cycle_id = cycle.context.org, cycle.context.cycle_id
    lines = audit.receipts(
        decisions,
        batch,
        cycle,
        page_key=f"cycles/{org}/{cycle_id}/page-{number:04d}.npz",
        context_key=f"cycles/{org}/{cycle_id}/context.json",
        granted=granted,
        taken=taken,
        send_id=send_ids(w, org) if decisions.mail.any() else None,
    )
    key = receipts_key(org, cycle_id, number)
    body = gzip.compress(lines, compresslevel=6, mtime=0)
    recorded = w.decisions.put_once(key, body)
    if recorded != body and gzip.decompress(recorded) != lines:
        raise Refused("decided_otherwise", key)


def _move_due_times(w: Wiring, cycle: Cycle, decisions: Decisions) -> None:
    org, now = cycle.context.org, cycle.now
    waits = decisions.mail & (cycle.context.autonomy is Autonomy.APPROVAL)
    rows = zip(decisions.subscriber.tolist(), decisions.next_decision_at.tolist(), waits.tolist(), strict=True)

    def move(row: tuple[str, int, bool]) -> None:
        w.subscribers.set_next_decision(org, row[0], at=row[1], decided_at=now, waits=row[2])

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(move, rows))
