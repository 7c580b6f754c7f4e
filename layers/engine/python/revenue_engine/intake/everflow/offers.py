"""Offers we may run, from the affiliate API's `offersrunnable` list or one offer's detail.

Members that decide who may be mailed fail closed: what is there but cannot be understood makes the offer a problem, not a guess.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from revenue_engine.clock import from_epoch, iso_millis
from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow.creatives import RawCreative, read_creatives
from revenue_engine.intake.everflow.exact import Problem, WholeNumber, load_json, offer_number, payout, plain
from revenue_engine.intake.everflow.links import SUB_SLOT, check_tracking_url
from revenue_engine.intake.validation import bad_input
from revenue_engine.money import parse_currency
from revenue_engine.records.offer import Creative, Offer

_MAY_RUN = ("approved", "public")


class _Entries(BaseModel):
    entries: list[dict[str, Any]] = []


class _Category(BaseModel):
    name: str = ""


class _Payout(BaseModel):
    payout_type: str
    payout_amount: Decimal = Decimal(0)
    payout_percentage: Decimal = Decimal(0)


class _Payouts(BaseModel):
    entries: list[_Payout] = []


class _Creatives(BaseModel):
    entries: list[RawCreative] = []


class _Relationship(BaseModel):
    offer_affiliate_status: str = ""
    category: _Category = _Category()
    payouts: _Payouts = _Payouts()
    channels: _Entries = _Entries()
    ruleset: dict[str, Any] = {}
    creatives: _Creatives = _Creatives()


class _RawOffer(BaseModel):
    """What we read of an offer; the rest is ignored. `sub_slot` is a member of ours (a network may reserve sub1, contracts 2)."""

    model_config = ConfigDict(extra="ignore")

    network_offer_id: WholeNumber
    name: str = Field(min_length=1, max_length=200)
    offer_status: str = Field(min_length=1, max_length=40)
    currency_id: str
    tracking_url: str
    sub_slot: str = "sub1"
    date_live_until: str | WholeNumber | None = ""
    is_force_terms_and_conditions: bool = False
    is_caps_enabled: bool = True
    daily_conversion_cap: WholeNumber = Field(default=0, ge=0)
    is_using_suppression_list: bool = False
    suppression_list_id: WholeNumber = 0
    relationship: _Relationship


@dataclass(frozen=True, slots=True)
class OfferImport:
    """Offers that were understood, offers that were not (by id and field), and remarks about those that were."""

    offers: tuple[Offer, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def parse_offers(text: str) -> OfferImport:
    """The offers of a document: `{"offers": [...]}`, a bare list, or one offer. One bad offer is reported, the others survive.

    Raises BadInput when the document as a whole holds no offers.
    """
    document = load_json(text, field="document")
    if isinstance(document, dict):
        members = document.get("offers", [document] if "network_offer_id" in document else None)
    else:
        members = document
    if not isinstance(members, list):
        raise BadInput("offers", "missing")
    offers: dict[str, Offer] = {}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for index, member in enumerate(members):
        claimed = member.get("network_offer_id") if isinstance(member, dict) else None
        where = f"offer {str(claimed)[:20]}" if claimed is not None else f"offers[{index}]"
        remarks: list[Problem] = []
        try:
            offer = _offer(member, where, remarks)
            if offer.offer in offers:
                raise BadInput("network_offer_id", "duplicate_offer")
        except BadInput as bad:
            problems.append(Problem(where, bad.field, bad.reason))
            continue
        offers[offer.offer] = offer
        warnings += remarks
    paging = document.get("paging") if isinstance(document, dict) else None
    total = paging.get("total_count") if isinstance(paging, dict) else None
    if isinstance(total, int) and total > len(members):
        warnings.append(Problem("document", "paging", "not_the_whole_list"))
    return OfferImport(tuple(offers.values()), tuple(problems), tuple(warnings))


def _offer(member: Any, where: str, remarks: list[Problem]) -> Offer:
    try:
        raw = _RawOffer.model_validate(member)
    except ValidationError as error:
        raise bad_input(error) from None
    if not SUB_SLOT.fullmatch(raw.sub_slot):
        raise BadInput("sub_slot", "unknown_sub_slot", raw.sub_slot[:20])
    if raw.is_using_suppression_list and raw.suppression_list_id <= 0:
        raise BadInput("suppression_list_id", "missing")  # P1: a list we must honour and cannot name
    related = raw.relationship
    if raw.is_force_terms_and_conditions:
        remarks.append(Problem(where, "is_force_terms_and_conditions", "terms_to_accept"))
    payout_micros, percentage = _payout(related.payouts.entries, where, remarks)
    channels = [str(entry.get("name", "")).lower().replace("-", "") for entry in related.channels.entries]
    without_hash: dict[str, Any] = {
        "offer": offer_number(str(raw.network_offer_id), field="network_offer_id"),
        "name": raw.name,
        "status": raw.offer_status,
        "category": related.category.name or "other",
        "currency": parse_currency(raw.currency_id, field="currency_id"),
        "payout_micros": payout_micros,
        "payout_percentage": percentage,
        "tracking_url": check_tracking_url(raw.tracking_url),
        "sub_slot": raw.sub_slot,
        "may_run": related.offer_affiliate_status in _MAY_RUN and not raw.is_force_terms_and_conditions,
        "allows_email": not channels or any("email" in name for name in channels),
        "suppression_list": str(raw.suppression_list_id) if raw.is_using_suppression_list else None,
        "live_until": _live_until(raw.date_live_until),
        "daily_conversion_cap": raw.daily_conversion_cap if raw.is_caps_enabled else 0,
        "countries": _countries(related.ruleset, where, remarks),
        "creatives": _creatives(related.creatives.entries, where, remarks),
    }
    return Offer(**without_hash, content_hash=_content_hash(without_hash))


def _payout(entries: list[_Payout], where: str, remarks: list[Problem]) -> tuple[int | None, float]:
    """Micros per conversion (None: hidden, or only a share of an unknown sale) and the percentage of sale.

    Several fixed payouts mean events with payouts of their own: the first is the base conversion's, and a remark says so.
    """
    fixed = [e for e in entries if e.payout_type in ("cpa", "cpa_cps")]
    shares = [e for e in entries if e.payout_type in ("cps", "cpa_cps")]
    amounts = [payout(plain(e.payout_amount), field="relationship.payouts.payout_amount") for e in fixed]
    if any(not 0 <= e.payout_percentage <= 100 for e in shares):
        raise BadInput("relationship.payouts.payout_percentage", "not_a_percentage")
    if len(set(amounts)) > 1:
        remarks.append(Problem(where, "relationship.payouts", "several_payouts_first_taken"))
    if not fixed and not shares:
        remarks.append(Problem(where, "relationship.payouts", "payout_hidden"))
    return (amounts[0] if amounts else None), (float(shares[0].payout_percentage) if shares else 0.0)


def _live_until(value: str | int | None) -> datetime | None:
    """The instant mailing ends: Unix seconds, or a UTC date or time.

    A bare date ends when it begins, the careful reading of "until".
    """
    text = str(value or "").strip()
    if text in ("", "0"):
        return None
    if text.isascii() and text.isdigit():
        if len(text) > 10:
            raise BadInput("date_live_until", "not_a_time", text[:20])
        return from_epoch(int(text))
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("date_live_until", "not_a_time", text[:20]) from None


def _countries(ruleset: dict[str, Any], where: str, remarks: list[Problem]) -> frozenset[str]:
    """ISO codes of the included countries. The ruleset's inner names are not confirmed: what we cannot read gets a remark."""
    members = ruleset.get("countries") or []
    if not isinstance(members, list):
        raise BadInput("relationship.ruleset.countries", "wrong_type")
    codes: set[str] = set()
    for member in members:
        entry = member if isinstance(member, dict) else {"country_code": member}
        code = str(entry.get("country_code") or "").upper()
        if entry.get("targeting_type", "include") != "include":
            remarks.append(Problem(where, "relationship.ruleset.countries", "exclusion_not_honoured"))
        elif len(code) == 2 and code.isascii() and code.isalpha():
            codes.add(code)
        else:
            # An include list we cannot read must not turn into "everywhere".
            raise BadInput("relationship.ruleset.countries", "unknown_country")
    return frozenset(codes)


def _creatives(entries: list[RawCreative], where: str, remarks: list[Problem]) -> tuple[Creative, ...]:
    creatives, left_out = read_creatives(entries)
    remarks += [Problem(where, bad.field, bad.reason) for bad in left_out]
    if not creatives:
        remarks.append(Problem(where, "relationship.creatives", "no_approved_creative"))
    return creatives


def _content_hash(members: dict[str, Any]) -> str:
    """SHA-256 over everything that means something to us: this changes with payouts.

    Everflow's `time_saved` does not (contracts 1.10).
    """
    plain_members = {
        **members,
        "live_until": members["live_until"] and iso_millis(members["live_until"]),
        "countries": sorted(members["countries"]),
        "creatives": [{f.name: getattr(c, f.name) for f in fields(c)} for c in members["creatives"]],
    }
    return hashlib.sha256(json.dumps(plain_members, sort_keys=True).encode()).hexdigest()
