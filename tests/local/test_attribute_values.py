"""Attribute values are checked, written and read as botocore itself would."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.parsers import JSONParser
from botocore.serialize import JSONSerializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from tests.local.test_ministack_speed import documents
from workbench.local.attribute_values import Serializer, Validator, obviously_good, parsed_items

MODEL: Any = botocore.session.get_session().get_service_model("dynamodb")


def in_python(value: Any) -> Any:
    """A document of the wire as boto3's callers write it: binary values are bytes."""
    match value:
        case {"B": str(text)} if len(value) == 1:
            return {"B": text.encode()}
        case {"BS": [*texts]} if len(value) == 1 and all(isinstance(text, str) for text in texts):
            return {"BS": [text.encode() for text in texts]}
        case dict():
            return {name: in_python(member) for name, member in value.items()}
        case list():
            return [in_python(member) for member in value]
    return value


def requests_of(item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    names = {"ExpressionAttributeNames": {"#a": "é"}, "ExpressionAttributeValues": {":v": {"L": [{"M": item}]}}}
    put = {"TableName": "t", "Item": item, "ConditionExpression": "attribute_not_exists(pk)", **names}
    return [("PutItem", put), ("TransactWriteItems", {"TransactItems": [{"Put": put}], "ClientRequestToken": "x"})]


@given(item=documents.map(in_python))
def test_a_request_is_written_as_botocore_writes_it(item: dict[str, Any]) -> None:
    for name, parameters in requests_of(item):
        model = MODEL.operation_model(name)
        written, expected = (made.serialize_to_request(parameters, model) for made in (Serializer(), JSONSerializer()))
        assert json.loads(written.pop("body")) == json.loads(expected.pop("body"))
        assert written == expected


BAD: tuple[Any, ...] = (
    None, "text", {}, {"S": 1}, {"N": 1}, {"S": "a", "N": "1"}, {"X": "a"}, {"B": "text"}, {"BOOL": "true"}, {"L": {}},
    {"M": {"a": "b"}}, {"M": {1: {"S": "a"}}}, {"L": [{"S": None}]}, {"SS": [1]},
)  # fmt: skip


@given(item=documents.map(in_python), bad=st.sampled_from(BAD), name=st.sampled_from(["a", "é", ""]))
def test_a_request_is_refused_as_botocore_refuses_it(item: dict[str, Any], bad: Any, name: str) -> None:
    for operation, parameters in [*requests_of(item), *requests_of(item | {name: bad}), *requests_of({name: {"M": {"x": bad}}})]:
        shape = MODEL.operation_model(operation).input_shape
        said, expected = (made.validate(parameters, shape).generate_report() for made in (Validator(), ParamValidator()))
        assert said == expected


@pytest.mark.parametrize("names", [{"#a": 1}, {1: "a"}, [], None, {"#a": ""}])
def test_names_are_checked_as_botocore_checks_them(names: Any) -> None:
    shape = MODEL.operation_model("PutItem").input_shape
    parameters = {"TableName": "", "Item": {}, "ExpressionAttributeNames": names}
    said, expected = (made.validate(parameters, shape).generate_report() for made in (Validator(), ParamValidator()))
    assert said == expected


@pytest.mark.parametrize("value", BAD)
def test_what_is_bad_is_not_obviously_good(value: Any) -> None:
    assert not obviously_good(value)


@given(
    items_=st.lists(documents, max_size=3), operation=st.sampled_from(["Query", "GetItem", "TransactGetItems", "BatchGetItem"])
)
def test_an_answer_with_items_is_read_as_botocore_reads_it(items_: list[dict[str, Any]], operation: str) -> None:
    first = items_[0] if items_ else {}
    by_operation: dict[str, Any] = {
        "Query": {"Items": items_, "Count": len(items_), "ScannedCount": 3, "LastEvaluatedKey": first},
        "GetItem": {"Item": first},
        "TransactGetItems": {"Responses": [{"Item": item} for item in items_]},
        "BatchGetItem": {"Responses": {"t": items_}, "UnprocessedKeys": {"t": {"Keys": items_, "ConsistentRead": True}}},
    }
    body = json.dumps(by_operation[operation]).encode()
    model = MODEL.operation_model(operation)
    expected = JSONParser().parse({"headers": {}, "status_code": 200, "body": body}, model.output_shape)
    del expected["ResponseMetadata"]
    assert parsed_items(body) == expected


def test_an_answer_with_more_than_items_is_left_to_botocore() -> None:
    assert parsed_items(b'{"Item": {}, "ConsumedCapacity": {"CapacityUnits": 1}}') is None
    assert parsed_items(b'{"Item": null}') is None
