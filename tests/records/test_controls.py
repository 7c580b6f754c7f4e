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
    ],
)
def test_a_bad_value_is_refused_by_its_name(document: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_controls(json.dumps(document))
    assert refused.value.reason == "controls_unreadable"
    assert named in refused.value.detail


def test_rates_and_labels_are_read() -> None:
    controls = parse_controls(json.dumps({"fx_rates": {"eur": RATE}, "campaign_labels": {"7": "Spring-Sale_26"}}))
    assert controls.fx_rates == {"EUR": FxRate(rate="1.0832", as_of=date(2026, 3, 1))}
    assert controls.campaign_labels == {"7": "Spring-Sale_26"}
    assert parse_controls("{}").fx_rates == {}


def test_a_senders_address_has_the_one_spelling_that_peoples_have() -> None:
    sender = {"from_address": " News@Bücher.example", "reply_to": " ", "postal_address": "1 Main Street"}
    read = parse_controls(json.dumps({"sender": sender})).sender
    assert (read.from_address, read.reply_to, read.complete) == ("news@xn--bcher-kva.example", "", True)
