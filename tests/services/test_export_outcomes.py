"""A day's outcomes as events beside the decisions, on the local plane: joined on `send_id`, each with its prediction error."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.outcomes import settled
from revenue_engine.services.export_outcomes import AGAIN_DAYS, export_outcomes
from tests.e2e.house import HOME, ORG, PHONE, START, House, house
from workbench.simulation import events
from workbench.simulation.behaviour import DATA_CENTRE_IP

KEY = f"outcomes/{ORG}/{START:%Y-%m-%d}/outcomes.ndjson.gz"
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def made() -> Iterator[House]:
    """A day: of its mails the first is opened, clicked and bought from, the second bounces, the third complains, the fourth leaves."""
    with house(8, by_hand=True) as one:
        one.cycle()
        first, second, third, fourth, fifth = one.mails[:5]
        one.publish(events.delivery(first, first.at + MINUTE), events.delivery(third, third.at + MINUTE))
        one.publish(events.opened(first, first.at + 5 * MINUTE, agent=PHONE, ip=HOME))
        one.clicked(first, after=6 * MINUTE)
        one.publish(events.delivery(fifth, fifth.at + MINUTE))
        one.publish(events.clicked(fifth, fifth.at + MINUTE, agent="scanner/1.0", ip=DATA_CENTRE_IP))
        one.publish(events.bounce(second, second.at + MINUTE, permanent=True, feedback_id="f2"))
        one.publish(events.complaint(third, third.at + 9 * MINUTE, feedback_id="f3"))
        one.watch(1)
        one.converted(first, payout="31.5")
        one.unsubscribed(fourth)
        one.watch(15)
        one.run(24 * 60)
        yield one


def exported(made: House) -> list[dict[str, Any]]:
    export_outcomes(made.w, org=ORG, now=made.now)
    return [json.loads(line) for line in gzip.decompress(made.object(KEY)).splitlines()]


def test_every_kind_of_outcome_is_an_event_of_its_mail(made: House) -> None:
    lines = exported(made)
    found = Counter((line["event"], line["human"]) for line in lines)
    assert found["sent", None] == len(made.mails) == 8
    assert found["delivered", None] == 3
    assert found["clicked", False] == found["opened", True] == found["clicked", True] == 1
    for event in ("bounced", "complained", "unsubscribed", "converted", "revenue"):
        assert found[event, None] == 1, event
    first, second, third, fourth, fifth = (mail.send_id for mail in made.mails[:5])
    of = {(line["event"], line["human"]): line["send_id"] for line in lines if line["event"] not in ("sent", "delivered")}
    assert of["clicked", True] == of["converted", None] == of["revenue", None] == first
    assert (of["bounced", None], of["complained", None], of["unsubscribed", None]) == (second, third, fourth)
    assert of["clicked", False] == fifth


def test_events_join_the_receipts_on_send_id_and_are_held_against_their_predictions(made: House) -> None:
    receipts = {record["send_id"]: record for record in made.receipts() if record["send_id"]}
    for line in exported(made):
        record = receipts[line["send_id"]]
        for name in ("org", "decision_id", "cycle_id", "subscriber", "arm", "offer", "content"):
            assert line[name] == record[name], name
        match line["event"]:
            case "clicked" if line["human"]:
                assert (line["predicted"], line["observed"]) == (record["p_click"], 1.0)
            case "converted":
                assert line["predicted"] == pytest.approx(record["p_click"] * record["p_conversion"])
                assert (line["observed"], line["conversions"]) == (1.0, 1)
            case "revenue":
                assert (line["predicted"], line["observed"]) == (record["expected_revenue_micros"], 31_500_000)
                assert (line["provisional_micros"], line["approved_micros"], line["currency"]) == (31_500_000, 0, "USD")
                assert (line["ledger_state"], line["entry_kind"]) == ("provisional", "provisional")
            case _:
                assert line["predicted"] is line["observed"] is line["prediction_error"] is None
                continue
        assert line["prediction_error"] == line["observed"] - line["predicted"]


def test_the_same_export_again_writes_the_same_bytes(made: House) -> None:
    exported(made)
    before = made.object(KEY)
    assert export_outcomes(made.w, org=ORG, now=made.now).keys() == {
        f"{made.now - timedelta(days=back):%Y-%m-%d}" for back in range(1, AGAIN_DAYS + 1)
    }
    assert made.object(KEY) == before


def test_the_schedule_exports_in_the_functions_own_name(made: House) -> None:
    answer = made.plane.invoke("reconcile", {"org": ORG, "action": "outcomes"})
    assert answer[f"{START:%Y-%m-%d}"] == len(exported(made)) > 0


def test_a_mail_is_settled_once_after_thirty_days_whether_or_not_anything_happened(made: House) -> None:
    later = START + timedelta(days=31)
    export_outcomes(made.w, org=ORG, now=later)
    key = f"outcomes/{ORG}/{START + timedelta(days=30):%Y-%m-%d}/outcomes.ndjson.gz"
    lines = [json.loads(line) for line in gzip.decompress(made.object(key)).splitlines()]
    assert [line["event"] for line in lines] == ["settled"] * 8
    errors = {line["send_id"]: line["prediction_error"] for line in lines}
    receipts = {record["send_id"]: record for record in made.receipts() if record["send_id"]}
    first = made.mails[0].send_id
    assert errors[first] == 31_500_000 - receipts[first]["expected_revenue_micros"]
    assert all(error == -receipts[send]["expected_revenue_micros"] for send, error in errors.items() if send != first)


def test_what_never_left_is_not_settled() -> None:
    assert list(settled({"state": "DROPPED"}, at=0, currency="USD")) == []
