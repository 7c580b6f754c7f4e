"""Off-policy evaluation: against Open Bandit Pipeline, on the Open Bandit sample, on Hillstrom's mails, and where truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from benchmarks.evidence_ope_data import (
    ARMS,
    CAMPAIGNS,
    DATA,
    MENS,
    OBP_CASES,
    POSITIONS,
    SEGMENTS,
    Mails,
    golden,
    mails,
    naive_choices,
    obp_case,
    shop,
    shop_log,
    thompson,
)
from benchmarks.evidence_ope_worlds import challenge, market
from revenue_engine.arrays import Floats, Ints
from revenue_engine.evaluation import estimators
from revenue_engine.evaluation.deviation import best_fixed, safe_arms
from revenue_engine.evaluation.evaluate import Evaluation, compare, evaluate
from revenue_engine.evaluation.gate import Limits, take_over
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.outcome import cell_means, folds_of
from revenue_engine.evaluation.overlap import Guards, Refusal

Row = tuple[str, str, str]  # what, measured, beside it
Part = tuple[list[Row], dict[str, float]]

# for an estimate that a person looks at and nobody acts on
LOOKING = Guards(fewest_effective=500.0, least_effective_share=0.05, most_weight_share=0.02)
DECISIONS, LIFT, LOSS = 20_000, 0.13, -0.11


def ope_figures(quick: bool) -> Part:
    """Rows of a table and named figures. What needs `../shared/data` is left out where that is missing."""
    parts = [obp_agreement(), gate(60 if quick else 500)]
    if DATA.exists():
        parts += [open_bandit(), hillstrom(2 if quick else 10)]
    else:
        parts.append(([("Open Bandit sample and Hillstrom", "left out", "../shared/data is not here")], {}))
    return [row for rows, _ in parts for row in rows], {name: value for _, figures in parts for name, value in figures.items()}


def obp_agreement() -> Part:
    """The greatest difference, absolute or relative, whichever is more, over all estimators, parameters and cases."""
    worst, compared = 0.0, 0
    for case, values in zip(OBP_CASES, golden("ope_obp"), strict=True):
        log = obp_case(*case)
        for label, theirs in values.items():
            ours = by_label(log, label).value
            worst = max(worst, abs(ours - theirs), abs(ours - theirs) / abs(theirs))
            compared += 1
    return [(f"obp 0.4.1, {compared} estimates", f"differ by {worst:.1e} at most", "1e-9")], {"ope_max_difference_to_obp": worst}


def by_label(log: Logged, label: str) -> estimators.Estimate:
    """An estimate named as in the golden file: `switch_dr 3`."""
    name, _, parameter = label.partition(" ")
    estimator = getattr(estimators, name)
    got: estimators.Estimate = estimator(log, float(parameter)) if parameter else estimator(log)
    return got


def open_bandit() -> Part:
    """Each policy's rows of each campaign estimate the other's click rate; the other's own rows say what it was."""
    rows: list[Row] = []
    figures: dict[str, float] = {}
    inside = judged = 0
    for campaign, arms in CAMPAIGNS.items():
        uniform = np.full((POSITIONS, arms), 1 / arms)
        for writer, reader, target in (("random", "bts", thompson(campaign)), ("bts", "random", uniform)):
            name = f"Open Bandit {campaign}, {writer} to {'bts' if writer == 'random' else 'uniform'}"
            written, truth = shop(campaign, writer), float(shop(campaign, reader).click.mean())
            log = shop_log(written, target)
            if (campaign, writer) == ("all", "random"):
                figures["obd_all_ips_ratio"] = estimators.ips(log).value / float(written.click.mean())
                rows.append((f"{name}: IPS over mean", f"{figures['obd_all_ips_ratio']:.4f}", "1.1981 published"))
            got = evaluate(log, "dr", LOOKING)
            if (campaign, writer) == ("women", "bts"):
                figures["obd_women_uniform_refused"] = float(isinstance(got, Refusal))
            if isinstance(got, Refusal):
                rows.append((name, f"refused: {got.reason}", got.detail))
                continue
            low, high = got.interval.both()
            judged, inside = judged + 1, inside + (low <= truth <= high)
            acts = isinstance(evaluate(log), Evaluation)
            rows.append((name, f"{got.value:.4f}, {low:.4f} to {high:.4f}", f"on-policy {truth:.4f}; the gate's guards: {acts}"))
    return rows, {**figures, "obd_judged": judged, "obd_inside": inside}


def always(arm: int, customers: int) -> Floats:
    """A constant policy, (customers, arms)."""
    return np.tile(np.eye(len(ARMS))[arm], (customers, 1))


def mail_log(sent: Mails, target: Floats) -> Logged:
    """The customers seen by a policy; the model: mean spend of an arm in a segment, of other customers."""
    return Logged(sent.action, sent.spend, sent.propensity, target, sent.row_id, spend_model(sent))


def spend_model(sent: Mails) -> Floats:
    """Mean spend of an arm in a segment, of other customers, (n, arms)."""
    return cell_means(sent.action, sent.spend, sent.segment, sent.row_id, arms=len(ARMS), cells=SEGMENTS, strength=200.0)


def safe_choice(sent: Mails, split: int) -> Ints:
    """The safe rule, learned from other customers, (n,)."""
    fold = folds_of(sent.row_id + split * 1_000_003)
    result = np.empty(len(fold), dtype=np.int64)
    for f in np.unique(fold):
        seen = fold != f
        action, spend, propensity = sent.action[seen], sent.spend[seen], sent.propensity[seen]
        base = best_fixed(action, spend, propensity, arms=len(ARMS))
        arms = safe_arms(action, spend, propensity, sent.segment[seen], arms=len(ARMS), segments=SEGMENTS, base=base)
        result[~seen] = arms[sent.segment[~seen]]
    return result


def hillstrom(splits: int) -> Part:
    """Constant policies; and per split, the naive learner and the safe rule against always the men's mail."""
    sent = mails()
    n = len(sent.action)
    rows: list[Row] = []
    for arm, name in enumerate(ARMS):
        got = evaluate(mail_log(sent, always(arm, n)))
        assert isinstance(got, Evaluation), got
        low, high = got.interval.both()
        rows.append((f"Hillstrom, always {name}", f"{got.value:.3f}, {low:.3f} to {high:.3f}", "spend per customer"))
    accepted = 0
    for choice in naive_choices(n):
        accepted += isinstance(got := against_mens(sent, choice), Evaluation) and got.interval.lower() > 0
        rows.append(("Hillstrom, LightGBM T-learner less mens", _gain(got), "accepted only with a lower bound above 0"))
    safe = [against_mens(sent, safe_choice(sent, split)) for split in range(splits)]
    gains = [got.value for got in safe if isinstance(got, Evaluation)]
    lows = [got.interval.lower() for got in safe if isinstance(got, Evaluation)]
    rows.append(
        (f"Hillstrom, safe rule less mens, {len(gains)} splits", f"{np.mean(gains):+.3f}, above {np.mean(lows):+.3f}", "")
    )
    return rows, {
        "hillstrom_naive_accepted": float(accepted),
        "hillstrom_safe_gain": float(np.mean(gains)),
        "hillstrom_safe_lower": float(np.mean(lows)),
    }


def against_mens(sent: Mails, choice: Ints) -> Evaluation | Refusal:
    """A choice per customer, (n,), less always the men's mail."""
    return compare(mail_log(sent, np.eye(len(ARMS))[choice]), always(MENS, len(choice)))


def _gain(got: Evaluation | Refusal) -> str:
    if isinstance(got, Refusal):
        return f"refused: {got.reason}"
    return f"{got.value:+.3f}, above {got.interval.lower():+.3f}"


def gate(worlds: int) -> Part:
    """Take-overs of challengers that are better, no better, worse, and better at clicks only, each in worlds of its own."""
    rows: list[Row] = []
    taken: dict[str, float] = {}
    covered: list[bool] = []
    for name, lift, misleading in (
        ("gate_power", LIFT, 0.0),
        ("gate_takeover_no_gain", 0.0, 0.0),
        ("gate_false_takeover", LOSS, 0.0),
        ("gate_misled_takeover", LIFT, 2.0),
    ):
        verdicts = Counter(_tried(lift, misleading, worlds, covered))
        taken[name] = verdicts["eligible"] / worlds
        said = ", ".join(f"{reason} {count}" for reason, count in verdicts.most_common())
        what = "clicks that buy nothing" if misleading else f"{lift:+.0%} of revenue"
        rows.append((f"gate, {what}: {worlds} logs of {DECISIONS:,}", f"{taken[name]:.1%} taken over", said))
    coverage = float(np.mean(covered))
    rows.append(("gate, one-sided 95 % bound of the gain", f"covers {coverage:.1%}", "at least 95 %"))
    return rows, {**taken, "gate_coverage": coverage}


def _tried(lift: float, misleading: float, worlds: int, covered: list[bool]) -> Iterator[str]:
    """Each world's verdict; `covered` grows by whether the bound held."""
    for world in range(worlds):
        random = np.random.default_rng([world, round(100 * (1 + lift))])
        known = market(lift, random, misleading=misleading)
        tried = challenge(known, DECISIONS, random)
        verdict = take_over(tried, Limits())
        assert tried.log.logging is not None
        gained = compare(tried.log, tried.log.logging, most=Limits().most_weight)
        truth = known.worth(known.target) - known.worth(known.logging)
        if isinstance(gained, Evaluation):
            covered.append(gained.interval.lower() <= truth)
        yield verdict.reason if isinstance(verdict, Refusal) else "eligible"
