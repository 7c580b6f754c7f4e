"""Functions and what starts them: event-source mappings, rules, HTTP routes, state machines. All become plain records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from workbench.local.backend import REGION
from workbench.local.deployment import EventSource, Function, Permission, Route, Rule, StateMachine
from workbench.local.stack import Made, Stack, arn
from workbench.local.template import Properties, TemplateError

_FUNCTION_WITHOUT_MEANING = {
    "Architectures": "the code runs on this machine's processor",
    "Layers": "the engine and its packages are importable here",
    "LoggingConfig": "lines go to the plane's log",
    "TracingConfig": "nothing collects traces",
    "Description": "for people",
    "Tags": "nothing reads tags",
}
_ASSET = re.compile(r"(?:functions|image)/([a-z_]+)")


def make_function(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::Lambda::Function`: code in `functions/NAME`, for a zip and for an image alike."""
    physical_name = properties.take("FunctionName", logical_id)
    code = properties.require("Code")
    image = properties.take("PackageType", "Zip") == "Image"
    source = code["ImageUri"] if image else code["S3Key"]
    match = _ASSET.search(source)
    if match is None:
        raise TemplateError(f"{logical_id}: Code {source!r} names no folder functions/NAME")
    name = match[1]
    directory = stack.functions_root / name
    module, _, attribute = ("handler.handle" if image else properties.require("Handler")).rpartition(".")
    if not (directory / f"{module}.py").is_file():
        raise TemplateError(f"{logical_id}: Handler {module}.py is not in {directory}")
    if not image and not properties.require("Runtime").startswith("python3."):
        raise TemplateError(f"{logical_id}: Runtime is not Python")
    environment = (properties.take("Environment") or {}).get("Variables", {})
    for key, value in environment.items():
        if not isinstance(value, str) or not value or "None" in value:
            raise TemplateError(f"{logical_id}: Environment {key} is {value!r}")
    properties.ignore(_FUNCTION_WITHOUT_MEANING)
    function = Function(
        name,
        physical_name,
        arn("lambda", f"function:{physical_name}"),
        directory,
        module,
        attribute,
        _role(properties.require("Role")),
        environment,
        int(properties.take("Timeout", 3)),
        int(properties.take("MemorySize", 128)),
        properties.take("ReservedConcurrentExecutions"),
    )
    stack.records.functions.append(function)
    return Made(physical_name, {"Arn": function.arn})


def make_permission(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::Lambda::Permission`: rules and routes without one do not reach their function, here as there."""
    if (action := properties.require("Action")) != "lambda:InvokeFunction":
        raise TemplateError(f"{logical_id}: Action {action} is not supported")
    properties.ignore({"SourceAccount": "one account"})
    stack.records.permissions.append(
        Permission(
            _function_arn(properties.require("FunctionName")), properties.require("Principal"), properties.take("SourceArn")
        )
    )
    return Made(logical_id)


def make_event_source(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::Lambda::EventSourceMapping` of a queue."""
    source = properties.require("EventSourceArn")
    queue = next((queue for queue in stack.records.queues if queue.arn == source), None)
    if queue is None:
        raise TemplateError(f"{logical_id}: EventSourceArn {source} is no queue of the template")
    properties.ignore(
        {
            "MaximumBatchingWindowInSeconds": "a batch is whatever waits when the pump comes round",
            "ScalingConfig": "batches run one after another",
            "Tags": "nothing reads tags",
        }
    )
    responses = properties.take("FunctionResponseTypes", [])
    if unknown := set(responses) - {"ReportBatchItemFailures"}:
        raise TemplateError(f"{logical_id}: FunctionResponseTypes {sorted(unknown)} are unknown")
    stack.records.event_sources.append(
        EventSource(
            source,
            queue.url,
            _function_arn(properties.require("FunctionName")),
            int(properties.take("BatchSize", 10)),
            bool(responses),
            bool(properties.take("Enabled", True)),
        )
    )
    return Made(logical_id)


def make_rule(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::Events::Rule` on a schedule with functions as targets."""
    name = properties.take("Name", logical_id)
    targets: list[tuple[str, str]] = []
    for target in properties.require("Targets"):
        body = Properties(f"{logical_id}.Targets", target)
        body.require("Id")
        body.ignore({"RetryPolicy": "about delivery to Lambda, which cannot fail here"})
        targets.append((_function_arn(body.require("Arn")), body.require("Input")))
        body.finish()
    properties.ignore({"Description": "for people", "Tags": "nothing reads tags"})
    state = properties.take("State", "ENABLED")
    rule = Rule(name, arn("events", f"rule/{name}"), properties.require("ScheduleExpression"), state == "ENABLED", tuple(targets))
    stack.records.rules.append(rule)
    return Made(name, {"Arn": rule.arn})


def make_api(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::ApiGatewayV2::Api`, HTTP."""
    if (protocol := properties.require("ProtocolType")) != "HTTP":
        raise TemplateError(f"{logical_id}: ProtocolType {protocol} is not supported")
    properties.ignore({"Name": "for people", "Description": "for people", "Tags": "nothing reads tags"})
    identifier = re.sub(r"[^a-z0-9]", "", logical_id.lower())[:32]
    return Made(identifier, {"ApiId": identifier, "ApiEndpoint": f"https://{identifier}.execute-api.{REGION}.amazonaws.com"})


def make_stage(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::ApiGatewayV2::Stage`: `$default`, so that paths have no prefix."""
    if (name := properties.require("StageName")) != "$default":
        raise TemplateError(f"{logical_id}: StageName {name} is not supported, only $default")
    properties.require("ApiId")
    properties.ignore(
        {
            "AutoDeploy": "routes are what the template says",
            "AccessLogSettings": "nobody reads access logs here",
            "DefaultRouteSettings": "requests are not throttled",
            "RouteSettings": "requests are not throttled",
            "Tags": "nothing reads tags",
        }
    )
    return Made(name)


def make_integration(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::ApiGatewayV2::Integration` to a function with payload 2.0."""
    properties.require("ApiId")
    for name, known in (("IntegrationType", "AWS_PROXY"), ("PayloadFormatVersion", "2.0")):
        if (value := properties.require(name)) != known:
            raise TemplateError(f"{logical_id}: {name} {value} is not supported, only {known}")
    properties.ignore({"TimeoutInMillis": "the function has its own time-out"})
    stack.records.integrations[logical_id] = _function_arn(properties.require("IntegrationUri"))
    return Made(logical_id)


def make_route(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::ApiGatewayV2::Route`."""
    target = properties.require("Target").removeprefix("integrations/")
    method, _, path = properties.require("RouteKey").partition(" ")
    authorization = properties.take("AuthorizationType", "NONE")
    if authorization not in ("NONE", "AWS_IAM"):
        raise TemplateError(f"{logical_id}: AuthorizationType {authorization} is not supported")
    if not path:
        raise TemplateError(f"{logical_id}: RouteKey {method} has no path")
    api_id = properties.require("ApiId")
    stack.records.routes.append(Route(method, path, stack.records.integrations[target], authorization, api_id))
    return Made(logical_id)


def make_state_machine(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::StepFunctions::StateMachine`."""
    name = properties.take("StateMachineName", logical_id)
    properties.ignore(
        {
            "LoggingConfiguration": "the plane keeps every execution's history",
            "TracingConfiguration": "nothing collects traces",
            "StateMachineType": "standard",
            "Tags": "nothing reads tags",
        }
    )
    definition: Mapping[str, Any] = json.loads(properties.require("DefinitionString"))
    machine = StateMachine(name, arn("states", f"stateMachine:{name}"), _role(properties.require("RoleArn")), definition)
    stack.records.state_machines.append(machine)
    return Made(machine.arn, {"Arn": machine.arn, "Name": name})


def _role(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]


def _function_arn(text: str) -> str:
    """The ARN of a function given by ARN, by name, or by API Gateway's invocation path."""
    if text.startswith("arn:") and "/functions/" in text:
        return text.split("/functions/", 1)[1].removesuffix("/invocations")
    return text if text.startswith("arn:") else arn("lambda", f"function:{text}")
