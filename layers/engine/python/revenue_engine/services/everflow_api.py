"""The Everflow affiliate API: one careful reader, since its rate limit is shared by the whole network (contracts 1.8).

What does not come whole is EverflowUnavailable: nothing may be concluded from what is missing (M4).
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import BadInput, RevenueEngineError
from revenue_engine.intake.everflow import (
    ConversionsReport,
    ListedOffer,
    OffersPage,
    ReportPage,
    api_error,
    conversions_request,
    parse_conversion,
    parse_conversions_page,
    parse_offers_page,
)
from revenue_engine.intake.everflow.report import MAX_SPAN
from revenue_engine.records.conversion import Arrival

PAGE_SIZE = 1_000  # the API allows 2,000
MOST_PAGES = 10_000
READINGS = 3  # of a list that moves while it is read
PACE_SECONDS = 0.4  # 2.5 requests a second of the 5 that everybody on the network shares
FEW_LEFT, FEW_LEFT_SECONDS = 5, 1.0  # the others need some too
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 32.0  # the older limit counts windows of 30 seconds
MOST_WAITED_SECONDS = 60.0  # by one request, all its pauses together
TIMEOUT_SECONDS = 20.0
_REPORT = "/v1/affiliates/reporting/conversions"
_RUNNABLE = "/v1/affiliates/offersrunnable"
_OFFER = "/v1/affiliates/offers"
_Page = TypeVar("_Page", ReportPage, OffersPage)


class EverflowUnavailable(RevenueEngineError):
    """The API did not answer with whole data: nothing may be concluded from what is missing."""


class _Moved(Exception):
    """The list changed while it was read, or a page of it was short."""


class EverflowClient:
    """Everything raises EverflowUnavailable: no answer, a refusal, or an answer that is not what was asked for.

    Parameters
    ----------
    pause, clock, jitter
        How to wait for seconds, what time it is in seconds, and a draw from [0, 1).
    transport
        Another way to the API than the network.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.perf_counter,
        jitter: Callable[[], float] = random.random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"X-Eflow-API-Key": api_key, "Accept": "application/json"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS, transport=transport)
        self._pause, self._clock, self._jitter = pause, clock, jitter
        self._not_before = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    @property
    def base_url(self) -> str:
        """Origin of the API."""
        return str(self._http.base_url)

    # --- conversions ---------------------------------------------------------------------------------------------------
    def conversions(
        self, org: str, start: datetime, end: datetime, *, read_at: datetime, sub_slots: Mapping[str, str] | None = None
    ) -> ConversionsReport:
        """The whole report of [start, end], whole seconds; no further back than the API's 365 days before `read_at`.

        `sub_slots`: offers (by id) whose tracking id travels in another slot than sub1.
        """
        start = max(start, read_at - MAX_SPAN).replace(microsecond=0)
        end = end.replace(microsecond=0)
        body = conversions_request(start, end)

        def read(number: int) -> ReportPage:
            text = self._text("POST", _REPORT, query={"page": number, "page_size": PAGE_SIZE}, body=body)
            return parse_conversions_page(text, org=org, received_at=read_at, sub_slots=sub_slots or {})

        pages = self._whole("conversions", read, lambda page: page.conversion_ids, lambda page: page.nameless)
        return ConversionsReport(
            org=org,
            start=start,
            end=end,
            read_at=read_at,
            rows=tuple({row.receipt_id: row for page in pages for row in page.rows}.values()),
            problems=tuple(problem for page in pages for problem in page.problems),
            conversion_ids=frozenset(one for page in pages for one in page.conversion_ids),
            complete_ids=not any(page.nameless for page in pages),
        )

    def conversion(
        self, org: str, conversion_id: str, *, read_at: datetime, sub_slots: Mapping[str, str] | None = None
    ) -> Arrival | None:
        """One conversion by its id; None when the API says there is none. `confirm_absent` is the careful way to conclude from it."""
        text = self._ask("GET", f"{_REPORT}/{quote(conversion_id, safe='')}", may_be_missing=True)
        if text is None:
            return None
        try:
            row = parse_conversion(text, org=org, received_at=read_at, sub_slots=sub_slots or {})
        except BadInput as bad:  # it is there, whatever it says
            raise EverflowUnavailable(f"conversion not understood: {bad.field}: {bad.reason}") from None
        if row.conversion_id != conversion_id:
            raise EverflowUnavailable("asked for one conversion, was told another")
        return row

    def confirm_absent(self, report: ConversionsReport, conversion_ids: Iterable[str]) -> frozenset[str]:
        """Those of `conversion_ids` that the look-up by id knows nothing of either.

        First it must find one that the report lists: an endpoint that is switched off, or wants other ids, answers 404 to all of them.
        """
        asked = sorted(set(conversion_ids) - report.conversion_ids)
        if not asked:
            return frozenset()
        control = min(report.conversion_ids, default=None)
        if control is None or self._is_missing(control):
            raise EverflowUnavailable("the look-up by id finds nothing that the report lists")
        return frozenset(one for one in asked if self._is_missing(one))

    def _is_missing(self, conversion_id: str) -> bool:
        return self._ask("GET", f"{_REPORT}/{quote(conversion_id, safe='')}", may_be_missing=True) is None

    # --- offers --------------------------------------------------------------------------------------------------------
    def runnable_offers(self) -> tuple[ListedOffer, ...]:
        """The whole listing of offers we may run."""

        def read(number: int) -> OffersPage:
            return parse_offers_page(self._text("GET", _RUNNABLE, query={"page": number, "page_size": PAGE_SIZE}))

        pages = self._whole("offers", read, lambda page: [one.offer for one in page.offers], lambda page: 0)
        return tuple({one.offer: one for page in pages for one in page.offers}.values())

    def offer_detail(self, offer: str) -> str | None:
        """The document about one offer, as text; None when there is none."""
        return self._ask("GET", f"{_OFFER}/{quote(offer, safe='')}", may_be_missing=True)

    # --- lists ---------------------------------------------------------------------------------------------------------
    def _whole(
        self,
        what: str,
        read: Callable[[int], _Page],
        ids: Callable[[_Page], Iterable[str]],
        nameless: Callable[[_Page], int],
    ) -> list[_Page]:
        """Every page of a list: each said the same total, and that many different ids, and members that may lack one, came."""
        for reading in itertools.count(1):
            try:
                return self._read_through(read, ids, nameless)
            except _Moved as moved:
                if reading == READINGS:
                    raise EverflowUnavailable(f"{what}: {moved} (read {READINGS} times)") from None
            except BadInput as bad:  # answered 200, but with something else than data
                raise EverflowUnavailable(f"{what}: {bad}") from None
        raise AssertionError("unreachable")

    def _read_through(
        self, read: Callable[[int], _Page], ids: Callable[[_Page], Iterable[str]], nameless: Callable[[_Page], int]
    ) -> list[_Page]:
        pages: list[_Page] = []
        seen: set[str] = set()
        came = 0
        for number in range(1, MOST_PAGES):
            page = read(number)
            pages.append(page)
            before = came
            seen.update(ids(page))
            came = len(seen) + sum(map(nameless, pages))
            if page.page != number:
                raise _Moved(f"asked for page {number}, was given {page.page}")
            if page.total_count != pages[0].total_count:
                raise _Moved(f"{pages[0].total_count} became {page.total_count} while reading")
            if came > page.total_count:
                raise _Moved(f"{came} of {page.total_count}")
            if came == page.total_count:
                return pages
            if came == before:
                break
        raise _Moved(f"ended after {came} of {pages[0].total_count}")

    # --- one request ---------------------------------------------------------------------------------------------------
    def _text(self, method: str, path: str, *, query: Mapping[str, int], body: Mapping[str, Any] | None = None) -> str:
        text = self._ask(method, path, query=query, body=body)
        assert text is not None
        return text

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, int] | None = None,
        body: Mapping[str, Any] | None = None,
        may_be_missing: bool = False,
    ) -> str | None:
        """The answer's text. Refusals of the limit, 5xx and lost answers are waited out, each wait longer than the last."""
        waited = 0.0
        for attempt in itertools.count():
            wait = FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10)
            wait = min(wait, LONGEST_PAUSE_SECONDS) * (0.5 + 0.5 * self._jitter())
            self._keep_pace()
            try:
                answer = self._http.request(method, path, params=query, json=body)
            except httpx.RequestError as error:  # its text may hold what was asked for: the name says enough
                failure, again = type(error).__name__, True
            else:
                self._note(answer.headers)
                if answer.status_code == 200:
                    return answer.text
                if answer.status_code == 404 and may_be_missing:
                    return None
                said = api_error(answer.status_code, answer.text)
                failure, again = f"{said.status} {said.message}", said.retry
                wait = max(wait, _seconds(answer.headers.get("Retry-After")))
            if not again or waited + wait > MOST_WAITED_SECONDS:
                raise EverflowUnavailable(failure + (f" (attempt {attempt + 1})" if attempt else ""))
            self._pause(wait)
            waited += wait
        raise AssertionError("unreachable")

    def _keep_pace(self) -> None:
        early = self._not_before - self._clock()
        if early > 0:
            self._pause(early)
        self._not_before = max(self._not_before, self._clock()) + PACE_SECONDS

    def _note(self, headers: httpx.Headers) -> None:
        """Leave the network's bucket something when it runs low."""
        if "X-RateLimit-Remaining" in headers and _seconds(headers["X-RateLimit-Remaining"], otherwise=FEW_LEFT) < FEW_LEFT:
            self._not_before = max(self._not_before, self._clock() + FEW_LEFT_SECONDS)


@contextmanager
def everflow_of(w: Wiring, org: str) -> Iterator[EverflowClient | None]:
    """The org's client; None until the operator has given an API key."""
    api_key = w.parameters.everflow_api_key(org)
    if api_key is None:
        yield None
        return
    with EverflowClient(w.value(names.EVERFLOW_BASE_URL), api_key) as client:
        yield client


def _seconds(text: str | None, *, otherwise: float = 0.0) -> float:
    """A header's plain number. A date, which Retry-After may be too, is left to the pauses of our own."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else otherwise
