"""Keyed draws: a value depends on its key alone, never on what was drawn before it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import timedelta
from statistics import NormalDist
from typing import TypeVar

_T = TypeVar("_T")
_NORMAL = NormalDist()


def uniform(seed: int, *key: object) -> float:
    """In (0, 1), both ends excluded."""
    digest = hashlib.blake2b("\x1f".join(map(str, (seed, *key))).encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**56


def chance(probability: float, seed: int, *key: object) -> bool:
    """True with this probability."""
    return uniform(seed, *key) < probability


def normal(seed: int, *key: object) -> float:
    """Standard normal."""
    return _NORMAL.inv_cdf(uniform(seed, *key))


def lognormal(median: timedelta, sigma: float, seed: int, *key: object) -> timedelta:
    """A waiting time; `sigma` of its logarithm."""
    return median * math.exp(sigma * normal(seed, *key))


def exponential(mean: timedelta, seed: int, *key: object) -> timedelta:
    """A waiting time."""
    return mean * -math.log(uniform(seed, *key))


def between(low: float, high: float, seed: int, *key: object) -> float:
    """Uniform in (low, high)."""
    return low + (high - low) * uniform(seed, *key)


def pick(options: Sequence[tuple[_T, float]], seed: int, *key: object) -> _T:
    """One option by weight."""
    ticket = uniform(seed, *key) * sum(weight for _, weight in options)
    for option, weight in options:
        ticket -= weight
        if ticket <= 0:
            return option
    return options[-1][0]


def hexadecimal(length: int, seed: int, *key: object) -> str:
    """Lower-case hexadecimal digits, as Everflow's ids are."""
    return hashlib.shake_256("\x1f".join(map(str, (seed, *key))).encode()).hexdigest((length + 1) // 2)[:length]
