"""One decision cycle on the local plane: the operator's switch, refusals, budget, due times, arms and receipts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from revenue_engine import cycle
from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.bundle import dump
from revenue_engine.clock import epoch_seconds, parse_iso
from revenue_engine.errors import Refused
from revenue_engine.pacing.index import Prices, prices
from revenue_engine.services import approvals, run_cycle
from revenue_engine.services.cycle_inputs import known_context
from revenue_engine.services.models import champion
from revenue_engine.services.status import status
from tests.e2e.house import ORG, START, House, house

DAY = 24 * 60
# The decision record of the design, and the names a receipt has for it.
RECORD = {
    "decision_id": ("decision_id",),
    "ts": ("ts",),
    "subscriber_key": ("subscriber",),
    "arm": ("arm",),
    "policy_id": ("policy",),
    "state_vector": ("features_hash", "row_schema", "page", "row", "context"),
    "eligible_mask": ("eligible",),
    "action": ("action", "offer", "content", "mailed"),
    "scheduled_at": ("scheduled_at", "next_decision_at"),
    "propensity": ("propensity_joint", "propensity_send", "propensity_offer", "propensity_content", "off_policy_support"),
    "epsilon": ("epsilon", "explored"),
    "rng_counter": ("cycle_key", "draw_key"),
    "p": ("p_open", "p_click", "p_conversion"),
    "payout": ("payout_micros", "currency"),
    "v": ("expected_revenue_micros", "value_micros", "cost_micros"),
    "hazards": ("h_unsubscribe", "h_complaint", "churn_risk", "complaint_risk"),
    "V_after": ("v_after_micros", "ltv_micros"),
    "prices": ("hazard_price_micros", "fatigue_price_micros", "complaint_price_micros"),
    "lambda, kappa": ("lambda_micros", "kappa_micros", "price_version"),
    "index": ("index_micros", "row_index_micros", "upper_revenue_micros"),
    "runner_up": ("runner_up_offer", "runner_up_content", "runner_up_index_micros"),
    "reason": ("reason",),
    "ghost, holdout, canary": ("ghost", "holdout", "canary"),
    "versions": ("model_version", "model_prior", "controls_version", "code_version"),
    "replay": ("org", "cycle_id", "granted", "autonomy"),
}


def test_what_people_declared_is_counted_and_shown() -> None:
    with house(3, by_hand=True) as made:
        assert status(made.w, ORG, now=START)["profile_coverage"] == {}
        report = made.cycle()
        assert report["profile"]["people"] == report["decided"] > 0
        shares = status(made.w, ORG, now=START)["profile_coverage"]
        assert shares["topics"] == report["profile"]["topics"] / report["decided"]
        assert set(shares) == {"topics", "peak_hour", "price_sensitivity", "purchases", "whole"}


# --- the operator's switch ---------------------------------------------------------------------------------------------
def test_off_decides_nobody_and_leaves_everybody_due() -> None:
    with house(3, autonomy="off", by_hand=True) as made:
        assert made.cycle()["outcome"] == "autonomy_off"
        assert made.receipts() == []
        assert {person["next_decision_at"] for person in made.everybody()} == {epoch_seconds(START)}
        made.cycle()
        # cycles the operator did not want are no missing ones
        assert made.counters() == {"cycles_off": 2}
        assert (made.w.control.last_cycle(ORG) or {}).keys() == {"pk", "sk", "first_at"}


def test_a_cycle_at_which_the_switch_was_turned_on_is_completed_and_not_off() -> None:
    with house(2, autonomy="off", by_hand=True) as made:
        assert made.cycle(minutes=2)["outcome"] == "autonomy_off"
        made.autonomy("full")
        report = made.cycle(minutes=2)
        assert (report["outcome"], report["cycle_id"]) == ("completed", "20260302T1400")
        assert (made.counters()["cycles_completed"], made.counters()["cycles_off"]) == (1, 0)
        assert "off_at" not in (made.w.control.cycle(ORG, "20260302T1400") or {})
        made.autonomy("off")
        made.run(2)
        assert made.cycle()["outcome"] == "autonomy_off"  # and a cycle that is done is not off
        assert made.counters()["cycles_off"] == 0


def test_shadow_decides_and_logs_and_mails_nobody() -> None:
    with house(5, autonomy="shadow", by_hand=True) as made:
        report = made.cycle()
        assert (report["decided"], report["planned"]) == (5, 0)
        assert {(r["action"], r["mailed"], r["autonomy"]) for r in made.receipts()} == {("send", False, "shadow")}
        assert (made.mails, made.reserved(), made.rows(names.SENDS_TABLE)) == ([], 0, [])


def test_shadow_needs_no_breaker() -> None:
    with house(1, autonomy="shadow", by_hand=True) as made:
        assert made.plane.invoke("decide", {"org": ORG})["decided"] == 1


def test_a_plan_that_waits_for_approval_mails_nobody_and_reserves_nothing() -> None:
    with house(4, autonomy="approval", by_hand=True, approval_valid_hours=2) as made:
        assert made.cycle()["planned"] == 4
        (waiting,) = approvals.listed(made.w, ORG, now=made.now)
        assert (waiting["status"], waiting["sends"]) == ("waiting", 4)
        assert waiting["predicted_revenue_micros"] == sum(r["expected_revenue_micros"] for r in made.receipts())
        assert (made.mails, made.reserved()) == ([], 0)
        assert {(r["awaits_approval"], r["mailed"], r["scheduled_at"]) for r in made.receipts()} == {(True, False, None)}
        assert {person["next_decision_at"] for person in made.everybody()} == {waiting["valid_until"]}


def test_an_approved_plan_is_reserved_and_mailed_once() -> None:
    with house(4, autonomy="approval", by_hand=True) as made:
        made.cycle()
        (waiting,) = approvals.listed(made.w, ORG, now=made.now)
        assert approvals.approve(made.w, ORG, waiting["approval_id"], by="ann", now=made.now) == 4
        made.run(1)
        assert (len(made.mails), made.reserved()) == (4, 4)
        assert {row["approval_id"] for row in made.rows(names.SENDS_TABLE)} == {waiting["approval_id"]}
        with pytest.raises(Refused, match=approvals.DOES_NOT_WAIT):
            approvals.approve(made.w, ORG, waiting["approval_id"], by="ann", now=made.now)
        made.run(1)
        assert (len(made.mails), made.reserved()) == (4, 4)


def test_an_approval_gets_no_more_than_the_day_has_left() -> None:
    with house(4, autonomy="approval", by_hand=True) as made:
        made.cycle()
        made.controls(max_daily_emails=3)
        (waiting,) = approvals.listed(made.w, ORG, now=made.now)
        assert approvals.approve(made.w, ORG, waiting["approval_id"], by="ann", now=made.now) == 3
        made.run(1)
        assert (len(made.mails), made.reserved()) == (3, 3)


def test_an_expired_plan_cannot_be_approved_and_its_people_are_decided_anew() -> None:
    with house(4, autonomy="approval", by_hand=True, approval_valid_hours=1) as made:
        made.cycle()
        (waiting,) = approvals.listed(made.w, ORG, now=made.now)
        made.run(46)
        with pytest.raises(Refused, match=approvals.DOES_NOT_WAIT):
            approvals.approve(made.w, ORG, waiting["approval_id"], by="ann", now=made.now)
        made.run(1)
        assert made.mails == []
        assert made.cycle()["planned"] == 4


def test_a_plan_that_expires_in_the_queue_is_not_mailed() -> None:
    with house(1, autonomy="approval", by_hand=True, approval_valid_hours=1) as made:
        made.cycle()
        (waiting,) = approvals.listed(made.w, ORG, now=made.now)
        made.watch(44)
        assert approvals.approve(made.w, ORG, waiting["approval_id"], by="ann", now=made.now) == 1
        made.plane.clock.move_to(made.now + timedelta(minutes=2))
        made.judge()
        assert made.mails == []
        assert (made.drops(), made.reserved()) == ({"not_approved"}, 0)


def test_a_rejected_plan_is_never_mailed() -> None:
    with house(2, autonomy="approval", by_hand=True) as made:
        made.cycle()
        (waiting,) = approvals.listed(made.w, ORG, now=made.now)
        assert approvals.reject(made.w, ORG, waiting["approval_id"], by="ann", now=made.now)
        with pytest.raises(Refused, match=approvals.DOES_NOT_WAIT):
            approvals.approve(made.w, ORG, waiting["approval_id"], by="bob", now=made.now)
        made.run(60)
        assert made.mails == []


def test_what_a_mailbox_provider_does_not_take_is_not_planned() -> None:
    """Ten a day, one a cycle: execute, which keeps the same rule, has nothing to drop."""
    with house(14, by_hand=True, warm_up_start_per_day=10) as made:
        reports = [made.cycle() for _ in range(18)]
        assert max(report["planned"] for report in reports) == 1
        reasons = sum((Counter(report["reasons"]) for report in reports), Counter[str]())
        assert reasons["provider_rate"] >= 13
        assert (len(made.mails), made.drops()) == (sum(report["planned"] for report in reports), set())
        assert sum((Counter(report["providers"]) for report in reports), Counter[str]()) == {"gmail": len(made.mails)}


def test_whom_a_full_cycle_puts_off_and_what_hours_carried_is_known_to_later_cycles() -> None:
    with house(170, by_hand=True, sends_per_minute=10) as made:
        first = made.cycle()
        assert (first["planned"], first["reasons"]["velocity_limit"]) == (150, 20)
        three = epoch_seconds(START) // 3_600 + 1
        wednesday = three + 39  # at six: the best day of the prior's week, and never mailed they lose little by the wait
        assert first["later"] == {str(wednesday): 20}
        second = made.cycle()
        context = known_context(made.w, ORG, second["cycle_id"])
        assert context is not None
        # its hours to come begin at four: tomorrow's two o'clock carries what today's did, and the day after's too
        assert [n for n, mails in enumerate(context.spoken_for) if mails] == [22, 38, 46]
        assert (context.spoken_for[22], context.spoken_for[38], context.spoken_for[46]) == (150, 20, 150)
        made.w.control.finish_cycle(
            ORG, second["cycle_id"], now=made.now, report={"later": {str(three + 1): 7, str(three + 22): 151}}
        )
        third = made.cycle()
        context = known_context(made.w, ORG, third["cycle_id"])
        assert context is not None
        assert (context.spoken_for[0], context.spoken_for[21], context.spoken_for[22]) == (7, 151, 150)


def test_who_is_over_a_provider_s_day_waits_for_the_next() -> None:
    with house(3, by_hand=True, warm_up_start_per_day=10) as made:
        made.w.control.take(ORG, "warm_up#2026-03-02#gmail", wanted=9, cap=9, expires_at=epoch_seconds(START) + 9 * 86_400)
        first = made.cycle()
        assert (first["planned"], first["reasons"]["provider_warm_up"]) == (1, 2)
        later = [r["next_decision_at"] for r in made.receipts() if r["reason"] == "provider_warm_up"]
        assert len(later) == 2
        assert min(later) >= epoch_seconds(START) + 10 * 3_600  # midnight, and his morning
        assert max(later) < epoch_seconds(START) + 48 * 3_600  # or Wednesday's, which is worth more
        assert set(later) <= {person["next_decision_at"] for person in made.everybody()}
        assert made.drops() == set()


def test_a_campaign_is_the_cycles_day_offer_and_variant_or_the_operators_label() -> None:
    with house(6, by_hand=True, campaign_labels={"1001": "Spring_24"}) as made:
        made.cycle()
        sends = [made.send(mail) for mail in made.mails]
        assert {send["offer"] for send in sends} == {"1001", "1002"}
        for send in sends:
            by_day = f"20260302-{send['offer']}-{send['variant']}"
            assert send["campaign"] == ("Spring_24" if send["offer"] == "1001" else by_day)
        assert made.counters()["cycles_completed"] == 1


def test_a_canary_mails_the_same_share_of_people_every_time() -> None:
    with house(40, autonomy="canary", by_hand=True, canary_share=0.3) as made:
        made.cycle()
        share = {r["subscriber"] for r in made.receipts() if r["canary"]}
        assert 5 <= len(share) <= 20
        assert {made.send(mail)["subscriber"] for mail in made.mails} == share
        assert made.reserved() == len(share)
        assert Counter(r["action"] for r in made.receipts()) == {"send": 40}  # the rest is decided too, as in shadow
        made.run(26 * 60)
        made.cycle()
        assert {made.send(mail)["subscriber"] for mail in made.mails} == share
        assert len(made.mails) == 2 * len(share)


# --- D5: what is missing or stale means no mail, and says so -----------------------------------------------------------
def _no_champion(made: House) -> None:
    made.w.bundles.bucket.delete(f"models/{ORG}/champion.json")


def _other_rows(made: House) -> None:
    files = dump(champion(made.w, ORG))
    manifest = json.loads(files["manifest.json"]) | {"row_schema": 1}
    made.w.bundles.publish(ORG, "strange", files | {"manifest.json": json.dumps(manifest).encode()})
    made.w.bundles.promote(ORG, "strange", at="2026-03-02T14:00:00.000Z")


def _torn_bundle(made: House) -> None:
    champion = made.w.bundles.champion(ORG)
    assert champion is not None
    made.w.bundles.publish(ORG, champion["version"], {"rates.json": b"{}"})


def _controls_nobody_understands(made: House) -> None:
    made.controls(max_daily_emails="many")


def _no_sender(made: House) -> None:
    made.controls(sender={"from_address": "news@mail.example.com"})


def _no_breaker(made: House) -> None:
    made.plane.client("dynamodb").delete_item(
        TableName=made.w.value(names.CONTROL_TABLE), Key={"pk": {"S": ORG}, "sk": {"S": "breaker"}}
    )


def _stale_breaker(made: House) -> None:
    made.run(6)


def _open_breaker(made: House) -> None:
    made.w.control.trip(ORG, reason="test", now=made.now)


def _no_switch(made: House) -> None:
    made.plane.client("ssm").delete_parameter(Name=names.autonomy_parameter(made.w.stage, ORG))


def _no_tracking_key(made: House) -> None:
    made.plane.client("ssm").delete_parameter(Name=names.secret_parameter(made.w.stage, ORG, names.TRACKING_KEY))


def _evidence_nobody_understands(made: House) -> None:
    arm = {"day": "2026-03-01", "offer": "101", "variant": "soft", "segment": "whale"}
    made.w.offers.table.put({"pk": ORG, "sk": "evidence#2026-03-01#101#soft#whale", **arm})


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        (_no_champion, "bundle_missing"),
        (_other_rows, "bundle_schema_mismatch"),
        (_torn_bundle, "bundle_corrupt"),
        (_controls_nobody_understands, "controls_unreadable"),
        (_no_sender, "sender_incomplete"),
        (_no_breaker, "breaker_missing"),
        (_stale_breaker, "breaker_stale"),
        (_open_breaker, "breaker_open"),
        (_no_switch, "autonomy_unreadable"),
        (_no_tracking_key, "secret_missing"),
        (_evidence_nobody_understands, "evidence_unreadable"),
    ],
)
def test_what_is_missing_or_stale_mails_nobody_and_says_why(breaks: Callable[[House], None], reason: str) -> None:
    with house(2, by_hand=True) as made:
        made.judge()
        breaks(made)
        assert made.plane.invoke("decide", {"org": ORG})["outcome"] == reason
        made.run(16)
        assert (made.mails, made.reserved()) == ([], 0)
        log = "\n".join(made.plane.executor.log)
        assert f"no cycle: {reason}" in log
        assert f'"{names.METRIC_CYCLE_REFUSED}":[1' in log.replace(" ", "")


def test_a_day_of_cycles_without_the_tracking_key_costs_nothing_of_the_days_budget() -> None:
    with house(5, by_hand=True, max_daily_emails=6) as made:
        name = names.secret_parameter(made.w.stage, ORG, names.TRACKING_KEY)
        key = made.plane.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        _no_tracking_key(made)
        assert [(made.cycle()["outcome"], made.reserved()) for _ in range(3)] == [("secret_missing", 0)] * 3
        made.w.parameters.put(name, key, secure=True)
        assert made.cycle()["outcome"] == "completed"
        assert (len(made.mails), made.reserved()) == (5, 5)


def test_a_cycle_that_does_not_know_its_queue_reserves_nothing() -> None:
    with house(2, by_hand=True) as made:
        made.judge()
        w = Wiring(tuple((name, value) for name, value in made.w.environment if name != names.SENDS_QUEUE_URL))
        report = run_cycle.run_cycle(w, org=ORG, now=made.plane.clock.now, remaining_millis=lambda: 600_000)
        assert (report.outcome, made.reserved()) == ("environment_missing", 0)


def test_whom_nobody_can_price_costs_the_mail_and_raises_the_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    def priced(*args: Any, **kwargs: Any) -> Prices:
        found = prices(*args, **kwargs)
        found.hazard[0] = np.nan
        return found

    with house(3, by_hand=True) as made:
        monkeypatch.setattr(cycle, "prices", priced)
        report = made.cycle()
        assert (report["outcome"], report["planned"], report["reasons"]["worth_unknown"]) == ("completed", 2, 1)
        log = "\n".join(made.plane.executor.log)
        assert f'"{names.METRIC_CYCLE_REFUSED}":[1' in log.replace(" ", "")


def test_what_was_repaired_goes_on_within_the_same_quarter_of_an_hour() -> None:
    with house(2, by_hand=True) as made:
        _no_sender(made)
        assert made.cycle(minutes=1)["outcome"] == "sender_incomplete"
        made.controls()
        assert made.cycle(minutes=13)["outcome"] == "completed"
        assert len(made.mails) == 2


# --- budget and due times ------------------------------------------------------------------------------------------------
def test_the_days_cap_holds_over_all_cycles_and_is_new_tomorrow() -> None:
    with house(20, by_hand=True, max_daily_emails=5) as made:
        for n in range(4):
            made.people(3, first=100 + 3 * n)  # somebody is always due
            made.cycle()
            made.run(30)
            assert made.reserved() == 5
        assert len(made.mails) == 5
        skipped = [r for r in made.receipts() if r["reason"] == "daily_limit_reached"]
        tomorrow = epoch_seconds(START.replace(hour=0)) + 86_400
        assert len(skipped) == 27
        assert min(r["next_decision_at"] for r in skipped) >= tomorrow
        made.run(DAY)
        made.cycle()
        assert len(made.mails) == 10
        made.cycle()
        assert (len(made.mails), made.reserved()) == (10, 5)


def test_nobody_is_decided_twice_in_a_cycle_nor_within_an_hour() -> None:
    with house(12, by_hand=True, max_emails_per_subscriber_per_week=1) as made:
        made.people(4, first=50, zone="Asia/Tokyo")  # 23:00 there: outside their hours
        for _ in range(6):
            made.cycle()
        for hours in (22, 5, 24, 24):
            made.run(hours * 60)
            made.cycle()
        receipts = made.receipts()
        assert {"revenue_opportunity", "outside_hours", "subscriber_frequency_limit"} <= {r["reason"] for r in receipts}
        assert max(Counter((r["cycle_id"], r["subscriber"]) for r in receipts).values()) == 1
        by_person: dict[str, list[int]] = {}
        for receipt in sorted(receipts, key=lambda r: str(r["ts"])):
            at = epoch_seconds(parse_iso(receipt["ts"]))
            assert receipt["next_decision_at"] >= at + 3_600
            by_person.setdefault(receipt["subscriber"], []).append(at)
        for times in by_person.values():
            assert all(later - earlier >= 3_600 for earlier, later in pairwise(times))
        due = {person["subscriber"]: person["next_decision_at"] for person in made.everybody()}
        latest = {r["subscriber"]: r["next_decision_at"] for r in sorted(receipts, key=lambda r: str(r["ts"]))}
        assert latest == due


# --- randomised arms ---------------------------------------------------------------------------------------------------
def test_the_no_mail_arm_is_never_due_and_the_fixed_arm_weekly() -> None:
    with house(0, by_hand=True, no_mail_share=0.25, fixed_policy_share=0.25) as made:
        made.people(24)
        arm = {person["subscriber"]: person["arm"] for person in made.everybody()}
        assert set(arm.values()) == {"engine", "fixed", "no_mail"}
        for _ in range(9):
            made.cycle()
            made.run(DAY)
        assert {arm[r["subscriber"]] for r in made.receipts()} == {"engine", "fixed"}
        assert all("due_shard" not in person for person in made.everybody() if person["arm"] == "no_mail")
        times: dict[str, list[float]] = {}
        for mail in made.mails:
            send = made.send(mail)
            assert send["policy"] == arm[send["subscriber"]]
            times.setdefault(send["subscriber"], []).append(mail.at.timestamp())
        assert {arm[subscriber] for subscriber in times} == {"engine", "fixed"}
        for subscriber, sent in times.items():
            gaps = [later - earlier for earlier, later in pairwise(sent)]
            assert min(gaps) >= (7 * 86_400 if arm[subscriber] == "fixed" else 86_400)
            assert len(sent) == 2 if arm[subscriber] == "fixed" else len(sent) >= 2
        fixed = [r for r in made.receipts() if r["arm"] == "fixed"]
        assert {(r["propensity_joint"], r["off_policy_support"], r["policy"]) for r in fixed} == {(1.0, False, "fixed-weekly-1")}


def test_ghosts_are_skipped_at_random_and_cost_nothing() -> None:
    with house(60, by_hand=True, ghost_share=0.2) as made:
        made.cycle()
        receipts = {r["subscriber"]: r for r in made.receipts()}
        ghosts = {subscriber for subscriber, r in receipts.items() if r["ghost"]}
        assert 3 <= len(ghosts) <= 25
        assert {made.send(mail)["subscriber"] for mail in made.mails} == receipts.keys() - ghosts
        assert len(made.rows(names.SENDS_TABLE)) == made.reserved() == 60 - len(ghosts)
        for subscriber in ghosts:
            ghost = receipts[subscriber]
            assert (ghost["action"], ghost["reason"], ghost["mailed"]) == ("ghost", "ghost", False)
            assert ghost["propensity_joint"] == pytest.approx(0.2)
            assert ghost["next_decision_at"] >= epoch_seconds(START) + 86_400  # as if it had been sent
            assert ghost["offer"] is not None
        assert {r["propensity_send"] for s, r in receipts.items() if s not in ghosts} == {0.8}


# --- receipts ------------------------------------------------------------------------------------------------------------
def test_every_receipt_has_every_field_of_the_decision_record() -> None:
    with house(30, by_hand=True, ghost_share=0.2, fixed_policy_share=0.2) as made:
        made.people(3, first=50, zone="Asia/Tokyo")
        made.cycle()
        receipts = made.receipts()
        assert {r["action"] for r in receipts} == {"send", "ghost", "skip"}
        fields = {name for group in RECORD.values() for name in group}
        for receipt in receipts:
            assert fields <= receipt.keys()
            assert (receipt["lambda_micros"], receipt["price_version"]) == (0, "no-supply/complaints-2026-03-01")
            assert 0 < receipt["propensity_joint"] <= 1
            if receipt["action"] == "skip":
                assert (receipt["propensity_joint"], receipt["off_policy_support"], receipt["offer"]) == (1.0, False, None)
            known = receipt["action"] != "skip"
            for name in ("p_open", "p_click", "p_conversion", "payout_micros", "expected_revenue_micros", "propensity_offer"):
                assert (receipt[name] is not None) == known, name
            assert (receipt["scheduled_at"] is not None) == receipt["mailed"]
        assert {r["subscriber"] for r in receipts} == {person["subscriber"] for person in made.everybody()}
