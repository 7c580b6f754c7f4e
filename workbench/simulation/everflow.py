"""A stand-in for Everflow's affiliate API on 127.0.0.1: the conversions report, paged, behind an API key."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from revenue_engine.intake.everflow.report import TIMEZONES
from revenue_engine.money import MICROS
from workbench.local.listening import listening
from workbench.simulation.behaviour import PHONE
from workbench.simulation.truth import Deal

CONVERSIONS = "/v1/affiliates/reporting/conversions"
_BLANK = """sub2 sub3 sub4 sub5 source_id carrier app_id idfa idfa_md5 idfa_sha1 google_ad_id google_ad_id_md5 google_ad_id_sha1
android_id android_id_md5 android_id_sha1 order_id adv1 adv2 adv3 adv4 adv5""".split()
Listed = Callable[[datetime, datetime], list[Deal]]


class EverflowApi:
    """Answers one path. `listed(start, end)` is asked for the rows of a window: none until somebody sets it."""

    def __init__(self, api_key: str) -> None:
        self.listed: Listed = lambda start, end: []
        self.api_key = api_key

    def answer(self, method: str, url: str, key: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        """HTTP status and JSON document."""
        parts = urlsplit(url)
        if key is None or not hmac.compare_digest(key, self.api_key):
            return 401, {"error": "No Authentication Method Found"}
        if (method, parts.path) != ("POST", CONVERSIONS):
            return 404, {"error": "Not Found"}
        try:
            asked = json.loads(body)
            zone = ZoneInfo(TIMEZONES[asked["timezone_id"]])
            start, end = (datetime.strptime(asked[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone) for name in ("from", "to"))
            query = parse_qs(parts.query)
            page, size = int(query.get("page", ["1"])[0]), int(query.get("page_size", ["500"])[0])
        except (KeyError, ValueError, TypeError) as error:
            return 400, {"error": f"descriptive error message: {error}"}
        rows = self.listed(start, end)
        shown = [_row(deal) for deal in rows[(page - 1) * size : page * size]]
        return 200, {"conversions": shown, "paging": {"page": page, "page_size": size, "total_count": len(rows)}}

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Listen on any free port of 127.0.0.1 while the block runs; yields the origin."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, document = api.answer(self.command, self.path, self.headers.get("X-Eflow-API-Key"), body)
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer  # noqa: N815  (the base class looks for these names)

            def log_message(self, format: str, *args: Any) -> None:
                """The engine's own log tells what was asked."""

        with listening(Handler, name="everflow") as origin:
            yield origin


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
        "sale_amount": 0,
    }
