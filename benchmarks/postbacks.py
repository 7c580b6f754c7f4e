"""Postbacks through the whole of their way: webhook route, bucket, queues, attribute, engage; then the books, counted anew.

    python -m benchmarks.postbacks [--quick] [--json]

Two local planes run side by side, one a core, each the synthesised template's whole system. Their postback queues are made worse
than SQS is: every few hundred messages they are shuffled, and some of it is delivered twice.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from zoneinfo import ZoneInfo

from benchmarks.harness import Result, main
from benchmarks.postback_scene import DOLLARS_A_EURO, ORG, START, ZONE, Scene, prepared
from benchmarks.postback_stream import Postback, Recount, recount, stream
from revenue_engine.aws import names
from revenue_engine.aws.items import Item, decode
from revenue_engine.aws.subscribers import row_of
from revenue_engine.services import quarantine
from workbench.local.plane import Plane

ALL, QUICK = 100_000, 5_000
EVERY = timedelta(seconds=1.728)  # between two postbacks of a plane
PLANES = 2  # one a core
SEED = 20_260_304
WINDOW = 200  # postbacks between two looks of the consumers at their queues
DELIVERED_TWICE = 0.02


@dataclass(frozen=True)
class Books:
    """What was found, or should be found. Money in micros."""

    conversions: Mapping[tuple[str, str], int]  # amount of each
    days: Mapping[date, Mapping[str, int]]  # counters of each org day
    campaigns: Mapping[str, int]  # conversions of each
    mails: Mapping[str, Mapping[str, int]]  # outcome of each
    people: Mapping[str, int]  # revenue of each, in the org's currency
    listed: Mapping[str, int]  # in quarantine, by reason


@dataclass(frozen=True)
class Outcome:
    """Of one plane."""

    seconds: float
    non_2xx: int
    failures: int
    lost: int
    double_booked: int
    booked: int
    listed: Mapping[str, int]
    differences: tuple[str, ...]  # between the books and the recount, by name


def measure(quick: bool) -> Result:
    """One plane a core, each with postbacks, books and a recount of its own."""
    n = QUICK if quick else ALL
    begun = time.perf_counter()
    with ProcessPoolExecutor(PLANES, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(through_a_plane, [n // PLANES] * PLANES, range(SEED, SEED + PLANES)))
    return result_of(n, outcomes, time.perf_counter() - begun)


def result_of(n: int, outcomes: Sequence[Outcome], total_seconds: float) -> Result:
    listed = sum((Counter(outcome.listed) for outcome in outcomes), Counter[str]())
    differences = [name for outcome in outcomes for name in outcome.differences]
    failures = sum(outcome.failures for outcome in outcomes)
    figures = {
        "lost": float(sum(outcome.lost for outcome in outcomes)),
        "double_booked": float(sum(outcome.double_booked for outcome in outcomes)),
        "non_2xx": float(sum(outcome.non_2xx for outcome in outcomes)),
        "books_equal_replay": float(not differences and not failures),
        "postbacks_per_second": n / max(outcome.seconds for outcome in outcomes),
    }
    rows = [
        ("postbacks", f"{n:,} on {len(outcomes)} planes"),
        ("conversions and events booked", f"{sum(outcome.booked for outcome in outcomes):,}"),
        ("in quarantine", ", ".join(f"{name} {count:,}" for name, count in sorted(listed.items()))),
        ("not answered 2xx", f"{figures['non_2xx']:,.0f}"),
        ("lost", f"{figures['lost']:,.0f}"),
        ("booked twice", f"{figures['double_booked']:,.0f}"),
        ("failed invocations", f"{failures:,}"),
        ("books and recount", f"differ in {', '.join(differences)}" if differences else "equal"),
        ("postbacks a second", f"{figures['postbacks_per_second']:,.0f}"),
        ("seconds, with setting up and counting", f"{total_seconds:,.1f}"),
    ]
    return Result("Postbacks through webhook, queues and books", ("what", "value"), rows, figures)


def through_a_plane(n: int, seed: int, window: int = WINDOW) -> Outcome:
    """`n` postbacks of one network through a system of its own, whose consumers look at their queues every `window` postbacks."""
    with Plane.start(now=START) as plane:
        scene = prepared(plane, mails=max(20, n * 2 // 3), seed=seed)
        start = START + timedelta(hours=1)
        postbacks = stream(n, seed=seed, sub1=scene.sub1, start=start, span=n * EVERY, late=3 * window)
        begun = time.perf_counter()
        non_2xx = _tell(scene, postbacks, random.Random(seed), window)
        seconds = time.perf_counter() - begun
        heads = [item for item in _items(scene, names.LEDGER_TABLE) if item["sk"] == "head"]
        expected, found = _books(scene, recount(postbacks)), _found(scene, heads)
        return Outcome(
            seconds=seconds,
            non_2xx=non_2xx,
            failures=len(plane.executor.failures),
            lost=_lost(scene, postbacks, heads),
            double_booked=_double_booked(found, expected),
            booked=len(found.conversions),
            listed=found.listed,
            differences=tuple(name for name in Books.__dataclass_fields__ if getattr(found, name) != getattr(expected, name)),
        )


def _tell(scene: Scene, postbacks: Sequence[Postback], chance: random.Random, window: int) -> int:
    """All of them, each at its time; how many were not answered 2xx."""
    plane, refused = scene.plane, 0
    wrong_path = scene.path.rpartition("/")[0] + "/not-the-token"
    for number, postback in enumerate(postbacks, start=1):
        plane.clock.move_to(postback.at)
        path = wrong_path if postback.reason == "wrong_token" else scene.path
        refused += plane.http("GET", f"{path}?{postback.query}").status // 100 != 2
        if number % window == 0 or number == len(postbacks):
            _shuffle(scene, chance)
            plane.pump.drain()
            gc.freeze()  # what is booked stays: looking for garbage in it again and again takes a tenth of the time
    while (due := plane.pump.next_due()) is not None:  # what failed comes again
        plane.clock.move_to(max(due, plane.clock.now()))
        plane.pump.drain()
    return refused


def _shuffle(scene: Scene, chance: random.Random) -> None:
    """Takes the queue's messages out and puts them back in another order, a few of them twice."""
    sqs, url = scene.plane.client("sqs"), scene.w.value(names.POSTBACKS_QUEUE_URL)
    bodies: list[str] = []
    while taken := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", []):
        bodies += [message["Body"] for message in taken]
        entries = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(taken)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    bodies += [body for body in bodies if chance.random() < DELIVERED_TWICE]
    chance.shuffle(bodies)
    for at in range(0, len(bodies), 10):
        entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[at : at + 10])]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


# --- what should be, and what is ---------------------------------------------------------------------------------------------
def _books(scene: Scene, counted: Recount) -> Books:
    """Every consequence of the recount, summed up by other code than the engine's."""
    days: dict[date, Counter[str]] = defaultdict(Counter)
    mails: dict[str, Counter[str]] = {plan.send_id: Counter() for plan in scene.plans}
    people: dict[str, int] = {plan.subscriber: 0 for plan in scene.plans}
    campaigns: Counter[str] = Counter()
    for told in counted.booked.values():
        day = days[told.at.astimezone(ZoneInfo(ZONE)).date()]
        day.update({f"provisional_micros#{told.currency}": told.micros, "conversions": 1})
        if told.mail is None:
            day[f"unattributed_micros#{told.currency}"] += told.micros
            continue
        plan = scene.plans[told.mail]
        mails[plan.send_id].update({f"revenue_micros#{told.currency}": told.micros, "conversions": 1})
        people[plan.subscriber] += round(told.micros * (DOLLARS_A_EURO if told.currency == "EUR" else 1))
        campaigns[plan.campaign] += 1
    amounts = {key: told.micros for key, told in counted.booked.items()}
    return Books(amounts, dict(days), campaigns, mails, people, counted.listed)


def _found(scene: Scene, heads: Sequence[Item]) -> Books:
    """What the tables say."""
    w = scene.w
    amounts = {
        (kind, transaction): head["provisional_micros"] for head in heads for _, kind, transaction, _ in [head["pk"].split("#")]
    }
    wanted = (
        "provisional_micros#USD",
        "provisional_micros#EUR",
        "unattributed_micros#USD",
        "unattributed_micros#EUR",
        "conversions",
    )
    first, last = (at.astimezone(ZoneInfo(ZONE)).date() for at in (START, scene.plane.clock.now()))
    days = w.counters.day_counters(ORG, first, last, only=wanted)
    by_campaign, _ = w.counters.campaign_counters(ORG, first, last, most=10**6)
    campaigns = {name: sums["conversions"] for name, sums in by_campaign.items()}
    outcome = ("revenue_micros#USD", "revenue_micros#EUR", "conversions")
    mails = {send["pk"]: {name: send[name] for name in outcome if name in send} for send in _items(scene, names.SENDS_TABLE)}
    people = {item["subscriber"]: row_of(item).revenue_micros for item in _items(scene, names.SUBSCRIBERS_TABLE) if "row" in item}
    listed = Counter(entry["reason"] for entry in quarantine.listed(w, ORG))
    return Books(amounts, {day: sums for day, sums in days.items() if any(sums.values())}, campaigns, mails, people, listed)


def _lost(scene: Scene, postbacks: Sequence[Postback], heads: Sequence[Item]) -> int:
    """Accepted postbacks whose raw object is not there word for word, or of which neither books nor quarantine know."""
    kept: Counter[str] = Counter()
    receipts: dict[str, str] = {}
    for key in scene.w.postbacks.keys(f"raw/{ORG}/"):
        raw = json.loads(scene.w.postbacks.get(key) or b"{}")
        kept[raw["query"]] += 1
        receipts[raw["query"]] = raw["receipt_id"]
    listed = {entry["receipt_id"] for entry in quarantine.listed(scene.w, ORG)}
    claimed: dict[tuple[str, str], set[int]] = {}
    for head in heads:
        _, kind, transaction, _ = head["pk"].split("#")
        claimed[kind, transaction] = {claim["amount_micros"] for claim in head["facts"]["claims"]}
    return sum(
        kept[told.query] != 1 or (receipts[told.query] not in listed and told.micros not in claimed.get(told.key, ()))
        for told in postbacks
    )


def _double_booked(found: Books, expected: Books) -> int:
    """Conversions and mails with more than they should have."""
    more = sum(micros > expected.conversions.get(key, 0) for key, micros in found.conversions.items())
    empty: dict[str, int] = {}
    return more + sum(
        any(amount > expected.mails.get(send_id, empty).get(name, 0) for name, amount in outcome.items())
        for send_id, outcome in found.mails.items()
    )


def _items(scene: Scene, variable: str) -> list[Item]:
    pages = scene.plane.client("dynamodb").get_paginator("scan").paginate(TableName=scene.w.value(variable))
    return [decode(item) for page in pages for item in page["Items"]]


if __name__ == "__main__":
    main(__doc__ or "", measure)
