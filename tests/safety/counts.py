"""Hours of counters as execute and engage would have written them."""

from __future__ import annotations

from collections import Counter

from revenue_engine.records.causes import counted_by_cause, sent_by_cause

Group = tuple[int, dict[str, int], dict[str, str]]  # mails, events, facts that differ from FACTS
FACTS = {"offer": "1001", "variant": "soft", "segment": "new", "provider": "yahoo"}


def an_hour(mails: int = 0, *, heard: int | None = None, **events: int) -> dict[str, int]:
    """An hour of which no causes are known."""
    return {"sent": mails, "heard": mails if heard is None else heard, **events}


def caused(*groups: Group) -> dict[str, int]:
    """An hour of these groups."""
    total: Counter[str] = Counter()
    for mails, events, facts in groups:
        mail = FACTS | facts
        counted = {"sent": 1, **sent_by_cause(mail)}
        total.update({name: n * mails for name, n in counted.items()})
        for name, n in events.items():
            total.update({key: one * n for key, one in {name: 1, **counted_by_cause(name, mail)}.items()})
    return dict(total)
