"""A reader's own clock, on which a world's rows are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from workbench.simulation.worlds.events import DAY

FIRST_DAY = date(2026, 3, 2)  # day 0 of every world: a Monday, the 61st of its year, as `WorldSpec` says


@dataclass(frozen=True, slots=True)
class ReaderClock:
    """Seconds since the first midnight of a zone. It is not put forward in spring: a world's day always has 24 hours."""

    midnight: datetime  # UTC

    @classmethod
    def of(cls, zone: str) -> ReaderClock:
        """The clock of an IANA zone."""
        at = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=ZoneInfo(zone))
        return cls(at.astimezone(UTC))

    def moment(self, at: float) -> datetime:
        """UTC of these seconds."""
        return self.midnight + timedelta(seconds=at)

    def read(self, moment: datetime) -> tuple[int, int, float]:
        """Day, hour, and the part of the hour that has gone. Raises ValueError before the first midnight."""
        seconds = (moment - self.midnight).total_seconds()
        if seconds < 0:
            raise ValueError(f"the worlds' first day has not begun at {moment:%Y-%m-%d %H:%M} UTC")
        hours, past = divmod(seconds / 3_600, 1)
        return int(seconds // DAY), int(hours) % 24, past
