"""What the operator's command line finds: every name of the stack in one parameter, so that nobody copies outputs by hand."""

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from revenue_engine.aws import names


class Operators(Construct):
    """The environment of the stack as JSON in Parameter Store."""

    def __init__(self, scope: Construct, id: str, *, stage: str, environment: Mapping[str, str]) -> None:
        super().__init__(scope, id)
        ssm.StringParameter(
            self,
            "Environment",
            parameter_name=names.environment_parameter(stage),
            string_value=Stack.of(self).to_json_string(dict(environment)),
            description="Names of this stack's resources, for the command line",
        )
