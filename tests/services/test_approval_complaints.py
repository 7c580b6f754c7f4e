"""The budget of complaints and what is expected of a plan are of the same mails: those whose complaints would be heard of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from revenue_engine.aws.dynamo import commit
from tests.e2e.house import ORG, House, house


def delivered(made: House, *, heard: int) -> None:
    """Of a hundred mails, so many to mailbox providers that tell of complaints."""
    counters = {"delivered#gmail": 100 - heard, "delivered#other": heard}
    commit(list(made.w.counters.counting(ORG, made.now, counters, zone="UTC", shard_by="x")))


def status(made: House) -> tuple[str, list[str]]:
    made.cycle()
    (plan,) = made.w.control.approvals(ORG)
    return plan["status"], plan.get("not_routine", [])


@pytest.mark.parametrize("heard", [0, 10, 40, 100])
def test_a_young_list_of_which_nobody_complained_is_within_its_budget_whoever_would_be_heard(heard: int) -> None:
    with house(2, autonomy="approval", by_hand=True, auto_approve_under_micros=10**12) as made:
        made.routine()
        delivered(made, heard=heard)
        assert status(made) == ("approved", [])


@pytest.mark.parametrize(("heard", "routine"), [(0, False), (10, False), (25, False), (75, True), (100, True)])
def test_the_fewer_would_be_heard_the_more_one_complaint_tells(heard: int, routine: bool) -> None:
    """Expected were 0.6 of 2,000; of 2,400 more one came: 1.6 of the 2,000 and those that would be heard."""
    with house(2, autonomy="approval", by_hand=True, auto_approve_under_micros=10**12) as made:
        made.routine()
        yesterday, arm = made.now - timedelta(days=1), {"offer": "1001", "variant": "standard", "segment": "new"}
        amounts = {"deliveries": 2_000, "complaints": 1}
        commit([made.w.offers.adding_evidence(ORG, day=f"{yesterday:%Y-%m-%d}", amounts=amounts, **arm)])
        delivered(made, heard=heard)
        assert status(made) == (("approved", []) if routine else ("waiting", ["complaints_above_budget"]))
