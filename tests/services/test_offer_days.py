"""Offers' days: bursts and breaks, noted once; a page that is down is mailed no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.offer_days import OfferDays
from revenue_engine.clock import day_in, epoch_seconds, midnight
from revenue_engine.records.causes import Cause
from revenue_engine.records.controls import Controls
from revenue_engine.safety.offer_days import BREAK, BURST, LOOK_BACK_DAYS, WHOLE_DAYS
from revenue_engine.safety.stops import standing
from revenue_engine.services import anomaly_desk
from revenue_engine.services.judge import judge
from revenue_engine.services.offer_days import judge_offer_days
from tests.builders import NOW, Org, an_offer

PRICE = 32_500_000  # of the offer that everybody may get
CLICKED_AT = datetime.fromisoformat("2026-03-04T12:31:55.570+00:00")
HOUR = timedelta(hours=1)

CONTROLS = Controls()
TODAY = day_in(NOW, "UTC")


def history(org: Org, amounts: Callable[[int], dict[str, int]]) -> None:
    """Counters of the days before today, the last two by the hour as well; `amounts` of how many days ago."""
    for ago in range(1, LOOK_BACK_DAYS + 1):
        day = TODAY - timedelta(days=ago)
        if ago > LOOK_BACK_DAYS - WHOLE_DAYS:
            commit(org.w.counters.money(org.name, day, amounts(ago), shard_by=str(ago)))
            continue
        for hour in range(6, 22):
            part = {name: n * (hour - 5) // 16 - n * (hour - 6) // 16 for name, n in amounts(ago).items()}
            commit(org.w.counters.counting(org.name, midnight(day, "UTC") + hour * HOUR, part, zone="UTC", shard_by="x"))


def count_today(org: Org, amounts: dict[str, int], *, hours_ago: float = 0) -> None:
    commit(org.w.counters.counting(org.name, NOW - timedelta(hours=hours_ago), amounts, zone="UTC", shard_by="x"))


def judged(org: Org, hours: float = 0) -> list[tuple[str, str, str]]:
    raised = judge_offer_days(org.w, org.name, CONTROLS, now=NOW + timedelta(hours=hours))
    return [(offer, flag.signal, flag.severity.value) for offer, flag in raised]


def test_a_burst_is_noted_once_alarmed_and_waits_in_the_list(org: Org, alarms: list[str]) -> None:
    history(org, lambda ago: {"clicked_mails@7": 200, "conversions@7": 10 + ago % 3, "clicked_mails@8": 100, "conversions@8": 5})
    count_today(org, {"clicked_mails@7": 150, "conversions@7": 70, "clicked_mails@8": 90, "conversions@8": 5})
    assert judged(org) == [("7", BURST, "hold")]
    assert alarms == [org.name]
    assert judged(org, 0.4) == []  # within the hour nobody looks again
    assert judged(org, 1) == []  # and then it is known
    assert alarms == [org.name]
    (listed,) = anomaly_desk.listed(org.w, org.name, now=NOW)
    assert (listed["key"], listed["offer"]) == (f"offer_day#2026-03-04#7#{BURST}", "7")
    assert listed["flags"][0]["detail"]["conversions"] == 70


def test_conversions_held_on_their_own_account_make_no_burst(org: Org) -> None:
    history(org, lambda ago: {"clicked_mails@7": 200, "conversions@7": 10 + ago % 3})
    count_today(org, {"clicked_mails@7": 150, "conversions@7": 70, "held_conversions@7": 60})
    assert judged(org) == []


def test_an_offer_that_stops_converting_is_noted_and_its_days_are_no_measure_any_more(org: Org) -> None:
    history(org, lambda ago: {"clicked_mails@7": 400, "conversions@7": 20 if ago > 1 else 0})
    count_today(org, {"clicked_mails@7": 100}, hours_ago=9)
    assert judged(org) == [("7", BREAK, "review")]
    (flagged,) = org.w.offer_days.since(org.name, TODAY)
    assert flagged.flag.signal == BREAK
    assert flagged.flag.detail["conversions"] < 0.3 * flagged.flag.detail["expected"]


def test_an_offer_that_stops_converting_is_mailed_no_more_until_three_days_later_or_a_person_lifts_it(org: Org) -> None:
    break_of_7(org)
    count_today(org, {"clicked_mails@8": 90, "conversions@8": 4})
    judge(org.w, org=org.name, now=NOW)
    at = epoch_seconds(NOW)
    (stop,) = org.w.safety.stops(org.name, now=at)
    assert (stop.cause, stop.reason, stop.until) == (Cause("offer", "7"), BREAK, at + 3 * 86_400)
    assert "conversions 7, expected 34" in stop.detail
    (left,) = standing([an_offer(7)], [stop])
    assert left.stop_reason == "stopped_conversion_break"
    assert org.w.safety.stops(org.name, now=at + 3 * 86_400) == ()
    assert org.w.safety.lift(org.name, stop.cause, by="pat", at=at)
    assert org.w.safety.stops(org.name, now=at) == ()


def break_of_7(org: Org, *, others: bool = True) -> None:
    """Offer 7 sold twenty a day, and has sold nothing since yesterday; offer 8 sells five a day, or has not since then either."""

    def amounts(ago: int) -> dict[str, int]:
        sells = {"conversions@7": 20 if ago > 1 else 0, "conversions@8": 5 if others or ago > 1 else 0}
        return {"clicked_mails@7": 400, "clicked_mails@8": 100} | sells

    history(org, amounts)
    count_today(org, {"clicked_mails@7": 100}, hours_ago=9)


def stopped(org: Org, hours: float = 0) -> list[str]:
    return [stop.cause.key for stop in org.w.safety.stops(org.name, now=epoch_seconds(NOW + timedelta(hours=hours)))]


def test_where_nobody_converts_any_more_postbacks_may_fail_and_no_offer_is_stopped(org: Org) -> None:
    break_of_7(org, others=False)
    assert judged(org) == [("7", BREAK, "review")]
    assert stopped(org) == []


def test_a_break_that_was_noted_while_nobody_sold_is_stopped_once_others_sell_again(org: Org) -> None:
    break_of_7(org, others=False)
    assert judged(org) == [("7", BREAK, "review")]
    count_today(org, {"clicked_mails@8": 90, "conversions@8": 4}, hours_ago=-0.5)
    assert judged(org, 1) == [("7", BREAK, "hold")]
    assert stopped(org, 1) == ["offer#7"]


def test_a_page_that_was_stopped_is_tried_anew(org: Org) -> None:
    """Three days later what it was clicked before the stop is no reason to stop it again."""
    break_of_7(org)
    count_today(org, {"clicked_mails@8": 90, "conversions@8": 4})
    assert judged(org) == [("7", BREAK, "hold")]
    count_today(org, {"clicked_mails@7": 20, "clicked_mails@8": 50, "conversions@8": 2}, hours_ago=-72)
    assert judged(org, 73) == []
    assert stopped(org, 73) == []


def test_what_a_person_lifts_is_not_stopped_again_for_the_same_day(org: Org) -> None:
    break_of_7(org)
    count_today(org, {"clicked_mails@8": 90, "conversions@8": 4})
    assert judged(org) == [("7", BREAK, "hold")]
    assert stopped(org) == ["offer#7"]
    assert org.w.safety.lift(org.name, Cause("offer", "7"), by="pat", at=epoch_seconds(NOW))
    assert judged(org, 1) == []
    assert stopped(org, 1) == []


def test_a_judge_that_dies_before_it_notes_a_break_leaves_the_offer_stopped(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    break_of_7(org)
    count_today(org, {"clicked_mails@8": 90, "conversions@8": 4})
    with monkeypatch.context() as dying:
        dying.setattr(OfferDays, "flag", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            judged(org)
    assert stopped(org) == ["offer#7"]
    assert judged(org, 1) == [("7", BREAK, "hold")]
    assert stopped(org, 1) == ["offer#7"]


def test_a_burst_stops_no_mail(org: Org) -> None:
    history(org, lambda ago: {"clicked_mails@7": 200, "conversions@7": 10 + ago % 3})
    count_today(org, {"clicked_mails@7": 150, "conversions@7": 70})
    judge(org.w, org=org.name, now=NOW)
    assert [day.flag.signal for day in org.w.offer_days.since(org.name, TODAY)] == [BURST]
    assert org.w.safety.stops(org.name, now=epoch_seconds(NOW)) == ()


def test_clicks_of_the_last_hours_alone_break_nothing_and_new_offers_are_not_judged(org: Org) -> None:
    history(org, lambda ago: {"clicked_mails@7": 20, "conversions@7": 1} | ({"clicked_mails@8": 50} if ago < 4 else {}))
    count_today(org, {"clicked_mails@7": 900, "clicked_mails@8": 900})
    assert judged(org) == []
    assert judge_offer_days(org.w, f"{org.name}-empty", CONTROLS, now=NOW) == []


def test_hours_in_which_offers_were_not_told_apart_are_no_silence(org: Org) -> None:
    """Counted by an engine from before: clicks by offer, and sales of all offers together."""

    def before(ago: int) -> dict[str, int]:
        apart = {"conversions@7": 60, "conversions@8": 40}
        return {"clicked_mails@7": 1_200, "clicked_mails@8": 800} | ({"mailed_conversions": 100} if ago <= 2 else apart)

    history(org, before)
    for ago in (1, 2):  # whose days were told apart all the same
        day = TODAY - timedelta(days=ago)
        commit(org.w.counters.money(org.name, day, {"conversions@7": 60, "conversions@8": 40}, shard_by="old"))
    count_today(org, {"clicked_mails@7": 100, "conversions@7": 5, "clicked_mails@8": 60, "conversions@8": 4}, hours_ago=1)
    assert judged(org) == []
