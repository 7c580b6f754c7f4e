"""Who leaves of a plan that has room for a part: whom decide would have let leave, whichever policy and arm they were given."""

from __future__ import annotations

import gzip
from collections import Counter

import pytest

from revenue_engine.services import approvals, run_cycle, send_messages
from tests.e2e.house import ORG, House, house

CAP = 20


def a_plan(made: House) -> str:
    (plan,) = approvals.listed(made.w, ORG, now=made.now)
    return str(plan["approval_id"])


def test_an_approval_is_cut_as_decide_would_have_cut_the_plan() -> None:
    """The fixed policy has some of these people, others are explored. By the same draws a day short from the first mails the same."""
    left: list[tuple[set[str], Counter[str]]] = []
    for planned_with in (CAP, 1_000):
        with house(
            40, autonomy="approval", by_hand=True, fixed_policy_share=0.2, epsilon_per_day=0.2, max_daily_emails=planned_with
        ) as made:
            made.cycle()
            made.controls(fixed_policy_share=0.2, epsilon_per_day=0.2, max_daily_emails=CAP)
            assert approvals.approve(made.w, ORG, a_plan(made), by="ann", now=made.now) == CAP
            made.watch(15)
            sends = [made.send(mail) for mail in made.mails]
            left.append(({mail.address for mail in made.mails}, Counter(send["policy"] for send in sends)))
    assert left[0] == left[1]
    assert 0 < left[0][1]["fixed"] < CAP


def test_a_plan_that_is_planned_again_keeps_the_order_in_which_it_may_have_been_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that died wrote it in another order, as engines before did."""
    with house(20, autonomy="approval", by_hand=True) as made:
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_move_due_times", _dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        key = f"plans/{ORG}/{a_plan(made)}.json.gz"
        plans = send_messages.decode(gzip.decompress(made.w.decisions.get(key) or b"").decode())
        before = gzip.compress(send_messages.encode(plans[::-1]).encode())
        made.w.decisions.put(key, before)
        assert made.cycle()["outcome"] == "completed"
        assert made.w.decisions.get(key) == before


def _dies(*args: object, **named: object) -> None:
    raise RuntimeError("injected")
