"""What operators see and command."""

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from constructs import Construct

from infra.engine_function import EngineFunction, Layers
from infra.ingress import Api
from infra.settings import Settings
from revenue_engine.aws import names


class Console(Construct):
    """The console's API; callers sign their requests with an IAM identity of the account."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, layers: Layers, api: Api) -> None:
        super().__init__(scope, id)
        self.console = EngineFunction(
            self,
            "Console",
            name="console",
            settings=settings,
            layers=[layers.engine, layers.runtime],
            timeout=Duration.seconds(29),
            memory_mb=512,
        )
        methods = [apigateway.HttpMethod.GET, apigateway.HttpMethod.POST]
        api.route(names.ROUTE_CONSOLE, methods, self.console, authorizers.HttpIamAuthorizer())
