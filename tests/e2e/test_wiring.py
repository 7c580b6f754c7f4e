"""Every wire of the template carries something: without it the loop breaks in the way one expects, and in no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from revenue_engine.services.receipts import queue_message
from tests.e2e.house import ORG, House, Template, golden, house
from workbench.local.template import TemplateError

WIRES = (
    "AWS::Lambda::EventSourceMapping",
    "AWS::Events::Rule",
    "AWS::SNS::Subscription",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::ApiGatewayV2::Route",
)
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator"}
NEEDS_MAIL = {"mailed", "touched", "opt_out_page", "unsubscribed"}

# What is lost without each wire; a wire is found by its type and a text in its body.
LOST: dict[tuple[str, str], set[str]] = {
    ("AWS::Lambda::EventSourceMapping", "SendQueue"): NEEDS_MAIL,
    ("AWS::Lambda::EventSourceMapping", "PostbackQueue"): {"booked", "booked_posted"},
    ("AWS::Lambda::EventSourceMapping", "EngagementQueue"): {"touched"},
    ("AWS::Events::Rule", "DecisionLoopDecide"): {"cycled", *NEEDS_MAIL},
    ("AWS::Events::Rule", "SafetyBreakerSafety"): {"judged", "cycled", *NEEDS_MAIL},  # D5: an unwatched engine does not mail
    ("AWS::Events::Rule", "cron(15 23"): {"reconciled"},
    ("AWS::Events::Rule", "cron(45 23"): {"arms_looked_at"},
    ("AWS::Events::Rule", "outcomes"): {"outcomes_exported"},
    ("AWS::Events::Rule", "catalogue"): {"catalogue_synced"},
    ("AWS::Events::Rule", "cron(0 3"): {"trained"},
    ("AWS::Events::Rule", "cron(0 4"): {"valued"},
    ("AWS::SNS::Subscription", ""): {"touched"},
    ("AWS::SES::ConfigurationSetEventDestination", ""): {"touched"},
    ("AWS::ApiGatewayV2::Route", "ANY /everflow"): {"booked", "booked_posted", "probed"},
    ("AWS::ApiGatewayV2::Route", "GET /u/"): {"opt_out_page"},
    ("AWS::ApiGatewayV2::Route", "POST /u/"): {"unsubscribed"},
    ("AWS::ApiGatewayV2::Route", "GET /console"): {"console_read"},
    ("AWS::ApiGatewayV2::Route", "POST /console"): {"console_command"},
}
IN_THE_NIGHT = {"reconciled", "arms_looked_at", "outcomes_exported", "trained", "valued", "catalogue_synced"}


def wire(template: Template, kind: str, text: str) -> str:
    """The one resource of this type whose body holds this text."""
    found: list[str] = [
        logical_id
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == kind and text in json.dumps(resource["Properties"])
    ]
    assert len(found) == 1, (kind, text, found)
    return found[0]


def without(kind: str, text: str) -> Template:
    """The template without one wire, and without the permission that only this wire needs."""
    template = golden()
    resources = template["Resources"]
    gone = wire(template, kind, text)
    del resources[gone]
    for logical_id in [key for key, each in resources.items() if json.dumps({"Fn::GetAtt": [gone, "Arn"]}) in json.dumps(each)]:
        del resources[logical_id]
    return template


def test_every_wire_of_the_template_has_its_case() -> None:
    template = golden()
    wires = {logical_id for logical_id, resource in template["Resources"].items() if resource["Type"] in WIRES}
    assert wires == {wire(template, kind, text) for kind, text in LOST}


def test_with_all_wires_nothing_is_lost() -> None:
    assert _day(golden()) == set().union(*LOST.values()) - IN_THE_NIGHT
    assert _night(golden()) == IN_THE_NIGHT


@pytest.mark.parametrize(("kind", "text"), [case for case, lost in LOST.items() if not lost & IN_THE_NIGHT])
def test_without_a_wire_just_its_part_of_the_loop_is_lost(kind: str, text: str) -> None:
    everything = set().union(*LOST.values()) - IN_THE_NIGHT
    assert everything - _day(without(kind, text)) == LOST[kind, text]


@pytest.mark.parametrize(("kind", "text"), [case for case, lost in LOST.items() if lost & IN_THE_NIGHT])
def test_without_a_nightly_rule_its_work_is_not_done(kind: str, text: str) -> None:
    assert IN_THE_NIGHT - _night(without(kind, text)) == LOST[kind, text]


@pytest.mark.parametrize("function", ["Decide", "Safety", "Reconcile", "Train", "Webhook", "Engage", "Console"])
def test_a_function_that_nobody_may_invoke_is_refused_before_anything_runs(function: str) -> None:
    template = golden()
    gone = [
        logical_id
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Permission"
        and f"{function}Function" in json.dumps(resource["Properties"]["FunctionName"])
    ]
    assert gone
    for logical_id in gone:
        del template["Resources"][logical_id]
    with pytest.raises(TemplateError, match="no AWS::Lambda::Permission"), house(0, template=template):
        pass


def test_an_event_type_that_the_destination_does_not_match_never_arrives() -> None:
    template = golden()
    destination = template["Resources"][wire(template, "AWS::SES::ConfigurationSetEventDestination", "")]
    destination["Properties"]["EventDestination"]["MatchingEventTypes"].remove("click")
    assert "touched" not in _day(template)


def _day(template: Template) -> set[str]:
    """A quarter of an hour and what follows it: the facts one can read back."""
    with house(template=template) as made:
        made.run(16)
        return set(_facts(made))


def _facts(made: House) -> Iterator[str]:
    plane, w = made.plane, made.w
    yield from _if(w.control.breaker(ORG) is not None, "judged")
    yield from _if(w.control.last_cycle(ORG) is not None, "cycled")
    yield from _if(bool(made.mails), "mailed")

    def booked(transaction: str) -> bool:
        plane.settle()
        return w.ledger.head(f"{ORG}#conversion#{transaction}#0") is not None

    query = "kind=conversion&payout=20&offer_id=1001&event_id=0&currency=USD&sub1=&transaction_id="
    yield from _if(plane.http("HEAD", made.webhook_path).status == 200, "probed")
    plane.http("GET", f"{made.webhook_path}?{query}by-get")
    yield from _if(booked("by-get"), "booked")
    plane.http("POST", made.webhook_path, {"content-type": "application/x-www-form-urlencoded"}, f"{query}by-post")
    yield from _if(booked("by-post"), "booked_posted")

    yield from _if(plane.http("GET", f"/console/{ORG}/status", SIGNED).status == 200, "console_read")
    plane.http("POST", f"/console/{ORG}/autonomy/shadow", SIGNED)
    w.parameters.forget()
    yield from _if(w.parameters.autonomy(ORG).value == "shadow", "console_command")

    for mail in made.mails:
        made.delivered(mail)
        made.clicked(mail)
        yield from _if("first_human_click_at" in made.send(mail), "touched")
        yield from _if(b"<form" in plane.http("GET", mail.unsubscribe_url).body, "opt_out_page")
        made.unsubscribed(mail)
        yield from _if(made.person(made.send(mail)["subscriber"])["status"] == "unsubscribed", "unsubscribed")


def _night(template: Template) -> set[str]:
    """At three the models are trained, on Sundays at four that of value; at a quarter past eleven the books are reconciled, and half an
    hour later the arms looked at; at a quarter to one the outcomes of days that are over are exported; every six hours the catalogue."""
    facts: set[str] = set()
    for start, minutes, arrange, fact in (
        (datetime(2026, 3, 1, 23, 14, tzinfo=UTC), 1.5, _leave_a_postback_unqueued, "reconciled"),
        (datetime(2026, 3, 1, 23, 44, tzinfo=UTC), 1.5, _wait_for_a_look, "arms_looked_at"),
        (datetime(2026, 3, 1, 0, 44, tzinfo=UTC), 1.5, _look_for_outcomes, "outcomes_exported"),
        (datetime(2026, 3, 1, 2, 59, tzinfo=UTC), 1.5, partial(_wait_for_a_report, "funnel"), "trained"),
        (datetime(2026, 3, 1, 3, 59, tzinfo=UTC), 1.5, partial(_wait_for_a_report, "value"), "valued"),
        (datetime(2026, 3, 1, 4, 0, tzinfo=UTC), 361, _listen_for_a_sync, "catalogue_synced"),
    ):
        with house(0, template=template, start=start) as made:
            done = arrange(made)
            made.run(minutes)
            facts |= {fact} if done() else set()
    return facts


def _wait_for_a_look(made: House) -> Callable[[], bool]:
    return lambda: made.w.control.last_look(ORG) is not None


def _look_for_outcomes(made: House) -> Callable[[], bool]:
    return lambda: made.w.decisions.keys(f"outcomes/{ORG}/2026-02-28/") != []


def _listen_for_a_sync(made: House) -> Callable[[], bool]:
    return lambda: any("the catalogue stays as it was imported" in line for line in made.plane.executor.log)


def _leave_a_postback_unqueued(made: House) -> Callable[[], bool]:
    message = queue_message(ORG, "receipt", "raw/nowhere.json", token_state="ok")
    made.w.postbacks.put(f"unqueued/{ORG}/receipt.json", message.body.encode())
    return lambda: made.w.postbacks.keys("unqueued/") == []


def _wait_for_a_report(what: str, made: House) -> Callable[[], bool]:
    return lambda: made.w.bundles.last_report(ORG, what) is not None


def _if(holds: bool, fact: str) -> Iterator[str]:
    if holds:
        yield fact
