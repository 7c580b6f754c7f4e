"""Each function as Lambda calls it: a real event in, under its own role and environment; what it changed is read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from revenue_engine import ids
from revenue_engine.aws import names, wiring
from revenue_engine.bundle import load
from revenue_engine.clock import epoch_seconds
from revenue_engine.services import quarantine, send_messages
from tests.builders import NOW, Org
from tests.everflow_members import a_member
from tests.ses_events import ses_event
from workbench.local.executor import FunctionError
from workbench.local.plane import Plane
from workbench.simulation.everflow import EverflowApi

EVENTS = Path(__file__).parents[1] / "events"
POISON = "00000000-0000-4000-8000-000000000002"


def event(name: str, **values: str) -> Any:
    """An event file with its placeholders filled in."""

    def filled(value: Any) -> Any:
        match value:
            case str():
                for placeholder, text in values.items():
                    value = value.replace(f"%{placeholder.upper()}%", text)
                return value
            case dict():
                return {key: filled(member) for key, member in value.items()}
            case list():
                return [filled(member) for member in value]
        return value

    return filled(json.loads((EVENTS / f"{name}.json").read_text()))


@pytest.fixture
def system(emulator: Any) -> Iterator[Plane]:
    """A system per test: roles are granted what belongs to the stack's one org, so there can be no org per test."""
    with Plane.start(now=NOW, backend=emulator()) as plane:
        yield plane


@pytest.fixture
def main(system: Plane) -> Org:
    return Org.open(system, "main")


def failures(answer: Any) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_webhook_takes_a_postback_and_attribute_books_it_beside_a_poisoned_record(main: Org) -> None:
    plan = main.mailed()
    sub1 = ids.tracking_id(main.key, org="main", send_id=plan.send_id)
    answer = main.system.invoke("webhook", event("http-postback", token=main.token, sub1=sub1))
    assert (answer["statusCode"], answer["body"], answer["headers"]["cache-control"]) == (200, "ok", "no-store")
    (body,) = main.drained(names.POSTBACKS_QUEUE_URL)
    missing = json.dumps(json.loads(body) | {"raw_key": "raw/main/none.json"})
    answer = main.system.invoke("attribute", event("sqs-batch", first=body, poison=missing, last=body))
    assert failures(answer) == [POISON]
    assert main.counters()["provisional_micros#USD"] == 32_500_000
    told = main.drained(names.ENGAGEMENT_QUEUE_URL)
    assert failures(main.system.invoke("engage", event("sqs-batch", first=told[0], poison="{}", last=told[1]))) == [POISON]
    assert main.row(plan.subscriber).revenue_micros == 32_500_000


def test_webhook_quarantines_a_wrong_token_under_its_own_role(main: Org) -> None:
    answer = main.system.invoke("webhook", event("http-postback", token="guess", sub1=""))
    assert answer["statusCode"] == 200
    assert [entry["reason"] for entry in quarantine.listed(main.w, "main")] == ["wrong_token"]


def test_execute_mails_the_good_records_of_a_batch(main: Org) -> None:
    first, last = (main.plan(main.add_person()) for _ in range(2))
    bodies = [send_messages.encode([plan]) for plan in (first, last)]
    answer = main.system.invoke("execute", event("sqs-batch", first=bodies[0], poison="{}", last=bodies[1]))
    assert failures(answer) == [POISON]
    assert [mail.tags["send_id"] for mail in main.mails] == [first.send_id, last.send_id]
    assert main.send(first)["state"] == "SENT"


def test_engage_applies_the_good_records_of_a_batch(main: Org) -> None:
    plan, unknown = main.mailed(), main.plan("x" * 26)
    bodies = {
        "first": ses_event("ses-event-delivery.json", plan),
        "poison": ses_event("ses-event-click.json", unknown),
        "last": ses_event("ses-event-complaint.json", plan),
    }
    assert failures(main.system.invoke("engage", event("sqs-batch", **bodies))) == [POISON]
    assert main.counters()["complaints"] == 1
    assert main.person(plan.subscriber)["status"] == "complained"


def test_engage_answers_the_opt_out_route(main: Org) -> None:
    plan = main.mailed()
    token = ids.unsubscribe_token(main.key, org="main", subscriber=plan.subscriber, send_id=plan.send_id)
    page = main.system.invoke("engage", event("http-unsubscribe-page", token=token))
    assert (page["statusCode"], page["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    assert main.person(plan.subscriber)["status"] == "active"
    assert main.system.invoke("engage", event("http-unsubscribe", token=token))["statusCode"] == 200
    assert main.person(plan.subscriber)["status"] == "unsubscribed"
    assert main.counters()["unsubscribes"] == 1


def test_decide_runs_a_cycle_whose_plans_execute_mails(main: Org) -> None:
    main.set_controls(ghost_share=0, min_revenue_per_email_micros=0)
    people = {main.add_person() for _ in range(3)}
    report = main.system.invoke("decide", event("schedule-decide"))
    assert (report["outcome"], report["decided"]) == ("completed", 3)
    assert main.system.invoke("decide", event("schedule-decide"))["outcome"] == "leased_or_done"
    main.system.clock.move_to(NOW + timedelta(minutes=15))  # mails are spread over the quarter of an hour
    main.w.control.heartbeat("main", at=epoch_seconds(NOW) + 900)
    for body in main.drained(names.SENDS_QUEUE_URL):
        assert failures(main.system.invoke("execute", event("sqs-batch", first=body, poison="{}", last=body))) == [POISON]
    assert report["planned"] == len(main.mails) == main.counters()["sent"] == main.reserved() > 0
    assert {main.w.sends.get(mail.tags["send_id"])["subscriber"] for mail in main.mails} <= people  # type: ignore[index]


def test_safety_judges_and_probes(main: Org) -> None:
    assert main.system.invoke("safety", event("schedule-judge"))["trip"] is False
    assert main.system.invoke("safety", event("schedule-probe")) == {
        "healthy": False,
        "undecided": True,  # nothing has left
        "human_needed": False,
        "reason": "",
    }


def test_safety_trips_and_starts_the_machine_under_its_own_role(main: Org) -> None:
    main.w.control.note_failures("main", in_a_row=5, all_failed=True)
    assert main.system.invoke("safety", event("schedule-judge"))["reason"] == "consecutive_failures"
    assert len(main.system.machines.executions) == 1


def test_reconcile_queues_what_lies_unqueued(main: Org) -> None:
    main.w.postbacks.put("unqueued/main/r.json", b'{"receipt_id": "r"}')
    assert main.system.invoke("reconcile", event("schedule-reconcile")) == {"requeued": 1, "skipped": "no_api_key"}
    assert main.drained(names.POSTBACKS_QUEUE_URL) == ['{"receipt_id": "r"}']


def test_reconcile_takes_in_the_catalogue_and_its_opt_outs_under_its_own_role(emulator: Any) -> None:
    api = EverflowApi("the-key")
    api.files["/list.txt"] = b"ada@x.example\n"
    with api.serve() as origin, Plane.start(now=NOW, backend=emulator(), parameters={"EverflowBaseUrl": origin}) as plane:
        main = Org.open(plane, "main")
        assert plane.invoke("reconcile", event("schedule-catalogue")) == {"skipped": "no_api_key"}
        main.set_secret(names.EVERFLOW_API_KEY, "the-key")
        api.offers = [a_member(7, suppression_file=f"{origin}/list.txt")]
        main.w.parameters.forget()
        wiring.forget()
        said = plane.invoke("reconcile", event("schedule-catalogue"))
        assert (said["created"], said["stopped"], said["lists"]) == (1, 1, {"offer-7": "refreshed"})
        assert main.w.suppression.advertiser_forbids("main", "offer-7", "ada@x.example")
        offer = main.w.offers.get("main", "1042")
        assert offer is not None and offer.stop_reason == "offer_not_listed"
        assert plane.permissions.denials == []


def test_reconcile_looks_at_the_arms_under_its_own_role_and_the_console_shows_it(main: Org) -> None:
    main.add_person()
    said = main.system.invoke("reconcile", event("schedule-lift"))
    assert (said["why"]["lift"]["reason"], said["health"]["no_mail"]["people"]) == ("arm_empty", 0)
    assert said["health"]["engine"]["people"] >= 1
    shown = main.system.invoke("console", event("http-console-status") | {"rawPath": "/console/main/lift"})
    assert json.loads(shown["body"]) == said
    assert main.system.permissions.denials == []


def test_train_publishes_a_bundle(main: Org) -> None:
    said = main.system.invoke("train", event("schedule-train"))
    assert main.w.bundles.last_report("main") == said
    for one in said["candidates"]:
        assert load(main.w.bundles.files("main", one["version"])).version == one["version"]
    assert main.system.permissions.denials == []


def test_console_answers_and_commands(main: Org) -> None:
    answer = main.system.invoke("console", event("http-console-status"))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["autonomy"] == "full"
    command = event("http-console-status")
    command["requestContext"]["http"]["method"] = "POST"
    main.w.control.trip("main", reason="bounce_rate_exceeded", now=NOW)
    for rest in ("autonomy/off", "breaker/close"):
        assert main.system.invoke("console", command | {"rawPath": f"/console/main/{rest}"})["statusCode"] == 200
    main.w.parameters.forget()
    assert main.w.parameters.autonomy("main").value == "off"


def test_an_input_that_is_none_is_an_error_of_the_invocation(main: Org) -> None:
    with pytest.raises(FunctionError, match="KeyError"):
        main.system.invoke("decide", {})
    assert main.system.executor.failures[-1].function == "decide"


@pytest.mark.parametrize("minutes", [6])
def test_decide_stops_on_a_stale_breaker(main: Org, minutes: int) -> None:
    main.system.clock.move_to(NOW + timedelta(minutes=minutes))
    assert main.system.invoke("decide", event("schedule-decide"))["outcome"] == "breaker_stale"
