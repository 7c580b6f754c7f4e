"""Partner postbacks: what Everflow sends us, and what it means (contracts 1.1 to 1.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError

from revenue_engine.clock import from_epoch
from revenue_engine.errors import BadInput
from revenue_engine.fx import convert
from revenue_engine.ids import looks_like_tracking_id, verify_tracking_id
from revenue_engine.intake.everflow.exact import WholeNumber, arrival_of, load_json, plain
from revenue_engine.intake.everflow.raw import RawPostback
from revenue_engine.intake.validation import bad_input
from revenue_engine.records.conversion import Arrival

MAX_REQUEST_CHARACTERS = 64_000
MAX_PARAMETERS = 200
# A reader who buys six times from one mail is rarer than one who has his mail's id and made-up clicks.
MOST_TRANSACTIONS = 5
# A payout this many times the offer's known one is a mistake or an attack, not a good day.
ABSURD_FACTOR = 100
# Clocks differ; a conversion of another day than today's or before is none.
MOST_AHEAD = timedelta(days=1)

_READ = ("kind", "transaction_id", "payout", "offer_id", "event_id", "event_name", "currency")


def understand_postback(raw: RawPostback, *, sub_slot: str = "sub1") -> Arrival:
    """The Arrival a raw postback reports: query string of any method, form body, or the network's JSON webhook.

    `sub_slot` names the sub that carries our tracking id; parameters we do not read are harmless (the raw object keeps them).

    Raises
    ------
    BadInput
        Naming the parameter. Reasons: no_transaction_id, bad_transaction_id, bad_event_id, bad_event_name, event_missing,
        unreplaced_macro, payout_missing, not_a_number, amount_out_of_range, finer_than_a_micro, negative_payout, offer_missing,
        bad_offer_id, unknown_currency, unknown_kind, duplicate_parameter, too_many_parameters, too_long, not_json, too_deep, missing,
        wrong_type, status_not_payable, not_a_time.
    """
    for field, text in (("query", raw.query), ("body", raw.body)):
        if len(text) > MAX_REQUEST_CHARACTERS:
            raise BadInput(field, "too_long", f"{len(text)} characters")
    body = raw.body.strip()
    if body.startswith("{") or (body and "json" in raw.content_type.lower()):
        return _from_webhook(raw, body, sub_slot)
    values: dict[str, str] = {}
    for name, value in _pairs(raw.query, "query") + _pairs(body, "body"):
        if name in (*_READ, sub_slot) and values.setdefault(name, value) != value:
            raise BadInput(name, "duplicate_parameter")
    return arrival_of(
        values,
        org=raw.org,
        sub_slot=sub_slot,
        source="postback",
        conversion_id=None,
        converted_at=raw.received_at,  # no time macro is confirmed; the report knows better later
        received_at=raw.received_at,
        receipt_id=raw.receipt_id,
    )


def _pairs(text: str, field: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise BadInput(field, "too_many_parameters") from None


class _WebhookOffer(BaseModel):
    network_offer_id: WholeNumber


class _WebhookRelationship(BaseModel):
    offer: _WebhookOffer


class _Webhook(BaseModel):
    """The part of Everflow's conversion webhook we read. `payout` is ours, `revenue` here is the network's."""

    model_config = ConfigDict(extra="allow")

    transaction_id: str
    payout: Decimal | None = None
    is_event: bool = False
    event: str = ""
    currency_id: str = ""
    status: str = ""
    conversion_id: str | WholeNumber | None = None  # the table says integer, the API uses hex text: both
    conversion_unix_timestamp: WholeNumber | None = None
    relationship: _WebhookRelationship


def _from_webhook(raw: RawPostback, body: str, sub_slot: str) -> Arrival:
    document: Any = load_json(body, field="body")
    try:
        hook = _Webhook.model_validate(document)
    except ValidationError as error:
        raise bad_input(error) from None
    if hook.status in ("rejected", "invalid"):
        raise BadInput("status", "status_not_payable", hook.status)
    sub = (hook.model_extra or {}).get(sub_slot, "")
    at = raw.received_at if hook.conversion_unix_timestamp is None else timestamp(hook.conversion_unix_timestamp)
    if at > raw.received_at + MOST_AHEAD:
        raise BadInput("conversion_unix_timestamp", "not_a_time", str(hook.conversion_unix_timestamp))
    return arrival_of(
        {
            "kind": "event" if hook.is_event else "conversion",
            "transaction_id": hook.transaction_id,
            "payout": "" if hook.payout is None else plain(hook.payout),
            "offer_id": str(hook.relationship.offer.network_offer_id),
            "event_name": hook.event,
            "currency": hook.currency_id,
            sub_slot: sub if isinstance(sub, str) else "",
        },
        org=raw.org,
        sub_slot=sub_slot,
        source="postback",
        conversion_id=None if hook.conversion_id is None else str(hook.conversion_id),
        converted_at=at,
        received_at=raw.received_at,
        receipt_id=raw.receipt_id,
    )


def timestamp(seconds: int, *, field: str = "conversion_unix_timestamp") -> datetime:
    """Aware UTC of Unix seconds from outside. Raises BadInput naming `field` when it is no plausible time."""
    if not 946_684_800 <= seconds < 4_102_444_800:  # 2000 to 2100: neither 0 nor milliseconds
        raise BadInput(field, "not_a_time", str(seconds)[:20])
    return from_epoch(seconds)


@dataclass(frozen=True, slots=True)
class Sub1:
    """Whose click a conversion names."""

    status: Literal["ours", "blank", "foreign", "forged"]
    send_id: str | None  # set when ours


def classify_sub1(tracking_key: bytes, sub1: str, org: str) -> Sub1:
    """Ours (authentic), blank, foreign or forged.

    Blank and foreign: the money is kept, unattributed. Forged, our form with a bad tag, is for the quarantine.
    """
    if not sub1:
        return Sub1("blank", None)
    if not looks_like_tracking_id(sub1):
        return Sub1("foreign", None)
    send_id = verify_tracking_id(tracking_key, sub1, org=org)
    return Sub1("forged", None) if send_id is None else Sub1("ours", send_id)


def most_transactions(arrival: Arrival) -> int:
    """How many clicks a mail may have with this arrival's: its reader knows the mail's id, and could make clicks up (contracts 1.6)."""
    return MOST_TRANSACTIONS if arrival.source == "postback" else 10**9  # the report is believed


def check_replay(arrival: Arrival, *, transactions: int) -> None:
    """Raises BadInput("sub1", "replayed_tracking_id") when a mail with so many clicks may not have this arrival's."""
    if transactions >= most_transactions(arrival):
        raise BadInput("sub1", "replayed_tracking_id", f"{transactions} transactions of this mail")


def check_amount(
    arrival: Arrival,
    *,
    currency: str,
    offer_currency: str,
    org_currency: str,
    rate: str | None,
    max_payout_micros: int,
    known_payout_micros: int | None,
) -> None:
    """Plausibility of a payout that nobody signed (contracts 1.6); the report is the network's own word.

    Parameters
    ----------
    currency
        The payout's.
    rate
        The org's currency per unit of it; None: unknown, then money of another currency cannot be held against the maximum.
    max_payout_micros
        Of the org's currency.
    known_payout_micros
        What the offer pays for a base conversion, in its own currency: it says nothing of events, or of other currencies.

    Raises BadInput("payout", "payout_out_of_range") above the maximum, or above 100 times the known payout.
    """
    if arrival.source == "report":
        return
    if rate is not None:
        _check_at_most(convert(arrival.payout_micros, rate), max_payout_micros, org_currency)
    elif currency == org_currency:
        _check_at_most(arrival.payout_micros, max_payout_micros, org_currency)
    if known_payout_micros and arrival.kind == "conversion" and currency == offer_currency:
        _check_at_most(arrival.payout_micros, ABSURD_FACTOR * known_payout_micros, currency)


def _check_at_most(micros: int, limit: int, currency: str) -> None:
    if micros > limit:
        raise BadInput("payout", "payout_out_of_range", f"{micros} micros {currency}, at most {limit}")
