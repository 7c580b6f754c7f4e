"""What mailbox providers are given on an org day, as the counters tell it: the same for who plans and who sends. Needs no numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from revenue_engine.aws.wiring import Wiring
from revenue_engine.pacing.warm_up import DAYS, Room, daily_allowance, room
from revenue_engine.records.controls import Controls


def counter_of(day: date, provider: str) -> str:
    """The Control item that counts a day's mails to a provider."""
    return f"warm_up#{day}#{provider}"


def allowances(w: Wiring, org: str, controls: Controls, *, day: date, providers: Sequence[str]) -> dict[str, int]:
    """Mails of this day, by provider."""
    names = {provider: (f"delivered#{provider}", f"deferrals#{provider}") for provider in providers}
    days = [day - timedelta(days=n) for n in reversed(range(DAYS + 1))]
    counted = w.counters.day_counters(org, days[0], days[-1], only=tuple(name for pair in names.values() for name in pair))
    return {
        provider: daily_allowance(
            *([counted.get(each, {}).get(name, 0) for each in days] for name in pair), start=controls.warm_up_start_per_day
        )
        for provider, pair in names.items()
    }


def rooms_of(
    w: Wiring, org: str, controls: Controls, *, day: date, providers: Sequence[str], planned: Mapping[str, int] | None = None
) -> dict[str, Room]:
    """What each provider still takes: its allowance, less what has left today, and what is `planned` beside it."""
    return {
        provider: room(allowance, w.control.reserved(org, counter_of(day, provider)) + int((planned or {}).get(provider, 0)))
        for provider, allowance in allowances(w, org, controls, day=day, providers=providers).items()
    }
