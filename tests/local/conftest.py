"""A small template with one of everything, and handlers written by the test that needs them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workbench.local.plane import GOLDEN_TEMPLATE, Plane

START = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
Document = dict[str, Any]
Starter = Callable[[Document], AbstractContextManager[Plane]]


class Functions:
    """A folder of functions."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, code: str) -> None:
        """Make `name/handler.py`; the code sees `things`, a writer of items into the table, and `os`, `json`, `boto3`."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "handler.py").write_text(_PREAMBLE + code)


_PREAMBLE = """
import json, os
import boto3

def things(key, **values):
    item = {"pk": {"S": key}, **{name: {"S": json.dumps(value)} for name, value in values.items()}}
    boto3.client("dynamodb").put_item(TableName=os.environ["THINGS_TABLE"], Item=item)

"""


@pytest.fixture
def functions(tmp_path: Path) -> Functions:
    made = Functions(tmp_path / "functions")
    for name in ("worker", "ticker", "web"):
        made.write(name, "def handle(event, context):\n    return None\n")
    return made


@pytest.fixture
def start(functions: Functions, tmp_path: Path) -> Starter:
    """Starts a plane on a template given as a document."""

    @contextmanager
    def starter(document: Document) -> Iterator[Plane]:
        path = tmp_path / "template.json"
        path.write_text(json.dumps(document))
        with Plane.start(now=START, template_path=path, functions_root=functions.root, outbox=tmp_path / "outbox") as plane:
            yield plane

    return starter


@pytest.fixture
def template() -> Document:
    """A document of one's own to change."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def plane(start: Starter, template: Document) -> Iterator[Plane]:
    with start(template) as started:
        yield started


@pytest.fixture
def golden() -> Document:
    """The committed synthesised template."""
    document: Document = json.loads(GOLDEN_TEMPLATE.read_text())
    return document


@pytest.fixture
def golden_functions(functions: Functions, golden: Document) -> Functions:
    """Idle handlers for every function of the synthesised template."""
    for resource in golden["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            code = resource["Properties"]["Code"]
            functions.write(
                (code.get("S3Key") or code["ImageUri"]).split("/")[-1], "def handle(event, context):\n    return None\n"
            )
    return functions


def item(plane: Plane, key: str) -> dict[str, Any] | None:
    """What a handler wrote under a key."""
    found = plane.client("dynamodb").get_item(TableName="Things", Key={"pk": {"S": key}}).get("Item")
    return None if found is None else {name: json.loads(value["S"]) for name, value in found.items() if name != "pk"}


def _function(name: str, **more: Any) -> Document:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": "assets", "S3Key": f"functions/{name}"},
            "Handler": "handler.handle",
            "Runtime": "python3.13",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Timeout": 10,
            "Environment": {"Variables": {"THINGS_TABLE": {"Ref": "Things"}, "STAGE": "test", "OWN": name}},
            **more,
        },
    }


def _permission(function: str, principal: str, source: Any) -> Document:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Fn::GetAtt": [function, "Arn"]},
            "Principal": principal,
            "SourceArn": source,
        },
    }


def _route(key: str, authorization: str = "NONE") -> Document:
    target = {"Fn::Join": ["", ["integrations/", {"Ref": "Integration"}]]}
    properties = {"ApiId": {"Ref": "Api"}, "RouteKey": key, "AuthorizationType": authorization, "Target": target}
    return {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}


def _allow(service: str, action: str, resource: Any) -> Document:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


SMALL: Document = {
    "Resources": {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
        "Grants": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "grants",
                "Roles": [{"Ref": "Role"}],
                "PolicyDocument": {
                    "Statement": [
                        {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": {"Fn::GetAtt": ["Things", "Arn"]}},
                        {"Effect": "Allow", "Action": "sqs:*", "Resource": {"Fn::GetAtt": ["Jobs", "Arn"]}},
                    ]
                },
            },
        },
        "Things": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "day", "AttributeType": "S"},
                ],
                "BillingMode": "PAY_PER_REQUEST",
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": "by_day",
                        "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                ],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            },
        },
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 1209600}},
        "Jobs": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "VisibilityTimeout": 60,
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
            },
        },
        "JobsPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Jobs"}],
                "PolicyDocument": _allow("sns.amazonaws.com", "sqs:SendMessage", {"Fn::GetAtt": ["Jobs", "Arn"]}),
            },
        },
        "Worker": _function("worker"),
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Jobs", "Arn"]},
                "FunctionName": {"Ref": "Worker"},
                "BatchSize": 10,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
        "Ticker": _function("ticker"),
        "Minute": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": "rate(15 minutes)",
                "State": "ENABLED",
                "Targets": [{"Id": "t", "Arn": {"Fn::GetAtt": ["Ticker", "Arn"]}, "Input": '{"org":"main"}'}],
            },
        },
        "MinutePermission": _permission("Ticker", "events.amazonaws.com", {"Fn::GetAtt": ["Minute", "Arn"]}),
        "Web": _function("web"),
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "api", "ProtocolType": "HTTP"}},
        "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default"}},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": ["Web", "Arn"]},
                "PayloadFormatVersion": "2.0",
            },
        },
        "ApiPermission": _permission(
            "Web", "apigateway.amazonaws.com", {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*/*"}
        ),
        "RouteOpen": _route("GET /hooks/{org}/{token}"),
        "RoutePost": _route("POST /hooks/{org}/{token}"),
        "RouteExact": _route("GET /hooks/main/exact"),
        "RouteGreedy": _route("ANY /{proxy+}"),
        "RouteConsole": _route("GET /console/{proxy+}", "AWS_IAM"),
        "Set": {"Type": "AWS::SES::ConfigurationSet", "Properties": {"Name": "engine"}},
        "Events": {"Type": "AWS::SNS::Topic"},
        "EventsPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "Events"}],
                "PolicyDocument": _allow("ses.amazonaws.com", "sns:Publish", {"Ref": "Events"}),
            },
        },
        "Destination": {
            "Type": "AWS::SES::ConfigurationSetEventDestination",
            "Properties": {
                "ConfigurationSetName": {"Ref": "Set"},
                "EventDestination": {
                    "Enabled": True,
                    "MatchingEventTypes": ["bounce", "deliveryDelay"],
                    "SnsDestination": {"TopicARN": {"Ref": "Events"}},
                },
            },
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Events"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Jobs", "Arn"]},
                "RawMessageDelivery": True,
            },
        },
    }
}
