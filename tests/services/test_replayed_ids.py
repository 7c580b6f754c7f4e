"""Ids that prove nothing: made up, of another org, of an old key, of somebody else's click, or used too often (contracts 1.6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import check_replay
from revenue_engine.intake.everflow.postback import MOST_TRANSACTIONS
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import quarantine
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.engage import engage_message
from revenue_engine.services.take_postback import take_postback
from tests.builders import NOW, Org
from tests.http_events import postback_request
from tests.services.test_books import arrival, booked, report, totals
from workbench.local.plane import Plane


def told(org: Org, sub1: str, transaction: str = "t1", **changes: str) -> list[str]:
    """A postback by the whole way; the reasons that the quarantine then knows."""
    query = {"kind": "conversion", "transaction_id": transaction, "payout": "5", "offer_id": "1042", "sub1": sub1} | changes
    assert take_postback(org.w, postback_request(org.name, org.token, query), now=NOW).status == 200
    for body in org.drained(names.POSTBACKS_QUEUE_URL):
        attribute_message(org.w, body, now=NOW)
    return [entry["reason"] for entry in quarantine.listed(org.w, org.name)]


def id_of(org: Org, plan: PlannedSend) -> str:
    return ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)


def test_an_authentic_id_is_booked(org: Org) -> None:
    assert told(org, id_of(org, org.mailed())) == []
    assert totals(org)["provisional"] == 5_000_000


def test_an_id_that_was_changed_is_forged(org: Org) -> None:
    good = id_of(org, org.mailed())
    for n, place in enumerate((1, 26, 27, 52)):
        other = "b" if good[place] != "b" else "c"
        told(org, good[:place] + other + good[place + 1 :], f"t{n}")
    assert told(org, good.upper().lower(), "good") == ["forged_tracking_id"] * 4
    assert totals(org)["conversions"] == 1


@pytest.mark.parametrize("version", ["0", "2", "9"])
def test_an_id_of_another_version_of_the_key_is_forged(org: Org, version: str) -> None:
    assert told(org, version + id_of(org, org.mailed())[1:]) == ["forged_tracking_id"]


def test_an_id_of_a_key_that_is_no_more_is_forged(org: Org) -> None:
    old = id_of(org, org.mailed())
    org.set_secret(names.TRACKING_KEY, "ab" * 32)
    assert told(org, old) == ["forged_tracking_id"]


def test_an_id_of_another_org_is_forged_here_whoever_has_made_it(system: Plane, org: Org) -> None:
    other = Org.open(system, "elsewhere")
    plan = other.mailed()
    by_its_own_key = id_of(other, plan)
    by_ours = ids.tracking_id(org.key, org=other.name, send_id=plan.send_id)
    told(org, by_its_own_key, "t1")
    assert told(org, by_ours, "t2") == ["forged_tracking_id"] * 2
    assert other.counters().get("conversions") is None


def test_an_id_of_our_making_for_a_mail_of_another_org_names_no_mail(system: Plane, org: Org) -> None:
    other = Org.open(system, "neighbour")
    plan = other.mailed()
    assert told(org, id_of(org, plan)) == ["unknown_send"]
    assert "conversions" not in other.send(plan)


def test_a_click_that_is_another_mails_is_not_taken_over(org: Org) -> None:
    first, second = org.mailed(), org.mailed()
    told(org, id_of(org, first))
    assert told(org, id_of(org, second)) == ["transaction_of_another_mail"]
    event = {"kind": "event", "event_id": "77", "event_name": "Upsell"}
    assert told(org, id_of(org, second), **event) == ["transaction_of_another_mail"] * 2
    assert told(org, id_of(org, first), **event) == ["transaction_of_another_mail"] * 2
    assert (org.send(first)["conversions"], org.send(second).get("conversions", 0)) == (2, 0)


def test_of_one_mail_five_clicks_may_be_claimed_and_no_sixth(org: Org) -> None:
    sub1 = id_of(org, org.mailed())
    for n in range(7):
        told(org, sub1, f"t{n}")
    assert told(org, sub1, "t0") == ["replayed_tracking_id"] * 2  # what was booked may be told again
    assert told(org, sub1, "t1", kind="event", event_id="77") == ["replayed_tracking_id"] * 2  # and have its upsells
    assert totals(org)["conversions"] == MOST_TRANSACTIONS + 1
    assert told(org, id_of(org, org.mailed()), "t9") == ["replayed_tracking_id"] * 2  # another mail is another mail


def test_the_report_is_believed_however_many_clicks_it_lists(org: Org) -> None:
    plan = org.mailed()
    rows = [report(org, plan, f"c{n}", transaction_id=f"t{n}") for n in range(MOST_TRANSACTIONS + 2)]
    assert booked(org, *rows) == ["booked"] * len(rows)
    with pytest.raises(BadInput, match="replayed_tracking_id"):
        booked(org, arrival(org, plan, transaction_id="t9"))
    booked(org, arrival(org, plan, transaction_id="t0"))  # its click is the mail's already
    assert totals(org)["conversions"] == len(rows)


@pytest.mark.parametrize(
    ("transactions", "source", "fine"), [(4, "postback", True), (5, "postback", False), (50, "report", True)]
)
def test_the_check_itself(org: Org, transactions: int, source: str, fine: bool) -> None:
    one = replace(arrival(org), source=source)
    if fine:
        check_replay(one, transactions=transactions)
    else:
        with pytest.raises(BadInput, match="replayed_tracking_id"):
            check_replay(one, transactions=transactions)


def test_a_repetition_told_while_another_worker_books_shifts_no_entry(org: Org) -> None:
    """The row's dedupe goes by the entry's number: it must not depend on what was added since the head was read."""
    plan = org.mailed()
    booked(org, arrival(org, plan))
    ledger, later = org.w.ledger, report(org, plan, "c1", payout_micros=7_000_000)

    class Interrupted(type(ledger)):  # type: ignore[misc]
        def entries(self, key: str) -> object:
            vars(org.w)["ledger"] = ledger
            booked(org, later)
            return super().entries(key)

    vars(org.w)["ledger"] = Interrupted(ledger.table)
    assert booked(org, arrival(org, plan)) == ["already_booked"]
    for body in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, body, now=NOW)
    assert org.row(plan.subscriber).revenue_micros == 7_000_000
    assert org.row(plan.subscriber).conversions == 1.0
