"""What the judge has noticed, and its verdict. Needs no numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from revenue_engine.records.causes import Cause


class Level(StrEnum):
    """How loudly people are told: the specification's AlertWarning and AlertCritical."""

    WARNING = "warning"
    CRITICAL = "critical"


class Remedy(StrEnum):
    """What is done about it."""

    TELL = "tell"
    STOP_CAUSE = "stop_cause"  # the first remedy: what it comes from is mailed no more
    STOP_ALL = "stop_all"  # the last one


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed, with its figures."""

    name: str  # the specification's reason
    remedy: Remedy
    level: Level
    observed: float
    limit: float
    score: float | None = None  # of the sequential test
    barrier: float | None = None
    cause: Cause | None = None

    def __str__(self) -> str:
        where = f" of {self.cause.kind} {self.cause.name}" if self.cause else ""
        how = f" (score {self.score:.2f} of {self.barrier:.2f})" if self.score is not None and self.barrier is not None else ""
        return f"{self.name}{where}: {self.observed:.6g}, limit {self.limit:.6g}{how}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of one look."""

    findings: tuple[Finding, ...]
    human_needed: bool = False  # only a person may close the breaker again

    @property
    def tripping(self) -> tuple[Finding, ...]:
        """What stops everything."""
        return tuple(f for f in self.findings if f.remedy is Remedy.STOP_ALL)

    @property
    def stopping(self) -> tuple[Finding, ...]:
        """What stops a cause."""
        return tuple(f for f in self.findings if f.remedy is Remedy.STOP_CAUSE)

    @property
    def telling(self) -> tuple[Finding, ...]:
        """What people should know, and no more."""
        return tuple(f for f in self.findings if f.remedy is Remedy.TELL)

    @property
    def trip(self) -> bool:
        """Whether everything stops."""
        return bool(self.tripping)

    @property
    def reason(self) -> str | None:
        """The first finding that trips, else the first one."""
        return _first(self.tripping) or _first(self.findings)

    @property
    def severity(self) -> str:
        """ok | warning | critical."""
        return max((f.level.value for f in self.findings), key=("warning", "critical").index, default="ok")


def _first(findings: Sequence[Finding]) -> str | None:
    return findings[0].name if findings else None
