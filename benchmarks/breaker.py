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
from collections.abc import Callable
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
    days, runs, weeks, people = (2_000, 100, 3, 150) if quick else (40_000, 2_000, 30, 600)
    answers = _run(
        {
            **{f"days {rate}": _days(rate, days) for rate in (0.0003, 0.0005)},
            "days 0.0005 lag": _days(0.0005, days // 4, lag_hours=LAG_HOURS),
            **{f"catch {rate}": _catches(rate, runs if rate > 0.001 else runs // 10) for rate in (0.001, 0.002, 0.003, 0.005)},
            "catch 0.003 lag": _catches(0.003, runs // 2, lag_hours=LAG_HOURS),
            **{f"week {rate}": _weeks(rate, weeks) for rate in (*BAD_RATES, HEALTHY)},
        }
    )
    replayed, differing = a_month(people)
    rows: list[tuple[str, str, str]] = []
    figures: dict[str, float] = {}
    for case, parts in answers.items():
        if case.startswith("days"):
            row, figure = _row_of_days(case, sum(parts), CHUNK_DAYS * len(parts))
        elif case.startswith("catch"):
            row, figure = _row_of_catches(case, [mails for part in parts for mails in part])
        else:
            row, figure = _row_of_weeks(case, parts), 0.0
        rows.append(row)
        if case in _FIGURES:
            figures[_FIGURES[case]] = figure
    rows.append(("a month decided again", f"{replayed:,} receipts", f"{differing} differ"))
    bad: list[BadOffer] = [week for rate in BAD_RATES for week in answers[f"week {rate}"]]
    well: list[BadOffer] = answers[f"week {HEALTHY}"]
    figures |= {
        "other_volume_kept": fmean(week.others_kept for week in bad),
        "bad_offers_cut": fmean(week.cut_after is not None for week in bad),
        "false_stop_days": sum(week.wrongly + (week.cut_after is not None) for week in well) / (7 * len(well)),
        "replayed": replayed,
        "replay_differences": differing,
    }
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


def _weeks(rate: float, weeks: int) -> list[Job]:
    return [(a_week_with, (rate, SEED + n), {}) for n in range(weeks)]


def _row_of_days(case: str, tripped: int, days: int) -> tuple[tuple[str, str, str], float]:
    return (_title(case, "days at a true"), f"{tripped} of {days:,} days trip", f"{tripped / days:.3%}"), tripped / days


def _row_of_catches(case: str, found: list[int]) -> tuple[tuple[str, str, str], float]:
    middle, nine = median(found), sorted(found)[int(0.9 * len(found))]
    told = f"{len(found):,} rises, nine of ten by {nine:,} mails"
    return (_title(case, "a rise from 0.03 % to"), told, f"{middle:,.0f} mails"), middle


def _row_of_weeks(case: str, weeks: list[BadOffer]) -> tuple[str, str, str]:
    cut = [week.cut_after for week in weeks if week.cut_after is not None]
    told = f"cut in {len(cut)} of {len(weeks)} weeks" + (f", after {median(cut):,.0f} of its mails" if cut else "")
    told += f"; {sum(week.tripped for week in weeks)} trips, {sum(week.wrongly for week in weeks)} other causes stopped"
    return _title(case, "one of ten offers at"), told, f"{fmean(week.others_kept for week in weeks):.1%} of the others kept"


def _title(case: str, words: str) -> str:
    _, rate, *lag = case.split()
    return f"{words} {float(rate):.2%}" + (", complaints late" if lag else "")


def _run(cases: dict[str, list[Job]]) -> dict[str, list[Any]]:
    """Every case's answers, in the order of its jobs."""
    console = Console(file=sys.stderr)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting = [(name, pool.submit(do, *given, **named)) for name, jobs in cases.items() for do, given, named in jobs]
        answers: dict[str, list[Any]] = {name: [] for name in cases}
        for name, job in track(waiting, "streams", console=console, disable=not console.is_terminal):
            answers[name].append(job.result())
    return answers


if __name__ == "__main__":
    main(__doc__ or "", measure)
