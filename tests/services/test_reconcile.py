"""Everflow's own report confirms the money; what it did not answer concludes nothing (M4)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.services import everflow_api, quarantine
from revenue_engine.services.everflow_api import EverflowUnavailable
from revenue_engine.services.reconcile import reconcile
from tests.builders import NOW, Org, an_offer

T = epoch_seconds(NOW)


def row(conversion: str, **changes: Any) -> dict[str, Any]:
    base = {
        "conversion_id": conversion,
        "transaction_id": f"t-{conversion}",
        "conversion_unix_timestamp": T,
        "revenue": 32.5,
        "currency_id": "USD",
        "is_event": False,
        "event": "Base",
        "sub1": "",
        "relationship": {"offer": {"network_offer_id": 1042}},
    }
    return base | changes


def page(number: int, total: int, *rows: dict[str, Any]) -> tuple[int, str]:
    return 200, json.dumps({"conversions": rows, "paging": {"page": number, "page_size": 500, "total_count": total}})


class Everflow:
    """Answers the report's calls one after the other, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        everflow = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                everflow.asked.append((self.path, str(self.headers["X-Eflow-API-Key"]), body))
                status, text = everflow.answers.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def everflow(org: Org, monkeypatch: pytest.MonkeyPatch) -> Iterator[Everflow]:
    made = Everflow()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(everflow_api, "PAUSES_SECONDS", (0.0, 0.0, 0.0))
    org.set_secret(names.EVERFLOW_API_KEY, "the-key")
    org.w = Wiring(tuple(sorted({**dict(org.w.environment), names.EVERFLOW_BASE_URL: made.url}.items())))
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def run(org: Org) -> dict[str, Any]:
    return reconcile(org.w, org=org.name, now=NOW)


def test_every_page_is_read_with_the_key_and_booked_and_a_second_run_changes_nothing(org: Org, everflow: Everflow) -> None:
    plan = org.mailed()
    sub1 = ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)
    pages = [page(1, 3, row("c1", sub1=sub1), row("c2")), page(2, 3, row("c3", is_event=True, event="Upsell", revenue=4.25))]
    everflow.answers = pages * 2
    assert run(org) == {"requeued": 0, "booked": 3}
    counted = org.counters()
    assert counted["approved_micros#USD"] == 69_250_000
    assert org.send(plan)["revenue_micros#USD"] == 32_500_000
    assert run(org) == {"requeued": 0, "already_booked": 3}
    assert org.counters() == counted
    path, key, body = everflow.asked[1]
    assert (path, key) == ("/v1/affiliates/reporting/conversions?page=2&page_size=500", "the-key")
    assert (body["from"], body["to"], body["timezone_id"]) == ("2026-02-18 10:00:00", "2026-03-04 10:00:00", 67)


def test_without_a_key_nothing_is_asked(org: Org) -> None:
    assert run(org) == {"requeued": 0, "skipped": "no_api_key"}


def test_a_refused_key_is_told_and_nothing_is_concluded(org: Org, everflow: Everflow) -> None:
    everflow.answers = [(401, '{"error": "No Authentication Method Found"}')]
    with pytest.raises(EverflowUnavailable, match="No Authentication Method Found"):
        run(org)
    assert len(everflow.asked) == 1
    assert org.counters() == {}


def test_a_rate_limit_is_waited_out(org: Org, everflow: Everflow) -> None:
    everflow.answers = [(429, '{"error": "slow down"}'), (503, "<html>"), page(1, 1, row("c1"))]
    assert run(org) == {"requeued": 0, "booked": 1}


def test_the_pauses_grow_and_end(org: Org, everflow: Everflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    everflow.answers = [(429, '{"Error": "slow down"}')] * 4
    pauses: list[float] = []
    arguments = {"org": org.name, "start": NOW.replace(day=1), "end": NOW, "received_at": NOW, "pause": pauses.append}
    with pytest.raises(EverflowUnavailable, match="429 slow down"):
        list(everflow_api.conversion_pages(everflow.url, "k", **arguments))  # type: ignore[arg-type]
    assert pauses == [1.0, 3.0, 9.0]


def test_a_report_that_ends_early_is_an_error_and_books_no_more_than_it_showed(org: Org, everflow: Everflow) -> None:
    everflow.answers = [page(1, 3, row("c1")), page(2, 3)]
    with pytest.raises(EverflowUnavailable, match="ended after 1 of 3"):
        run(org)
    assert org.counters()["conversions"] == 1


@pytest.mark.parametrize("text", ["<html>maintenance</html>", "{}", "[]"])
def test_an_answer_that_is_no_report_is_no_data(org: Org, everflow: Everflow, text: str) -> None:
    everflow.answers = [(200, text)]
    with pytest.raises(EverflowUnavailable):
        run(org)
    assert org.counters() == {}


def test_an_everflow_that_is_not_there_is_no_data(org: Org, everflow: Everflow) -> None:
    everflow.server.shutdown()
    everflow.server.server_close()
    with pytest.raises(EverflowUnavailable, match="ConnectError"):
        run(org)


def test_a_row_that_cannot_be_booked_waits_in_quarantine_for_the_run_that_can(org: Org, everflow: Everflow) -> None:
    bad, unknown = row("c1", transaction_id=""), row("c2", relationship={"offer": {"network_offer_id": 7}})
    everflow.answers = [page(1, 3, bad, unknown, row("c3"))] * 2
    assert run(org) == {"requeued": 0, "not_understood": 1, "quarantined": 1, "booked": 1}
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["receipt_id"], entry["reason"], entry["source"]) == ("c2", "unknown_offer", "report")
    assert not quarantine.replay(org.w, org.name, "c2")  # nothing of it lies in the bucket
    assert org.drained(names.POSTBACKS_QUEUE_URL) == []
    org.w.offers.put(org.name, an_offer(7))
    assert run(org) == {"requeued": 0, "not_understood": 1, "booked": 1, "already_booked": 1}
    assert quarantine.listed(org.w, org.name) == []


def test_a_row_that_changes_an_approved_amount_is_listed_until_it_says_what_is_booked(org: Org, everflow: Everflow) -> None:
    everflow.answers = [page(1, 1, row("c1")), *[page(1, 1, row("c1", revenue=40))] * 2, page(1, 1, row("c1"))]
    assert [run(org) for _ in range(3)] == [{"requeued": 0, said: 1} for said in ("booked", "doubtful", "doubtful")]
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["receipt_id"], entry["state"], entry["source"]) == ("c1", "doubtful", "report")
    assert (entry["reason"], entry["raw_key"]) == ("contradicts_booked_amount", "")
    assert not quarantine.replay(org.w, org.name, "c1")
    assert run(org) == {"requeued": 0, "already_booked": 1}
    assert quarantine.listed(org.w, org.name) == []
