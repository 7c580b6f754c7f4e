"""Minutes within the cycle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.pacing.spread import minutes


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1_500), st.integers(0, 99))
def test_no_minute_gets_more_than_its_share_and_each_provider_is_spread(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    provider = rng.choice(4, n, p=[0.7, 0.2, 0.09, 0.01]).astype(np.uint8)
    offset = minutes(rng.integers(0, 2**63, n).astype(np.uint64), provider, per_minute=100)
    assert len(offset) == n
    if n:
        assert offset.min() >= 0
        assert offset.max() <= 14
        assert np.bincount(offset, minlength=15).max() <= -(-n // 15)
    for code in range(4):
        mine = offset[provider == code]
        if len(mine) >= 15:
            assert np.bincount(mine, minlength=15).max() <= len(mine) / 15 + 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 15))
def test_pages_however_small_share_the_minutes_evenly(pages: list[int], span: int) -> None:
    taken, found = 0, np.zeros(span, np.int64)
    for n in pages:
        keys, provider = np.arange(n, dtype=np.uint64), np.zeros(n, dtype=np.uint8)
        found += np.bincount(minutes(keys, provider, per_minute=2_000, taken=taken, span=span), minlength=span)
        taken += n
        assert found.max() <= -(-taken // span)


def test_many_small_pages_keep_to_the_velocity() -> None:
    keys, provider = np.arange(7, dtype=np.uint64), np.zeros(7, dtype=np.uint8)
    found = [minutes(keys, provider, per_minute=10, taken=7 * page) for page in range(21)]
    assert np.bincount(np.concatenate(found), minlength=15).max() == 10
    assert np.diff(found[0]).max() <= 4  # a page's own are spread too
    assert found[0][0] == 0  # and a small list does not wait


def test_more_than_the_cycle_carries_is_an_error() -> None:
    with pytest.raises(ValueError, match="sends_per_minute"):
        minutes(np.arange(151, dtype=np.uint64), np.zeros(151, dtype=np.uint8), per_minute=10)
    with pytest.raises(ValueError, match="sends_per_minute"):
        minutes(np.arange(8, dtype=np.uint64), np.zeros(8, dtype=np.uint8), per_minute=10, taken=143)


def test_the_order_is_the_key_s_not_the_page_s() -> None:
    keys = np.arange(60, dtype=np.uint64)
    provider = (keys % 3).astype(np.uint8)
    assert (minutes(keys[::-1], provider[::-1], per_minute=10)[::-1] == minutes(keys, provider, per_minute=10)).all()
