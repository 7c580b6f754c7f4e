"""A stand-in for Everflow's affiliate API on 127.0.0.1: the conversion report, the catalogue, and what goes wrong with them.

It also serves advertisers' suppression files, as a vendor would: without a key.
"""

from __future__ import annotations

import copy
import hmac
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import httpx

from revenue_engine.intake.everflow.report import TIMEZONES
from revenue_engine.money import MICROS
from workbench.local.listening import listening
from workbench.simulation.behaviour import PHONE
from workbench.simulation.truth import Deal

CONVERSIONS = "/v1/affiliates/reporting/conversions"
RUNNABLE = "/v1/affiliates/offersrunnable"
OFFERS = "/v1/affiliates/offers"
BUCKET = 150  # requests of a window, as X-RateLimit-Limit has them
_BLANK = """sub2 sub3 sub4 sub5 source_id carrier app_id idfa idfa_md5 idfa_sha1 google_ad_id google_ad_id_md5 google_ad_id_sha1
android_id android_id_md5 android_id_sha1 order_id adv1 adv2 adv3 adv4 adv5""".split()
Listed = Callable[[datetime, datetime], list[Deal]]
Member = dict[str, Any]


class Fault(Enum):
    """What can be wrong with one answer."""

    TOO_MANY = auto()  # 429: somebody else on the network has used the limit up
    SERVER_ERROR = auto()
    NO_ANSWER = auto()  # the connection ends, or time runs out
    NO_DATA = auto()  # 200, and a page for people
    SHORT_PAGE = auto()  # the last row of the page is missing
    MOVED_TOTAL = auto()  # one more than there is


@dataclass(frozen=True)
class Reply:
    """An answer as it goes over the wire."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class EverflowApi:
    """Answers what the engine asks; the attributes are the network's side of it.

    `listed(start, end)` gives the report's rows of a window, `known(conversion_id)` one of them by its id; `offers` are members in
    the form of the API's offer detail, `files` what lies at a path for anybody. `faults` are used up one an answer (None = no fault),
    and `asked` remembers every request.
    """

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.listed: Listed = lambda start, end: []
        self.known: Callable[[str], Deal | None] = lambda conversion_id: None
        self.offers: list[Member] = []
        self.files: dict[str, bytes] = {}
        self.faults: deque[Fault | None] = deque()
        self.remaining = BUCKET
        self.asked: list[str] = []

    # --- the wire ------------------------------------------------------------------------------------------------------
    def reply(self, method: str, url: str, key: str | None, body: bytes) -> Reply | None:
        """The whole answer to one request, with the fault that is next; None = no answer comes."""
        self.asked.append(f"{method} {url}")
        fault = self.faults.popleft() if self.faults else None
        limits = {"X-RateLimit-Limit": f"{BUCKET}", "X-RateLimit-Remaining": f"{self.remaining}"}
        match fault:
            case Fault.NO_ANSWER:
                return None
            case Fault.TOO_MANY:
                limits |= {"X-RateLimit-Remaining": "0", "Retry-After": "2"}
                return Reply(429, b'{"error": "descriptive error message"}', limits)
            case Fault.SERVER_ERROR:
                return Reply(500, b'{"Error": "Internal Server Error"}', limits)
            case Fault.NO_DATA:
                return Reply(200, b"<!doctype html><p>We will be back soon.", limits)
        path = urlsplit(url).path
        if method == "GET" and path in self.files:
            return Reply(200, self.files[path], {"Content-Type": "application/octet-stream"})
        status, document = self.answer(method, url, key, body)
        if fault is Fault.SHORT_PAGE:
            del next(rows for rows in document.values() if isinstance(rows, list))[-1:]
        if fault is Fault.MOVED_TOTAL:
            document["paging"]["total_count"] += 1
        return Reply(status, json.dumps(document).encode(), limits | {"Content-Type": "application/json"})

    def transport(self) -> httpx.MockTransport:
        """The API without a socket, for a client of httpx."""

        def handle(request: httpx.Request) -> httpx.Response:
            found = self.reply(request.method, str(request.url), request.headers.get("X-Eflow-API-Key"), request.read())
            if found is None:
                raise httpx.ReadTimeout("no answer", request=request)
            return httpx.Response(found.status, headers=found.headers, content=found.body)

        return httpx.MockTransport(handle)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Listen on any free port of 127.0.0.1 while the block runs; yields the origin."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                found = api.reply(self.command, self.path, self.headers.get("X-Eflow-API-Key"), body)
                if found is None:
                    return  # the connection closes
                self.send_response(found.status)
                for name, value in (found.headers | {"Content-Length": str(len(found.body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(found.body)

            do_GET = do_POST = _answer  # noqa: N815  (the base class looks for these names)

            def log_message(self, format: str, *args: Any) -> None:
                """The engine's own log tells what was asked."""

        with listening(Handler, name="everflow") as origin:
            yield origin

    # --- what it knows -------------------------------------------------------------------------------------------------
    def answer(self, method: str, url: str, key: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        """HTTP status and JSON document."""
        parts = urlsplit(url)
        if key is None or not hmac.compare_digest(key, self.api_key):
            return 401, {"error": "No Authentication Method Found"}
        try:
            query = parse_qs(parts.query)
            page, size = int(query.get("page", ["1"])[0]), min(2_000, int(query.get("page_size", ["500"])[0]))
            folder, _, last = parts.path.rpartition("/")
            if (method, parts.path) == ("POST", CONVERSIONS):
                return 200, _paged("conversions", [_row(deal) for deal in self._window(json.loads(body))], page, size)
            if (method, parts.path) == ("GET", RUNNABLE):
                return 200, _paged("offers", [_listing_form(member) for member in self.offers], page, size)
        except (KeyError, ValueError, TypeError) as error:
            return 400, {"error": f"descriptive error message: {error}"}
        if (method, folder) == ("GET", CONVERSIONS):
            deal = self.known(unquote(last))
            return (404, {"error": "Not Found"}) if deal is None else (200, _row(deal))
        if (method, folder) == ("GET", OFFERS):
            member = next((member for member in self.offers if str(member["network_offer_id"]) == last), None)
            return (404, {"error": "Not Found"}) if member is None else (200, _theirs(member))
        return 404, {"error": "Not Found"}

    def _window(self, asked: dict[str, Any]) -> list[Deal]:
        zone = ZoneInfo(TIMEZONES[asked["timezone_id"]])
        start, end = (datetime.strptime(asked[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone) for name in ("from", "to"))
        return self.listed(start, end)


def _paged(name: str, rows: Sequence[Member], page: int, size: int) -> dict[str, Any]:
    paging = {"page": page, "page_size": size, "total_count": len(rows)}
    return {name: list(rows[(page - 1) * size : page * size]), "paging": paging}


def _theirs(member: Member) -> Member:
    """A member of our own offers file without what is ours alone."""
    member = copy.deepcopy(member)
    member.pop("sub_slot", None)
    for creative in member["relationship"].get("creatives", {}).get("entries", ()):
        creative.pop("variant", None)
    return member


def _listing_form(member: Member) -> Member:
    """The listing says neither what the creatives are nor where the opt-outs lie: the detail does."""
    member = _theirs(member)
    member["relationship"].pop("email_optout", None)
    member["relationship"]["creatives"] = {"total": 0, "entries": []}
    return member


def _row(deal: Deal) -> dict[str, Any]:
    """One row as the report has it: no status, no payout; what we earn is `revenue`."""
    return {
        **dict.fromkeys(_BLANK, ""),
        "conversion_id": deal.conversion_id,
        "conversion_unix_timestamp": int(deal.converted_at.timestamp()),
        "sub1": deal.sub1,
        "revenue_type": "CPS" if deal.kind == "event" else "CPA",
        "revenue": deal.approved_micros / MICROS,
        "session_user_ip": "192.0.2.10",
        "conversion_user_ip": "192.0.2.10",
        "country": "United States",
        "region": "Ohio",
        "city": "Dayton",
        "dma": 542,
        "platform": "iOS",
        "os_version": "17.5",
        "device_type": "Mobile",
        "brand": "Apple",
        "browser": "Safari",
        "language": "en",
        "http_user_agent": PHONE,
        "is_event": deal.kind == "event",
        "event": deal.event_name,
        "transaction_id": deal.transaction_id,
        "click_unix_timestamp": int(deal.clicked_at.timestamp()),
        "isp": "example isp",
        "referer": "merchant.example",
        "currency_id": deal.currency,
        "is_view_through": False,
        "relationship": {
            "offer": {
                "network_offer_id": int(deal.offer),
                "network_id": 999,
                "name": f"Offer {deal.offer}",
                "offer_status": "active",
                "network_tracking_domain_id": 501,
            },
            "events_count": 0,
        },
        "sale_amount": deal.sale_micros / MICROS if deal.sale_micros else 0,
    }
