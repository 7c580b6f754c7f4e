"""Subscribers as arrays: the packed rows of one page, decoded by NumPy in one step. Imported by decide and train alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.errors import Refused
from revenue_engine.records.subscriber import LAYOUT, ROW_BYTES, SCHEMA

_NUMPY_CODES = {"I": "<u4", "Q": "<u8", "q": "<i8", "f": "<f4", "h": "<i2", "H": "<u2", "B": "u1"}
ROW_DTYPE = np.dtype([(n, _NUMPY_CODES[c]) if k == 1 else (n, _NUMPY_CODES[c], (k,)) for n, c, k in LAYOUT])
assert ROW_DTYPE.itemsize == ROW_BYTES


@dataclass(frozen=True, slots=True)
class Batch:
    """One page of due subscribers, a struct of arrays of n rows."""

    subscriber: npt.NDArray[np.str_]  # (n,) keys
    rows: npt.NDArray[np.void]  # (n,) of ROW_DTYPE
    decided_at: npt.NDArray[np.int64]  # (n,) epoch seconds of the last decision, 0 = never

    def __len__(self) -> int:
        return len(self.subscriber)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column of the rows, (n,) or (n, RECENT)."""
        return self.rows[name]


def decode(subscribers: list[str], rows: list[bytes], decided_at: list[int]) -> Batch:
    """Rows as they come from the due index, sorted by subscriber so that a page does not depend on the order of reading.

    Raises Refused("row_schema_mismatch") when any row has another layout (D5).
    """
    if any(len(raw) != ROW_BYTES for raw in rows):
        raise Refused("row_schema_mismatch")
    array = np.frombuffer(b"".join(rows), dtype=ROW_DTYPE)
    if len(array) and not (array["schema"] == SCHEMA).all():
        raise Refused("row_schema_mismatch")
    keys = np.array(subscribers, dtype="U26")
    order = np.argsort(keys, kind="stable")
    return Batch(keys[order], array[order], np.array(decided_at, dtype=np.int64)[order])
