"""Deliveries, opens and clicks: each is booked once, and what it teaches about those before it is booked with it (P2, D2)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from revenue_engine.aws import names, observe
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.queues import Message
from revenue_engine.aws.subscribers import ERASED, row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, parse_iso, utc_hour
from revenue_engine.errors import Contention
from revenue_engine.intake.engagement import OUTCOME_NAMES, Engagement, Seen, difference, judged, outcome, sums
from revenue_engine.intake.human import Interaction, Verdict, interaction_of
from revenue_engine.intake.ses import DEFERRALS, SesEvent
from revenue_engine.records.subscriber import apply_touch, forget_click, remember_click, retract_touch

ATTEMPTS = 8
LOOK_AGAIN_SECONDS = 3_600
SILENT_SECONDS = 7 * 86_400  # who is decided again within a week is not silent: an open or a sale needs no other look
LONGEST_WINDOW_DAYS = 90  # of attribution, by the controls' own limit
MOST_REVISIONS = 30  # verdicts changed in one transaction, which holds 100 actions
_LAST = datetime(2100, 1, 1, tzinfo=UTC)


def take_touch(w: Wiring, event: SesEvent, send: Item, *, now: datetime) -> str:
    """One delivery, open or click. Returns delivery | human_open | machine_open | human_click | machine_click, or `repeated`."""
    org, subscriber = send["org"], send["subscriber"]
    said = ""
    for _ in range(ATTEMPTS):
        items = w.timeline.of_mail(org, subscriber, send["pk"], since=event.mail_at)
        before = _engagement(items, event.mail_at)
        key = w.timeline.sort_key(event.at, event.kind, event.dedupe_id)
        is_new = all(item["sk"] != key for item in items)
        after, left_over = _revised(before, _with(before, event, key) if is_new else before)
        touch = _touch(after, key, event.kind)
        if not is_new:
            said = said or "repeated"
            if after == before:
                # the last attempt may have died before it looked, and have revised any verdict on the mail
                _look_at_conversions(w, org, subscriber, since=event.mail_at)
                return said
        answers = _answers(before, after)
        if answers:
            # a click's interest is decided on while it is fresh, any answer ends a silence; caps and gaps are the next decision's to keep
            w.subscribers.pull_forward(
                org,
                subscriber,
                at=max(epoch_seconds(one.at) for one in answers) + LOOK_AGAIN_SECONDS,
                now=epoch_seconds(now),
                if_beyond=0 if any(one.kind == "click" for one in answers) else SILENT_SECONDS,
            )
        try:
            commit(_actions(w, event, send, before, after, key=key if is_new else "", put_off=_put_off(items)))
        except TransactionCancelled:
            send = w.sends.get(send["pk"]) or send  # somebody wrote meanwhile: look again
            continue
        said = said or touch
        if is_new and touch == "human_click":
            observe.count(names.METRIC_HUMAN_CLICKS, org)
        news = [one.interaction.at for one in _revisions(before, after)]
        news += [event.at] if touch in ("human_open", "human_click") else []
        if news:
            _look_at_conversions(w, org, subscriber, since=min(news))
        if not left_over:
            return said
    raise Contention(f"send {send['pk']} kept changing")


def _answers(before: Engagement, after: Engagement) -> list[Interaction]:
    """Of a person who was not known to have answered so: new touches, and those that were a machine's before."""
    known = {one.key for one in before.seen if one.verdict.human}
    return [one.interaction for one in after.seen if one.verdict.human and one.key not in known]


def _engagement(items: list[Item], mail_at: datetime) -> Engagement:
    """As it stands on the timeline."""
    deliveries = (_time(item) for item in items if item["kind"] == "delivery")
    touches = (item for item in items if item["kind"] in ("open", "click"))
    return Engagement(mail_at, tuple(deliveries), tuple(_seen(item) for item in touches))


def _put_off(items: list[Item]) -> bool:
    """Whether the mailbox provider let the mail wait because it wants less of ours."""
    return any(item.get("delay_type") in DEFERRALS for item in items)


def _seen(item: Item) -> Seen:
    shown = Interaction(item["kind"], _time(item), item["agent"], item["link"], item["honeypot"], item["data_centre"])
    return Seen(item["sk"], shown, Verdict(item["human"], item["human_probability"], tuple(item["signs"])))


def _time(item: Item) -> datetime:
    return parse_iso(item["sk"].split("#", 1)[0])


def _with(before: Engagement, event: SesEvent, key: str) -> Engagement:
    if event.kind == "delivery":
        return replace(before, deliveries=(*before.deliveries, event.at))
    return replace(before, seen=(*before.seen, Seen(key, interaction_of(event))))


def _revised(before: Engagement, now: Engagement) -> tuple[Engagement, bool]:
    """With today's verdicts, as many as one transaction can change; and whether some are left over for the next."""
    after, known = judged(now), {one.key: one for one in before.seen}
    late = _revisions(before, after)[MOST_REVISIONS:]
    kept = {one.key: known[one.key] for one in late}
    return replace(after, seen=tuple(kept.get(one.key, one) for one in after.seen)), bool(late)


def _revisions(before: Engagement, after: Engagement) -> list[Seen]:
    """What was judged otherwise before, oldest first."""
    known = {one.key: one.verdict for one in before.seen}
    changed = (one for one in after.seen if known.get(one.key, one.verdict) != one.verdict)
    return sorted(changed, key=lambda one: one.key)


def _touch(after: Engagement, key: str, kind: str) -> str:
    return next((one.touch for one in after.seen if one.key == key), kind)


def _actions(
    w: Wiring, event: SesEvent, send: Item, before: Engagement, after: Engagement, *, key: str, put_off: bool
) -> list[dict[str, Any]]:
    """One transaction: the new event (`key`, if it is one) with its verdict, the verdicts it revises, and every sum that changes."""
    org, subscriber = send["org"], send["subscriber"]
    actions = []
    facts: Item = {"send_id": send["pk"], "offer": send["offer"], "variant": send["variant"]}
    new = next((one for one in after.seen if one.key == key), None)
    if new is not None:
        shown = new.interaction
        facts |= {"agent": shown.agent, "link": shown.link, "honeypot": shown.honeypot, "data_centre": shown.data_centre}
        facts |= _verdict_facts(new.verdict)
    if key:
        actions.append(w.timeline.recording(org, subscriber, at=event.at, kind=event.kind, event_id=event.dedupe_id, facts=facts))
    revised = _revisions(before, after)
    actions += [w.timeline.revising(org, subscriber, one.key, _verdict_facts(one.verdict)) for one in revised]
    delivered_at = event.at if key and new is None else None
    actions += _row_actions(w, org, subscriber, before, after, delivered_at=delivered_at, topic=send.get("topic", 0))
    # delivered, and never put off: what came back and was counted as the provider's return was a reader's automatic reply
    no_return = delivered_at is not None and "deferred_at" in send and not put_off
    now_out, was_out = outcome(after), outcome(before)
    actions.append(
        w.sends.engaging(
            send["pk"],
            read=send.get(names.ENGAGEMENTS, 0),
            facts=now_out,
            gone=[*(name for name in OUTCOME_NAMES if name not in now_out), *(["deferred_at"] if no_return else [])],
            deferred="deferred_at" in send,
            first_click_moved=now_out.get("first_human_click_at") != was_out.get("first_human_click_at"),
        )
    )
    of = {"offer": send["offer"], "provider": send["provider"]}
    change = difference(sums(after, **of), sums(before, **of))
    cells: dict[str, dict[str, int]] = defaultdict(dict)
    for (day, name), n in change.evidence.items():
        cells[day][name] = n
    arm = {"offer": send["offer"], "variant": send["variant"], "segment": send["segment"]}
    actions += [w.offers.adding_evidence(org, day=day, amounts=amounts, **arm) for day, amounts in cells.items()]
    zone = w.parameters.last_zone(org)
    hours: dict[str, Counter[str]] = defaultdict(Counter)
    days: dict[Any, Counter[str]] = defaultdict(Counter)
    capped: Counter[str] = Counter()
    for (at, name), n in change.counters.items():
        (capped if name.startswith("capped_") else hours[utc_hour(at)])[name] += n
        days[day_in(at, zone)][name] += n
    if no_return:
        hours[utc_hour(event.mail_at)][name := f"deferrals#{send['provider']}"] -= 1
        days[day_in(event.mail_at, zone)][name] -= 1
    actions += w.counters.capping(org, capped, shard_by=event.dedupe_id)
    for hour, amounts in hours.items():
        actions += w.counters.hour(org, hour, amounts, shard_by=event.dedupe_id)
    for day, amounts in days.items():
        actions += w.counters.money(org, day, amounts, shard_by=event.dedupe_id)
    return actions


def _verdict_facts(verdict: Verdict) -> Item:
    return {"human": verdict.human, "human_probability": verdict.probability, "signs": list(verdict.signs)}


def _row_actions(
    w: Wiring, org: str, subscriber: str, before: Engagement, after: Engagement, *, delivered_at: datetime | None, topic: int
) -> list[dict[str, Any]]:
    person = w.subscribers.get(org, subscriber)
    if person is None or person["status"] == ERASED:  # the mail's outcome still counts
        return []
    row = read = row_of(person)
    if delivered_at is not None:
        row = apply_touch(row, kind="delivery", at=epoch_seconds(delivered_at))
    was = {one.key: one.touch for one in before.seen}
    for one in after.seen:
        at = epoch_seconds(one.interaction.at)
        if was.get(one.key) == one.touch:
            continue
        if one.key in was:
            newest = _newest_human(w, org, subscriber, one.interaction.kind, after)
            row = retract_touch(row, kind=was[one.key], at=at, newest=newest)
        row = apply_touch(row, kind=one.touch, at=at)
    clicked, had_clicked = _clicked(after), _clicked(before)
    if clicked != had_clicked:
        remember = remember_click if clicked else forget_click
        row = remember(row, topic, sent_at=epoch_seconds(after.mail_at))
    if row == read:
        return []
    return [w.subscribers.writing_row(org, subscriber, row=row, read_version=person["version"], must_be_mailable=False)]


def _clicked(mail: Engagement) -> bool:
    return any(one.touch == "human_click" for one in mail.seen)


def _newest_human(w: Wiring, org: str, subscriber: str, kind: str, after: Engagement) -> int:
    """A person's newest touch of this kind that stands, epoch seconds, 0 = none. Read when a verdict changes, which is rare."""
    judged_now = {one.key: one.verdict.human for one in after.seen}
    known = w.timeline.between(org, subscriber, start=datetime(2000, 1, 1, tzinfo=UTC), end=_LAST)
    stand = (item for item in known if item["kind"] == kind and judged_now.get(item["sk"], item["human"]))
    new = (one.interaction.at for one in after.seen if one.touch == f"human_{kind}")
    return max((epoch_seconds(at) for at in (*map(_time, stand), *new)), default=0)


def _look_at_conversions(w: Wiring, org: str, subscriber: str, *, since: datetime) -> None:
    """A touch, or a verdict on one, that comes to light after its conversion changes who gets credit: attribute reckons again."""
    until = since + timedelta(days=LONGEST_WINDOW_DAYS)
    later = w.timeline.between(org, subscriber, start=since, end=until)
    keys = dict.fromkeys(item["key"] for item in later if item["kind"] == "conversion")
    bodies = [json.dumps({"kind": "reattribute", "org": org, "key": key}) for key in keys]
    if bodies:
        w.postbacks_queue.send([Message(body) for body in bodies])
