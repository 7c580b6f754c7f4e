"""Variants of which most planned mails cannot be made: whatever they were expected to earn, nothing leaves. Needs no numpy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from revenue_engine.records.causes import Cause
from revenue_engine.records.send import CONTENT_INCOMPLETE
from revenue_engine.safety.blame import Hours
from revenue_engine.safety.findings import Finding, Level, Remedy

MOST_DROPPED = 0.5  # of a variant's mails that left, or would have but for their content
FEWEST_DROPPED = 10  # fewer are some readers who lack a field


def content_findings(hours: Hours, out: Collection[Cause]) -> list[Finding]:
    """The variants to stop that are not `out` for it already, by name."""
    total: Counter[str] = Counter()
    for counted in hours:
        total.update(counted)
    prefix = Cause("variant", "").counter(CONTENT_INCOMPLETE)
    found = []
    for cause in (Cause("variant", name.removeprefix(prefix)) for name in sorted(total) if name.startswith(prefix)):
        dropped, sent = total[cause.counter(CONTENT_INCOMPLETE)], total[cause.counter("sent")]
        if cause not in out and dropped >= FEWEST_DROPPED and dropped > MOST_DROPPED * (dropped + sent):
            share = dropped / (dropped + sent)
            found.append(Finding(CONTENT_INCOMPLETE, Remedy.STOP_CAUSE, Level.WARNING, share, MOST_DROPPED, cause=cause))
    return found
