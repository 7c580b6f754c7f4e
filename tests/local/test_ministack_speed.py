"""Every shortcut gives what it stands in for gives: the emulator's conditions, copies and sizes, botocore's reading of answers."""

from __future__ import annotations

import base64
import copy
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.local.ministack_backend import MiniStackBackend
from workbench.local.ministack_speed import compile_condition, copied

NAMES = {"#p": "pk", "#s": "sk"}
CONDITIONS = (
    "pk = :a",
    "#p = :a AND #s = :b",
    "pk = :a AND sk < :b",
    "pk=:a and sk<=:b",
    "#p = :a AND sk > :b",
    "pk = :a AND #s >= :b",
    "#p = :a AND begins_with(#s, :b)",
    "pk = :a AND sk BETWEEN :b AND :c",
)
texts = st.text("ab#é", max_size=3).map(lambda text: {"S": text})
numbers = st.sampled_from(["0", "-1", "2", "10", "9.5", "1E1", "9007199254740993"]).map(lambda text: {"N": text})
items = st.fixed_dictionaries({"pk": texts}, optional={"sk": texts | numbers | st.just({"B": "aa=="})})


@pytest.fixture(scope="module")
def dynamodb() -> Any:
    return MiniStackBackend()._application._get_module("dynamodb")


@pytest.fixture(scope="module")
def original(dynamodb: Any) -> Any:
    return dynamodb._evaluated_by_ministack


@given(condition=st.sampled_from(CONDITIONS), item=items, a=texts, b=texts | numbers, c=texts | numbers)
def test_both_evaluations_agree(original: Any, condition: str, item: dict[str, Any], a: Any, b: Any, c: Any) -> None:
    values = {":a": a, ":b": b, ":c": c}
    predicate = compile_condition(condition, values, NAMES)
    try:
        expected = original(condition, item, values, NAMES, slot="KeyConditionExpression")
    except ValueError:
        return  # the emulator refuses the query at its first item, before the predicate is asked
    if predicate is not None:
        assert predicate(item) == expected


@pytest.mark.parametrize(
    "condition", ["(pk = :a)", "pk = :a AND sk = :b AND x = :c", "pk = :a OR sk = :b", "attribute_exists(pk)"]
)
def test_a_condition_it_does_not_know_is_left_to_the_emulator(condition: str) -> None:
    assert compile_condition(condition, {":a": {"S": "x"}, ":b": {"S": "x"}, ":c": {"S": "x"}}, {}) is None


def test_bytes_are_left_to_the_emulator() -> None:
    assert compile_condition("pk = :a", {":a": {"B": "aa=="}}, {}) is None


def attribute_values() -> st.SearchStrategy[dict[str, Any]]:
    texts_ = st.text(max_size=4)
    numbers_ = st.sampled_from(["0", "-1", "007", "1.50", "-12.345", "1E+20", "9007199254740993", "0.00010"])
    binaries = st.binary(max_size=4).map(lambda data: base64.b64encode(data).decode())
    scalars = (
        texts_.map(lambda text: {"S": text})
        | numbers_.map(lambda text: {"N": text})
        | binaries.map(lambda text: {"B": text})
        | st.booleans().map(lambda value: {"BOOL": value})
        | st.just({"NULL": True})
        | st.lists(texts_, max_size=3).map(lambda found: {"SS": found})
        | st.lists(numbers_, max_size=3).map(lambda found: {"NS": found})
        | st.lists(binaries, max_size=3).map(lambda found: {"BS": found})
    )
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda found: {"L": found})
            | st.dictionaries(st.sampled_from(["a", "é", "S", "B", "BS"]), inner, max_size=3).map(lambda found: {"M": found})
        ),
        max_leaves=8,
    )


documents = st.dictionaries(st.sampled_from(["pk", "B", "BS", "é", "row"]), attribute_values(), max_size=4)


@given(item=documents)
def test_a_value_is_as_large_as_the_emulator_itself_says(dynamodb: Any, item: dict[str, Any]) -> None:
    fast = [dynamodb._item_size_bytes(item), *(dynamodb._attribute_value_size(value) for value in item.values())]
    names = ("_item_size_bytes", "_attribute_value_size", "_number_size_bytes")
    with mock.patch.multiple(dynamodb, **{name: getattr(dynamodb, name).__wrapped__ for name in names}):
        assert fast == [dynamodb._item_size_bytes(item), *(dynamodb._attribute_value_size(value) for value in item.values())]


@given(text=st.sampled_from(["0", "-0", "1e999", "007.50", "", " 1", "1_0", "NaN", "9" * 40, "-12.345"]) | st.text(max_size=6))
def test_a_number_is_what_the_emulator_itself_says(dynamodb: Any, text: str) -> None:
    for name in ("_number_error", "_ddb_canonicalize_number"):
        fast = getattr(dynamodb, name)
        assert fast(text) == fast(text) == fast.__wrapped__(text)


@pytest.mark.parametrize("odd", [None, 1, ["1"], {"N": "1"}])
def test_what_is_no_text_is_no_number(dynamodb: Any, odd: Any) -> None:
    assert dynamodb._ddb_canonicalize_number(odd) is None


@given(item=documents)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(item: dict[str, Any]) -> None:
    made = copied(item)
    assert made == copy.deepcopy(item)
    assert list(made) == list(item)
    for value in made.values():
        value.clear()
    assert all(item.values())


def test_what_is_no_json_document_is_copied_all_the_same() -> None:
    odd = {"a": Decimal(1), "b": {"c": [Decimal(2)]}}
    made = copied(odd)
    made["b"]["c"].clear()
    assert odd == {"a": Decimal(1), "b": {"c": [Decimal(2)]}}
