"""Which grants a call needs, and what a role without them is told."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import Document, Functions, Starter, item
from workbench.local.backend import BackendError
from workbench.local.permissions import needed
from workbench.local.plane import Plane
from workbench.local.template import TemplateError

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/T"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:q"
PUT = {"Put": {"TableName": "T", "Item": {}}}
CHECK = {"ConditionCheck": {"TableName": "U", "Key": {}}}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "wanted"),
    [
        ("dynamodb", "GetItem", {"TableName": "T"}, [("dynamodb:GetItem", TABLE)]),
        ("dynamodb", "Query", {"TableName": "T"}, [("dynamodb:Query", TABLE)]),
        ("dynamodb", "Query", {"TableName": "T", "IndexName": "i"}, [("dynamodb:Query", f"{TABLE}/index/i")]),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"T": {}}}, [("dynamodb:BatchGetItem", TABLE)]),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [PUT, CHECK]},
            [("dynamodb:PutItem", TABLE), ("dynamodb:ConditionCheckItem", f"{TABLE[:-1]}U")],
        ),
        ("s3", "PutObject", {"Bucket": "b", "Key": "k/1"}, [("s3:PutObject", "arn:aws:s3:::b/k/1")]),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("sqs", "SendMessageBatch", {"QueueUrl": "http://h/123456789012/q"}, [("sqs:SendMessage", QUEUE)]),
        ("sns", "Publish", {"TopicArn": "t"}, [("sns:Publish", "t")]),
        ("sfn", "StartExecution", {"stateMachineArn": "m"}, [("states:StartExecution", "m")]),
        (
            "sesv2",
            "SendEmail",
            {"FromEmailAddress": "News <n@a.example>", "Content": {"Raw": {}}, "ConfigurationSetName": "s"},
            [
                ("ses:SendRawEmail", "arn:aws:ses:eu-west-1:123456789012:identity/a.example"),
                ("ses:SendRawEmail", "arn:aws:ses:eu-west-1:123456789012:configuration-set/s"),
            ],
        ),
        (
            "ssm",
            "GetParameter",
            {"Name": "/r/secrets/k", "WithDecryption": True},
            [
                ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/r/secrets/k"),
                ("kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/aws-ssm"),
            ],
        ),
    ],
)
def test_a_call_needs_its_actions_on_its_resources(
    service: str, operation: str, parameters: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    assert needed(service, operation, parameters) == wanted


@pytest.mark.parametrize(("service", "operation"), [("dynamodb", "CreateTable"), ("ec2", "RunInstances"), ("s3", "CopyObject")])
def test_an_unknown_operation_is_no_free_pass(service: str, operation: str) -> None:
    with pytest.raises(BackendError, match=f"{service}.{operation}"):
        needed(service, operation, {"TableName": "T"})


def test_a_call_without_a_grant_is_denied_by_action_and_resource(plane: Plane, functions: Functions) -> None:
    functions.write(
        "worker", 'def handle(event, context):\n    boto3.client("sqs").send_message(QueueUrl=event, MessageBody="x")\n'
    )
    dead = next(queue for queue in plane.deployment.queues if queue.name == "Dead")
    error = plane.executor.invoke("worker", dead.url).error
    assert error is not None
    assert error["errorType"] == "ClientError"
    said = f"role Role is not authorized to perform sqs:SendMessage on resource {dead.arn}"
    assert error["errorMessage"] == f"An error occurred (AccessDenied) when calling the SendMessage operation: {said}"
    (denial,) = plane.permissions.denials
    assert (denial.role, denial.action, denial.resource) == ("Role", "sqs:SendMessage", dead.arn)
    jobs = next(queue for queue in plane.deployment.queues if queue.name == "Jobs")
    assert plane.executor.invoke("worker", jobs.url).error is None  # `sqs:*` on this one


def test_an_index_is_a_resource_of_its_own(plane: Plane, functions: Functions) -> None:
    code = """
def handle(event, context):
    names, values = {"#day": "day"}, {":day": {"S": "d"}}
    client = boto3.client("dynamodb")
    client.query(TableName="Things", IndexName="by_day", KeyConditionExpression="#day = :day",
                 ExpressionAttributeNames=names, ExpressionAttributeValues=values)
"""
    functions.write("worker", code)
    error = plane.executor.invoke("worker", {}).error
    assert error is not None
    assert "dynamodb:Query" in error["errorMessage"]
    assert "table/Things/index/by_day" in error["errorMessage"]


def test_whoever_runs_outside_an_invocation_may_do_everything(plane: Plane) -> None:
    boto3.client("dynamodb").put_item(TableName="Things", Item={"pk": {"S": "mine"}})
    boto3.client("sqs").get_queue_url(QueueName="Dead")
    assert item(plane, "mine") == {}
    with plane.permissions.acting("Role"), pytest.raises(ClientError, match="sqs:GetQueueUrl"):
        boto3.client("sqs").get_queue_url(QueueName="Dead")


def test_a_function_that_may_not_poll_its_queue_cannot_be_mapped_to_it(start: Starter, template: Document) -> None:
    template["Resources"]["Grants"]["Properties"]["PolicyDocument"]["Statement"].pop()
    with pytest.raises(TemplateError, match=r"Jobs: role Role lacks sqs:ReceiveMessage"), start(template):
        pass


@pytest.mark.parametrize("changed", [{"Effect": "Deny"}, {"NotAction": "s3:*"}])
def test_a_statement_that_is_not_understood_is_refused(start: Starter, template: Document, changed: dict[str, str]) -> None:
    template["Resources"]["Grants"]["Properties"]["PolicyDocument"]["Statement"][0] |= changed
    with pytest.raises(TemplateError, match="Grants"), start(template):
        pass
