"""What `benchmarks.policies` plays, and its trials: made side by side, kept in a file as they end, read again by the next run."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

import revenue_engine.prior
from workbench.simulation.study.batch import Task, ended, trial_of_task
from workbench.simulation.study.broken import Leaving, Scene, leave
from workbench.simulation.study.registry import ENGINE, NAMES, ONE_CONTENT, ORACLE
from workbench.simulation.study.trial import BOUND, Size, Trial, trial_of
from workbench.simulation.worlds import named

FIXED = (ONE_CONTENT, "best_single_offer", "weekly_own_data", "random")  # what the engine is held against in the placebo world
SORT, WEEKLY = "same_models_sort", "weekly_true_epc"
YEAR = (ENGINE, SORT, WEEKLY, ORACLE)
JOBS = os.cpu_count() or 1
KEPT = Path(__file__).resolve().parents[1] / "build"
_CODE = ("workbench.simulation.", "revenue_engine.")


@dataclass(frozen=True, slots=True)
class Part:
    """Policies in one world. All of them plan for the days of the list, too; only the lists of some are handed over, for that is dear."""

    world: str
    policies: tuple[str, ...]
    size: Size
    handed: tuple[str, ...] = ()

    def tasks(self, seeds: Iterable[int]) -> list[Task]:
        """Seed by seed."""
        spec, kept = named(self.world), replace(self.size, heirs=())
        return [Task(spec, seed, name, self.size if name in self.handed else kept) for seed in seeds for name in self.policies]


@dataclass(frozen=True, slots=True)
class Plan:
    """A run."""

    months: Part
    year: Part
    fatigued: Part
    placebo: Part
    scene: Scene
    seeds: int

    @property
    def parts(self) -> dict[str, Part]:
        """By name."""
        return {name: getattr(self, name) for name in ("months", "year", "fatigued", "placebo")}


def _plan(people: int, months: int, year: int, list_days: int, scene: Scene, seeds: int) -> Plan:
    return Plan(
        months=Part("default", (*NAMES, BOUND), Size(people, months, list_days)),
        year=Part("default", YEAR, Size(people, year, list_days), (ENGINE, WEEKLY)),
        fatigued=Part("fatigued", YEAR, Size(people, year, list_days)),
        placebo=Part("placebo", (ENGINE, *FIXED), Size(people, months, 0)),
        scene=scene,
        seeds=seeds,
    )


FULL = _plan(1_500, 150, 365, 180, Scene(20_000, 28, 14), 20)
QUICK = _plan(150, 14, 21, 7, Scene(600, 10, 2), 5)


@dataclass(frozen=True, slots=True)
class Break:
    """A page that will break."""

    scene: Scene
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """All that a plan came to."""

    trials: dict[str, list[Trial]]  # by part, in the order of seeds and policies
    breaks: list[Leaving]


def made(job: Task | Break) -> Trial | Leaving:
    """One trial or break."""
    return leave(job.seed, job.scene) if isinstance(job, Break) else trial_of_task(job)


def played(plan: Plan, *, keep: bool) -> Found:
    """All of the plan, what an earlier run of the same code has kept read again. Seed by seed: who stops early has whole pairs."""
    jobs: list[Task | Break] = []
    for seed in range(plan.seeds):
        jobs += [task for part in plan.parts.values() for task in part.tasks([seed])]
        jobs.append(Break(plan.scene, seed))
    file = KEPT / f"policies-{fingerprint()}.ndjson" if keep else None
    found = _read(file) if file else {}
    missing = list({_key(job): job for job in jobs if _key(job) not in found}.values())
    console = Console(file=sys.stderr)
    for job, result in track(
        ended(made, missing, jobs=JOBS), "trials", total=len(missing), console=console, disable=not console.is_terminal
    ):
        found[_key(job)] = result
        if file:
            _keep(file, _key(job), result)

    trials = {
        name: [trial for task in part.tasks(range(plan.seeds)) if isinstance(trial := found[_key(task)], Trial)]
        for name, part in plan.parts.items()
    }
    breaks = [b for seed in range(plan.seeds) if isinstance(b := found[_key(Break(plan.scene, seed))], Leaving)]
    return Found(trials, breaks)


def _key(job: Task | Break) -> str:
    if isinstance(job, Break):
        return json.dumps(["break", asdict(job.scene), job.seed])
    return json.dumps([job.spec.name, asdict(job.size), job.seed, job.policy])


def _keep(file: Path, key: str, result: Trial | Leaving) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps({"key": key, **result.document()}) + "\n")


def _read(path: Path) -> dict[str, Trial | Leaving]:
    """Whole lines: the last one may have been cut off, and what comes behind it starts anew."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    path.write_text(whole, encoding="utf-8")
    documents: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
    return {document.pop("key"): _result(document) for document in documents}


def _result(document: Mapping[str, Any]) -> Trial | Leaving:
    return trial_of(dict(document)) if "policy" in document else Leaving(**document)


@cache
def fingerprint() -> str:
    """Of what makes a trial what it is: the code that these imports have brought in, and the prior that engines begin with.

    Once a run: what is only imported by a trial must not give the rest of the run another name.
    """
    code = [Path(module.__file__) for name, module in sys.modules.items() if name.startswith(_CODE) and module.__file__]
    prior = [path for root in revenue_engine.prior.__path__ for path in Path(root).iterdir() if path.is_file()]
    found = hashlib.sha256()
    for file in sorted({*code, *prior}):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def documents(found: Found) -> dict[str, list[dict[str, Any]]]:
    """Of all trials by part, without what charts alone need; what never came is null."""
    trials = {name: [_short(t.document()) for t in part] for name, part in found.trials.items()}
    return trials | {"breaks": [_short(one.document()) for one in found.breaks]}


def _short(document: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in document.items() if not key.endswith("_by_week")}
    return {key: None if value == math.inf else value for key, value in kept.items()}
