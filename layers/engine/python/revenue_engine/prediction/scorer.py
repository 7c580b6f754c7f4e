"""Raw scores of every subscriber with every offer, from tables, in NumPy.

A leaf is reached by a pair when the subscriber meets the leaf's one condition and the offer its other. So conditions are looked up
once per subscriber and once per offer, never per pair, as masks of bits: a row of the bit table per feature, combined by AND (the
masks of QuickScorer, Lucchese et al., SIGIR 2015, here with both branches of a split cleared, so that one bit per tree stays).
What is left per pair, adding the worth of the leaves whose two bits are both set, is a product of two matrices:

    raw[s, o] = Σ_k met[s, k] · worth[k, o],    worth[k, o] = Σ of the leaves of condition k whose condition on the offer o meets

`worth` is whole numbers, cut into a high and a low part so small that float32 holds every partial sum exactly. Exact sums do not
depend on their order: batch size, thread count, BLAS and processor make no difference to a single bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Codes, Floats, Ints, Keys
from revenue_engine.errors import Refused
from revenue_engine.prediction.tables import Side, TreeTables

Features = npt.NDArray[np.float32] | npt.NDArray[np.float64]
MOST_CELLS = 1 << 21  # of subscribers × conditions at a time: 8 MB as float32, and 2.3 MB as bytes and bits


class Scorer:
    """A model and the m offers of a cycle, ready for any number of subscribers.

    Parameters
    ----------
    tables
        Of the model.
    offers
        (m, Fo), columns as in `tables.offer.features`. NaN is a value that is missing, as in training.

    Raises Refused("features_mismatch") for another number of columns, or columns that are not floating point.
    """

    def __init__(self, tables: TreeTables, offers: Features) -> None:
        self.tables = tables
        self._subscriber = _Masks(tables.subscriber)
        # the padding of the last word stays: conditions nobody has, worth nothing
        worth = np.zeros((self._subscriber.width * 8, len(offers)), dtype=np.int64)
        met = np.unpackbits(_Masks(tables.offer).of(offers), axis=1).T[tables.leaf_offer]
        np.add.at(worth, tables.leaf_subscriber, met * tables.leaf_value[:, None])
        self._worth = _cut(worth, tables.low_bits)

    def raw(self, subscribers: Features) -> Floats:
        """Raw scores, (n, m), of subscribers (n, Fs), columns as in `tables.subscriber.features`.

        Each row depends on nothing but itself. Beside the result about 11 MB are held, whatever n is (more only for models of more
        than two million conditions).
        """
        _check(subscribers, self.tables.subscriber)
        conditions, columns = self._worth.shape
        rows = max(1, min(MOST_CELLS // conditions, len(subscribers)))
        met = np.empty((rows, conditions), dtype=np.float32)
        sums = np.empty((rows, columns), dtype=np.float32)
        result = np.empty((len(subscribers), columns // 2))
        high_unit, low_unit = 2.0 ** (self.tables.low_bits - self.tables.scale), 2.0**-self.tables.scale
        for first in range(0, len(subscribers), rows):
            some = subscribers[first : first + rows]
            met[: len(some)] = np.unpackbits(self._subscriber.of(some), axis=1)
            np.matmul(met[: len(some)], self._worth, out=sums[: len(some)])
            high, low = np.split(sums[: len(some)].astype(np.float64), 2, axis=1)
            result[first : first + rows] = high * high_unit + low * low_unit
        return result


def raw_of_pairs(tables: TreeTables, subscribers: Features, offers: Features) -> Floats:
    """Raw scores of n given pairs, (n,), a row of each side per pair: to the bit what `Scorer` says of them. For tests and training; to
    score all subscribers with all offers it would be slow.

    Raises Refused("features_mismatch") as `Scorer`.
    """
    one, other = _Masks(tables.subscriber), _Masks(tables.offer)
    rows = max(1, MOST_CELLS // len(tables.leaf_value))
    result = np.empty(len(subscribers))
    for first in range(0, len(subscribers), rows):
        some = slice(first, first + rows)
        met = np.unpackbits(one.of(subscribers[some]), axis=1)[:, tables.leaf_subscriber]
        met &= np.unpackbits(other.of(offers[some]), axis=1)[:, tables.leaf_offer]
        result[some] = met.astype(np.float64) @ tables.leaf_value.astype(np.float64)
    return result * 2.0**-tables.scale


def chosen(raw: Floats) -> Ints:
    """The best offer of each subscriber, (n,) positions; the first of equals."""
    return np.asarray(raw.argmax(axis=1))


class _Masks:
    """Looks up which conditions rows meet."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self.width = side.bits.shape[1]
        self._features: list[tuple[int, Floats, Keys]] = []
        first = row = 0
        words = side.bits.view(np.uint64)
        for feature, end in enumerate(side.ends.tolist()):
            if end > first:
                bins = end - first + 1
                self._features.append((feature, side.cuts[first:end], words[row : row + bins]))
                first, row = end, row + bins

    def of(self, values: Features) -> Codes:
        """Which conditions rows (n, F) meet, (n, width) bytes of bits."""
        _check(values, self._side)
        met = np.full((len(values), self.width // 8), ~np.uint64(0))
        one = np.empty_like(met)
        for feature, cuts, words in self._features:
            # NaN sorts behind the last cut, which is infinity
            np.take(words, np.searchsorted(cuts, values[:, feature]), axis=0, out=one, mode="clip")
            met &= one
        return met.view(np.uint8)


def _check(values: Features, side: Side) -> None:
    if values.ndim != 2 or values.shape[1] != len(side.features) or values.dtype not in (np.float32, np.float64):
        raise Refused("features_mismatch", f"{values.dtype} {values.shape} for {len(side.features)} features")


def _cut(worth: Ints, low_bits: int) -> npt.NDArray[np.float32]:
    """High and low parts beside each other, (K, 2m): high · 2**low_bits + low is the worth, and low between ± 2**(low_bits - 1)."""
    half = 1 << (low_bits - 1)
    high = (worth + half) >> low_bits
    return np.concatenate([high, worth - (high << low_bits)], axis=1).astype(np.float32)
