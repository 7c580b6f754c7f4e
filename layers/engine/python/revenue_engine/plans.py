"""What decide hands to execute: the mails of a page as columns, ready to be cut into `sends` messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from revenue_engine.audit import SendIds, decision_id
from revenue_engine.clock import day_in
from revenue_engine.context import Cycle
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.send import PlannedSend
from revenue_engine.records.subscriber import ARMS, PROVIDERS, topic_number

MOST_GROUPS = 20  # a plan's record stays small, and what a person reads too


def mail_columns(decisions: Decisions, cycle: Cycle) -> dict[str, list[Any]]:
    """The rows that leave, sorted by minute and mailbox provider: one list per column, all of one length."""
    rows = np.flatnonzero(decisions.mail)
    mails = decisions.take(rows[np.lexsort((decisions.subscriber[rows], decisions.provider[rows], decisions.minute[rows]))])
    arms = [cycle.book.arms[a] for a in mails.arm.tolist()]
    offers = [cycle.book.offers[o] for o in cycle.book.offer_of_arm.tolist()]
    topics = [topic_number(offer.category) for offer in offers]
    contents = [creative.content_hash for creative in cycle.book.creatives]
    return {
        "subscriber": mails.subscriber.tolist(),
        "decision_id": [decision_id(cycle.context.cycle_id, key) for key in mails.subscriber.tolist()],
        "offer": [offer for offer, _ in arms],
        "variant": [variant for _, variant in arms],
        "segment": [SEGMENTS[s] for s in mails.segment.tolist()],
        "topic": [topics[a] for a in mails.arm.tolist()],
        "content_hash": [contents[a] for a in mails.arm.tolist()],
        "listed_payout_micros": [offers[a].payout_micros or 0 for a in mails.arm.tolist()],
        "listed_payout_percentage": [offers[a].payout_percentage for a in mails.arm.tolist()],
        "provider": [PROVIDERS[p] for p in mails.provider.tolist()],
        "policy": [ARMS[p] for p in mails.policy.tolist()],
        "canary": mails.canary.tolist(),
        "minute": mails.minute.tolist(),
        "predicted_revenue_micros": mails.expected_revenue_micros.tolist(),
        "p_click": mails.p_click.tolist(),
        "p_conversion": mails.p_conversion.tolist(),
        "propensity": mails.propensity_joint.tolist(),
    }


def groups(mails: Decisions, cycle: Cycle) -> list[dict[str, Any]]:
    """What a person judges a plan by: its mails by arm and segment, the most numerous MOST_GROUPS of them, and the `smaller_groups`, so
    many, together.

    Parameters
    ----------
    mails
        Of a page, those rows alone that leave.
    """
    book, segments = cycle.book, len(SEGMENTS)
    group = mails.arm.astype(np.int64) * segments + mails.segment
    sends = np.bincount(group, minlength=len(book.arms) * segments)
    micros = np.zeros(len(sends), dtype=np.int64)
    np.add.at(micros, group, mails.expected_revenue_micros)
    by_number = np.lexsort((np.arange(len(sends)), -sends))[: np.count_nonzero(sends)]
    most, rest = by_number[:MOST_GROUPS], by_number[MOST_GROUPS:]
    others = {
        "smaller_groups": len(rest),
        "sends": int(sends[rest].sum()),
        "predicted_revenue_micros": int(micros[rest].sum()),
    }
    return [
        {
            "offer": book.arms[g // segments][0],
            "offer_name": book.offers[book.offer_of_arm[g // segments]].name,
            "variant": book.arms[g // segments][1],
            "subject": book.creatives[g // segments].subject,
            "segment": SEGMENTS[g % segments],
            "sends": int(sends[g]),
            "predicted_revenue_micros": int(micros[g]),
        }
        for g in most.tolist()
    ] + ([others] if len(rest) else [])


def planned_sends(decisions: Decisions, cycle: Cycle, send_id: SendIds) -> list[tuple[int, PlannedSend]]:
    """`(minute, plan)` of every mail that leaves."""
    columns = mail_columns(decisions, cycle)
    minutes = columns.pop("minute")
    context = cycle.context
    labels, budget_day = context.controls.campaign_labels, day_in(context.now, context.controls.zone).isoformat()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [
        (
            minute,
            PlannedSend(
                org=context.org,
                cycle_id=context.cycle_id,
                send_id=send_id(row["subscriber"], row["decision_id"]),
                campaign=labels.get(row["offer"]) or f"{context.cycle_id[:8]}-{row['offer']}-{row['variant']}",
                approval_id="",
                budget_day=budget_day,
                **row,
            ),
        )
        for minute, row in zip(minutes, rows, strict=True)
    ]
