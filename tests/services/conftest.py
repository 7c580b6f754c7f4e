"""Fixtures of the services' tests."""

from __future__ import annotations

import pytest

from revenue_engine.aws import names, observe


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Metrics of anomalies, as they are counted."""
    heard: list[str] = []
    count = observe.count

    def counted(name: str, org: str, value: float = 1) -> None:
        count(name, org, value)
        heard.extend([org] * (name == names.METRIC_ANOMALIES))

    monkeypatch.setattr(observe, "count", counted)
    return heard
