"""Messages reach the function that the template maps to their queue, by SQS's rules and on simulated time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.local.conftest import START, Document, Functions, Starter, item
from workbench.local.plane import Plane

# Counts the deliveries of each body, with the minute of the last; fails what says so.
COUNTING = """
import datetime
seen = {}
def handle(event, context):
    failed = []
    for record in event["Records"]:
        body = record["body"]
        minutes = seen.setdefault(body, [])
        minutes.append(datetime.datetime.now(datetime.UTC).strftime("%H:%M:%S"))
        things(body, minutes=minutes, received=record["attributes"]["ApproximateReceiveCount"], batch=len(event["Records"]))
        if body.startswith("bad"):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""


def url(plane: Plane, name: str) -> str:
    return next(queue.url for queue in plane.deployment.queues if queue.name == name)


def send(plane: Plane, *bodies: str, **more: Any) -> None:
    for body in bodies:
        plane.client("sqs").send_message(QueueUrl=url(plane, "Jobs"), MessageBody=body, **more)


def waiting(plane: Plane, name: str) -> list[str]:
    answer = plane.client("sqs").receive_message(QueueUrl=url(plane, name), MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return sorted(message["Body"] for message in answer.get("Messages", []))


def test_a_batch_is_delivered_once_and_its_messages_are_deleted(plane: Plane, functions: Functions) -> None:
    functions.write("worker", COUNTING)
    send(plane, "a", "b", "c")
    assert plane.pump.drain() == 3
    assert plane.pump.drain() == 0
    assert item(plane, "a") == {"minutes": ["09:00:00"], "received": "1", "batch": 3}
    plane.run_until(START + timedelta(hours=1))
    assert item(plane, "c") == {"minutes": ["09:00:00"], "received": "1", "batch": 3}


def test_a_failed_message_comes_back_after_its_visibility_and_goes_to_the_dead_letters_at_last(
    plane: Plane, functions: Functions
) -> None:
    functions.write("worker", COUNTING)
    send(plane, "good", "bad")
    plane.run_until(START + timedelta(minutes=10))
    assert item(plane, "good") == {"minutes": ["09:00:00"], "received": "1", "batch": 2}
    assert item(plane, "bad") == {"minutes": ["09:00:00", "09:01:00", "09:02:00"], "received": "3", "batch": 1}
    assert waiting(plane, "Dead") == ["bad"]
    assert waiting(plane, "Jobs") == []


def test_an_error_of_the_function_fails_the_whole_batch(plane: Plane, functions: Functions) -> None:
    functions.write("worker", "def handle(event, context):\n    raise ValueError('no')\n")
    send(plane, "a", "b")
    plane.run_until(START + timedelta(minutes=10))
    assert waiting(plane, "Dead") == ["a", "b"]
    assert len(plane.executor.failures) == 3


def test_an_answer_that_names_a_foreign_message_fails_the_whole_batch(plane: Plane, functions: Functions) -> None:
    functions.write("worker", "def handle(event, context):\n    return {'batchItemFailures': [{'itemIdentifier': ''}]}\n")
    send(plane, "a")
    plane.run_until(START + timedelta(minutes=10))
    assert waiting(plane, "Dead") == ["a"]


def test_partial_answers_mean_nothing_unless_the_mapping_asks_for_them(
    start: Starter, template: Document, functions: Functions
) -> None:
    del template["Resources"]["Mapping"]["Properties"]["FunctionResponseTypes"]
    functions.write("worker", COUNTING)
    with start(template) as plane:
        send(plane, "bad")
        plane.run_until(START + timedelta(minutes=10))
        assert item(plane, "bad") == {"minutes": ["09:00:00"], "received": "1", "batch": 1}
        assert waiting(plane, "Dead") == []


def test_a_delayed_message_arrives_when_simulated_time_has_passed(plane: Plane, functions: Functions) -> None:
    functions.write("worker", COUNTING)
    send(plane, "later", DelaySeconds=600)
    plane.run_until(START + timedelta(minutes=9, seconds=59))
    assert item(plane, "later") is None
    plane.run_until(START + timedelta(minutes=30))
    assert item(plane, "later") == {"minutes": ["09:10:00"], "received": "1", "batch": 1}


def test_entries_of_one_send_keep_their_own_delays(plane: Plane, functions: Functions) -> None:
    functions.write("worker", COUNTING)
    entries = [{"Id": str(n), "MessageBody": f"m{n}", "DelaySeconds": 60 * n} for n in range(3)]
    plane.client("sqs").send_message_batch(QueueUrl=url(plane, "Jobs"), Entries=entries)
    plane.run_until(START + timedelta(minutes=30))
    assert [item(plane, f"m{n}")["minutes"] for n in range(3)] == [["09:00:00"], ["09:01:00"], ["09:02:00"]]  # type: ignore[index]


def test_a_handler_can_put_a_message_back_sooner_than_its_visibility(plane: Plane, functions: Functions) -> None:
    functions.write(
        "worker",
        COUNTING.replace(
            'if body.startswith("bad"):',
            'if len(minutes) == 1:\n            url = boto3.client("sqs").get_queue_url(QueueName="Jobs")["QueueUrl"]\n'
            '            boto3.client("sqs").change_message_visibility(\n'
            '                QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=5)',
        ),
    )
    send(plane, "again")
    plane.run_until(START + timedelta(minutes=5))
    assert item(plane, "again") == {"minutes": ["09:00:00", "09:00:05"], "received": "2", "batch": 1}


def test_batches_hold_at_most_the_mappings_size(start: Starter, template: Document, functions: Functions) -> None:
    functions.write("worker", COUNTING)
    template["Resources"]["Mapping"]["Properties"]["BatchSize"] = 2
    with start(template) as plane:
        send(plane, "a", "b", "c")
        assert plane.pump.drain() == 3
        assert sorted(item(plane, key)["batch"] for key in "abc") == [1, 2, 2]  # type: ignore[index]


def test_messages_that_a_function_sends_while_draining_are_drained_too(plane: Plane, functions: Functions) -> None:
    functions.write(
        "worker",
        "def handle(event, context):\n"
        "    for record in event['Records']:\n"
        "        n = int(record['body'])\n"
        "        things(str(n), n=n)\n"
        "        if n < 5:\n"
        "            sqs = boto3.client('sqs')\n"
        "            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName='Jobs')['QueueUrl'], MessageBody=str(n + 1))\n",
    )
    send(plane, "0")
    assert plane.pump.drain() == 6
    assert item(plane, "5") == {"n": 5}


@pytest.mark.parametrize("how", ["forgotten", "disabled"])
def test_a_mapping_that_is_missing_from_the_template_breaks_the_loop(
    start: Starter, template: Document, functions: Functions, how: str
) -> None:
    functions.write("worker", COUNTING)
    if how == "forgotten":
        del template["Resources"]["Mapping"]
    else:
        template["Resources"]["Mapping"]["Properties"]["Enabled"] = False
    with start(template) as plane:
        send(plane, "a")
        plane.run_until(START + timedelta(hours=1))
        assert item(plane, "a") is None
        assert waiting(plane, "Jobs") == ["a"]


def test_a_record_has_the_form_in_which_lambda_gets_it(plane: Plane, functions: Functions) -> None:
    functions.write("worker", "def handle(event, context):\n    things('record', record=event['Records'][0])\n")
    send(plane, "x", MessageAttributes={"kind": {"DataType": "String", "StringValue": "test"}})
    plane.pump.drain()
    record = item(plane, "record")["record"]  # type: ignore[index]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == "arn:aws:sqs:eu-west-1:123456789012:Jobs"
    assert record["messageAttributes"]["kind"]["stringValue"] == "test"
    assert record["attributes"]["SentTimestamp"] == str(int(START.timestamp() * 1000))
    assert {"messageId", "receiptHandle", "md5OfBody", "awsRegion"} <= set(record)
