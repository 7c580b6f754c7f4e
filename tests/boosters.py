"""LightGBM as the reference: trained boosters, boosters of trees written by hand, and the raw scores it gives to pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats

SUBSCRIBER = ("age", "clicks", "sends", "unread")
OFFER = ("payout", "category", "rate")
NAMES = (*SUBSCRIBER, *OFFER)
TINY = float(np.float32(1e-35))
# thresholds; nothing in between is told apart by more than these
STEPS = np.array([-np.inf, -3.0, -TINY, -1e-36, 0.0, 1e-36, TINY, 1.0000000180025095e-35, 0.1, 0.5, 2.0, 1e300, np.inf])
VALUES = np.array([np.nan, *STEPS, *np.nextafter(STEPS, -np.inf), *np.nextafter(STEPS, np.inf), 0.3, -1.0])


@dataclass(frozen=True, slots=True)
class Written:
    """A model's text that passes for a booster."""

    text: str

    def model_to_string(self) -> str:
        return self.text

    def replaced(self, old: str, new: str) -> Written:
        """With another text in place of the first match of a pattern."""
        text, replacements = re.subn(old, new, self.text, count=1)
        assert replacements
        return Written(text)


def lightgbm() -> Any:
    """The library, which has no types."""
    return import_module("lightgbm")


def reference(booster: Any, subscribers: npt.NDArray[Any], offers: npt.NDArray[Any], *, raw: bool = True) -> Floats:
    """LightGBM's scores of every subscriber with every offer, (n, m), from the matrix of pairs."""
    pairs = np.concatenate([np.repeat(subscribers, len(offers), axis=0), np.tile(offers, (len(subscribers), 1))], axis=1)
    if isinstance(booster, Written):
        booster = lightgbm().Booster(model_str=booster.text)
    scores = booster.predict(pairs, raw_score=raw, num_threads=1)
    return np.asarray(scores, dtype=np.float64).reshape(len(subscribers), len(offers))


def trained(
    objective: str,
    settings: Mapping[str, object] | None = None,
    *,
    rows: int = 3_000,
    trees: int = 20,
    seed: int = 1,
    names: Sequence[str] = NAMES,
) -> Any:
    """A booster of drawn rows with zeros and NaN, its labels such that the objective takes them."""
    luck = np.random.default_rng(seed)
    features = drawn(luck, rows, len(names))
    signal = np.nan_to_num(features) @ luck.normal(size=len(names))
    label: npt.NDArray[Any] = signal + luck.normal(size=rows)
    if objective in ("binary", "multiclass"):
        label = label > 0
    elif objective != "regression":
        label = np.exp(0.3 * label) + 0.1
    library = lightgbm()
    data = library.Dataset(features, label, feature_name=list(names))
    fixed = {"num_leaves": 15, "verbose": -1, "num_threads": 1, "deterministic": True, "seed": seed}
    return library.train({**fixed, "objective": objective, **(settings or {})}, data, trees)


def drawn(luck: np.random.Generator, rows: int, columns: int) -> Floats:
    """Features, (rows, columns), a third zero and a tenth missing."""
    values = np.round(luck.normal(size=(rows, columns)), 2)
    values[luck.random(values.shape) < 0.3] = 0.0
    values[luck.random(values.shape) < 0.1] = np.nan
    return values


def odd_values(luck: np.random.Generator, rows: int, columns: int) -> Floats:
    """Features that lie on thresholds, next to them, in LightGBM's zero, at the infinities, or are missing."""
    return luck.choice(VALUES, (rows, columns))


def written(
    luck: np.random.Generator, *, trees: int, most_leaves: int, features: Sequence[int], names: Sequence[str] = NAMES
) -> Written:
    """A forest of random trees over some of `names`, every split with a missing type and default of its own."""
    head = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={len(names) - 1}\nobjective=regression\nfeature_names={' '.join(names)}\n"
        f"feature_infos={' '.join(['none'] * len(names))}\n"
    )
    blocks = [_tree_text(luck, int(luck.integers(1, most_leaves + 1)), features) for _ in range(trees)]
    return Written(head + "".join(f"\nTree={number}\n{block}\n" for number, block in enumerate(blocks)) + "\nend of trees\n")


def _tree_text(luck: np.random.Generator, leaves: int, features: Sequence[int]) -> str:
    columns: Mapping[str, list[Any]] = {"left_child": [], "right_child": []}
    where: list[tuple[str, int]] = []  # the place that points to each leaf
    for split in range(leaves - 1):
        # a leaf becomes a split: its number goes to the left, the next number to the right
        leaf = int(luck.integers(split + 1))
        if where:
            side, parent = where[leaf]
            columns[side][parent] = split
        columns["left_child"].append(~leaf)
        columns["right_child"].append(~(split + 1))
        where[leaf : leaf + 1] = [("left_child", split)]
        where.append(("right_child", split))
    splits = leaves - 1
    written_out: dict[str, Iterable[Any]] = {
        "split_feature": luck.choice(features, splits),
        "threshold": luck.choice(STEPS, splits),
        "decision_type": 4 * luck.integers(0, 3, splits) + 2 * luck.integers(0, 2, splits),
        **columns,
        "leaf_value": luck.normal(size=leaves),
    }
    lines = [f"{name}={' '.join(str(value) for value in values)}" for name, values in written_out.items()]
    return "\n".join([f"num_leaves={leaves}", "num_cat=0", *lines, "is_linear=0", "shrinkage=1", ""])
