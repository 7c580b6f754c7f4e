"""Tracking links keep what the network put there and carry our id."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import tracking_link


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://t.example/28KL6/2CTPL/", "https://t.example/28KL6/2CTPL/?sub1=ID"),
        (
            "https://m.example/?_ef_transaction_id=&oid=2077&affid=17",
            "https://m.example/?_ef_transaction_id=&oid=2077&affid=17&sub1=ID",
        ),
        ("https://t.example/?sub1=old&sub2=c&sub1=older", "https://t.example/?sub2=c&sub1=ID"),
        ("https://t.example/?sub%31=old&sub11=x", "https://t.example/?sub11=x&sub1=ID"),
        (
            "https://t.example/?flag&a=b+c%20d&u=https%3A%2F%2Fx#top",
            "https://t.example/?flag&a=b+c%20d&u=https%3A%2F%2Fx&sub1=ID#top",
        ),
        ("https://t.example", "https://t.example?sub1=ID"),
    ],
)
def test_the_id_is_added_and_the_rest_stays_byte_for_byte(url: str, link: str) -> None:
    assert tracking_link(url, "sub1", "ID") == link


def test_another_slot_may_be_the_free_one() -> None:
    assert tracking_link("https://t.example/?sub1=theirs", "sub5", "ID") == "https://t.example/?sub1=theirs&sub5=ID"


@given(st.text(min_size=1, max_size=80))
def test_whatever_the_id_it_comes_back_unchanged_and_alone(tracking_id: str) -> None:
    try:
        tracking_id.encode()
    except UnicodeEncodeError:
        return
    link = tracking_link("https://t.example/?a=&b=1", "sub1", tracking_id)
    assert parse_qs(urlsplit(link).query, keep_blank_values=True) == {"a": [""], "b": ["1"], "sub1": [tracking_id]}


@pytest.mark.parametrize("slot", ["", "sub0", "sub11", "sub1&x", "url"])
def test_only_a_sub_can_carry_the_id(slot: str) -> None:
    with pytest.raises(BadInput, match="sub_slot"):
        tracking_link("https://t.example/", slot, "ID")
