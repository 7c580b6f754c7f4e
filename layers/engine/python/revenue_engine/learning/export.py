"""A trained booster as tables that NumPy scores exactly (`prediction/scorer.py`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.learning.booster import ZERO, Booster, NotExportable, Tree, read
from revenue_engine.prediction.tables import EXACT_BITS, Side, TreeTables

MOST_ERROR = 5e-6  # of a raw score, from rounding leaves to fixed point, at the very worst
_WORD = 64  # bits that are combined at once
_FINEST = 64


def export(booster: Booster, *, subscriber: Sequence[str], offer: Sequence[str]) -> TreeTables:
    """The tables of a booster.

    Parameters
    ----------
    subscriber, offer
        Names of each side's columns, in the order in which they will be given for scoring. Every feature of the booster belongs to one
        of them; a column the booster does not know is not read.

    Raises
    ------
    NotExportable
        What `booster.read` refuses; `unknown_feature` (of neither side), `ambiguous_feature` (named twice) or `too_coarse` (so many
        trees of so large values that rounding could exceed 5e-6: train on smaller units).
    """
    model = read(booster)
    place = _places(model.features, [*subscriber, *offer])
    bins = [_bins(model.trees, np.flatnonzero(place == column)) for column in range(len(subscriber) + len(offer))]
    layout = _Layout.of(bins)
    met = np.concatenate([list(_leaves(tree, place, layout)) for tree in model.trees])
    split = layout.starts[len(subscriber)]
    subscriber_side, leaf_subscriber = _side(subscriber, bins[: len(subscriber)], met[:, :split])
    offer_side, leaf_offer = _side(offer, bins[len(subscriber) :], met[:, split:])
    scale = _scale(model.trees)
    return TreeTables(
        subscriber=subscriber_side,
        offer=offer_side,
        leaf_subscriber=leaf_subscriber,
        leaf_offer=leaf_offer,
        leaf_value=np.rint(np.concatenate([tree.value for tree in model.trees]) * 2.0**scale).astype(np.int64),
        scale=scale,
        trees=len(model.trees),
        objective=model.objective,
        link=model.link,
        slope=model.slope,
    )


def _places(features: Sequence[str], columns: Sequence[str]) -> Ints:
    """Which column each feature of the booster is."""
    for name in columns:
        if columns.count(name) > 1:
            raise NotExportable("ambiguous_feature", name)
    for name in features:
        if name not in columns:
            raise NotExportable("unknown_feature", name)
    return np.array([columns.index(name) for name in features], dtype=np.int64)


def _bins(trees: Sequence[Tree], features: Ints) -> Floats:
    """A value out of each bin of a column, its upper end; the last is NaN, alone in its bin. None for a column no split reads.

    No split tells values of one bin apart. What LightGBM takes for zero, and for missing where zero is, has bins of its own.
    """
    thresholds = [tree.threshold[np.isin(tree.feature, features)] for tree in trees]
    if not sum(map(len, thresholds)):
        return np.zeros(0)
    return np.concatenate([np.unique([*np.concatenate(thresholds), np.nextafter(-ZERO, -1.0), ZERO, np.inf]), [np.nan]])


@dataclass(frozen=True, slots=True)
class _Layout:
    """All bins of all columns beside each other, B in all."""

    starts: list[int]  # (columns + 1,)
    values: Floats  # (B,)

    @classmethod
    def of(cls, bins: Sequence[Floats]) -> _Layout:
        return cls([0, *np.cumsum([len(one) for one in bins]).tolist()], np.concatenate(bins))


def _leaves(tree: Tree, place: Ints, layout: _Layout) -> Iterator[Bools]:
    """Which bins lead to each leaf, (B,) per leaf, in the order of their numbers."""
    found: dict[int, Bools] = {}
    open_splits = [(0 if len(tree.feature) else ~0, np.ones(len(layout.values), dtype=np.bool_))]
    while open_splits:
        node, met = open_splits.pop()
        if node < 0:
            found[~node] = met
            continue
        column = place[tree.feature[node]]
        mine = slice(layout.starts[column], layout.starts[column + 1])
        left = tree.goes_left(node, layout.values[mine])
        for child, way in ((tree.left[node], left), (tree.right[node], ~left)):
            through = met.copy()
            through[mine] &= way
            open_splits.append((int(child), through))
    return (found[leaf] for leaf in range(len(tree.value)))


def _side(names: Sequence[str], bins: Sequence[Floats], met: Bools) -> tuple[Side, Ints]:
    """A side of L leaves' conditions, (L, bins of the side), and the number of each leaf's condition, (L,)."""
    packed, number = np.unique(np.packbits(met, axis=1), axis=0, return_inverse=True)
    conditions = np.unpackbits(packed, axis=1, count=met.shape[1])
    padding = -len(conditions) % _WORD
    bits: Codes = np.packbits(np.pad(conditions, ((0, padding), (0, 0))).T, axis=1)
    cuts = [one[:-1] for one in bins]
    side = Side(
        features=tuple(names),
        cuts=np.concatenate([*cuts, np.zeros(0)]),
        ends=np.cumsum([len(one) for one in cuts], dtype=np.int64),
        bits=np.ascontiguousarray(bits),
        conditions=len(conditions),
    )
    return side, number.reshape(-1).astype(np.int64)


def _scale(trees: Sequence[Tree]) -> int:
    """Binary digits after the point, as many as sums over all trees leave room for in two float32 parts (`TreeTables.low_bits`)."""
    most = sum(float(np.abs(tree.value).max()) for tree in trees)
    low_bits = EXACT_BITS - (len(trees) - 1).bit_length()
    scale = min(low_bits + EXACT_BITS - 1 - math.frexp(most)[1], _FINEST)
    if len(trees) * 2.0 ** -(scale + 1) > MOST_ERROR:
        raise NotExportable("too_coarse", f"{len(trees)} trees whose largest leaves add up to {most:g}")
    return scale
