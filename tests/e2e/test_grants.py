"""Least privilege, both ways: the loop needs every grant the template gives, and is refused what it does not give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.services.receipts import queue_message
from tests.e2e.house import MINUTE, ORG, House, Template, golden, house
from tests.everflow_members import a_member
from workbench.local.ses_recorder import Fault
from workbench.local.template import TemplateError
from workbench.simulation import events
from workbench.simulation.everflow import EverflowApi
from workbench.simulation.mail import Received
from workbench.simulation.truth import Deal

API_KEY = "everflow-key"
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator"}


@contextmanager
def full_house() -> Iterator[tuple[House, EverflowApi]]:
    """Nine people, and an Everflow that answers."""
    api = EverflowApi(API_KEY)
    with (
        api.serve() as origin,
        house(9, by_hand=True, parameters={"EverflowBaseUrl": origin}, trickle_share=0.25) as made,
    ):
        made.plane.put_secrets(ORG, {names.EVERFLOW_API_KEY: API_KEY})
        made.w.parameters.forget()
        api.files["/list.txt"] = b"ada@x.example\n"
        api.offers = [a_member(1001, suppression_file=f"{origin}/list.txt"), a_member(1002)]
        yield made, api


def everything(made: House, api: EverflowApi) -> None:
    """Whatever the system does, once: every branch of a service that calls AWS in its own way."""
    plane, w = made.plane, made.w
    made.autonomy("approval")
    made.cycle()  # plans wait ...
    approval = w.control.approvals(ORG)[0]["approval_id"]
    plane.invoke("reconcile", {"org": ORG, "action": "lift"})
    plane.invoke("reconcile", {"org": ORG, "action": "outcomes"})
    for path in ("status", "quarantine", "approvals", "lift", "stops"):
        plane.http("GET", f"/console/{ORG}/{path}", SIGNED)
    plane.http("POST", f"/console/{ORG}/approvals/{approval}/approve", SIGNED)  # ... for a person
    made.run(1)
    plane.http("POST", f"/console/{ORG}/autonomy/full", SIGNED)
    w.parameters.forget()

    first, second, third, *_ = made.mails
    made.delivered(first)
    made.clicked(first)
    made.publish(events.bounce(second, second.at + MINUTE, permanent=True, feedback_id="b"))
    plane.http("GET", first.unsubscribe_url)
    made.unsubscribed(third)

    made.converted(first)
    made.converted(first, payout="rubbish", transaction_id="tx2")
    entry = next(iter(w.quarantine.newest_first(ORG)))
    plane.http("POST", f"/console/{ORG}/quarantine/{entry['receipt_id']}/replay", SIGNED)
    plane.http("GET", made.webhook_path[:-3] + "bad?transaction_id=x")
    plane.settle()
    w.postbacks.put(f"unqueued/{ORG}/r.json", queue_message(ORG, "r", "raw/none", token_state="ok").body.encode())
    api.listed = lambda start, end: [_deal(first)]
    plane.invoke("reconcile", {"org": ORG})
    plane.invoke("reconcile", {"org": ORG, "action": "catalogue"})
    plane.invoke("train", {"org": ORG})

    _refuse_mails(made, people=3, first=20)
    _refuse_mails(made, people=2, first=30)  # five failures in a row: the breaker opens
    made.watch(61)  # it cools down ...
    made.people(16, first=40)
    made.watch(15 - made.now.minute % 15)
    made.cycle()  # ... lets a trickle through ...
    made.watch(40)  # ... and closes again
    plane.http("POST", f"/console/{ORG}/breaker/close", SIGNED)


def _deal(mail: Received) -> Deal:
    """What the report says of a conversion that no postback told."""
    return Deal(
        kind="conversion", transaction_id="tx9", conversion_id="c9", event_id="0", event_name="", offer=mail.offer, currency="USD",
        payout_micros=20_000_000, sub1=mail.tracking_id, clicked_at=mail.at, converted_at=mail.at + MINUTE, approved_micros=20_000_000,
    )  # fmt: skip


def _refuse_mails(made: House, *, people: int, first: int) -> None:
    made.people(people, first=first)
    made.plane.ses.fault = lambda request: Fault.REJECTED
    made.run(15)
    made.cycle()
    made.plane.ses.fault = lambda request: None
    made.judge()


def test_the_golden_templates_loop_is_denied_nothing() -> None:
    with full_house() as (made, api):
        everything(made, api)
        assert made.plane.permissions.denials == []
        assert made.plane.executor.failures == []
        (execution,) = made.plane.machines.executions
        assert [state for _, state in execution.history][-2:] == ["NotifyClosed", "Closed"]
        assert made.counters()["approved_micros#USD"] == 20_000_000


# function, action, a text of the resource, and the facts that are then missing
CASES = [
    ("Decide", "dynamodb:Query", "/index/due", {"decided", "mailed", "touched", "booked"}),
    ("Decide", "dynamodb:UpdateItem", "Subscribers", {"decided"}),
    ("Decide", "s3:PutObject", "Decisions", {"decided", "mailed", "touched", "booked"}),
    ("Decide", "sqs:SendMessage", "SendQueue", {"decided", "mailed", "touched", "booked"}),
    ("Decide", "ssm:GetParameter", "Controls", {"decided", "mailed", "touched", "booked"}),
    ("Decide", "kms:Decrypt", "key/", {"decided", "mailed", "touched", "booked"}),
    ("Execute", "ses:SendRawEmail", "identity", {"mailed", "touched", "booked"}),
    ("Execute", "ses:SendRawEmail", "configuration-set", {"mailed", "touched", "booked"}),
    ("Execute", "dynamodb:ConditionCheckItem", "Suppression", {"mailed", "touched", "booked"}),
    ("Engage", "dynamodb:PutItem", "Timeline", {"touched"}),
    ("Webhook", "s3:PutObject", "Postbacks", {"answered", "booked"}),
    ("Webhook", "sqs:SendMessage", "PostbackQueue", {"booked"}),  # M3: stored, and queued by the next reconciliation
    ("Attribute", "dynamodb:PutItem", "Ledger", {"booked"}),
    ("Attribute", "s3:GetObject", "Postbacks", {"booked"}),
    ("BreakerSafetyRole", "dynamodb:UpdateItem", "Control", {"judged", "decided", "mailed", "touched", "booked"}),
]


@pytest.mark.parametrize(("function", "action", "resource", "lost"), CASES)
def test_a_missing_grant_breaks_the_loop_and_names_itself(function: str, action: str, resource: str, lost: set[str]) -> None:
    with house(template=_without(function, action, resource), by_hand=True) as made:
        assert {"judged", "decided", "mailed", "answered", "touched", "booked"} - set(_facts(made)) == lost
        denials = made.plane.permissions.denials
        assert denials
        for denial in denials:
            assert (function in denial.role, denial.action) == (True, action)
            assert resource.lower() in denial.resource.lower() or action == "kms:Decrypt"
        told = "\n".join(made.plane.executor.log) + str(made.plane.executor.failures)
        if "ses:" not in action:  # the provider's refusal of a mail is kept with the mail
            assert f"not authorized to perform {action} on resource {denials[0].resource}" in told
        else:
            (row,) = made.rows(names.SENDS_TABLE)
            assert (row["state"], row["reason"]) == ("FAILED", "AccessDeniedException")


def test_a_machine_that_may_not_write_leaves_the_breaker_open() -> None:
    template = _without("BreakerMachineRole", "dynamodb:UpdateItem", "Control")
    with house(template=template, by_hand=True) as made:
        made.judge()
        made.w.control.trip(ORG, reason="test", now=made.now)
        made.run(10)
        made.judge()
        made.run(10)
        (execution,) = made.plane.machines.executions
        assert execution.status == "FAILED"
        assert {denial.action for denial in made.plane.permissions.denials} == {"dynamodb:UpdateItem"}
        state = made.w.control.breaker(ORG)
        assert state is not None
        assert state["state"] == "open"


@pytest.mark.parametrize("function", ["Execute", "Attribute", "Engage"])
def test_a_function_that_may_not_poll_its_queue_gets_no_mapping(function: str) -> None:
    template = _without(function, "sqs:ReceiveMessage", "Queue")
    with pytest.raises(TemplateError, match="lacks sqs:ReceiveMessage"), house(0, template=template):
        pass


def _without(function: str, action: str, resource: str) -> Template:
    """The template without one action on the resources that hold a text, for one function's role."""
    template = golden()
    cut = 0
    for each in template["Resources"].values():
        if each["Type"] != "AWS::IAM::Policy" or function not in json.dumps(each["Properties"]["Roles"]):
            continue
        kept: list[dict[str, Any]] = []
        for statement in each["Properties"]["PolicyDocument"]["Statement"]:
            actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
            left = [one for one in resources if resource not in json.dumps(one)]
            if action not in actions or left == resources:
                kept.append(statement)
                continue
            cut += 1
            others = [one for one in actions if one != action]
            kept += [statement | {"Action": others}] if others else []
            kept += [statement | {"Action": action, "Resource": left}] if left else []
        each["Properties"]["PolicyDocument"]["Statement"] = kept
    assert cut == 1, (function, action, resource, cut)
    return template


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _facts(made: House) -> Iterator[str]:
    """A cycle and what follows it."""
    judged = made.plane.executor.invoke("safety", {"org": ORG, "action": "judge"})
    if judged.error is None:
        yield "judged"
    decided = made.plane.executor.invoke("decide", {"org": ORG})
    if decided.error is None and decided.value["outcome"] == "completed":
        yield "decided"
    made.run(1)
    if made.mails:
        yield "mailed"
    answer = made.plane.http("GET", f"{made.webhook_path}?transaction_id=tx0&payout=1&offer_id=1001&event_id=0&sub1=")
    if answer.status == 200:
        yield "answered"
    for mail in made.mails:
        made.delivered(mail)
        made.clicked(mail)
        if "first_human_click_at" in made.send(mail):
            yield "touched"
        made.converted(mail)
        if made.w.ledger.head(f"{ORG}#conversion#tx1#0") is not None:
            yield "booked"
