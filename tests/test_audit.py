"""Receipts and replay (D1): the stored inputs give the stored lines, to the byte."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
import pytest

from revenue_engine.audit import decision_id, receipts, replay
from revenue_engine.bundle import prior_bundle
from revenue_engine.context import CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.errors import Refused
from revenue_engine.grant import grant
from revenue_engine.pacing.warm_up import Room
from revenue_engine.plans import MOST_GROUPS, groups, mail_columns
from revenue_engine.prediction.features import OFFER
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.offer import Creative
from revenue_engine.snapshot import controls_version, load_context, load_page, save_context, save_page
from tests.core_cases import HOUR, NOW, OFFERS, PRIOR, T, a_context, a_page, a_row, an_offer

KEYS: dict[str, Any] = {"page_key": "cycles/main/c/page-0000.npz", "context_key": "cycles/main/c/context.json"}
PAGE = a_page(
    [
        a_row(i + 1, arm=i % 3 if i < 30 else 0, last_send_at=T - (20 + i) * HOUR, zone=i % 200, peak_hour=i % 24, provider=i % 5)
        for i in range(300)
    ],
    decided_at=T - 5 * HOUR,
)
CONTEXT = a_context(
    offers=(*OFFERS, an_offer(104, live_until=NOW + timedelta(days=1), suppression_list="l", countries=frozenset({"US", "DE"}))),
    evidence=[Evidence(NOW.date() - timedelta(days=3), "101", "soft", "clicker", deliveries=900, clicks=50, conversions=3)],
    controls=Controls(ghost_share=0.1, enabled_weekdays=frozenset({0, 1, 2, 3, 4})),
    list_refreshed_at={"l": NOW - timedelta(days=1)},
    caps_reached={"999": "daily_cap_reached"},
    price=Price(5, "p1"),
    budget_left=777,
    stopped_segments=("silent",),
    stopped_providers=("yahoo",),
    spoken_for=tuple(range(48)),
    rooms={"gmail": Room(today=200, cycle=300), "icloud": Room(today=900, cycle=300)},
    let_through_share=0.9,
    now=NOW + timedelta(microseconds=123_456),
)


def run(context: CycleContext = CONTEXT, page: Batch = PAGE, granted: int = 120) -> bytes:
    cycle = prepare(context)
    return receipts(grant(decide_batch(page, cycle), page, cycle, granted), page, cycle, granted=granted, **KEYS)


def lines(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines()]


RECEIPTS = run()


def test_a_stored_context_knows_how_personal_its_assets_are() -> None:
    offer = an_offer(
        7, creatives=(Creative("soft", "Shop", "News for {{first_name}}", "<p>{{ city }}, {{first_name}}</p> {{ offer_url }}"),)
    )
    context = a_context(offers=(offer,))
    back = load_context(save_context(context), PRIOR)
    assert prepare(back).arms.tobytes() == prepare(context).arms.tobytes()
    assert prepare(back).arms[0, OFFER.index("personalisation")] == 1 - 0.5**4
    assert "<p>" not in back.offers[0].creatives[0].html, "a body is no part of a decision"


@pytest.mark.parametrize(
    "controls",
    [
        {"same_offer_gap_days": 30},
        {"same_offer_gap_days": 365, "max_emails_per_subscriber_per_week": 7},
        *(
            {"sender": {"from_address": sender, "reply_to": reply_to, "postal_address": "1 Main Street"}}
            for sender, reply_to in (
                ("News@Shop.example", ""),
                ("news@localhost", ""),
                (" Shop <news@shop.example>", "Help <help@x.com>"),
                ("news@shop.example", "a@x.example, b@x.example"),
                (" ", " "),
            )
        ),
    ],
)
def test_a_context_of_controls_that_would_be_refused_now_is_read_as_it_was(controls: dict[str, Any]) -> None:
    document = orjson.loads(save_context(CONTEXT))
    document["controls"] |= controls
    context = load_context(orjson.dumps(document), PRIOR)
    assert orjson.loads(save_context(context)) == document
    written = orjson.dumps(document["controls"], option=orjson.OPT_SORT_KEYS)
    assert controls_version(context.controls) == hashlib.sha256(written).hexdigest()[:16]
    assert context.controls.sender.complete == ("@" in context.controls.sender.from_address)


def test_stored_inputs_replay_to_the_stored_receipts_byte_for_byte() -> None:
    decisions, batch, cycle = replay(save_page(PAGE), save_context(CONTEXT), PRIOR, granted=120)
    assert receipts(decisions, batch, cycle, granted=120, **KEYS) == RECEIPTS


def test_a_changed_input_is_not_replayed_as_if_it_were_the_same() -> None:
    assert run(replace(CONTEXT, price=Price(100_000, "p2"))) != RECEIPTS
    assert run(replace(CONTEXT, controls=Controls(ghost_share=0.1))) != RECEIPTS
    assert run(granted=119) != RECEIPTS


def test_snapshots_are_the_same_bytes_and_come_back_the_same() -> None:
    assert save_page(PAGE) == save_page(load_page(save_page(PAGE)))
    assert load_page(save_page(PAGE)).rows.tobytes() == PAGE.rows.tobytes()
    assert load_page(save_page(PAGE)).subscriber.tolist() == PAGE.subscriber.tolist()
    assert save_context(load_context(save_context(CONTEXT), PRIOR)) == save_context(CONTEXT)
    assert len(load_page(save_page(a_page([])))) == 0


def test_a_context_keeps_everything_a_decision_reads() -> None:
    back = load_context(save_context(CONTEXT), PRIOR)
    assert back.controls == CONTEXT.controls
    assert back.bundle == CONTEXT.bundle
    assert (back.now, back.price, back.autonomy, back.budget_left) == (
        CONTEXT.now,
        CONTEXT.price,
        CONTEXT.autonomy,
        CONTEXT.budget_left,
    )
    assert (back.rooms, back.spoken_for, back.let_through_share) == (CONTEXT.rooms, CONTEXT.spoken_for, CONTEXT.let_through_share)
    assert (back.posteriors.shape == CONTEXT.posteriors.shape).all()
    assert back.posteriors.spread == CONTEXT.posteriors.spread
    assert [replace(o, creatives=()) for o in back.offers] == [replace(o, creatives=()) for o in CONTEXT.offers]


def test_a_context_names_what_readers_would_see_without_the_bodies() -> None:
    stored = save_context(CONTEXT)
    back = load_context(stored, PRIOR)
    assert b"<p>Hello" not in stored
    before, after = ([c.content_hash for o in context.offers for c in o.creatives] for context in (CONTEXT, back))
    assert before == after
    assert all(len(content) == 16 for content in before)
    creative = CONTEXT.offers[0].creatives[0]
    seen = {"from_name": "Another", "subject": "Another", "html": "Another"}
    others = {replace(creative, **{name: value}).content_hash for name, value in seen.items()}
    assert len(others | {creative.content_hash}) == 4
    assert replace(creative, variant="other", asset="9").content_hash == creative.content_hash
    # as engines before stored it
    assert replace(creative, html="").content_hash == ""


def test_a_context_of_before_prices_had_a_week_decides_by_today_s_alone() -> None:
    """Its receipts are replayed as they were written."""
    document = orjson.loads(save_context(CONTEXT))
    assert document["price"].pop("usual_micros") is None
    back = load_context(orjson.dumps(document), PRIOR)
    assert back.price == CONTEXT.price and back.price.later_micros == CONTEXT.price.lambda_micros > 0
    decisions, batch, cycle = replay(save_page(PAGE), orjson.dumps(document), PRIOR, granted=120)
    assert receipts(decisions, batch, cycle, granted=120, **KEYS) == RECEIPTS
    usual = replace(CONTEXT, price=replace(CONTEXT.price, usual_micros=CONTEXT.price.lambda_micros))
    assert run(usual) == RECEIPTS
    other = replace(CONTEXT, price=replace(CONTEXT.price, usual_micros=9 * CONTEXT.price.lambda_micros))
    assert load_context(save_context(other), PRIOR).price == other.price
    assert run(other) != RECEIPTS


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04rubbish", save_page(PAGE)[:-200]])
def test_a_damaged_page_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match="snapshot_unreadable"):
        load_page(raw)


def test_a_page_of_other_rows_is_refused() -> None:
    strange = Batch(PAGE.subscriber, np.zeros(len(PAGE), dtype=[("schema", "<u4")]), PAGE.decided_at)
    with pytest.raises(Refused, match="row_schema_mismatch"):
        load_page(save_page(strange))


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("autonomy",), "sometimes", "snapshot_unreadable"),
        (("controls", "max_daily_emails"), -1, "snapshot_unreadable"),
        (("bundle",), "0" * 32, "bundle_missing"),
        (("posteriors",), {}, "snapshot_unreadable"),
    ],
)
def test_a_touched_context_is_refused(path: tuple[str, ...], value: object, reason: str) -> None:
    document = orjson.loads(save_context(CONTEXT))
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(Refused) as caught:
        load_context(orjson.dumps(document), PRIOR)
    assert caught.value.reason == reason


def test_there_is_a_line_for_every_row_send_or_skip() -> None:
    records = lines(RECEIPTS)
    assert [r["subscriber"] for r in records] == PAGE.subscriber.tolist()
    assert {r["action"] for r in records} == {"send", "skip", "ghost"}
    assert {"holdout", "outside_hours", "too_soon_since_last_email", "daily_limit_reached"} <= {r["reason"] for r in records}
    assert sum(r["mailed"] for r in records) == 120
    assert len({r["decision_id"] for r in records}) == len(records)


def test_every_line_has_every_field_of_the_decision_record_and_of_the_specification() -> None:
    wanted = {
        *(
            "decision_id",
            "ts",
            "subscriber",
            "arm",
            "policy",
            "features_hash",
            "row_schema",
            "page",
            "row",
            "context",
            "eligible",
        ),
        *("action", "offer", "content", "scheduled_at", "propensity_joint", "propensity_send", "propensity_offer"),
        *("propensity_content", "epsilon", "cycle_key", "draw_key", "p_open", "p_click", "p_conversion", "payout_micros"),
        *("value_micros", "h_unsubscribe", "h_complaint", "lambda_micros", "price_version", "index_micros", "runner_up_offer"),
        *("runner_up_content", "runner_up_index_micros", "reason", "ghost", "holdout", "model_version", "controls_version"),
        *("code_version", "churn_risk", "complaint_risk", "engagement_score", "offer_name", "subject_line", "expected_roi"),
        *(
            "ltv_micros",
            "v_after_micros",
            "hazard_price_micros",
            "fatigue_price_micros",
            "complaint_price_micros",
            "kappa_micros",
        ),
    }
    assert all(wanted <= record.keys() for record in lines(RECEIPTS))


def test_what_is_not_reached_is_empty_never_invented() -> None:
    for record in lines(RECEIPTS):
        if record["action"] == "skip":
            assert record["offer"] is record["p_click"] is record["expected_revenue_micros"] is record["scheduled_at"] is None
            assert record["propensity_joint"] == 1
            assert not record["off_policy_support"]
        weighed = record["action"] == "skip" and record["reason"] in ("daily_limit_reached", "provider_warm_up", "provider_rate")
        assert (record["considered_offer"] is None) == (record["considered_index_micros"] is None) == (not weighed)


def test_a_sent_line_says_what_was_chosen_and_why() -> None:
    record = next(r for r in lines(RECEIPTS) if r["action"] == "send" and r["arm"] == "engine")
    assert record["subject_line"] == f"Subject {record['content']} {record['offer']}"
    assert record["offer_name"] == f"Offer {record['offer']}"
    assert record["expected_revenue_micros"] == round(record["p_click"] * record["p_conversion"] * record["payout_micros"])
    assert record["value_micros"] == record["expected_revenue_micros"] - 1_000
    assert record["ltv_micros"] > record["v_after_micros"] > 0
    assert record["expected_roi"] == pytest.approx(record["value_micros"] / 1_000)
    joint = record["propensity_send"] * record["propensity_offer"] * record["propensity_content"]
    assert record["propensity_joint"] == pytest.approx(joint)
    assert 0 <= record["scheduled_at"] - T < 900
    assert (record["lambda_micros"], record["price_version"], record["model_prior"]) == (5, "p1", True)
    assert record["controls_version"] == controls_version(CONTEXT.controls)


def test_a_line_s_index_is_its_value_less_the_prices_to_the_micro() -> None:
    """Each price is rounded by itself: what is decided by is the sum of what is logged."""
    engine = [r for r in lines(run(replace(CONTEXT, bundle=prior_bundle(NOW)))) if r["arm"] == "engine" and r["row_value_micros"]]
    assert {r["action"] for r in engine} == {"send", "ghost", "skip"}
    for record in engine:
        prices = sum(record[f"{name}_price_micros"] for name in ("hazard", "fatigue", "complaint", "lapse"))
        assert record["row_index_micros"] == record["row_value_micros"] - prices
        if record["offer"] is not None:
            assert record["index_micros"] == record["value_micros"] - prices


def test_the_snapshot_does_not_carry_bodies_or_pickles() -> None:
    assert b"<p>" not in save_context(CONTEXT)
    assert b"pickle" not in save_page(PAGE)


def test_controls_are_named_by_content() -> None:
    one = Controls(enabled_weekdays=frozenset({4, 1, 2}))
    assert controls_version(one) == controls_version(Controls(enabled_weekdays=frozenset({2, 4, 1})))
    assert controls_version(one) != controls_version(Controls())


def test_the_mails_of_a_page_are_its_mailed_rows_by_minute_and_provider() -> None:
    cycle = prepare(CONTEXT)
    decisions = grant(decide_batch(PAGE, cycle), PAGE, cycle, 120)
    columns = mail_columns(decisions, cycle)
    assert {len(values) for values in columns.values()} == {120}
    assert sorted(columns["subscriber"]) == decisions.subscriber[decisions.mail].tolist()
    assert columns["minute"] == sorted(columns["minute"])
    by_id = {r["decision_id"]: r for r in lines(RECEIPTS)}
    for i, subscriber in enumerate(columns["subscriber"]):
        record = by_id[decision_id(CONTEXT.cycle_id, subscriber)]
        assert record["mailed"]
        for column, field in (
            ("offer", "offer"),
            ("variant", "content"),
            ("provider", "provider"),
            ("policy", "arm"),
            ("propensity", "propensity_joint"),
            ("predicted_revenue_micros", "expected_revenue_micros"),
        ):
            assert columns[column][i] == record[field]


def test_a_plan_s_mails_are_grouped_by_arm_and_segment_and_all_but_the_most_numerous_groups_are_one() -> None:
    offers = [an_offer(number, variants=("standard", "soft", "urgency")) for number in range(101, 111)]
    cycle = prepare(replace(a_context(offers=offers), budget_left=1_000))
    decisions = grant(decide_batch(PAGE, cycle), PAGE, cycle, 1_000)
    mails = decisions.take(np.flatnonzero(decisions.mail))
    counted = Counter(zip(mails.arm.tolist(), mails.segment.tolist(), strict=True))
    assert len(counted) > MOST_GROUPS
    *found, rest = groups(mails, cycle)
    assert [group["sends"] for group in found] == sorted(counted.values(), reverse=True)[:MOST_GROUPS]
    for group in found:
        arm = cycle.book.arms.index((group["offer"], group["variant"]))
        inside = (mails.arm == arm) & (mails.segment == SEGMENTS.index(group["segment"]))
        assert group["sends"] == inside.sum()
        assert group["predicted_revenue_micros"] == mails.expected_revenue_micros[inside].sum()
        assert group["subject"] == f"Subject {group['variant']} {group['offer']}"
    assert rest == {
        "smaller_groups": len(counted) - MOST_GROUPS,
        "sends": len(mails) - sum(group["sends"] for group in found),
        "predicted_revenue_micros": mails.expected_revenue_micros.sum() - sum(g["predicted_revenue_micros"] for g in found),
    }


def test_in_shadow_there_are_receipts_and_no_mails() -> None:
    cycle = prepare(replace(CONTEXT, autonomy=Autonomy.SHADOW))
    decisions = grant(decide_batch(PAGE, cycle), PAGE, cycle, 0)
    assert mail_columns(decisions, cycle)["subscriber"] == []
    assert decisions.send.any()
