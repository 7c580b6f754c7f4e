"""The benchmark of the worlds measures what it says, on a small list."""

from __future__ import annotations

import pytest

from benchmarks import world


def test_a_world_is_fast_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least ten million subscriber-days a minute and core, even when the machine is busy."""
    monkeypatch.setattr(world, "QUICK_DAYS", 5)
    result = world.measure(True)
    assert result.figures["world_subscriber_days_per_minute"] > 10e6
    assert result.figures["world_chances_per_minute"] > 1e6
    assert [row[0] for row in result.rows] == ["1,500", "20,000", "100,000"]


def test_only_the_share_asked_for_is_mailed() -> None:
    seconds, mails = world.timed(2_000, 3, share=0.5)
    assert seconds > 0 and 2_600 < mails < 3_400
