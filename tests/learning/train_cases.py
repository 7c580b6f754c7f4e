"""A list whose readers differ by more than their segments say: something to learn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from revenue_engine.arrays import Ints
from revenue_engine.bundle import Bundle, prior_bundle
from revenue_engine.clock import epoch_seconds
from revenue_engine.draws import mix
from revenue_engine.learning.dataset import Dataset, Part, Plan, joined, plan
from revenue_engine.learning.outcomes import Outcomes
from revenue_engine.learning.rows import Rows
from revenue_engine.learning.train import Candidate, train
from revenue_engine.prediction.features import CROSS, OFFER, SUBSCRIBER
from revenue_engine.prediction.platt import logistic, logit
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.evidence import SEGMENTS, Evidence
from tests.core_cases import DAY, NOW

ARM = ("101", "soft", "finance")
PEOPLE = 4_000


def a_list(n: int, seed: int = 0, *, told: float = 1.0) -> Part:
    """n mails of two months to a list that clicks more than the prior knows; `told` is how much a person's click rate says of the next."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((n, len(SUBSCRIBER) + len(OFFER))).astype(np.float32)
    segment = random.integers(0, len(SEGMENTS), n)
    level = np.array([PRIOR_RATES.click_level[name] for name in SEGMENTS])[segment]
    p_click = logistic(logit(level) + 1.2 + told * (1.6 * (features[:, SUBSCRIBER.index("click_rate")] > 0.5) - 0.6))
    p_sale = np.full(n, 0.1)
    clicked = random.random(n) < p_click
    sold = clicked & (random.random(n) < p_sale)
    keys = mix(np.arange(seed << 32, (seed << 32) + n, dtype=np.uint64))
    sent_at = epoch_seconds(NOW) - random.uniform(20, 80, n) * DAY
    rows = Rows(features, np.zeros((n, len(CROSS)), dtype=np.float32), level, p_sale, clicked, sold, np.ones(n), np.ones(n))
    money = np.where(sold, 20e6, 0.0)
    hour = ((sent_at // 3_600).astype(np.int64) + 72) % 168
    arm, payout = np.zeros(n, dtype=np.int64), np.full(n, 20e6)
    return Part(rows, keys, keys % np.uint64(PEOPLE), sent_at, hour, segment, arm, payout, money)


def planned(part: Part) -> Plan:
    """The plan of these mails."""
    order = np.argsort(part.key)
    rows = part.rows.where(order)
    outcomes = Outcomes(
        part.key[order],
        part.sent_at[order],
        rows.clicked,
        np.zeros(len(part), dtype=bool),
        rows.sold.astype(np.int64),
        np.zeros(len(part), dtype=np.int64),
    )
    return plan(outcomes, as_of=float(epoch_seconds(NOW)))


def a_dataset(part: Part, *, pages: Sequence[Ints] | None = None) -> Dataset:
    """As if read from these pages."""
    parts = [part] if pages is None else [part.where(page) for page in pages]
    return joined(parts, [ARM], planned(part), {})


def evidence_of(part: Part) -> list[Evidence]:
    """Its cells."""
    cells = []
    days = ((epoch_seconds(NOW) - part.sent_at) // DAY).astype(int)
    for day in np.unique(days):
        for s, segment in enumerate(SEGMENTS):
            mine = (days == day) & (part.segment == s)
            clicks, sales = int(part.rows.clicked[mine].sum()), int(part.rows.sold[mine].sum())
            cells.append(Evidence((NOW - timedelta(days=int(day))).date(), *ARM[:2], segment, int(mine.sum()), 0, clicks, sales))
    return cells


def trained(part: Part, data: Dataset, *, champion: Bundle | None = None, seed: int = 0) -> tuple[Candidate, ...]:
    """What comes of it."""
    return train(
        evidence_of(part), {ARM[0]: ARM[2]}, NOW, code_version="1", champion=champion or prior_bundle(NOW), data=data, seed=seed
    )


if __name__ == "__main__":
    mails = a_list(int(sys.argv[1]))
    print([one.bundle.version for one in trained(mails, a_dataset(mails))])
