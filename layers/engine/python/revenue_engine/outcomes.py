"""What became of mails, as events that join the receipts on `send_id`: one JSON line each, with what was predicted beside it.

The specification's AuditOutcome is an update of the decision's record; here nothing is updated: a day's events are a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from revenue_engine.attribution.ledger import Entry
from revenue_engine.clock import from_epoch, iso_millis

# event → (attribute of the outbox row that says when, whose doing it was: None where nobody asks)
_TOUCHES: tuple[tuple[str, str, bool | None], ...] = (
    ("sent", "sent_at", None),
    ("delivered", "delivered_at", None),
    ("bounced", "bounced_at", None),
    ("opened", "first_human_open_at", True),
    ("opened", "first_machine_open_at", False),
    ("clicked", "first_human_click_at", True),
    ("clicked", "first_machine_click_at", False),
    ("unsubscribed", "unsubscribed_at", None),
    ("complained", "complained_at", None),
)
SETTLED_DAYS = 30  # after so long a mail's revenue is held against its prediction, whether or not anything happened


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """One line. What does not belong to the event is None, never invented."""

    org: str
    event: str  # sent | delivered | bounced | opened | clicked | unsubscribed | complained | converted | revenue | settled
    at: str  # ISO 8601, UTC; of money, when it was booked
    send_id: str
    decision_id: str
    cycle_id: str
    subscriber: str
    arm: str
    offer: str
    content: str
    human: bool | None = None
    ledger_state: str | None = None  # provisional | approved | rejected | reversed: what the conversion is from then on
    entry_kind: str | None = None
    conversions: int | None = None  # the entry's difference
    provisional_micros: int | None = None  # likewise
    approved_micros: int | None = None
    currency: str | None = None
    predicted: float | None = None  # of a click its probability, of a conversion likewise, of money micros of the org's currency
    observed: float | None = None  # of the same, as known when the day was exported
    prediction_error: float | None = None  # observed - predicted

    def document(self) -> dict[str, Any]:
        """The line's members, in the table's order."""
        return asdict(self)


def touches(mail: Mapping[str, Any], *, start: int, end: int) -> Iterator[OutcomeEvent]:
    """What happened to a mail within [start, end), epoch seconds. `mail` is its outbox row."""
    for event, name, human in _TOUCHES:
        at = mail.get(name)
        if at is not None and start <= at < end:
            expected = _expected(mail["p_click"], 1.0) if event == "clicked" and human else {}
            yield OutcomeEvent(**_mail(mail), event=event, at=iso_millis(from_epoch(at)), human=human, **expected)


def money(mail: Mapping[str, Any], entry: Entry, *, currency: str) -> Iterator[OutcomeEvent]:
    """What a ledger entry changed for the mail it credits: conversions and revenue. `currency`: the org's, which predictions are in."""
    amounts, place = entry.position.amounts, entry.position.place
    facts: dict[str, Any] = {
        "at": iso_millis(entry.booked_at),
        "ledger_state": entry.position.state,
        "entry_kind": entry.entry_kind,
        "currency": place.currency,
    }
    if amounts.conversions:
        chance = mail["p_click"] * mail["p_conversion"]
        expected = _expected(chance, float(mail.get("conversions", 0)))
        yield OutcomeEvent(**_mail(mail), event="converted", conversions=amounts.conversions, **facts, **expected)
    if amounts.provisional_micros or amounts.approved_micros:
        yield OutcomeEvent(
            **_mail(mail),
            event="revenue",
            provisional_micros=amounts.provisional_micros,
            approved_micros=amounts.approved_micros,
            **facts,
            **_expected(mail["predicted_revenue_micros"], _revenue(mail, currency)),
        )


def settled(mail: Mapping[str, Any], *, at: int, currency: str) -> Iterator[OutcomeEvent]:
    """The mail's revenue against its prediction, nothing included: without the mails that brought none every error would look good."""
    if "sent_at" in mail:
        expected = _expected(mail["predicted_revenue_micros"], _revenue(mail, currency))
        yield OutcomeEvent(**_mail(mail), event="settled", at=iso_millis(from_epoch(at)), currency=currency, **expected)


def in_order(events: list[OutcomeEvent]) -> list[OutcomeEvent]:
    """The same events give the same lines, however they were read."""
    return sorted(events, key=lambda event: (event.at, event.send_id, event.event, event.human is True, event.entry_kind or ""))


def _mail(mail: Mapping[str, Any]) -> dict[str, Any]:
    names = ("org", "decision_id", "cycle_id", "subscriber", "offer")
    return {"send_id": mail["pk"], "arm": mail["policy"], "content": mail["variant"], **{name: mail[name] for name in names}}


def _revenue(mail: Mapping[str, Any], currency: str) -> float:
    """Provisional and approved micros of one currency: two are never added up (M1)."""
    return float(mail.get(f"revenue_micros#{currency}", 0))


def _expected(predicted: float, observed: float) -> dict[str, Any]:
    return {"predicted": float(predicted), "observed": observed, "prediction_error": observed - float(predicted)}
