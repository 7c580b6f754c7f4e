"""Queues, topics, their policies and subscriptions, configuration sets of SES."""

from __future__ import annotations

import json
from typing import Any

from workbench.local.backend import own_client
from workbench.local.deployment import EventDestination, Queue, Subscription
from workbench.local.stack import Made, Stack, expect
from workbench.local.template import Properties, TemplateError

_QUEUE_WITHOUT_MEANING = {
    "SqsManagedSseEnabled": "encryption at rest cannot be seen in memory",
    "KmsMasterKeyId": "encryption at rest cannot be seen in memory",
    "KmsDataKeyReusePeriodSeconds": "encryption at rest cannot be seen in memory",
    "Tags": "nothing reads tags",
}


def make_queue(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SQS::Queue`, standard only."""
    name = properties.take("QueueName", logical_id)
    if name.endswith(".fifo") or properties.take("FifoQueue", False):
        raise TemplateError(f"{logical_id}: FifoQueue is not supported, the pump gives no order")
    properties.ignore(_QUEUE_WITHOUT_MEANING)
    attributes = {
        key: str(value)
        for key, value in properties.take_present(
            "VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "MaximumMessageSize"
        ).items()
    }
    redrive = properties.take("RedrivePolicy")
    if redrive is not None:
        attributes["RedrivePolicy"] = json.dumps(redrive)
    client = own_client("sqs")
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    queue_arn = found["QueueArn"]
    stack.records.queues.append(Queue(name, queue_arn, url, int(found.get("DelaySeconds", 0)), int(found["VisibilityTimeout"])))

    def read_back() -> None:
        now = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for key, value in attributes.items():
            if key == "RedrivePolicy":
                policy = json.loads(now["RedrivePolicy"])
                expect(logical_id, "RedrivePolicy target", redrive["deadLetterTargetArn"], policy["deadLetterTargetArn"])
                expect(logical_id, "RedrivePolicy count", int(redrive["maxReceiveCount"]), int(policy["maxReceiveCount"]))
                if redrive["deadLetterTargetArn"] not in {queue.arn for queue in stack.records.queues}:
                    raise TemplateError(f"{logical_id}: RedrivePolicy names a queue that is not in the template")
            else:
                expect(logical_id, key, value, now.get(key))

    stack.records.checks.append(read_back)
    return Made(url, {"Arn": queue_arn, "QueueName": name, "QueueUrl": url})


def make_queue_policy(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SQS::QueuePolicy`: kept for the check that a topic may deliver; the emulator does not look at it."""
    return _policy(stack, logical_id, properties, properties.require("Queues"))


def _policy(stack: Stack, logical_id: str, properties: Properties, owners: list[str]) -> Made:
    statements = properties.require("PolicyDocument")["Statement"]
    for owner in owners:
        stack.records.policies.setdefault(owner, []).extend(statements)
    return Made(logical_id)


def make_topic(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SNS::Topic`."""
    name = properties.take("TopicName", logical_id)
    properties.ignore(
        {
            "KmsMasterKeyId": "encryption at rest cannot be seen in memory",
            "DisplayName": "shown in mails only",
            "Tags": "nothing reads tags",
        }
    )
    topic = own_client("sns").create_topic(Name=name)["TopicArn"]
    for subscription in properties.take("Subscription", []):
        _subscribe(stack, logical_id, Properties(f"{logical_id}.Subscription", subscription), topic)
    return Made(topic, {"TopicArn": topic, "TopicName": name})


def make_topic_policy(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SNS::TopicPolicy`: kept for the check that SES may publish; the emulator does not look at it."""
    return _policy(stack, logical_id, properties, properties.require("Topics"))


def make_subscription(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SNS::Subscription` to a queue, or to a mailbox of a person."""
    return Made(_subscribe(stack, logical_id, properties, properties.require("TopicArn")))


def _subscribe(stack: Stack, logical_id: str, properties: Properties, topic: str) -> str:
    protocol, endpoint = properties.require("Protocol"), properties.require("Endpoint")
    if protocol not in ("sqs", "email"):
        raise TemplateError(f"{logical_id}: Protocol {protocol} is not supported, only sqs and email")
    properties.ignore({"Region": "one region"})
    attributes: dict[str, str] = {}
    if (raw := properties.take("RawMessageDelivery")) is not None:
        attributes["RawMessageDelivery"] = str(raw).lower()
    if (redrive := properties.take("RedrivePolicy")) is not None:
        attributes["RedrivePolicy"] = json.dumps(redrive)
    properties.finish()
    client = own_client("sns")
    subscription: str = client.subscribe(
        TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    stack.records.subscriptions.append(Subscription(topic, protocol, endpoint))

    def read_back() -> None:
        found = client.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
        wanted = attributes.get("RawMessageDelivery", "false")
        expect(logical_id, "RawMessageDelivery", wanted, found.get("RawMessageDelivery", "false"))
        queue = next((queue for queue in stack.records.queues if queue.arn == endpoint), None)
        if queue is None:
            raise TemplateError(f"{logical_id}: Endpoint {endpoint} is no queue of the template")
        _require_permission(stack, logical_id, queue.url, "sns.amazonaws.com", "sqs:SendMessage")

    if protocol == "sqs":
        stack.records.checks.append(read_back)
    return subscription


def make_configuration_set(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SES::ConfigurationSet`: kept by the SES recorder, since no emulator looks at it."""
    name = properties.take("Name", logical_id)
    properties.ignore(
        {
            "SendingOptions": "the account's switch is the breaker",
            "ReputationOptions": "metrics only",
            "SuppressionOptions": "the engine's own suppression decides; the provider's list is a second net",
            "DeliveryOptions": "no connection to encrypt",
            "TrackingOptions": "no link is rewritten locally",
            "VdmOptions": "reporting only",
            "Tags": "nothing reads tags",
        }
    )
    stack.records.configuration_sets.append(name)
    return Made(name)


def make_event_destination(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SES::ConfigurationSetEventDestination` to a topic."""
    configuration_set = properties.require("ConfigurationSetName")
    destination: dict[str, Any] = properties.require("EventDestination")
    body = Properties(f"{logical_id}.EventDestination", destination)
    name = body.take("Name", logical_id)
    types = frozenset(_event_type(each) for each in body.require("MatchingEventTypes"))
    topic = body.require("SnsDestination")["TopicARN"]
    record = EventDestination(configuration_set, name, types, topic, bool(body.take("Enabled", False)))
    body.finish()
    stack.records.event_destinations.append(record)

    def read_back() -> None:
        if configuration_set not in stack.records.configuration_sets:
            raise TemplateError(f"{logical_id}: ConfigurationSetName {configuration_set} is not in the template")
        _require_permission(stack, logical_id, topic, "ses.amazonaws.com", "sns:Publish")

    stack.records.checks.append(read_back)
    return Made(logical_id)


def _require_permission(stack: Stack, logical_id: str, owner: str, service: str, action: str) -> None:
    """AWS drops in silence what a policy does not allow a service to deliver; here it is an error."""
    for statement in stack.records.policies.get(owner, []):
        principal = statement["Principal"]
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement["Effect"] == "Allow" and service in _listed(services) and action in _listed(statement["Action"]):
            return
    raise TemplateError(f"{logical_id}: no policy of {owner} lets {service} do {action}")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _event_type(text: str) -> str:
    # CloudFormation takes both `send` and `SEND`, `renderingFailure` and `RENDERING_FAILURE`: one form, without separators.
    return text.replace("_", "").upper()
