"""One offer we may run, from the affiliate API's detail of it or from the operator's own file in the same form.

Members that decide who may be mailed fail closed: what is there but cannot be understood makes the offer a problem, not a guess.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from revenue_engine.clock import from_epoch, iso_millis
from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow.creatives import Assets, RawCreative, read_creatives
from revenue_engine.intake.everflow.exact import Problem, WholeNumber, load_json, offer_number, payout, plain
from revenue_engine.intake.everflow.links import SUB_SLOT, check_tracking_url
from revenue_engine.intake.everflow.offer_caps import RawCaps, caps_of, caps_zone, left_of, with_left
from revenue_engine.intake.everflow.offer_rules import RawChannels, allows_email, countries
from revenue_engine.intake.validation import bad_input
from revenue_engine.money import parse_currency
from revenue_engine.records.offer import Offer, offer_document

_HALVES = re.compile("[\ud800-\udfff]")  # of characters beyond U+FFFF, as JavaScript writes them
_MAY_RUN = ("approved", "public")


class _Category(BaseModel):
    name: str = ""


class _Payout(BaseModel):
    payout_type: str
    payout_amount: Decimal = Decimal(0)
    payout_percentage: Decimal = Decimal(0)
    is_default: bool = False


class _Payouts(BaseModel):
    entries: list[_Payout] | None = None


class _Creatives(BaseModel):
    entries: list[RawCreative] | None = None


class _EmailOptOut(BaseModel):
    is_enabled: bool = True
    suppression_file_link: str | None = None


class _Relationship(BaseModel):
    offer_affiliate_status: str = ""
    category: _Category | None = None
    payouts: _Payouts | None = None
    channels: RawChannels | None = None
    ruleset: dict[str, Any] | None = None
    creatives: _Creatives | None = None
    email_optout: _EmailOptOut | None = None
    remaining_caps: Any = None


class _RawOffer(RawCaps):
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
    is_using_suppression_list: bool = False
    suppression_list_id: WholeNumber = 0
    relationship: _Relationship


@dataclass(frozen=True, slots=True)
class OfferImport:
    """Offers that were understood, offers that were not (by id and field), and remarks about those that were."""

    offers: tuple[Offer, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class OfferDetail:
    """One offer as the network tells it. The link names where the advertiser's opt-outs lie, and may hold a key: never log it."""

    offer: Offer
    suppression_file_link: str | None
    remarks: tuple[Problem, ...]


def parse_offers(text: str) -> OfferImport:
    """The offers of a file: `{"offers": [...]}`, a bare list, or one offer. One bad offer is reported, the others survive.

    An asset that cannot be used is as bad as its offer: who wrote the file can mend it, or take it out.
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
            raw = _raw(member)
            assets = _assets(raw, known=None)
            offer = _offer(raw, assets, where, remarks)
            if offer.offer in offers:
                raise BadInput("network_offer_id", "duplicate_offer")
        except BadInput as bad:
            problems.append(Problem(where, bad.field, bad.reason))
            continue
        if assets.left_out:
            problems += [_of_asset(where, bad) for bad in assets.left_out]
            continue
        offers[offer.offer] = offer
        warnings += remarks
    paging = document.get("paging") if isinstance(document, dict) else None
    total = paging.get("total_count") if isinstance(paging, dict) else None
    if isinstance(total, int) and total > len(members):
        warnings.append(Problem("document", "paging", "not_the_whole_list"))
    return OfferImport(tuple(offers.values()), tuple(problems), tuple(warnings))


def parse_offer_detail(text: str, *, offer: str, known: Offer | None, read_at: datetime) -> OfferDetail:
    """The answer to `GET /v1/affiliates/offers/{offer}`.

    What the operator has said of a known offer survives: its sub slot, the variants of its creatives and creatives of his own. An asset
    that cannot be used is left out with a remark: nobody here can mend it, and the others are the advertiser's word all the same.
    Raises BadInput naming what cannot be understood.
    """
    raw = _raw(load_json(text, field="document"))
    where = f"offer {offer}"
    if str(raw.network_offer_id) != offer:
        raise BadInput("network_offer_id", "another_offer", str(raw.network_offer_id)[:20])
    remarks: list[Problem] = []
    entries = (raw.relationship.creatives or _Creatives()).entries or []
    for entry in entries:  # members of ours that the network cannot have meant
        entry.variant = ""
    numbered = [entry for entry in entries if entry.asset]
    if len(numbered) < len(entries):
        remarks.append(Problem(where, "relationship.creatives", "creative_without_number"))
    raw.relationship.creatives = _Creatives(entries=numbered)
    raw.sub_slot = known.sub_slot if known else "sub1"
    assets = _assets(raw, known=known)
    remarks += [_of_asset(where, bad) for bad in assets.left_out]
    read = _offer(raw, assets, where, remarks)
    optout = raw.relationship.email_optout
    link = (optout.suppression_file_link or None) if optout and optout.is_enabled else None
    return OfferDetail(with_left(read, left_of(raw.relationship.remaining_caps), read_at=read_at), link, tuple(remarks))


def _raw(member: Any) -> _RawOffer:
    try:
        return _RawOffer.model_validate(member)
    except ValidationError as error:
        raise bad_input(error) from None


def _of_asset(where: str, bad: BadInput) -> Problem:
    detail = bad.detail.encode(errors="replace").decode()  # a template's error may hold half a character, which no table keeps
    return Problem(where, bad.field, bad.reason, detail)


def _assets(raw: _RawOffer, *, known: Offer | None) -> Assets:
    return read_creatives((raw.relationship.creatives or _Creatives()).entries or [], known=known.creatives if known else ())


def _offer(raw: _RawOffer, assets: Assets, where: str, remarks: list[Problem]) -> Offer:
    if not SUB_SLOT.fullmatch(raw.sub_slot):
        raise BadInput("sub_slot", "unknown_sub_slot", raw.sub_slot[:20])
    related = raw.relationship
    if raw.is_force_terms_and_conditions:
        remarks.append(Problem(where, "is_force_terms_and_conditions", "terms_to_accept"))
    number = offer_number(str(raw.network_offer_id), field="network_offer_id")
    payout_micros, percentage = _payout((related.payouts or _Payouts()).entries or [], where, remarks)
    included, excluded = countries(related.ruleset)
    caps = caps_of(raw)
    if caps and caps_zone(raw) is None:
        remarks.append(Problem(where, "caps_timezone_id", "unknown_time_zone"))
    remarks += [_of_asset(where, odd) for odd in assets.remarks]
    if not assets.creatives:
        remarks.append(Problem(where, "relationship.creatives", "no_approved_creative"))
    offer = Offer(
        offer=number,
        name=raw.name,
        status=raw.offer_status,
        category=(related.category or _Category()).name or "other",
        currency=parse_currency(raw.currency_id, field="currency_id"),
        payout_micros=payout_micros,
        payout_percentage=percentage,
        tracking_url=check_tracking_url(raw.tracking_url),
        sub_slot=raw.sub_slot,
        may_run=related.offer_affiliate_status in _MAY_RUN and not raw.is_force_terms_and_conditions,
        allows_email=allows_email(related.channels),
        suppression_list=_suppression_list(raw, number),
        live_until=_live_until(raw.date_live_until),
        countries=included,
        excluded_countries=excluded,
        creatives=assets.creatives,
        caps=caps,
        caps_zone=caps_zone(raw),
        content_hash="",
    )
    if _HALVES.search(json.dumps(offer_document(offer), ensure_ascii=False)):
        raise BadInput("document", "half_a_character")  # which no table keeps
    return replace(offer, content_hash=content_hash(offer))


def _suppression_list(raw: _RawOffer, number: str) -> str | None:
    """The advertiser's list by Everflow's number, or by the offer's when it only has a file (P1: a list must have a name)."""
    optout = raw.relationship.email_optout
    if raw.is_using_suppression_list and raw.suppression_list_id > 0:
        return str(raw.suppression_list_id)
    if optout is not None and optout.is_enabled and optout.suppression_file_link:
        return f"offer-{number}"
    if raw.is_using_suppression_list:
        raise BadInput("suppression_list_id", "missing")  # a list we must honour and cannot name
    return None


def _payout(entries: list[_Payout], where: str, remarks: list[Problem]) -> tuple[int | None, float]:
    """Micros per conversion (None: hidden, or only a share of an unknown sale) and the percentage of sale.

    Several fixed payouts mean events with payouts of their own: the base conversion's is the default, or the first, and a remark
    says so.
    """
    entries = sorted(entries, key=lambda e: not e.is_default)
    fixed = [e for e in entries if e.payout_type in ("cpa", "cpa_cps")]
    shares = [e for e in entries if e.payout_type in ("cps", "cpa_cps")]
    amounts = [payout(plain(e.payout_amount), field="relationship.payouts.payout_amount") for e in fixed]
    if any(not 0 <= e.payout_percentage <= 100 for e in shares):
        raise BadInput("relationship.payouts.payout_percentage", "not_a_percentage")
    if len(set(amounts)) > 1 and not fixed[0].is_default:
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


def content_hash(offer: Offer) -> str:
    """SHA-256 over everything that means something to us, but for what changes with every conversion (what is left of caps).

    This changes with payouts; Everflow's `time_saved` does not (contracts 1.10).
    """
    members = asdict(offer) | {
        "live_until": offer.live_until and iso_millis(offer.live_until),
        "countries": sorted(offer.countries),
        "excluded_countries": sorted(offer.excluded_countries),
        "caps": [(cap.window, cap.unit, cap.limit) for cap in offer.caps],
    }
    meaning = {name: value for name, value in members.items() if name not in ("content_hash", "caps_read_at", "stop_reason")}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
