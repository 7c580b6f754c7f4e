"""Many trials: side by side on the cores there are, each told of as it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

from workbench.simulation.study.trial import Size, Trial, run
from workbench.simulation.worlds import WorldSpec

_Todo = TypeVar("_Todo")
_Done = TypeVar("_Done")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Task:
    """A trial to be made."""

    spec: WorldSpec
    seed: int
    policy: str
    size: Size


def tasks(spec: WorldSpec, policies: Sequence[str], seeds: Sequence[int], size: Size) -> list[Task]:
    """Seed by seed, so that whoever stops early has whole pairs."""
    return [Task(spec, seed, name, size) for seed in seeds for name in policies]


def trials(todo: Sequence[Task], *, jobs: int, each_day: Callable[[], None] = lambda: None) -> Iterator[Trial]:
    """As they end. `each_day` is only called where there is one job: other processes tell of whole trials alone."""
    if jobs == 1:
        for task in todo:
            yield run(task.spec, task.seed, task.policy, task.size, each=each_day)
        return
    for _, trial in ended(trial_of_task, todo, jobs=jobs):
        yield trial


def trial_of_task(task: Task) -> Trial:
    """Makes it."""
    return run(task.spec, task.seed, task.policy, task.size)


def ended(make: Callable[[_Todo], _Done], todo: Sequence[_Todo], *, jobs: int) -> Iterator[tuple[_Todo, _Done]]:
    """What each came to, as it ends; `make` is a function of a module, for other processes to find."""
    if jobs == 1:
        for each in todo:
            yield each, make(each)
        return
    for name in _THREADS:  # inherited by the workers: each of them has one core
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(make, each): each for each in todo}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
