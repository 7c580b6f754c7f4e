"""Moves queue messages to the functions mapped to them, with public calls and SQS's own rules.

A batch's successes are deleted, its failures come back after their visibility time-out and go to the dead-letter queue by the
queue's own redrive. Queues nobody wrote to are not polled: the wire tells when a message was sent, and when it becomes visible.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from botocore.awsrequest import AWSPreparedRequest

from workbench.local.backend import REGION, Wire, body_of, own_client
from workbench.local.clock import SimulatedClock
from workbench.local.deployment import Deployment, EventSource, Queue
from workbench.local.executor import Executor, Result

_MOST_PER_RECEIVE = 10
_MOST_BATCHES = 100_000  # in one drain: more means that functions feed each other for ever


class Pump:
    """Polls every enabled event source of the deployment when something may be in it."""

    def __init__(self, deployment: Deployment, executor: Executor, wire: Wire, clock: SimulatedClock) -> None:
        self._sqs: Any = own_client("sqs")
        self._executor = executor
        self._clock = clock
        self._queues: dict[str, Queue] = {queue.url: queue for queue in deployment.queues}
        self._sources = [source for source in deployment.event_sources if source.enabled]
        self._visible_at: dict[str, list[datetime]] = {source.queue_url: [] for source in self._sources}
        self._subscribed: dict[str, list[str]] = {}
        urls = {queue.arn: queue.url for queue in deployment.queues}
        for subscription in deployment.subscriptions:
            if subscription.protocol == "sqs" and subscription.endpoint in urls:
                self._subscribed.setdefault(subscription.topic_arn, []).append(urls[subscription.endpoint])
        wire.watch("sqs.SendMessage", self._sent)
        wire.watch("sqs.SendMessageBatch", self._sent)
        wire.watch("sqs.ChangeMessageVisibility", self._hidden)
        wire.watch("sqs.ChangeMessageVisibilityBatch", self._hidden)
        wire.watch("sns.Publish", self._published)
        wire.watch("sns.PublishBatch", self._published)

    def next_due(self) -> datetime | None:
        """When a message may become visible next; None when nothing waits anywhere."""
        return min((times[0] for times in self._visible_at.values() if times), default=None)

    def drain(self) -> int:
        """Deliver until nothing is visible now; the number of messages delivered, failures included."""
        delivered, batches = 0, 0
        while any(times and times[0] <= self._clock.now() for times in self._visible_at.values()):
            for source in self._sources:
                if self._take_due(source.queue_url):
                    while taken := self._deliver(source):
                        delivered, batches = delivered + taken, batches + 1
                        if batches > _MOST_BATCHES:
                            raise RuntimeError(f"{source.queue_url}: still not empty after {batches} batches")
        return delivered

    def _take_due(self, url: str) -> bool:
        times, due = self._visible_at[url], False
        while times and times[0] <= self._clock.now():
            heapq.heappop(times)
            due = True
        return due

    def _deliver(self, source: EventSource) -> int:
        messages: list[Mapping[str, Any]] = []
        while (room := source.batch_size - len(messages)) > 0:
            received = self._sqs.receive_message(
                QueueUrl=source.queue_url,
                MaxNumberOfMessages=min(room, _MOST_PER_RECEIVE),
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            messages.extend(received)
            if len(received) < min(room, _MOST_PER_RECEIVE):
                break
        if not messages:
            return 0
        result = self._executor.invoke(source.function_arn, {"Records": [_record(source, message) for message in messages]})
        failed = _failed_ids(source, result, {message["MessageId"] for message in messages})
        done = [message for message in messages if message["MessageId"] not in failed]
        for at in range(0, len(done), _MOST_PER_RECEIVE):
            entries = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                for n, message in enumerate(done[at : at + _MOST_PER_RECEIVE])
            ]
            self._sqs.delete_message_batch(QueueUrl=source.queue_url, Entries=entries)
        if failed:
            self._expect(source.queue_url, self._queues[source.queue_url].visibility_seconds)
        return len(messages)

    def _expect(self, url: str, seconds: float) -> None:
        if url in self._visible_at:
            heapq.heappush(self._visible_at[url], self._clock.now() + timedelta(seconds=seconds))

    def _sent(self, request: AWSPreparedRequest) -> None:
        body = json.loads(body_of(request))
        url = body["QueueUrl"]
        if url in self._visible_at:
            default = self._queues[url].delay_seconds
            for delay in {entry.get("DelaySeconds", default) for entry in body.get("Entries", [body])}:
                self._expect(url, delay)

    def _hidden(self, request: AWSPreparedRequest) -> None:
        body = json.loads(body_of(request))
        for entry in body.get("Entries", [body]):
            self._expect(body["QueueUrl"], entry["VisibilityTimeout"])

    def _published(self, request: AWSPreparedRequest) -> None:
        for topic in parse_qs(body_of(request).decode()).get("TopicArn", []):
            for url in self._subscribed.get(topic, []):
                self._expect(url, self._queues[url].delay_seconds)


def _record(source: EventSource, message: Mapping[str, Any]) -> dict[str, Any]:
    """A message in the form in which Lambda receives it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {key[0].lower() + key[1:]: value for key, value in attribute.items()}
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source.queue_arn,
        "awsRegion": REGION,
    }


def _failed_ids(source: EventSource, result: Result, ids: set[str]) -> set[str]:
    """Which messages stay in the queue. An answer that names a message not in the batch fails the whole batch, as in AWS."""
    if result.error is not None:
        return ids
    if not source.partial_failures or result.value is None:
        return set()
    failures: Iterable[Any] = result.value.get("batchItemFailures") or [] if isinstance(result.value, dict) else []
    named = {failure.get("itemIdentifier") for failure in failures}
    return ids if named - ids else named
