"""The affiliate API's conversion report: what reconciliation asks and reads (contracts 1.8, 1.9).

`revenue` is what we earn; rows have no status. The API gives an event's name but not its id, so an event row has `event_id` "".
Before it is booked, whoever books it must put there the id a postback gave this name, or else `name:{event}`: the two must meet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow.exact import Problem, WholeNumber, arrival_of, load_json, plain
from revenue_engine.intake.everflow.postback import timestamp
from revenue_engine.intake.validation import bad_input
from revenue_engine.records.conversion import Arrival

# Everflow's time zone ids that are documented (contracts 1.8).
TIMEZONES = {
    67: "UTC",
    80: "America/New_York",
    85: "America/Chicago",
    87: "America/Denver",
    89: "America/Phoenix",
    90: "America/Los_Angeles",
}
MAX_SPAN = timedelta(days=365)
_NO_SLOTS: Mapping[str, str] = {}


def conversions_request(from_: datetime, to: datetime, timezone_id: int = 67) -> dict[str, Any]:
    """Body of `POST /v1/affiliates/reporting/conversions`; paging goes into the query string, not here.

    Raises ValueError on an unknown time zone id, or a span that is empty or longer than a year.
    """
    if timezone_id not in TIMEZONES:
        raise ValueError(f"timezone_id: unknown {timezone_id}")
    if not timedelta(0) < to - from_ <= MAX_SPAN:
        raise ValueError("from, to: a span of at most 365 days")
    zone = ZoneInfo(TIMEZONES[timezone_id])
    return {
        "from": from_.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        "to": to.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        "timezone_id": timezone_id,
        "show_conversions": True,
        "show_events": True,
        "query": {"filters": [], "search_terms": []},
    }


class _Offer(BaseModel):
    network_offer_id: WholeNumber


class _Relationship(BaseModel):
    offer: _Offer


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")

    conversion_id: str = Field(min_length=1, max_length=64, pattern=r"^[!-\"$-~]+$")
    transaction_id: str
    conversion_unix_timestamp: WholeNumber
    click_unix_timestamp: WholeNumber = 0
    revenue: Decimal
    currency_id: str
    is_event: bool
    event: str = ""
    relationship: _Relationship


class Paging(BaseModel):
    """What every list of the API says of itself."""

    page: WholeNumber = Field(ge=1)
    page_size: WholeNumber = Field(ge=1)
    total_count: WholeNumber = Field(ge=0)


class _Page(BaseModel):
    conversions: list[Any]
    paging: Paging


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One page. A row that cannot be understood is a problem, never silently gone; `total_count` guards against lost pages."""

    rows: tuple[Arrival, ...]
    problems: tuple[Problem, ...]
    conversion_ids: tuple[str, ...]  # of all rows that name one, those not understood too
    nameless: int  # rows that name none
    page: int
    page_size: int
    total_count: int


@dataclass(frozen=True, slots=True)
class ConversionsReport:
    """The whole report of a window, as it was at one moment: what is not in `conversion_ids` was not there.

    A row in `problems` is there all the same: it is listed, and can be neither booked nor taken for reversed. Without `complete_ids`
    some row names no conversion: it may be any, so that nothing may be concluded from what is not in `conversion_ids`.
    """

    org: str
    start: datetime  # whole seconds, both ends included
    end: datetime
    read_at: datetime
    rows: tuple[Arrival, ...]
    problems: tuple[Problem, ...]
    conversion_ids: frozenset[str]
    complete_ids: bool


def parse_conversions_page(text: str, *, org: str, received_at: datetime, sub_slots: Mapping[str, str] = _NO_SLOTS) -> ReportPage:
    """The rows of one answer, as Arrivals of source "report" whose `receipt_id` is the conversion id.

    `sub_slots`: offers whose tracking id travels in another slot than sub1. Raises BadInput when the page as a whole is not one.
    """
    try:
        page = _Page.model_validate(load_json(text, field="page"))
    except ValidationError as error:
        raise bad_input(error) from None
    rows: list[Arrival] = []
    problems: list[Problem] = []
    named: list[str] = []
    for index, member in enumerate(page.conversions):
        conversion_id = member.get("conversion_id") if isinstance(member, dict) else None
        if conversion_id and isinstance(conversion_id, str):
            named.append(conversion_id)
        try:
            rows.append(_arrival(member, org, received_at, sub_slots))
        except BadInput as bad:
            where = f"conversion {str(conversion_id)[:64]}" if conversion_id else f"conversions[{index}]"
            problems.append(Problem(where, bad.field, bad.reason))
    paging = page.paging
    return ReportPage(
        rows=tuple(rows),
        problems=tuple(problems),
        conversion_ids=tuple(named),
        nameless=len(page.conversions) - len(named),
        page=paging.page,
        page_size=paging.page_size,
        total_count=paging.total_count,
    )


def parse_conversion(text: str, *, org: str, received_at: datetime, sub_slots: Mapping[str, str] = _NO_SLOTS) -> Arrival:
    """The answer to `GET /v1/affiliates/reporting/conversions/{conversion_id}`: one row. Raises BadInput."""
    return _arrival(load_json(text, field="document"), org, received_at, sub_slots)


def _arrival(member: Any, org: str, received_at: datetime, sub_slots: Mapping[str, str]) -> Arrival:
    try:
        row = _Row.model_validate(member)
    except ValidationError as error:
        raise bad_input(error) from None
    offer = str(row.relationship.offer.network_offer_id)
    sub_slot = sub_slots.get(offer, "sub1")
    sub = (row.model_extra or {}).get(sub_slot, "")
    arrival = arrival_of(
        {
            "kind": "event" if row.is_event else "conversion",
            "transaction_id": row.transaction_id,
            "payout": plain(row.revenue),
            "offer_id": offer,
            "event_name": row.event,
            "currency": row.currency_id,
            sub_slot: sub if isinstance(sub, str) else "",
        },
        org=org,
        sub_slot=sub_slot,
        source="report",
        conversion_id=row.conversion_id,
        converted_at=timestamp(row.conversion_unix_timestamp),
        received_at=received_at,
        receipt_id=row.conversion_id,
    )
    return replace(arrival, clicked_at=_clicked_at(row.click_unix_timestamp))


def _clicked_at(seconds: int) -> datetime | None:
    """None when the report does not say: a conversion is not refused for it."""
    try:
        return timestamp(seconds) if seconds else None
    except BadInput:
        return None


@dataclass(frozen=True, slots=True)
class ApiError:
    """An answer of the API that is not data."""

    status: int
    message: str
    retry: bool  # worth asking again later: the rate limit is shared by everybody on the network


def api_error(status: int, body: str) -> ApiError:
    """What an error answer says, under either spelling: `error` or `Error`."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    said = next((document[name] for name in ("error", "Error") if name in document), None) if isinstance(document, dict) else None
    message = said if isinstance(said, str) else body.strip()
    return ApiError(status, message[:200] or f"HTTP {status}", status == 429 or status >= 500)
