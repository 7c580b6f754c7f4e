"""Draws of a world: each a pure function of (seed, subscriber, day, purpose), so a change of policy changes only what it causes.

Counter-based hashing: the subscriber's key is hashed with the seed, then with the day, then with the purpose, each through the
engine's splitmix64 finaliser. Nothing depends on the order or the number of subscribers.
"""

from __future__ import annotations

from enum import IntEnum, auto, unique
from functools import lru_cache

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from revenue_engine.draws import GAMMA, mix

_MASK = (1 << 64) - 1


@unique
class Of(IntEnum):
    """What a draw is for."""

    # of a person, once
    TRAITS = auto()
    TASTE = auto()
    TONE = auto()
    TOPIC = auto()
    TOPICS_MISSING = auto()
    PEAK = auto()
    PAST_HOUR = auto()
    PRICE = auto()
    TENURE = auto()
    SOURCE = auto()
    COUNTRY = auto()
    PROVIDER = auto()
    DEVICE = auto()
    PROXY = auto()
    SCANNER = auto()
    PURCHASES = auto()
    RECENCY = auto()
    SHOP_RATE = auto()
    SHOP_LEAVING = auto()
    BASKET = auto()
    HALF_LIFE = auto()
    ANNOYABLE = auto()
    FRAILTY = auto()
    DEAD_FROM_START = auto()
    # of a person and a day
    DIES = auto()
    MOOD = auto()
    SHOPS = auto()
    LEAVES_SHOP = auto()
    VISITS = auto()
    MINUTE = auto()
    SOFT_BOUNCE = auto()
    TRANSIT = auto()
    PLACEMENT = auto()
    OPEN = auto()
    OPEN_LAG = auto()
    CLICK = auto()
    CLICK_LAG = auto()
    AGAIN = auto()
    UNSUBSCRIBE = auto()
    EXIT_LAG = auto()
    COMPLAINT = auto()
    COMPLAINT_LAG = auto()
    PREFETCH = auto()
    PREFETCH_LAG = auto()
    SCAN = auto()
    SCAN_LAG = auto()
    CONVERT = auto()
    DELAY_PART = auto()
    DELAY = auto()
    SALE = auto()
    REVERSED = auto()
    REVERSAL_LAG = auto()
    REVERSAL_KIND = auto()
    APPROVAL = auto()
    REBILL = auto()
    FLAW = auto()
    FLAW_SIZE = auto()
    BURST = auto()
    # of an offer
    OFFER = auto()
    OFFER_PATH = auto()
    OFFER_BREAK = auto()
    OFFER_BURST = auto()


def person_keys(seed: int, ids: Ints) -> Keys:
    """(n,) keys of subscribers in the world of this seed."""
    salt = _salt(seed)
    return mix(mix(ids.astype(np.uint64) + salt) ^ salt)


def day_keys(keys: Keys, day: int) -> Keys:
    """(n,) keys of subscribers on this day."""
    return mix(keys ^ _salt(day + 1))


def calendar(keys: Keys, days: int) -> Keys:
    """(n, days): `day_keys` of every day from 0."""
    salts = np.array([_salt(day + 1) for day in range(days)])
    return mix(keys[:, None] ^ salts[None, :])


def uniforms(keys: Keys, of: Of, index: int = 0) -> Floats:
    """(n,) in (0, 1), both ends excluded; `index` counts draws for one purpose."""
    bits = mix(keys ^ _salt((of << 32) + index))
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normals(keys: Keys, of: Of, index: int = 0) -> Floats:
    """(n,) standard normal, by Box and Muller; uses the indices 2 * index and 2 * index + 1."""
    radius = np.sqrt(-2.0 * np.log(uniforms(keys, of, 2 * index)))
    return radius * np.cos(2 * np.pi * uniforms(keys, of, 2 * index + 1))


def exponentials(keys: Keys, of: Of, index: int = 0) -> Floats:
    """(n,) with mean 1."""
    return -np.log(uniforms(keys, of, index))


def gammas(keys: Keys, of: Of, shape: float, index: int = 0) -> Floats:
    """(n,) gamma variates of scale 1: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 2000.

    Each attempt has its own indices, so a person's value does not depend on how often others were rejected.
    """
    lifted = shape + 1 if shape < 1 else shape
    d = lifted - 1 / 3
    c = 1 / np.sqrt(9 * d)
    values, open_ = np.empty(len(keys)), np.arange(len(keys))
    attempt = 0
    first = 1_000 * index
    while len(open_):
        x = normals(keys[open_], of, (first + attempt) * 2)
        v = np.maximum(1 + c * x, 0.0) ** 3
        with np.errstate(divide="ignore"):
            accepted = np.log(uniforms(keys[open_], of, (first + attempt) * 4 + 2)) < 0.5 * x**2 + d - d * v + d * np.log(v)
        values[open_[accepted]] = d * v[accepted]
        open_ = open_[~accepted]
        attempt += 1
    if shape < 1:
        values *= uniforms(keys, of, first * 4 + 3) ** (1 / shape)
    return values


def choices(keys: Keys, of: Of, weights: Floats, index: int = 0) -> Ints:
    """(n,) indices drawn by weight."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, uniforms(keys, of, index), side="right"), len(weights) - 1).astype(np.int64)


def happens(keys: Keys, of: Of, chance: Floats | float, index: int = 0) -> Bools:
    """(n,) true with this chance."""
    return uniforms(keys, of, index) < chance


@lru_cache(maxsize=4096)
def _salt(number: int) -> np.uint64:
    return np.uint64(mix(np.array([(number * GAMMA + GAMMA) & _MASK], dtype=np.uint64))[0])
