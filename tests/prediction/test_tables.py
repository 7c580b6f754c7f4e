"""Tables as bytes: the same for the same model, back as they were, and refused when anything is wrong with them."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.errors import Refused
from revenue_engine.learning.export import export
from revenue_engine.prediction import tables as module
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prediction.tables import TreeTables, dump, load, to_arrays
from tests.boosters import NAMES, OFFER, SUBSCRIBER, odd_values, written


def made(seed: int = 1) -> TreeTables:
    text = written(np.random.default_rng(seed), trees=5, most_leaves=12, features=range(len(NAMES)))
    return export(text, subscriber=SUBSCRIBER, offer=OFFER)


def test_the_same_tables_are_the_same_bytes_and_come_back() -> None:
    first = dump(made())
    assert first == dump(made()) != dump(made(2))
    back, tables = load(first), made()
    assert back.version == tables.version
    assert dump(back) == first
    luck = np.random.default_rng(3)
    rows, columns = odd_values(luck, 50, len(SUBSCRIBER)), odd_values(luck, 4, len(OFFER))
    assert Scorer(back, columns).raw(rows).tobytes() == Scorer(tables, columns).raw(rows).tobytes()


def test_every_part_counts_in_the_version() -> None:
    tables = made()
    others = [
        replace(tables, leaf_value=tables.leaf_value + 1),
        replace(tables, scale=tables.scale - 1),
        replace(tables, link="exp"),
        replace(tables, slope=2.0),
        replace(tables, subscriber=replace(tables.subscriber, features=SUBSCRIBER[::-1])),
        replace(tables, offer=replace(tables.offer, cuts=tables.offer.cuts * 2)),
        replace(tables, offer=replace(tables.offer, bits=255 - tables.offer.bits)),
    ]
    assert len({one.version for one in (tables, *others)}) == 1 + len(others)


def test_no_object_is_stored() -> None:
    assert all(not values.dtype.hasobject for values in to_arrays(made()).values())


@pytest.mark.parametrize("damage", ["cut short", "no archive", "empty", "another leaf", "no version", "an object"])
def test_damaged_bytes_are_refused(damage: str) -> None:
    data, arrays = dump(made()), to_arrays(made())
    if damage in ("another leaf", "no version", "an object"):
        file = io.BytesIO()
        leaf = arrays["leaf_value"] + 1 if damage == "another leaf" else arrays["leaf_value"]
        version = {} if damage == "no version" else {"version": np.frombuffer(made().version.encode(), np.uint8)}
        kept = leaf.astype(object) if damage == "an object" else leaf
        np.savez(file, **version, **{**arrays, "leaf_value": kept})  # type: ignore[arg-type]
        data = file.getvalue()
    bad = {"cut short": data[:-300], "no archive": b"tables", "empty": b""}.get(damage, data)
    with pytest.raises(Refused, match=r"archive_corrupt|tables_corrupt"):
        load(bad)


def test_tables_of_another_form_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dump(made())
    assert json.loads(to_arrays(made())["head"].tobytes())["schema"] == module.SCHEMA
    monkeypatch.setattr(module, "SCHEMA", 2)
    with pytest.raises(Refused, match="tables_schema"):
        load(data)
