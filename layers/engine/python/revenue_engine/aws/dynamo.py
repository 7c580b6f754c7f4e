"""The few DynamoDB verbs the stores are made of, with Python items on both sides."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from revenue_engine.aws.clients import client
from revenue_engine.aws.items import Item, decode, encode, encode_value

TRANSACTION_LIMIT = 100
# A write that meets another transaction on the same item (a counter's shard, a person opting out) is refused, not queued.
CONFLICT_PAUSES_SECONDS = (0.02, 0.05, 0.1, 0.2)
_T = TypeVar("_T")


class ConditionFailed(Exception):
    """A conditional write found another state."""


class TransactionCancelled(Exception):
    """A transaction was cancelled; `codes[i]` says why for its i-th action ("None" for the innocent)."""

    def __init__(self, codes: list[str]) -> None:
        super().__init__(", ".join(codes))
        self.codes = codes

    @property
    def conflicted(self) -> bool:
        """Only contention with another transaction: worth trying again as it is."""
        return set(self.codes) <= {"None", "TransactionConflict"}


@dataclass(frozen=True)
class Expression:
    """An update or condition with its names and values; every name goes through a placeholder (reserved words)."""

    update: str = ""
    condition: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Call arguments, without empty members."""
        return {
            **({"UpdateExpression": self.update} if self.update else {}),
            **({"ConditionExpression": self.condition} if self.condition else {}),
            **({"ExpressionAttributeNames": dict(self.names)} if self.names else {}),
            **({"ExpressionAttributeValues": {k: encode_value(v) for k, v in self.values.items()}} if self.values else {}),
        }


def changes(
    *,
    set_: Mapping[str, Any] | None = None,
    add: Mapping[str, int | float] | None = None,
    remove: Sequence[str] = (),
    condition: str = "",
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Expression:
    """An update of whole attributes: SET what is not None, ADD numbers, REMOVE names."""
    all_names, all_values = dict(names or {}), dict(values or {})
    parts: list[str] = []
    for verb, members, joiner in (("SET", set_ or {}, " = "), ("ADD", add or {}, " ")):
        terms = []
        for name, value in members.items():
            if value is None:
                continue
            place = f"{verb[0].lower()}{len(all_names)}"
            all_names[f"#{place}"], all_values[f":{place}"] = name, value
            terms.append(f"#{place}{joiner}:{place}")
        if terms:
            parts.append(f"{verb} {', '.join(terms)}")
    if remove:
        for name in remove:
            all_names[f"#r{len(all_names)}"] = name
        parts.append("REMOVE " + ", ".join(f"#r{len(all_names) - len(remove) + i}" for i in range(len(remove))))
    return Expression(" ".join(parts), condition, all_names, all_values)


def key(pk: str, sk: str | None = None) -> dict[str, Any]:
    """A primary key."""
    return encode({"pk": pk, "sk": sk})


@dataclass(frozen=True)
class Table:
    """One table by its physical name."""

    name: str

    def get(self, pk: str, sk: str | None = None, *, consistent: bool = True) -> Item | None:
        """One item; strongly consistent unless told otherwise."""
        found = client("dynamodb").get_item(TableName=self.name, Key=key(pk, sk), ConsistentRead=consistent)
        return decode(found["Item"]) if "Item" in found else None

    def put(self, item: Item, condition: Expression | None = None) -> None:
        """Raises ConditionFailed."""
        arguments = {"Item": encode(item), **(condition.arguments() if condition else {})}
        _patiently(lambda: client("dynamodb").put_item(TableName=self.name, **arguments))

    def update(self, pk: str, sk: str | None, expression: Expression) -> Item:
        """The whole item as it is after the update. Raises ConditionFailed."""
        arguments = {"Key": key(pk, sk), "ReturnValues": "ALL_NEW", **expression.arguments()}
        answer = _patiently(lambda: client("dynamodb").update_item(TableName=self.name, **arguments))
        return decode(answer["Attributes"])

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str],
        index: str | None = None,
        limit: int | None = None,
        consistent: bool = False,
        only: Sequence[str] = (),
        descending: bool = False,
    ) -> Iterator[Item]:
        """All items of a key condition, page by page, at most `limit`; of each the attributes in `only`, if any are named."""
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {**names, **{f"#only{i}": name for i, name in enumerate(only)}},
            "ExpressionAttributeValues": {k: encode_value(v) for k, v in values.items()},
            **({"ProjectionExpression": ", ".join(f"#only{i}" for i in range(len(only)))} if only else {}),
            **({"IndexName": index} if index else {"ConsistentRead": consistent}),
            **({"ScanIndexForward": False} if descending else {}),
        }
        left = limit
        while True:
            if left is not None:
                arguments["Limit"] = left
            page = client("dynamodb").query(**arguments)
            for attributes in page["Items"]:
                yield decode(attributes)
            if left is not None:
                left -= len(page["Items"])
            if "LastEvaluatedKey" not in page or left == 0:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def beginning_with(self, pk: str, prefix: str, *, newest: int | None = None) -> Iterator[Item]:
        """The items of a partition whose sort key begins so, in its order, or the last so many from the end; strongly consistent."""
        return self.query(
            "#pk = :pk AND begins_with(#sk, :prefix)",
            {":pk": pk, ":prefix": prefix},
            names={"#pk": "pk", "#sk": "sk"},
            consistent=True,
            limit=newest,
            descending=newest is not None,
        )

    # actions of a transaction
    def putting(self, item: Item, *, unless_exists: bool = False, condition: Expression | None = None) -> dict[str, Any]:
        """A Put action."""
        if unless_exists:
            condition = Expression(condition="attribute_not_exists(pk)")
        return {"Put": {"TableName": self.name, "Item": encode(item), **(condition.arguments() if condition else {})}}

    def updating(self, pk: str, sk: str | None, expression: Expression) -> dict[str, Any]:
        """An Update action."""
        return {"Update": {"TableName": self.name, "Key": key(pk, sk), **expression.arguments()}}

    def deleting(self, pk: str, sk: str | None = None) -> dict[str, Any]:
        """A Delete action."""
        return {"Delete": {"TableName": self.name, "Key": key(pk, sk)}}

    def checking(self, pk: str, sk: str | None, condition: Expression) -> dict[str, Any]:
        """A ConditionCheck action."""
        return {"ConditionCheck": {"TableName": self.name, "Key": key(pk, sk), **condition.arguments()}}


def commit(actions: Sequence[dict[str, Any]]) -> None:
    """All of it or nothing. Raises TransactionCancelled."""
    if len(actions) > TRANSACTION_LIMIT:
        raise ValueError(f"a transaction holds at most {TRANSACTION_LIMIT} actions, not {len(actions)}")
    _patiently(lambda: client("dynamodb").transact_write_items(TransactItems=list(actions)))


def _patiently(call: Callable[[], _T]) -> _T:
    """A write, repeated while only contention refuses it: nothing was written then. Raises ConditionFailed, TransactionCancelled."""
    for seconds in (*CONFLICT_PAUSES_SECONDS, None):
        try:
            return call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                raise ConditionFailed from error
            if code == "TransactionCanceledException":
                reasons = error.response.get("CancellationReasons", [])
                cancelled = TransactionCancelled([reason.get("Code", "None") for reason in reasons])
                if seconds is None or not cancelled.conflicted:
                    raise cancelled from error
            elif seconds is None or code != "TransactionConflictException":
                raise
            time.sleep(seconds * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")
