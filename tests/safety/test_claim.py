"""The last look before a mail leaves (P1)."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.subscriber import ARMS
from revenue_engine.records.zones import zone_number
from revenue_engine.safety.claim import BreakerFacts, gate, may_claim
from tests.core_cases import DAY, HOUR, T, a_row

CLOSED = BreakerFacts("closed", T - 60)


def claim(status: str = "active", consent: str = "granted", now: int = T, **changes: Any) -> str | None:
    return may_claim(status=status, consent_status=consent, row=a_row(1, **changes), controls=Controls(), now=now)


def test_a_willing_rested_person_may_be_mailed() -> None:
    assert claim() is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("unsubscribed", "opted_out"),
        ("complained", "opted_out"),
        ("bounced", "address_bounced"),
        ("erased", "erased"),
        ("", "not_active"),
        ("a status of tomorrow", "not_active"),
    ],
)
def test_only_an_active_person_is_mailed(status: str, reason: str) -> None:
    assert claim(status) == reason


@pytest.mark.parametrize("consent", ["withdrawn", "", "unknown"])
def test_only_granted_consent_is_consent(consent: str) -> None:
    assert claim(consent=consent) == "no_consent"


def test_caps_gap_hours_and_holdout_hold_at_the_claim_too() -> None:
    week = tuple(T - n * DAY - 2 * DAY for n in range(4)) + (0,) * 4
    assert claim(recent_sends=week) == "subscriber_frequency_limit"
    assert claim(last_send_at=T - 24 * HOUR + 1) == "too_soon_since_last_email"
    assert claim(last_send_at=T - 24 * HOUR) is None
    assert claim(arm=ARMS.index("no_mail")) == "holdout"
    assert claim(zone=zone_number("Asia/Tokyo"), now=T + HOUR) == "outside_hours"


@pytest.mark.parametrize(
    ("autonomy", "breaker", "facts", "reason"),
    [
        (Autonomy.FULL, CLOSED, {}, None),
        (Autonomy.OFF, CLOSED, {}, "autonomy_off"),
        (Autonomy.SHADOW, CLOSED, {"canary": True, "approved": True, "approval_id": "a"}, "autonomy_shadow"),
        (Autonomy.FULL, None, {}, "breaker_missing"),
        (Autonomy.FULL, BreakerFacts("closed", T - 301), {}, "breaker_stale"),
        (Autonomy.FULL, BreakerFacts("closed", T - 300), {}, None),
        (Autonomy.FULL, BreakerFacts("open", T), {}, "breaker_open"),
        (Autonomy.FULL, BreakerFacts("half_open", T), {}, "breaker_half_open"),
        (Autonomy.FULL, BreakerFacts("half_open", T, T - 60, T - 60), {"planned_at": T - 61}, "breaker_half_open"),
        (Autonomy.FULL, BreakerFacts("half_open", T, T - 60, T - 60), {"planned_at": T - 60}, None),  # the trickle
        (Autonomy.FULL, BreakerFacts("half_open", T, T - 60), {"planned_at": T}, "breaker_half_open"),  # since nobody knows when
        (Autonomy.FULL, BreakerFacts("half_open", T, T - 2_700, T - 9_000), {"planned_at": T}, None),
        (Autonomy.FULL, BreakerFacts("half_open", T, T - 2_701, T - 9_000), {"planned_at": T}, "breaker_stale"),
        (Autonomy.CANARY, BreakerFacts("half_open", T, T - 60, T - 60), {"planned_at": T}, "not_in_canary"),
        (Autonomy.FULL, BreakerFacts("CLOSED?", T), {}, "breaker_unreadable"),
        (Autonomy.CANARY, CLOSED, {}, "not_in_canary"),
        (Autonomy.CANARY, CLOSED, {"canary": True}, None),
        (Autonomy.APPROVAL, CLOSED, {}, "not_approved"),
        (Autonomy.APPROVAL, CLOSED, {"approval_id": "a"}, "not_approved"),
        (Autonomy.APPROVAL, CLOSED, {"approval_id": "a", "approved": True}, None),
        (Autonomy.FULL, CLOSED, {"approval_id": "a"}, "not_approved"),
    ],
)
def test_the_gate(autonomy: Autonomy, breaker: BreakerFacts | None, facts: dict[str, Any], reason: str | None) -> None:
    defaults: dict[str, Any] = {"canary": False, "approval_id": "", "approved": False}
    assert gate(autonomy, breaker, now=T, **(defaults | facts)) == reason


@pytest.mark.parametrize("module", ["safety.claim", "safety.breaker", "records.evidence", "records.reasons"])
def test_what_execute_and_the_judge_load_brings_no_numpy(module: str) -> None:
    code = f"import sys, revenue_engine.{module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
