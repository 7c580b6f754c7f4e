"""Simulated time: one object moves the plane's clock and, in step, what the process and the emulator take for the time of day."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from time_machine import Traveller, travel


class SimulatedClock:
    """Stands still until it is moved; queues' delays, visibility and stamps follow it."""

    def __init__(self, traveller: Traveller) -> None:
        self._traveller = traveller

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def move_to(self, moment: datetime) -> None:
        """Jump to `moment`. Raises ValueError when it lies in the past. What is due before must have been done: see Plane."""
        if moment < self.now():
            raise ValueError(f"time runs forward: it is {self.now()}, asked for {moment}")
        self._traveller.move_to(moment, tick=False)


@contextlib.contextmanager
def simulated(start: datetime) -> Iterator[SimulatedClock]:
    """Time stands at `start` (aware) inside the block, and is the machine's own again after it."""
    if start.tzinfo is None:
        raise ValueError(f"start {start} has no time zone")
    with travel(start, tick=False) as traveller:
        yield SimulatedClock(traveller)
