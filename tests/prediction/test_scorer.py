"""Scores from tables: LightGBM's, whatever the trees, on the very edges of their splits, and the same bits in any batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.errors import Refused
from revenue_engine.learning.export import export
from revenue_engine.prediction import scorer
from revenue_engine.prediction.scorer import Features, Scorer, chosen
from revenue_engine.prediction.tables import TreeTables, dump
from tests.boosters import NAMES, OFFER, SUBSCRIBER, Written, odd_values, reference, written

BOTH, PEOPLE, OFFERS, ONE = range(len(NAMES)), range(len(SUBSCRIBER)), range(len(SUBSCRIBER), len(NAMES)), (1,)


def tables_of(text: Written) -> TreeTables:
    return export(text, subscriber=SUBSCRIBER, offer=OFFER)


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    trees=st.integers(1, 6),
    most_leaves=st.integers(1, 70),
    features=st.sampled_from([BOTH, PEOPLE, OFFERS, ONE]),
    people=st.integers(1, 40),
    offers=st.integers(1, 6),
)
def test_any_forest_on_the_edges_of_its_splits(
    seed: int, trees: int, most_leaves: int, features: range, people: int, offers: int
) -> None:
    luck = np.random.default_rng(seed)
    text = written(luck, trees=trees, most_leaves=most_leaves, features=features)
    rows, columns = odd_values(luck, people, len(SUBSCRIBER)), odd_values(luck, offers, len(OFFER))
    rows[:, 2] = 0.5  # one that is the same everywhere
    raw = Scorer(tables_of(text), columns).raw(rows)
    assert raw == pytest.approx(reference(text, rows, columns), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), ends=st.lists(st.integers(0, 60), max_size=6), cells=st.sampled_from([1, 2_000, 1 << 21]))
def test_batches_change_no_bit(seed: int, ends: list[int], cells: int) -> None:
    luck = np.random.default_rng(seed)
    tables = tables_of(written(luck, trees=12, most_leaves=20, features=BOTH))
    rows, columns = odd_values(luck, 60, len(SUBSCRIBER)), odd_values(luck, 5, len(OFFER))
    whole = Scorer(tables, columns).raw(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "MOST_CELLS", cells)
        parts = [Scorer(tables, columns).raw(part) for part in np.split(rows, sorted(ends))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    each = [Scorer(tables, columns[offer : offer + 1]).raw(rows) for offer in range(len(columns))]
    assert np.concatenate(each, axis=1).tobytes() == whole.tobytes()


_ELSEWHERE = """
import sys
import numpy as np
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prediction.tables import load
folder = sys.argv[1]
rows, columns = np.load(folder + "/rows.npy"), np.load(folder + "/columns.npy")
np.save(folder + "/raw.npy", Scorer(load(open(folder + "/tables.npz", "rb").read()), columns).raw(rows))
"""


@pytest.mark.parametrize("kernel", [{"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "4"}])
def test_other_processors_and_threads_change_no_bit(kernel: dict[str, str], tmp_path: Path) -> None:
    luck = np.random.default_rng(6)
    tables = tables_of(written(luck, trees=60, most_leaves=31, features=BOTH))
    rows, columns = odd_values(luck, 2_000, len(SUBSCRIBER)), odd_values(luck, 20, len(OFFER))
    (tmp_path / "tables.npz").write_bytes(dump(tables))
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "columns.npy", columns)
    subprocess.run([sys.executable, "-c", _ELSEWHERE, str(tmp_path)], env={**os.environ, **kernel}, check=True)
    assert np.load(tmp_path / "raw.npy").tobytes() == Scorer(tables, columns).raw(rows).tobytes()


def test_the_order_of_trees_changes_no_bit() -> None:
    text = written(np.random.default_rng(1), trees=9, most_leaves=20, features=BOTH)
    head, *blocks = text.text.removesuffix("\nend of trees\n").split("\nTree=")
    turned = Written("\nTree=".join([head, *reversed(blocks)]) + "\nend of trees\n")
    luck = np.random.default_rng(2)
    rows, columns = odd_values(luck, 500, len(SUBSCRIBER)), odd_values(luck, 7, len(OFFER))
    one, other = (Scorer(tables_of(model), columns).raw(rows).tobytes() for model in (text, turned))
    assert one == other


def test_the_largest_sums_are_exact() -> None:
    """Every tree adds its largest leaf: high and low parts are both as large as they get."""
    for trees in (1, 2, 3, 256, 257):
        text = written(np.random.default_rng(3), trees=trees, most_leaves=1, features=BOTH)
        for value in (0.999999999, -0.999999999, 1.0 / 3.0):
            lines = [f"leaf_value={value!r}" if line.startswith("leaf_value") else line for line in text.text.split("\n")]
            tables = tables_of(Written("\n".join(lines)))
            exact = int(tables.leaf_value.sum()) * 2.0**-tables.scale
            assert Scorer(tables, np.zeros((1, len(OFFER)))).raw(np.zeros((1, len(SUBSCRIBER)))).item() == exact
            assert exact == pytest.approx(trees * value, abs=trees * 2.0 ** -(tables.scale + 1) + 1e-12)
            assert trees * 2.0 ** -(tables.scale + 1) < 1e-6


def test_nobody_and_no_offer_give_empty_scores() -> None:
    tables = tables_of(written(np.random.default_rng(4), trees=2, most_leaves=5, features=BOTH))
    nobody, nothing = np.zeros((0, len(SUBSCRIBER))), np.zeros((0, len(OFFER)))
    assert Scorer(tables, np.zeros((3, len(OFFER)))).raw(nobody).shape == (0, 3)
    assert Scorer(tables, nothing).raw(np.zeros((2, len(SUBSCRIBER)))).shape == (2, 0)


def test_the_first_of_equal_offers_is_chosen() -> None:
    assert chosen(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])).tolist() == [1, 0]


@pytest.mark.parametrize("wrong", [np.zeros((2, 5)), np.zeros(4), np.zeros((2, 4), dtype=np.int64), np.zeros((2, 4), np.float16)])
def test_other_features_than_the_models_are_refused(wrong: Features) -> None:
    tables = tables_of(written(np.random.default_rng(5), trees=2, most_leaves=5, features=BOTH))
    with pytest.raises(Refused, match="features_mismatch"):
        Scorer(tables, np.zeros((1, len(OFFER)))).raw(wrong)
    with pytest.raises(Refused, match="features_mismatch"):
        Scorer(tables, wrong)
