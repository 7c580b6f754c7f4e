"""Random cycles for `benchmarks.schedule`, played as they are live; a checker that shares nothing with the solver, and the linear programme
that bounds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from benchmarks.cycle_scene import offers
from revenue_engine import __version__
from revenue_engine.arrays import Bools
from revenue_engine.bundle import Bundle, Parts, seal
from revenue_engine.context import LATER_HOURS, CycleContext, Price, first_later_hour, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import grant, places
from revenue_engine.later import CUT, MOST_PLANNED, Taken, asked
from revenue_engine.offers.posterior import fold
from revenue_engine.pacing.hours import in_hours
from revenue_engine.pacing.index import Habits, ValueTable
from revenue_engine.pacing.minutes import CYCLE_SECONDS, PLANNED_SECONDS
from revenue_engine.pacing.schedule import HOUR, People, Places, Plan, Positions, plan
from revenue_engine.pacing.solve import solve
from revenue_engine.pacing.warm_up import CYCLES_OF_DAY, room
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.offer import Offer
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import ARMS, PARTS, PROVIDERS, RECENT, SCHEMA
from revenue_engine.records.zones import ZONES

DAY, WEEK = 24 * HOUR, 168 * HOUR
FIXED_GAP = WEEK  # of the fixed policy's readers
# clocks change near these: United States, Europe, both again, Lord Howe by half an hour, Chile
_CHANGES = ("2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31", "2026-04-03", "2026-09-05")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a cycle, with what it decided and whom it planned for."""

    batch: Batch
    decisions: Decisions  # after `grant`
    cut: Positions  # (m,) rows that were planned for, best first
    people: People  # as the solver was asked
    places: Places


# --- a cycle, as facts ------------------------------------------------------------------------------------------------------
def drawn(seed: int, people: int, pages: int) -> tuple[CycleContext, list[Batch]]:
    """Everything is random: hours, days, caps, what others have taken, offers that end; half of the cycles lie near a change of clocks."""
    random = np.random.default_rng([seed, people])
    near = datetime.fromisoformat(str(random.choice(_CHANGES))).replace(tzinfo=UTC)
    day = near if random.random() < 0.5 else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=int(random.integers(0, 700)))
    now = day + timedelta(minutes=15 * int(random.integers(0, 96)), seconds=int(random.integers(0, 60)))
    first, last = sorted(random.choice(25, 2, replace=False).tolist())
    days = random.choice(7, int(random.integers(1, 8)), replace=False)
    controls = Controls(
        zone=str(random.choice(ZONES)),
        ghost_share=0.02,
        enabled_weekdays=frozenset(int(d) for d in days) if random.random() < 0.4 else frozenset(range(7)),
        sending_hours_start=first,
        sending_hours_end=last,
        max_emails_per_subscriber_per_week=int(random.integers(1, 8)),
        min_hours_between_emails=int(random.integers(12, 73)),
        min_revenue_per_email_micros=0,
        sends_per_minute=int(random.integers(10, 20)),
        max_daily_emails=max(1, int(people * np.exp(random.uniform(np.log(0.05), np.log(1.5))))),
    )
    context = _context(random, now, controls, people)
    return context, _pages(random, now, controls, people, pages)


def _context(random: np.random.Generator, now: datetime, controls: Controls, people: int) -> CycleContext:
    hourly, left = 60 * controls.sends_per_minute, int(people * np.exp(random.uniform(np.log(0.003), np.log(0.1)))) + 1
    bundle = _bundle(float(random.uniform(0, 24)), float(random.choice([0.0, 0.4, 0.8])), int(random.integers(0, 4)))
    known = [
        replace(
            offer,
            payout_micros=8 * (offer.payout_micros or 0),
            live_until=now + timedelta(minutes=int(random.integers(1, 72 * 60))) if random.random() < 0.7 else None,
        )
        for offer in random.permutation(np.array(offers(), dtype=object))[: int(random.integers(1, 4))].tolist()
    ]
    allowed = random.integers(1, people, len(PROVIDERS))
    return CycleContext(
        org="benchmark",
        cycle_id=f"{now:%Y%m%dT%H%M}",
        now=now,
        autonomy=Autonomy.FULL,
        controls=controls,
        offers=tuple(known),
        posteriors=fold((), known, bundle.rates, now),
        bundle=bundle,
        price=Price(),
        budget_left=int(random.integers(1, controls.max_daily_emails + 1)),
        list_refreshed_at={},
        caps_reached={},
        code_version=__version__,
        spoken_for=tuple(np.maximum(hourly - random.integers(0, left, LATER_HOURS), 0).tolist()) if random.random() < 0.7 else (),
        rooms={
            name: room(int(most), int(random.integers(0, most + 1)))
            for name, most in zip(PROVIDERS, allowed, strict=True)
            if random.random() < 0.8
        },
    )


@lru_cache(maxsize=512)
def _bundle(peak: float, swing: float, weekend: int) -> Bundle:
    """The prior's rates on a list whose readers have, or have not, hours and days they like."""
    hour = np.arange(168)
    curve = (1 + swing * np.cos(2 * np.pi * (hour % 24 - peak) / 24)) * np.where(hour // 24 >= 5, 1 - 0.05 * weekend, 1.0)
    parts = Parts(PRIOR_RATES, _values(), hours=curve / curve.mean())
    return seal(parts, trained_at=datetime(2026, 1, 1, tzinfo=UTC), code_version="", prior=True, data_fingerprint="", metrics={})


@lru_cache(maxsize=1)
def _values() -> ValueTable:
    return solve(Habits())


def _pages(random: np.random.Generator, now: datetime, controls: Controls, people: int, pages: int) -> list[Batch]:
    """People who are due, most of them inside their hours; some were mailed too lately, some answered long ago."""
    at = int(now.timestamp())
    zones = np.arange(len(ZONES), dtype=np.uint16)
    awake = zones[in_hours(zones, at, controls, for_seconds=CYCLE_SECONDS)]
    some = random.choice(awake if len(awake) else zones, 12)
    rows = np.zeros(people, dtype=ROW_DTYPE)
    rows["schema"], rows["decayed_at"], rows["created_at"] = SCHEMA, at - DAY, at - 400 * DAY
    rows["draw_key"] = random.integers(1, 2**63, people, dtype=np.uint64)
    rows["zone"] = random.choice(some, people)
    rows["provider"] = random.choice(len(PROVIDERS), people, p=[0.25, 0.4, 0.15, 0.1, 0.1])
    rows["arm"] = np.where(random.random(people) < 0.1, ARMS.index("fixed"), ARMS.index("engine"))
    # as often as they may be mailed, more or less: a third would be so again too soon
    usual = max(controls.min_hours_between_emails, 168 // controls.max_emails_per_subscriber_per_week) * HOUR
    gaps = usual * np.exp(random.normal(0.3, 0.6, (people, RECENT)))
    sends = at - np.cumsum(gaps, axis=1).astype(np.int64)
    sends[np.arange(RECENT)[None, :] >= random.integers(0, RECENT + 1, people)[:, None]] = 0
    rows["recent_sends"], rows["last_send_at"], rows["first_send_at"] = sends, sends[:, 0], sends[:, 0]
    rows["recent_offers"] = random.integers(1_001, 1_061, (people, RECENT))
    rows["sends"] = rows["deliveries"] = (sends > 0).sum(axis=1)
    rows["human_clicks"] = random.gamma(0.5, 2.0, people)
    rows["last_human_click_at"] = at - random.exponential(30, people) * DAY
    rows["peak_hour"] = -1
    if random.random() < 0.75:  # else a young list, on which nobody is known: all are alike
        rows["peak_hour"] = np.where(random.random(people) < 0.3, random.integers(0, 24, people), -1)
        rows["hour_mails"] = random.integers(0, 12, (people, PARTS))
        rows["hour_clicks"] = random.binomial(rows["hour_mails"], 0.05)
    keys = np.array([f"{row:026d}" for row in range(people)])
    decided = np.full(people, at - DAY, dtype=np.int64)
    return [Batch(keys[part], rows[part], decided[part]) for part in np.array_split(np.arange(people), pages)]


# --- a cycle, played --------------------------------------------------------------------------------------------------------
def played(context: CycleContext, batches: list[Batch]) -> list[Page]:
    """Page by page, as `services.run_cycle` does it."""
    cycle, taken, pages = prepare(context), Taken.at_first(context), []
    for batch in batches:
        before = decide_batch(batch, cycle)
        left = max(0, context.budget_left - sum(taken.by_pages(context)))
        after = grant(before, batch, cycle, min(places(before, cycle, taken), left), taken=taken)
        cut = _best_first(after)[:MOST_PLANNED]
        pages.append(Page(batch, after, cut, *asked(after, batch, cycle, taken, cut=cut)))
        taken = taken.and_then(after, cycle)
    return pages


def _was_cut(decisions: Decisions) -> Bools:
    """Whom the engine would have mailed, and a cap kept from it."""
    cut: Bools = np.isin(decisions.reason, [NUMBER_OF[name] for name in CUT]) & (decisions.row_index_micros != 0)
    return cut


def _best_first(decisions: Decisions) -> Positions:
    cut = np.flatnonzero(_was_cut(decisions))
    fixed_last = decisions.policy[cut] != ARMS.index("fixed")
    return cut[np.lexsort((decisions.rank[cut], -decisions.row_index_micros[cut], fixed_last))]


# --- the checker: loops, `datetime` and the rules as the sender's last look has them ----------------------------------------
def violations(context: CycleContext, pages: list[Page], plans: list[Plan]) -> list[str]:
    """Every rule that a planned mail breaks, by name. All pages share the hours; providers' hours and days are each page's own."""
    broken: list[str] = []
    start = first_later_hour(int(context.now.timestamp()))
    hours: Counter[int] = Counter()  # by earlier pages
    mails: Counter[int] = Counter()  # of the cycle so far, by provider
    for page, made in zip(pages, plans, strict=True):
        mails.update(page.decisions.provider[page.decisions.mail].tolist())
        mine = list(zip(made.row.tolist(), made.hour.tolist(), made.at.tolist(), strict=True))
        for place, hour, at in mine:
            broken += _of_person(context, page, int(page.cut[place]), at)
            if not start + hour * HOUR <= at < start + (hour + 1) * HOUR:
                broken.append("hour")
            if page.people.worth[place, hour] <= 0:
                broken.append("worthless")
        broken += ["twice"] * (len(mine) - len({place for place, _, _ in mine}))
        broken += _of_caps(context, page, mine, hours, mails)
        put_off = page.decisions.next_decision_at[_was_cut(page.decisions)].tolist()
        hours.update((at - start) // HOUR for at in put_off)
    return broken


def told_otherwise(page: Page, made: Plan) -> int:
    """People whose next decision is not what a plan of the same people and places says."""
    return int((page.decisions.next_decision_at[page.cut[made.row]] != made.at).sum())


def _of_person(context: CycleContext, page: Page, row: int, at: int) -> list[str]:
    controls, broken, of = context.controls, [], page.batch.rows[row]
    tz = ZoneInfo(ZONES[int(of["zone"])])
    if not all(_open(controls, datetime.fromtimestamp(t, tz)) for t in (at, at + PLANNED_SECONDS - 1)):
        broken.append("outside_hours")
    sends = [int(t) for t in of["recent_sends"] if t]
    gap = max(controls.min_hours_between_emails * HOUR, FIXED_GAP if of["arm"] == ARMS.index("fixed") else 0)
    if sends and at - max(sends) < gap:
        broken.append("too_soon")
    if sum(t > at - WEEK for t in sends) >= controls.max_emails_per_subscriber_per_week:
        broken.append("week")
    if not any(_may_leave(context, of, offer, at) for offer in context.offers):
        broken.append("expired")
    return broken


def _open(controls: Controls, local: datetime) -> bool:
    return local.weekday() in controls.enabled_weekdays and (
        controls.sending_hours_start <= local.hour < controls.sending_hours_end
    )


def _may_leave(context: CycleContext, of: np.void, offer: Offer, at: int) -> bool:
    """Whether a mail that is planned for then may still carry the offer when it leaves, and might have carried it now."""
    since = context.now.timestamp() - context.controls.same_offer_gap_days * DAY
    lately = any(number == offer.number and t > since for number, t in zip(of["recent_offers"], of["recent_sends"], strict=True))
    return not lately and (offer.live_until is None or at + PLANNED_SECONDS <= offer.live_until.timestamp())


def _of_caps(
    context: CycleContext, page: Page, mine: list[tuple[int, int, int]], hours: Counter[int], mails: Counter[int]
) -> list[str]:
    controls, zone = context.controls, ZoneInfo(context.controls.zone)
    spoken_for = context.spoken_for or (0,) * LATER_HOURS
    today = context.now.astimezone(zone).date()
    provider_of = [int(page.decisions.provider[page.cut[place]]) for place, _, _ in mine]
    days = [(datetime.fromtimestamp(at, zone).date() - today).days for _, _, at in mine]
    broken: list[str] = []
    for hour, used in Counter(hour for _, hour, _ in mine).items():
        broken += ["hour_full"] * (used > max(60 * controls.sends_per_minute - spoken_for[hour] - hours[hour], 0))
    for day, used in Counter(days).items():
        most = context.budget_left - mails.total() if day == 0 else controls.max_daily_emails
        broken += ["day_full"] * (used > most)
    of_hour = Counter((provider, hour) for provider, (_, hour, _) in zip(provider_of, mine, strict=True))
    of_day = Counter(zip(provider_of, days, strict=True))
    for code, name in enumerate(PROVIDERS):
        takes = context.rooms.get(name)
        if takes is None:
            continue
        broken += ["provider_hour_full"] * sum(used > 4 * takes.cycle for (p, _), used in of_hour.items() if p == code)
        for (provider, day), used in of_day.items():
            most = takes.today - mails[code] if day == 0 else CYCLES_OF_DAY * takes.cycle
            broken += ["provider_day_full"] * (provider == code and used > most)
    return broken


# --- the bound --------------------------------------------------------------------------------------------------------------
def optimum(people: People, of: Places) -> float:
    """The linear programme's value (HiGHS): mails may be split, so no plan is worth more."""
    row, hour = np.nonzero(people.permitted & (people.worth > 0))
    if not len(row):
        return 0.0
    hours, days = len(of.hour), len(of.day)
    provider, day = people.provider[row], _days(people, of)[row, hour]
    groups = (
        (hour, of.hour),
        (provider * hours + hour, of.provider_hour.ravel()),
        (day, of.day),
        (provider * days + day, of.provider_day.ravel()),
        (row, np.ones(len(people.worth))),
    )
    bases = np.cumsum([0, *(len(most) for _, most in groups)])
    lines = np.concatenate([base + group for base, (group, _) in zip(bases, groups, strict=False)])
    columns = np.tile(np.arange(len(row)), len(groups))
    limits = np.concatenate([most for _, most in groups]).astype(np.float64)
    matrix = coo_array((np.ones(len(lines)), (lines, columns)), shape=(len(limits), len(row))).tocsr()
    found = linprog(-people.worth[row, hour], A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs")
    if not found.success:
        raise RuntimeError(found.message)
    return float(-found.fun)


def greedy(people: People, of: Places) -> float:
    """The peer: best mail first, wherever there is still room for it."""
    row, hour = np.nonzero(people.permitted & (people.worth > 0))
    order, days = np.argsort(-people.worth[row, hour], kind="stable"), _days(people, of)
    left = [np.array(part) for part in (of.hour, of.provider_hour, of.day, of.provider_day)]
    mailed: set[int] = set()
    total = 0.0
    for i, h in zip(row[order].tolist(), hour[order].tolist(), strict=True):
        p, d = int(people.provider[i]), int(days[i, h])
        if i in mailed or min(left[0][h], left[1][p, h], left[2][d], left[3][p, d]) <= 0:
            continue
        mailed.add(i)
        left[0][h] -= 1
        left[1][p, h] -= 1
        left[2][d] -= 1
        left[3][p, d] -= 1
        total += float(people.worth[i, h])
    return total


def _days(people: People, of: Places) -> Positions:
    at = of.start + people.offset[:, None] + HOUR * np.arange(len(of.hour))
    return np.searchsorted(of.day_ends, at, side="right")


def plans_of(pages: list[Page]) -> list[Plan]:
    """What the solver makes of each page."""
    return [plan(page.people, page.places) for page in pages]


def best_hours(page: Page) -> Plan:
    """Everybody's hour of greatest worth, whatever the rules say."""
    row, hour = np.arange(len(page.cut)), page.people.worth.argmax(axis=1)
    return Plan(row, hour, page.places.start + HOUR * hour + page.people.offset, np.zeros(len(row)))
