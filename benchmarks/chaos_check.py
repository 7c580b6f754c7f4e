"""What came of it, counted from the mails that the provider took, what passed on the wire, and the tables' raw items."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from itertools import pairwise
from typing import Any

from benchmarks.chaos_play import Play
from benchmarks.chaos_scene import GAP_HOURS, ORG, PER_WEEK
from revenue_engine.aws import names
from revenue_engine.aws.items import Item
from workbench.simulation.recount import disagreements, recount, scan

_FINAL = ("SENT", "FAILED", "DROPPED")


@dataclass(frozen=True)
class Letter:
    """One MIME message."""

    moment: int  # of the play's order
    at: float  # epoch seconds
    day: str
    address: str
    send_id: str


@dataclass(frozen=True)
class Verdict:
    """Of one play."""

    due: int  # people whose time had come at the first cycle
    decided: int  # people of whom there is a receipt
    planned: int  # mails that receipts say were decided
    mails: int
    double_mails: int
    lost_sends: int
    after_opt_out: int
    cap_violations: int
    states: dict[str, int]
    wrong: tuple[str, ...]  # what is not equal in the books, in words


def examine(play: Play, *, daily_cap: int) -> Verdict:
    """Everything that should be zero, and the books."""
    w, dynamodb = play.scene.w, play.plane.client("dynamodb")

    def items(variable: str) -> list[Item]:
        return list(scan(dynamodb, w.value(variable)))

    receipts = _receipts(play)
    letters = [_letter(moment, mail) for moment, mail in play.seen.mails]
    sends = {item["pk"]: item for item in items(names.SENDS_TABLE)}
    return Verdict(
        due=play.due,
        decided=len({line["subscriber"] for line in receipts}),
        planned=sum(line["mailed"] for line in receipts),
        mails=len(letters),
        double_mails=sum(n - 1 for n in Counter(letter.send_id for letter in letters).values()),
        lost_sends=_lost(play, receipts, letters, sends),
        after_opt_out=_after_opt_out(play, letters),
        cap_violations=_cap_violations(letters, daily_cap),
        states=dict(Counter(item["state"] for item in sends.values())),
        wrong=tuple(_wrong_books(play, letters, list(sends.values()), items)),
    )


def _receipts(play: Play) -> list[dict[str, Any]]:
    s3, bucket = play.plane.client("s3"), play.scene.w.value(names.DECISIONS_BUCKET)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"decisions/{ORG}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    raw = (gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys)
    return [json.loads(line) for page in raw for line in page.splitlines()]


def _letter(moment: int, mail: Any) -> Letter:
    head = message_from_bytes(mail.mime)
    # the opt-out token names person and mail: of 1 + 3 × 26 characters the second 26 are the mail's
    token = str(head["List-Unsubscribe"]).strip("<>").rpartition("/")[2]
    return Letter(moment, mail.accepted_at.timestamp(), f"{mail.accepted_at:%Y-%m-%d}", str(head["To"]), token[27:53])


def _lost(play: Play, receipts: list[dict[str, Any]], letters: list[Letter], sends: dict[str, Item]) -> int:
    """Decided or queued mails without one final state, mails whose state does not say that they left, and states that say so of none."""
    kept = Counter(item["decision_id"] for item in sends.values() if item["state"] in _FINAL)
    decided = {line["decision_id"] for line in receipts if line["mailed"]}
    lost: int = sum(kept[decision] != 1 for decision in decided)
    lost += sum(send not in sends for send in play.seen.planned)
    left = {letter.send_id for letter in letters}
    lost += sum(send not in sends or sends[send]["state"] != "SENT" for send in left)
    lost += sum(item["state"] == "SENT" and send not in left for send, item in sends.items())
    return lost


def _after_opt_out(play: Play, letters: list[Letter]) -> int:
    """Mails to people who had opted out before the mail was claimed; one that nobody claimed counts as claimed when it left."""
    seen, found = play.seen, 0
    for letter in letters:
        out = seen.opt_outs.get(play.scene.subscriber_of[letter.address])
        found += out is not None and out < min(letter.moment, seen.claims.get(letter.send_id, letter.moment))
    return found


def _cap_violations(letters: list[Letter], daily_cap: int) -> int:
    """Mails beyond a day's budget, sooner after another than the gap, or beyond a person's week."""
    over = sum(max(0, n - daily_cap) for n in Counter(letter.day for letter in letters).values())
    times: dict[str, list[float]] = defaultdict(list)
    for letter in letters:
        times[letter.address].append(letter.at)
    week = timedelta(days=7).total_seconds()
    for person in times.values():
        person.sort()
        over += sum(later - earlier < GAP_HOURS * 3_600 for earlier, later in pairwise(person))
        over += sum(later - first < week for first, later in zip(person, person[PER_WEEK:], strict=False))
    return over


def _wrong_books(play: Play, letters: list[Letter], sends: list[Item], items: Any) -> list[str]:
    """The ledger against what was posted, everything that moves with it, and the counters against what the world told."""
    control, seen = items(names.CONTROL_TABLE), play.seen
    counted = recount(items(names.LEDGER_TABLE), ORG)
    wrong = disagreements(
        counted,
        control=control,
        sends=sends,
        offers=items(names.OFFERS_TABLE),
        subscribers=items(names.SUBSCRIBERS_TABLE),
        org=ORG,
    )
    booked = {transaction: micros for transaction, micros in counted.by_transaction.items() if micros}
    if booked != seen.posted_micros:
        differ = {t for t in booked.keys() | seen.posted_micros.keys() if booked.get(t) != seen.posted_micros.get(t)}
        wrong.append(f"{len(differ)} transactions are booked with another amount than was posted")
    days = [item for item in control if item["pk"] == f"{ORG}#counters" and item["sk"].startswith("day#")]
    totals: Counter[str] = Counter()
    for item in days:
        totals.update({name: n for name, n in item.items() if isinstance(n, int) and name != "expires_at"})
    expected = {
        "sent": len(letters),
        "delivered": seen.world["delivered"],
        "bounces": seen.world["bounces"],
        "complaints": seen.world["complaints"],
        "conversions": len(seen.posted_micros),
    }
    wrong += [f"counter {name}: {totals[name]}, seen {n}" for name, n in expected.items() if totals[name] != n]
    clicks = totals["human_clicks"] + totals["machine_clicks"]
    if clicks != seen.world["human_clicks"]:
        wrong.append(f"clicks: {clicks}, seen {seen.world['human_clicks']}")
    if seen.not_2xx:
        wrong.append(f"{seen.not_2xx} requests from outside were not answered 2xx")
    return wrong
