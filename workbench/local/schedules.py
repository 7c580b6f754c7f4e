"""EventBridge's schedule expressions: `rate(15 minutes)` and `cron(15 23 * * ? *)`, in UTC."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_LAST_YEAR = 2199  # AWS's


class Schedule(Protocol):
    """A sequence of moments."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment strictly later, None when there is none."""


@dataclass(frozen=True)
class Rate:
    """Every `period`, counted from the moment the rule was made."""

    period: timedelta
    made_at: datetime

    def next_after(self, moment: datetime) -> datetime:
        return self.made_at + ((moment - self.made_at) // self.period + 1) * self.period


@dataclass(frozen=True)
class Cron:
    """Minutes, hours, months, years as sets; days as a test, since they depend on the month."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    is_day: Callable[[datetime], bool]

    def next_after(self, moment: datetime) -> datetime | None:
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while day.year <= _LAST_YEAR:
            if day.year not in self.years or day.month not in self.months:
                year, month = (day.year, day.month + 1) if day.month < 12 else (day.year + 1, 1)
                day = day.replace(year=year, month=month, day=1)
                continue
            if self.is_day(day):
                for at in self._times(day):
                    if at > moment:
                        return at
            day += timedelta(days=1)
        return None

    def _times(self, day: datetime) -> Iterator[datetime]:
        return (day.replace(hour=hour, minute=minute) for hour in self.hours for minute in self.minutes)


def parse(expression: str, made_at: datetime) -> Schedule:
    """Read an expression as EventBridge does. Raises ValueError with the expression."""
    if match := re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", expression):
        count = int(match[1])
        if count < 1 or (count == 1) == bool(match[3]):
            raise ValueError(f"{expression}: the unit is singular for 1 and plural above")
        return Rate(count * _UNITS[match[2]], made_at)
    if match := re.fullmatch(r"cron\((.+)\)", expression):
        fields = match[1].split()
        if len(fields) != 6:
            raise ValueError(f"{expression}: six fields are wanted, there are {len(fields)}")
        try:
            return _cron(*fields)
        except ValueError as error:
            raise ValueError(f"{expression}: {error}") from error
    raise ValueError(f"{expression}: neither rate(...) nor cron(...)")


def _cron(minute: str, hour: str, day: str, month: str, weekday: str, year: str) -> Cron:
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        tuple(sorted(_values(minute, 0, 59, {}))),
        tuple(sorted(_values(hour, 0, 23, {}))),
        frozenset(_values(month, 1, 12, _MONTHS)),
        frozenset(_values(year, 1970, _LAST_YEAR, {})),
        _day_of_month(day) if weekday == "?" else _day_of_week(weekday),
    )


def _day_of_month(field: str) -> Callable[[datetime], bool]:
    if field == "L":
        return lambda day: day.day == calendar.monthrange(day.year, day.month)[1]
    days = _values(field, 1, 31, {})
    return lambda day: day.day in days


def _day_of_week(field: str) -> Callable[[datetime], bool]:
    if match := re.fullmatch(r"(\w+)#([1-5])", field):
        wanted, nth = _value(match[1], 1, 7, _WEEKDAYS), int(match[2])
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == nth
    if match := re.fullmatch(r"(\w+)L", field):
        wanted = _value(match[1], 1, 7, _WEEKDAYS)
        return lambda day: _weekday(day) == wanted and (day + timedelta(days=7)).month != day.month
    days = _values(field, 1, 7, _WEEKDAYS)
    return lambda day: _weekday(day) in days


def _weekday(day: datetime) -> int:
    return day.isoweekday() % 7 + 1  # 1 = Sunday


def _values(field: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (_value(end, low, high, names) for end in span.split("-", 1))
        else:
            first = _value(span, low, high, names)
            last = high if slash else first
        if slash and not (step.isdigit() and int(step) > 0):
            raise ValueError(f"step {step!r} in {field!r}")
        stop = last if first <= last else last + high - low + 1  # FRI-MON goes round the end of the week
        values.update((n - low) % (high - low + 1) + low for n in range(first, stop + 1, int(step) if slash else 1))
    return values


def _value(text: str, low: int, high: int, names: dict[str, int]) -> int:
    number = names.get(text.upper(), int(text) if text.isdigit() else -1)
    if not low <= number <= high:
        raise ValueError(f"{text!r} is not between {low} and {high}")
    return number
