"""Evidence items."""

from __future__ import annotations

from datetime import date

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.records.evidence import Evidence, parse_evidence

ITEM = {"day": "2026-03-01", "offer": "101", "variant": "soft", "segment": "clicker", "clicks": 3, "conversions": -1}


def test_counts_an_item_lacks_are_zero() -> None:
    assert parse_evidence(ITEM) == Evidence(date(2026, 3, 1), "101", "soft", "clicker", clicks=3, conversions=-1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"day": "yesterday"}, "day"),
        ({"segment": "whales"}, "segment"),
        ({"clicks": 1.5}, "clicks"),
        ({"clicks": True}, "clicks"),
        ({"clicks": "3"}, "clicks"),
        ({"reversed": None}, "reversed"),
        ({"clicks": float("nan")}, "clicks"),
    ],
)
def test_bad_evidence_names_its_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_evidence(ITEM | change)
    assert caught.value.field == field


def test_a_missing_field_is_named() -> None:
    with pytest.raises(BadInput) as caught:
        parse_evidence({k: v for k, v in ITEM.items() if k != "offer"})
    assert caught.value.field == "offer"
