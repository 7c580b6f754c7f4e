"""What a mail may owe its trouble to, how counters name it, and what was stopped for it.

The judge's hours count mails and what came of them in all and by each of these causes, so that it can stop the one that is to
blame before it stops everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A counter of one cause is the counter's name, the kind's mark and the cause's name: `complaints@1042`.
MARKS = {"offer": "@", "variant": "!", "segment": "^", "provider": "#"}

# Gmail and iCloud run no feedback loop that SES hears of: their mails cannot be complained about as far as SES knows, so they do
# not belong under the line of a complaint rate. Gmail's own figures come from Postmaster Tools (`intake.postmaster`).
SILENT_PROVIDERS = frozenset({"gmail", "icloud"})
HEARD_PROVIDERS = frozenset({"other", "yahoo", "outlook"})


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """An offer (`1042`), one of its variants (`1042/soft`), a segment or a mailbox provider."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """One text for both."""
        return f"{self.kind}#{self.name}"

    def counter(self, name: str) -> str:
        """What the counter `name` is called for this cause alone."""
        return f"{name}{MARKS[self.kind]}{self.name}"


@dataclass(frozen=True, slots=True)
class Stop:
    """A cause that nobody is mailed for. Times are epoch seconds; `until` None: until a person lifts it."""

    cause: Cause
    reason: str
    since: int
    until: int | None
    detail: str = ""

    def holds(self, now: int) -> bool:
        """Whether it is still in force."""
        return self.until is None or now < self.until


def causes_of(*, offer: str, variant: str, segment: str, provider: str) -> tuple[Cause, ...]:
    """The causes that a mail's trouble may have."""
    return (
        Cause("offer", offer),
        Cause("variant", f"{offer}/{variant}"),
        Cause("segment", segment),
        Cause("provider", provider),
    )


def counted_by_cause(name: str, facts: Mapping[str, str]) -> dict[str, int]:
    """What one event of a mail adds by cause; `facts` hold the mail's offer, variant, segment and provider."""
    causes = causes_of(**{kind: facts[kind] for kind in MARKS})
    return {cause.counter(name): 1 for cause in causes}


def sent_by_cause(facts: Mapping[str, str]) -> dict[str, int]:
    """What a mail adds when the provider takes it; `heard`: a complaint about it would be heard of."""
    counted = counted_by_cause("sent", facts)
    if facts["provider"] in HEARD_PROVIDERS:
        counted |= {"heard": 1, **counted_by_cause("heard", facts)}
    return counted


def seen_causes(hours: Iterable[Mapping[str, int]]) -> tuple[Cause, ...]:
    """All causes that were mailed in these hours, in order."""
    names = {name for counted in hours for name in counted if name.startswith("sent")}
    found = {
        Cause(kind, name.removeprefix(f"sent{mark}"))
        for name in names
        for kind, mark in MARKS.items()
        if name.startswith(f"sent{mark}")
    }
    return tuple(sorted(found))
