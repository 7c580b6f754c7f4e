"""A simulated month of the engine's own cycles, recorded as decide records them, and decided again from what was stored."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from revenue_engine.audit import receipts, replay
from revenue_engine.bundle import dump, load
from revenue_engine.context import Cycle
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import grant
from revenue_engine.snapshot import save_context, save_page
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.study.engine.engine import Engine
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.play import play
from workbench.simulation.study.policy import Setting
from workbench.simulation.worlds import Mailing, Observables, World, named

DAYS, SEED = 30, 2_026
_KEYS: dict[str, Any] = {"page_key": "page", "context_key": "context"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One page of a cycle: what it was decided by, and the lines that were written."""

    page: bytes
    context: bytes
    granted: int
    lines: bytes


class Recording(Engine):
    """The engine, with a receipt for everybody it decides."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.recorded: list[Recorded] = []
        self.bundles: dict[str, dict[str, bytes]] = {}

    def _cycle(self, memory: Memory, cycle: Cycle, seen: Observables, day: int, hour: int, left: int) -> Mailing:
        due = np.flatnonzero(seen.mailable & (self._due <= cycle.now))
        if len(due):
            batch = packed.page(memory.rows, due, self._decided_at)
            page, context = save_page(batch), save_context(cycle.context)
            self.bundles.setdefault(cycle.context.bundle.version, dump(cycle.context.bundle))
            decisions = decide_batch(batch, cycle)
            granted = min(left, int(decisions.mail.sum()))
            lines = receipts(grant(decisions, batch, cycle, granted), batch, cycle, granted=granted, **_KEYS)
            self.recorded.append(Recorded(page, context, granted, lines))
        return super()._cycle(memory, cycle, seen, day, hour, left)


def differences(recorded: list[Recorded], bundles: dict[str, dict[str, bytes]]) -> tuple[int, int]:
    """Receipts decided again, and those of them that are not the stored ones to the byte."""
    found = {version: load(files) for version, files in bundles.items()}
    total = differing = 0
    for one in recorded:
        decisions, batch, cycle = replay(one.page, one.context, found.__getitem__, granted=one.granted)
        again = receipts(decisions, batch, cycle, granted=one.granted, **_KEYS).splitlines()
        stored = one.lines.splitlines()
        total += len(stored)
        differing += sum(a != b for a, b in zip(stored, again, strict=False)) + abs(len(stored) - len(again))
    return total, differing


def a_month(people: int) -> tuple[int, int]:
    """The month of a world, replayed by another process that knows nothing but what was stored."""
    spec = named("default")
    world = World(spec, SEED, people)
    engine = Recording(Setting(people, spec.offers, DAYS, people, SEED))
    play(world, engine, DAYS)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
        return another.submit(differences, engine.recorded, engine.bundles).result()
