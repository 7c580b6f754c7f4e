"""Time is an argument: aware UTC datetimes, made by a clock at the edge."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CYCLE = timedelta(minutes=15)  # every quarter of an hour decides anew


def utc_now() -> datetime:
    """The edge's clock. The core never calls it."""
    return datetime.now(UTC)


def epoch_seconds(at: datetime) -> int:
    """Whole seconds since 1970 of an aware datetime."""
    return int(at.timestamp())


def epoch_millis(at: datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime."""
    return round(at.timestamp() * 1000)


def from_epoch(seconds: float) -> datetime:
    """Aware UTC of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def iso_millis(at: datetime) -> str:
    """`2026-03-04T12:31:55.570Z`: sorts as it runs."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse_iso(text: str) -> datetime:
    """Aware UTC of an ISO 8601 text with a zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return at.astimezone(UTC)


def utc_hour(at: datetime) -> str:
    """`2026-03-04T12`: the counters' bucket."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H")


def cycle_id_at(at: datetime) -> str:
    """`20260304T1215` names the quarter of an hour: a decision cycle runs once."""
    start = at.astimezone(UTC)
    return f"{start:%Y%m%dT%H}{start.minute // 15 * 15:02d}"


def cycle_began(cycle_id: str) -> datetime:
    """The start of the quarter of an hour that names a cycle. Raises ValueError on another name."""
    return datetime.strptime(cycle_id, "%Y%m%dT%H%M").replace(tzinfo=UTC)


def midnight(day: date, zone: str) -> datetime:
    """When a calendar day begins in an IANA zone, aware UTC."""
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def day_in(at: datetime, zone: str) -> date:
    """The calendar day at `at` in an IANA zone: `today` always has a zone."""
    return at.astimezone(ZoneInfo(zone)).date()
