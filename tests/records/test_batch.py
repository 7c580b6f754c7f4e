"""Rows as arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from revenue_engine.errors import Refused
from revenue_engine.records.batch import decode
from revenue_engine.records.subscriber import LAYOUT, pack
from tests.core_cases import a_row

ROWS = [a_row(n, price_sensitivity=0.25 * n, peak_hour=n - 2, revenue_micros=-(2**40) * n, topics=2**31 + n) for n in range(4)]


def test_numpy_reads_every_column_as_struct_wrote_it() -> None:
    batch = decode(["a", "b", "c", "d"], [pack(row) for row in ROWS], [0] * 4)
    for name, _, count in LAYOUT:
        if name == "schema":
            continue
        for i, row in enumerate(ROWS):
            expected: Any = getattr(row, name)
            got: Any = tuple(batch.column(name)[i].tolist()) if count > 1 else batch.column(name)[i].item()
            assert got == pytest.approx(expected) or (math.isnan(got) and math.isnan(expected)), name


def test_a_page_does_not_depend_on_the_order_of_reading() -> None:
    packed = [pack(row) for row in ROWS]
    one = decode(["a", "b", "c", "d"], packed, [1, 2, 3, 4])
    other = decode(["d", "b", "a", "c"], [packed[3], packed[1], packed[0], packed[2]], [4, 2, 1, 3])
    assert one.subscriber.tolist() == other.subscriber.tolist()
    assert one.rows.tobytes() == other.rows.tobytes()
    assert one.decided_at.tolist() == other.decided_at.tolist()


def test_one_strange_row_refuses_the_page() -> None:
    with pytest.raises(Refused, match="row_schema_mismatch"):
        decode(["a", "b"], [pack(ROWS[0]), b"\1\0\0\0" + pack(ROWS[1])[4:]], [0, 0])
    with pytest.raises(Refused, match="row_schema_mismatch"):
        decode(["a", "b"], [pack(ROWS[0]), pack(ROWS[1])[:-1]], [0, 0])


def test_an_empty_page_is_a_page() -> None:
    assert len(decode([], [], [])) == 0
    assert decode([], [], []).column("sends").dtype == np.float32
