"""Keyed draws."""

from __future__ import annotations

import numpy as np
from scipy import stats

from revenue_engine.draws import GAMMA, Stream, generator, hashes, mix, uniforms

KEYS = np.arange(20_000, dtype=np.uint64)


def test_the_finaliser_is_splitmix64() -> None:
    """The published first outputs of splitmix64 for seed 1234567."""
    state = (np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(GAMMA)).astype(np.uint64)
    assert mix(state).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_draw_depends_on_its_keys_alone() -> None:
    whole = uniforms(7, KEYS, Stream.GHOST)
    assert (uniforms(7, KEYS[::-1], Stream.GHOST)[::-1] == whole).all()
    assert (np.concatenate([uniforms(7, part, Stream.GHOST) for part in np.array_split(KEYS, 7)]) == whole).all()


def test_draws_are_uniform_even_over_consecutive_keys() -> None:
    for cycle in (0, 1, 2**64 - 1):
        values = uniforms(cycle, KEYS, Stream.TALLY)
        assert values.min() >= 0
        assert values.max() < 1
        assert stats.kstest(values, "uniform").pvalue > 1e-3


def test_purposes_and_cycles_draw_apart() -> None:
    columns = [uniforms(cycle, KEYS, stream) for cycle in (1, 2) for stream in Stream]
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 5 / np.sqrt(len(KEYS))
    assert len(np.unique(hashes(1, KEYS, Stream.RANK))) == len(KEYS)


def test_a_generator_is_its_words() -> None:
    one, same, other = (generator("theta", "main", word).random(3) for word in ("a", "a", "b"))
    assert (one == same).all()
    assert (one != other).all()
