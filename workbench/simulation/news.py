"""How news of a fact travels to us: within about a minute, rarely so late that it comes out of order, now and then twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from workbench.simulation.draws import between, chance
from workbench.simulation.events import Event

REPEATED, DAWDLING = 0.02, 0.03  # shares of news that comes twice; that comes so late that it comes out of order
NEWS_TAKES = timedelta(minutes=1)  # events of the same minute travel together


def arrivals(at: datetime, seed: int, *key: object) -> tuple[datetime, ...]:
    """When news of a fact of `at` sets out, once or twice; the key names the fact, so nothing else matters."""
    late = timedelta(minutes=between(2, 25, seed, *key, "late")) if chance(DAWDLING, seed, *key, "dawdles") else timedelta(0)
    if not chance(REPEATED, seed, *key, "repeated"):
        return (at + late,)
    return at + late, at + late + timedelta(minutes=between(0.5, 20, seed, *key, "again"))


class Post:
    """Collects events by the minute, and publishes them when it is over.

    `at` does something at a moment, or not at all when the world has ended by then.
    """

    def __init__(self, at: Callable[[datetime, Callable[[], object]], None], publish: Callable[[list[Event]], object]) -> None:
        self._at, self._publish = at, publish
        self._waiting: dict[datetime, list[tuple[Event, Callable[[], object]]]] = {}

    def put(self, at: datetime, event: Event, told: Callable[[], object]) -> None:
        """The event sets out at `at`; `told` runs when it is published."""
        minute = at.replace(second=0, microsecond=0) + NEWS_TAKES
        if minute not in self._waiting:
            self._waiting[minute] = []
            self._at(minute, lambda: self._deliver(minute))
        self._waiting[minute].append((event, told))

    def _deliver(self, minute: datetime) -> None:
        news = self._waiting.pop(minute)
        for _, told in news:
            told()
        self._publish([event for event, _ in news])
