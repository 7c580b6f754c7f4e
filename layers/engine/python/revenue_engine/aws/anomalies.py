"""Conversions that somebody should look at: listed beside the ledger, written in the transaction that books them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.anomaly import Flag, parse_flag

_FLAG, _AT, _SETTLED = "flag#", "at#", "settled#"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One listed conversion. `settled`: by signal, what was decided; a signal that came later waits anew."""

    key: str
    flags: tuple[Flag, ...]
    flagged_at: Mapping[str, int]  # signal → epoch seconds of its first flag
    settled: Mapping[str, str]  # signal → released | rejected | taken_back
    offer: str
    payout_micros: int
    currency: str
    converted_at: int
    first_flagged_at: int

    @property
    def waiting(self) -> tuple[Flag, ...]:
        """The flags nobody has decided on."""
        return tuple(flag for flag in self.flags if flag.signal not in self.settled)

    @property
    def waiting_since(self) -> int:
        """When the newest of them was raised, epoch seconds."""
        return max((self.flagged_at[flag.signal] for flag in self.waiting), default=self.first_flagged_at)


@dataclass(frozen=True)
class Anomalies:
    """All reads and writes of them, in a partition of the Ledger table."""

    table: Table

    def raising(self, org: str, key: str, flags: Sequence[Flag], *, facts: Item, now: datetime) -> dict[str, Any]:
        """A transaction's action that lists a booked conversion; raising a signal again changes nothing. `facts` are shown."""
        at = epoch_seconds(now)
        wanted: Item = {"first_flagged_at": at}
        for flag in flags:
            wanted |= {_FLAG + flag.signal: flag.as_item(), _AT + flag.signal: at}
        return self.table.updating(_of(org), key, _setting(first=wanted, always=facts))

    def all(self, org: str) -> Iterator[Anomaly]:
        """Everything ever listed, by key."""
        for item in self.table.query("#pk = :pk", {":pk": _of(org)}, names={"#pk": "pk"}, consistent=True):
            yield _anomaly(item)

    def get(self, org: str, key: str) -> Anomaly | None:
        """One of them."""
        item = self.table.get(_of(org), key)
        return _anomaly(item) if item else None

    def settle(self, org: str, key: str, signals: Sequence[str], *, verdict: str, by: str, at: int) -> bool:
        """`verdict`: released | rejected | taken_back. False when the key is not listed."""
        decided = {_SETTLED + signal: verdict for signal in signals}
        expression = _setting(first=decided, always={"decided_by": by, "decided_at": at}, condition="attribute_exists(pk)")
        try:
            self.table.update(_of(org), key, expression)
        except ConditionFailed:
            return False
        return True


def _setting(*, first: Item, always: Item, condition: str = "") -> Expression:
    """SET `first` where it is not set, and `always`."""
    names, values, terms = {}, {}, []
    for number, (name, value) in enumerate({**first, **always}.items()):
        names[f"#n{number}"], values[f":v{number}"] = name, value
        kept = name in first
        terms.append(f"#n{number} = " + (f"if_not_exists(#n{number}, :v{number})" if kept else f":v{number}"))
    return Expression("SET " + ", ".join(terms), condition, names, values)


def _anomaly(item: Item) -> Anomaly:
    return Anomaly(
        key=item["sk"],
        flags=tuple(parse_flag(value) for name, value in sorted(item.items()) if name.startswith(_FLAG)),
        flagged_at={name.removeprefix(_AT): value for name, value in item.items() if name.startswith(_AT)},
        settled={name.removeprefix(_SETTLED): value for name, value in item.items() if name.startswith(_SETTLED)},
        offer=item["offer"],
        payout_micros=item["payout_micros"],
        currency=item["currency"],
        converted_at=item["converted_at"],
        first_flagged_at=item["first_flagged_at"],
    )


def _of(org: str) -> str:
    return f"{org}#anomalies"
