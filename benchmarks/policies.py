"""Every policy in the same worlds: cash, the list that is left, and what no policy can beat.

    python -m benchmarks.policies [--quick] [--json]

Full: 1,500 subscribers, 150 days from a cold start, then 180 more days for each list that is left, 20 seeds. It takes about half
an hour on two cores, goes on where it was stopped (as long as the code is the same), and writes
`benchmarks/results/policies.json` with the commit. Quick: 250 subscribers, 28 days and 14 of the list, five seeds.

Of each policy, in the default world (`revenue-engine simulate --world` plays the others):
net_POLICY          dollars of cash and of the list that is left, in the hands of the clairvoyant index
cash_POLICY         dollars
mails_POLICY, complaints_POLICY (of mails), alive_POLICY (share of the list that can still be reached)
regret_POLICY       1 - cash over the clairvoyant index's
bound_share_clairvoyant_index                  its cash over the Lagrangian upper bound
world_subscriber_days_per_minute               of the world itself, one core (as benchmarks.world)
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.harness import Result, main
from benchmarks.world import SUBSCRIBERS, timed
from workbench.simulation.study import compare
from workbench.simulation.study.batch import Task, tasks, trials
from workbench.simulation.study.compare import Mean, Summary
from workbench.simulation.study.registry import ENGINE, NAMES, ORACLE
from workbench.simulation.study.trial import BOUND, Size, Trial, trial_of
from workbench.simulation.worlds import named

FULL, QUICK = Size(1_500, 150, 180), Size(250, 28, 14)
WORLDS, SEEDS, QUICK_SEEDS = ("default",), 20, 5
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "policies.json"
KEPT = ROOT / "build"
JOBS = os.cpu_count() or 1
_CODE = ("workbench.simulation.", "revenue_engine.")


def measure(quick: bool) -> Result:
    """All trials of the worlds, those of an earlier run of the same code read again."""
    size, worlds, seeds = (QUICK, WORLDS[:1], QUICK_SEEDS) if quick else (FULL, WORLDS, SEEDS)
    found = _all(size, worlds, seeds, None if quick else _kept(size))
    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    notes: list[str] = []
    for world in worlds:
        summaries = compare.summaries(found, world)
        rows += [_row(world, s, found) for s in summaries]
        suffix = "" if world == "default" else f"_{world}"
        for s in summaries:
            figures |= {f"{name}{suffix}": value for name, value in _figures(s).items()}
        notes += [f"{world}: {leak}" for leak in compare.leaks(summaries)]
        for other in ("weekly_true_epc", "same_models_sort", ORACLE):
            share = compare.ratio(found, world, ENGINE, other, net=True)
            if share is not None:
                notes.append(f"{world}: the engine's net over that of {other}: {share.value:.3f} ± {share.half_width:.3f} (95 %)")
    seconds, _ = timed(SUBSCRIBERS, 10 if quick else 60)
    figures["world_subscriber_days_per_minute"] = SUBSCRIBERS * (10 if quick else 60) / seconds * 60
    result = Result(
        title=f"{size.people:,} subscribers, {size.days} days, {seeds} seeds; net: with {size.list_days} more days of the list left",
        columns=("world", "policy", "cash $", "net $", "engine's net less", "mails", "complaints", "alive", "regret"),
        rows=rows,
        figures=figures,
        notes=notes,
    )
    if not quick:
        _write(result, size, seeds, found)
    return result


def _all(size: Size, worlds: Sequence[str], seeds: int, kept: Path | None) -> list[Trial]:
    """The trials, in the order of worlds, seeds and policies. `kept`: a file of them that grows as they end."""
    names = [*NAMES, BOUND]
    todo = [task for world in worlds for task in tasks(named(world), names, range(seeds), size)]
    found = {_key(trial): trial for trial in _read(kept)} if kept else {}
    missing = [task for task in todo if (task.spec.name, task.seed, task.policy) not in found]
    ended = trials(missing, jobs=JOBS)
    console = Console(file=sys.stderr)
    for trial in track(ended, "trials", total=len(missing), console=console, disable=not console.is_terminal):
        found[_key(trial)] = trial
        if kept:
            kept.parent.mkdir(exist_ok=True)
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(trial.document()) + "\n")
    return [found[_name(task)] for task in todo]


def _kept(size: Size) -> Path:
    """A file for each code and size of trials."""
    return KEPT / f"policies-{fingerprint()}-{size.people}-{size.days}-{size.list_days}.ndjson"


def _name(task: Task) -> tuple[str, int, str]:
    return task.spec.name, task.seed, task.policy


def _key(trial: Trial) -> tuple[str, int, str]:
    return trial.world, trial.seed, trial.policy


def _read(path: Path) -> list[Trial]:
    """Whole lines: the last one may have been cut off, and what comes behind it starts anew."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    path.write_text(whole, encoding="utf-8")
    return [trial_of(json.loads(line)) for line in whole.splitlines()]


def fingerprint() -> str:
    """Of the code that makes a trial what it is: what these imports have brought in."""
    found = hashlib.sha256()
    for name in sorted(name for name in sys.modules if name.startswith(_CODE)):
        path = sys.modules[name].__file__
        found.update(Path(path).read_bytes() if path else b"")
    return found.hexdigest()[:16]


def _row(world: str, s: Summary, found: Sequence[Trial]) -> tuple[str, ...]:
    if s.policy == BOUND:
        return world, s.policy, _dollars(s.cash), "", "", "", "", "", ""
    more = None if s.policy == ENGINE else compare.difference(found, world, ENGINE, s.policy, net=True)
    regret = "" if s.of_oracle is None else f"{1 - s.of_oracle:.2f}"
    money = (_dollars(s.cash), _dollars(s.net), "" if more is None else _dollars(more))
    return world, s.policy, *money, f"{s.mails:,.0f}", f"{s.complaints_rate:.3%}", f"{s.alive:.1%}", regret


def _figures(s: Summary) -> dict[str, float]:
    if s.policy == BOUND:
        return {"cash_lagrangian_bound": s.cash.value}
    found = {
        f"net_{s.policy}": s.net.value,
        f"cash_{s.policy}": s.cash.value,
        f"mails_{s.policy}": s.mails,
        f"complaints_{s.policy}": s.complaints_rate,
        f"alive_{s.policy}": s.alive,
    }
    if s.of_oracle is not None:
        found[f"regret_{s.policy}"] = 1 - s.of_oracle
    if s.policy == ORACLE and s.of_bound is not None:
        found[f"bound_share_{ORACLE}"] = s.of_bound
    return found


def _dollars(of: Mean) -> str:
    return f"{of.value:,.0f} ± {of.half_width:,.0f}"


def _write(result: Result, size: Size, seeds: int, found: Sequence[Trial]) -> None:
    commit = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    trials_of = [{key: value for key, value in t.document().items() if not key.endswith("_by_week")} for t in found]
    document = {
        "command": "python -m benchmarks.policies --json",
        "commit": commit,
        "code": fingerprint(),
        "size": asdict(size),
        "seeds": list(range(seeds)),
        "figures": dict(result.figures),
        "trials": trials_of,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(__doc__ or "", measure)
