"""The books counted again from the raw items, by other code than the one that keeps them, and compared with what the world knows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from revenue_engine.attribution.models import MODELS, PRIMARY
from revenue_engine.aws.items import Item, decode
from revenue_engine.records.subscriber import unpack
from workbench.simulation.truth import Truth

_VIEWS = frozenset({PRIMARY, *MODELS})
_KINDS = ("provisional", "approved", "unattributed")


@dataclass(slots=True)
class Recount:
    """Totals by currency, micros, from the ledger's entries alone; and everything that did not fit."""

    provisional: Counter[str] = field(default_factory=Counter)
    approved: Counter[str] = field(default_factory=Counter)
    unattributed: Counter[str] = field(default_factory=Counter)
    attributed: Counter[str] = field(default_factory=Counter)  # of entries with a mail of ours
    by_send: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))  # (send, currency)
    by_transaction: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    conversions: int = 0  # ledger keys: conversions and later events
    entries: int = 0
    doubtful: int = 0
    mismatches: list[str] = field(default_factory=list)

    def kept(self, kind: str) -> dict[str, int]:
        """One of provisional | approved | unattributed, zeros left out."""
        return {currency: micros for currency, micros in sorted(getattr(self, kind).items()) if micros}


def scan(dynamodb: Any, table: str) -> Iterator[Item]:
    """Every item of a table, decoded."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        for attributes in page["Items"]:
            yield decode(attributes)


def recount(ledger: list[Item], org: str) -> Recount:
    """M1, M2: each entry's shares add up to its amount in every model, and each head is the sum of its entries."""
    counted = Recount()
    heads = {item["pk"]: item for item in ledger if item["sk"] == "head" and item["pk"].startswith(f"{org}#")}
    sums: dict[str, list[int]] = {key: [0, 0, 0] for key in heads}
    for item in sorted(ledger, key=lambda item: (item["pk"], item["sk"])):
        if item["sk"].startswith("doubtful#"):
            counted.doubtful += 1
        if item["sk"].startswith("entry#"):
            _count_entry(counted, item, sums)
    counted.conversions = len(heads)
    for key, head in heads.items():
        if [head["provisional_micros"], head["approved_micros"], head["entries"]] != sums[key]:
            counted.mismatches.append(f"the head of {key} is not the sum of its entries")
    return counted


def _count_entry(counted: Recount, item: Item, sums: dict[str, list[int]]) -> None:
    key, currency = item["pk"], item["currency"]
    delta = item["provisional_delta_micros"] + item["approved_delta_micros"]
    shares = {model: sum(share["micros"] for share in given) for model, given in item["attribution"].items()}
    if delta and _VIEWS != set(shares):
        counted.mismatches.append(f"{key} {item['sk']} is not attributed by every model: {sorted(shares)}")
    for model, given in shares.items():
        if given + item["unattributed_micros"] != delta:
            counted.mismatches.append(f"{key} {item['sk']}: shares of {model} do not add up")
    counted.entries += 1
    counted.provisional[currency] += item["provisional_delta_micros"]
    counted.approved[currency] += item["approved_delta_micros"]
    counted.unattributed[currency] += item["unattributed_micros"]
    counted.by_transaction[key.split("#")[2]] += delta
    if item.get("send_id") is not None:
        counted.attributed[currency] += delta
        counted.by_send[item["send_id"], currency] += delta
    if key not in sums:
        counted.mismatches.append(f"{key} has entries and no head")
        return
    for place, amount in enumerate((item["provisional_delta_micros"], item["approved_delta_micros"], 1)):
        sums[key][place] += amount


def counters_of(control: list[Item], org: str) -> Counter[str]:
    """All hours' counters of an org, summed."""
    total: Counter[str] = Counter()
    for item in control:
        if item["pk"] == f"{org}#counters" and item["sk"].startswith("counter#"):
            total.update({name: value for name, value in item.items() if name not in ("pk", "sk", "expires_at")})
    return total


def compare(truth: Truth, counted: Recount, counters: Mapping[str, int], sends: list[Item], subscribers: list[Item]) -> list[str]:
    """Everything that does not agree, in words; [] when the books are in order."""
    wrong = list(counted.mismatches)

    def equal(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"{what}: {found}, should be {wanted}")

    for kind in _KINDS:
        kept = {
            name.partition("#")[2]: n
            for name, n in counters.items()
            if name.startswith(f"{kind}_micros#") and "@" not in name and n
        }
        equal(f"counters of {kind} money and the ledger", kept, counted.kept(kind))
    equal("the counter of conversions and the ledger", counters.get("conversions", 0), counted.conversions)
    equal("provisional money and what postbacks said", counted.kept("provisional"), truth.provisional_micros())
    equal("approved money and what the report said", counted.kept("approved"), truth.approved_micros())
    equal("conversions in the ledger and in the world", counted.conversions, truth.conversions())
    equal("doubtful postbacks kept", counted.doubtful, truth.doubtful)
    wrong += _transactions(truth, counted)
    by_send = {
        (send["pk"], name.partition("#")[2]): micros
        for send in sends
        for name, micros in send.items()
        if name.startswith("revenue_micros#") and micros
    }
    equal("money on the mails and in the ledger", by_send, {key: micros for key, micros in counted.by_send.items() if micros})
    rows = sum(unpack(person["row"]).revenue_micros for person in subscribers if "row" in person)
    equal("money on the subscribers and in the ledger", rows, sum(counted.attributed.values()))
    for name in ("human_opens", "machine_opens", "human_clicks", "machine_clicks", "complaints", "unsubscribes", "delivered"):
        equal(f"counter {name} and the world", counters.get(name, 0), getattr(truth, name))
    equal("counter sent and mails accepted", counters.get("sent", 0), truth.accepted)
    equal("counter bounces and the world", counters.get("bounces", 0), truth.hard_bounces)
    equal("outbox rows in state SENT and mails accepted", sum(send["state"] == "SENT" for send in sends), truth.accepted)
    return wrong


def _transactions(truth: Truth, counted: Recount) -> list[str]:
    """Each click's money by itself: a sum could hide two errors."""
    known: dict[str, int] = defaultdict(int)
    for deal in truth.deals:
        known[deal.transaction_id] += deal.approved_micros if deal.reported else deal.posted_micros or 0
    return [
        f"transaction {transaction}: {counted.by_transaction.get(transaction, 0)} micros booked, {known.get(transaction, 0)} paid"
        for transaction in sorted(set(known) | set(counted.by_transaction))
        if counted.by_transaction.get(transaction, 0) != known.get(transaction, 0)
    ]
