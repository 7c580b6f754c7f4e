"""The ledger counted again from its raw items, by other code than the one that keeps it, and held against everything it moved.

Entries are the truth; heads, counters by hour and day, campaigns, mails, evidence and subscribers' rows must all be sums of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from revenue_engine.attribution.models import MODELS, PRIMARY
from revenue_engine.aws.items import Item, decode
from revenue_engine.records.evidence import TOOK_DAYS
from revenue_engine.records.subscriber import unpack

_VIEWS = frozenset({PRIMARY, *MODELS})
_BY_CURRENCY = ("provisional_micros", "approved_micros", "unattributed_micros", "held_micros")
_IN_ORG_CURRENCY = ("reported_provisional_micros", "reported_approved_micros", "conversions", "base_conversions")
_OF_OFFERS = ("capped_conversions", "capped_micros", "held_conversions")
_OF_MAILS = (
    "mailed_conversions",
    "revenue_micros",
    "reward_micros",
    "conversion_micros",
    "reversed",
    *(f"took_{n}" for n in TOOK_DAYS),
)
Sums = defaultdict[tuple[str, str], int]  # (where, name) → n


def _sums() -> Sums:
    return defaultdict(int)


@dataclass(slots=True)
class Recount:
    """Sums of the ledger's entries alone, and everything that did not fit."""

    days: Sums = field(default_factory=_sums)
    hours: Sums = field(default_factory=_sums)
    capped: Sums = field(default_factory=_sums)
    campaigns: Sums = field(default_factory=_sums)
    sends: Sums = field(default_factory=_sums)
    evidence: Sums = field(default_factory=_sums)
    rows: Sums = field(default_factory=_sums)
    by_transaction: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    entries: int = 0
    doubtful: int = 0
    mismatches: list[str] = field(default_factory=list)

    def kept(self, kind: str) -> dict[str, int]:
        """One of provisional | approved | unattributed | held, by currency, zeros left out."""
        found: Counter[str] = Counter()
        for (_, name), n in self.days.items():
            if name.startswith(f"{kind}_micros#"):
                found[name.partition("#")[2]] += n
        return {currency: micros for currency, micros in sorted(found.items()) if micros}

    @property
    def conversions(self) -> int:
        """Conversions and later events, less those taken back."""
        return sum(n for (_, name), n in self.days.items() if name == "conversions")


def scan(dynamodb: Any, table: str) -> Iterator[Item]:
    """Every item of a table, decoded."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        for attributes in page["Items"]:
            yield decode(attributes)


def recount(ledger: Iterable[Item], org: str) -> Recount:
    """M1, M2: each entry's shares add up to its amount in every model, and each head is the sum of its entries."""
    counted = Recount()
    items = [item for item in ledger if item["pk"].startswith(f"{org}#")]
    heads = {item["pk"]: item for item in items if item["sk"] == "head"}
    sums: dict[str, Counter[str]] = {key: Counter() for key in heads}
    for item in sorted(items, key=lambda item: (item["pk"], item["sk"])):
        if not item["sk"].startswith("entry#"):
            continue
        if item["pk"] in heads:
            _count_entry(counted, item, sums[item["pk"]])
        else:
            counted.mismatches.append(f"{item['pk']} has entries and no head")
    for key, head in heads.items():
        counted.doubtful += max(len(head["facts"]["claims"]) - 1, 0)
        kept = {name: n for name, n in head["position"]["amounts"].items() if n} | {"entries": head["entries"]}
        if kept != {name: n for name, n in sums[key].items() if n}:
            counted.mismatches.append(f"the head of {key} is not the sum of its entries")
    return counted


def _count_entry(counted: Recount, item: Item, sums: Counter[str]) -> None:
    position = item["position"]
    place, amounts = position["place"], position["amounts"]
    currency, delta = place["currency"], amounts["provisional_micros"] + amounts["approved_micros"]
    shares = {model: sum(share["micros"] for share in given) for model, given in position["attribution"].items()}
    if set(shares) != _VIEWS:
        counted.mismatches.append(f"{item['pk']} {item['sk']} is not attributed by every model: {sorted(shares)}")
    for model, given in shares.items():
        if given + amounts["unattributed_micros"] != delta:
            counted.mismatches.append(f"{item['pk']} {item['sk']}: shares of {model} do not add up")
    counted.entries += 1
    sums.update(amounts | {"entries": 1})
    counted.by_transaction[item["pk"].split("#")[2]] += delta
    for name in _BY_CURRENCY:
        counted.days[place["day"], f"{name}#{currency}"] += amounts[name]
        counted.hours[place["hour"], f"{name}#{currency}"] += amounts[name]
    base = item["pk"].count("#") == 3 and "#conversion#" in item["pk"]
    amounts = {**amounts, "base_conversions": amounts["conversions"] if base else 0}
    for name in _IN_ORG_CURRENCY:
        counted.days[place["day"], name] += amounts[name]
        counted.hours[place["hour"], name] += amounts[name]
        if place["send_id"] is not None:
            counted.days[place["day"], f"{name}@{place['offer']}"] += amounts[name]
            counted.hours[place["hour"], f"{name}@{place['offer']}"] += amounts[name]
            counted.days[place["day"], f"{name}%{place['policy']}"] += amounts[name]
            counted.campaigns[f"{place['day']}#{place['campaign']}", name] += amounts[name]
    reported = amounts["reported_provisional_micros"] + amounts["reported_approved_micros"]
    for name, n in (("capped_conversions", amounts["conversions"]), ("capped_micros", reported)):
        counted.days[place["day"], f"{name}@{place['offer']}"] += n
        counted.capped[place["offer"], f"{name}@{place['offer']}"] += n
    if place["send_id"] is None:
        return
    counted.sends[place["send_id"], f"revenue_micros#{currency}"] += delta
    counted.sends[place["send_id"], f"reward_micros#{currency}"] += amounts["reward_micros"]
    counted.sends[place["send_id"], "conversions"] += amounts["conversions"]
    counted.hours[place["hour"], "mailed_conversions"] += amounts["conversions"]
    counted.days[place["day"], f"held_conversions@{place['offer']}"] += amounts["held_conversions"]
    counted.rows[place["subscriber"], "reported"] += reported
    cell = place["cell"]
    where = f"{cell['day']}#{cell['offer']}#{cell['variant']}#{cell['segment']}"
    counted.evidence[where, "conversions"] += amounts["learned_conversions"]
    counted.evidence[where, "conversion_micros"] += amounts["learned_micros"]
    counted.evidence[where, "reversed"] += amounts["reversed_conversions"]
    if cell["took"]:
        counted.evidence[where, f"took_{cell['took']}"] += amounts["learned_conversions"]


def disagreements(
    counted: Recount,
    *,
    control: Iterable[Item],
    sends: Iterable[Item],
    offers: Iterable[Item],
    subscribers: Iterable[Item],
    org: str,
) -> list[str]:
    """Everything that is not the sum of the ledger's entries, in words; [] when the books are in order."""
    kept = {"days": _sums(), "hours": _sums(), "capped": _sums(), "campaigns": _sums(), "sends": _sums(), "evidence": _sums()}
    of_kind = {"day": "days", "counter": "hours", "capped": "capped"}
    for item in control:
        kind, _, rest = item["sk"].partition("#")
        if item["pk"] == f"{org}#counters" and kind in of_kind:
            _collect(kept[of_kind[kind]], rest.split("#")[0], item)
        elif item["pk"] == f"{org}#campaigns":
            _collect(kept["campaigns"], item["sk"], item)
    for item in sends:
        _collect(kept["sends"], item["pk"], item)
    for item in offers:
        if item["sk"].startswith("evidence#"):
            _collect(kept["evidence"], item["sk"].removeprefix("evidence#"), item)
    wrong = list(counted.mismatches)
    for what, found in kept.items():
        wanted = _positive(getattr(counted, what))
        wrong += [
            f"{what} {place[0]} {place[1]}: {found.get(place, 0)}, the ledger says {wanted.get(place, 0)}"
            for place in sorted(set(wanted) | set(_positive(found)))
            if found.get(place, 0) != wanted.get(place, 0)
        ]
    rows = {item["subscriber"]: unpack(item["row"]).revenue_micros for item in subscribers if "row" in item}
    for subscriber, micros in rows.items():
        if micros != counted.rows.get((subscriber, "reported"), 0):
            wrong.append(f"row of {subscriber}: {micros}, the ledger says {counted.rows.get((subscriber, 'reported'), 0)}")
    return wrong


def _collect(sums: Sums, where: str, item: Mapping[str, Any]) -> None:
    for name, n in item.items():
        base = name.split("#")[0].split("@")[0].split("%")[0]
        if base in (
            *_BY_CURRENCY,
            *_IN_ORG_CURRENCY,
            *_OF_OFFERS,
            *_OF_MAILS,
        ):
            sums[where, name] += n


def _positive(sums: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {place: n for place, n in sums.items() if n}
