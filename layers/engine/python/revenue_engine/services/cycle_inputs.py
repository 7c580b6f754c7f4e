"""A cycle's inputs: gathered and written once before the first claim; retry and replay read them (D5, D6)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import date, datetime, timedelta

from revenue_engine import __version__, audit, ids
from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import CYCLE, cycle_began, day_in, epoch_seconds, from_epoch
from revenue_engine.context import LATER_HOURS, Cycle, CycleContext, first_later_hour
from revenue_engine.errors import BadInput, Refused
from revenue_engine.offers.posterior import EVIDENCE_DAYS, fold
from revenue_engine.pacing.warm_up import Room
from revenue_engine.records.batch import Batch, decode
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.evidence import Evidence, parse_evidence
from revenue_engine.records.subscriber import PROVIDERS, is_readable
from revenue_engine.safety.stops import standing, stopped_names
from revenue_engine.services.capped import caps_reached
from revenue_engine.services.models import champion, finder
from revenue_engine.services.prices import price_now, told_on
from revenue_engine.services.velocity import look
from revenue_engine.services.warm_up import rooms_of
from revenue_engine.snapshot import load_context, load_page, save_context, save_page

log = logging.getLogger(__name__)

PAGE_ROWS = 20_000


def known_context(w: Wiring, org: str, cycle_id: str) -> CycleContext | None:
    """What an earlier attempt has written, if it came that far."""
    stored = w.decisions.get(_context_key(org, cycle_id))
    return load_context(stored, finder(w, org)) if stored is not None else None


def _context_key(org: str, cycle_id: str) -> str:
    return f"cycles/{org}/{cycle_id}/context.json"


def stored_context(w: Wiring, org: str, cycle_id: str, autonomy: Autonomy, now: datetime) -> CycleContext:
    """What the cycle decides by; a retry reads what the first attempt wrote. Raises Refused for what is missing (D5)."""
    key = _context_key(org, cycle_id)
    stored = w.decisions.get(key) or w.decisions.put_once(key, save_context(_gather(w, org, cycle_id, autonomy, now)))
    return load_context(stored, finder(w, org))


def _gather(w: Wiring, org: str, cycle_id: str, autonomy: Autonomy, now: datetime) -> CycleContext:
    controls = w.parameters.controls(org)
    if autonomy is not Autonomy.SHADOW and not controls.sender.complete:
        raise Refused("sender_incomplete", "controls.sender: from_address and postal_address")
    bundle = champion(w, org)
    velocity = look(w, org, cycle_id, controls, bundle.rates.delay, now)
    controls = controls.model_copy(update={"sends_per_minute": velocity})
    stops = w.safety.stops(org, now=epoch_seconds(now))
    offers = standing(w.offers.catalogue(org), stops)
    half_open = (w.control.breaker(org) or {}).get("state") == "half_open"
    evidence = recent_evidence(w, org, now)
    ages = {list_id: w.suppression.refreshed_at(org, list_id) for list_id in {o.suppression_list for o in offers} if list_id}
    today = day_in(now, controls.zone)
    reserved = w.control.budget_reserved(org, today.isoformat())
    budget_left = max(0, controls.max_daily_emails - reserved)
    recent = _recent(w, org, controls, now)
    left_of_all = budget_left
    if autonomy is Autonomy.CANARY:
        left_of_all = _left_of_all(controls, reserved, _planned_for_canaries(recent, today, controls.zone))
    beside = _planned_beside(w, org, cycle_id)
    return CycleContext(
        org=org,
        cycle_id=cycle_id,
        now=now,
        autonomy=autonomy,
        controls=controls,
        offers=offers,
        posteriors=fold(evidence, offers, bundle.rates, now),
        bundle=bundle,
        price=price_now(w, org, recent, evidence, left_of_all, controls=controls, now=now),
        budget_left=budget_left,
        list_refreshed_at={list_id: from_epoch(at) for list_id, at in ages.items() if at is not None},
        caps_reached=caps_reached(w, org, controls, offers, now=now),
        code_version=__version__,
        stopped_segments=stopped_names(stops, "segment"),
        stopped_providers=stopped_names(stops, "provider"),
        spoken_for=_spoken_for(recent, now),
        taken_before=tuple(int(beside.get(provider, 0)) for provider in PROVIDERS) if beside else (),
        rooms=_rooms(w, org, controls, now, beside=bool(beside)),
        let_through_share=controls.trickle_share if half_open else 1.0,
    )


def _left_of_all(controls: Controls, reserved: int, by_canaries: int) -> int:
    """What would be left of the day's budget if everybody could leave: canaries are asked the price of full autonomy, all day. Mails
    that were planned while everybody could, earlier in the day, are as many as they are."""
    of_everybody = round(by_canaries / controls.canary_share) if controls.canary_share else by_canaries
    return max(0, controls.max_daily_emails - (reserved - by_canaries) - of_everybody)


def _planned_for_canaries(recent: Sequence[Item], today: date, zone: str) -> int:
    """Mails of this org day's cycles in which nobody else was mailed."""
    reports = (item.get("report", {}) for item in recent if day_in(cycle_began(item["sk"].removeprefix("cycle#")), zone) == today)
    return sum(int(report["planned"]) for report in reports if report.get("autonomy") == Autonomy.CANARY)


def recent_evidence(w: Wiring, org: str, now: datetime) -> list[Evidence]:
    """All that still counts. Raises Refused("evidence_unreadable")."""
    found = []
    for item in w.offers.evidence(org, since_day=f"{now - timedelta(days=EVIDENCE_DAYS):%Y-%m-%d}"):
        try:
            found.append(parse_evidence(item))
        except BadInput as bad:  # left out, its arm would be believed without it
            raise Refused("evidence_unreadable", f"{item['sk']}: {bad}") from None
    return found


def _beside(w: Wiring, org: str, cycle_id: str) -> str | None:
    """Another cycle that has ended since this one's quarter of an hour began: a dead one, finished late. Every attempt finds the same."""
    last = w.control.last_cycle(org) or {}
    ended_before = last.get("done_at", 0) < epoch_seconds(cycle_began(cycle_id))
    return None if ended_before or last["cycle_id"] == cycle_id else str(last["cycle_id"])


def _planned_beside(w: Wiring, org: str, cycle_id: str) -> dict[str, int]:
    """By mailbox provider, its mails."""
    other = _beside(w, org, cycle_id)
    planned: dict[str, int] = ((w.control.cycle(org, other) or {}) if other else {}).get("report", {}).get("providers", {})
    return planned


def _rooms(w: Wiring, org: str, controls: Controls, now: datetime, *, beside: bool) -> dict[str, Room]:
    """What each mailbox provider still takes today: its allowance, less what has left, and what the last cycle has planned and may not
    have left yet; `beside`: that is counted as taken. Execute keeps the same counters, and has the last word."""
    today = day_in(now, controls.zone)
    last = (w.control.last_cycle(org) or {}).get("cycle_id")
    fresh = last is not None and cycle_began(last) > now - 2 * CYCLE and day_in(cycle_began(last), controls.zone) == today
    known = last if fresh and not beside else None
    planned = ((w.control.cycle(org, known) or {}) if known else {}).get("report", {}).get("providers", {})
    return rooms_of(w, org, controls, day=today, providers=PROVIDERS, planned=planned)


def _recent(w: Wiring, org: str, controls: Controls, now: datetime) -> list[Item]:
    """The cycles of the days that tell of today's bids and of who was put off to what is still to come, in their order."""
    days = told_on(now, controls) | {now.date() - timedelta(days=n) for n in (0, 1, 2)}
    return [item for day in sorted(days) for item in w.control.cycles(org, day)]


def _spoken_for(recent: Sequence[Item], now: datetime) -> tuple[int, ...]:
    """Mails that the hours to come will carry anyway: as many as the same hour did within the last day, or as were put off to it."""
    first = first_later_hour(epoch_seconds(now)) // 3_600
    usual, put_off = Counter[int](), Counter[int]()
    for item in recent:
        report = item.get("report", {})
        began = cycle_began(item["sk"].removeprefix("cycle#"))
        if began >= now - timedelta(days=1):
            usual[epoch_seconds(began) // 3_600 % 24] += int(report.get("planned", 0))
        put_off.update({int(hour): int(n) for hour, n in report.get("later", {}).items()})
    return tuple(max(usual[hour % 24], put_off[hour]) for hour in range(first, first + LATER_HOURS))


def receipts_key(org: str, cycle_id: str, page: int) -> str:
    """Where what was decided of a page is on record, before anything of it is queued."""
    return f"decisions/{org}/{cycle_began(cycle_id):%Y-%m-%d}/{cycle_id}/page-{page:04d}.ndjson.gz"


def refuse_unless_mailable(w: Wiring, context: CycleContext) -> None:
    """Whether what every mail of the cycle needs is there: the key its name is made with, and the queue. Raises Refused."""
    if context.autonomy is not Autonomy.SHADOW:
        send_ids(w, context.org)
        w.sends_queue  # noqa: B018 - by its name in the environment


def send_ids(w: Wiring, org: str) -> audit.SendIds:
    """The names of an org's mails. Raises Refused without the tracking key."""
    key = w.parameters.tracking_key(org)
    return lambda subscriber, decision_id: ids.send_id(key, org=org, subscriber=subscriber, decision_id=decision_id)


def written_pages(w: Wiring, org: str, cycle_id: str) -> Iterator[Batch]:
    """The pages that an attempt has written, in their order."""
    for key in page_keys(w, org, cycle_id):
        yield load_page(w.decisions.get(key) or b"")


def page_keys(w: Wiring, org: str, cycle_id: str) -> list[str]:
    """Where they lie, in their order: a cycle without any has decided nobody."""
    return w.decisions.keys(_prefix(org, cycle_id))


def _prefix(org: str, cycle_id: str) -> str:
    return f"cycles/{org}/{cycle_id}/page-"


def pages(w: Wiring, cycle: Cycle, *, resumed: bool) -> Iterator[Batch]:
    """First the pages a dead attempt has written, then what is due beside them. Whom a cycle that ended a moment ago has decided is not
    due, though the index may still say so: it is read eventually consistent."""
    org, cycle_id = cycle.context.org, cycle.context.cycle_id
    other = _beside(w, org, cycle_id)
    seen = {person for batch in (written_pages(w, org, other) if other else ()) for person in batch.subscriber.tolist()}
    written, prefix = 0, _prefix(org, cycle_id)
    for batch in written_pages(w, org, cycle_id) if resumed else ():
        written += 1
        seen.update(batch.subscriber.tolist())
        yield batch
    for number in range(written, 10_000):
        due = _due(w, cycle, seen)
        if due:
            batch = decode(
                [item["subscriber"] for item in due], [item["row"] for item in due], [item.get("decided_at", 0) for item in due]
            )
            batch = load_page(w.decisions.put_once(f"{prefix}{number:04d}.npz", save_page(batch)))
            seen.update(batch.subscriber.tolist())
            yield batch
        if len(due) < PAGE_ROWS:
            return


def _due(w: Wiring, cycle: Cycle, seen: Set[str]) -> list[Item]:
    """Whose time has come, up to a page of them. A person's unreadable row is no mail for that person, and takes nobody's place; with the
    last page comes the alarm. Raises Refused when there is nobody but such people."""
    due: list[Item] = []
    unreadable = 0
    for item in w.subscribers.due(cycle.context.org, now=cycle.now):
        if not is_readable(item["row"]):
            unreadable += 1
        elif item["subscriber"] not in seen:
            due.append(item)
            if len(due) == PAGE_ROWS:
                return due
    if unreadable:
        log.error("%d due rows have another layout", unreadable)
        if not due and not seen:
            raise Refused("row_schema_mismatch")
        observe.count(names.METRIC_CYCLE_REFUSED, cycle.context.org)
    return due
