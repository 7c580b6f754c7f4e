"""A template is provisioned whole, or refused with the name of what is wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from revenue_engine.aws import names
from tests.local.conftest import Document, Functions, Starter
from workbench.local.backend import Wire, opened, response
from workbench.local.ministack_backend import MiniStackBackend
from workbench.local.provisioner import provision
from workbench.local.template import Template, TemplateError


def test_the_synthesised_template_is_provisioned_completely(
    start: Starter, golden: Document, golden_functions: Functions
) -> None:
    with start(golden) as plane:
        deployment = plane.deployment
        kinds = [resource["Type"] for resource in golden["Resources"].values()]
        assert len(plane.client("dynamodb").list_tables()["TableNames"]) == kinds.count("AWS::DynamoDB::Table") == 7
        assert len(plane.client("s3").list_buckets()["Buckets"]) == kinds.count("AWS::S3::Bucket") == 3
        assert len(deployment.queues) == kinds.count("AWS::SQS::Queue") == 6
        assert len(deployment.functions) == kinds.count("AWS::Lambda::Function") == 9
        assert len(deployment.event_sources) == kinds.count("AWS::Lambda::EventSourceMapping") == 3
        assert len(deployment.rules) == kinds.count("AWS::Events::Rule") == 8
        assert len(deployment.routes) == kinds.count("AWS::ApiGatewayV2::Route") == 5
        assert len(deployment.state_machines) == len(deployment.configuration_sets) == len(deployment.event_destinations) == 1
        assert plane.stage == "dev"
        autonomy = plane.client("ssm").get_parameter(Name=names.autonomy_parameter("dev", "main"))["Parameter"]
        assert autonomy["Value"] == "off"


def test_every_function_of_the_synthesised_template_is_told_names_that_exist(
    start: Starter, golden: Document, golden_functions: Functions
) -> None:
    with start(golden) as plane:
        tables = set(plane.client("dynamodb").list_tables()["TableNames"])
        queues = set(plane.client("sqs").list_queues()["QueueUrls"])
        for function in plane.deployment.functions:
            for variable, value in function.environment.items():
                if variable.endswith("_TABLE"):
                    assert value in tables
                if variable.endswith("_QUEUE_URL"):
                    assert value in queues
        safety = plane.deployment.function("safety")
        assert safety.environment[names.BREAKER_MACHINE_ARN] == plane.deployment.state_machines[0].arn


def change(document: Document, path: str, value: Any) -> Document:
    """Set, or with None delete, what a dotted path below Resources names."""
    *parents, last = path.split(".")
    place: Any = document["Resources"]
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("Extra", {"Type": "AWS::Kinesis::Stream"}, r"Extra: .* type AWS::Kinesis::Stream"),
        ("Things.Properties.StreamSpecification", {"StreamViewType": "NEW_IMAGE"}, r"Things .*StreamSpecification"),
        ("Jobs.Properties.FifoThroughputLimit", "perQueue", r"Jobs .*FifoThroughputLimit"),
        ("Mapping.Properties.FilterCriteria", {"Filters": []}, r"Mapping .*FilterCriteria"),
        ("Mapping.Properties.FunctionResponseTypes", ["Other"], r"Mapping.*Other"),
        ("Minute.Properties.EventPattern", {"source": ["x"]}, r"Minute .*EventPattern"),
        ("Minute.Properties.Targets.0.InputPath", "$.x", r"Minute.*InputPath"),
        ("Destination.Properties.EventDestination.KinesisFirehoseDestination", {}, r"Destination.*KinesisFirehoseDestination"),
        ("Subscription.Properties.FilterPolicy", {"a": ["b"]}, r"Subscription.*FilterPolicy"),
        ("Subscription.Properties.Protocol", "lambda", r"Subscription.*lambda"),
        ("RouteOpen.Properties.AuthorizationType", "JWT", r"RouteOpen.*JWT"),
        ("Stage.Properties.StageName", "prod", r"Stage.*prod"),
        ("Worker.Properties.Handler", "other.handle", r"Worker.*other\.py"),
        ("Worker.Properties.VpcConfig", {}, r"Worker .*VpcConfig"),
        ("Worker.Properties.Environment.Variables.OWN", "arn:None:x", r"Worker.*OWN"),
        ("Worker.Properties.Environment.Variables.OWN", {"Ref": "Nothing"}, r"Nothing"),
        ("Role.Properties.Policies", [{"Ref": "Nothing"}], r"Nothing"),
        ("Things.Properties.KeySchema.0.KeyKind", "HASH", r"Things .*KeyKind"),
        ("MinutePermission", None, r"rule Minute: no AWS::Lambda::Permission"),
        ("ApiPermission", None, r"route .*: no AWS::Lambda::Permission"),
        ("JobsPolicy", None, r"Subscription.*sns\.amazonaws\.com"),
        ("Subscription.Properties.Endpoint", "arn:aws:sqs:eu-west-1:123456789012:gone", r"Subscription.*gone"),
        ("EventsPolicy", None, r"Destination.*ses\.amazonaws\.com"),
        ("Jobs.Properties.RedrivePolicy.deadLetterTargetArn", "arn:aws:sqs:eu-west-1:123456789012:gone", r"Jobs.*RedrivePolicy"),
        ("Things.DependsOn", "Worker", r"circular"),
    ],
)
def test_what_the_plane_does_not_understand_is_refused_by_name(
    start: Starter, template: Document, path: str, value: Any, message: str
) -> None:
    with pytest.raises(TemplateError, match=re.compile(message, re.DOTALL)), start(change(template, path, value)):
        pass


def test_a_resource_whose_condition_does_not_hold_is_not_made(start: Starter, template: Document) -> None:
    template["Conditions"] = {"Never": {"Fn::Equals": ["a", "b"]}}
    template["Resources"]["Spare"] = {"Type": "AWS::SQS::Queue", "Condition": "Never"}
    with start(template) as plane:
        assert {queue.name for queue in plane.deployment.queues} == {"Jobs", "Dead"}


def test_outputs_are_resolved(start: Starter, template: Document) -> None:
    template["Outputs"] = {"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}}
    with start(template) as plane:
        assert plane.deployment.outputs == {"Url": "https://api.execute-api.eu-west-1.amazonaws.com"}


@pytest.mark.parametrize(
    ("operation", "answer", "message"),
    [
        ("dynamodb.UpdateTimeToLive", {"TimeToLiveSpecification": {}}, "Things: TimeToLive should be 'expires_at'"),
        ("dynamodb.UpdateContinuousBackups", {}, "Things: PointInTimeRecovery should be 'ENABLED'"),
        ("dynamodb.DescribeTable", None, "Things: GlobalSecondaryIndexes"),
        ("sqs.GetQueueAttributes", None, "Jobs: VisibilityTimeout should be '60'"),
    ],
)
def test_a_backend_that_drops_a_property_in_silence_is_found_out(
    functions: Functions, template: Document, operation: str, answer: dict[str, Any] | None, message: str
) -> None:
    backend = MiniStackBackend()
    wire = Wire(backend)

    def lie(request: AWSPreparedRequest) -> AWSResponse:
        if answer is not None:
            return response(request, 200, {}, json.dumps(answer).encode())
        honest = backend.answer(operation.split(".")[0], request)
        text = (
            honest.content.decode()
            .replace("by_day", "by_night")
            .replace('"VisibilityTimeout": "60"', '"VisibilityTimeout": "30"')
        )
        return response(request, 200, {}, text.replace('"VisibilityTimeout":"60"', '"VisibilityTimeout":"30"').encode())

    with opened(wire):
        wire.respond(operation, lie)
        with pytest.raises(TemplateError, match=message):
            provision(Template(template), functions.root)
