"""Counters: every fact in its hour and in its org day, money on the day of its conversion, sums equal to what was added (M2)."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revenue_engine.aws import names
from revenue_engine.aws.counters import COUNTER_SHARDS, Counters
from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import day_in
from tests.builders import NOW, Org
from workbench.local.ministack_backend import MiniStackBackend

TODAY = date(2026, 3, 4)
NEW_YORK = "America/New_York"


@pytest.fixture(scope="module")
def emulator() -> type[MiniStackBackend]:
    """Atomic across threads, which moto is not."""
    return MiniStackBackend


@pytest.fixture
def counters(org: Org) -> Counters:
    return org.w.counters


def test_hours_add_up_over_shards_and_leave_other_hours_out(org: Org, counters: Counters) -> None:
    for hours in (-25, -24, -1, 0, 1):
        for shard in "abcdef":
            at = NOW + timedelta(hours=hours)
            commit(counters.counting(org.name, at, {"sent": 1, "x#USD": -2}, zone="UTC", shard_by=shard))
    day = counters.hour_counters(org.name, since=NOW - timedelta(hours=24), until=NOW)
    assert day == {"sent": 18, "x#USD": -36}
    assert counters.hour_counters(org.name, since=NOW, until=NOW, only=["sent"]) == {"sent": 6}


def test_a_fact_stands_in_its_hour_and_in_the_orgs_day(org: Org, counters: Counters) -> None:
    after_midnight = datetime(2026, 3, 4, 3, tzinfo=UTC)  # 22:00 of the day before in New York
    commit(counters.counting(org.name, after_midnight, {"sent": 1}, zone=NEW_YORK, shard_by="a"))
    commit(counters.counting(org.name, NOW, {"sent": 1}, zone=NEW_YORK, shard_by="a"))
    assert counters.day_counters(org.name, TODAY - timedelta(days=1), TODAY) == {
        TODAY - timedelta(days=1): {"sent": 1},
        TODAY: {"sent": 1},
    }
    assert counters.hour_counters(org.name, since=after_midnight, until=after_midnight) == {"sent": 1}


def test_an_hour_asked_for_every_minute_is_the_same_as_read_anew(org: Org, counters: Counters) -> None:
    window = {"since": NOW - timedelta(hours=24), "until": NOW}
    for hours in (-24, -10, -2, 0):
        commit(counters.counting(org.name, NOW + timedelta(hours=hours), {"sent": 1}, zone="UTC", shard_by="a"))
        assert len(counters.settled_hours(org.name, **window)) >= 1
    fresh = Counters(counters.table)
    assert list(fresh.settled_hours(org.name, **window).items()) == [
        (f"{NOW + timedelta(hours=hours):%Y-%m-%dT%H}", {"sent": 1}) for hours in (-24, -10, -2, 0)
    ]
    short = {"since": NOW - timedelta(hours=1), "until": NOW}
    assert list(fresh.settled_hours(org.name, **short)) == [f"{NOW:%Y-%m-%dT%H}"]


def test_what_only_the_judge_reads_is_in_the_hour_alone(org: Org, counters: Counters) -> None:
    commit(counters.counting(org.name, NOW, {"sent": 1}, zone="UTC", shard_by="a", by_cause={"sent^new": 1}))
    assert counters.hour_counters(org.name, since=NOW, until=NOW) == {"sent": 1, "sent^new": 1}
    assert counters.day_counters(org.name, TODAY, TODAY) == {TODAY: {"sent": 1}}


def test_what_fills_a_cap_adds_up_for_good_by_offer(org: Org, counters: Counters) -> None:
    for shard in "abcdef":
        amounts = {"capped_conversions@7": 2, "capped_micros@7": 0, "capped_clicks@77": 1}
        commit(counters.capping(org.name, amounts, shard_by=shard))
    commit(counters.capping(org.name, {"capped_conversions@7": -1}, shard_by="g"))
    assert counters.capped(org.name, "7") == {"capped_conversions@7": 11}
    assert counters.capped(org.name, "77") == {"capped_clicks@77": 6}
    assert counters.capped(org.name, "8") == {}
    assert counters.capping(org.name, {"capped_clicks@7": 0}, shard_by="a") == []


def test_counts_made_at_once_are_all_there(org: Org, counters: Counters) -> None:
    def count(n: int) -> None:
        commit(counters.counting(org.name, NOW, {"sent": 1}, zone="UTC", shard_by=str(n)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(40)))
    assert counters.hour_counters(org.name, since=NOW, until=NOW) == {"sent": 40}
    assert counters.day_counters(org.name, TODAY, TODAY) == {TODAY: {"sent": 40}}


def test_money_moves_between_kinds_in_one_write_and_comes_back_to_nothing(org: Org, counters: Counters) -> None:
    def book(**amounts: int) -> None:
        commit(counters.money(org.name, TODAY, amounts, shard_by="key"))

    book(provisional=12_000_000)
    book(provisional=-12_000_000, approved=11_000_000)
    assert counters.day_counters(org.name, TODAY, TODAY) == {TODAY: {"provisional": 0, "approved": 11_000_000}}
    book(approved=-11_000_000)
    assert not any(counters.day_counters(org.name, TODAY, TODAY)[TODAY].values())


def test_a_booking_that_changes_nothing_writes_nothing(counters: Counters) -> None:
    assert counters.money("main", TODAY, {"provisional": 0}, shard_by="key") == []


def test_counters_are_kept_for_their_time_and_expire_together(org: Org, counters: Counters) -> None:
    commit(counters.counting(org.name, NOW, {"sent": 1}, zone="UTC", shard_by="a"))
    commit([counters.campaign(org.name, TODAY, "spring", {"approved": 1})])
    expiring = {item["sk"].split("#")[0]: item["expires_at"] for item in org.items(names.CONTROL_TABLE) if "expires_at" in item}
    midnight = datetime(2026, 3, 4, tzinfo=UTC).timestamp()
    assert expiring == {
        "counter": NOW.timestamp() + 400 * 86_400,
        "day": midnight + 800 * 86_400,
        "2026-03-04": midnight + 800 * 86_400,
    }


def test_people_of_an_arm_are_counted_for_good(org: Org, counters: Counters) -> None:
    for n in range(12):
        commit(
            [counters.person(org.name, "fixed" if n % 4 == 0 else "engine", lot="0.25/0" if n < 8 else "0.5/0", shard_by=str(n))]
        )
    assert counters.people(org.name) == {"engine": 9, "fixed": 3}
    assert counters.lots(org.name) == {"0.25/0": {"engine": 6, "fixed": 2}, "0.5/0": {"engine": 3, "fixed": 1}}


def test_another_org_sees_none_of_it(org: Org, counters: Counters) -> None:
    commit(counters.counting(org.name, NOW, {"sent": 1}, zone="UTC", shard_by="a"))
    commit([counters.campaign(org.name, TODAY, "spring", {"approved": 1})])
    other = f"{org.name}x"
    assert counters.day_counters(other, TODAY, TODAY) == {}
    assert counters.campaign_counters(other, TODAY, TODAY, most=9) == ({}, False)
    assert counters.hour_counters(other, since=NOW, until=NOW) == {}
    assert counters.people(other) == {}


_FACTS = st.lists(
    st.tuples(
        st.integers(-40, 40),  # hours from NOW
        st.sampled_from(["sent", "approved_micros#USD", "conversions@7", "sent%fixed"]),
        st.integers(-(10**12), 10**12),
        st.sampled_from([f"key{n}" for n in range(30)]),
        st.sampled_from(["20260304-7-a", "spring", "Spring_2"]),
    ),
    max_size=25,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=_FACTS, first=st.integers(-3, 3), days=st.integers(0, 5), zone=st.sampled_from(["UTC", NEW_YORK, "Asia/Kolkata"]))
def test_any_range_is_a_recount_of_the_facts_in_it(
    org: Org, counters: Counters, facts: list[tuple[int, str, int, str, str]], first: int, days: int, zone: str
) -> None:
    name = f"{org.name}-{abs(hash((tuple(facts), first, days, zone)))}"
    by_day: defaultdict[date, Counter[str]] = defaultdict(Counter)
    by_campaign: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first_day, last_day = TODAY + timedelta(days=first), TODAY + timedelta(days=first + days)
    for hours, what, amount, key, campaign in facts:
        at = NOW + timedelta(hours=hours)
        day = day_in(at, zone)
        commit(
            [
                *counters.counting(name, at, {what: amount}, zone=zone, shard_by=key),
                counters.campaign(name, day, campaign, {what: amount}),
            ]
        )
        if first_day <= day <= last_day:
            by_day[day][what] += amount
            by_campaign[campaign][what] += amount

    def moved(found: dict[str, int] | Counter[str]) -> dict[str, int]:
        return {what: amount for what, amount in found.items() if amount}

    assert {d: moved(c) for d, c in counters.day_counters(name, first_day, last_day).items() if moved(c)} == {
        d: moved(c) for d, c in by_day.items() if moved(c)
    }
    assert {k: moved(c) for k, c in counters.campaign_counters(name, first_day, last_day, most=99)[0].items() if moved(c)} == {
        k: moved(c) for k, c in by_campaign.items() if moved(c)
    }
    some = counters.day_counters(name, first_day, last_day, only=["sent"])
    assert {d: c["sent"] for d, c in some.items() if c.get("sent")} == {d: c["sent"] for d, c in by_day.items() if c["sent"]}


def test_a_key_is_written_to_one_shard_and_many_keys_to_all(org: Org, counters: Counters) -> None:
    for n in range(100):
        commit(counters.money(org.name, TODAY, {"approved": 1}, shard_by=str(n)))
    assert len([i for i in org.items(names.CONTROL_TABLE) if i["sk"].startswith("day#")]) == COUNTER_SHARDS
