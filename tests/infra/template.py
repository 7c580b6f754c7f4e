"""Reading a synthesised template in tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]


class Template:
    """A CloudFormation template, with the questions the tests ask of it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.resources: dict[str, Resource] = document["Resources"]
        self.parameters: dict[str, Resource] = document.get("Parameters", {})

    def of_type(self, type_: str) -> dict[str, Resource]:
        """Logical id → properties of all resources of a type (`AWS::` may be left out)."""
        full = type_ if type_.startswith("AWS::") else f"AWS::{type_}"
        return {id_: resource.get("Properties", {}) for id_, resource in self.resources.items() if resource["Type"] == full}

    def functions(self) -> dict[str, tuple[str, Resource]]:
        """Short name (`decide`) → logical id and properties."""
        found = self.of_type("Lambda::Function")
        return {properties["FunctionName"].rsplit("-", 1)[1]: (id_, properties) for id_, properties in found.items()}

    def statements(self) -> Iterator[tuple[str, Resource]]:
        """Every statement of every role's policy, with the policy's logical id."""
        for id_, properties in self.of_type("IAM::Policy").items():
            for statement in properties["PolicyDocument"]["Statement"]:
                yield id_, statement

    def statements_of(self, function: str) -> list[Resource]:
        """Statements of the role of a function."""
        role = referred(self.functions()[function][1]["Role"])
        policies = {id_ for id_, p in self.of_type("IAM::Policy").items() if role in [referred(r) for r in p["Roles"]]}
        return [statement for id_, statement in self.statements() if id_ in policies]


def referred(value: Any) -> str:
    """Logical id that a Ref or GetAtt names."""
    if "Ref" in value:
        return str(value["Ref"])
    return str(value["Fn::GetAtt"][0])


def as_list(value: Any) -> list[Any]:
    """IAM's one-or-many."""
    return value if isinstance(value, list) else [value]


def flatten(value: Any) -> str:
    """A string with intrinsics as text: references become `<Id>` or `<Id.Attribute>`."""
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return f"<{value['Ref']}>"
    if "Fn::GetAtt" in value:
        return f"<{'.'.join(value['Fn::GetAtt'])}>"
    separator, parts = value["Fn::Join"]
    return str(separator.join(flatten(part) for part in parts))
