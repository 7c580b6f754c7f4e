"""What the deliveries, opens and clicks of one mail come to: a function of all of them, so that neither order nor repetition matters.

Whoever keeps books of it books the difference between two of these sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from revenue_engine.clock import epoch_seconds
from revenue_engine.intake.human import Interaction, Verdict, judge

UNJUDGED = Verdict(False, 0.0, ())


@dataclass(frozen=True, slots=True)
class Seen:
    """One interaction under the key it is stored by, and the verdict on it."""

    key: str
    interaction: Interaction
    verdict: Verdict = UNJUDGED

    @property
    def touch(self) -> str:
        """human_open | machine_open | human_click | machine_click."""
        return f"{'human' if self.verdict.human else 'machine'}_{self.interaction.kind}"


@dataclass(frozen=True, slots=True)
class Engagement:
    """Everything told of one mail since SES took it at `mail_at`; deliveries and interactions in any order."""

    mail_at: datetime
    deliveries: tuple[datetime, ...] = ()
    seen: tuple[Seen, ...] = ()

    @property
    def delivered_at(self) -> datetime | None:
        """When it reached the mailbox: of several, which one recipient cannot have, the last."""
        return max(self.deliveries, default=None)

    def first(self, touch: str) -> datetime | None:
        """The first human_open, human_click, machine_open or machine_click."""
        return min((one.interaction.at for one in self.seen if one.touch == touch), default=None)


@dataclass(frozen=True, slots=True)
class Sums:
    """What an engagement adds to counters, by time and name, and to the arm's evidence, by UTC day and name."""

    counters: Mapping[tuple[datetime, str], int]
    evidence: Mapping[tuple[str, str], int]


def judged(engagement: Engagement) -> Engagement:
    """With the verdicts that all of it together asks for."""
    verdicts = judge(
        [one.interaction for one in engagement.seen], mail_at=engagement.mail_at, delivered_at=engagement.delivered_at
    )
    seen = (replace(one, verdict=verdict) for one, verdict in zip(engagement.seen, verdicts, strict=True))
    return replace(engagement, seen=tuple(seen))


_TOUCHES = ("human_open", "human_click", "machine_open", "machine_click")


def outcome(engagement: Engagement) -> dict[str, int]:
    """The mail's own record: counts, and first times in epoch seconds; what there is not is left out."""
    counts = Counter(f"{one.touch}s" for one in engagement.seen)
    times = {
        "delivered_at": engagement.delivered_at,
        **{f"first_{touch}_at": engagement.first(touch) for touch in _TOUCHES},
    }
    return dict(counts) | {name: epoch_seconds(at) for name, at in times.items() if at is not None}


OUTCOME_NAMES = ("delivered_at", *(f"{touch}s" for touch in _TOUCHES), *(f"first_{touch}_at" for touch in _TOUCHES))


def sums(engagement: Engagement, *, offer: str, provider: str) -> Sums:
    """Opened and clicked mails are counted once a mail, when a person first did: a second click is no new trial."""
    counters: Counter[tuple[datetime, str]] = Counter()
    evidence: Counter[tuple[str, str]] = Counter()
    mailed_on = f"{engagement.mail_at:%Y-%m-%d}"
    for at in engagement.deliveries:
        counters.update({(at, "delivered"): 1, (at, f"delivered#{provider}"): 1})
        evidence[mailed_on, "deliveries"] += 1
    for one in engagement.seen:
        counters[one.interaction.at, f"{one.touch}s"] += 1
        if one.interaction.kind == "click" and not one.interaction.honeypot:
            counters[one.interaction.at, f"capped_clicks@{offer}"] += 1  # the network counts whoever it redirects
    opened, clicked = engagement.first("human_open"), engagement.first("human_click")
    if opened is not None:
        counters[opened, "opened_mails"] += 1
        evidence[mailed_on, "opens"] += 1
    if clicked is not None:
        counters.update({(clicked, "clicked_mails"): 1, (clicked, f"clicked_mails@{offer}"): 1})
        evidence[f"{clicked:%Y-%m-%d}", "clicks"] += 1
    return Sums(counters, evidence)


def difference(after: Sums, before: Sums) -> Sums:
    """What has to be added to `before` to have `after`."""
    return Sums(_difference(after.counters, before.counters), _difference(after.evidence, before.evidence))


def _difference(after: Mapping, before: Mapping) -> dict:  # type: ignore[type-arg]
    changed = {key: after.get(key, 0) - before.get(key, 0) for key in dict.fromkeys((*after, *before))}
    return {key: n for key, n in changed.items() if n}
