"""Athena's tables are the files that the engine writes: their folders, their members, their types."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date
from typing import Any

import pytest

from infra.audit_log import OUTCOME_COLUMNS, RECEIPT_COLUMNS
from revenue_engine.outcomes import OutcomeEvent
from revenue_engine.services.export_outcomes import outcomes_key
from tests.infra.template import Template, flatten
from tests.test_audit import RECEIPTS

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "bigint": (int,),
    "double": (float, int),
    "array<bigint>": (list,),
}


def tables(template: Template) -> dict[str, dict[str, Any]]:
    return {p["TableInput"]["Name"]: p["TableInput"] for p in template.of_type("Glue::Table").values()}


def columns(table: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]


def test_the_decisions_table_has_a_receipts_members_in_their_order_and_no_other(golden: Template) -> None:
    lines = [json.loads(line) for line in RECEIPTS.splitlines()]
    found = columns(tables(golden)["decisions"])
    assert found == list(RECEIPT_COLUMNS)
    assert all([name for name, _ in found] == list(line) for line in lines)
    for name, type_ in found:
        assert all(type(line[name]) in _TYPES[type_] for line in lines if line[name] is not None), name


def test_the_outcomes_table_has_an_events_members_in_their_order_and_no_other(golden: Template) -> None:
    found = columns(tables(golden)["outcomes"])
    assert found == list(OUTCOME_COLUMNS)
    words = {"str": "string", "bool": "boolean", "int": "bigint", "float": "double"}
    assert found == [(field.name, words[str(field.type).partition(" ")[0]]) for field in fields(OutcomeEvent)]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("decisions", "decisions/main/2026-03-04/20260304T1200/page-0000.ndjson.gz"),  # run_cycle's, as the data model has it
        ("outcomes", outcomes_key("main", date(2026, 3, 4))),
    ],
)
def test_partitions_are_projected_onto_the_days_of_the_keys(golden: Template, name: str, key: str) -> None:
    table = tables(golden)[name]
    assert table["PartitionKeys"] == [{"Name": "day", "Type": "string"}]
    assert "day" not in dict(columns(table))  # a partition's name may not be a column's
    location = flatten(table["Parameters"]["storage.location.template"])
    bucket = next(id_ for id_ in golden.of_type("S3::Bucket") if "Decisions" in id_)
    assert f"s3://<{bucket}>/{key}".startswith(location.replace("${day}", "2026-03-04"))
    assert location.startswith(flatten(table["StorageDescriptor"]["Location"]))
    projection = {k: v for k, v in table["Parameters"].items() if k.startswith("projection")}
    assert projection == {
        "projection.enabled": "true",
        "projection.day.type": "date",
        "projection.day.format": "yyyy-MM-dd",
        "projection.day.range": "2026-01-01,NOW+1DAYS",
        "projection.day.interval": "1",
        "projection.day.interval.unit": "DAYS",
    }


def test_reconcile_writes_outcomes_and_cannot_touch_decisions(golden: Template) -> None:
    on_decisions = [
        (statement["Action"], flatten(statement["Resource"]))
        for statement in golden.statements_of("reconcile")
        if "StateDecisions" in json.dumps(statement["Resource"])
    ]
    ((action, resource),) = on_decisions
    assert action == "s3:PutObject"
    assert resource.endswith("/outcomes/*")
