"""Suspicious conversions are booked, held from learning, listed, and learned from or given up when a person has decided."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest

from revenue_engine import ids
from revenue_engine.attribution.ledger import Head
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.payouts import SLOTS
from revenue_engine.clock import day_in
from revenue_engine.records.anomaly import Flag, Severity
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.send import PlannedSend
from revenue_engine.safety.offer_days import BURST
from revenue_engine.services import anomaly_desk
from revenue_engine.services.attribute import attribute_message, book
from revenue_engine.services.console import answer
from revenue_engine.services.engage import engage_message
from revenue_engine.services.http import request_of
from tests.builders import NOW, Org, an_offer
from tests.http_events import http_event
from tests.ses_events import ses_event

PRICE = 32_500_000  # of the offer that everybody may get
CLICKED_AT = datetime.fromisoformat("2026-03-04T12:31:55.570+00:00")
HOUR = timedelta(hours=1)


@pytest.fixture
def clicked(org: Org) -> PlannedSend:
    """A mail that was delivered, and clicked by its reader at CLICKED_AT."""
    plan = org.mailed()
    for name in ("delivery", "click"):
        engage_message(org.w, ses_event(f"ses-event-{name}.json", plan), now=NOW)
    clicks = [item["sk"] for item in org.timeline(plan.subscriber) if item["kind"] == "click"]
    assert [sk[:19] for sk in clicks] == [f"{CLICKED_AT:%Y-%m-%dT%H:%M:%S}"]
    return plan


def arrival(org: Org, plan: PlannedSend | None, transaction: str = "t1", **changes: Any) -> Arrival:
    """A conversion an hour after the click."""
    made = Arrival(
        org=org.name,
        kind="conversion",
        transaction_id=transaction,
        event_id="0",
        event_name="Base",
        payout_micros=PRICE,
        currency=None,
        offer="1042",
        sub1=ids.tracking_id(org.key, org=org.name, send_id=plan.send_id) if plan else "",
        source="postback",
        conversion_id=None,
        converted_at=CLICKED_AT + HOUR,
        received_at=CLICKED_AT + HOUR,
        receipt_id=f"r-{transaction}",
    )
    return replace(made, **changes)


def reported(org: Org, plan: PlannedSend | None, transaction: str = "t1", **changes: Any) -> Arrival:
    """The same as the report tells it, with the time of its click."""
    facts = {
        "source": "report",
        "conversion_id": f"c-{transaction}",
        "receipt_id": f"c-{transaction}",
        "clicked_at": CLICKED_AT,
        "received_at": CLICKED_AT + 12 * HOUR,
    }
    return arrival(org, plan, transaction, **(facts | changes))


def at(seconds: float) -> dict[str, Any]:
    return {"converted_at": CLICKED_AT + timedelta(seconds=seconds), "received_at": CLICKED_AT + timedelta(seconds=seconds)}


def booked(org: Org, *arrivals: Arrival) -> None:
    for one in arrivals:
        assert book(org.w, one, controls=org.w.parameters.controls(org.name), now=NOW) == "booked"


def waiting(org: Org) -> dict[str, dict[str, str]]:
    """Signals and severities by transaction."""
    listed = anomaly_desk.listed(org.w, org.name, now=NOW)
    return {one["key"].split("#")[2]: {flag["signal"]: flag["severity"] for flag in one["flags"]} for one in listed}


def head(org: Org, transaction: str = "t1", n: str = "") -> Head:
    found = org.w.ledger.head(key(org, transaction) + n)
    assert found is not None
    return found


def key(org: Org, transaction: str = "t1") -> str:
    return f"{org.name}#conversion#{transaction}#0"


def learned(org: Org) -> int:
    return sum(counts.get("conversions", 0) for counts in org.evidence().values())


# --- what is flagged ------------------------------------------------------------------------------------------------------
def test_an_ordinary_conversion_is_not_flagged_and_its_payout_is_known_from_then_on(
    org: Org, clicked: PlannedSend, alarms: list[str]
) -> None:
    booked(org, arrival(org, clicked), reported(org, clicked))
    assert (waiting(org), alarms, learned(org)) == ({}, [], 1)
    assert org.w.payouts.known(arrival(org, None), currency="USD", key="another").micros == (PRICE,)


@pytest.mark.parametrize(("seconds", "severity"), [(3, "hold"), (8, "review")])
def test_nobody_converts_within_seconds_of_the_click_that_we_saw(
    org: Org, clicked: PlannedSend, alarms: list[str], seconds: int, severity: str
) -> None:
    booked(org, arrival(org, clicked, **at(seconds)))
    assert waiting(org) == {"t1": {"instant_conversion": severity}}
    assert alarms == [org.name]
    assert head(org).position.amounts.provisional_micros == PRICE
    assert (head(org).facts.held, learned(org)) == ((True, 0) if severity == "hold" else (False, 1))


def test_the_networks_own_time_of_the_click_counts_more_than_ours(org: Org, clicked: PlannedSend) -> None:
    booked(
        org,
        reported(org, clicked, "quick", clicked_at=CLICKED_AT + HOUR - timedelta(seconds=2)),
        reported(org, clicked, "before", clicked_at=CLICKED_AT + 2 * HOUR),
        # without an id of ours too
        reported(org, None, "stray", clicked_at=CLICKED_AT + 2 * HOUR),
    )
    assert waiting(org) == {
        "quick": {"instant_conversion": "hold"},
        "before": {"conversion_before_click": "hold"},
        "stray": {"conversion_before_click": "hold"},
    }


def test_an_id_is_not_used_before_its_mail_was_made(org: Org, clicked: PlannedSend) -> None:
    early = NOW - 3 * HOUR
    booked(org, reported(org, clicked, clicked_at=early, converted_at=early + HOUR))
    assert waiting(org) == {"t1": {"before_its_mail": "hold"}}


def test_strange_payouts_are_not_learned_from_until_the_report_has_paid_them(org: Org, clicked: PlannedSend) -> None:
    booked(org, arrival(org, clicked, payout_micros=8 * PRICE))
    assert waiting(org) == {"t1": {"payout_high": "hold", "payout_not_catalogue": "review"}}
    assert org.w.payouts.known(arrival(org, None), currency="USD", key="another").micros == ()
    booked(org, reported(org, clicked, payout_micros=8 * PRICE))
    assert head(org).facts.held  # the network may be cheated too: a person decides
    # but the amount is known now
    # amounts are kept in few slots by the key, and what stands in one's own says nothing
    slots = {t: ids.stable_hash("paid", arrival(org, None, t).key) % SLOTS for t in ("t1", "t2", "t3", "t4")}
    another = next(t for t, slot in slots.items() if slot != slots["t1"])
    booked(org, arrival(org, None, another, payout_micros=8 * PRICE))
    assert set(waiting(org)) == {"t1"}


def test_payouts_without_a_price_in_the_catalogue_are_compared_with_their_like(org: Org) -> None:
    org.w.offers.put(org.name, an_offer(7, payout_micros=None, payout_percentage=10.0))
    for n in range(30):
        booked(org, arrival(org, None, f"t{n}", offer="7", payout_micros=3_000_000 + n * 100_000))
    assert waiting(org) == {}
    booked(org, arrival(org, None, "sale", offer="7", payout_micros=1_200_000_000))
    # another currency and another kind of conversion say nothing about it
    booked(org, arrival(org, None, "euro", offer="7", payout_micros=1_200_000_000, currency="EUR"))
    booked(org, arrival(org, None, "event", offer="7", payout_micros=1_200_000_000, kind="event", event_id="77"))
    assert waiting(org) == {"sale": {"payout_high": "hold"}}


def test_a_second_conversion_id_of_one_click_is_reviewed_until_the_offer_is_known_to_allow_it(org: Org) -> None:
    for transaction in "abcdefgh":
        booked(org, *(reported(org, None, transaction, conversion_id=f"{transaction}{n}") for n in range(2)))
    listed = anomaly_desk.listed(org.w, org.name, now=NOW)
    assert {flag["signal"] for one in listed for flag in one["flags"]} == {"duplicate_conversion"}
    assert [one["key"] for one in listed[:3]] == [f"{key(org, transaction)}#1" for transaction in "abc"]
    assert "h" not in waiting(org)


def test_one_mails_many_conversions_are_reviewed_then_held_and_its_events_are_not_counted(org: Org, clicked: PlannedSend) -> None:
    booked(org, arrival(org, clicked, "t0"))
    for n in range(4):
        booked(
            org, arrival(org, clicked, "t0", kind="event", event_id=str(n + 1), event_name=f"Step {n}", payout_micros=1_000_000)
        )
    assert waiting(org) == {}
    booked(org, *(arrival(org, clicked, f"t{n}", **at(4_000 + n)) for n in range(1, 4)))
    assert {t: flags.get("many_of_mail") for t, flags in waiting(org).items()} == {"t2": "review", "t3": "hold"}
    assert waiting(org)["t3"]["many_of_subscriber"] == "review"
    # a day later it is another matter
    booked(org, arrival(org, clicked, "t9", **at(3 * 86_400)))
    assert "t9" not in waiting(org)


def test_conversions_of_a_mail_that_a_machine_clicked_are_reviewed(org: Org, clicked: PlannedSend) -> None:
    facts = {"send_id": clicked.send_id, "human": True, "human_probability": 0.95}
    for n in range(5):
        when = CLICKED_AT + timedelta(seconds=60 + n)
        touch = org.w.timeline.recording(org.name, clicked.subscriber, at=when, kind="click", event_id=f"e{n}", facts=facts)
        commit([touch])
    booked(org, arrival(org, clicked))
    assert waiting(org) == {"t1": {"machine_like_clicks": "review"}}


def test_a_burst_of_an_offer_holds_what_comes_after_the_alarm_and_lists_what_came_before(org: Org, clicked: PlannedSend) -> None:
    now = CLICKED_AT + 2 * HOUR
    flag = Flag(BURST, Severity.HOLD, {"conversions": 60})
    assert org.w.offer_days.flag(org.name, day_in(now, "UTC"), "1042", flag, now=now)
    booked(
        org,
        arrival(org, None, "before"),
        arrival(org, None, "after", **at(3 * 3_600)),
        arrival(org, None, "tomorrow", **at(86_400)),
    )
    org.w.offers.put(org.name, an_offer(7))
    booked(org, arrival(org, None, "other", offer="7", **at(3 * 3_600)))
    found = waiting(org)
    assert {t: found.get(t) for t in ("before", "after", "tomorrow", "other")} == {
        "before": {BURST: "review"}, "after": {BURST: "hold"}, "tomorrow": None, "other": None,
    }  # fmt: skip
    assert anomaly_desk.decide(org.w, org.name, f"offer_day#2026-03-04#1042#{BURST}", verdict="released", by="alex", now=NOW)
    booked(org, arrival(org, None, "later", **at(4 * 3_600)))
    assert "later" not in waiting(org)


# --- what is decided -----------------------------------------------------------------------------------------------------
@pytest.fixture
def held(org: Org, clicked: PlannedSend) -> Arrival:
    """A conversion three seconds after its click."""
    made = arrival(org, clicked, **at(3))
    booked(org, made)
    assert (head(org).facts.held, learned(org), set(waiting(org))) == (True, 0, {"t1"})
    return made


def test_a_released_conversion_is_learned_from_and_never_held_for_the_same_again(
    org: Org, clicked: PlannedSend, held: Arrival
) -> None:
    assert anomaly_desk.decide(org.w, org.name, key(org), verdict="released", by="alex", now=NOW)
    assert (head(org).facts.held, learned(org), waiting(org)) == (False, 1, {})
    booked(org, reported(org, clicked, converted_at=held.converted_at))
    assert (head(org).facts.held, learned(org), waiting(org)) == (False, 1, {})
    (settled,) = anomaly_desk.listed(org.w, org.name, settled=True, now=NOW)
    assert (settled["key"], settled["settled"]) == (key(org), {"instant_conversion": "released"})
    assert not anomaly_desk.decide(org.w, org.name, key(org), verdict="rejected", by="alex", now=NOW)


def test_a_rejected_conversion_is_given_up(org: Org, held: Arrival) -> None:
    assert anomaly_desk.decide(org.w, org.name, key(org), verdict="rejected", by="alex", now=NOW)
    assert (head(org).position.state, head(org).position.amounts.total_micros, learned(org)) == ("rejected", 0, 0)
    assert waiting(org) == {}


def test_a_decision_that_died_half_way_is_made_again(org: Org, held: Arrival, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.anomalies), "settle", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            anomaly_desk.decide(org.w, org.name, key(org), verdict="released", by="alex", now=NOW)
    assert set(waiting(org)) == {"t1"}
    assert anomaly_desk.decide(org.w, org.name, key(org), verdict="released", by="alex", now=NOW)
    assert (learned(org), waiting(org)) == (1, {})


def test_nobody_decides_on_what_does_not_wait_or_is_anothers(org: Org, held: Arrival) -> None:
    for unknown in ("", "x" * 1_025, "nonsense", "other#conversion#t1#0", key(org, "t2"), f"offer_day#2026-03-04#1042#{BURST}"):
        for verdict in get_args(anomaly_desk.Verdict):
            assert not anomaly_desk.decide(org.w, org.name, unknown, verdict=verdict, by="alex", now=NOW)
    assert set(waiting(org)) == {"t1"}


def test_the_console_lists_them_and_has_attribute_decide(org: Org, held: Arrival) -> None:
    def ask(method: str, rest: str, body: str | None = None) -> tuple[int, Any]:
        event = http_event(method, f"/console/{org.name}/{rest}", body=body)
        event["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::123456789012:user/alex"}}
        said = answer(org.w, request_of(event), now=NOW)
        return said.status, json.loads(said.body)

    org.drained(names.POSTBACKS_QUEUE_URL)
    status, listed = ask("GET", "anomalies")
    assert (status, [one["key"] for one in listed["anomalies"]]) == (200, [key(org)])
    for body in ("", "[]", "{}", '{"key": 7}', json.dumps({"key": key(org, "t2")})):
        assert ask("POST", "anomalies/release", body)[0] == 409
    assert org.drained(names.POSTBACKS_QUEUE_URL) == []
    assert ask("POST", "anomalies/release", json.dumps({"key": key(org)})) == (200, {"done": True})
    (message,) = org.drained(names.POSTBACKS_QUEUE_URL)
    assert [attribute_message(org.w, message, now=NOW) for _ in range(2)] == ["decided", "unchanged"]
    assert (learned(org), ask("GET", "anomalies")) == (1, (200, {"anomalies": []}))
