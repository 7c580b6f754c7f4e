"""The breaker against streams of mail whose true complaint rate is known, and a month of decisions decided again.

    python -m benchmarks.breaker [--quick] [--json]

The judge is the engine's own (`revenue_engine.safety.breaker.judge`, default controls), asked at every complaint that arrives: between
complaints its statistics only fall. Days of 10,000 mails in 16 hours follow each other; the window (72 hours) carries over. Mails here
are those of mailbox providers that tell of complaints (but for the weeks with a bad offer, where 45 % go to Gmail, which does not).

false_trip_days        share of days at a true 0.05 % on which the breaker trips
false_trip_days_003    the same at 0.03 %
median_mails_to_catch  mails that leave between the rise to 0.3 %, from 0.03 %, and the trip
median_mails_to_catch_02   the same at 0.2 %
other_volume_kept      of a week in which one of ten offers has a rate of 0.5 %, 1 % or 3 %: share of the others' mails that left;
                       a trip stops them until the week's end
bad_offers_cut         share of those weeks in which the offer was stopped before the week's end
false_stop_days        share of days, all well (0.02 %), on which some offer, variant, segment or provider is stopped
replayed, replay_differences   receipts of a simulated month of the engine's own cycles, decided again by another process from the stored
                       inputs, and those of them that are not the stored ones to the byte

Rows with a lag have complaints come after a mean of six hours, as in the simulated worlds; figures are of complaints that come at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import fmean, median
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.breaker_days import HEALTHY, LAG_HOURS, BadOffer, a_week_with, false_days, mails_to_catch
from benchmarks.breaker_replay import a_month
from benchmarks.harness import Result, main

SEED = 2_026
CHUNK_DAYS, CHUNK_RUNS = 500, 50
BAD_RATES = (0.005, 0.01, 0.03)
Job = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def measure(quick: bool) -> Result:
    """All of it; a quick run has fewer days, runs and people."""
    days, runs, weeks, people = (3_000, 150, 4, 150) if quick else (40_000, 2_000, 40, 600)
    cases: list[tuple[str, list[Job]]] = []
    for rate in (0.0003, 0.0005):
        cases.append((f"days {rate}", _days(rate, days)))
    cases.append(("days 0.0005 lag", _days(0.0005, days // 4, lag_hours=LAG_HOURS)))
    for rate in (0.001, 0.002, 0.003, 0.005):
        cases.append((f"catch {rate}", _catches(rate, runs if rate > 0.001 else runs // 10)))
    cases.append(("catch 0.003 lag", _catches(0.003, runs // 2, lag_hours=LAG_HOURS)))
    for rate in (*BAD_RATES, HEALTHY):
        cases.append((f"week {rate}", [(a_week_with, (rate, SEED + n), {}) for n in range(weeks)]))
    answers = _run(cases)
    replayed, differing = a_month(people)

    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    for case in (name for name, _ in cases if name.startswith("days")):
        tripped, of = sum(answers[case]), CHUNK_DAYS * len(answers[case])
        rows.append((_title(case, "days at a true"), f"{tripped} of {of:,} days trip", f"{tripped / of:.3%}"))
        figures[_FIGURES.get(case, "")] = tripped / of
    for case in (name for name, _ in cases if name.startswith("catch")):
        found = [mails for part in answers[case] for mails in part]
        nine = sorted(found)[int(0.9 * len(found))]
        rows.append((_title(case, "a rise from 0.03 % to"), f"{len(found):,} rises, nine of ten by {nine:,} mails", f"{median(found):,.0f} mails"))
        figures[_FIGURES.get(case, "")] = median(found)
    bad: list[BadOffer] = []
    for rate in BAD_RATES:
        these: Sequence[BadOffer] = answers[f"week {rate}"]
        cut = [week.cut_after for week in these if week.cut_after is not None]
        told = f"cut in {len(cut)} of {len(these)} weeks, after {median(cut):,.0f} of its mails" if cut else "never cut"
        told += f"; {sum(week.tripped for week in these)} trips, {sum(week.wrongly for week in these)} other causes stopped"
        rows.append((f"one of ten offers at {rate:.1%}", told, f"{fmean(w.others_kept for w in these):.1%} of the others kept"))
        bad += these
    well: Sequence[BadOffer] = answers[f"week {HEALTHY}"]
    stops = sum(week.wrongly + (week.cut_after is not None) for week in well)
    rows.append((f"ten offers at {HEALTHY:.2%}", f"{stops} causes stopped in {7 * len(well):,} days", f"{stops / (7 * len(well)):.3%}"))
    rows.append(("a month decided again", f"{replayed:,} receipts", f"{differing} differ"))
    figures |= {
        "other_volume_kept": fmean(week.others_kept for week in bad),
        "bad_offers_cut": fmean(week.cut_after is not None for week in bad),
        "false_stop_days": stops / (7 * len(well)),
        "replayed": replayed,
        "replay_differences": differing,
    }
    figures.pop("", None)
    return Result("the breaker on streams of known truth", ("stream", "what happened", "measured"), rows, figures)


_FIGURES = {
    "days 0.0003": "false_trip_days_003",
    "days 0.0005": "false_trip_days",
    "catch 0.002": "median_mails_to_catch_02",
    "catch 0.003": "median_mails_to_catch",
}


def _days(rate: float, days: int, **named: float) -> list[Job]:
    return [(false_days, (rate, CHUNK_DAYS, SEED + n), named) for n in range(days // CHUNK_DAYS)]


def _catches(rate: float, runs: int, **named: float) -> list[Job]:
    chunk = min(CHUNK_RUNS, runs)
    return [(mails_to_catch, (rate, chunk, SEED + n), named) for n in range(runs // chunk)]


def _title(case: str, words: str) -> str:
    _, rate, *lag = case.split()
    return f"{words} {float(rate):.2%}" + (", complaints late" if lag else "")


def _run(cases: list[tuple[str, list[Job]]]) -> dict[str, list[Any]]:
    """Every case's answers, in the order of its jobs."""
    console = Console(file=sys.stderr)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting = [(name, pool.submit(do, *given, **named)) for name, jobs in cases for do, given, named in jobs]
        answers: dict[str, list[Any]] = {name: [] for name, _ in cases}
        for name, job in track(waiting, "streams", console=console, disable=not console.is_terminal):
            answers[name].append(job.result())
    return answers


if __name__ == "__main__":
    main(__doc__ or "", measure)
