"""`sends` messages: columnar JSON, at most 500 planned sends of one minute and one mailbox provider (docs/data-model.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Any

from revenue_engine.aws.queues import Message
from revenue_engine.records.send import PlannedSend

ROWS_PER_MESSAGE = 500
_COLUMNS = tuple(f.name for f in fields(PlannedSend))
# The same for every row of a message: written once.
_SHARED = ("org", "cycle_id", "approval_id")
# The same for every row of one arm: written once an arm, and rows have its number.
_OF_ARM = ("offer", "variant", "campaign", "topic", "content_hash", "listed_payout_micros", "listed_payout_percentage")
_OF_ROW = tuple(name for name in _COLUMNS if name not in (*_SHARED, *_OF_ARM))
# Of what was queued before plans knew it: without the hash of its content, execute drops it by name.
_UNKNOWN = {"content_hash": "", "listed_payout_micros": 0, "listed_payout_percentage": 0.0}


def encode(plans: Sequence[PlannedSend]) -> str:
    """One message body. All plans share org, cycle and approval."""
    body: dict[str, Any] = {name: getattr(plans[0], name) for name in _SHARED}
    body["rows"] = len(plans)
    keys = [tuple(getattr(plan, name) for name in _OF_ARM) for plan in plans]
    number = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    body["arms"] = {name: [key[i] for key in number] for i, name in enumerate(_OF_ARM)}
    body["columns"] = {name: [getattr(plan, name) for plan in plans] for name in _OF_ROW} | {"arm": [number[key] for key in keys]}
    return json.dumps(body, separators=(",", ":"))


def decode(body: str) -> list[PlannedSend]:
    """The plans of a message body."""
    document = json.loads(body)
    shared = {name: document[name] for name in _SHARED}
    columns, arms = document["columns"], document.get("arms", {})
    arm = columns.pop("arm", [0] * document["rows"])
    return [
        PlannedSend(
            **{
                **_UNKNOWN,
                **shared,
                **{name: arms[name][arm[i]] for name in arms},
                **{name: columns[name][i] for name in columns},
            }
        )
        for i in range(document["rows"])
    ]


def messages(planned: Iterable[tuple[int, PlannedSend]], *, late_seconds: int = 0) -> list[Message]:
    """Messages for plans with their minute offset within the coming cycle: one per minute, provider and 500 rows.

    `late_seconds`: since the cycle's first minute began. What should have left meanwhile leaves now, at the velocity (`services.outlet`).
    """
    ordered = sorted(planned, key=lambda p: (p[0], p[1].provider, p[1].subscriber))
    result: list[Message] = []
    for (minute, _), group in groupby(ordered, key=lambda p: (p[0], p[1].provider)):
        plans = [plan for _, plan in group]
        cuts = range(0, len(plans), ROWS_PER_MESSAGE)
        result += [
            Message(encode(plans[cut : cut + ROWS_PER_MESSAGE]), delay_seconds=max(minute * 60 - late_seconds, 0)) for cut in cuts
        ]
    return result
