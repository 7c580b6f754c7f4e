"""Random draws that are pure functions of their keys: a retry, a replay or another split of the batch draws the same (D1, D6).

Per person: a counter-based hash (the splitmix64 finaliser of Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014; constants as in Vigna's public-domain splitmix64.c), one stream per purpose. Per segment and cycle:
numpy's Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Sampling algorithms of numpy may change
between its versions (NEP 19), so a cycle's snapshot names the version that drew.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from revenue_engine.arrays import Floats, Keys
from revenue_engine.ids import stable_hash

_MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


class Stream(IntEnum):
    """What a draw is for. Numbers keep their meaning for ever: old receipts are replayed by them."""

    EXPLORE = 1
    TALLY = 2
    UNIFORM = 3
    GHOST = 4
    CANARY = 5
    JITTER = 6
    RANK = 7
    MINUTE = 8
    TRICKLE = 16


def mix(z: Keys) -> Keys:
    """The splitmix64 finaliser: a bijection of 64 bits that avalanches. Wraps modulo 2**64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashes(cycle_key: int, draw_key: Keys, stream: Stream) -> Keys:
    """64 random bits per person, (n,): a function of cycle, person and purpose alone."""
    salt = mix(np.array([(cycle_key + stream * GAMMA) & _MASK], dtype=np.uint64))
    return mix(mix(draw_key.astype(np.uint64) + salt) ^ salt)


def uniforms(cycle_key: int, draw_key: Keys, stream: Stream) -> Floats:
    """Uniforms in [0, 1) with 53 bits, (n,): a function of cycle, person and purpose alone."""
    return (hashes(cycle_key, draw_key, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def generator(*parts: str) -> np.random.Generator:
    """A generator keyed by these words: for draws shared by a segment and a cycle."""
    return np.random.Generator(np.random.Philox(key=stable_hash(*parts)))
