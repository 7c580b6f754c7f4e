"""Everything breaks at once, and nobody is mailed twice, after an opt-out or beyond a cap; no mail is lost, and the books are equal.

    python -m benchmarks.chaos [--quick] [--json]

A local plane, the synthesised template's whole system, decides everybody of a list in one cycle and mails a day's budget of them, while
containers of decide, execute, engage and attribute die between any two calls, messages are delivered twice, late and to two workers at
once, the provider throttles, refuses, and takes mails without answering, tables throttle, and people opt out between a worker's look
and its claim. When all has settled, the mails that the provider took and the tables' raw items are counted.

The full run is one list of 100,000 and a few of 5,000 over two days, with other seeds. Each one that has ended is kept in `build/`, for
the same code: stopped half-way, the same command does the rest.

figures: kills, double_mails, lost_sends, after_opt_out, cap_violations (all but the first should be 0), books_equal (1)
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.chaos_check import Verdict, examine
from benchmarks.chaos_monkey import Plan
from benchmarks.chaos_play import Play
from benchmarks.chaos_scene import START, prepared
from benchmarks.harness import Result, main
from workbench.local.plane import Plane

KEPT = Path(__file__).resolve().parents[1] / "build"
_CODE = ("workbench.", "benchmarks.chaos")


@dataclass(frozen=True)
class Round:
    """One play."""

    seed: int
    people: int
    daily_cap: int
    days: int
    hours: float  # of cycles a day
    lives: dict[str, int]  # chaos_monkey.Plan
    deaths: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """What is kept of a round."""

    seed: int
    people: int
    seconds: float
    kills: dict[str, int]
    faults: dict[str, int]
    dead_letters: int
    verdict: dict[str, Any]


_SHORT_LIVES = {"decide": 1, "execute": 150, "engage": 120, "attribute": 100}
QUICK = (Round(7, 5_000, 400, 2, 1.5, _SHORT_LIVES, {"decide": 5, "execute": 60, "engage": 60, "attribute": 20}),)
FULL = (
    Round(
        1,
        100_000,
        23_000,
        1,
        5.0,
        {"decide": 1, "execute": 600, "engage": 700, "attribute": 200},
        {"decide": 8, "execute": 300, "engage": 500, "attribute": 200},
    ),
    *(
        Round(seed, 5_000, 700, 2, 2.5, _SHORT_LIVES, {"decide": 12, "execute": 150, "engage": 120, "attribute": 40})
        for seed in range(2, 7)
    ),
)


def measure(quick: bool) -> Result:
    """All rounds, those of an earlier run of the same code read again."""
    rounds = QUICK if quick else FULL
    kept = None if quick else KEPT / f"chaos-{fingerprint()}.ndjson"
    outcomes = {outcome.seed: outcome for outcome in _read(kept)} if kept else {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        for one in rounds:
            if one.seed in outcomes:
                continue
            task = shown.add_task(f"{one.people:,} people, seed {one.seed}", total=1.0)
            outcomes[one.seed] = play(one, lambda share, task=task: shown.update(task, completed=share))  # type: ignore[misc]
            if kept:
                kept.parent.mkdir(exist_ok=True)
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(outcomes[one.seed])) + "\n")
    return result_of([outcomes[one.seed] for one in rounds])


@contextmanager
def _quiet() -> Iterator[None]:
    """Every death is told; nobody reads that many."""
    engine = logging.getLogger("revenue_engine")
    before = engine.level
    engine.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        engine.setLevel(before)


def play(one: Round, progress: Callable[[float], None] = lambda share: None) -> Outcome:
    """One round in a plane of its own."""
    begun = time.perf_counter()
    with _quiet(), Plane.start(now=START) as plane:
        scene = prepared(plane, people=one.people, daily_cap=one.daily_cap, seed=one.seed)
        gc.freeze()
        played = Play(plane, scene, Plan(one.lives, one.deaths, decide_moments=2 * one.people), seed=one.seed)
        played.days(one.days, one.hours, progress)
        verdict = examine(played, daily_cap=one.daily_cap)
        gc.unfreeze()
        return Outcome(
            seed=one.seed,
            people=one.people,
            seconds=time.perf_counter() - begun,
            kills=dict(played.monkey.kills),
            faults=dict(played.monkey.faults),
            dead_letters=played.seen.dead_letters,
            verdict=asdict(verdict),
        )


def result_of(outcomes: Sequence[Outcome]) -> Result:
    """Sums over the rounds."""
    verdicts = [Verdict(**outcome.verdict) for outcome in outcomes]
    kills = sum((Counter(outcome.kills) for outcome in outcomes), Counter[str]())
    faults = sum((Counter(outcome.faults) for outcome in outcomes), Counter[str]())
    states = sum((Counter(verdict.states) for verdict in verdicts), Counter[str]())
    wrong = [line for verdict in verdicts for line in verdict.wrong]
    figures = {"kills": float(kills.total())}
    for name in ("double_mails", "lost_sends", "after_opt_out", "cap_violations"):
        figures[name] = float(sum(getattr(verdict, name) for verdict in verdicts))
    figures["books_equal"] = float(not wrong)
    rows = [
        ("people due at once", ", ".join(f"{verdict.due:,}" for verdict in verdicts)),
        ("people decided", ", ".join(f"{verdict.decided:,}" for verdict in verdicts)),
        ("mails", ", ".join(f"{verdict.mails:,}" for verdict in verdicts)),
        ("containers killed", _counts(kills)),
        ("what else broke", _counts(faults)),
        ("dead letters driven back", f"{sum(outcome.dead_letters for outcome in outcomes):,}"),
        ("sends by final state", _counts(states)),
        ("mailed twice", f"{figures['double_mails']:,.0f}"),
        ("lost", f"{figures['lost_sends']:,.0f}"),
        ("claimed after an opt-out", f"{figures['after_opt_out']:,.0f}"),
        ("beyond a cap or a gap", f"{figures['cap_violations']:,.0f}"),
        ("books", "; ".join(wrong[:5]) if wrong else "equal"),
        ("seconds", f"{sum(outcome.seconds for outcome in outcomes):,.0f}"),
    ]
    return Result("What breaks, and what does not", ("what", "value"), rows, figures)


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in sorted(counted.items()))


def _read(path: Path) -> list[Outcome]:
    """Whole lines: the last one may have been cut off, and what comes behind it starts anew."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    path.write_text(whole, encoding="utf-8")
    return [Outcome(**json.loads(line)) for line in whole.splitlines()]


def fingerprint() -> str:
    """Of the code that a round is made by: what these imports have brought in, the functions and all they may import."""
    root = KEPT.parent
    files = {Path(__file__), *(path for folder in ("layers", "functions") for path in (root / folder).rglob("*.py"))}
    files |= {Path(file) for name, module in sys.modules.items() if name.startswith(_CODE) and (file := module.__file__)}
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    main(__doc__ or "", measure)
