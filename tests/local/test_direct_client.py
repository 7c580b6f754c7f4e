"""The short way to the wire answers as botocore's own way does, errors and retries included."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from workbench.local import backend, ministack_backend
from workbench.local.backend import Wire, opened, response
from workbench.local.direct_client import SERVICES
from workbench.local.ministack_backend import MiniStackBackend

MADE_ANEW = {
    "MessageId",
    "ReceiptHandle",
    "ResponseMetadata",
    "SentTimestamp",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
}
QUICKLY = Config(retries={"mode": "legacy", "total_max_attempts": 3})


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire(MiniStackBackend())
    with opened(wire):
        yield wire


def client(service: str, *, by_botocore: bool = False) -> Any:
    session = boto3.session.Session()
    if by_botocore:
        for each in SERVICES:
            session.events.unregister(f"creating-client-class.{each}", backend._client_class)
    return session.client(service, endpoint_url=backend.ENDPOINT, config=QUICKLY)  # type: ignore[call-overload]


def make_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def told(call: Callable[[], Any]) -> Any:
    """An answer without what differs from call to call, or the error as its catcher sees it."""
    try:
        return stripped(call())
    except ClientError as error:
        answer: dict[str, Any] = {**error.response}
        metadata = answer.pop("ResponseMetadata")
        return type(error).__name__, metadata["HTTPStatusCode"], metadata["RetryAttempts"], answer


def stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: stripped(member) for name, member in value.items() if name not in MADE_ANEW}
    return [stripped(member) for member in value] if isinstance(value, list) else value


def conversation(*, by_botocore: bool) -> list[Any]:
    """What the services say to calls good and bad."""
    dynamodb, sqs, sns, ssm, s3 = (client(each, by_botocore=by_botocore) for each in ("dynamodb", "sqs", "sns", "ssm", "s3"))
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": backend.REGION})
    object_ = {"Bucket": "bucket", "Key": "a/é %2f+?#/b"}
    make_table(dynamodb)
    item = {"pk": {"S": "a"}, "row": {"B": b"\x00\xff"}, "n": {"N": "1.5"}, "m": {"M": {"B": {"L": [{"NULL": True}]}}}}
    once = {"TableName": "table", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    key = {"TableName": "table", "Key": {"pk": {"S": "a"}}}
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="news")["TopicArn"]
    calls: list[Callable[[], Any]] = [
        lambda: dynamodb.put_item(**once),
        lambda: dynamodb.put_item(**once, ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        lambda: dynamodb.get_item(**key, ReturnConsumedCapacity="TOTAL"),
        lambda: dynamodb.get_item(**key, ConsistentRead=True),
        lambda: dynamodb.get_item(TableName="table", Key={"pk": {"S": "nobody"}}),
        lambda: dynamodb.get_item(TableName="nowhere", Key={"pk": {"S": "a"}}),
        lambda: dynamodb.update_item(
            **key, UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": {"N": "2"}}, ReturnValues="ALL_NEW"
        ),
        lambda: dynamodb.update_item(**key, UpdateExpression="SIT n"),
        lambda: dynamodb.query(TableName="table", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "a"}}),
        lambda: dynamodb.transact_write_items(TransactItems=[{"Put": once}, {"Delete": {**key, "Key": {"pk": {"S": "b"}}}}]),
        lambda: dynamodb.transact_get_items(TransactItems=[{"Get": key}]),
        lambda: dynamodb.batch_get_item(RequestItems={"table": {"Keys": [key["Key"]]}}),
        lambda: dynamodb.delete_item(**key, ReturnValues="ALL_OLD"),
        lambda: sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"].rpartition(":")[0],
        lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "é & ="}])["Failed"],
        lambda: sns.publish(TopicArn=f"{topic}-of-nobody", Message="x"),
        lambda: sqs.send_message(
            QueueUrl=url, MessageBody="é", MessageAttributes={"b": {"DataType": "Binary", "BinaryValue": b"1"}}
        ),
        lambda: len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)["Messages"]),
        lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0),
        lambda: sqs.send_message(QueueUrl=f"{url}-of-nobody", MessageBody="x"),
        lambda: ssm.put_parameter(Name="/a", Value="1", Type="SecureString"),
        lambda: ssm.get_parameter(Name="/a", WithDecryption=True)["Parameter"]["Value"],
        lambda: ssm.get_parameter(Name="/b"),
        lambda: s3.put_object(**object_, Body=b"\x00\xff", ContentType="x/y", Metadata={"m": "1"})["ETag"],
        lambda: s3.put_object(**object_, Body=io.BytesIO(b"more"), IfNoneMatch="*"),
        lambda: read(s3.get_object(**object_)),
        lambda: read(s3.get_object(**object_, Range="bytes=1-1")),
        lambda: s3.get_object(Bucket="bucket", Key="nothing"),
        lambda: s3.get_object(Bucket="nowhere", Key="a"),
        lambda: s3.put_object(Bucket="nowhere", Key="a", Body=b""),
        lambda: read(s3.get_object(**object_, ResponseContentType="z/z")),
        lambda: s3.put_object(Bucket="bucket", Key="empty")["ETag"],
        lambda: read(s3.get_object(Bucket="bucket", Key="empty")),
        lambda: [each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]],
        lambda: s3.delete_object(**object_)["ResponseMetadata"]["HTTPStatusCode"],
    ]
    return [told(call) for call in calls]


def read(answer: Any) -> Any:
    """An object's content and what is told about it."""
    facts = ("ContentLength", "ContentType", "ETag", "Metadata", "ContentRange")
    return [answer["Body"].read(), {name: answer[name] for name in facts if name in answer}]


def test_both_ways_hold_the_same_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(Wire(MiniStackBackend())):
        short = conversation(by_botocore=False)
    monkeypatch.setattr(ministack_backend, "_DIRECT", ())
    with opened(Wire(MiniStackBackend())):
        long = conversation(by_botocore=True)
    assert short == long
    assert sum(isinstance(each, tuple) for each in short) == 11  # the bad calls are refused on both


@pytest.mark.parametrize("by_botocore", [False, True])
def test_a_failure_is_tried_again_and_each_try_reaches_the_service_once(wire: Wire, by_botocore: bool) -> None:
    dynamodb, asked = client("dynamodb", by_botocore=by_botocore), 0
    make_table(dynamodb)

    def fail_twice(request: AWSPreparedRequest) -> AWSResponse:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ConnectionError("the answer was lost")
        return response(request, 500, {}, b"{}") if asked == 2 else wire.backend.answer("dynamodb", request)

    wire.respond("dynamodb.PutItem", fail_twice)
    put = {"TableName": "table", "Item": {"pk": {"S": "a"}}}
    with pytest.raises(ConnectionError):  # not botocore's own error: it is nothing that it would try again
        dynamodb.put_item(**put)
    answer = dynamodb.put_item(**put)
    assert (asked, answer["ResponseMetadata"]["RetryAttempts"]) == (3, 1)


def test_a_refusal_reaches_the_service_once(wire: Wire) -> None:
    dynamodb, asked = client("dynamodb"), []
    make_table(dynamodb)

    def count(request: AWSPreparedRequest) -> AWSResponse:
        asked.append(request)
        return wire.backend.answer("dynamodb", request)

    wire.respond("dynamodb.PutItem", count)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName="table", Item={"pk": {"S": "a"}}, ConditionExpression="attribute_exists(pk)")
    assert len(asked) == 1


def test_parameters_are_still_validated(wire: Wire) -> None:
    with pytest.raises(ParamValidationError):
        client("dynamodb").get_item(TableName="table", Key={"pk": "no attribute value"})
