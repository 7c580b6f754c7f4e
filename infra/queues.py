"""A queue that loses nothing: encrypted, patient, and with a dead-letter queue."""

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.engine_function import EngineFunction

RETENTION = Duration.days(14)
MAX_RECEIVES = 5
VISIBILITY_FACTOR = 6  # AWS's own rule for queues read by Lambda: fewer, and a throttled batch is read twice


class EngineQueue(Construct):
    """A queue with its dead-letter queue, and the one function that consumes it."""

    def __init__(self, scope: Construct, id: str, *, consumer_timeout: Duration) -> None:
        super().__init__(scope, id)
        self.dead_letters = sqs.Queue(
            self, "DeadLetters", retention_period=RETENTION, encryption=sqs.QueueEncryption.SQS_MANAGED, enforce_ssl=True
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            retention_period=RETENTION,
            visibility_timeout=Duration.seconds(VISIBILITY_FACTOR * int(consumer_timeout.to_seconds())),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=MAX_RECEIVES, queue=self.dead_letters),
        )

    def feed(self, consumer: EngineFunction, *, batch_size: int, max_concurrency: int | None = None) -> None:
        """Deliver to `consumer`, which answers which messages of a batch failed."""
        lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=consumer.function,
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            max_batching_window=Duration.seconds(0),
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
