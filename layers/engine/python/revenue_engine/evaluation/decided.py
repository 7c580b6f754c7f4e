"""Decisions on record, joined with what became of them, as off-policy evaluation reads them. Shapes: n decisions, A arms, the last a skip.

In it are the decisions that chance made and the world answered: of the engine's arm, with an offer, under a switch that let the mail
leave, three days old. The others are counted by their reason: fixed policy and deterministic skips lie outside the support (D2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.outcome import cell_means
from revenue_engine.evaluation.receipts import Became, Receipt
from revenue_engine.evaluation.rewards import Surrogate, surrogate
from revenue_engine.records.evidence import SEGMENTS

MATURE_SECONDS = 72 * 3_600  # all but a few clicks, opt-outs and complaints have come by then
SKIP = "skip"
_STRENGTH = 50.0  # rows that a segment and arm must have to count as much as the arm's mean


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole policy as played and what it knew, each (n, A); see `revenue_engine.mixture`."""

    logging: Floats
    eligible: Bools  # nobody chooses the skip: it is never eligible
    expected: Floats  # micros a mail was predicted to bring


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions, (n,). Micros are of the org's currency."""

    arms: tuple[str, ...]  # `offer/variant`, and SKIP last
    action: Ints  # index into arms
    propensity: Floats
    subscriber: Ints  # numbered from 0
    segment: Ints  # index into SEGMENTS
    rewards: Surrogate  # micros
    revenue_micros: Ints  # approved by now
    complained: Bools
    pages: tuple[tuple[str, str], ...]  # names of the stored inputs, a cycle's context and a page, and of each decision:
    page: Ints  # which of them,
    row: Ints  # its row there,
    epsilon: Floats  # and its share of exploration
    left_out: Mapping[str, int]  # by reason
    policy: Policy | None = None  # where the stored inputs are at hand

    def __len__(self) -> int:
        return len(self.action)

    def only(self, rows: Ints) -> Decided:
        """These decisions, without a policy."""
        columns = ("action", "propensity", "subscriber", "segment", "revenue_micros", "complained", "page", "row", "epsilon")
        of_rewards = ("reward", "expected_revenue", "expected_square")
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in columns},
            rewards=Surrogate(*(getattr(self.rewards, name)[rows] for name in of_rewards)),
            policy=None,
        )


def decided(receipts: Iterable[Receipt], became: Mapping[str, Became], *, as_of: float, worth_micros: int) -> Decided:
    """What the receipts say of themselves: the propensity of what was done, not of what was not.

    Parameters
    ----------
    became
        By decision id, of mails that left. A decided mail that never left (an opt-out came first) has brought nothing.
    as_of
        Epoch seconds up to which outcomes are known.
    worth_micros
        What a subscriber who is lost would have brought, the L of the surrogate. Receipts know no lifetime value yet.
    """
    left_out: Counter[str] = Counter()
    rows: list[Receipt] = []
    for receipt in receipts:
        reason = _outside(receipt, as_of)
        if reason is None:
            rows.append(receipt)
        else:
            left_out[reason] += 1
    played = [SKIP if row.ghost else row.arm_name for row in rows]
    arms = (*sorted(set(played) - {SKIP}), SKIP)
    number = {name: i for i, name in enumerate(arms)}
    pages = tuple(dict.fromkeys((row.context, row.page) for row in rows))
    place = {name: i for i, name in enumerate(pages)}
    outcomes = [became.get(row.decision_id) for row in rows]
    clicked, unsubscribed, complained = (
        np.array([outcome is not None and outcome.within(MATURE_SECONDS, what) for outcome in outcomes], dtype=np.bool_)
        for what in ("clicked_at", "unsubscribed_at", "complained_at")
    )
    return Decided(
        arms=arms,
        action=np.array([number[name] for name in played], dtype=np.int64),
        propensity=np.array([row.propensity_joint for row in rows], dtype=np.float64),
        subscriber=np.unique([row.subscriber for row in rows], return_inverse=True)[1].astype(np.int64),
        segment=np.array([SEGMENTS.index(row.segment) for row in rows], dtype=np.int64),
        rewards=surrogate(
            clicked.astype(np.float64),
            np.array([row.p_conversion for row in rows], dtype=np.float64),
            np.array([row.payout_micros for row in rows], dtype=np.float64),
            unsubscribed,
            complained,
            np.full(len(rows), float(worth_micros)),
            np.zeros(len(rows)),
        ),
        revenue_micros=np.array([0 if outcome is None else outcome.approved_micros for outcome in outcomes], dtype=np.int64),
        complained=complained,
        pages=pages,
        page=np.array([place[row.context, row.page] for row in rows], dtype=np.int64),
        row=np.array([row.row for row in rows], dtype=np.int64),
        epsilon=np.array([row.epsilon for row in rows], dtype=np.float64),
        left_out=dict(left_out),
    )


def logged(log: Decided, target: Floats) -> Logged:
    """The decisions under a target, (n, A), rewarded by the surrogate; its model is means by segment and arm, of other subscribers."""
    reward = log.rewards.reward
    predicted = cell_means(
        log.action, reward, log.segment, log.subscriber, arms=len(log.arms), cells=len(SEGMENTS), strength=_STRENGTH
    )
    logging = None if log.policy is None else log.policy.logging
    return Logged(log.action, reward, log.propensity, target, log.subscriber, predicted, logging)


def _outside(receipt: Receipt, as_of: float) -> str | None:
    """Why a decision cannot be used, if it cannot."""
    if receipt.arm != "engine":
        return "fixed_policy" if receipt.arm == "fixed" else "holdout"
    if not receipt.off_policy_support:
        return "certain_skip"
    if not receipt.played:
        return "not_let_leave"
    return "not_matured" if receipt.ts.timestamp() > as_of - MATURE_SECONDS else None
