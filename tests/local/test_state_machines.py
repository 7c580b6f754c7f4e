"""The breaker of the synthesised template runs on simulated time; definitions are checked whole when they are loaded."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from revenue_engine.aws import names
from tests.local.conftest import START, Document, Functions, Starter
from workbench.local.backend import BackendError
from workbench.local.plane import Plane
from workbench.local.state_machines import Execution
from workbench.local.states_language import DefinitionError, check

COOL_DOWN = 600

# Answers the probes from a list that the test keeps in the table of controls, and remembers that it was asked.
SAFETY = """
answers = []
def handle(event, context):
    if event.get("action") != "probe":
        return {}
    client = boto3.client("dynamodb")
    key = {"pk": {"S": "probes"}, "sk": {"S": "answers"}}
    item = client.get_item(TableName=os.environ["CONTROL_TABLE"], Key=key)["Item"]
    first, *rest = json.loads(item["list"]["S"])
    client.put_item(TableName=os.environ["CONTROL_TABLE"], Item={**key, "list": {"S": json.dumps(rest)}})
    if first == "raise":
        raise RuntimeError("probe")
    return first
"""


@pytest.fixture
def breaker(start: Starter, golden: Document, golden_functions: Functions) -> Iterator[Plane]:
    golden_functions.write("safety", SAFETY)
    with start(golden) as plane:
        yield plane


def open_breaker(plane: Plane, probes: list[Any], name: str = "one") -> Execution:
    control = plane.environment("safety")[names.CONTROL_TABLE]
    item = {"pk": {"S": "probes"}, "sk": {"S": "answers"}, "list": {"S": json.dumps(probes)}}
    plane.client("dynamodb").put_item(TableName=control, Item=item)
    given = {"org": "main", "stage": "dev", "reason": "bounces", "cool_down_seconds": COOL_DOWN}
    start_machine(plane, given, name)
    return plane.machines.executions[-1]


def start_machine(plane: Plane, given: dict[str, Any], name: str) -> str:
    arn = plane.deployment.state_machines[0].arn
    answer = plane.client("stepfunctions").start_execution(stateMachineArn=arn, name=name, input=json.dumps(given))
    return str(answer["executionArn"])


def control_item(plane: Plane) -> dict[str, str]:
    control = plane.environment("safety")[names.CONTROL_TABLE]
    key = {"pk": {"S": "main"}, "sk": {"S": "breaker"}}
    item = plane.client("dynamodb").get_item(TableName=control, Key=key)["Item"]
    return {name: value["S"] for name, value in item.items() if name not in ("pk", "sk") and "S" in value}


def states(execution: Execution) -> list[str]:
    return [state for _, state in execution.history]


def entered(execution: Execution, state: str) -> datetime:
    return next(at for at, name in execution.history if name == state)


def test_a_healthy_probe_closes_the_breaker_after_cool_down_and_trickle(breaker: Plane) -> None:
    execution = open_breaker(breaker, [{"healthy": True, "human_needed": False}])
    breaker.settle()
    assert control_item(breaker) == {
        "state": "open",
        "reason": "bounces",
        "execution": execution.arn,
        "since": "2026-03-04T09:00:00.000Z",
    }
    breaker.run_until(START + timedelta(seconds=COOL_DOWN - 1))
    assert (control_item(breaker)["state"], execution.state) == ("open", "CoolDown")
    breaker.run_until(START + timedelta(seconds=COOL_DOWN))
    assert (control_item(breaker)["state"], execution.state) == ("half_open", "Trickle")
    breaker.run_until(START + timedelta(hours=2))
    assert (execution.status, control_item(breaker)["state"]) == ("SUCCEEDED", "closed")
    assert entered(execution, "HalfOpen") == START + timedelta(seconds=COOL_DOWN)
    assert entered(execution, "Probe") == entered(execution, "Trickle") + timedelta(seconds=1800)
    shown = breaker.client("ssm").get_parameter(Name=names.breaker_parameter("dev", "main"))["Parameter"]["Value"]
    assert shown == "closed"


def test_a_sick_probe_opens_it_again_and_a_total_choice_takes_an_empty_answer_as_sick(breaker: Plane) -> None:
    execution = open_breaker(breaker, [{}, {"healthy": "yes"}, {"healthy": False, "human_needed": True}])
    breaker.run_until(START + timedelta(hours=4))
    assert (states(execution).count("Open"), states(execution).count("Reopen")) == (1, 2)
    assert execution.status == "SUCCEEDED"
    assert states(execution)[-1] == "HumanNeeded"
    assert control_item(breaker)["state"] == "open"


def test_a_failing_probe_is_retried_with_growing_pauses_and_then_leaves_the_breaker_open(breaker: Plane) -> None:
    execution = open_breaker(breaker, ["raise"] * 5)
    breaker.run_until(START + timedelta(hours=2))
    assert (execution.status, execution.error) == ("FAILED", "BreakerFailed")
    assert control_item(breaker)["state"] == "open"
    assert entered(execution, "FailOpen") - entered(execution, "Probe") == timedelta(seconds=2 + 4 + 8 + 16)
    assert len(breaker.executor.failures) == 5


def test_a_newer_execution_supersedes_an_older_one(breaker: Plane) -> None:
    old = open_breaker(breaker, [])
    breaker.run_until(START + timedelta(minutes=1))
    new = open_breaker(breaker, [{"healthy": True}], "two")
    breaker.run_until(START + timedelta(hours=2))
    assert states(old)[-1] == "Superseded"
    assert (states(new)[-1], control_item(breaker)["state"]) == ("Closed", "closed")


def test_an_undecided_probe_lets_the_trickle_go_on_as_a_new_half_hour(breaker: Plane) -> None:
    execution = open_breaker(breaker, [{"undecided": True}, {"healthy": True}])
    breaker.run_until(START + timedelta(seconds=COOL_DOWN + 1801))
    assert (execution.state, control_item(breaker)["state"]) == ("Trickle", "half_open")
    assert control_item(breaker)["trickle_since"][:19] == f"{START + timedelta(seconds=COOL_DOWN):%Y-%m-%dT%H:%M:%S}"
    assert control_item(breaker)["since"] > f"{START + timedelta(seconds=COOL_DOWN):%Y-%m-%dT%H:%M:%S}"
    breaker.run_until(START + timedelta(hours=2))
    assert (states(execution).count("Trickle"), states(execution)[-1]) == (2, "Closed")


def test_starting_is_idempotent_by_name_and_input(breaker: Plane) -> None:
    given = {"org": "main", "stage": "dev", "reason": "x", "cool_down_seconds": 60}
    assert start_machine(breaker, given, "n") == start_machine(breaker, given, "n")
    assert len(breaker.machines.executions) == 1
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start_machine(breaker, {**given, "reason": "y"}, "n")


def test_an_input_without_the_wait_fails_the_execution(breaker: Plane) -> None:
    start_machine(breaker, {"org": "main", "stage": "dev", "reason": "x"}, "n")
    breaker.settle()
    execution = breaker.machines.executions[0]
    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")


def test_an_input_without_a_parameters_field_is_caught_as_the_definition_says(breaker: Plane) -> None:
    start_machine(breaker, {"org": "main", "stage": "dev", "cool_down_seconds": 60}, "n")
    breaker.run_until(START + timedelta(minutes=5))
    execution = breaker.machines.executions[0]
    assert states(execution) == ["Open", "FailOpen", "NotifyFailed", "Failed"]


def test_any_other_call_of_the_service_is_refused_loudly(breaker: Plane) -> None:
    with pytest.raises(BackendError, match="ListExecutions"):
        boto3.client("stepfunctions").list_executions(stateMachineArn=breaker.deployment.state_machines[0].arn)


DEFINITION: dict[str, Any] = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Pass", "Parameters": {"x.$": "$.a"}, "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Not": {"Variable": "$.x", "NumericLessThan": 3}, "Next": "C"}], "Default": "C"},
        "C": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"}, "End": True},
    },
}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("TimeoutSeconds", 3, "machine: .*TimeoutSeconds"),
        ("StartAt", "Z", "machine: there is no state Z"),
        ("States.A.Type", "Parallel", r"machine\.A: unsupported Type Parallel"),
        ("States.A.InputPath", "$.x", r"machine\.A: .*InputPath"),
        ("States.A.Next", "Z", r"machine\.A: there is no state Z"),
        ("States.A.Parameters", {"x.$": "States.UUID()"}, r"machine\.A\.Parameters: .*States\.UUID"),
        ("States.A.Parameters", {"x.$": "$..a"}, r"machine\.A\.Parameters: .*"),
        ("States.B.Choices", [{"Variable": "$.x", "StringMatches": "a*", "Next": "C"}], r"machine\.B: .*StringMatches"),
        ("States.B.Default", "Z", r"machine\.B: there is no state Z"),
        ("States.C.Resource", "arn:aws:states:::sqs:sendMessage", r"machine\.C: .*sqs:sendMessage"),
        ("States.C.Resource", "arn:aws:states:::lambda:invoke.waitForTaskToken", r"machine\.C: .*waitForTaskToken"),
        ("States.C.Retry", [{"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL"}], r"machine\.C\.Retry: .*JitterStrategy"),
        ("States.C.Catch", [{"ErrorEquals": ["States.ALL"], "Next": "Z"}], r"machine\.C\.Catch: there is no state Z"),
        ("States.C.Next", "A", r"machine\.C: exactly one of Next and End"),
    ],
)
def test_an_unsupported_definition_is_refused_when_it_is_loaded(path: str, value: Any, message: str) -> None:
    check("machine", DEFINITION)
    changed = copy.deepcopy(DEFINITION)
    *parents, last = path.split(".")
    place = changed
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(DefinitionError, match=message):
        check("machine", changed)
