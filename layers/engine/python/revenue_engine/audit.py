"""Decision receipts and replay (D1): a line for every send and every skip, and the same line again from the stored inputs.

Floating-point sums and samplers are the same for the same NumPy on the same kind of processor; across those a replay may differ
in a last digit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from revenue_engine.arrays import Floats, Ints
from revenue_engine.bundle import Finder
from revenue_engine.clock import iso_millis
from revenue_engine.context import LATER_HOURS, Cycle, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import NOTHING_TAKEN, grant
from revenue_engine.later import Taken
from revenue_engine.prediction.rates import by_segment
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.reasons import REASONS
from revenue_engine.records.subscriber import ARMS, PROVIDERS, SCHEMA
from revenue_engine.snapshot import controls_version, load_context, load_page

POLICIES = ("index-tally-1", "fixed-weekly-1", "no-mail")  # beside ARMS: who decided, and by which rules
SendIds = Callable[[str, str], str]  # (subscriber, decision id) → send id: a function of the org's key, which no core holds


def decision_id(cycle_id: str, subscriber: str) -> str:
    """One subscriber is decided once in a cycle."""
    return f"{cycle_id}.{subscriber}"


def receipts(
    decisions: Decisions,
    batch: Batch,
    cycle: Cycle,
    *,
    page_key: str,
    context_key: str,
    granted: int,
    taken: Taken = NOTHING_TAKEN,
    send_id: SendIds | None = None,
) -> bytes:
    """The page's receipts, one JSON line per row in the page's order.

    Parameters
    ----------
    page_key, context_key
        Where the inputs are stored (`snapshot.save_page`, `snapshot.save_context`).
    granted, taken
        What `grant` was given: replay needs them.
    send_id
        Names the mails, for the join with their outcomes; None leaves them unnamed.
    """
    records = _records(decisions, batch, cycle, page_key, context_key, granted, taken, send_id)
    return b"\n".join(map(orjson.dumps, records)) + b"\n"


def taken_of(record: Mapping[str, Any]) -> Taken:
    """What the pages before a receipt's had taken."""
    later = record.get("put_off", ())  # receipts of before: their pages are refused by name
    return Taken(tuple(record["taken"]), (*later, *(0,) * (LATER_HOURS - len(later))))


def replay(
    page: bytes, context: bytes, bundle_of: Finder, *, granted: int, taken: Taken = NOTHING_TAKEN
) -> tuple[Decisions, Batch, Cycle]:
    """Decide a stored page again; its receipts are the stored ones to the byte. `bundle_of` finds the bundle that the context names."""
    batch, cycle = load_page(page), prepare(load_context(context, bundle_of))
    return grant(decide_batch(batch, cycle), batch, cycle, granted, taken=taken), batch, cycle


def _records(
    decisions: Decisions,
    batch: Batch,
    cycle: Cycle,
    page_key: str,
    context_key: str,
    granted: int,
    taken: Taken,
    send_id: SendIds | None,
) -> Iterator[dict[str, Any]]:
    context, controls = cycle.context, cycle.context.controls
    rates = context.bundle.rates
    constant = {
        "decision_type": "autonomous_send",
        "org": context.org,
        "cycle_id": context.cycle_id,
        "ts": iso_millis(context.now),
        "autonomy": context.autonomy.value,
        "model_version": context.bundle.version,
        "model_prior": context.bundle.manifest.prior,
        "controls_version": controls_version(controls),
        "price_version": context.price.version,
        "code_version": context.code_version,
        "row_schema": SCHEMA,
        "page": page_key,
        "context": context_key,
        "granted": granted,
        "taken": list(taken.mails),
        "put_off": np.trim_zeros(np.array(taken.later), "b").tolist(),
        "cycle_key": f"{cycle.key:016x}",
        "lambda_micros": context.price.lambda_micros,
        "cost_micros": controls.cost_per_email_micros,
        "currency": controls.currency,
        "kappa_micros": context.price.kappa_micros,
    }
    arm = _arm_columns(cycle, decisions.arm.tolist())
    considered = _arm_columns(cycle, decisions.considered.tolist())
    runner_up = _arm_columns(cycle, decisions.runner_up.tolist())
    has_arm = decisions.arm >= 0
    cost = controls.cost_per_email_micros
    roi = np.where(has_arm & (cost > 0), (decisions.expected_revenue_micros - cost) / max(cost, 1), np.nan)
    leaves = decisions.mail & (context.autonomy is not Autonomy.APPROVAL)  # a plan that waits does when a person lets it
    named = [decision_id(context.cycle_id, key) for key in decisions.subscriber.tolist()]
    mails = zip(decisions.subscriber.tolist(), named, decisions.mail.tolist(), strict=True)
    columns: dict[str, list[Any]] = {
        "decision_id": named,
        "send_id": [send_id(key, name) if send_id is not None and mail else None for key, name, mail in mails],
        "subscriber": decisions.subscriber.tolist(),
        "row": list(range(len(decisions))),
        "features_hash": [hashlib.sha256(row.tobytes()).hexdigest()[:32] for row in batch.rows],
        "draw_key": [f"{key:016x}" for key in batch.column("draw_key").tolist()],
        "action": np.select([decisions.send, decisions.ghost], ["send", "ghost"], "skip").tolist(),
        "reason": [REASONS[r] for r in decisions.reason.tolist()],
        "mailed": leaves.tolist(),
        "awaits_approval": (decisions.mail & (context.autonomy is Autonomy.APPROVAL)).tolist(),
        "canary": decisions.canary.tolist(),
        "ghost": decisions.ghost.tolist(),
        "holdout": (decisions.policy == ARMS.index("no_mail")).tolist(),
        "arm": [ARMS[p] for p in decisions.policy.tolist()],
        "policy": [POLICIES[p] for p in decisions.policy.tolist()],
        "segment": [SEGMENTS[s] for s in decisions.segment.tolist()],
        "provider": [PROVIDERS[p] for p in decisions.provider.tolist()],
        "offer": arm["offer"],
        "content": arm["variant"],
        "offer_name": arm["offer_name"],
        "subject_line": arm["subject_line"],
        "eligible": [bits.tobytes().hex() for bits in decisions.eligible],
        # deterministic skips and the fixed policy lie outside the support of off-policy evaluation (D2)
        "off_policy_support": (has_arm & (decisions.policy == ARMS.index("engine"))).tolist(),
        "explored": decisions.explored.tolist(),
        "epsilon": decisions.epsilon.tolist(),
        "propensity_joint": decisions.propensity_joint.tolist(),
        "propensity_send": decisions.propensity_send.tolist(),
        "propensity_offer": decisions.propensity_offer.tolist(),
        "propensity_content": decisions.propensity_content.tolist(),
        "p_open": decisions.p_open.tolist(),
        "p_click": decisions.p_click.tolist(),
        "p_conversion": decisions.p_conversion.tolist(),
        "h_unsubscribe": by_segment(rates.unsubscribe_hazard)[decisions.segment].tolist(),
        "h_complaint": by_segment(rates.complaint_hazard)[decisions.segment].tolist(),
        "churn_risk": decisions.churn_risk.tolist(),
        "complaint_risk": decisions.complaint_risk.tolist(),
        "engagement_score": decisions.engagement.tolist(),
        "payout_micros": _where(has_arm, decisions.payout_micros),
        "expected_revenue_micros": _where(has_arm, decisions.expected_revenue_micros),
        "value_micros": _where(has_arm, decisions.expected_revenue_micros - cost),
        "row_value_micros": decisions.row_value_micros.tolist(),
        "hazard_price_micros": decisions.hazard_price_micros.tolist(),
        "fatigue_price_micros": decisions.fatigue_price_micros.tolist(),
        "complaint_price_micros": decisions.complaint_price_micros.tolist(),
        "lapse_price_micros": decisions.lapse_price_micros.tolist(),
        "ltv_micros": decisions.ltv_micros.tolist(),
        "v_after_micros": decisions.v_after_micros.tolist(),
        "expected_roi": roi.tolist(),
        "index_micros": _where(has_arm, decisions.index_micros),
        "row_index_micros": decisions.row_index_micros.tolist(),
        "upper_revenue_micros": decisions.upper_micros.tolist(),
        # names of their own: no reader of the log takes what was weighed for what was chosen
        "considered_offer": considered["offer"],
        "considered_content": considered["variant"],
        "considered_index_micros": _where(decisions.considered >= 0, decisions.considered_index_micros),
        "runner_up_offer": runner_up["offer"],
        "runner_up_content": runner_up["variant"],
        "runner_up_index_micros": _where(decisions.runner_up >= 0, decisions.runner_up_index_micros),
        "scheduled_at": _where(leaves, cycle.now + 60 * decisions.minute.astype(np.int64)),
        "next_decision_at": decisions.next_decision_at.tolist(),
    }
    names = tuple(columns)
    for values in zip(*columns.values(), strict=True):
        yield constant | dict(zip(names, values, strict=True))


def _arm_columns(cycle: Cycle, arms: list[int]) -> dict[str, list[str | None]]:
    """Names of arms by position, None where there is none."""
    book = cycle.book
    named = [
        (offer, variant, book.offers[o].name, creative.subject)
        for (offer, variant), o, creative in zip(book.arms, book.offer_of_arm.tolist(), book.creatives, strict=True)
    ]
    nothing = (None, None, None, None)
    rows = [named[a] if a >= 0 else nothing for a in arms]
    return {name: [row[i] for row in rows] for i, name in enumerate(("offer", "variant", "offer_name", "subject_line"))}


def _where(known: Any, values: Floats | Ints) -> list[Any]:
    """The values, None where not known."""
    return [value if yes else None for value, yes in zip(values.tolist(), known.tolist(), strict=True)]
