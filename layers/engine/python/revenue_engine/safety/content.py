"""Variants of which most planned mails cannot be made: whatever they were expected to earn, nothing leaves. Needs no numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from revenue_engine.records.causes import Cause
from revenue_engine.records.send import CONTENT_INCOMPLETE
from revenue_engine.safety.blame import Hours
from revenue_engine.safety.findings import Finding, Level, Remedy

MOST_DROPPED = 0.5  # of a variant's mails that left, or would have but for their content
MORE_DROPPED = 10  # than left: of few, more than half are some readers who lack a field


def content_findings(hours: Hours, out: Collection[Cause]) -> list[Finding]:
    """The variants to stop that are not `out` for it already, by name.

    What left before the content broke speaks for nothing, and nobody knows when that was: it is judged over the last hours, however
    many, that speak most against it.
    """
    prefix = Cause("variant", "").counter(CONTENT_INCOMPLETE)
    names = sorted({name.removeprefix(prefix) for counted in hours for name in counted if name.startswith(prefix)})
    found = []
    for cause in (Cause("variant", name) for name in names):
        dropped, sent = max(_last_hours(hours, cause), key=lambda last: last[0] - last[1])
        if cause not in out and dropped - sent >= MORE_DROPPED:
            share = dropped / (dropped + sent)
            found.append(Finding(CONTENT_INCOMPLETE, Remedy.STOP_CAUSE, Level.WARNING, share, MOST_DROPPED, cause=cause))
    return found


def _last_hours(hours: Hours, cause: Cause) -> Iterator[tuple[int, int]]:
    """(dropped, sent) of the last hour, of the last two, …; with what left in the hour before them, for the drops of a message are
    counted after its sends."""
    of_each = [(counted.get(cause.counter(CONTENT_INCOMPLETE), 0), counted.get(cause.counter("sent"), 0)) for counted in hours]
    dropped = sent = 0
    for at in reversed(range(len(of_each))):
        dropped, sent = dropped + of_each[at][0], sent + of_each[at][1]
        yield dropped, sent + (of_each[at - 1][1] if at else 0)
