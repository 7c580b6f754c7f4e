"""DynamoDB's attribute values on their way through botocore, which looks at each of them three times: shortcuts that do the same.

Values are checked, written as JSON and read from JSON; all but binary ones are the same in both. Tests compare each shortcut with
botocore's own way, on random items.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from botocore.serialize import JSONSerializer
from botocore.validate import ParamValidator

# Members that hold attribute values, keys and counts alone. An answer with any other is left to botocore.
_PLAIN = frozenset({"Attributes", "Count", "Item", "Items", "LastEvaluatedKey", "Responses", "ScannedCount", "UnprocessedKeys"})
_SCALARS = {"S": str, "N": str, "B": bytes, "BOOL": bool, "NULL": bool}


class Validator(ParamValidator):
    """botocore's, but for texts, attribute values and maps of them that are obviously good: of any other botocore says what is wrong."""

    def _validate(self, params: Any, shape: Any, errors: Any, name: str) -> None:
        if shape.type_name == "string":
            good = type(params) is str and params != "" and shape.metadata.get("min", 0) <= 1
        elif shape.type_name == "map":
            good = type(params) is dict and all(map(_is_text, params))
            good = good and all(map(obviously_good if shape.value.name == "AttributeValue" else _is_text, params.values()))
        else:
            good = shape.name == "AttributeValue" and obviously_good(params)
        if not good:
            super()._validate(params, shape, errors, name)  # type: ignore[misc]


class Serializer(JSONSerializer):
    """botocore's, for DynamoDB, where every member of a request is written under its own name."""

    def serialize_to_request(self, parameters: Any, operation_model: Any) -> Any:
        try:
            body = json.dumps(parameters, default=_base64).encode()
        except TypeError:
            return super().serialize_to_request(parameters, operation_model)
        headers = {
            "X-Amz-Target": f"{operation_model.metadata['targetPrefix']}.{operation_model.name}",
            "Content-Type": f"application/x-amz-json-{operation_model.metadata['jsonVersion']}",
        }
        written = self._create_default_request()  # type: ignore[attr-defined]
        return written | {"method": operation_model.http.get("method", self.DEFAULT_METHOD), "headers": headers, "body": body}


def _is_text(value: Any) -> bool:
    return type(value) is str and value != ""


def obviously_good(value: Any) -> bool:
    """Whether it is an attribute value of the types that the engine writes."""
    if type(value) is not dict or len(value) != 1:
        return False
    ((kind, content),) = value.items()
    if (scalar := _SCALARS.get(kind)) is not None:
        return type(content) is scalar
    if kind == "M":
        return type(content) is dict and all(type(name) is str and obviously_good(each) for name, each in content.items())
    return kind == "L" and type(content) is list and all(map(obviously_good, content))


def parsed_items(body: bytes) -> dict[str, Any] | None:
    """DynamoDB's answer as botocore would give it, less the metadata; None when it holds what needs botocore's parser."""
    if b"null" in body:  # which botocore leaves out
        return None
    binary = b'"B"' in body or b'"BS"' in body
    document: dict[str, Any] = json.loads(body, object_hook=_with_bytes) if binary else json.loads(body)
    return document if _PLAIN.issuperset(document) else None


def _base64(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} in a request")


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """Only a binary value has a text under "B" and a list under "BS": an attribute of that name has an object."""
    if len(value) == 1:
        if isinstance(text := value.get("B"), str):
            return {"B": base64.b64decode(text)}
        if isinstance(texts := value.get("BS"), list):
            return {"BS": [base64.b64decode(text) for text in texts]}
    return value
