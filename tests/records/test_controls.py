"""The controls document: what it refuses, it refuses by name and as a whole (D5)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from revenue_engine.errors import Refused
from revenue_engine.records.controls import FxRate, parse_controls

RATE: dict[str, Any] = {"rate": "1.0832", "as_of": "2026-03-01"}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"currency": "???"}, "currency"),
        ({"fx_rates": {"ZZZ": RATE}}, "fx_rates.ZZZ"),
        ({"fx_rates": {"USD": RATE}}, "fx_rates: USD is the org's own currency"),
        ({"currency": "EUR", "fx_rates": {"EUR": RATE}}, "fx_rates: EUR"),
        ({"fx_rates": {"EUR": {"rate": "1.08"}}}, "fx_rates.EUR.as_of"),
        ({"fx_rates": {"EUR": RATE | {"source": "ECB"}}}, "fx_rates.EUR.source"),
        *(
            ({"fx_rates": {"EUR": RATE | {"rate": rate}}}, "fx_rates.EUR.rate")
            for rate in ("0", "0.000", "-1", "1e3", "1,08", "١", "", " 1", "1.", "1234567890", 1.08, "NaN")
        ),
        *(({"campaign_labels": {"7": label}}, "campaign_labels.7") for label in ("", "spring sale", "a" * 65, "été", "a\n")),
        ({"platform_cost_micros_per_month": -1}, "platform_cost_micros_per_month"),
        *(
            ({"sender": {field: text}}, f"sender.{field}: Value error, not_an_address")
            for field in ("from_address", "reply_to")
            for text in (
                "not an address",
                "a@b.example\r\nBcc: c@d.example",
                "a\x00@b.example",
                "Shop <a@b.example>",
                "a@localhost",
            )
        ),
        ({"surprise": 1}, "surprise"),
        ({"same_offer_gap_days": 15}, "same_offer_gap_days: at most 14"),
        ({"same_offer_gap_days": 8, "max_emails_per_subscriber_per_week": 7}, "same_offer_gap_days: at most 7"),
        ({"same_offer_gap_days": 64, "max_emails_per_subscriber_per_week": 1}, "same_offer_gap_days"),
        *(({"max_daily_emails": value}, "max_daily_emails") for value in (True, "5", 5.0)),
        *(({"canary_share": value}, "canary_share") for value in (True, "0.5")),
        ({"invisible_link": 1}, "invisible_link"),
        ({"enabled_weekdays": [True]}, "enabled_weekdays"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(document: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_controls(json.dumps(document))
    assert refused.value.reason == "controls_unreadable"
    assert named in refused.value.detail


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ('{"max_daily_emails": 5, "max_daily_emails": 5000}', "max_daily_emails: given twice"),
        ('{"sender": {"from_address": "a@b.example", "from_address": "c@d.example"}}', "from_address: given twice"),
        ("[" * 100_000, "document"),
        ("{", "document"),
    ],
)
def test_a_document_that_says_two_things_or_nothing_is_refused(document: str, named: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_controls(document)
    assert refused.value.reason == "controls_unreadable" and named in refused.value.detail


def test_what_is_written_out_is_read_again_as_it_was() -> None:
    given = {"fx_rates": {"EUR": RATE}, "enabled_weekdays": [0, 4], "canary_share": 1, "max_revenue_per_email_micros": 7}
    controls = parse_controls(json.dumps(given))
    assert parse_controls(controls.model_dump_json()) == controls


def test_rates_and_labels_are_read() -> None:
    controls = parse_controls(json.dumps({"fx_rates": {"eur": RATE}, "campaign_labels": {"7": "Spring-Sale_26"}}))
    assert controls.fx_rates == {"EUR": FxRate(rate="1.0832", as_of=date(2026, 3, 1))}
    assert controls.campaign_labels == {"7": "Spring-Sale_26"}
    assert parse_controls("{}").fx_rates == {}


def test_a_senders_address_has_the_one_spelling_that_peoples_have() -> None:
    sender = {"from_address": " News@Bücher.example", "reply_to": " ", "postal_address": "1 Main Street"}
    read = parse_controls(json.dumps({"sender": sender})).sender
    assert (read.from_address, read.reply_to, read.complete) == ("news@xn--bcher-kva.example", "", True)
