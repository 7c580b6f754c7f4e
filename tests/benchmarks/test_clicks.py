"""The benchmark of verdicts counts what it says, on a small list."""

from __future__ import annotations

import pytest

from benchmarks import clicks


def test_judging_a_mail_whole_takes_fewer_machines_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clicks, "SUBSCRIBERS", 2_000)
    found = clicks.measure(True).figures
    assert found["machine_clicks_as_human"] < 0.02 < 0.1 < found["machine_clicks_as_human_by_single_events"]
    assert found["machine_share_of_human_clicks"] < 0.2 < 0.4 < found["machine_share_of_human_clicks_by_single_events"]
    assert found["human_clicks_as_machine"] < 0.02
    assert found["machine_opens_as_human"] < found["machine_opens_as_human_by_single_events"]
