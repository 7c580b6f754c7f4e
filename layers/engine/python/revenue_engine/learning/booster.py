"""Reads a trained LightGBM booster: its trees as arrays, or the reason why the tables cannot hold it.

It is read from the text LightGBM itself saves and loads (`Booster.model_to_string`, format v4): plain arrays, every float with all its
digits. Like `Booster.predict`, that is the best iteration where training stopped early, else the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.errors import Refused
from revenue_engine.prediction.tables import Link

FORMAT = "v4"
ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: nearer to zero is zero
LINKS: Mapping[str, Link] = {
    "binary": "sigmoid",
    "gamma": "exp",
    "poisson": "exp",
    "tweedie": "exp",
    "regression": "identity",
}
_CATEGORICAL, _DEFAULT_LEFT, _KNOWN = 1, 2, 0b1111
_MISSING_ZERO, _MISSING_NAN = 1, 2
_MISSING_TYPES = (0, _MISSING_ZERO, _MISSING_NAN)


class NotExportable(Refused):
    """A model the tables cannot hold exactly: what stands in the way, and in which tree or feature."""


class Booster(Protocol):
    """What is used of `lightgbm.Booster`."""

    def model_to_string(self) -> str:
        """The model in LightGBM's own text."""


@dataclass(frozen=True, slots=True)
class Tree:
    """N splits and N + 1 leaves. A child is a split, or the leaf ~child; a tree of one leaf has no split."""

    feature: Ints  # (N,)
    threshold: Floats  # (N,)
    decision: Ints  # (N,) LightGBM's decision_type
    left: Ints  # (N,)
    right: Ints  # (N,)
    value: Floats  # (N + 1,) shrinkage included

    def goes_left(self, split: int, values: Floats) -> Bools:
        """Where a split sends values, same shape; as `Tree::NumericalDecision` and the zeroing of tiny values before it do."""
        decision = int(self.decision[split])
        missing = decision >> 2
        values = np.where(np.abs(values) <= ZERO, 0.0, values)
        absent = np.isnan(values)
        if missing != _MISSING_NAN:
            values = np.where(absent, 0.0, values)
            absent = (values == 0.0) & (missing == _MISSING_ZERO)
        return np.where(absent, bool(decision & _DEFAULT_LEFT), values <= self.threshold[split])


@dataclass(frozen=True, slots=True)
class Model:
    """A booster's trees and how its raw score is read."""

    features: tuple[str, ...]
    trees: tuple[Tree, ...]
    objective: str
    link: Link
    slope: float


def read(booster: Booster) -> Model:
    """The booster's model.

    Raises
    ------
    NotExportable
        `format`, `multi_class`, `averaged` (a random forest), `objective`, `no_trees`, `categorical_split`, `linear_tree`,
        `missing_type`, `not_finite`; the detail names the tree and the feature.
    """
    head, *blocks = booster.model_to_string().split("\nTree=")
    lines = head.splitlines()
    fields = _fields(head)
    if fields.get("version") != FORMAT:
        raise NotExportable("format", f"{fields.get('version')}, read is {FORMAT}")
    if fields["num_class"] != "1" or fields["num_tree_per_iteration"] != "1":
        raise NotExportable("multi_class", f"{fields['num_tree_per_iteration']} trees an iteration")
    if "average_output" in lines:
        raise NotExportable("averaged", "trees are averaged, not added")
    if not blocks:
        raise NotExportable("no_trees")
    objective, link, slope = _objective(fields.get("objective", "none"))
    features = tuple(fields["feature_names"].split())
    trees = tuple(_tree(number, _fields(block.split("\nend of trees")[0]), features) for number, block in enumerate(blocks))
    return Model(features, trees, objective, link, slope)


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _objective(text: str) -> tuple[str, Link, float]:
    name, *options = text.split()
    settings = dict(option.partition(":")[::2] for option in options)
    if name not in LINKS or "sqrt" in settings:
        raise NotExportable("objective", text)
    return name, LINKS[name], float(settings.get("sigmoid", 1.0))


def _tree(number: int, fields: Mapping[str, str], features: tuple[str, ...]) -> Tree:
    def column(name: str, kind: type[Any]) -> npt.NDArray[Any]:
        return np.array(fields.get(name, "").split(), dtype=kind)

    tree = Tree(
        feature=column("split_feature", np.int64),
        threshold=column("threshold", np.float64),
        decision=column("decision_type", np.int64),
        left=column("left_child", np.int64),
        right=column("right_child", np.int64),
        value=column("leaf_value", np.float64),
    )
    if fields.get("is_linear", "0") != "0":
        raise NotExportable("linear_tree", f"tree {number}")
    if not np.isfinite(tree.value).all():
        raise NotExportable("not_finite", f"tree {number}: a leaf")
    missing = tree.decision >> 2
    for reason, wrong in (
        ("categorical_split", (tree.decision & _CATEGORICAL) != 0),
        ("missing_type", ~np.isin(missing, _MISSING_TYPES) | (tree.decision > _KNOWN)),
        ("not_finite", np.isnan(tree.threshold)),  # an infinite one is meant: it tells values from NaN
    ):
        if wrong.any():
            raise NotExportable(reason, f"tree {number}: feature {features[tree.feature[wrong.argmax()]]}")
    return tree
