"""Gmail's Postmaster figures, as its API answers."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.postmaster import parse_postmaster

DAY = {
    "name": "domains/mail.example.com/trafficStats/20260302",
    "userReportedSpamRatio": 0.0012,
    "userReportedSpamRatioLowerBound": 0.001,
    "domainReputation": "HIGH",
    "spammyFeedbackLoops": [{"id": "1001-soft", "spamRatio": 0.004}],
    "dkimSuccessRatio": 1,
}


def answer(*days: Any) -> str:
    return json.dumps({"trafficStats": list(days), "nextPageToken": ""})


def test_days_come_oldest_first_and_those_without_a_ratio_are_counted() -> None:
    later = {"name": "domains/mail.example.com/trafficStats/20260303", "userReportedSpamRatio": 0.0}
    days, untold = parse_postmaster(answer(later, DAY, {"name": "domains/mail.example.com/trafficStats/20260304"}))
    assert [(d.domain, d.day, d.spam_ratio) for d in days] == [
        ("mail.example.com", date(2026, 3, 2), 0.0012),
        ("mail.example.com", date(2026, 3, 3), 0.0),
    ]
    assert (days[0].loops, untold) == ({"1001-soft": 0.004}, 1)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("{", "document"),
        ("[]", "document"),
        ("{}", "trafficStats"),
        (answer(), "trafficStats"),
        (answer(DAY | {"userReportedSpamRatio": 1.2}), "trafficStats.0.userReportedSpamRatio"),
        (answer(DAY, DAY | {"userReportedSpamRatio": "much"}), "trafficStats.1.userReportedSpamRatio"),
        (answer({k: v for k, v in DAY.items() if k != "name"}), "trafficStats.0.name"),
        (answer(DAY | {"name": "domains/x"}), "trafficStats.0.name"),
        (answer(DAY | {"name": "domains/x.example/trafficStats/20260231"}), "trafficStats.0.name"),
        (answer(DAY | {"spammyFeedbackLoops": [{"spamRatio": 0.1}]}), "trafficStats.0.spammyFeedbackLoops.0.id"),
    ],
)
def test_what_is_wrong_is_refused_by_the_name_of_its_field(document: str, field: str) -> None:
    with pytest.raises(BadInput) as bad:
        parse_postmaster(document)
    assert bad.value.field == field
