"""SQS, SNS, S3 and Parameter Store."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.checks import check
from tests.conformance.conftest import World, code


def receive(client: Any, url: str, count: int = 10) -> list[Any]:
    answer = client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=count, WaitTimeSeconds=0, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    return list(answer.get("Messages", []))


def bodies(client: Any, url: str) -> list[str]:
    return sorted(message["Body"] for message in receive(client, url))


@check([10, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"])
def a_batch_sends_at_most_ten_messages(world: World) -> Any:
    client, url = world.queue()

    def send(count: int) -> Any:
        return client.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(count)])

    return [len(send(10)["Successful"]), code(send, 11)]


@check([["a"], [], [], ["a"]])
def a_received_message_is_invisible_for_its_time_and_then_comes_back(world: World) -> Any:
    client, url = world.queue(VisibilityTimeout="60")
    client.send_message(QueueUrl=url, MessageBody="a")
    found = [bodies(client, url), bodies(client, url)]
    world.wait(59)
    found.append(bodies(client, url))
    world.wait(2)
    return [*found, bodies(client, url)]


@check(["b"])
def deleted_messages_of_a_batch_stay_away_and_the_others_come_back(world: World) -> Any:
    client, url = world.queue(VisibilityTimeout="60")
    for body in ("a", "b", "c"):
        client.send_message(QueueUrl=url, MessageBody=body)
    done = [message for message in receive(client, url) if message["Body"] != "b"]
    entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(done)]
    client.delete_message_batch(QueueUrl=url, Entries=entries)
    world.wait(61)
    return bodies(client, url)


@check([["1", "2"], [], ["a"]])
def a_message_received_too_often_moves_to_the_dead_letters(world: World) -> Any:
    client, dead = world.queue("dead")
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    _, url = world.queue(VisibilityTimeout="60", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2}))
    client.send_message(QueueUrl=url, MessageBody="a")
    counts: list[str] = []
    for _ in range(2):
        counts.extend(message["Attributes"]["ApproximateReceiveCount"] for message in receive(client, url))
        world.wait(61)
    return [counts, bodies(client, url), bodies(client, dead)]


@check([[], [], ["a"]])
def a_delayed_message_appears_when_its_delay_is_over(world: World) -> Any:
    client, url = world.queue()
    client.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=900)
    found = [bodies(client, url)]
    world.wait(899)
    found.append(bodies(client, url))
    world.wait(2)
    return [*found, bodies(client, url)]


@check(["ok", "InvalidParameterValue"])
def a_delay_is_at_most_fifteen_minutes(world: World) -> Any:
    client, url = world.queue()
    return [code(client.send_message, QueueUrl=url, MessageBody="a", DelaySeconds=s) for s in (900, 901)]


@check([["a"], ["a"]])
def visibility_zero_gives_a_message_back_at_once(world: World) -> Any:
    client, url = world.queue(VisibilityTimeout="60")
    client.send_message(QueueUrl=url, MessageBody="a")
    (message,) = receive(client, url)
    client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    world.wait(1)
    return [[message["Body"]], bodies(client, url)]


@check([["a"], []])
def a_message_is_dropped_after_its_retention(world: World) -> Any:
    client, url = world.queue(MessageRetentionPeriod="3600", VisibilityTimeout="0")
    client.send_message(QueueUrl=url, MessageBody="a")
    world.wait(3599)
    found = [bodies(client, url)]
    world.wait(2)
    return [*found, bodies(client, url)]


@check("MissingParameter")
def an_empty_body_is_refused(world: World) -> Any:
    client, url = world.queue()
    return code(client.send_message, QueueUrl=url, MessageBody="")


def subscribed(world: World, raw: bool) -> tuple[Any, str, Any, str]:
    sns, (sqs, url) = world.client("sns"), world.queue()
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": str(raw).lower()})
    return sns, topic, sqs, url


@check(['{"eventType": "Bounce", "ä": 1}'])
def raw_delivery_hands_on_the_message_as_it_is(world: World) -> Any:
    sns, topic, sqs, url = subscribed(world, True)
    sns.publish(TopicArn=topic, Message='{"eventType": "Bounce", "ä": 1}')
    return bodies(sqs, url)


@check(["Notification", "hello"])
def without_raw_delivery_a_message_has_an_envelope(world: World) -> Any:
    sns, topic, sqs, url = subscribed(world, False)
    sns.publish(TopicArn=topic, Message="hello")
    envelope = json.loads(bodies(sqs, url)[0])
    return [envelope["Type"], envelope["Message"]]


@check([10, 10, "TooManyEntriesInBatchRequest"])
def a_batch_publishes_at_most_ten_messages(world: World) -> Any:
    sns, topic, sqs, url = subscribed(world, True)

    def publish(count: int) -> Any:
        entries = [{"Id": str(n), "Message": f"m{n}"} for n in range(count)]
        return sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    return [len(publish(10)["Successful"]), len(bodies(sqs, url)), code(publish, 11)]


def bucket(world: World) -> Any:
    client = world.client("s3")
    client.create_bucket(Bucket="pages", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return client


@check(["ok", "PreconditionFailed", b"first"])
def an_object_is_written_once_when_it_must_be_new(world: World) -> Any:
    client = bucket(world)
    codes = [
        code(client.put_object, Bucket="pages", Key="a/b.json", Body=text, IfNoneMatch="*") for text in (b"first", b"second")
    ]
    return [*codes, client.get_object(Bucket="pages", Key="a/b.json")["Body"].read()]


@check(["PreconditionFailed", "ok"])
def a_pointer_moves_only_from_the_version_that_was_read(world: World) -> Any:
    client = bucket(world)
    tag = client.put_object(Bucket="pages", Key="champion", Body=b"1")["ETag"]
    return [
        code(client.put_object, Bucket="pages", Key="champion", Body=b"2", IfMatch=match)
        for match in ('"0123456789abcdef0123456789abcdef"', tag)
    ]


@check("NoSuchKey")
def a_missing_object_says_so(world: World) -> Any:
    client = bucket(world)
    return code(client.get_object, Bucket="pages", Key="none")


@check([["a/1", "a/2"], ["a/3"]])
def listing_goes_by_prefix_and_page(world: World) -> Any:
    client = bucket(world)
    for name in ("a/1", "a/2", "a/3", "b/1"):
        client.put_object(Bucket="pages", Key=name, Body=b"x")
    first = client.list_objects_v2(Bucket="pages", Prefix="a/", MaxKeys=2)
    second = client.list_objects_v2(Bucket="pages", Prefix="a/", ContinuationToken=first["NextContinuationToken"])
    return [[each["Key"] for each in page["Contents"]] for page in (first, second)]


@check([True, "secret", "SecureString"])
def a_secure_string_is_readable_only_when_decrypted(world: World) -> Any:
    client = world.client("ssm")
    client.put_parameter(Name="/x/secret", Value="secret", Type="SecureString")
    sealed = client.get_parameter(Name="/x/secret")["Parameter"]
    plain = client.get_parameter(Name="/x/secret", WithDecryption=True)["Parameter"]
    return [sealed["Value"] != "secret", plain["Value"], plain["Type"]]


@check(["ok", "ParameterAlreadyExists", "ok", "2"])
def a_parameter_is_overwritten_only_on_request(world: World) -> Any:
    client = world.client("ssm")
    requests: list[dict[str, Any]] = [{"Value": "1"}, {"Value": "3"}, {"Value": "2", "Overwrite": True}]
    codes = [code(client.put_parameter, Name="/x/autonomy", Type="String", **r) for r in requests]
    return [*codes, client.get_parameter(Name="/x/autonomy")["Parameter"]["Value"]]


@check(["ParameterNotFound", ["/x/none"]])
def a_missing_parameter_says_so(world: World) -> Any:
    client = world.client("ssm")
    client.put_parameter(Name="/x/a", Value="1", Type="String")
    missing = client.get_parameters(Names=["/x/a", "/x/none"])["InvalidParameters"]
    return [code(client.get_parameter, Name="/x/none"), missing]


@check("ParameterPatternMismatchException")
def a_value_outside_the_allowed_pattern_is_refused(world: World) -> Any:
    client = world.client("ssm")
    return code(client.put_parameter, Name="/x/a", Value="maybe", Type="String", AllowedPattern="^(on|off)$")
