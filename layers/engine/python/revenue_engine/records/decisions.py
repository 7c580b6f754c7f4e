"""The decisions of one page, a struct of arrays. Shapes: n rows, A arms."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Codes, Floats, Ints, Keys

NONE = -1  # no arm, no minute


@dataclass(frozen=True, slots=True)
class Decisions:
    """One row per due subscriber, send or skip. Figures of parts a row never reached are NaN (0 for money)."""

    subscriber: npt.NDArray[np.str_]
    send: Bools  # decided to send (in shadow too)
    mail: Bools  # and the switch lets it leave
    ghost: Bools  # would have sent, does not, so that the effect of a mail can be measured
    canary: Bools
    explored: Bools
    reason: Codes  # position in REASONS
    policy: Codes  # position in ARMS: the randomised arm that decided
    segment: Codes  # position in SEGMENTS
    provider: Codes
    arm: npt.NDArray[np.int32]  # position in the book's arms, NONE
    # where no arm was chosen though there was a choice: the one it would have been, the best as expected, or as drawn before the cut
    considered: npt.NDArray[np.int32]
    runner_up: npt.NDArray[np.int32]  # the best of the others
    eligible: Codes  # (n, ⌈A/8⌉) bits, first arm highest
    epsilon: Floats
    propensity_joint: Floats  # of the action as logged: P(send) · P(offer) · P(content), or of the skip
    propensity_send: Floats
    propensity_offer: Floats
    propensity_content: Floats
    p_open: Floats
    p_click: Floats
    p_conversion: Floats  # approved conversion given a human click
    churn_risk: Floats
    complaint_risk: Floats
    engagement: Floats
    payout_micros: Ints
    expected_revenue_micros: Ints  # of the chosen arm
    index_micros: Ints  # of the chosen arm
    considered_index_micros: Ints
    runner_up_index_micros: Ints
    row_index_micros: Ints  # of the row as its arm would be drawn: what meets the price and the budget, whatever arm was
    row_value_micros: Ints  # that without the prices of the future: expected revenue less the cost of the mail
    upper_micros: Ints  # optimistic expected revenue of the row: what meets the floor
    hazard_price_micros: Ints  # what the mail costs the reader's future: exits,
    fatigue_price_micros: Ints  # what later mails lose,
    complaint_price_micros: Ints
    lapse_price_micros: Ints  # falling silent
    ltv_micros: Ints  # what the reader is worth from now on,
    v_after_micros: Ints  # and once he has had the mail and stayed
    rank: Keys  # keyed order of equals
    minute: npt.NDArray[np.int16]  # 0..14 into the cycle, NONE
    next_decision_at: Ints  # epoch seconds

    def __len__(self) -> int:
        return len(self.subscriber)

    def take(self, rows: npt.NDArray[Any]) -> Self:
        """These rows alone."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})
