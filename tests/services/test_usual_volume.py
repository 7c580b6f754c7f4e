"""How many mails are usual: as many as a cycle let go on one of the last three days on which any left, whatever quiet days lie between."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from revenue_engine.clock import cycle_id_at
from revenue_engine.services import approvals
from tests.e2e.house import ORG, House, house

RICH = 10**12
DAY = 24 * 60


def planned(made: House, mails_by_days_ago: Mapping[int, int]) -> None:
    """A cycle each, in another mode than approval."""
    for days, mails in mails_by_days_ago.items():
        at = made.now - timedelta(days=days)
        made.w.control.finish_cycle(ORG, cycle_id_at(at), now=at, report={"planned": mails})


def states(made: House) -> list[tuple[str, list[str]]]:
    return [(plan["status"], plan.get("not_routine", [])) for plan in approvals.listed(made.w, ORG, now=made.now)]


def test_a_weekday_sender_s_monday_is_told_of_by_friday_and_tuesday_by_monday() -> None:
    """Growth waits for a person all the same, and a plan that waits makes nothing usual."""
    with house(
        4,
        autonomy="approval",
        by_hand=True,
        auto_approve_under_micros=RICH,
        enabled_weekdays=[0, 1, 2, 3, 4],
        approval_valid_hours=1,
    ) as made:
        made.routine(mails=0)
        planned(made, {1: 0, 3: 10})
        for day, more in enumerate((0, 2, 20, 0)):
            if more:
                made.people(more, first=100 * day)
            made.cycle()
            made.run(DAY)
        assert states(made) == [("approved", []), ("approved", []), *[("waiting", ["unusual_volume"])] * 2]


CASES: dict[str, tuple[dict[int, int], bool]] = {
    "three quiet days": ({4: 2}, True),
    "quiet for almost four weeks": ({27: 2}, True),
    "quiet for four weeks": ({28: 2}, False),
    "a larger cycle, the third last day with mail": ({1: 1, 6: 1, 9: 2}, True),
    "a larger cycle, the fourth last": ({1: 1, 6: 1, 9: 1, 10: 2}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_of_the_last_three_days_with_mail_the_largest_cycle_counts(case: str) -> None:
    mails_by_days_ago, usual = CASES[case]
    with house(2, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine(mails=0)
        planned(made, mails_by_days_ago)
        made.cycle()
        assert states(made) == [("approved", []) if usual else ("waiting", ["unusual_volume"])]
