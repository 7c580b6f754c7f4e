"""Tables, indexes, buckets and parameters are those of docs/data-model.md."""

from __future__ import annotations

import re

import pytest

from infra.paths import ROOT
from revenue_engine.aws import names
from tests.infra.template import Resource, Template

WITHOUT_SORT_KEY = {"Subscribers", "Sends"}
EXPIRING = {"Timeline", "Sends", "Control"}
INDEXES = {
    "Subscribers": {
        "due": ("due_shard", "next_decision_at", "INCLUDE"),
        "by_revenue": ("revenue_org", "revenue_micros", "INCLUDE"),
        "by_lot": ("lot", "created_at", "INCLUDE"),
    },
    "Sends": {"by_day": ("org_day", "claimed_at", "ALL"), "by_state": ("org_state", "claimed_at", "KEYS_ONLY")},
    "Ledger": {"by_day": ("org_day", "booked_at", "ALL")},
}
TABLES = ("Subscribers", "Timeline", "Sends", "Ledger", "Offers", "Suppression", "Control")


def _table(template: Template, name: str) -> tuple[str, Resource]:
    found = {id_: p for id_, p in template.of_type("DynamoDB::Table").items() if re.fullmatch(rf"State{name}[0-9A-F]{{8}}", id_)}
    ((id_, properties),) = found.items()
    return id_, properties


def test_there_are_seven_tables_and_the_data_model_lists_them(golden: Template) -> None:
    assert len(golden.of_type("DynamoDB::Table")) == len(TABLES)
    listed = re.findall(r"^\| ([A-Z]\w+) \| `\{", (ROOT / "docs" / "data-model.md").read_text(), flags=re.MULTILINE)
    assert tuple(listed) == TABLES


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_keys_and_indexes_of_the_data_model(golden: Template, name: str) -> None:
    _, table = _table(golden, name)
    keys = {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]}
    assert keys == ({"HASH": "pk"} if name in WITHOUT_SORT_KEY else {"HASH": "pk", "RANGE": "sk"})
    indexes = {}
    for index in table.get("GlobalSecondaryIndexes", []):
        key = {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]}
        indexes[index["IndexName"]] = (key["HASH"], key["RANGE"], index["Projection"]["ProjectionType"])
    assert indexes == INDEXES.get(name, {})
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    numbers = {"next_decision_at", "claimed_at", "booked_at", "revenue_micros", "created_at"}
    assert types == {attribute: "N" if attribute in numbers else "S" for attribute in types}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_kept_encrypted_and_recoverable(golden: Template, name: str) -> None:
    id_, table = _table(golden, name)
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert golden.resources[id_]["DeletionPolicy"] == "Retain"
    expected = {"AttributeName": names.EXPIRES_AT, "Enabled": True} if name in EXPIRING else None
    assert table.get("TimeToLiveSpecification") == expected


def test_the_indexes_of_people_project_what_is_read_there_and_no_address(golden: Template) -> None:
    _, table = _table(golden, "Subscribers")
    projected = {i["IndexName"]: tuple(i["Projection"]["NonKeyAttributes"]) for i in table["GlobalSecondaryIndexes"]}
    assert projected == {
        names.DUE_INDEX: names.DUE_PROJECTION,
        names.REVENUE_INDEX: names.REVENUE_PROJECTION,
        names.LOT_INDEX: names.LOT_PROJECTION,
    }
    assert not {"address", "address_hash", "profile"} & {name for names_ in projected.values() for name in names_}


def test_buckets_are_private_versioned_kept_and_refuse_plain_http(golden: Template) -> None:
    buckets = golden.of_type("S3::Bucket")
    assert len(buckets) == 3
    policies = {p["Bucket"]["Ref"]: p["PolicyDocument"]["Statement"] for p in golden.of_type("S3::BucketPolicy").values()}
    for id_, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert "BucketEncryption" in bucket
        assert golden.resources[id_]["DeletionPolicy"] == "Retain"
        assert {"Bool": {"aws:SecureTransport": "false"}} in [s.get("Condition") for s in policies[id_] if s["Effect"] == "Deny"]


def test_nothing_current_ever_expires_from_a_bucket(golden: Template) -> None:
    for id_, bucket in golden.of_type("S3::Bucket").items():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert not [rule for rule in rules if "ExpirationInDays" in rule or "ExpirationDate" in rule], id_


def test_the_engine_is_born_switched_off_with_the_breaker_closed(golden: Template) -> None:
    values = {p["Name"]: (p["Type"], p["Value"]) for p in golden.of_type("SSM::Parameter").values()}
    operators = values.pop(names.environment_parameter("dev"))
    assert operators[0] == "String"
    assert values == {
        names.autonomy_parameter("dev", "main"): ("String", "off"),
        names.controls_parameter("dev", "main"): ("String", "{}"),
        names.breaker_parameter("dev", "main"): ("String", "closed"),
    }


def test_the_autonomy_switch_accepts_its_five_words_and_no_other(golden: Template) -> None:
    patterns = {p["Name"]: p.get("AllowedPattern", "") for p in golden.of_type("SSM::Parameter").values()}
    pattern = patterns[names.autonomy_parameter("dev", "main")]
    assert all(re.search(pattern, word) for word in ("off", "shadow", "approval", "canary", "full"))
    assert not [word for word in ("", "on", "fully", "FULL", "off ") if re.search(pattern, word)]
