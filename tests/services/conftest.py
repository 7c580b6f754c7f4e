"""Fixtures of the services' tests."""

from __future__ import annotations

import pytest

from revenue_engine.aws import names, observe
from revenue_engine.aws.alerts import Alerts


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


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What people were told; nobody subscribes to the topic of an emulator."""
    told: list[str] = []
    tell = Alerts.tell

    def heard(self: Alerts, subject: str, message: str) -> None:
        tell(self, subject, message)
        told.append(subject)

    monkeypatch.setattr(Alerts, "tell", heard)
    return told
