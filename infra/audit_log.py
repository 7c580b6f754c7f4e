"""The decision log as Athena reads it: receipts and outcomes, two tables over the files' own folders (docs/data-model.md).

Partitions are projected from the days in the keys, so that nothing has to crawl or register them:
https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html. gzip is told by the files' names:
https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html. Tests hold the columns against the lines that the engine writes.
"""

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.settings import Settings

DECISIONS, OUTCOMES = "decisions", "outcomes"  # folders of the bucket, and tables
FIRST_DAY = "2026-01-01"  # of the projection: no engine has decided anything before


def _columns(type_: str, names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, type_) for name in names.split())


# A line's members, in its order.
RECEIPT_COLUMNS = (
    *_columns("string", "decision_type org cycle_id ts autonomy model_version"),
    *_columns("boolean", "model_prior"),
    *_columns("string", "controls_version price_version code_version"),
    *_columns("bigint", "row_schema"),
    *_columns("string", "page context"),
    *_columns("bigint", "granted"),
    *_columns("array<bigint>", "taken put_off"),  # by mailbox provider; by hour to come
    *_columns("string", "cycle_key"),
    *_columns("bigint", "lambda_micros cost_micros"),
    *_columns("string", "currency"),
    *_columns("bigint", "kappa_micros"),
    *_columns("string", "decision_id send_id subscriber"),
    *_columns("bigint", "row"),
    *_columns("string", "features_hash draw_key action reason"),
    *_columns("boolean", "mailed awaits_approval canary ghost holdout"),
    *_columns("string", "arm policy segment provider offer content offer_name subject_line eligible"),
    *_columns("boolean", "off_policy_support explored"),
    *_columns(
        "double", "epsilon propensity_joint propensity_send propensity_offer propensity_content p_open p_click p_conversion"
    ),
    *_columns("double", "h_unsubscribe h_complaint churn_risk complaint_risk engagement_score"),
    *_columns("bigint", "payout_micros expected_revenue_micros value_micros row_value_micros hazard_price_micros"),
    *_columns("bigint", "fatigue_price_micros complaint_price_micros lapse_price_micros ltv_micros v_after_micros"),
    *_columns("double", "expected_roi"),
    *_columns("bigint", "index_micros row_index_micros upper_revenue_micros"),
    *_columns("string", "considered_offer considered_content"),
    *_columns("bigint", "considered_index_micros"),
    *_columns("string", "runner_up_offer runner_up_content"),
    *_columns("bigint", "runner_up_index_micros scheduled_at next_decision_at"),
)
OUTCOME_COLUMNS = (
    *_columns("string", "org event at send_id decision_id cycle_id subscriber arm offer content"),
    *_columns("boolean", "human"),
    *_columns("string", "ledger_state entry_kind"),
    *_columns("bigint", "conversions provisional_micros approved_micros"),
    *_columns("string", "currency"),
    *_columns("double", "predicted observed prediction_error"),
)


class AuditLog(Construct):
    """A Glue database with both tables. They cost nothing until somebody asks them something."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, bucket: s3.IBucket) -> None:
        super().__init__(scope, id)
        name = f"revenue_engine_{settings.stage}_{settings.org}".replace("-", "_")
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(name=name, description="Decisions, and what became of them"),
        )
        for folder, columns in ((DECISIONS, RECEIPT_COLUMNS), (OUTCOMES, OUTCOME_COLUMNS)):
            location = f"s3://{bucket.bucket_name}/{folder}/{settings.org}/"
            table = glue.CfnTable(
                self,
                folder.capitalize(),
                catalog_id=Aws.ACCOUNT_ID,
                database_name=name,
                table_input=glue.CfnTable.TableInputProperty(
                    name=folder,
                    table_type="EXTERNAL_TABLE",
                    parameters={
                        "classification": "json",
                        "projection.enabled": "true",
                        "projection.day.type": "date",
                        "projection.day.format": "yyyy-MM-dd",
                        "projection.day.range": f"{FIRST_DAY},NOW+1DAYS",
                        "projection.day.interval": "1",
                        "projection.day.interval.unit": "DAYS",
                        "storage.location.template": f"{location}${{day}}/",
                    },
                    partition_keys=[glue.CfnTable.ColumnProperty(name="day", type="string")],
                    storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                        location=location,
                        columns=[glue.CfnTable.ColumnProperty(name=name, type=type_) for name, type_ in columns],
                        input_format="org.apache.hadoop.mapred.TextInputFormat",
                        output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                        serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library="org.openx.data.jsonserde.JsonSerDe"),
                    ),
                ),
            )
            table.add_resource_dependency(database)
