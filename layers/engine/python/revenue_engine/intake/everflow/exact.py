"""What every Everflow document shares: JSON with exact numbers, and one row of outside text turned into an Arrival."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator

from revenue_engine.errors import BadInput
from revenue_engine.money import parse_currency, parse_micros
from revenue_engine.records.conversion import BASE_EVENT, Arrival

MAX_OFFER = 2**32 - 1

# Everflow keeps 600 characters per sub (contracts 1.3); the other limits are ours, so that a key stays far below DynamoDB's
# 2,048 bytes.
LIMITS = {"transaction_id": 100, "payout": 40, "offer_id": 20, "sub": 600, "event_id": 40, "event_name": 100, "currency": 10}

_GIANT = 10**18
_MACRO = re.compile(r"\{[^{}]*\}")
_AMOUNT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
# What DynamoDB cannot keep (lone surrogates), what no name has (control characters), and what is left of text that was no UTF-8.
_BROKEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffd]")
_KEY_PART = re.compile(r"[!-\"$-~]+")  # printable ASCII without space and without `#`, which separates the parts of a key


@dataclass(frozen=True, slots=True)
class Problem:
    """One row or offer that was left out, or a remark about one that was taken."""

    where: str
    field: str
    reason: str
    detail: str = ""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def load_json(text: str, *, field: str) -> Any:
    """JSON with numbers as exact Decimals (M1), without NaN and infinities. Raises BadInput naming `field`: not_json, too_deep."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, InvalidOperation):  # the second: an exponent even a Decimal cannot hold
        raise BadInput(field, "not_json") from None
    except RecursionError:
        raise BadInput(field, "too_deep") from None


def _not_giant(value: object) -> object:
    if isinstance(value, int | Decimal) and not -_GIANT < value < _GIANT:
        raise ValueError("18 digits at most")
    return value


# Everflow's ids, counts and times. `1e999999` is a short text, but as an int it fills the memory and cannot be printed.
WholeNumber = Annotated[int, BeforeValidator(_not_giant)]


def offer_number(text: str, *, field: str = "offer_id") -> str:
    """A network_offer_id in its one spelling. Raises BadInput naming `field`."""
    if not text:
        raise BadInput(field, "offer_missing")
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= MAX_OFFER:
        raise BadInput(field, "bad_offer_id", text[:20])
    return str(int(text))


def plain(number: Decimal) -> str:
    """The number without an exponent.

    One of absurd size stays as it is, and then is no payout: `1e999999` must not fill the memory.
    """
    return f"{number:f}" if number.is_finite() and -30 < number.adjusted() < 30 else str(number)


def payout(text: str, *, field: str = "payout") -> int:
    """Micros of a payout, 0 or more. Raises BadInput naming `field`."""
    if not text:
        raise BadInput(field, "payout_missing")
    if not _AMOUNT.fullmatch(text):
        raise BadInput(field, "not_a_number", text[:40])
    micros = parse_micros(text, field=field)
    if micros < 0:
        raise BadInput(field, "negative_payout", text[:40])
    return micros


def arrival_of(
    values: Mapping[str, str],
    *,
    org: str,
    sub_slot: str,
    source: str,
    conversion_id: str | None,
    converted_at: datetime,
    received_at: datetime,
    receipt_id: str,
) -> Arrival:
    """The Arrival of one row of text values under our parameter names.

    A base conversion has event id "0" whatever the feed renders (that `{event_id}` renders 0 is an assumption, contracts 1.5),
    so that postback and report meet under one key. Raises BadInput naming the field.
    """
    text = {name: value.strip() for name, value in values.items()}
    for name in ("kind", "transaction_id", "payout", "offer_id", "event_id", "event_name", "currency", sub_slot):
        value = text.setdefault(name, "")
        if len(value) > LIMITS.get(name, LIMITS["sub"]):
            raise BadInput(name, "too_long", f"{len(value)} characters")
        if _MACRO.fullmatch(value):
            raise BadInput(name, "unreplaced_macro", value[:40])
    text[sub_slot] = _BROKEN.sub("?", text[sub_slot])  # somebody else's value: its money is kept all the same
    if not text["transaction_id"]:
        raise BadInput("transaction_id", "no_transaction_id")
    for name in ("transaction_id", "event_id"):
        if text[name] and not _KEY_PART.fullmatch(text[name]):
            raise BadInput(name, f"bad_{name}")
    if _BROKEN.search(text["event_name"]):
        raise BadInput("event_name", "bad_event_name")
    kind = text["kind"] or ("conversion" if text["event_id"] in ("", BASE_EVENT) else "event")
    if kind not in ("conversion", "event"):
        raise BadInput("kind", "unknown_kind", kind[:20])
    named = "" if text["event_id"] == BASE_EVENT else text["event_id"]
    event_id = BASE_EVENT if kind == "conversion" else named
    if not event_id and not text["event_name"]:
        raise BadInput("event_id", "event_missing")
    return Arrival(
        org=org,
        kind=kind,
        transaction_id=text["transaction_id"],
        event_id=event_id,
        event_name=text["event_name"],
        payout_micros=payout(text["payout"]),
        currency=parse_currency(text["currency"], field="currency") if text["currency"] else None,
        offer=offer_number(text["offer_id"]),
        sub1=text[sub_slot],
        source=source,
        conversion_id=conversion_id,
        converted_at=converted_at,
        received_at=received_at,
        receipt_id=receipt_id,
    )
