"""From stored pages of a year to a bundle that values people, and back: what that bundle serves is what the next training reads."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

import numpy as np

from revenue_engine.audit import decision_id, receipts
from revenue_engine.bundle import Bundle, prior_bundle
from revenue_engine.clock import cycle_id_at, epoch_seconds
from revenue_engine.context import Cycle
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import grant
from revenue_engine.learning.dataset import Plan
from revenue_engine.learning.outcomes import SALE_SECONDS, Mail, Sale, gather, key_of
from revenue_engine.learning.told import told
from revenue_engine.log_pages import Stored
from revenue_engine.prediction.features import SUBSCRIBER, WORTH
from revenue_engine.records.batch import Batch, decode
from revenue_engine.records.controls import Controls
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.subscriber import ARMS, Row, apply_claim, apply_conversion, apply_touch, pack
from revenue_engine.served import dataset
from revenue_engine.snapshot import save_context, save_page
from revenue_engine.training import Source, Trained, run_value
from tests.core_cases import DAY, NOW, a_cycle, a_page, a_row, keep

PEOPLE, WEEKS = 1_000, 45
BEGAN = NOW - timedelta(days=7 * WEEKS)
PRIOR = prior_bundle(NOW)
CONTROLS = Controls(ghost_share=0.0, max_emails_per_subscriber_per_week=7)


@dataclass
class Log:
    """What is stored of a year, and the people as they are at its end."""

    pages: list[Stored] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


def stored(page: Batch, cycle: Cycle, decisions: Decisions) -> Stored:
    """As decide stores it."""
    lines = receipts(decisions, page, cycle, page_key="p", context_key="c", granted=10_000)
    return Stored(gzip.compress(lines, compresslevel=1), save_page(page), save_context(cycle.context))


def decided(page: Batch, cycle: Cycle) -> Decisions:
    return grant(decide_batch(page, cycle), page, cycle, 10_000)


@cache
def log() -> Log:
    """A weekly mail to people of whom each clicks at a rate of his own. Who minds prices buys one click in fifty, others every second;
    four mails in a thousand make their reader leave."""
    random, made = np.random.default_rng(4), Log()
    rate, minds = random.gamma(2.0, 0.05, PEOPLE), random.random(PEOPLE) < 0.5
    created, fixed = epoch_seconds(BEGAN) - 50 * DAY, ARMS.index("fixed")
    quiet = {"sends": 0.0, "deliveries": 0.0, "human_clicks": 0.0, "last_human_click_at": 0, "last_send_at": 0}
    never = {"recent_sends": (0,) * 8, "recent_offers": (0,) * 8, "created_at": created, "decayed_at": created}
    rows = [
        a_row(i + 1, arm=fixed, price_sensitivity=0.9 if minds[i] else 0.1, provider=i % 5, **quiet, **never)
        for i in range(PEOPLE)
    ]
    left = np.zeros(PEOPLE, dtype=bool)
    for week in range(WEEKS):
        now = BEGAN + timedelta(days=7 * week)
        at = epoch_seconds(now)
        here = np.flatnonzero(~left)
        page = decode([f"s{i:07d}" for i in here], [pack(rows[i]) for i in here], [0] * len(here))
        cycle = a_cycle(now=now, cycle_id=cycle_id_at(now), bundle=PRIOR, controls=CONTROLS)
        decisions = decided(page, cycle)
        made.pages.append(stored(page, cycle, decisions))
        for place in np.flatnonzero(decisions.mail).tolist():
            i, name = int(here[place]), decision_id(cycle.context.cycle_id, str(page.subscriber[place]))
            row = apply_touch(apply_claim(rows[i], at=at, offer_number=101), kind="delivery", at=at + 60)
            clicked = random.random() < rate[i]
            left[i] = random.random() < 0.004
            made.mails.append(Mail(name, f"m-{name}", float(at), at + 600.0 if clicked else None, bool(left[i])))
            if clicked:
                row = apply_touch(row, kind="human_click", at=at + 600)
                if random.random() < (0.02 if minds[i] else 0.5):
                    made.sales.append(Sale(f"m-{name}", at + 900.0, True, 20_000_000))
                    row = apply_conversion(row, at=at + 900, revenue_micros=20_000_000)
            rows[i] = row
    made.rows = [rows[i] for i in np.flatnonzero(~left)]
    return made


@cache
def trained() -> Trained:
    made = log()
    source = Source([], {}, PRIOR, keep(PRIOR), iter(made.mails), iter(made.sales), iter(made.pages))
    return run_value(source, NOW, code_version="1")


def champion() -> Bundle:
    promoted = trained().promoted
    assert promoted is not None
    return promoted.bundle


def test_stored_pages_of_a_year_make_a_value_model_that_the_gate_lets_through() -> None:
    found = trained()
    assert found.refused == ""
    candidate, _ = found.candidates
    figures = candidate.verdict.figures
    assert candidate.verdict.reasons == ()
    assert figures["value_payers"] > 50 and figures["value_gain"] > 0 and figures["value_gini"] > 0.4
    assert found.mails["learned_from"] == len(log().mails) > 30_000
    assert champion().value is not None and champion().funnel is PRIOR.funnel
    assert found.report()["promoted"] == champion().version


def test_a_shorter_log_says_that_it_is_too_short() -> None:
    made = log()
    half = run_value(
        Source([], {}, PRIOR, keep(PRIOR), iter(made.mails), iter(made.sales), iter(made.pages)),
        BEGAN + timedelta(days=200),
        code_version="1",
    )
    assert [one.name for one in half.candidates] == ["habits"] and half.refused.startswith("value_too_young")


def test_what_is_served_with_a_value_model_is_what_the_next_training_reads() -> None:
    bundle, now = champion(), epoch_seconds(NOW)
    page = a_page(log().rows)
    cycle = a_cycle(bundle=bundle, cycle_id=cycle_id_at(NOW), controls=CONTROLS)
    decisions = decided(page, cycle)
    mailed = np.flatnonzero(decisions.mail)
    assert len(mailed) > 300
    names = [decision_id(cycle.context.cycle_id, key) for key in page.subscriber[mailed].tolist()]
    outcomes = gather([Mail(name, f"m-{name}", float(now), None) for name in names], [])
    later = now + 60.0 * DAY
    whole = Plan(later, float(np.nextafter(later - SALE_SECONDS, np.inf)), 1.0, 1.0, 1.0)
    found = dataset([stored(page, cycle, decisions)], keep(bundle), outcomes, whole)
    place = {int(key): row for row, key in enumerate(found.old.key)}
    old = found.old.where(np.array([place[key_of(name)] for name in names]))
    worth = old.rows.features[:, len(SUBSCRIBER) - len(WORTH) : len(SUBSCRIBER)]
    assert np.isfinite(worth).all() and len(np.unique(worth[:, 1])) > 100
    said = told(bundle.rates, bundle.funnel, old, found.arms)
    np.testing.assert_array_equal(said.click, decisions.p_click[mailed])
    np.testing.assert_allclose(said.sale / said.click, decisions.p_conversion[mailed], rtol=1e-12)
