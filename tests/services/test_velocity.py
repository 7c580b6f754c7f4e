"""The velocity's look at the counters: once a cycle, kept with its reasons, new when the operator moves it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.controls import Controls
from revenue_engine.services.pace import in_force
from revenue_engine.services.status import status
from revenue_engine.services.velocity import look
from tests.builders import NOW, Org

MILLION = 1_000_000


def history(org: Org, *, weeks_share: float = 1.0, last_share: float = 1.0, mails: int = 2_000) -> None:
    """Three weeks of the same day, half of whose clicks come at once: 200 clicked mails of 2,000, of late another share of them."""
    for hours_ago in range(24 * 30):
        at = NOW - timedelta(hours=hours_ago)
        share = last_share if hours_ago < 24 else weeks_share
        clicked = round(mails * 0.1 / 24 * share)
        amounts = {
            "sent": mails // 24,
            "predicted_clicks_millionths": round(mails * 0.1 / 24 * MILLION),
            "clicked_mails": clicked,
        }
        commit(org.w.counters.counting(org.name, at, amounts, zone="UTC", shard_by=str(hours_ago)))


def seen(org: Org, controls: Controls, *, minutes: int = 0, cycle: str = "") -> int:
    now = NOW + timedelta(minutes=minutes)
    return look(org.w, org.name, cycle or f"{now:%Y%m%dT%H%M}", controls, PRIOR_RATES.delay, now)


def test_without_counters_it_is_what_the_operator_has_put(org: Org) -> None:
    controls = Controls(sends_per_minute=40)
    assert in_force(org.w, org.name, controls) == 40
    assert seen(org, controls) == 40
    kept = org.w.control.velocity(org.name)
    assert kept is not None
    assert (kept["state"], kept["sends_per_minute"], kept["begins_at"]) == ("too_early", 40, 40)
    assert org.w.control.last_velocity_step(org.name) is None


@pytest.mark.parametrize("weeks", [1.0, 0.6])  # whether the predictions were right or not
def test_a_usual_day_moves_nothing(org: Org, weeks: float) -> None:
    history(org, weeks_share=weeks, last_share=weeks)
    assert seen(org, Controls()) == 100


def test_missing_clicks_brake_once_and_say_why(org: Org) -> None:
    history(org, last_share=0.2)
    controls = Controls()
    assert seen(org, controls) == 75
    assert seen(org, controls) == 75  # a retry of the same cycle
    assert seen(org, controls, minutes=15) == 75  # evidence is used once
    assert in_force(org.w, org.name, controls) == 75
    step = org.w.control.last_velocity_step(org.name)
    assert step is not None
    assert (step["before"], step["sends_per_minute"], step["state"], step["trouble"]) == (
        100,
        75,
        "delivery_trouble",
        "clicks_missing",
    )
    told = status(org.w, org.name, now=NOW + timedelta(minutes=15))["velocity"]
    assert (told["sends_per_minute"], told["state"], told["trouble"]) == (75, "too_early", None)
    names = ("cycle_id", "before", "sends_per_minute", "state", "trouble", "stepped_at", "came", "expected", "ratio", "tail")
    assert told["last_step"] == {name: step.get(name) for name in names}


def test_a_new_setting_of_the_operator_starts_anew(org: Org) -> None:
    history(org, last_share=0.2)
    assert seen(org, Controls()) == 75
    assert in_force(org.w, org.name, Controls(sends_per_minute=200)) == 200


def test_late_mails_of_a_good_day_do_not_brake_at_night(org: Org) -> None:
    """Ten thousand mails, four in a thousand of them late, and a raise in the evening: what is told at night is of the day's mails."""
    evening = NOW.replace(hour=21, minute=30)
    for hour in range(6, 22):
        commit(org.w.counters.counting(org.name, evening.replace(hour=hour), {"sent": 625}, zone="UTC", shard_by=str(hour)))
    raised = {"sends_per_minute": 125, "untroubled": 125, "begins_at": 100, "cycle_id": "x", "stepped_at": epoch_seconds(evening)}
    org.w.control.keep_velocity(org.name, raised, before=100, now=evening)
    for hours in range(1, 10):
        late = evening - timedelta(hours=hours)  # told now, of mails of the day
        commit(org.w.counters.counting(org.name, late, {"deferrals#gmail": 4}, zone="UTC", shard_by=f"d{hours}"))
        assert look(org.w, org.name, f"c{hours}", Controls(), PRIOR_RATES.delay, evening + timedelta(hours=hours)) == 125


def test_delays_of_mails_that_left_since_the_last_step_brake(org: Org) -> None:
    commit(org.w.counters.counting(org.name, NOW, {"sent": 400, "deferrals#gmail": 60}, zone="UTC", shard_by="d"))
    assert [seen(org, Controls(), minutes=m) for m in (15, 30, 60)] == [75, 75, 75]  # one step for one hour's mails
    later = NOW + timedelta(hours=1)
    commit(org.w.counters.counting(org.name, later, {"sent": 400, "deferrals#gmail": 60}, zone="UTC", shard_by="e"))
    assert seen(org, Controls(), minutes=75) == 56


def test_what_delivery_took_is_given_back_after_a_calm_org_day_and_what_money_took_is_not(org: Org) -> None:
    commit(org.w.counters.counting(org.name, NOW, {"sent": 400, "deferrals#gmail": 60}, zone="UTC", shard_by="d"))
    assert seen(org, Controls(), minutes=15) == 75
    known = org.w.control.velocity(org.name)
    assert known is not None and known["untroubled"] == 100
    org.w.control.keep_velocity(org.name, {**known, "untroubled": 90}, before=75, now=NOW)  # money has taken ten since
    day = 24 * 60
    assert [seen(org, Controls(), minutes=m) for m in (day, 2 * day, 2 * day + 15, 3 * day)] == [75, 90, 90, 90]


@pytest.mark.parametrize(
    ("kept", "troubled_days_ago", "then"),
    [(42, 10, [52, 65, 81, 100, 100]), (42, None, [42] * 5), (125, 10, [125] * 5)],  # braked by delivery, by money, raised since
)
def test_what_delivery_took_before_it_was_kept_apart_is_given_back(
    org: Org, kept: int, troubled_days_ago: int | None, then: list[int]
) -> None:
    history(org)
    facts = {"sends_per_minute": kept, "begins_at": 100, "cycle_id": "x", "stepped_at": epoch_seconds(NOW - timedelta(days=10))}
    if troubled_days_ago is not None:
        facts["troubled_at"] = epoch_seconds(NOW - timedelta(days=troubled_days_ago))
    org.w.control.keep_velocity(org.name, facts, before=kept, now=NOW - timedelta(days=10))
    assert [seen(org, Controls(), minutes=m) for m in range(0, 75, 15)] == then


def test_bounces_brake(org: Org) -> None:
    history(org)
    commit(org.w.counters.counting(org.name, NOW - timedelta(hours=2), {"bounces": 60}, zone="UTC", shard_by="b"))
    assert seen(org, Controls()) == 75
    kept = org.w.control.velocity(org.name)
    assert kept is not None and kept.get("trouble") == "bounces"


@pytest.mark.parametrize(("heard", "then"), [(1_000, 75), (10_000, 100)])
def test_complaints_brake_by_the_mails_that_can_be_complained_about(org: Org, heard: int, then: int) -> None:
    """Five of a thousand are half a percent, however many more went to providers that tell of none."""
    at, counted = NOW - timedelta(hours=2), {"sent": 10_000, "heard": heard, "complaints": 5}
    commit(org.w.counters.counting(org.name, at, counted, zone="UTC", shard_by="c"))
    assert seen(org, Controls()) == then
    kept = org.w.control.velocity(org.name)
    assert kept is not None and kept.get("trouble") == ("complaints" if then < 100 else None)
