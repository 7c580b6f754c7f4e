"""What an operator sees of revenue and KPIs, and how rates are set."""

from __future__ import annotations

import json
from datetime import date

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.services.metrics import kpis, revenue
from tests.builders import NOW, Org
from tests.cli.conftest import Run
from tests.services.test_books import arrival, booked

TODAY = date(2026, 3, 4)


def count(org: Org, **amounts: int) -> None:
    named = {name.replace("_of_", "@").replace("_by_", "%"): n for name, n in amounts.items()}
    commit(org.w.counters.counting(org.name, NOW, named, zone="UTC", shard_by="a"))


def test_an_org_without_history_is_shown_without_an_error(run: Run) -> None:
    shown = run("revenue")
    assert shown.exit_code == 0, shown.output
    assert "trend: not before two full weeks" in shown.stdout
    shown = run("kpis")
    assert shown.exit_code == 0, shown.output
    assert "no_ltv_model" in shown.stdout


def test_revenue_is_shown_in_units_and_by_offer_and_campaign(run: Run, org: Org) -> None:
    count(
        org,
        sent=2_000,
        sent_of_7=2_000,
        clicked_mails=40,
        clicked_mails_of_7=40,
        conversions=3,
        conversions_of_7=3,
        base_conversions_of_7=3,
    )
    count(org, reported_approved_micros=30_000_000, reported_approved_micros_of_7=30_000_000)
    count(org, reported_approved_micros_by_fixed=30_000_000)
    count(org, reported_provisional_micros=60_000_000, reported_provisional_micros_of_7=60_000_000)
    commit(org.w.counters.money(org.name, TODAY, {"approved_micros#GBP": 5_000_000}, shard_by="a"))
    commit([org.w.counters.campaign(org.name, TODAY, "Spring_26", {"reported_approved_micros": 30_000_000})])
    shown = run("revenue").stdout
    for text in ("0.0150 + 0.0000", "30.00 + 60.00", "7.50%", "0.7500 + 1.5000", "Spring_26", "GBP"):
        assert text in shown, text


def test_kpis_are_shown_with_their_verdicts_and_reasons(run: Run, org: Org) -> None:
    count(
        org,
        sent=1_000,
        delivered=1_000,
        complaints=1,
        clicked_mails=40,
        base_conversions_by_engine=3,
        reported_approved_micros_by_engine=150_000_000,
    )
    lines = run("kpis").stdout.splitlines()
    by_name = {line.split("│")[1].strip(): line for line in lines if line.count("│") > 3}
    assert "0.1500" in by_name["revenue_per_email"] and " met " in by_name["revenue_per_email"]
    assert "7.500%" in by_name["conversion_rate"]
    assert "not met" in by_name["complaint_rate"]
    assert "too_few_expected_conversions" in by_name["prediction_accuracy"]
    assert "fixed_arm" in by_name["ROI, incremental"] or "engine_arm" in by_name["ROI, incremental"]
    assert "149.000000" in by_name["ROI, attributed"]  # a thousand mails at a thousandth: one unit spent


def test_for_machines_they_are_the_services_own_documents(run: Run, org: Org) -> None:
    count(org, sent=10, reported_approved_micros=7)
    shown = json.loads(run("revenue", "--json").stdout)
    found = revenue(org.w, org.name, now=NOW)
    assert shown["today"]["revenue"] == {"provisional_micros": 0, "approved_micros": 7}
    assert shown["today"]["sent"] == found.today.sent == 10
    shown = json.loads(run("kpis", "--json").stdout)
    assert [kpi["name"] for kpi in shown["kpis"]] == [kpi.name for kpi in kpis(org.w, org.name, now=NOW).kpis]


# --- rates ------------------------------------------------------------------------------------------------------------------
def test_a_rate_is_set_listed_and_replaced_and_the_rest_of_the_controls_stays(run: Run, org: Org) -> None:
    org.set_controls(max_daily_emails=77)
    assert run("fx", "list").stdout == "no rates\n"
    assert run("fx", "set", "eur", "1.0832", "--as-of", "2026-03-01").stdout == "1 EUR = 1.0832 USD, as of 2026-03-01\n"
    assert run("fx", "set", "GBP", "1.27").stdout == "1 GBP = 1.27 USD, as of 2026-03-04\n"
    run("fx", "set", "EUR", "1.09")
    controls = org.w.parameters.controls(org.name)
    assert controls.max_daily_emails == 77
    assert {currency: (r.rate, str(r.as_of)) for currency, r in controls.fx_rates.items()} == {
        "EUR": ("1.09", "2026-03-04"),
        "GBP": ("1.27", "2026-03-04"),
    }
    listed = run("fx", "list").stdout
    assert "EUR" in listed and "1.27" in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ZZZ", "1"), "currency: unknown_currency"),
        (("USD", "1"), "USD is the org's own currency"),
        (("EUR", "0"), "fx_rates.EUR.rate"),
        (("EUR", "1,08"), "fx_rates.EUR.rate"),
        (("EUR", "1.08", "--as-of", "2026-03-05"), "as_of: in_the_future"),
    ],
)
def test_a_rate_that_cannot_be_is_refused_and_nothing_changes(
    run: Run, org: Org, arguments: tuple[str, ...], message: str
) -> None:
    before = org.w.parameters.controls_document(org.name)
    refused = run("fx", "set", *arguments)
    assert refused.exit_code == 1
    assert message in refused.stderr
    org.w.parameters.forget()
    assert org.w.parameters.controls_document(org.name) == before


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ('{"max_daily_emails": 5, "max_daily_emails": 5000}', "max_daily_emails: given twice"),
        ('{"fx_rates": {"GBP": {"rate": "1.2", "rate": "1.3", "as_of": "2026-03-01"}}}', "rate: given twice"),
        ("{", "document: Invalid JSON"),
    ],
)
def test_a_rate_is_not_set_in_controls_that_are_refused(run: Run, org: Org, document: str, named: str) -> None:
    org.w.parameters.put(names.controls_parameter(org.w.stage, org.name), document)
    refused = run("fx", "set", "EUR", "1.0832")
    assert refused.exit_code == 1 and "controls_unreadable" in refused.stderr and named in refused.stderr
    org.w.parameters.forget()
    assert org.w.parameters.controls_document(org.name) == document


def test_credit_is_shown_by_arm_and_model(run: Run, org: Org) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan))
    shown = run("attribution").stdout
    for text in ("1042/standard", "time_decay", "10.00"):
        assert text in shown, text
    (row,) = json.loads(run("attribution", "--days", "2", "--json").stdout)
    assert (row["arm"], row["mails"], row["micros"]["primary"]) == ("1042/standard", 1, 10_000_001)
