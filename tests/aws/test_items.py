"""The attribute codec: what is written is what is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.aws.items import decode, decode_value, encode, encode_value

scalars = (
    st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.none()
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@settings(max_examples=40)
@given(values)
def test_every_value_reads_back_as_it_was(value: Any) -> None:
    assert decode_value(encode_value(value)) == value


@settings(max_examples=40)
@given(st.dictionaries(st.text(min_size=1), values))
def test_an_item_reads_back_without_the_members_that_are_none(item: dict[str, Any]) -> None:
    assert decode(encode(item)) == {name: value for name, value in item.items() if value is not None}


@settings(max_examples=40)
@given(st.integers(-(10**37), 10**37))
def test_micros_stay_whole_numbers(micros: int) -> None:
    assert type(decode_value(encode_value(micros))) is int


def test_a_flag_is_not_a_number_and_a_tuple_reads_back_as_a_list() -> None:
    assert encode_value(True) == {"BOOL": True}
    assert decode_value(encode_value(("a", ("b",)))) == ["a", ["b"]]


@pytest.mark.parametrize("value", [{1, 2}, object(), float])
def test_what_has_no_attribute_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no attribute type"):
        encode_value(value)


def test_an_attribute_type_we_never_write_is_refused() -> None:
    with pytest.raises(TypeError, match="SS"):
        decode_value({"SS": ["a"]})
