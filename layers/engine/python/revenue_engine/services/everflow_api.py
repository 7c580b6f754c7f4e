"""The Everflow affiliate API: one reader for everybody, since its rate limit is shared by the whole network (contracts 1.8)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import httpx

from revenue_engine.errors import BadInput, RevenueEngineError
from revenue_engine.intake.everflow import ReportPage, api_error, conversions_request, parse_conversions_page

PAGE_SIZE = 500
PAUSES_SECONDS = (1.0, 3.0, 9.0)
_CONVERSIONS = "/v1/affiliates/reporting/conversions"


class EverflowUnavailable(RevenueEngineError):
    """The API did not answer with data: nothing may be concluded from what is missing."""


def conversion_pages(
    base_url: str,
    api_key: str,
    *,
    org: str,
    start: datetime,
    end: datetime,
    received_at: datetime,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[ReportPage]:
    """All pages of the conversions report for a window. Raises EverflowUnavailable when any page is missing or short."""
    seen = 0
    with httpx.Client(base_url=base_url, headers={"X-Eflow-API-Key": api_key}, timeout=20) as http:
        for number in range(1, 10_000):
            text = _post(http, {"page": number, "page_size": PAGE_SIZE}, conversions_request(start, end), pause)
            try:
                page = parse_conversions_page(text, org=org, received_at=received_at)
            except BadInput as bad:  # answered 200, but with something else than data
                raise EverflowUnavailable(str(bad)) from None
            rows = len(page.rows) + len(page.problems)
            seen += rows
            yield page
            if seen >= page.total_count:
                return
            if not rows:
                raise EverflowUnavailable(f"report ended after {seen} of {page.total_count} rows")


def _post(http: httpx.Client, query: dict[str, int], body: dict[str, object], pause: Callable[[float], None]) -> str:
    for seconds in (*PAUSES_SECONDS, None):
        try:
            answer = http.post(_CONVERSIONS, params=query, json=body)
        except httpx.TransportError as error:
            failure, again = type(error).__name__, True
        else:
            if answer.status_code == 200:
                return answer.text
            said = api_error(answer.status_code, answer.text)
            failure, again = f"{said.status} {said.message}", said.retry
        if not again or seconds is None:
            raise EverflowUnavailable(failure)
        pause(seconds)
    raise AssertionError("unreachable")
