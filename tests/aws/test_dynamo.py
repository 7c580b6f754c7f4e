"""The verbs: conditions, whole pages, contention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from revenue_engine.aws import clients, dynamo, names
from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, TransactionCancelled, changes, commit
from tests.builders import Org

ABSENT = Expression(condition="attribute_not_exists(pk)")


@pytest.fixture
def table(org: Org) -> Table:
    return Table(org.w.value(names.CONTROL_TABLE))


def test_a_conditional_put_leaves_what_was_there(org: Org, table: Table) -> None:
    table.put({"pk": org.name, "sk": "a", "n": 1}, ABSENT)
    with pytest.raises(ConditionFailed):
        table.put({"pk": org.name, "sk": "a", "n": 2}, ABSENT)
    assert table.get(org.name, "a") == {"pk": org.name, "sk": "a", "n": 1}


def test_changes_sets_adds_and_removes_reserved_words_at_once(org: Org, table: Table) -> None:
    table.put({"pk": org.name, "sk": "a", "count": 1, "old": 1, "name": "x"})
    after = table.update(
        org.name,
        "a",
        changes(
            set_={"status": "s", "year": 2, "nothing": None},
            add={"count": 2, "size": 1},
            remove=["old", "name"],
            condition="#c = :one",
            names={"#c": "count"},
            values={":one": 1},
        ),
    )
    assert after == {"pk": org.name, "sk": "a", "status": "s", "year": 2, "count": 3, "size": 1}


def test_a_refused_update_changes_nothing(org: Org, table: Table) -> None:
    table.put({"pk": org.name, "sk": "a", "n": 1})
    with pytest.raises(ConditionFailed):
        table.update(org.name, "a", changes(add={"n": 1}, condition="#n = :two", names={"#n": "n"}, values={":two": 2}))
    assert table.get(org.name, "a") == {"pk": org.name, "sk": "a", "n": 1}


def test_a_query_goes_through_all_pages_and_stops_at_its_limit(org: Org, table: Table) -> None:
    for n in range(12):  # 12 × 200 KB: a page of DynamoDB holds 1 MB
        table.put({"pk": org.name, "sk": f"big#{n:02d}", "body": "x" * 200_000})

    def numbers(**how: Any) -> list[str]:
        values = {":pk": org.name, ":big": "big#"}
        found = table.query("#pk = :pk AND begins_with(#sk, :big)", values, names={"#pk": "pk", "#sk": "sk"}, **how)
        return [item["sk"] for item in found]

    assert numbers() == [f"big#{n:02d}" for n in range(12)]
    assert numbers(limit=7) == [f"big#{n:02d}" for n in range(7)]


def test_a_transaction_says_which_of_its_actions_was_refused_and_writes_nothing(org: Org, table: Table) -> None:
    table.put({"pk": org.name, "sk": "there"})
    with pytest.raises(TransactionCancelled) as caught:
        commit([table.putting({"pk": org.name, "sk": "new"}), table.putting({"pk": org.name, "sk": "there"}, unless_exists=True)])
    assert caught.value.codes == ["None", "ConditionalCheckFailed"]
    assert not caught.value.conflicted
    assert table.get(org.name, "new") is None


def test_a_transaction_too_large_is_refused_before_it_is_sent(org: Org, table: Table) -> None:
    with pytest.raises(ValueError, match="at most 100"):
        commit([table.putting({"pk": org.name, "sk": f"n{n}"}) for n in range(101)])


class Contended:
    """A client whose first answers are refusals for contention; then it is the real one."""

    def __init__(self, refusals: int, code: str, reasons: list[str]) -> None:
        self.left, self.code, self.reasons, self.real = refusals, code, reasons, clients.client("dynamodb")

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            if operation != "get_item" and self.left > 0:
                self.left -= 1
                reasons: Any = [{"Code": reason} for reason in self.reasons]
                raise ClientError({"Error": {"Code": self.code, "Message": ""}, "CancellationReasons": reasons}, operation)
            return getattr(self.real, operation)(**request)

        return call


@pytest.fixture
def contended(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str, list[str]], Contended]:
    def make(refusals: int, code: str, reasons: list[str]) -> Contended:
        made = Contended(refusals, code, reasons)
        monkeypatch.setattr(dynamo, "client", lambda service: made)
        monkeypatch.setattr(dynamo, "CONFLICT_PAUSES_SECONDS", (0.0, 0.0))
        return made

    return make


def test_a_transaction_refused_for_contention_alone_is_tried_again(org: Org, table: Table, contended: Any) -> None:
    contended(2, "TransactionCanceledException", ["TransactionConflict", "None"])
    commit([table.putting({"pk": org.name, "sk": "a"}), table.putting({"pk": org.name, "sk": "b"})])
    assert table.get(org.name, "b") is not None


def test_a_plain_write_refused_for_contention_is_tried_again(org: Org, table: Table, contended: Any) -> None:
    contended(1, "TransactionConflictException", [])
    assert table.update(org.name, "a", changes(add={"n": 1}))["n"] == 1
    contended(1, "TransactionConflictException", [])
    table.put({"pk": org.name, "sk": "b"})
    assert table.get(org.name, "b") is not None


def test_contention_that_does_not_end_is_told(org: Org, table: Table, contended: Any) -> None:
    contended(99, "TransactionCanceledException", ["TransactionConflict"])
    with pytest.raises(TransactionCancelled) as caught:
        commit([table.putting({"pk": org.name, "sk": "a"})])
    assert caught.value.conflicted
    contended(99, "TransactionConflictException", [])
    with pytest.raises(ClientError, match="TransactionConflict"):
        table.update(org.name, "a", changes(add={"n": 1}))


def test_a_refused_condition_is_not_tried_again(org: Org, table: Table, contended: Any) -> None:
    stub = contended(99, "TransactionCanceledException", ["ConditionalCheckFailed", "TransactionConflict"])
    with pytest.raises(TransactionCancelled):
        commit([table.putting({"pk": org.name, "sk": "a"})])
    assert stub.left == 98
