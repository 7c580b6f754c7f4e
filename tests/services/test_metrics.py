"""Revenue metrics and KPIs of a running system: equal to a recount, by the org's days, in a bounded number of reads."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.counters import COUNTER_SHARDS
from revenue_engine.aws.dynamo import Table, commit
from revenue_engine.aws.items import Item
from revenue_engine.clock import day_in
from revenue_engine.errors import Refused
from revenue_engine.metrics.amounts import Revenue
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import metrics
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.console import answer
from revenue_engine.services.engage import engage_message
from revenue_engine.services.http import Request, request_of
from revenue_engine.services.metrics import kpis, revenue
from revenue_engine.services.take_postback import take_postback
from tests.builders import NOW, Org
from tests.http_events import http_event
from tests.ses_events import ses_event

TODAY = date(2026, 3, 4)
LATER = NOW + timedelta(hours=6)
NEW_YORK = "America/New_York"


def postback(org: Org, plan: PlannedSend | None, transaction: str, **changes: str) -> None:
    """A postback through webhook and attribute, and what attribute tells the person's row."""
    sub1 = "" if plan is None else ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)
    query = {"kind": "conversion", "transaction_id": transaction, "payout": "20", "offer_id": "1042", "sub1": sub1}
    path = {"org": org.name, "token": org.token}
    request = Request("GET", "/", path, urlencode(query | {"event_id": "0"} | changes), {}, "")
    assert take_postback(org.w, request, now=NOW).status == 200
    for body in org.drained(names.POSTBACKS_QUEUE_URL):
        assert attribute_message(org.w, body, now=NOW) == "booked"
    for body in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, body, now=NOW)


def test_mails_clicks_and_conversions_become_the_metrics_of_the_day(org: Org) -> None:
    mailed = [org.mailed() for _ in range(4)]
    for plan in mailed[:3]:
        for _ in range(2):  # told twice
            engage_message(org.w, ses_event("ses-event-open.json", plan), now=NOW)
    for plan in mailed[:2]:
        engage_message(org.w, ses_event("ses-event-click.json", plan), now=NOW)
    postback(org, mailed[0], "t1", payout="30")
    postback(org, None, "t2", payout="10")
    found = revenue(org.w, org.name, now=LATER)
    assert (found.today.sent, found.today.opened_mails, found.today.clicked_mails, found.today.conversions) == (4, 3, 2, 2)
    assert found.today.revenue == Revenue(40_000_000, 0)
    assert found.today.attributed == Revenue(30_000_000, 0)
    assert found.today.revenue_per_email == Revenue(7_500_000, 0)
    assert found.today.revenue_per_open == Revenue(10_000_000, 0)
    assert found.today.revenue_per_click == Revenue(15_000_000, 0)
    offer = found.offers["1042"]
    assert (offer.revenue, offer.epm, str(offer.conversion_rate)) == (Revenue(30_000_000, 0), Revenue(75 * 10**8, 0), "0.500000")
    assert {name: c.revenue for name, c in found.campaigns.items()} == {mailed[0].campaign: Revenue(30_000_000, 0)}
    assert [(p.subscriber, p.revenue_micros) for p in found.top_revenue_subscribers] == [(mailed[0].subscriber, 30_000_000)]
    assert found.booked["USD"].unattributed_micros == 10_000_000
    per_email = kpis(org.w, org.name, now=LATER).kpis[0]
    assert (per_email.value, per_email.detail["sent"]) == (Decimal(7_500_000), 4)  # what our mails brought


def test_money_of_another_currency_enters_at_the_rate_and_without_one_is_listed_apart(org: Org) -> None:
    org.set_controls(fx_rates={"EUR": {"rate": "1.0832", "as_of": "2026-03-01"}})
    postback(org, None, "t1", payout="10", currency="EUR")
    postback(org, None, "t2", payout="10", currency="GBP")
    found = revenue(org.w, org.name, now=LATER)
    assert found.today.revenue == Revenue(10_832_000, 0)
    assert {name: (b.provisional_micros, b.has_rate) for name, b in found.booked.items()} == {
        "EUR": (10_000_000, True),
        "GBP": (10_000_000, False),
    }


# --- equal to a recount ---------------------------------------------------------------------------------------------------
def chaos(org: Org, facts: int, seed: int) -> list[tuple[datetime, str, dict[str, int]]]:
    """Random engagement and bookings of forty days, written as those who book write them."""
    chance = random.Random(seed)
    written = []
    for n in range(facts):
        at = NOW - timedelta(minutes=chance.randrange(40 * 24 * 60))
        offer, policy = chance.choice(["7", "1042"]), chance.choice(["engine", "fixed"])
        campaign = f"{at:%Y%m%d}-{offer}-a"
        if chance.random() < 0.6:
            amounts = {"sent": 1, f"sent@{offer}": 1, f"sent%{policy}": 1, "opened_mails": chance.randrange(2)}
            commit(org.w.counters.counting(org.name, at, amounts, zone=NEW_YORK, shard_by=str(n)))
        else:
            micros = chance.randrange(1, 10**8)
            sums = chance.choice([(micros, 0, 1, 1), (-micros, micros, 0, 0), (0, -micros, -1, -1), (micros, 0, 1, 0)])
            names_ = ("reported_provisional_micros", "reported_approved_micros", "conversions", "base_conversions")
            whole = dict(zip(names_, sums, strict=True))
            amounts = whole | {f"{k}@{offer}": v for k, v in whole.items()} | {f"{k}%{policy}": v for k, v in whole.items()}
            day = day_in(at, NEW_YORK)
            commit(
                [
                    *org.w.counters.money(org.name, day, amounts, shard_by=str(n)),
                    org.w.counters.campaign(org.name, day, campaign, whole),
                ]
            )
            amounts |= {f"campaign {campaign} {k}": v for k, v in whole.items()}
        written.append((at, offer, amounts))
    return written


def test_the_metrics_are_a_recount_of_what_was_written(org: Org) -> None:
    org.set_controls(zone=NEW_YORK)
    written = chaos(org, 250, seed=3)
    found = revenue(org.w, org.name, now=NOW)
    today = day_in(NOW, NEW_YORK)
    first_of_month = (today - today.replace(day=1)).days
    for window, ago in ((found.today, 0), (found.last_7_days, 6), (found.last_30_days, 29), (found.this_month, first_of_month)):
        counted = Counter[str]()
        for at, _, amounts in written:
            if (today - day_in(at, NEW_YORK)).days <= ago:
                counted.update(amounts)
        assert window.revenue == Revenue(counted["reported_provisional_micros"], counted["reported_approved_micros"])
        assert (window.sent, window.opened_mails) == (counted["sent"], counted["opened_mails"])
        assert window.conversions == counted["conversions"]
        if ago == 6:
            for offer, row in found.offers.items():
                assert row.sent == counted[f"sent@{offer}"]
                assert row.revenue.approved_micros == counted[f"reported_approved_micros@{offer}"]
        if ago == 29:
            for campaign, its in found.campaigns.items():
                assert its.revenue.provisional_micros == counted[f"campaign {campaign} reported_provisional_micros"]
                assert its.conversions == counted[f"campaign {campaign} conversions"]


# --- reads ------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Items read from tables, and requests for them."""
    counted = Counter[str]()
    query, get = Table.query, Table.get

    def counting_query(self: Table, *arguments: Any, **named: Any) -> Iterator[Item]:
        counted["requests"] += 1
        for item in query(self, *arguments, **named):
            counted["items"] += 1
            yield item

    def counting_get(self: Table, *arguments: Any, **named: Any) -> Item | None:
        counted.update(requests=1, items=1)
        return get(self, *arguments, **named)

    monkeypatch.setattr(Table, "query", counting_query)
    monkeypatch.setattr(Table, "get", counting_get)
    return counted


def test_reads_are_bounded_by_days_and_campaigns_whatever_the_traffic(org: Org, reads: Counter[str]) -> None:
    chaos(org, 40, seed=1)
    of_days, of_campaigns = 31 * COUNTER_SHARDS, 30 * 2  # two offers, one campaign each a day
    for facts in (0, 400):
        chaos(org, facts, seed=2)
        reads.clear()
        revenue(org.w, org.name, now=NOW)
        assert reads["items"] <= of_days + of_campaigns + 10 + 1
        assert reads["requests"] == 4
        reads.clear()
        kpis(org.w, org.name, now=NOW)
        assert reads["items"] <= 35 * COUNTER_SHARDS + COUNTER_SHARDS + 3
        assert reads["requests"] == 5


def test_however_many_campaigns_there_are_the_newest_alone_are_read(
    org: Org, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_CAMPAIGN_ITEMS", 6)
    for ago in range(3):
        for campaign in ("a", "b", "c"):
            day = TODAY - timedelta(days=ago)
            commit([org.w.counters.campaign(org.name, day, campaign, {"conversions": 1})])
            commit([org.w.counters.campaign(org.name, day, campaign, {"conversions": 1})])
    reads.clear()
    found = revenue(org.w, org.name, now=NOW)
    assert (found.campaigns_cut, {name: c.conversions for name, c in found.campaigns.items()}) == (True, dict.fromkeys("abc", 4))
    assert reads["items"] <= 6 + 1 + 1  # and the currency of the books
    monkeypatch.setattr(metrics, "MOST_CAMPAIGN_ITEMS", 9)
    found = revenue(org.w, org.name, now=NOW)
    assert (found.campaigns_cut, {name: c.conversions for name, c in found.campaigns.items()}) == (False, dict.fromkeys("abc", 6))


def test_upsells_and_rebills_are_no_conversions_of_the_rate(org: Org) -> None:
    plan = org.mailed()
    engage_message(org.w, ses_event("ses-event-click.json", plan), now=NOW)
    postback(org, plan, "t1")
    for event in ("77", "78"):
        postback(org, plan, "t1", kind="event", event_id=event, event_name=f"Rebill {event}")
    found = revenue(org.w, org.name, now=LATER)
    assert (found.today.conversions, found.offers["1042"].conversions, str(found.offers["1042"].conversion_rate)) == (
        3,
        3,
        "1.000000",
    )
    (kpi,) = [kpi for kpi in kpis(org.w, org.name, now=LATER).kpis if kpi.name == "conversion_rate"]
    assert (kpi.value, kpi.detail) == (Decimal(1), {"base_conversions": 1, "clicked_mails": 1})


# --- uptime, arms -----------------------------------------------------------------------------------------------------------
def test_cycles_done_off_and_missing_make_the_uptime(org: Org) -> None:
    w, org_name = org.w, org.name

    def at(quarter: int) -> tuple[str, datetime]:
        start = NOW + timedelta(minutes=15 * quarter)
        return f"{start:%Y%m%dT%H%M}", start

    def counting(what: str, quarter: int) -> list[dict[str, Any]]:
        return w.counters.counting(org_name, at(quarter)[1], {what: 1}, zone="UTC", shard_by=at(quarter)[0])

    def uptime(minutes: int) -> dict[str, Any]:
        (kpi,) = [k for k in kpis(w, org_name, now=NOW + timedelta(minutes=minutes)).kpis if k.name == "autonomous_uptime"]
        return {"value": None if kpi.value is None else str(kpi.value), **kpi.detail}

    assert uptime(0) == {"value": None}
    for quarter in (0, 1, 3):
        cycle_id, start = at(quarter)
        assert w.control.lease_cycle(org_name, cycle_id, now=start, seconds=60) is not None
        w.control.finish_cycle(org_name, cycle_id, now=start, report={}, counting=counting("cycles_completed", quarter))
    assert uptime(59) == {"value": "0.666667", "scheduled": 3, "completed": 2}  # the cycle of 45 is done, its quarter not over
    assert uptime(60) == {"value": "0.750000", "scheduled": 4, "completed": 3}
    for _ in range(2):  # decide was called twice
        cycle_id, start = at(4)
        w.control.skip_cycle(org_name, cycle_id, now=start, counting=counting("cycles_off", 4))
    for minutes in (60, 76):  # nothing was due while the switch was off
        assert uptime(minutes) == {"value": "0.750000", "scheduled": 4, "completed": 3}
    assert uptime(90) == {"value": "0.600000", "scheduled": 5, "completed": 3}


def test_what_an_arm_brings_is_measured_against_the_fixed_one_when_both_are_large(org: Org) -> None:
    report = kpis(org.w, org.name, now=NOW).roi
    assert report.incremental_reason == "engine_arm_has_0_people_of_100"
    for n in range(240):
        commit([org.w.counters.person(org.name, "fixed" if n < 120 else "engine", lot="0.5/0", shard_by=str(n))])
    amounts = {
        "conversions%engine": 60,
        "conversions%fixed": 30,
        "reported_approved_micros%engine": 1_200_000_000,
        "reported_approved_micros%fixed": 600_000_000,
    }
    commit(org.w.counters.money(org.name, TODAY, amounts, shard_by="x"))
    report = kpis(org.w, org.name, now=NOW).roi
    assert (report.incremental, report.incremental_reason) == (Revenue(0, 600_000_000), None)


# --- over the console -------------------------------------------------------------------------------------------------------
def ask(org: Org, what: str) -> tuple[int, Any]:
    said = answer(org.w, request_of(http_event("GET", f"/console/{org.name}/{what}")), now=LATER)
    return said.status, json.loads(said.body)


def test_the_console_shows_revenue_and_kpis_as_whole_micros_and_exact_text(org: Org) -> None:
    plan = org.mailed()
    postback(org, plan, "t1")
    code, shown = ask(org, "revenue")
    assert (code, shown["currency"], shown["today"]["revenue"]) == (
        200,
        "USD",
        {"provisional_micros": 20_000_000, "approved_micros": 0},
    )
    assert shown["trend"] is None
    code, shown = ask(org, "kpis")
    assert code == 200
    assert [kpi["value"] for kpi in shown["kpis"]][:2] == ["20000000", None]
    assert shown["roi"]["attributed_roi"] == "19999.000000"
    assert "address" not in json.dumps(shown)


def test_an_empty_org_divides_nothing_by_nothing(org: Org) -> None:
    assert ask(org, "revenue")[0] == ask(org, "kpis")[0] == 200


def test_unreadable_controls_are_told_and_no_day_is_guessed(org: Org) -> None:
    org.set_controls(zone="Mars/Olympus")
    for what in (revenue, kpis):
        with pytest.raises(Refused, match="controls_unreadable"):
            what(org.w, org.name, now=NOW)
    assert ask(org, "revenue") == (409, {"error": "controls_unreadable", "detail": "zone: Value error, unknown_time_zone"})


def test_yesterday_in_the_orgs_zone_is_not_today(org: Org) -> None:
    org.set_controls(zone=NEW_YORK)
    commit(org.w.counters.counting(org.name, datetime(2026, 3, 4, 4, 59, tzinfo=UTC), {"sent": 1}, zone=NEW_YORK, shard_by="a"))
    found = revenue(org.w, org.name, now=NOW)
    assert (found.today.sent, found.last_7_days.sent) == (0, 1)
