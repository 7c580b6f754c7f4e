"""The strict provisioner: a template goes in, API calls are made, a Deployment comes out, and what matters is read back.

An unknown type, an unknown intrinsic or a property that nobody took is an error with its logical id. What has no meaning on one
machine is listed with the reason, here and beside each maker; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workbench.local import permissions
from workbench.local import resources_compute as compute
from workbench.local import resources_data as data
from workbench.local import resources_messaging as messaging
from workbench.local.deployment import Deployment
from workbench.local.stack import Maker, Records, Stack
from workbench.local.template import Template, TemplateError

MAKERS: Mapping[str, Maker] = {
    "AWS::ApiGatewayV2::Api": compute.make_api,
    "AWS::ApiGatewayV2::Integration": compute.make_integration,
    "AWS::ApiGatewayV2::Route": compute.make_route,
    "AWS::ApiGatewayV2::Stage": compute.make_stage,
    "AWS::DynamoDB::Table": data.make_table,
    "AWS::Events::Rule": compute.make_rule,
    "AWS::IAM::Policy": permissions.make_policy,
    "AWS::IAM::Role": permissions.make_role,
    "AWS::Lambda::EventSourceMapping": compute.make_event_source,
    "AWS::Lambda::Function": compute.make_function,
    "AWS::Lambda::Permission": compute.make_permission,
    "AWS::S3::Bucket": data.make_bucket,
    "AWS::SES::ConfigurationSet": messaging.make_configuration_set,
    "AWS::SES::ConfigurationSetEventDestination": messaging.make_event_destination,
    "AWS::SNS::Subscription": messaging.make_subscription,
    "AWS::SNS::Topic": messaging.make_topic,
    "AWS::SNS::TopicPolicy": messaging.make_topic_policy,
    "AWS::SQS::Queue": messaging.make_queue,
    "AWS::SQS::QueuePolicy": messaging.make_queue_policy,
    "AWS::SSM::Parameter": data.make_parameter,
    "AWS::StepFunctions::StateMachine": compute.make_state_machine,
}

# Whole types without local meaning. Their references are still resolved, so a dangling one is an error.
INERT: Mapping[str, str] = {
    "AWS::CloudWatch::Alarm": "alarms watch metrics, and metrics are not collected on one machine",
    "AWS::Glue::Database": "Athena's name for files that are read as files here",
    "AWS::Glue::Table": "likewise; tests hold its columns against the files' members",
    "AWS::Lambda::LayerVersion": "the engine and its packages are importable here",
    "AWS::Logs::LogGroup": "lines go to the plane's log",
    "AWS::S3::BucketPolicy": "it refuses plain HTTP, which nothing speaks here",
}


def provision(template: Template, functions_root: Path, parameters: Mapping[str, str] | None = None) -> Deployment:
    """Make everything in the template, in the empty account on the open wire, and read back what the engine depends on.

    Parameters
    ----------
    template
        A synthesised template.
    functions_root
        Folder with one folder per function.
    parameters
        Values of the template's parameters that have no default.

    Raises
    ------
    TemplateError
        Something in the template is unknown, dangling, or not what the backend has afterwards.
    """
    stack = Stack(template, functions_root, parameters or {}, MAKERS, INERT)
    outputs = stack.make_all()
    records = stack.records
    for check in records.checks:
        check()
    _wired(records)
    return Deployment(
        tuple(records.functions),
        tuple(records.queues),
        tuple(records.event_sources),
        tuple(records.rules),
        tuple(records.routes),
        tuple(records.subscriptions),
        tuple(records.configuration_sets),
        tuple(records.event_destinations),
        tuple(records.state_machines),
        tuple(records.permissions),
        {role: tuple(statements) for role, statements in records.roles.items()},
        outputs,
    )


def _wired(records: Records) -> None:
    """Nothing points at a function that is not there, and what starts one is permitted to."""
    known = {function.arn for function in records.functions}
    for source in records.event_sources:
        if source.function_arn not in known:
            raise TemplateError(f"the mapping of {source.queue_arn} names an unknown function {source.function_arn}")
    for rule in records.rules:
        for function_arn, _ in rule.targets:
            _permitted(records, known, f"rule {rule.name}", function_arn, "events.amazonaws.com", rule.arn)
    for route in records.routes:
        what = f"route {route.method} {route.path}"
        _permitted(records, known, what, route.function_arn, "apigateway.amazonaws.com", f":{route.api_id}/")


def _permitted(records: Records, known: set[str], what: str, function_arn: str, principal: str, source: str) -> None:
    if function_arn not in known:
        raise TemplateError(f"{what} names an unknown function {function_arn}")
    for permission in records.permissions:
        if (permission.function_arn, permission.principal) == (function_arn, principal) and (
            permission.source_arn is None or source in permission.source_arn
        ):
            return
    raise TemplateError(f"{what}: no AWS::Lambda::Permission lets {principal} invoke {function_arn}")
