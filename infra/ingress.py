"""How money is reported to us: the HTTP API, the postback queue, the daily reconciliation; and the catalogue it comes from."""

import json
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.engine_function import EngineFunction, Layers
from infra.queues import EngineQueue
from infra.schedule import every
from infra.settings import Settings
from revenue_engine.aws import names

# Routes and outcomes only: paths hold webhook and unsubscribe tokens, which must not reach a log (P4).
ACCESS_LOG_FIELDS = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_error": "$context.integrationErrorMessage",
}


class Api(Construct):
    """The HTTP API (payload 2.0). Unthrottled: ten 429s in a row would make Everflow switch the feed off (M3)."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.api = apigateway.HttpApi(self, "Http", create_default_stage=False)
        access_log = logs.LogGroup(
            self, "AccessLog", retention=logs.RetentionDays.THREE_MONTHS, removal_policy=RemovalPolicy.DESTROY
        )
        stage = apigateway.HttpStage(self, "Stage", http_api=self.api, stage_name="$default", auto_deploy=True)
        # The L2 wants an implementation of a jsii interface here; the property itself is two strings.
        resource = cast(apigateway.CfnStage, stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=access_log.log_group_arn, format=json.dumps(ACCESS_LOG_FIELDS)
        )

    @property
    def base_url(self) -> str:
        """Https origin, without a slash at its end."""
        return self.api.api_endpoint

    def route(
        self,
        path: str,
        methods: list[apigateway.HttpMethod],
        target: EngineFunction,
        authorizer: apigateway.IHttpRouteAuthorizer | None = None,
    ) -> None:
        """Send requests for `path` to a function."""
        integration = integrations.HttpLambdaIntegration(f"{target.name}-integration", target.function)
        self.api.add_routes(path=path, methods=methods, integration=integration, authorizer=authorizer)


class Ingress(Construct):
    """webhook stores and queues what arrives; attribute books it; reconcile asks Everflow what happened, and what may run."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, layers: Layers, api: Api) -> None:
        super().__init__(scope, id)
        packages: list[lambda_.ILayerVersion] = [layers.engine, layers.runtime]
        books = [*packages, layers.scoring]  # credit is shared out with numpy
        self.webhook = EngineFunction(
            self, "Webhook", name="webhook", settings=settings, layers=packages, timeout=Duration.seconds(10), memory_mb=512
        )
        self.attribute = EngineFunction(
            self, "Attribute", name="attribute", settings=settings, layers=books, timeout=Duration.seconds(60), memory_mb=512
        )
        self.reconcile = EngineFunction(
            self,
            "Reconcile",
            name="reconcile",
            settings=settings,
            layers=books,
            timeout=Duration.minutes(15),
            memory_mb=1_769,  # a whole processor: advertisers' lists have millions of lines
            reserved_concurrency=1,
        )
        self.queue = EngineQueue(self, "PostbackQueue", consumer_timeout=self.attribute.timeout)
        self.queue.feed(self.attribute, batch_size=10)
        # whatever the method: a 404 of the gateway counts as a failure of ours, and nobody says which method Everflow uses
        api.route(names.ROUTE_POSTBACK, [apigateway.HttpMethod.ANY], self.webhook)
        # after the network's day has closed in every American zone's afternoon; the window is a sliding one anyway
        every(self, "Daily", events.Schedule.cron(hour="23", minute="15"), self.reconcile, {"org": settings.org})
        catalogue = {"org": settings.org, "action": "catalogue"}
        # when the reading has ended, at the latest by its timeout: books of one moment
        every(self, "Lift", events.Schedule.cron(hour="23", minute="45"), self.reconcile, {"org": settings.org, "action": "lift"})
        # files of days that are over in the org's zone, whichever it is
        every(
            self,
            "Outcomes",
            events.Schedule.cron(hour="0", minute="45"),
            self.reconcile,
            {"org": settings.org, "action": "outcomes"},
        )
        every(self, "Catalogue", events.Schedule.rate(Duration.hours(6)), self.reconcile, catalogue)
