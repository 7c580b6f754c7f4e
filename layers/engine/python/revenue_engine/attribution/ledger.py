"""The books of one conversion: what an arrival changes, as pure arithmetic (M1, M2, M4).

A postback is provisional money; the report's row makes it approved (M4). Entries are only ever added. The head is their running
sum, and `fold` recounts it. Nothing here reverses: what the report no longer says is another module's business.

Keys: the first conversion of an arrival key lives under `key_for(arrival)`, another `conversion_id` of the same key (a rebill,
an allowed duplicate) under `key_for(arrival, 1)`, and so on: on `OtherConversion` the caller goes on with the next n until
something else comes. Which conversion id sits under which n depends on who came first, the sum over all n does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from revenue_engine.attribution.models import MODELS, PRIMARY, allocate, primary, touches_per_mail
from revenue_engine.money import split
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Allocation, Arrival, Entry
from revenue_engine.records.send import Touch

Attribution = dict[str, tuple[Allocation, ...]]


@dataclass(frozen=True, slots=True)
class Head:
    """The running sum of one key's entries."""

    provisional_micros: int
    approved_micros: int
    currency: str
    entries: int
    state: str  # provisional | approved
    conversion_ids: tuple[str, ...]  # of the report rows that settled it
    doubtful: tuple[str, ...]  # ids of arrivals kept beside the books, sorted
    version: int  # entries plus doubtful arrivals: +1 with every change

    @property
    def total_micros(self) -> int:
        """Provisional and approved together: what the money would be if all of it were confirmed."""
        return self.provisional_micros + self.approved_micros


@dataclass(frozen=True, slots=True)
class Booked:
    """A new entry, number `head.entries`, and the head it leads to."""

    head: Head
    entry: Entry

    @property
    def conversions(self) -> int:
        """How many conversions the entry adds: 1 when it is the key's first, else 0."""
        return int(self.head.entries == 1)


@dataclass(frozen=True, slots=True)
class AlreadyBooked:
    """The same fact again: nothing to do."""


@dataclass(frozen=True, slots=True)
class OtherConversion:
    """The report's row is another conversion of the same arrival key: try the next n of `key_for`."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """No money moves; the arrival is kept under `doubtful_id` for the report or a person to decide.

    `head` is unchanged when it was kept before.
    """

    reason: str  # amount_differs | amount_changed_after_approval | currency_differs
    doubtful_id: str
    head: Head


Outcome = Booked | AlreadyBooked | OtherConversion | Doubtful


def key_for(arrival: Arrival, n: int = 0) -> str:
    """The ledger's partition key of the arrival key's n-th conversion, `…#n` from the second on."""
    return f"{arrival.key}#{n}" if n else arrival.key


def on_arrival(
    head: Head | None,
    arrival: Arrival,
    *,
    currency: str,
    subscriber: str | None,
    send_id: str | None,
    touches: Sequence[Touch],
    controls: Controls,
    booked_at: datetime,
    first: Entry | None = None,
) -> Outcome:
    """What an arrival changes under one key.

    Parameters
    ----------
    head, first
        The key's head and its first entry (None: nothing yet). When a report settles a provisional amount, the new entry has
        the first one's subscriber and mail, and the difference follows the shares it gave, whatever touches are known by now.
    currency
        The offer's, where the arrival names none.
    subscriber, send_id
        Whom and which mail the authentic tracking id names; None, None leaves the money unattributed.
    touches
        The subscriber's, in any order; those inside the window count.

    Raises ValueError when a report settles a head that came without its first entry, or a report's row without its conversion id.
    """
    code = arrival.currency or currency
    report = arrival.source == "report"
    amount = arrival.payout_micros
    if report and not arrival.conversion_id:
        raise ValueError("conversion_id: a report's row has one")
    if head is not None:
        if report and head.conversion_ids and arrival.conversion_id not in head.conversion_ids:
            return OtherConversion()
        if code != head.currency:
            return _doubtful(head, arrival, code, "currency_differs")
        if head.state == "approved":
            # A late postback says nothing the report does not know better.
            settled = not report or amount == head.approved_micros
            return AlreadyBooked() if settled else _doubtful(head, arrival, code, "amount_changed_after_approval")
        if not report:
            same = amount == head.provisional_micros
            return AlreadyBooked() if same else _doubtful(head, arrival, code, "amount_differs")
        if first is None:
            raise ValueError("first: needed to book on a head")
    provisional_delta = -head.provisional_micros if head is not None else (0 if report else amount)
    approved_delta = amount if report else 0
    delta = provisional_delta + approved_delta
    if head is None or first is None:
        entry_kind = "approved" if report else "provisional"
        attribution, unattributed = _first_shares(delta, arrival.converted_at, send_id, touches, controls)
    elif delta == 0:
        # Only the colour of the money changes: the shares stay those of the first entry.
        entry_kind, attribution, unattributed = "approved", {}, 0
    else:
        entry_kind = "adjusted"
        attribution, unattributed = _following_shares(delta, first)
    entry = Entry(
        entry_kind=entry_kind,
        provisional_delta_micros=provisional_delta,
        approved_delta_micros=approved_delta,
        currency=code,
        offer=arrival.offer,
        subscriber=first.subscriber if first else subscriber,
        send_id=first.send_id if first else send_id,
        attribution=attribution,
        unattributed_micros=unattributed,
        source=arrival.source,
        receipt_id=(report and arrival.conversion_id) or arrival.receipt_id,
        converted_at=arrival.converted_at,
        booked_at=booked_at,
    )
    return Booked(_add(head, entry), entry)


def _first_shares(
    delta: int, converted_at: datetime, send_id: str | None, touches: Sequence[Touch], controls: Controls
) -> tuple[Attribution, int]:
    """Shares of a first amount, and what nobody gets.

    The tracking id proves a click on its mail, whatever the touches say: a click still under way, or taken for a machine's, is
    put in at the time of the conversion.
    """
    if send_id is None:
        return {PRIMARY: (), **{model: () for model in MODELS}}, delta
    window_days = controls.attribution_window_days
    counted = touches_per_mail(touches, converted_at, window_days)
    if not any(touch.send_id == send_id and touch.kind == "click" for touch in counted):
        proven = Touch("click", converted_at, send_id, True, 1.0)
        counted = touches_per_mail([*counted, proven], converted_at, window_days)
    shares: Attribution = {PRIMARY: primary(delta, send_id)}
    for model in MODELS:
        shares[model] = allocate(
            delta,
            counted,
            model,
            half_life_days=controls.attribution_half_life_days,
            click_weight=controls.attribution_click_weight,
        )
    return shares, 0


def _following_shares(delta: int, first: Entry) -> tuple[Attribution, int]:
    """Shares of a difference, by what the first entry gave: nobody loses more than he got.

    Of a first amount of 0 only the weights are known.
    """
    if first.send_id is None:
        return {model: () for model in first.attribution}, delta
    shares: Attribution = {}
    for model, given in first.attribution.items():
        parts = split(delta, [g.micros for g in given] if first.delta_micros else [g.weight for g in given])
        shares[model] = tuple(replace(g, micros=part) for g, part in zip(given, parts, strict=True))
    return shares, 0


def _doubtful(head: Head, arrival: Arrival, currency: str, reason: str) -> Doubtful:
    says = arrival.conversion_id if arrival.source == "report" else None
    parts = (arrival.source, says or "", str(arrival.payout_micros), currency)
    doubtful_id = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
    if doubtful_id in head.doubtful:
        return Doubtful(reason, doubtful_id, head)
    kept = replace(head, doubtful=tuple(sorted((*head.doubtful, doubtful_id))), version=head.version + 1)
    return Doubtful(reason, doubtful_id, kept)


def _add(head: Head | None, entry: Entry) -> Head:
    report = entry.source == "report"
    before = head or Head(0, 0, entry.currency, 0, "provisional", (), (), 0)
    return Head(
        provisional_micros=before.provisional_micros + entry.provisional_delta_micros,
        approved_micros=before.approved_micros + entry.approved_delta_micros,
        currency=before.currency,
        entries=before.entries + 1,
        state="approved" if report else before.state,
        conversion_ids=(*before.conversion_ids, entry.receipt_id) if report else before.conversion_ids,
        doubtful=before.doubtful,
        version=before.version + 1,
    )


def fold(entries: Sequence[Entry], doubtful: Sequence[str] = ()) -> Head:
    """The head recounted from a key's entries, oldest first, and the ids kept in doubt: audits compare it with the one kept.

    Raises ValueError when there are none, or when their currencies differ (M1).
    """
    if not entries or len({entry.currency for entry in entries}) > 1:
        raise ValueError("entries: none, or of different currencies")
    head: Head | None = None
    for entry in entries:
        head = _add(head, entry)
    assert head is not None
    return replace(head, doubtful=tuple(sorted(doubtful)), version=head.version + len(doubtful))


def unbalanced_models(entry: Entry) -> tuple[str, ...]:
    """The models whose shares and the unattributed rest do not add up to the entry's amount: always () in sound books (M1)."""
    return tuple(
        model
        for model in (PRIMARY, *MODELS)
        if sum(share.micros for share in entry.attribution.get(model, ())) + entry.unattributed_micros != entry.delta_micros
    )
