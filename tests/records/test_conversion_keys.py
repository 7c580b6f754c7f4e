"""The arrival key (M2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from revenue_engine.records.conversion import Arrival

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
BASE = Arrival("main", "conversion", "t1", "0", "Base", 1, "USD", "7", "", "postback", None, AT, AT, "r1")
EVENT = replace(BASE, kind="event", event_id="77", event_name="Upsell")


def test_a_base_conversion_has_one_key_whatever_its_event_is_called() -> None:
    assert BASE.key == "main#conversion#t1#0"
    assert replace(BASE, event_name="Purchase").key == BASE.key


def test_an_event_goes_by_its_id_whoever_reports_it() -> None:
    assert EVENT.key == replace(EVENT, event_name="", source="report").key == "main#event#t1#77"


def test_events_of_one_click_orgs_and_clicks_have_keys_of_their_own() -> None:
    others = [BASE, EVENT, replace(EVENT, event_id="78"), replace(EVENT, org="other"), replace(EVENT, transaction_id="t2")]
    assert len({arrival.key for arrival in others}) == len(others)
