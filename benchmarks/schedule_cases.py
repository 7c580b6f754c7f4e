"""Random weeks for `benchmarks.schedule`, a checker that shares nothing with the solver, and the linear programme that bounds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.pacing.curve import Answers, population_curve, taste_of, week
from revenue_engine.pacing.hours import Zones, local_seconds
from revenue_engine.pacing.minutes import CYCLE_MINUTES
from revenue_engine.pacing.schedule import People, Places, Plan, permitted
from revenue_engine.pacing.warm_up import CYCLES_OF_DAY, DAYS, daily_allowance
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.subscriber import PART_HOURS, PROVIDERS
from revenue_engine.records.zones import ZONES

HOUR, WEEK = 3_600, 7 * 86_400
LEAVES_WITHIN = CYCLE_MINUTES * 60
# clocks change near these: United States, Europe, both again, Lord Howe by half an hour, Chile
_CHANGES = ("2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31", "2026-04-03", "2026-09-05")


@dataclass(frozen=True, slots=True)
class Case:
    """One org's hours to come, as facts."""

    controls: Controls
    start: int
    hours: int
    zone: Zones  # (n,) index into ZONES
    offset: Ints
    provider: Ints
    recent_sends: Ints  # (n, 8)
    ends_at: Ints
    worth: Floats  # (n, H)
    places: Places


def drawn(seed: int, people: int, hours: int) -> Case:
    """A case: everything is random, and a part of them lies on a change of clocks."""
    random = np.random.default_rng([seed, people])
    first, last = sorted(random.choice(25, 2, replace=False).tolist())
    days = random.choice(7, int(random.integers(1, 8)), replace=False)
    per_minute = int(random.integers(10, 30))
    controls = Controls(
        zone=str(random.choice(ZONES)),
        enabled_weekdays=frozenset(int(d) for d in days) if random.random() < 0.4 else frozenset(range(7)),
        sending_hours_start=min(first, 23),
        sending_hours_end=max(last, min(first, 23) + 1),
        max_emails_per_subscriber_per_week=int(random.integers(0, 8)),
        min_hours_between_emails=int(random.integers(12, 73)),
        sends_per_minute=per_minute,
    )
    near = datetime.fromisoformat(str(random.choice(_CHANGES))).replace(tzinfo=UTC)
    day = near if random.random() < 0.5 else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=int(random.integers(0, 700)))
    start = int((day + timedelta(hours=int(random.integers(0, 24)))).timestamp())
    zone = random.choice(random.integers(0, len(ZONES), 12), people).astype(np.uint16)
    offset = random.integers(0, HOUR, people)
    sends = start - np.cumsum(random.integers(6 * HOUR, 60 * HOUR, (people, 8)), axis=1)
    sends[np.arange(8)[None, :] >= random.integers(0, 9, people)[:, None]] = 0
    ends_at = np.where(random.random(people) < 0.3, start + random.integers(0, hours * HOUR, people), start + 10 * WEEK)
    return Case(
        controls=controls,
        start=start,
        hours=hours,
        zone=zone,
        offset=offset,
        provider=random.choice(len(PROVIDERS), people, p=[0.25, 0.4, 0.15, 0.1, 0.1]),
        recent_sends=sends,
        ends_at=ends_at,
        worth=_worth(random, zone, offset, start, hours),
        places=_places(random, controls, start, hours, people),
    )


def _worth(random: np.random.Generator, zone: Zones, offset: Ints, start: int, hours: int) -> Floats:
    """Money of a mail by hour: people differ in level, and by their curves, which are learned from twenty mails each."""
    n = len(zone)
    row, hour = np.repeat(np.arange(n), 20), random.integers(0, 168, 20 * n)
    chance = 0.05 * (1 + 0.8 * np.sin(2 * np.pi * (hour % 24 - random.normal(14, 4, n)[row]) / 24))
    clicked = random.random(20 * n) < chance
    rows = np.zeros(n, dtype=ROW_DTYPE)
    rows["peak_hour"] = -1
    population, level = population_curve(Answers(hour, clicked.astype(np.float64), np.full(20 * n, 0.05))), np.ones(n)
    if random.random() < 0.75:  # else a young list, on which nobody is known: all are alike
        level = np.exp(0.7 * random.standard_normal(n))
        rows["peak_hour"] = np.where(random.random(n) < 0.3, random.integers(0, 24, n), -1)
        np.add.at(rows["hour_mails"], (row, hour % 24 // PART_HOURS), 1)
        np.add.at(rows["hour_clicks"], (row[clicked], hour[clicked] % 24 // PART_HOURS), 1)
    taste = taste_of(Batch(np.zeros(n, dtype="U1"), rows, np.zeros(n, dtype=np.int64)), week(population))
    moments = start + offset[:, None] + HOUR * np.arange(hours)
    price = 0.3 * random.random()  # of which some mails are not worth
    return np.asarray(level[:, None] * taste.at(local_seconds(zone, moments) // HOUR) - price)


def _places(random: np.random.Generator, controls: Controls, start: int, hours: int, people: int) -> Places:
    zone = ZoneInfo(controls.zone)
    ends: list[int] = []
    day = datetime.fromtimestamp(start, zone).date()
    while not ends or ends[-1] <= start + (hours + 1) * HOUR:
        day += timedelta(days=1)
        ends.append(int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()))
    tight = np.exp(random.uniform(np.log(0.05), np.log(1.5)))
    daily = np.full(len(ends), max(int(people * tight / 3), 0))
    lately = random.integers(0, max(int(people * tight / 4), 1) + 1, (len(PROVIDERS), 7))
    quiet = [0] * (DAYS + 1)
    allowed = np.array([daily_allowance([*days, 0], quiet, start=20) for days in lately.tolist()])
    of_day = np.minimum(allowed[:, None], random.integers(1, people + 1, (len(PROVIDERS), len(ends))))
    hour_of_day = np.searchsorted(ends, start + HOUR * np.arange(hours), side="right")
    of_hour = np.minimum(4 * -(-of_day // CYCLES_OF_DAY), 60 * controls.sends_per_minute)[:, hour_of_day]
    hourly = random.integers(0, max(int(people * tight / 8), 1) + 1, hours)
    return Places(start, hourly, of_hour, np.array(ends), daily, of_day)


def people_of(case: Case) -> People:
    """The case as the solver takes it."""
    return People(
        worth=case.worth,
        permitted=permitted(
            case.zone,
            case.offset,
            case.ends_at,
            start=case.start,
            hours=case.hours,
            controls=case.controls,
            for_seconds=LEAVES_WITHIN,
        ),
        offset=case.offset,
        provider=case.provider.astype(np.intp),
        recent_sends=case.recent_sends,
        gap_seconds=np.full(len(case.zone), case.controls.min_hours_between_emails * HOUR),
        per_week=case.controls.max_emails_per_subscriber_per_week,
    )


# --- the checker: loops, `datetime` and the rules as the sender's last look has them ----------------------------------------
def violations(case: Case, plan: Plan) -> list[str]:
    """Every rule that a planned mail breaks, by name."""
    broken: list[str] = []
    mails: dict[int, list[int]] = {}
    hours: Counter[tuple[int, ...]] = Counter()
    days: Counter[tuple[str, ...]] = Counter()
    org_zone = ZoneInfo(case.controls.zone)
    for row, hour, at in zip(plan.row.tolist(), plan.hour.tolist(), plan.at.tolist(), strict=True):
        provider = int(case.provider[row])
        if not case.start + hour * HOUR <= at < case.start + (hour + 1) * HOUR:
            broken.append("hour")
        if case.worth[row, hour] <= 0:
            broken.append("worthless")
        if at + LEAVES_WITHIN > case.ends_at[row]:
            broken.append("expired")
        tz = ZoneInfo(ZONES[case.zone[row]])
        if not all(_open(case.controls, datetime.fromtimestamp(t, tz)) for t in (at, at + LEAVES_WITHIN - 1)):
            broken.append("outside_hours")
        mails.setdefault(row, []).append(at)
        hours[(hour,)] += 1
        hours[provider, hour] += 1
        day = datetime.fromtimestamp(at, org_zone).date().isoformat()
        days[(day,)] += 1
        days[str(provider), day] += 1
    for row, planned in mails.items():
        known = sorted([at for at in case.recent_sends[row].tolist() if at] + planned)
        for at in planned:
            earlier = [t for t in known if t < at]
            if earlier and at - earlier[-1] < case.controls.min_hours_between_emails * HOUR:
                broken.append("too_soon")
            if sum(t > at - WEEK for t in earlier) >= case.controls.max_emails_per_subscriber_per_week:
                broken.append("week")
        if len(set(planned)) < len(planned):
            broken.append("twice")
    places = case.places
    first = datetime.fromtimestamp(case.start, org_zone).date()
    number = {(first + timedelta(days=d)).isoformat(): d for d in range(len(places.day))}
    for key, used in hours.items():
        broken += ["hour_full"] * int(used > (places.hour[key[0]] if len(key) == 1 else places.provider_hour[key]))
    for name, used in days.items():
        d = number[name[-1]]
        broken += ["day_full"] * int(used > (places.day[d] if len(name) == 1 else places.provider_day[int(name[0]), d]))
    return broken


def _open(controls: Controls, local: datetime) -> bool:
    return local.weekday() in controls.enabled_weekdays and (
        controls.sending_hours_start <= local.hour < controls.sending_hours_end
    )


# --- the bound --------------------------------------------------------------------------------------------------------------
def optimum(case: Case) -> float:
    """The linear programme's value (HiGHS): mails may be split, so no plan is worth more."""
    people = people_of(case)
    usable = people.permitted & (case.worth > 0)
    at = case.start + case.offset[:, None] + HOUR * np.arange(case.hours)
    gap = case.controls.min_hours_between_emails * HOUR
    usable &= at - case.recent_sends.max(axis=1)[:, None] >= gap
    row, hour = np.nonzero(usable)
    if not len(row):
        return 0.0
    entries, limits = _rules(case, row, hour, at[row, hour], gap // HOUR)
    matrix = coo_array((np.ones(len(entries[0])), entries), shape=(len(limits), len(row))).tocsr()
    found = linprog(-case.worth[row, hour], A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs")
    if not found.success:
        raise RuntimeError(found.message)
    return float(-found.fun)


def _rules(case: Case, row: Ints, hour: Ints, at: Ints, gap: int) -> tuple[tuple[Ints, Ints], Floats]:
    """Rows of the constraint matrix and their right sides."""
    places, provider = case.places, case.provider[row]
    day = np.searchsorted(places.day_ends, at, side="right")
    lines: list[tuple[Ints, float]] = []
    for group, most in (
        (hour, places.hour),
        (provider * case.hours + hour, places.provider_hour.ravel()),
        (day, places.day),
        (provider * len(places.day) + day, places.provider_day.ravel()),
    ):
        lines += [(np.flatnonzero(group == value), float(most[value])) for value in np.unique(group)]
    per_week = case.controls.max_emails_per_subscriber_per_week
    for person in np.unique(row):
        mine = np.flatnonzero(row == person)
        for place in mine:
            lines.append((mine[(hour[mine] >= hour[place]) & (hour[mine] < hour[place] + gap)], 1.0))
            still = int((case.recent_sends[person] > at[place] - WEEK).sum())
            lines.append((np.append(mine[hour[mine] < hour[place]], place), float(max(per_week - still, 0))))
    lines = _kept(lines)
    which = np.repeat(np.arange(len(lines)), [len(columns) for columns, _ in lines])
    return (which, np.concatenate([columns for columns, _ in lines])), np.array([most for _, most in lines])


def _kept(lines: list[tuple[Ints, float]]) -> list[tuple[Ints, float]]:
    """Without those that cannot bind."""
    kept: list[tuple[Ints, float]] = [(columns, most) for columns, most in lines if len(columns) > most]
    return kept or lines[:1]


def greedy(case: Case) -> float:
    """The peer: best mail first, wherever there is still room for it."""
    people = people_of(case)
    usable: Bools = people.permitted & (case.worth > 0)
    row, hour = np.nonzero(usable)
    order = np.argsort(-case.worth[row, hour], kind="stable")
    places, n, gap = case.places, len(case.zone), case.controls.min_hours_between_emails * HOUR
    left = [np.array(of) for of in (places.hour, places.provider_hour, places.day, places.provider_day)]
    sent: list[list[int]] = [[t for t in case.recent_sends[i].tolist() if t] for i in range(n)]
    total = 0.0
    for i, h in zip(row[order].tolist(), hour[order].tolist(), strict=True):
        at = case.start + h * HOUR + int(case.offset[i])
        p, d = int(case.provider[i]), int(np.searchsorted(places.day_ends, at, side="right"))
        if not (left[0][h] > 0 and left[1][p, h] > 0 and left[2][d] > 0 and left[3][p, d] > 0):
            continue
        mine = sorted([*sent[i], at])
        if any(b - a < gap for a, b in pairwise(mine) if at in (a, b)):
            continue
        most = case.controls.max_emails_per_subscriber_per_week
        if any(sum(t - WEEK < s <= t for s in mine) > most for t in mine if t >= at):
            continue
        sent[i] = mine
        left[0][h] -= 1
        left[1][p, h] -= 1
        left[2][d] -= 1
        left[3][p, d] -= 1
        total += float(case.worth[i, h])
    return total
