"""SQS: what is sent, in tens, with the delay SQS allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revenue_engine.aws.clients import client

MAX_DELAY_SECONDS = 900
BATCH = 10
# A message may weigh 1 MiB, and so may a batch; whoever writes large bodies sends them one by one.
BATCH_BYTES = 200_000


@dataclass(frozen=True)
class Message:
    """One body with the seconds it stays hidden."""

    body: str
    delay_seconds: int = 0


@dataclass(frozen=True)
class Queue:
    """One queue by its URL."""

    url: str

    def send(self, messages: Sequence[Message]) -> None:
        """All of them, or an exception: a partly taken batch is an error, and its repetition must be harmless to the consumer."""
        group: list[Message] = []
        size = 0
        for message in messages:
            if group and (len(group) == BATCH or size + len(message.body) > BATCH_BYTES):
                self._send_batch(group)
                group, size = [], 0
            group.append(message)
            size += len(message.body)
        if group:
            self._send_batch(group)

    def has_messages(self) -> bool:
        """Whether messages lie in it that a consumer could have taken (those delayed, or in work, do not count). About."""
        name = "ApproximateNumberOfMessages"
        found = client("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(found["Attributes"][name]) > 0

    def _send_batch(self, group: list[Message]) -> None:
        answer = client("sqs").send_message_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(i), "MessageBody": m.body, "DelaySeconds": min(max(m.delay_seconds, 0), MAX_DELAY_SECONDS)}
                for i, m in enumerate(group)
            ],
        )
        if answer.get("Failed"):
            raise RuntimeError(
                f"{len(answer['Failed'])} of {len(group)} messages were not taken: {answer['Failed'][0].get('Code')}"
            )
