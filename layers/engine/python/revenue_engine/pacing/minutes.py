"""The minutes of a cycle. Needs no numpy: whoever approves a plan loads it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

CYCLE_MINUTES = 15  # SQS can delay a message by at most 900 seconds
CYCLE_SECONDS = CYCLE_MINUTES * 60
# who is planned for a second is decided by the cycle that comes within a quarter of an hour, and mailed within another
PLANNED_SECONDS = 2 * CYCLE_SECONDS


def span_minutes(now: datetime, zone: str) -> int:
    """How many minutes of the cycle lie on the org's day of `now`, 0..15: a day's budget pays for that day's mails alone (D6)."""
    local = now.astimezone(ZoneInfo(zone))
    midnight = datetime.combine(local.date() + timedelta(days=1), time(), local.tzinfo)
    return max(0, min(CYCLE_MINUTES, int((midnight.timestamp() - now.timestamp()) // 60)))
