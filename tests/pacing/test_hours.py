"""Sending hours across the world's clock changes, against the plain reading of each reader's wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.clock import epoch_seconds
from revenue_engine.pacing.hours import in_hours, local_seconds, next_opening, open_for, open_locally
from revenue_engine.records.controls import Controls
from revenue_engine.records.zones import ZONES, zone_number

# Places and days whose clocks change in every odd way: forward, back, by half an hour, at midnight, and never.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 10, 24, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 3, 4, tzinfo=UTC)),
    ("Pacific/Kiritimati", datetime(2026, 3, 4, tzinfo=UTC)),
]
HOURS = [(6, 22), (0, 24), (2, 3), (0, 1), (1, 2), (23, 24)]


def open_on_the_wall(at: int, zone: str, controls: Controls) -> bool:
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    day = local.weekday() in controls.enabled_weekdays
    return day and controls.sending_hours_start <= local.hour < controls.sending_hours_end


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize(("start", "end"), HOURS)
def test_the_next_opening_is_the_first_permitted_instant(zone: str, day: datetime, start: int, end: int) -> None:
    """What a window calls open is open on the wall, and nothing open on the wall before it was passed over, but for an hour that
    comes twice: then its second coming may be left out."""
    controls = Controls(sending_hours_start=start, sending_hours_end=end, enabled_weekdays=frozenset({0, 2, 5, 6}))
    begin = epoch_seconds(day - timedelta(days=1))
    instants = np.arange(begin, begin + 3 * 86_400, 1_800, dtype=np.int64)
    zones = np.full(len(instants), zone_number(zone), dtype=np.uint16)
    opening = next_opening(zones, instants, controls, for_seconds=1)
    assert all(open_on_the_wall(at, zone, controls) for at in opening.tolist())
    tz = ZoneInfo(zone)
    for at, found in zip(instants.tolist(), opening.tolist(), strict=True):
        passed_over = [m for m in range(at, min(found, at + 86_400), 1_800) if open_on_the_wall(m, zone, controls)]
        assert all(datetime.fromtimestamp(m, tz).fold == 1 for m in passed_over)


def test_a_skipped_hour_opens_when_the_clock_jumps() -> None:
    controls = Controls(sending_hours_start=2, sending_hours_end=4)
    berlin = np.array([zone_number("Europe/Berlin")], dtype=np.uint16)
    at = np.array([epoch_seconds(datetime(2026, 3, 29, 0, 0, tzinfo=UTC))])
    assert next_opening(berlin, at, controls, for_seconds=1)[0] == epoch_seconds(
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    )  # 03:00 on the wall


@pytest.mark.parametrize(
    ("zone", "day", "hour", "opens"),
    [
        ("Europe/Berlin", "2026-10-25", 2, "2026-10-25T00:00:00+00:00"),  # 3:00 is 2:00 again: the first 2:00
        ("America/Havana", "2026-11-01", 0, "2026-11-01T04:00:00+00:00"),
        ("Antarctica/Troll", "2026-10-25", 1, "2026-10-24T23:00:00+00:00"),  # 3:00 is 1:00 again: the first 1:00,
        ("Antarctica/Troll", "2026-10-25", 2, "2026-10-25T02:00:00+00:00"),  # and the second 2:00
        ("Pacific/Chatham", "2026-04-05", 3, "2026-04-04T14:15:00+00:00"),  # 3:45 is 2:45 again: the second 3:00
    ],
)
def test_an_hour_that_comes_twice_opens_first_unless_the_clock_falls_back_behind_it(
    zone: str, day: str, hour: int, opens: str
) -> None:
    controls = Controls(sending_hours_start=hour, sending_hours_end=hour + 1)
    midnight = epoch_seconds(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)))
    found = next_opening(np.array([zone_number(zone)], dtype=np.uint16), np.array([midnight]), controls, for_seconds=1)
    assert datetime.fromtimestamp(found[0], UTC).isoformat() == opens


@pytest.mark.parametrize("zone", ["Pacific/Chatham", "Antarctica/Troll", "Australia/Lord_Howe", "Europe/Berlin"])
@pytest.mark.parametrize(("start", "end"), [(1, 2), (1, 3), (2, 3), (2, 4), (3, 4), (0, 24)])
def test_what_is_open_for_a_while_is_open_on_the_wall_in_all_of_it(zone: str, start: int, end: int) -> None:
    """Chatham's clock skips and repeats 2:45 to 3:45, Troll's two hours."""
    controls = Controls(sending_hours_start=start, sending_hours_end=end)
    for day in ("2026-03-29", "2026-04-05", "2026-09-27", "2026-10-04", "2026-10-25"):
        middle = epoch_seconds(datetime.fromisoformat(f"{day}T00:00:00+00:00"))
        at = np.arange(middle - 86_400, middle + 86_400, 900, dtype=np.int64)
        found = open_for(np.full(len(at), zone_number(zone), dtype=np.uint16), at, controls, for_seconds=900)
        assert found.any()
        for moment in at[found].tolist():
            assert all(open_on_the_wall(second, zone, controls) for second in (moment, moment + 899))


def test_hours_are_the_reader_s_not_the_server_s() -> None:
    zones = np.array([zone_number(z) for z in ("UTC", "America/New_York", "Asia/Tokyo")], dtype=np.uint16)
    now = epoch_seconds(datetime(2026, 3, 4, 21, 0, tzinfo=UTC))
    assert in_hours(zones, now, Controls(), for_seconds=900).tolist() == [True, True, True]
    assert in_hours(zones, now + 3_600, Controls(), for_seconds=900).tolist() == [False, True, True]
    assert in_hours(zones, now - 3_600, Controls(), for_seconds=900).tolist() == [True, True, False]


def test_a_cycle_that_would_run_past_closing_does_not_begin() -> None:
    utc = np.zeros(1, dtype=np.uint16)
    closing = epoch_seconds(datetime(2026, 3, 4, 22, 0, tzinfo=UTC))
    assert in_hours(utc, closing - 900, Controls(), for_seconds=900)[0]
    assert not in_hours(utc, closing - 899, Controls(), for_seconds=900)[0]


def test_an_opening_leaves_the_time_that_is_asked_for() -> None:
    utc, closing = np.zeros(3, dtype=np.uint16), epoch_seconds(datetime(2026, 3, 4, 22, 0, tzinfo=UTC))
    at = closing - np.array([1_801, 1_800, 1_799])
    assert next_opening(utc, at, Controls(), for_seconds=1_800).tolist() == [at[0], at[1], closing + 8 * 3_600]


def test_round_the_clock_means_midnight_too() -> None:
    utc, always = np.zeros(1, dtype=np.uint16), Controls(sending_hours_start=0, sending_hours_end=24)
    midnight = epoch_seconds(datetime(2026, 3, 4, tzinfo=UTC))
    assert in_hours(utc, midnight - 60, always, for_seconds=900)[0]
    sunday_ends = np.array([7 * 86_400 - 60])
    assert open_locally(sunday_ends, always, for_seconds=1_800)[0]
    but_mondays = always.model_copy(update={"enabled_weekdays": frozenset({1, 2, 3, 4, 5, 6})})
    assert open_locally(sunday_ends - 1_740, but_mondays, for_seconds=1_800)[0]
    assert not open_locally(sunday_ends - 1_739, but_mondays, for_seconds=1_800)[0]


def test_one_day_a_week_is_found_from_any_day() -> None:
    controls = Controls(enabled_weekdays=frozenset({1}))
    at = np.arange(7, dtype=np.int64) * 86_400 + epoch_seconds(datetime(2026, 3, 4, 12, tzinfo=UTC))
    opening = next_opening(np.zeros(7, dtype=np.uint16), at, controls, for_seconds=1)
    assert {datetime.fromtimestamp(o, UTC).weekday() for o in opening.tolist()} == {1}
    assert (opening - at < 7 * 86_400).all()


def test_every_zone_we_know_has_an_opening() -> None:
    zones = np.arange(len(ZONES), dtype=np.uint16)
    at = np.full(len(zones), epoch_seconds(datetime(2026, 3, 4, tzinfo=UTC)), dtype=np.int64)
    opening = next_opening(zones, at, Controls(), for_seconds=1)
    assert (opening >= at).all()
    assert (opening - at <= 86_400).all()


def test_no_rows_are_no_trouble() -> None:
    empty = np.zeros(0, dtype=np.uint16)
    assert len(next_opening(empty, np.zeros(0, dtype=np.int64), Controls(), for_seconds=1)) == 0
    assert len(in_hours(empty, 0, Controls(), for_seconds=900)) == 0


@given(
    zone=st.sampled_from(
        ["America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Asia/Kathmandu", "UTC"]
    ),
    moments=st.lists(st.integers(1_767_225_600, 1_830_297_600), min_size=1, max_size=6),
)
def test_a_reader_s_clock_is_read_as_datetime_reads_it(zone: str, moments: list[int]) -> None:
    at = np.array(moments, dtype=np.int64)[:, None] + np.array([0, 1_799, 3_600, 86_400])
    local = local_seconds(np.full(len(moments), ZONES.index(zone), dtype=np.uint16), at)
    for second, moment in zip(local.ravel().tolist(), at.ravel().tolist(), strict=True):
        there = datetime.fromtimestamp(moment, ZoneInfo(zone))
        assert second == there.weekday() * 86_400 + there.hour * 3_600 + there.minute * 60 + there.second


def test_a_clock_change_is_found_to_the_second() -> None:
    change = int(datetime(2026, 3, 8, 7, tzinfo=UTC).timestamp())  # New York, 2:00 is 3:00
    zones = np.full(1, ZONES.index("America/New_York"), dtype=np.uint16)
    before, after = local_seconds(zones, np.array([[change - 1, change]]))[0].tolist()
    assert (before % 86_400, after % 86_400) == (2 * 3_600 - 1, 3 * 3_600)
