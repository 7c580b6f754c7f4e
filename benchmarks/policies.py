"""Every policy in the same worlds: cash, the list that is left, and what no policy can beat.

    python -m benchmarks.policies [--quick] [--json]

Full: 20 seeds, paired; it goes on where it was stopped (as long as the code is the same), and writes `benchmarks/results/policies.json`
with the commit. Quick: a few people and weeks, five seeds: it shows that all of it works, and no figure of it means anything.

A list's value is what the same engine, beginning anew on the day it is handed over, earns with it in 180 more days: every policy's list
alike, the engine's own included. `net` is cash and that. It is asked of those lists only that a figure needs, for it is most of the work.

150 days from a cold start, 1,500 people, the default world, every policy:
cash_POLICY (dollars), mails_POLICY, complaints_POLICY (of mails), alive_POLICY (share of the list that can still be reached)
regret_POLICY                 1 - cash over the clairvoyant index's
bound_share_clairvoyant_index its cash over the Lagrangian upper bound
cash_vs_clairvoyant_150d, cash_vs_weekly_150d
                              the engine over the clairvoyant index, and over the weekly newsletter that knows the true EPC

365 days, the same list, in the default world and (`_fatigued`; without lists' values) in the fatigued one:
cash_vs_same_models_sort_365d, cash_vs_weekly_365d, net_vs_weekly_365d, cash_vs_clairvoyant_365d
                              ratios of means over seeds; `_low` is the lower end of the paired 95 % interval
alive_365d, complaints_rate   of the engine
retention_gap_points          share of the list's first worth that the clairvoyant index keeps less the engine's, percentage points
                              (`Trial.kept`: by what a mail to each person would bring); `_high` the upper end, `_150d` of the other run

Placebo: a world where tone, format, hour and weekday do nothing, 150 days.
placebo_loss                  1 - the engine's cash over the best fixed policy's, `_high` the upper end, `_per_mail` the same of the
                              cash a mail. Fixed is whoever chooses neither content nor hours: the engine itself with every offer
                              in one tone and nobody's hour known (it has the same cap and all other information, so what it
                              earns more the engine lost to differences that are not there), the best single offer by own data,
                              the weekly newsletter by own data, chance. "Best" is that with the highest mean.

Broken offer: `workbench.simulation.study.broken`, 20,000 keen people, the engine's favourite's page breaks on day 28.
hours_to_leave_broken_offer   median over seeds of the hours until its share of the engine's mails is, for a day, below a tenth of
                              what it was; who has not left after 14 days counts 336, so there the truth is higher
hours_to_flag_broken_offer    median of the hours until the hourly test of offers' days (`safety.offer_days`) calls it broken
left_broken_offer             share of seeds in which it left at all within the 14 days

world_subscriber_days_per_minute               of the world itself, one core (as benchmarks.world)
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks import policies_plan as planned
from benchmarks.harness import Result, main
from benchmarks.policies_plan import SORT, WEEKLY, Found, Part, Plan
from benchmarks.world import SUBSCRIBERS, timed
from workbench.simulation.study import compare
from workbench.simulation.study.broken import Leaving, Scene
from workbench.simulation.study.compare import Mean, Summary
from workbench.simulation.study.registry import ENGINE, ORACLE
from workbench.simulation.study.trial import BOUND, Trial

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "policies.json"
_OTHERS = ((ORACLE, "clairvoyant"), (SORT, "same_models_sort"), (WEEKLY, "weekly"))


def measure(quick: bool) -> Result:
    """All parts of the plan."""
    plan = planned.QUICK if quick else planned.FULL
    found = planned.played(plan, keep=not quick)
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for name, part in plan.parts.items():
        summaries = compare.summaries(found.trials[name], part.world)
        rows += [_row(part, s) for s in summaries]
        notes += [f"{part.world}, {part.size.days} days: {leak}" for leak in compare.leaks(summaries)]
    figures = dict(_months(found.trials["months"])) | dict(_placebo(found.trials["placebo"]))
    figures |= dict(_year(plan.year, found.trials["year"], "")) | dict(
        _year(plan.fatigued, found.trials["fatigued"], "_fatigued")
    )
    figures |= dict(_broken(found.breaks, plan.scene))
    notes += [_told(one) for one in found.breaks]
    days = 10 if quick else 60
    seconds, _ = timed(SUBSCRIBERS, days)
    figures["world_subscriber_days_per_minute"] = SUBSCRIBERS * days / seconds * 60
    result = Result(
        title=f"{plan.months.size.people:,} people, {plan.seeds} seeds; net: with {plan.months.size.list_days} more days of the list left",
        columns=("world", "days", "policy", "cash $", "net $", "mails", "complaints", "alive", "regret"),
        rows=rows,
        figures=figures,
        notes=notes,
    )
    if not quick:
        _write(result, plan, found)
    return result


def _months(found: Sequence[Trial]) -> Iterator[tuple[str, float]]:
    for s in compare.summaries(found, "default"):
        yield from _figures(s)
    for other, name in _OTHERS:
        yield from _ratio(found, "default", other, f"cash_vs_{name}_150d")
    yield from _gap(found, "default", "_150d")


def _year(part: Part, found: Sequence[Trial], suffix: str) -> Iterator[tuple[str, float]]:
    for other, name in _OTHERS:
        yield from _ratio(found, part.world, other, f"cash_vs_{name}_365d", suffix)
    if part.handed:
        yield from _ratio(found, part.world, WEEKLY, "net_vs_weekly_365d", suffix, net=True)
    yield from _gap(found, part.world, suffix)
    (engine,) = (s for s in compare.summaries(found, part.world) if s.policy == ENGINE)
    yield f"alive_365d{suffix}", engine.alive
    yield f"complaints_rate{suffix}", engine.complaints_rate


def _placebo(found: Sequence[Trial]) -> Iterator[tuple[str, float]]:
    by_name = {s.policy: s for s in compare.summaries(found, "placebo")}
    best = max((by_name[name] for name in planned.FIXED), key=lambda s: s.cash.value)
    share = compare.ratio(found, "placebo", ENGINE, best.policy, net=False)
    assert share is not None
    yield "placebo_loss", 1 - share.value
    if not math.isnan(share.half_width):
        yield "placebo_loss_high", 1 - share.interval[0]
    yield "placebo_loss_per_mail", 1 - share.value * best.mails / max(by_name[ENGINE].mails, 1)


def _broken(found: Sequence[Leaving], scene: Scene) -> Iterator[tuple[str, float]]:
    most = 24.0 * scene.days_after
    yield "hours_to_leave_broken_offer", median(min(one.hours, most) for one in found)
    yield "hours_to_flag_broken_offer", median(min(one.flagged_hours, most) for one in found)
    yield "left_broken_offer", sum(math.isfinite(one.hours) for one in found) / len(found)
    yield "broken_offer_clicks_per_day", median(one.clicks_per_day for one in found)
    yield "broken_offer_share_at_the_end", median(one.last_share for one in found)


def _told(one: Leaving) -> str:
    def when(hours: float, done: str) -> str:
        return f"{done} after {hours:.0f} h" if math.isfinite(hours) else f"not {done}"

    return (
        f"broken offer, seed {one.seed}: {one.former_share:.0%} of mails and {one.clicks_per_day:.0f} clicks a day before; "
        f"{when(one.hours, 'left')}, {when(one.flagged_hours, 'flagged')}; on the last day {one.last_share:.0%} of its former share"
    )


def _ratio(
    found: Sequence[Trial], world: str, other: str, name: str, suffix: str = "", *, net: bool = False
) -> Iterator[tuple[str, float]]:
    share = compare.ratio(found, world, ENGINE, other, net=net)
    assert share is not None
    yield f"{name}{suffix}", share.value
    if not math.isnan(share.half_width):
        yield f"{name}_low{suffix}", share.interval[0]


def _gap(found: Sequence[Trial], world: str, suffix: str) -> Iterator[tuple[str, float]]:
    gap = compare.gap(found, world, ORACLE, ENGINE)
    assert gap is not None
    yield f"retention_gap_points{suffix}", gap.value
    if not math.isnan(gap.half_width):
        yield f"retention_gap_points_high{suffix}", gap.interval[1]


def _row(part: Part, s: Summary) -> tuple[str, ...]:
    world, days = part.world, str(part.size.days)
    if s.policy == BOUND:
        return world, days, s.policy, _dollars(s.cash), "", "", "", "", ""
    regret = "" if s.of_oracle is None else f"{1 - s.of_oracle:.2f}"
    net = _dollars(s.net) if s.policy in part.handed else ""
    return world, days, s.policy, _dollars(s.cash), net, f"{s.mails:,.0f}", f"{s.complaints_rate:.3%}", f"{s.alive:.1%}", regret


def _figures(s: Summary) -> Iterator[tuple[str, float]]:
    if s.policy == BOUND:
        yield "cash_lagrangian_bound", s.cash.value
        return
    yield f"cash_{s.policy}", s.cash.value
    yield f"mails_{s.policy}", s.mails
    yield f"complaints_{s.policy}", s.complaints_rate
    yield f"alive_{s.policy}", s.alive
    if s.of_oracle is not None:
        yield f"regret_{s.policy}", 1 - s.of_oracle
    if s.policy == ORACLE and s.of_bound is not None:
        yield f"bound_share_{ORACLE}", s.of_bound


def _dollars(of: Mean) -> str:
    return f"{of.value:,.0f} ± {of.half_width:,.0f}"


def _write(result: Result, plan: Plan, found: Found) -> None:
    commit = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    document = {
        "command": "python -m benchmarks.policies --json",
        "commit": commit,
        "code": planned.fingerprint(),
        "plan": asdict(plan),
        "figures": dict(result.figures),
        "trials": planned.documents(found),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(__doc__ or "", measure)
