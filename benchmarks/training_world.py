"""The world part of `benchmarks.training`: what the gate says of a funnel that a list of a world has taught, and of what came before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from revenue_engine.bundle import Bundle, prior_bundle
from revenue_engine.draws import mix
from revenue_engine.learning.dataset import Dataset, Part, joined, plan
from revenue_engine.learning.outcomes import Outcomes
from revenue_engine.learning.train import Candidate, train
from revenue_engine.records.evidence import Evidence
from workbench.simulation.prior import SETTLING_DAYS, Sends, played
from workbench.simulation.study.engine.engine import START
from workbench.simulation.worlds import named

PEOPLE, DAYS, SEEDS, QUICK_SEEDS = 4_000, 50, (77, 78, 79, 80, 81), (77,)
_DAY = 86_400.0
NOW = START + timedelta(days=DAYS + SETTLING_DAYS)


def gate_figures(quick: bool) -> tuple[list[tuple[str, str, str]], dict[str, float]]:
    """Rows of a table and figures: means over seeds of the default world."""
    runs = [_run(seed) for seed in (QUICK_SEEDS if quick else SEEDS)]
    learned, again = [one for one, _, _ in runs], [one for _, one, _ in runs]

    def mean(of: list[Candidate], name: str) -> float:
        return float(np.mean([one.bundle.manifest.metrics[name] for one in of]))

    rows = [
        (
            f"lists of {PEOPLE:,} whose own funnel the gate let through",
            f"{sum(one.verdict.passed for one in learned)} of {len(runs)}",
            "",
        ),
        (
            "its AUC of clicks, out of time",
            f"{mean(learned, 'click_auc'):.3f}",
            f"{np.mean([auc for _, _, auc in runs]):.3f} of the prior",
        ),
        ("its slope, level", f"{mean(learned, 'click_slope'):.2f}, {mean(learned, 'click_predicted_over_actual'):.2f}", "1, 1"),
        (
            "a second one of the same mails let through after it",
            f"{sum(one.verdict.passed for one in again)} of {len(runs)}",
            "0",
        ),
    ]
    return rows, {
        "gate_learned_passed": float(np.mean([one.verdict.passed for one in learned])),
        "gate_learned_auc": mean(learned, "click_auc"),
        "gate_learned_slope": mean(learned, "click_slope"),
        "gate_same_again_passed": float(np.mean([one.verdict.passed for one in again])),
    }


def _run(seed: int) -> tuple[Candidate, Candidate, float]:
    """The list's own funnel against the prior, one of another seed against it, and the prior's AUC on the same mails."""
    sends, evidence = played(named("default"), seed, people=PEOPLE, days=DAYS, by_chance=False)
    data = _dataset(sends)
    learned, kept = _candidates(sends, evidence, data, prior_bundle(NOW), seed=0)
    again, _ = _candidates(sends, evidence, data, learned.bundle, seed=1)
    return learned, again, kept.bundle.manifest.metrics["click_auc"]


def _candidates(
    sends: Sends, evidence: list[Evidence], data: Dataset, champion: Bundle, *, seed: int
) -> tuple[Candidate, Candidate]:
    categories = {offer: category for offer, _, category in sends.arms}
    learned, kept = train(evidence, categories, NOW, code_version="bench", champion=champion, data=data, seed=seed)
    return learned, kept


def _dataset(sends: Sends) -> Dataset:
    key = mix((sends.day.astype(np.uint64) << np.uint64(32)) | sends.who.astype(np.uint64))
    sent_at = (START.timestamp() + sends.day * _DAY + 36_000).astype(np.float64)
    rows = replace(sends.rows, propensity=np.ones(len(key)))
    part = Part(
        rows,
        key,
        sends.who.astype(np.uint64),
        sent_at,
        ((sent_at // 3_600).astype(np.int64) + 72) % 168,
        sends.segment,
        sends.arm,
        sends.payout_micros,
        sends.paid_micros,
    )
    order = np.argsort(key)
    of = part.where(order)
    outcomes = Outcomes(
        of.key,
        of.sent_at,
        of.rows.clicked,
        np.zeros(len(of), dtype=bool),
        of.rows.sold.astype(np.int64),
        of.paid_micros.astype(np.int64),
    )
    return joined([part], sends.arms, plan(outcomes, as_of=NOW.timestamp()), {})
