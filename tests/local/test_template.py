"""Intrinsics are resolved strictly."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.local.template import Properties, Resolver, Template, TemplateError

DOCUMENT: dict[str, Any] = {
    "Parameters": {"Size": {"Type": "String", "Default": "big"}, "Asked": {"Type": "String"}},
    "Conditions": {"Big": {"Fn::Equals": [{"Ref": "Size"}, "big"]}, "Small": {"Fn::Not": [{"Condition": "Big"}]}},
    "Resources": {"Table": {"Type": "T"}},
}


def resolve(value: Any, **parameters: str) -> Any:
    template = Template(DOCUMENT)
    pseudo = {"AWS::Region": "eu-west-1"}
    return Resolver(template, pseudo, parameters, lambda name: f"ref-{name}", lambda name, key: f"{name}-{key}").resolve(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Table"}, "ref-Table"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "Size"}, "big"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "Table-Arn"),
        ({"Fn::GetAtt": "Table.Stream.Arn"}, "Table-Stream.Arn"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Table"}, 3]]}, "a/ref-Table/3"),
        ({"Fn::Select": [1, {"Fn::Split": [":", "a:b:c"]}]}, "b"),
        ({"Fn::Sub": "${Table}:${Table.Arn}:${!Table}:${AWS::Region}"}, "ref-Table:Table-Arn:${Table}:eu-west-1"),
        ({"Fn::Sub": ["${x}!", {"x": {"Ref": "Table"}}]}, "ref-Table!"),
        ({"Fn::If": ["Big", {"a": 1}, 2]}, {"a": 1}),
        ({"keep": 1, "drop": {"Ref": "AWS::NoValue"}}, {"keep": 1}),
        ([1, {"Fn::If": ["Small", 2, {"Ref": "AWS::NoValue"}]}, 3], [1, 3]),
    ],
)
def test_an_intrinsic_becomes_its_value(value: Any, expected: Any) -> None:
    assert resolve(value) == expected


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"Ref": "Missing"}, "Missing"),
        ({"Fn::GetAtt": ["Missing", "Arn"]}, "Missing"),
        ({"Fn::Base64": "x"}, "Fn::Base64"),
        ({"Fn::Join": ["", ["a", {"Ref": "AWS::NoValue"}, None]]}, "None"),
        ({"Fn::If": ["Unknown", 1, 2]}, "Unknown"),
        ({"Ref": "Asked"}, "Asked"),
    ],
)
def test_what_cannot_be_resolved_is_an_error_that_names_it(value: Any, named: str) -> None:
    with pytest.raises(TemplateError, match=named):
        resolve(value)


def test_a_parameter_without_default_takes_the_given_value() -> None:
    assert resolve({"Ref": "Asked"}, Asked="yes") == "yes"


def test_an_unknown_section_or_resource_attribute_is_an_error() -> None:
    with pytest.raises(TemplateError, match="Transform"):
        Template({"Resources": {}, "Transform": "AWS::Serverless-2016-10-31"})
    with pytest.raises(TemplateError, match=r"Table: .*CreationPolicy"):
        Template({"Resources": {"Table": {"Type": "T", "CreationPolicy": {}}}})


def test_a_property_nobody_took_is_an_error_that_names_it() -> None:
    properties = Properties("Table", {"A": 1, "B": 2, "C": 3})
    assert properties.require("A") == 1
    properties.ignore({"B": "for the test"})
    with pytest.raises(TemplateError, match=r"Table: .*\['C'\]"):
        properties.finish()
