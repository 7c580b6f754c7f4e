"""The four models in whole numbers, for many conversions side by side.

Arrays are (n, m): n touches, oldest first, of m conversions that have equally many. Micros come by the largest-remainder method,
leftovers to the largest remainders, of equal ones to the earlier touch. Weights are whole numbers and remainders are taken exactly,
so every amount up to `MAX_MICROS` adds up to the last micro (M1), and one conversion alone gets what it gets among millions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.attribution.models import MODELS

MAX_MICROS = 10**15

_LAST_CLICK, _LINEAR, _TIME_DECAY, _POSITION_BASED = range(len(MODELS))
_DAY_MILLIS = 86_400_000
_FRESH = 2.0**40  # weight of an open at the latest touch's time: a touch of any age is weighed to 1e-12 of it
_Small = npt.NDArray[np.unsignedinteger[Any]]


def decayed(at_millis: Ints, clicked: Bools, *, half_life_days: float, click_weight: float) -> Floats:
    """Time decay's weights, whole, (n, m): they halve every `half_life_days`, a click's is `click_weight` (1 to 100) times an open's.

    Ages count from the latest touch, whose own age cancels out: journeys of long ago do not underflow.
    """
    weights: Floats = (at_millis - at_millis[-1]).astype(np.float64)
    weights /= half_life_days * _DAY_MILLIS
    np.exp2(weights, out=weights)
    weights *= np.array([_FRESH, click_weight * _FRESH]).take(clicked.view(np.uint8), mode="clip")
    np.rint(weights, out=weights)
    return weights


def weights_of(clicked: Bools, decay: Floats) -> Floats:
    """Weights of all models, non-negative and summing to 1 over the touches, (models, n, m). `decay` is of `decayed`."""
    n, m = clicked.shape
    weights = np.empty((len(MODELS), n, m))
    weights[_LAST_CLICK] = np.arange(n)[:, None] == _last_clicked(clicked)
    weights[_LINEAR] = 1 / n
    weights[_TIME_DECAY] = decay / decay.sum(axis=0)
    weights[_POSITION_BASED] = 1 / n
    if n > 2:
        weights[_POSITION_BASED, 1:-1] = 0.2 / (n - 2)
        weights[_POSITION_BASED, (0, -1)] = 0.4
    return weights


def micros_of(amounts: Ints, clicked: Bools, decay: Floats) -> Ints:
    """Shares of `amounts` (m,) by all models, each summing to the amount, (models, n, m).

    Raises ValueError for an amount beyond `MAX_MICROS` on either side of zero.
    """
    n, m = clicked.shape
    positive = np.abs(amounts)
    if (positive > MAX_MICROS).any():
        raise ValueError("amounts: too large to be split exactly")
    micros = np.empty((len(MODELS), n, m), np.int64)
    micros[_LAST_CLICK] = 0
    micros[_LAST_CLICK, _last_clicked(clicked), np.arange(m)] = positive
    _split_evenly(positive, micros[_LINEAR])
    _split_by_weight(positive, decay, micros[_TIME_DECAY])
    _split_by_position(positive, micros[_POSITION_BASED])
    if (amounts < 0).any():
        micros *= np.sign(amounts)
    return micros


def _last_clicked(clicked: Bools) -> Ints:
    """The latest click's place in each journey, the latest open's where nobody clicked, (m,)."""
    n = len(clicked)
    small = np.min_scalar_type(2 * n)
    places = np.multiply(clicked, n, dtype=small) + np.arange(n, dtype=small)[:, None]
    latest: Ints = places.max(axis=0) % n
    return latest


def _split_evenly(amounts: Ints, micros: Ints) -> None:
    n = len(micros)
    each, left = np.divmod(amounts, n)
    np.add(each, _first(left, n), out=micros)


def _split_by_position(amounts: Ints, micros: Ints) -> None:
    """40 / 20 / 40: first, all between together, last. One touch has it all, two share evenly."""
    n = len(micros)
    if n <= 2:
        return _split_evenly(amounts, micros)
    between = n - 2
    end, fifths = np.divmod(2 * amounts, 5)
    middle, middle_rest = np.divmod(amounts, 5 * between)
    end_rest = fifths * between
    left = amounts - 2 * end - between * middle
    # of equal remainders the earlier touch is served first: the first before those between, the last after them
    first_leads, last_leads = end_rest >= middle_rest, end_rest > middle_rest
    np.add(middle, _first(left - first_leads - last_leads, between), out=micros[1:-1])
    np.add(end, left > np.where(first_leads, 0, between), out=micros[0])
    np.add(end, left > np.where(last_leads, 1, between + 1), out=micros[-1])


def _split_by_weight(amounts: Ints, weights: Floats, micros: Ints) -> None:
    """Largest remainders. The products overflow, the remainders do not: modulo 2^64 their difference is exact."""
    rest = weights.astype(np.int64)
    whole = rest.sum(axis=0)
    micros[:] = weights * (amounts / whole)  # rounded down, and one off at most
    rest *= amounts
    rest -= micros * whole
    if (rest.view(np.uint64) >= whole.view(np.uint64)).any():
        off = (rest >= whole).astype(np.int64) - (rest < 0)
        micros += off
        rest -= off * whole
    left = amounts - micros.sum(axis=0)
    rank = _rank(rest)
    micros += rank < left.astype(rank.dtype)


def _rank(rest: Ints) -> _Small:
    """Each touch's place among its conversion's by descending remainder, the earlier first among equals, (n, m)."""
    n = len(rest)
    small = np.min_scalar_type(n)
    rank = np.empty(rest.shape, small)
    rank[:] = np.arange(n - 1, -1, -1, dtype=small)[:, None]
    for i in range(n - 1):
        served_first = (rest[i] >= rest[i + 1 :]).view(np.uint8)
        rank[i + 1 :] += served_first
        rank[i] -= np.add.reduce(served_first, axis=0, dtype=small)
    return rank


def _first(left: Ints, n: int) -> Bools:
    """True for the first `left` of n touches, (n, m)."""
    first: Bools = np.arange(n)[:, None] < left
    return first
