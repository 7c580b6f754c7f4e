"""Tables, buckets, parameters: made by API calls, then read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.local.backend import own_client
from workbench.local.stack import Made, Stack, expect
from workbench.local.template import Properties

_TABLE_WITHOUT_MEANING = {
    "SSESpecification": "encryption at rest cannot be seen through the API of an in-process emulator",
    "Tags": "nothing reads tags",
    "ContributorInsightsSpecification": "monitoring only",
}
_BUCKET_WITHOUT_MEANING = {
    "BucketEncryption": "encryption at rest cannot be seen in memory",
    "PublicAccessBlockConfiguration": "nothing outside the process reaches a bucket",
    "OwnershipControls": "one account",
    "LifecycleConfiguration": "an account lives for one simulation",
    "LoggingConfiguration": "access logs are read by nobody here",
    "Tags": "nothing reads tags",
}


def make_table(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::DynamoDB::Table`."""
    name = properties.take("TableName", logical_id)
    recovery = bool((properties.take("PointInTimeRecoverySpecification") or {}).get("PointInTimeRecoveryEnabled", False))
    properties.ignore(_TABLE_WITHOUT_MEANING)
    client = own_client("dynamodb")
    expiry = properties.take("TimeToLiveSpecification")
    request: dict[str, Any] = properties.take_present(
        "KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "DeletionProtectionEnabled"
    )
    description = client.create_table(TableName=name, **request)["TableDescription"]
    if expiry is not None:
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
    client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": recovery})

    def read_back() -> None:
        found = client.describe_table(TableName=name)["Table"]
        expect(logical_id, "TableStatus", "ACTIVE", found["TableStatus"])
        expect(logical_id, "KeySchema", request["KeySchema"], found["KeySchema"])
        wanted = request.get("GlobalSecondaryIndexes", [])
        expect(logical_id, "GlobalSecondaryIndexes", _indexes(wanted), _indexes(found.get("GlobalSecondaryIndexes", [])))
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        attribute = expiry["AttributeName"] if expiry is not None and expiry.get("Enabled") else None
        expect(logical_id, "TimeToLive", attribute, ttl.get("AttributeName") if ttl["TimeToLiveStatus"] == "ENABLED" else None)
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        expect(logical_id, "PointInTimeRecovery", "ENABLED" if recovery else "DISABLED", status)

    stack.records.checks.append(read_back)
    return Made(name, {"Arn": description["TableArn"]})


def _indexes(indexes: list[Mapping[str, Any]]) -> dict[str, object]:
    return {
        index["IndexName"]: (
            [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]],
            index["Projection"]["ProjectionType"],
            sorted(index["Projection"].get("NonKeyAttributes", [])),
        )
        for index in indexes
    }


def make_bucket(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::S3::Bucket`."""
    name = properties.take("BucketName", logical_id.lower()[:63])
    versioning = properties.take("VersioningConfiguration")
    properties.ignore(_BUCKET_WITHOUT_MEANING)
    client = own_client("s3")
    region = client.meta.region_name
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    if versioning is not None:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)

    def read_back() -> None:
        wanted = None if versioning is None else versioning["Status"]
        expect(logical_id, "VersioningConfiguration", wanted, client.get_bucket_versioning(Bucket=name).get("Status"))

    stack.records.checks.append(read_back)
    host = f"{name}.s3.{region}.amazonaws.com"
    return Made(name, {"Arn": f"arn:aws:s3:::{name}", "RegionalDomainName": host, "DomainName": f"{name}.s3.amazonaws.com"})


def make_parameter(stack: Stack, logical_id: str, properties: Properties) -> Made:
    """`AWS::SSM::Parameter` (String or StringList; CloudFormation knows no SecureString)."""
    name = properties.require("Name")
    properties.ignore({"Tags": "nothing reads tags", "Tier": "limits of size are not emulated"})
    request = properties.take_present("Value", "Type", "Description", "AllowedPattern")
    own_client("ssm").put_parameter(Name=name, **request)
    return Made(name, {"Type": request["Type"], "Value": request["Value"]})
