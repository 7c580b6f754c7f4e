"""What is on record of a cycle."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from revenue_engine.prediction.profile import Coverage


@dataclass
class CycleReport:
    """What one cycle decided and planned. With what its mails come to, it is the specification's ExecutionResult (`cycle_results`)."""

    cycle_id: str
    outcome: str = "completed"  # or why not
    autonomy: str = ""  # under which it decided
    started_at: int = 0  # its first attempt
    ended_at: int = 0
    decided: int = 0
    planned: int = 0
    pages: int = 0
    providers: Counter[str] = field(default_factory=Counter)  # mails planned, by mailbox provider
    later: Counter[str] = field(default_factory=Counter)  # people put off for want of a place, by epoch hour
    predicted_revenue_micros: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    profile: Coverage = field(default_factory=Coverage)  # of those decided: what they declared
    supply: Counter[str] = field(default_factory=Counter)  # by bin of the index: who would bid at this hour of the next mail day
    lambda_micros: int = 0  # the shadow price it had
    kappa_micros: int = 0  # and the price of a complaint
    out_of_time: bool = False  # it began no further page: who else was due is so in the next cycle

    def as_dict(self) -> dict[str, Any]:
        """For logs and the Control item."""
        counts = {name: dict(getattr(self, name)) for name in ("providers", "later", "reasons", "supply")}
        return asdict(self) | counts | {"duration_seconds": self.ended_at - self.started_at}
