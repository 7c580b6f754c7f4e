"""How mail leaves and how its fate comes back."""

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.engine_function import EngineFunction, Layers
from infra.ingress import Api
from infra.queues import EngineQueue
from infra.settings import Settings
from revenue_engine.aws import names


class Sending(Construct):
    """execute claims and mails; SES tells a topic what became of it; engage takes that, and unsubscribes."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, layers: Layers, api: Api) -> None:
        super().__init__(scope, id)
        packages: list[lambda_.ILayerVersion] = [layers.engine, layers.runtime]
        self.execute = EngineFunction(
            self, "Execute", name="execute", settings=settings, layers=packages, timeout=Duration.minutes(5), memory_mb=1024
        )
        self.engage = EngineFunction(
            self, "Engage", name="engage", settings=settings, layers=packages, timeout=Duration.seconds(30), memory_mb=512
        )
        self.sends = EngineQueue(self, "SendQueue", consumer_timeout=self.execute.timeout)
        # One message is one minute of one mailbox provider; each copy keeps to its part of the SES rate.
        self.sends.feed(self.execute, batch_size=1, max_concurrency=names.MAIL_WORKERS)
        self.engagement = EngineQueue(self, "EngagementQueue", consumer_timeout=self.engage.timeout)
        self.engagement.feed(self.engage, batch_size=10)

        self.configuration_set = ses.ConfigurationSet(
            self,
            "ConfigurationSet",
            reputation_metrics=True,
            suppression_reasons=ses.SuppressionReasons.BOUNCES_AND_COMPLAINTS,
        )
        events_topic = sns.Topic(self, "SesEvents", enforce_ssl=True)
        ses.ConfigurationSetEventDestination(
            self,
            "EventDestination",
            configuration_set=self.configuration_set,
            destination=ses.EventDestination.sns_topic(events_topic),
            events=list(ses.EmailSendingEvent),
        )
        # raw: the message is the event as SES wrote it, without SNS's envelope
        events_topic.add_subscription(
            subscriptions.SqsSubscription(
                self.engagement.queue,
                raw_message_delivery=True,
                dead_letter_queue=self.engagement.dead_letters,  # a bounce that SNS cannot deliver is not lost (P3)
            )
        )
        # P3, RFC 8058: POST unsubscribes with one click, GET only shows the page
        api.route(names.ROUTE_UNSUBSCRIBE, [apigateway.HttpMethod.GET, apigateway.HttpMethod.POST], self.engage)
