"""What the engine remembers: tables, buckets, parameters (docs/data-model.md)."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.settings import Settings
from revenue_engine.aws import names

AUTONOMY_LEVELS = ("off", "shadow", "approval", "canary", "full")
BREAKER_STATES = ("closed", "open", "half_open")


class State(Construct):
    """Seven tables, three buckets and three parameters; none is deleted with the stack.

    The four secrets (`names.SECRETS`) are SecureString parameters, which CloudFormation cannot make: the command line
    creates them, and no template ever holds a value.
    """

    def __init__(self, scope: Construct, id: str, *, settings: Settings) -> None:
        super().__init__(scope, id)
        self.subscribers = self._table("Subscribers", sort_key=False)
        self.subscribers.add_global_secondary_index(
            index_name=names.DUE_INDEX,
            partition_key=_string(names.DUE_SHARD),
            sort_key=_number(names.NEXT_DECISION_AT),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=list(names.DUE_PROJECTION),
        )
        self.subscribers.add_global_secondary_index(
            index_name=names.REVENUE_INDEX,
            partition_key=_string(names.REVENUE_ORG),
            sort_key=_number(names.REVENUE_MICROS),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=list(names.REVENUE_PROJECTION),
        )
        self.subscribers.add_global_secondary_index(
            index_name=names.LOT_INDEX,
            partition_key=_string(names.LOT),
            sort_key=_number(names.CREATED_AT),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=list(names.LOT_PROJECTION),
        )
        self.timeline = self._table("Timeline", expires=True)
        self.sends = self._table("Sends", sort_key=False, expires=True)
        self.sends.add_global_secondary_index(
            index_name=names.SENDS_BY_DAY_INDEX,
            partition_key=_string(names.ORG_DAY),
            sort_key=_number(names.CLAIMED_AT),
        )
        self.sends.add_global_secondary_index(
            index_name=names.SENDS_BY_STATE_INDEX,
            partition_key=_string(names.ORG_STATE),
            sort_key=_number(names.CLAIMED_AT),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.ledger = self._table("Ledger")
        self.ledger.add_global_secondary_index(
            index_name=names.LEDGER_BY_DAY_INDEX,
            partition_key=_string(names.ORG_DAY),
            sort_key=_number(names.BOOKED_AT),
        )
        self.offers = self._table("Offers")
        self.suppression = self._table("Suppression")
        self.control = self._table("Control", expires=True)

        self.models = self._bucket("Models")
        self.postbacks = self._bucket("Postbacks", cold_after=Duration.days(90))
        self.decisions = self._bucket("Decisions", cold_after=Duration.days(30))

        # CloudFormation sets a value when the parameter is born; afterwards only operators and the breaker change it.
        self.autonomy = ssm.StringParameter(
            self,
            "Autonomy",
            parameter_name=names.autonomy_parameter(settings.stage, settings.org),
            description="The operator's switch: " + " | ".join(AUTONOMY_LEVELS),
            string_value="off",
            allowed_pattern=_one_of(AUTONOMY_LEVELS),
        )
        self.controls = ssm.StringParameter(
            self,
            "Controls",
            parameter_name=names.controls_parameter(settings.stage, settings.org),
            description="Goals, thresholds, caps and hours as one JSON document; what is left out has the engine's default",
            string_value="{}",
            tier=ssm.ParameterTier.INTELLIGENT_TIERING,  # a dated rate table may need more than the standard 4 KB
        )
        self.breaker = ssm.StringParameter(
            self,
            "Breaker",
            parameter_name=names.breaker_parameter(settings.stage, settings.org),
            description="State of the circuit breaker for people to see: " + " | ".join(BREAKER_STATES),
            string_value="closed",
            allowed_pattern=_one_of(BREAKER_STATES),
        )

    def _table(self, id: str, *, sort_key: bool = True, expires: bool = False) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id,
            partition_key=_string(names.PARTITION_KEY),
            sort_key=_string(names.SORT_KEY) if sort_key else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
            time_to_live_attribute=names.EXPIRES_AT if expires else None,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _bucket(self, id: str, *, cold_after: Duration | None = None) -> s3.Bucket:
        """A private, versioned bucket; what nobody reads any more moves to cheaper storage, nothing current expires."""
        rules = [
            s3.LifecycleRule(
                id="superseded-versions-and-torn-uploads",
                noncurrent_version_expiration=Duration.days(90),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            )
        ]
        if cold_after is not None:
            cold = s3.Transition(storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=cold_after)
            rules.append(s3.LifecycleRule(id="cold", transitions=[cold]))
        return s3.Bucket(
            self,
            id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=rules,
            removal_policy=RemovalPolicy.RETAIN,
        )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _number(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.NUMBER)


def _one_of(values: tuple[str, ...]) -> str:
    return f"^({'|'.join(values)})$"
