"""Variants whose mails cannot be made."""

from __future__ import annotations

import pytest

from revenue_engine.records.causes import Cause
from revenue_engine.safety.content import content_findings
from revenue_engine.safety.findings import Remedy

SOFT = Cause("variant", "1001/soft")


@pytest.mark.parametrize(
    ("dropped", "sent", "stops"), [(9, 0, False), (10, 0, True), (10, 9, True), (10, 10, False), (30, 20, True), (30, 40, False)]
)
def test_a_variant_is_stopped_when_most_of_its_mails_were_dropped_for_their_content(dropped: int, sent: int, stops: bool) -> None:
    hours = [{"content_incomplete!1001/soft": dropped - 4, "sent": 500, "sent!1002/soft": 500}]
    hours.append({"content_incomplete!1001/soft": 4, "sent!1001/soft": sent, "content_incomplete!1002/soft": 11})
    found = content_findings(hours, ())
    assert [(f.cause, f.remedy, f.observed) for f in found] == ([(SOFT, Remedy.STOP_CAUSE, dropped / (dropped + sent))] * stops)
    assert content_findings(hours, {SOFT}) == []
