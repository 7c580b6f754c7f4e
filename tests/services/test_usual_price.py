"""What later mails are asked: the price of the same quarter of an hour, on average over a week's days."""

from __future__ import annotations

from datetime import timedelta

import pytest

from revenue_engine.clock import cycle_id_at
from revenue_engine.pacing.price import EDGES
from revenue_engine.services.cycle_inputs import known_context
from tests.e2e.house import ORG, START, House, house


def ran(made: House, days_ago: int, *, minutes: int = 0, **report: object) -> None:
    """A cycle of so many days before the first one."""
    at = START + timedelta(minutes=minutes) - timedelta(days=days_ago)
    made.w.control.finish_cycle(ORG, cycle_id_at(at), now=at, report=report)


def asked(made: House, cycle_id: str) -> tuple[int, int | None]:
    context = known_context(made.w, ORG, cycle_id)
    assert context is not None
    return context.price.lambda_micros, context.price.usual_micros


def test_a_cycle_knows_its_own_price_and_the_mean_of_six_days_before() -> None:
    bin = 100
    with house(1, by_hand=True, max_daily_emails=1) as made:
        # three bid there for a day of one mail
        ran(made, 1, lambda_micros=1_000, supply={str(bin): 3})
        for days_ago, micros in ((2, 2_000), (3, 3_000), (5, 0), (6, 7_000)):
            ran(made, days_ago, lambda_micros=micros)
        ran(made, 4, planned=9)  # as reports were before they told of prices
        ran(made, 7, lambda_micros=10**6)  # today's weekday, a week ago: today's price is known
        ran(made, 2, minutes=15, lambda_micros=10**6)  # another quarter of an hour
        report = made.cycle()
        today = int(EDGES[bin + 1]) - 1
        assert asked(made, report["cycle_id"]) == (today, round((today + 1_000 + 2_000 + 3_000 + 0 + 7_000) / 6))
        # the cycle tells it on
        assert report["lambda_micros"] == today
        item = made.w.control.cycle(ORG, report["cycle_id"])
        assert item is not None and item["report"]["lambda_micros"] == today
        # receipts keep the price that a mail had to beat
        assert {receipt["lambda_micros"] for receipt in made.receipts()} == {today}


def test_after_a_day_of_an_outage_the_day_before_it_tells_what_will_come() -> None:
    bin = 100
    with house(1, by_hand=True, max_daily_emails=1) as made:
        ran(made, 2, supply={str(bin): 3})
        ran(made, 2, minutes=15, supply={str(bin + 60): 9})
        ran(made, 1, minutes=15, supply={})  # which ran, and found nobody: nobody is awaited
        ran(made, 3, minutes=30, supply={str(bin + 90): 9})  # too long ago
        report = made.cycle()
        assert asked(made, report["cycle_id"])[0] == int(EDGES[bin + 1]) - 1
        first, last = (cycle_id_at(START - timedelta(days=2)), cycle_id_at(START + timedelta(minutes=15) - timedelta(days=1)))
        assert {receipt["price_version"] for receipt in made.receipts()} == {f"supply-{first}-{last}/complaints-2026-03-01"}


def test_a_monday_is_told_of_by_friday_where_nobody_is_mailed_at_weekends() -> None:
    bin = 100
    with house(1, by_hand=True, max_daily_emails=1, enabled_weekdays=[0, 1, 2, 3, 4]) as made:  # the first cycle is of a Monday
        ran(made, 3, lambda_micros=5_000, supply={str(bin): 3})
        for days_ago in (1, 2):  # these ran, and found nobody
            ran(made, days_ago, lambda_micros=0, supply={})
        report = made.cycle()
        today = int(EDGES[bin + 1]) - 1
        assert asked(made, report["cycle_id"]) == (today, round((today + 5_000) / 2))


@pytest.mark.parametrize(
    ("before", "autonomy", "edge"),
    [
        ({"full": 10}, "full", 41),
        ({"canary": 10}, "canary", 101),  # a quarter has left when the whole day's budget would have
        ({"full": 10}, "canary", 41),  # taken down within the day: ten are ten
        ({"approval": 10}, "canary", 41),
        ({"full": 8, "canary": 2}, "canary", 61),  # eight, and as eight
        ({"canary": 10}, "full", 41),
    ],
)
def test_a_canary_is_asked_the_price_of_full_autonomy(before: dict[str, int], autonomy: str, edge: int) -> None:
    """Of a cap of 40 ten have been planned today."""
    with house(1, by_hand=True, autonomy=autonomy, max_daily_emails=40, canary_share=0.25) as made:
        ran(made, 1, supply={"40": 10, "60": 6, "100": 24})
        for quarters, (mode, planned) in enumerate(before.items(), 1):
            ran(made, 0, minutes=-15 * quarters, autonomy=mode, planned=planned)
        ran(made, 1, minutes=-15, autonomy="canary", planned=9)  # of another day's budget
        made.w.control.reserve(ORG, str(START.date()), cycle_id="before", page=0, wanted=10, cap=40, expires_at=2**31)
        report = made.cycle()
        assert asked(made, report["cycle_id"])[0] == int(EDGES[edge]) - 1
        item = made.w.control.cycle(ORG, report["cycle_id"])
        assert item is not None and item["report"]["autonomy"] == autonomy


def test_a_first_cycle_and_one_after_a_pause_ask_today_s_price() -> None:
    with house(1, by_hand=True) as made:
        first = made.cycle()
        assert (asked(made, first["cycle_id"]), first["lambda_micros"]) == ((0, 0), 0)
        made.w.control.skip_cycle(ORG, cycle_id_at(START + timedelta(minutes=15) - timedelta(days=1)), now=START, counting=())
        second = made.cycle()
        assert asked(made, second["cycle_id"]) == (0, 0)
