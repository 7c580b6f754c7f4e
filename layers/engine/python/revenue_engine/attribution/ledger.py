"""The books of one conversion: new facts change where they stand, and the difference is an entry (M1, M2).

Entries are only ever added; the head keeps the facts, where the books stand and what the entries sum to, and `fold` recounts it.

Keys: the first conversion of an arrival key lives under `key_for(arrival)`, another `conversion_id` of the same key (a rebill,
an allowed duplicate) under `key_for(arrival, 1)`, and so on: the caller asks `is_other_conversion`, and goes on with the next n.
Which conversion id sits under which n depends on who came first, the sum over all n does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from revenue_engine.attribution.facts import Facts, merge
from revenue_engine.attribution.models import MODELS, PRIMARY
from revenue_engine.attribution.position import Amounts, Attribution, Position, Rules, counted_touches, position
from revenue_engine.records.conversion import Allocation, Arrival

_NOTHING = Amounts()
_AMOUNTS = tuple(field.name for field in fields(Amounts))


@dataclass(frozen=True, slots=True)
class Entry:
    """One append-only ledger entry (M2): what changed in one place of the books."""

    entry_kind: str  # provisional | approved | adjusted | rejected | reversed | reattributed | held | released
    position: Position  # `amounts` and `attribution` are differences, `place` says of what
    source: str  # postback | report | touch | operator | reconcile
    receipt_id: str
    booked_at: datetime

    @property
    def delta_micros(self) -> int:
        """What the entry changes in total revenue, provisional and approved together."""
        return self.position.amounts.total_micros


@dataclass(frozen=True, slots=True)
class Head:
    """The facts of one key, and where the books stand by them."""

    facts: Facts
    rules: Rules
    position: Position
    entries: int
    version: int  # +1 with every write


@dataclass(frozen=True, slots=True)
class Change:
    """What new facts do: the head they lead to, and the entries `head.entries - len(entries) + 1 …`. No entry: no money moved."""

    head: Head
    entries: tuple[Entry, ...]


def key_for(arrival: Arrival, n: int = 0) -> str:
    """The ledger's partition key of the arrival key's n-th conversion, `…#n` from the second on."""
    return f"{arrival.key}#{n}" if n else arrival.key


def is_other_conversion(head: Head | None, arrival: Arrival) -> bool:
    """Whether the report's row is another conversion of the same arrival key than the one booked here."""
    known = head.facts.reported if head else None
    return arrival.source == "report" and known is not None and known.conversion_id != arrival.conversion_id


def settle(head: Head | None, facts: Facts, *, rules: Rules, source: str, receipt_id: str, booked_at: datetime) -> Change | None:
    """The books with these facts added; None when they are no news. `rules` are today's: an open head has its own."""
    rules = head.rules if head else rules
    known = _known(head, facts, rules)
    if head is not None and known == head.facts:
        return None
    before, after = (head.position if head else None), position(known, rules)
    changes = _differences(before, after)
    if not changes and (before is None or before.state != after.state):  # a new state is on record, be it worth nothing
        changes = [replace(after, amounts=_NOTHING, attribution=_minus_shares({}, {}))]
    kind = _kind(before, after)
    entries = tuple(Entry(kind, change, source, receipt_id, booked_at) for change in changes)
    number, version = (head.entries, head.version) if head else (0, 0)
    return Change(Head(known, rules, after, number + len(entries), version + 1), entries)


def is_news(head: Head, facts: Facts) -> bool:
    """Whether these facts would change the head."""
    return _known(head, facts, head.rules) != head.facts


def _known(head: Head | None, facts: Facts, rules: Rules) -> Facts:
    known = merge(head.facts, facts) if head else facts
    return replace(known, touches=counted_touches(known, rules))


def _differences(before: Position | None, after: Position) -> list[Position]:
    """What has to be added to get from one to the other; first the old place is emptied, when the money moves to a new one."""
    moves: list[tuple[Position | None, Position | None]]
    if before is None:
        moves = [(None, after)]
    elif before.place == after.place:
        moves = [(before, after)]
    else:
        moves = [(before, None), (None, after)]
    changes = []
    for old, new in moves:
        shown = new or old
        assert shown is not None
        change = replace(
            shown,
            amounts=minus(new.amounts if new else _NOTHING, old.amounts if old else _NOTHING),
            attribution=_minus_shares(new.attribution if new else {}, old.attribution if old else {}),
        )
        if change.amounts != _NOTHING or any(change.attribution.values()):
            changes.append(change)
    return changes


def minus(a: Amounts, b: Amounts) -> Amounts:
    """The difference, name by name."""
    return Amounts(**{name: getattr(a, name) - getattr(b, name) for name in _AMOUNTS})


def _minus_shares(new: Attribution, old: Attribution) -> Attribution:
    """Per model and mail; each mail's new weight beside it, so that the latest entry says how credit is shared now."""
    shares: dict[str, tuple[Allocation, ...]] = {}
    for model in (PRIMARY, *MODELS):
        now, was = ({share.send_id: share for share in given.get(model, ())} for given in (new, old))
        nothing = Allocation("", 0.0, 0)
        changed = [
            Allocation(mail, now.get(mail, nothing).weight, now.get(mail, nothing).micros - was.get(mail, nothing).micros)
            for mail in dict.fromkeys((*now, *was))
            if now.get(mail) != was.get(mail)
        ]
        shares[model] = tuple(changed)
    return shares


def _kind(before: Position | None, after: Position) -> str:
    if before is None:
        return after.state
    old, new = before.amounts, after.amounts
    if before.state != after.state:
        settled_otherwise = after.state == "approved" and old.total_micros not in (0, new.total_micros)
        return "adjusted" if settled_otherwise else after.state
    if old.total_micros != new.total_micros or before.place.currency != after.place.currency:
        return "adjusted"
    if old.held_micros != new.held_micros or old.learned_conversions != new.learned_conversions:
        return "held" if new.learned_conversions < old.learned_conversions or new.held_micros > old.held_micros else "released"
    return "reattributed"


def fold(entries: Sequence[Entry]) -> tuple[Amounts, Mapping[str, Mapping[str, int]]]:
    """A key's entries added up: amounts, and micros by model and mail. Audits compare it with the head.

    Amounts in different currencies are added here only where a conversion moved from one to another, which leaves nothing of the first.
    """
    sums = dict.fromkeys(_AMOUNTS, 0)
    credited: dict[str, dict[str, int]] = {model: {} for model in (PRIMARY, *MODELS)}
    for entry in entries:
        for name in _AMOUNTS:
            sums[name] += getattr(entry.position.amounts, name)
        for model, given in entry.position.attribution.items():
            for share in given:
                credited[model][share.send_id] = credited[model].get(share.send_id, 0) + share.micros
    return Amounts(**sums), {model: {mail: n for mail, n in mails.items() if n} for model, mails in credited.items()}
