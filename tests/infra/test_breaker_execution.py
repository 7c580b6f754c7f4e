"""The breaker's machine run by moto's interpreter of the States Language, with waits of no length."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.awslambda.models import LambdaFunction

from tests.infra.template import Template, flatten

REGION, ACCOUNT = "us-east-1", "123456789012"
PARAMETER = "/revenue-engine/dev/main/breaker"
INPUT = {"org": "main", "stage": "dev", "reason": "complaint_rate", "cool_down_seconds": 0}
HEALTHY = {"healthy": True, "human_needed": False}
SICK = {"healthy": False, "human_needed": False}
UNDECIDED = {"healthy": False, "undecided": True, "human_needed": False}
HELPLESS = {"healthy": False, "human_needed": True}


class Breaker:
    """A machine with its table, parameter and topic; `answers` are what the probe says, one after the other."""

    def __init__(self, definition: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[Any] = []
        self.probes: list[Any] = []
        self.meanwhile: dict[str, str] = {}  # what somebody else writes into the Control item while the probe runs
        self.states = definition["States"]
        self._aws = boto3.Session(region_name=REGION).client
        self._aws("dynamodb").create_table(
            TableName="control",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        self._aws("dynamodb").put_item(
            TableName="control", Item={"pk": {"S": "main"}, "sk": {"S": "breaker"}, "judged_at": {"N": "1700000000"}}
        )
        self._aws("sns").create_topic(Name="alerts")
        role = self._aws("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self._aws("lambda").create_function(
            FunctionName="safety", Runtime="python3.13", Role=role, Handler="handler.handle", Code={"ZipFile": b"unused"}
        )
        monkeypatch.setattr(LambdaFunction, "_invoke_lambda", lambda _self, event: self._probe(event))
        machine = self._aws("stepfunctions").create_state_machine(name="breaker", definition=json.dumps(definition), roleArn=role)
        self._machine = machine["stateMachineArn"]

    def _probe(self, event: Any) -> tuple[str, bool, str]:
        self.probes.append(json.loads(event) if isinstance(event, str | bytes) else event)
        if self.meanwhile:
            item = {"pk": "main", "sk": "breaker", **self.meanwhile}
            self._aws("dynamodb").put_item(TableName="control", Item={name: {"S": value} for name, value in item.items()})
        answer = self.answers.pop(0)
        if answer is None:
            return json.dumps({"errorType": "ValueError", "errorMessage": "no idea"}), True, ""
        return json.dumps(answer), False, ""

    def run(self, *answers: Any, **more: Any) -> tuple[str, list[str]]:
        """Status of one execution and the names of the states it passed."""
        self.answers = list(answers)
        sfn = self._aws("stepfunctions")
        arn = sfn.start_execution(stateMachineArn=self._machine, name="e1", input=json.dumps(INPUT | more))["executionArn"]
        deadline = time.monotonic() + 20
        while (status := sfn.describe_execution(executionArn=arn)["status"]) == "RUNNING" and time.monotonic() < deadline:
            time.sleep(0.02)
        history = sfn.get_execution_history(executionArn=arn)["events"]
        return status, [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]

    def item(self) -> dict[str, str]:
        """The Control item, flattened."""
        item = self._aws("dynamodb").get_item(TableName="control", Key={"pk": {"S": "main"}, "sk": {"S": "breaker"}})["Item"]
        return {name: str(next(iter(value.values()))) for name, value in item.items()}

    def told(self) -> str:
        """What the parameter says."""
        return str(self._aws("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"])


@pytest.fixture
def breaker(golden: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Breaker]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (properties,) = golden.of_type("StepFunctions::StateMachine").values()
    text = flatten(properties["DefinitionString"]).replace("<AWS::Partition>", "aws")
    definition = json.loads(text)
    definition["States"]["Trickle"]["Seconds"] = 0
    for state in definition["States"].values():
        parameters = state.get("Parameters", {})
        if "TableName" in parameters:
            parameters["TableName"] = "control"
        if "TopicArn" in parameters:
            parameters["TopicArn"] = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
        if "FunctionName" in parameters:
            parameters["FunctionName"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:safety"
        for retry in state.get("Retry", []):
            if retry["MaxAttempts"]:
                retry.update(IntervalSeconds=1, MaxAttempts=1)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield Breaker(definition, monkeypatch)


def test_a_healthy_probe_closes_the_breaker(breaker: Breaker) -> None:
    status, passed = breaker.run(HEALTHY)
    assert (status, passed[0], passed[-1]) == ("SUCCEEDED", "Open", "Closed")
    assert breaker.probes == [{"org": "main", "action": "probe"}]
    assert breaker.item()["state"] == breaker.told() == "closed"
    assert breaker.item()["reason"] == "complaint_rate"
    assert breaker.item()["judged_at"] == "1700000000"  # the judge's heartbeat is the judge's alone


def test_a_sick_probe_opens_again_until_health_returns(breaker: Breaker) -> None:
    status, passed = breaker.run(SICK, {"unexpected": "answer"}, HEALTHY)
    assert status == "SUCCEEDED"
    assert (passed.count("Open"), passed.count("Reopen"), passed.count("HalfOpen"), passed[-1]) == (1, 2, 3, "Closed")


def test_while_it_is_undecided_the_trickle_goes_on(breaker: Breaker) -> None:
    status, passed = breaker.run(UNDECIDED, UNDECIDED, HEALTHY)
    assert (status, passed[-1]) == ("SUCCEEDED", "Closed")
    assert (passed.count("Trickle"), passed.count("GoOn"), passed.count("Reopen")) == (3, 2, 0)


def test_when_a_human_is_needed_from_the_start_nothing_leaves_before_one_came(breaker: Breaker) -> None:
    status, passed = breaker.run(human_needed=True)
    assert (status, passed) == (
        "SUCCEEDED",
        ["Open", "TellOpen", "NotifyOpened", "HumanFirst", "AwaitHuman", "TellStaysOpen", "NotifyHumanNeeded", "HumanNeeded"],
    )
    assert breaker.item()["state"] == breaker.told() == "open"
    assert breaker.item()["human_needed"] == "True"
    assert breaker.probes == []


def test_when_a_human_is_needed_the_breaker_stays_open(breaker: Breaker) -> None:
    status, passed = breaker.run(HELPLESS)
    assert (status, passed[-1]) == ("SUCCEEDED", "HumanNeeded")
    assert breaker.item()["state"] == breaker.told() == "open"


def test_a_probe_that_cannot_answer_leaves_the_breaker_open_and_the_execution_failed(breaker: Breaker) -> None:
    status, passed = breaker.run(None, None)
    assert (status, passed[-1]) == ("FAILED", "Failed")
    assert breaker.item()["state"] == "open"


@pytest.mark.parametrize(
    "meanwhile",
    [{"state": "closed", "execution": "console"}, {"state": "open", "execution": "a newer one"}],
    ids=["an operator closed it", "a newer execution opened it"],
)
def test_an_execution_that_was_overtaken_changes_nothing_more(breaker: Breaker, meanwhile: dict[str, str]) -> None:
    breaker.meanwhile = meanwhile
    status, passed = breaker.run(HEALTHY)
    assert (status, passed[-1]) == ("SUCCEEDED", "Superseded")
    assert {name: breaker.item()[name] for name in meanwhile} == meanwhile
