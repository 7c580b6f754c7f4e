"""The topic that operators subscribe to: what the alarms of this account may say on it."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns


def let_alarms_publish(alerts: sns.Topic) -> None:
    """CloudWatch publishes as a service, so the topic itself must let it, for alarms of this account alone."""
    alerts.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AlarmsOfThisAccount",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[alerts.topic_arn],
            conditions={"StringEquals": {"AWS:SourceAccount": Aws.ACCOUNT_ID}},
        )
    )
