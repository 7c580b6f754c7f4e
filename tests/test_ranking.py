"""All offers for one reader, from the arrays he was decided by: order, chances, ratios, and why he may not get one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from revenue_engine.audit import receipts
from revenue_engine.bundle import Bundle, prior_bundle, seal
from revenue_engine.context import CycleContext, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.prediction.cross_line import CrossLine
from revenue_engine.prediction.features import CROSS
from revenue_engine.prediction.funnel import RATES_ALONE
from revenue_engine.ranking import Expected, RankedOffer, rank_offers
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.subscriber import ARMS, country_number, topic_mask, topic_number
from tests.core_cases import DAY, NOW, OFFERS, PLAIN, T, a_context, a_page, a_row, an_offer, many

LEARNED = prior_bundle(NOW)


def ranked(row: Batch, context: CycleContext) -> tuple[RankedOffer, ...]:
    return rank_offers(row, prepare(context))


def expected(of: RankedOffer) -> Expected:
    assert of.expected is not None
    return of.expected


def one_of(page: Batch, row: int) -> Batch:
    return Batch(page.subscriber[[row]], page.rows[[row]], page.decided_at[[row]])


@pytest.mark.parametrize("bundle", [PLAIN, LEARNED], ids=["rates", "trees"])
def test_a_receipt_says_of_its_offer_what_the_ranking_says(bundle: Bundle) -> None:
    """Chances, money and propensity are those on record."""
    context = a_context(bundle=bundle, controls=Controls(ghost_share=0.0, epsilon_per_day=0.2))
    page, cycle = many(40), prepare(context)
    lines = receipts(decide_batch(page, cycle), page, cycle, page_key="p", context_key="c", granted=40).splitlines()
    sent = 0
    for n, record in enumerate(map(json.loads, lines)):
        if record["action"] != "send":
            continue
        sent += 1
        found = {of.offer: of for of in rank_offers(one_of(page, n), cycle)}
        of = found[record["offer"]]
        assert of.ineligible is None
        assert of.propensity == pytest.approx(record["propensity_offer"], rel=1e-9)
        assert sum(other.propensity for other in found.values()) == pytest.approx(1.0)
        if expected(of).variant == record["content"]:
            said = expected(of)
            assert round(said.revenue_micros or 0) == record["expected_revenue_micros"]
            assert round(said.score_micros or 0) == record["value_micros"]
            chances = (said.open_rate, said.click_rate, said.conversion_rate)
            assert chances == pytest.approx((record["p_open"], record["p_click"], record["p_conversion"]))
    assert sent > 20


def test_the_best_is_first_and_what_nobody_may_get_is_last() -> None:
    offers = (*OFFERS, an_offer(104, payout_micros=900_000_000, status="paused"), an_offer(105, variants=()))
    found = ranked(many(1), a_context(offers=offers))
    assert [of.offer for of in found] == ["102", "101", "103", "104", "105"]
    scores = [expected(of).score_micros for of in found[:3]]
    assert scores == sorted(scores, key=lambda score: -(score or 0.0))
    assert [of.ineligible for of in found] == [None, None, None, "offer_not_active", "no_approved_creative"]
    assert [of.propensity for of in found[3:]] == [0.0, 0.0]
    assert found[4].expected is None
    assert (expected(found[3]).score_micros or 0) > (expected(found[0]).score_micros or 0), "shown, though it may not be had"


def test_it_says_why_this_reader_may_not_get_an_offer() -> None:
    offers = (
        an_offer(101, countries=frozenset({"FR"})),
        an_offer(102),
        an_offer(103, currency="EUR"),
        an_offer(104, payout_micros=5_000_000_000),
        an_offer(105, countries=frozenset({"FR"}), live_until=NOW - timedelta(days=1)),
        an_offer(106),
        an_offer(107),
    )
    lately = {"recent_offers": (102, *(0,) * 7), "recent_sends": (T - 2 * DAY, *(0,) * 7)}
    dropped = {"rested_offers": (107, *(0,) * 7), "rested_at": (T - 2 * DAY, *(0,) * 7)}
    row = a_page([a_row(1, country=country_number("DE"), **lately, **dropped)])
    found = {of.offer: of for of in ranked(row, a_context(offers=offers))}
    assert {name: of.ineligible for name, of in found.items()} == {
        "101": "country_excluded",
        "102": "mailed_lately",
        "103": "currency_not_converted",
        "104": "payout_above_limit",
        "105": "offer_expired",
        "106": None,
        "107": "could_not_be_mailed",
    }
    assert found["106"].propensity == pytest.approx(1.0)
    assert found["102"].days_since_mailed == pytest.approx(2.0) and found["106"].days_since_mailed is None
    foreign = expected(found["103"])
    assert (foreign.payout_micros, foreign.revenue_micros, foreign.score_micros) == (None, None, None), "M1"
    assert foreign.click_rate > 0


def test_without_trees_everybody_is_as_his_segment_and_with_them_the_ratios_multiply_to_his_chance() -> None:
    plain = ranked(many(1), a_context())
    for of in plain:
        said = expected(of)
        assert (said.affinity, said.category_affinity, said.topic_affinity) == pytest.approx((1.0, 1.0, 1.0))
    cycle = prepare(a_context(bundle=LEARNED))
    for of in rank_offers(many(1, human_clicks=4.0), cycle):
        said = expected(of)
        arm = cycle.book.arms.index((of.offer, said.variant))
        segment = 1  # clickers
        usual = cycle.p_click[segment, arm] * cycle.p_conversion[segment, arm]
        revenue = said.affinity * usual * (said.payout_micros or 0)
        assert revenue == pytest.approx(said.revenue_micros)
        assert said.affinity != pytest.approx(1.0)
        assert said.historical_performance == pytest.approx(cycle.context.posteriors.mean[segment, arm])


def test_interests_and_clicks_of_a_topic_raise_its_offers_and_no_others() -> None:
    """A line that gives a declared interest 0.5 of log odds and a click of the topic 0.3 · log 2: known answers."""
    weights = dict.fromkeys(CROSS, 0.0) | {"topic_declared": 0.5, "clicks_of_topic": 0.3}
    tables = replace(RATES_ALONE, cross=CrossLine((0.0, *weights.values())))
    parts = replace(PLAIN.parts, funnel=tables)
    bundle = seal(parts, trained_at=NOW, code_version="test", prior=True, data_fingerprint="", metrics={})
    clicks = (topic_number("health"), *(0,) * (len(a_row().recent_clicks) - 1))
    for row, boost in (
        (a_row(1), 0.0),
        (a_row(1, topics=topic_mask(["health"])), 0.5),
        (a_row(1, topics=topic_mask(["health"]), recent_clicks=clicks), 0.5 + 0.3 * np.log(2.0)),
    ):
        found = {of.offer: expected(of) for of in ranked(a_page([row]), a_context(bundle=bundle))}
        usual = a_click()
        odds = np.exp(boost) * usual / (1 - usual)
        ratio = odds / (1 + odds) / usual
        assert found["103"].topic_affinity == pytest.approx(ratio, rel=1e-3)
        assert found["103"].category_affinity == pytest.approx(ratio, rel=1e-3)
        assert found["101"].topic_affinity == pytest.approx(1.0)
        assert found["102"].category_affinity == pytest.approx(1.0)


def a_click() -> float:
    """The usual chance of a click by a mail of the health offer to a clicker."""
    cycle = prepare(a_context())
    return float(cycle.p_click[1, cycle.book.arms.index(("103", "standard"))])


def test_a_reader_of_the_fixed_mail_gets_what_his_policy_sends() -> None:
    row = many(1, arm=ARMS.index("fixed"), last_send_at=T - 8 * DAY, recent_sends=(T - 8 * DAY, *(0,) * 7))
    cycle = prepare(a_context())
    decided = decide_batch(row, cycle)
    found = rank_offers(row, cycle)
    assert [of.offer for of in found if of.propensity] == [cycle.book.arms[int(decided.arm[0])][0]]
    assert sum(of.propensity for of in found) == 1.0


def test_without_offers_there_is_nothing_to_rank() -> None:
    assert ranked(many(1), a_context(offers=())) == ()
    (closed,) = ranked(many(1), a_context(offers=(an_offer(101, status="paused"),)))
    assert (closed.ineligible, closed.propensity) == ("offer_not_active", 0.0)
