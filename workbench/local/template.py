"""A CloudFormation template as data: intrinsics resolved strictly, properties consumed to the last one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class TemplateError(ValueError):
    """The template holds something the plane does not know; the message names the logical id and the property."""


@dataclass(frozen=True)
class Resource:
    """One resource as written; its properties are unresolved."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...]
    condition: str | None


class Template:
    """Reads and checks the outer form. Raises TemplateError on sections or resource attributes it does not know."""

    _SECTIONS = frozenset(
        {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Conditions", "Resources", "Outputs"}
    )
    # Deletion and replacement policies have no local meaning: an account lives as long as its plane.
    _RESOURCE_KEYS = frozenset(
        {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
    )

    def __init__(self, document: Mapping[str, Any]) -> None:
        if unknown := set(document) - self._SECTIONS:
            raise TemplateError(f"unknown sections of the template: {sorted(unknown)}")
        self.parameters: Mapping[str, Mapping[str, Any]] = document.get("Parameters", {})
        self.conditions: Mapping[str, Any] = document.get("Conditions", {})
        self.outputs: Mapping[str, Mapping[str, Any]] = document.get("Outputs", {})
        self.resources: dict[str, Resource] = {}
        for logical_id, body in document["Resources"].items():
            if unknown := set(body) - self._RESOURCE_KEYS:
                raise TemplateError(f"{logical_id}: unknown resource attributes {sorted(unknown)}")
            depends = body.get("DependsOn", [])
            self.resources[logical_id] = Resource(
                logical_id,
                body["Type"],
                body.get("Properties", {}),
                (depends,) if isinstance(depends, str) else tuple(depends),
                body.get("Condition"),
            )

    @classmethod
    def read(cls, path: Path) -> Template:
        """Parse a template's JSON file."""
        return cls(json.loads(path.read_text()))


class Properties:
    """The resolved properties of one resource. What nobody takes is an error: `finish` names it."""

    def __init__(self, logical_id: str, values: Mapping[str, Any]) -> None:
        self.logical_id = logical_id
        self._left = dict(values)

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a property, or the default when it is absent."""
        return self._left.pop(name, default)

    def require(self, name: str) -> Any:
        """The value of a property that must be there."""
        if name not in self._left:
            raise TemplateError(f"{self.logical_id}: property {name} is missing")
        return self._left.pop(name)

    def take_present(self, *names: str) -> dict[str, Any]:
        """Those of the named properties that are there."""
        return {name: self._left.pop(name) for name in names if name in self._left}

    def ignore(self, reasons: Mapping[str, str]) -> None:
        """Drop properties without local meaning; each has its reason written down."""
        for name in reasons:
            self._left.pop(name, None)

    def finish(self) -> None:
        """Raises TemplateError if anything is left."""
        if self._left:
            raise TemplateError(f"{self.logical_id}: the local plane does not understand {sorted(self._left)}")


class _NoValue:
    """`AWS::NoValue`: the property is not there."""


_NO_VALUE = _NoValue()
_SUB = re.compile(r"\$\{(!?)([^}]+)\}")


class Resolver:
    """Turns intrinsics into values. `reference` and `attribute` are asked for resources, and may make them first."""

    def __init__(
        self,
        template: Template,
        pseudo: Mapping[str, str],
        parameters: Mapping[str, str],
        reference: Callable[[str], str],
        attribute: Callable[[str, str], str],
    ) -> None:
        self._template = template
        self._pseudo = pseudo
        self._parameters = parameters
        self._reference = reference
        self._attribute = attribute

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic in it replaced. Raises TemplateError on one it does not know."""
        if isinstance(value, list):
            return [kept for each in value if (kept := self.resolve(each)) is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        return {name: kept for name, each in value.items() if (kept := self.resolve(each)) is not _NO_VALUE}

    def holds(self, condition: str) -> bool:
        """Whether a named condition is true."""
        if condition not in self._template.conditions:
            raise TemplateError(f"unknown condition {condition}")
        return self._truth(self._template.conditions[condition])

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self._template.parameters:
            given = self._parameters.get(name, self._template.parameters[name].get("Default"))
            if given is None:
                raise TemplateError(f"parameter {name} has no default and no value was given")
            return given
        if name not in self._template.resources:
            raise TemplateError(f"Ref to {name}, which the template does not have")
        return self._reference(name)

    def _get_att(self, argument: Any) -> str:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        if logical_id not in self._template.resources:
            raise TemplateError(f"Fn::GetAtt to {logical_id}, which the template does not have")
        return self._attribute(logical_id, attribute)

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Fn::GetAtt":
                return self._get_att(argument)
            case "Fn::Join":
                separator, parts = argument
                return separator.join(self._texts(name, self.resolve(parts)))
            case "Fn::Select":
                index, values = argument
                return self.resolve(values)[int(index)]
            case "Fn::Split":
                separator, text = argument
                return self.resolve(text).split(separator)
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self.holds(condition) else no)
        raise TemplateError(f"unknown intrinsic {name}")

    def _sub(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return "${" + name + "}"
            named = self._get_att if "." in name else self._ref
            value = self.resolve(variables[name]) if name in variables else named(name)
            return self._texts("Fn::Sub", [value])[0]

        return _SUB.sub(replace, text)

    def _texts(self, name: str, parts: list[Any]) -> list[str]:
        # A missing value inside a text is how "None" gets into a variable: only real texts and numbers are joined.
        for part in parts:
            if not isinstance(part, str | int) or isinstance(part, bool):
                raise TemplateError(f"{name} over {part!r}, which is no text")
        return [str(part) for part in parts]

    def _truth(self, expression: Any) -> bool:
        ((name, argument),) = expression.items()
        match name:
            case "Condition":
                return self.holds(argument)
            case "Fn::Equals":
                left, right = self.resolve(argument)
                return bool(left == right)
            case "Fn::Not":
                return not self._truth(argument[0])
            case "Fn::And":
                return all(self._truth(each) for each in argument)
            case "Fn::Or":
                return any(self._truth(each) for each in argument)
        raise TemplateError(f"unknown condition function {name}")
