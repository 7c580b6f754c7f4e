"""What an operator sees first: the switch, the breaker, the last cycles, today's counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch
from revenue_engine.errors import Refused
from revenue_engine.records.causes import Stop
from revenue_engine.records.controls import Controls
from revenue_engine.services.books import controls_in_books_currency
from revenue_engine.services.cycle_results import cycle_results
from revenue_engine.services.pace import in_force, known_velocity

POSTMASTER_DAYS = 90
_CONVERSIONS = ("came", "expected", "ratio", "tail")  # of a look at the velocity (`pacing.velocity.Verdict`)


def status(w: Wiring, org: str, *, now: datetime) -> dict[str, Any]:
    """Today is a day of the org's zone. What is unreadable is shown as such, never guessed."""
    try:
        autonomy: str = w.parameters.autonomy(org).value
    except Refused as refused:
        autonomy = refused.reason
    controls = controls_in_books_currency(w, org)
    today = day_in(now, controls.zone)
    breaker = w.control.breaker(org) or {}
    counted = w.counters.day_counters(org, today, today).get(today, {})
    last_cycle = w.control.last_cycle(org)
    cycles = [item for days in (1, 0) for item in w.control.cycles(org, now.date() - timedelta(days=days))]
    return {
        "org": org,
        "currency": controls.currency,
        "autonomy": autonomy,
        "breaker": {name: breaker.get(name) for name in ("state", "reason", "since", "judged_at", "human_needed")},
        "findings": (w.safety.look(org) or {}).get("findings", []),
        "stopped": _stopped(w, org, now),
        "postmaster": _postmaster(w, org, now),
        "last_cycle": last_cycle and {name: value for name, value in last_cycle.items() if name not in ("pk", "sk")},
        "cycles": cycle_results(w, org, cycles, now=now),
        "prices": _prices(w, org, last_cycle),
        "velocity": _velocity(w, org, controls),
        "day": today.isoformat(),
        "budget": {"reserved": w.control.budget_reserved(org, today.isoformat()), "cap": controls.max_daily_emails},
        "goal": {
            "daily_revenue_goal_micros": controls.daily_revenue_goal_micros,
            "revenue_micros": sum(counted.get(f"reported_{kind}_micros", 0) for kind in ("provisional", "approved")),
        },
        "today": {name: value for name, value in sorted(counted.items()) if "@" not in name and "%" not in name},
        "feed": _feed(w, org),
        "champion": w.bundles.champion(org),
        "profile_coverage": _profile(cycles),
        "training": {what: _training(w, org, what) for what in ("funnel", "value")},
    }


def _prices(w: Wiring, org: str, last_cycle: Item | None) -> dict[str, int]:
    """What the last cycle asked of a mail and for a complaint: they explain why less is mailed than could be."""
    cycle_id = (last_cycle or {}).get("cycle_id")
    report = ((w.control.cycle(org, cycle_id) or {}) if cycle_id else {}).get("report", {})
    return {name: int(report[name]) for name in ("lambda_micros", "kappa_micros") if name in report}


def _velocity(w: Wiring, org: str, controls: Controls) -> dict[str, Any]:
    """Mails a minute, what the last cycle saw of them, and the last step that it or another made."""
    known, step = known_velocity(w, org, controls) or {}, w.control.last_velocity_step(org)
    names = ("cycle_id", "before", "sends_per_minute", "state", "trouble", "stepped_at", *_CONVERSIONS)
    return {
        "sends_per_minute": in_force(w, org, controls),
        **{name: known.get(name) for name in ("state", "trouble", *_CONVERSIONS)},
        "last_step": step and {name: step.get(name) for name in names},
    }


def _profile(cycles: Sequence[Item]) -> dict[str, float]:
    """Shares of those decided yesterday and today, as often as they were: what they declared is worth more than any model."""
    counted = [item["report"]["profile"] for item in cycles if "profile" in item.get("report", {})]
    people = sum(each["people"] for each in counted)
    names = [name for name in (counted[0] if people else {}) if name != "people"]
    return {name: float(sum(each[name] for each in counted) / people) for name in names}


def _training(w: Wiring, org: str, what: str) -> dict[str, Any] | None:
    """Of the last training run: what became champion, or why nothing did, and what has drifted."""
    report = w.bundles.last_report(org, what)
    if report is None:
        return None
    return {
        "at": report["at"],
        "promoted": report["promoted"],
        "refused": report["refused"],
        "kept_aside": {one["name"]: one["reasons"] for one in report["candidates"] if not one["passed"]},
        "drift": report["drift"]["alarms"],
    }


def _stopped(w: Wiring, org: str, now: datetime) -> dict[str, dict[str, Any]]:
    """What the judge has stopped, by key: every reason, since the first and until the last stop."""
    by_key: defaultdict[str, list[Stop]] = defaultdict(list)
    for stop in w.safety.stops(org, now=epoch_seconds(now)):
        by_key[stop.cause.key].append(stop)
    return {
        key: {
            "reason": ", ".join(stop.reason for stop in stops),
            "since": from_epoch(min(stop.since for stop in stops)),
            "until": from_epoch(max(ends)) if all(ends := [stop.until or 0 for stop in stops]) else None,
        }
        for key, stops in by_key.items()
    }


def _postmaster(w: Wiring, org: str, now: datetime) -> dict[str, Any]:
    """Gmail's complaints are known only as far as somebody has imported them."""
    told = w.safety.postmaster(org, since=now.date() - timedelta(days=POSTMASTER_DAYS))
    newest = max((day.day for day in told), default=None)
    return {
        "newest_day": newest,
        "age_days": (now.date() - newest).days if newest else None,
        "spam_ratio": max((day.spam_ratio for day in told if day.day == newest), default=None),
    }


def _feed(w: Wiring, org: str) -> dict[str, Any]:
    """When the last postback came, and what each token was last used: silence is seen also where nobody gets the alarm."""
    seen = w.feed.seen(org)
    return {
        "last_postback_at": max((use.last_at for use in seen.values()), default=None),
        "tokens": {mark: asdict(use) for mark, use in seen.items()},
    }
