"""Python values ↔ DynamoDB attribute values: boto3's own codec refuses floats and returns Decimals, ours keeps both as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]
Attributes = dict[str, dict[str, Any]]


def encode_value(value: Any) -> dict[str, Any]:
    """One attribute value. Floats go as their shortest decimal text, so they read back bit for bit."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case float():
            return {"N": repr(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {str(k): encode_value(v) for k, v in value.items()}}
        case list() | tuple():
            return {"L": [encode_value(v) for v in value]}
        case _:
            raise TypeError(f"no attribute type for {type(value).__name__}")


def encode(item: Mapping[str, Any]) -> Attributes:
    """A whole item; members that are None are left out."""
    return {name: encode_value(value) for name, value in item.items() if value is not None}


def decode_value(value: Mapping[str, Any]) -> Any:
    """The Python value of one attribute value."""
    ((kind, raw),) = value.items()
    match kind:
        case "S" | "B" | "BOOL":
            return raw
        case "N":
            return int(raw) if raw.lstrip("-").isdigit() else float(raw)
        case "M":
            return {k: decode_value(v) for k, v in raw.items()}
        case "L":
            return [decode_value(v) for v in raw]
        case "NULL":
            return None
        case _:
            raise TypeError(f"attribute type {kind} is not used here")


def decode(attributes: Mapping[str, Mapping[str, Any]]) -> Item:
    """A whole item."""
    return {name: decode_value(value) for name, value in attributes.items()}
