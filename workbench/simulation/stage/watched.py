"""What has been told of one mail's delivery, opens and clicks, and what an engine that judges as `intake.human` does counts of it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime

from revenue_engine.intake.human import Interaction, interaction_of, judge
from revenue_engine.intake.ses import parse_event
from workbench.simulation.events import Event


class Watched:
    """One mail, since SES took it."""

    def __init__(self, mail_at: datetime) -> None:
        self._mail_at = mail_at
        self._delivered_at: datetime | None = None
        self._seen: list[tuple[Interaction, bool]] = []  # and whether it was a person
        self._counted: Counter[str] = Counter()

    def told(self, record: Event, *, human: bool) -> Counter[str]:
        """By how much each of `Truth`'s tallies changes by this record, which was not told before."""
        event = parse_event(json.dumps(record))
        if event.kind == "delivery":
            self._delivered_at = event.at
        else:
            self._seen.append((interaction_of(event), human))
        before, self._counted = self._counted, self._count()
        change = Counter(self._counted)
        change.subtract(before)
        return change

    def _count(self) -> Counter[str]:
        shown = [interaction for interaction, _ in self._seen]
        verdicts = judge(shown, mail_at=self._mail_at, delivered_at=self._delivered_at)
        counted: Counter[str] = Counter(delivered=int(self._delivered_at is not None))
        for (interaction, human), verdict in zip(self._seen, verdicts, strict=True):
            counted[f"{'human' if verdict.human else 'machine'}_{interaction.kind}s"] += 1
            counted["disguised_clicks"] += interaction.kind == "click" and verdict.human and not human
        return counted
