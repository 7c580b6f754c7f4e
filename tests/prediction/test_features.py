"""Features are those of the row as it is at the planned send, in the reader's zone; what is not known is NaN."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from revenue_engine.prediction.features import (
    BASE,
    CROSS,
    OFFER,
    SUBSCRIBER,
    base_features,
    cross_features,
    offer_features,
    schema_hash,
    subscriber_features,
)
from revenue_engine.records.offer import Creative
from revenue_engine.records.subscriber import Row, topic_mask, topic_number
from revenue_engine.records.zones import zone_number
from tests.core_cases import DAY, HOUR, NOW, T, a_page, a_row


def _of(name: str, *rows: Row, at: int = T) -> list[float]:
    return [float(value) for value in subscriber_features(a_page(rows), at)[:, SUBSCRIBER.index(name)]]


def test_rates_are_drawn_towards_a_guess_and_counters_fade() -> None:
    row = a_row(deliveries=30.0, human_clicks=3.0, human_opens=6.0, machine_opens=2.0)
    assert _of("click_rate", row) == pytest.approx([(3 + 10 * 0.02) / 40])
    assert _of("open_rate", row) == pytest.approx([(6 + 10 * 0.2) / 40])
    assert _of("machine_open_share", row) == pytest.approx([0.25])
    assert _of("deliveries", row, at=T + 30 * DAY) == pytest.approx([15.0])


def test_what_never_happened_is_not_known_rather_than_long_ago() -> None:
    new, old = a_row(last_send_at=0, last_human_click_at=0, recent_sends=(0,) * 8), a_row()
    assert np.isnan(_of("days_since_click", new)[0]) and _of("days_since_click", old) == [2.0]
    assert np.isnan(_of("days_since_send", new)[0]) and _of("days_since_send", old) == [5.0]
    assert np.isnan(_of("machine_open_share", new)[0])
    assert _of("fatigue", new) == [0.0] and _of("mails_of_week", new, old) == [0.0, 1.0]


def test_fatigue_is_the_mails_of_late_halved_every_four_days() -> None:
    row = a_row(recent_sends=(T - DAY, T - 4 * DAY, T - 8 * DAY, *(0,) * 5))
    assert _of("fatigue", row) == pytest.approx([2**-0.25 + 0.5 + 0.25])


def test_time_is_that_of_the_planned_send_on_the_readers_own_clock() -> None:
    """Noon in UTC on 4 March is 7 in New York, and 21 in Tokyo; on 29 March Berlin's clock has gone forward, New York's long before."""
    zones = [a_row(zone=zone_number(name)) for name in ("UTC", "America/New_York", "Asia/Tokyo")]
    assert _of("local_hour", *zones) == [12.0, 7.0, 21.0]
    spring = int(datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp())
    later = [a_row(zone=zone_number(name)) for name in ("America/New_York", "Europe/Berlin")]
    assert _of("local_hour", *later, at=spring) == [8.0, 14.0]
    assert _of("local_weekday", *later, at=spring) == [6.0, 6.0] and NOW.weekday() == 2
    assert _of("local_weekday", a_row(zone=zone_number("Asia/Tokyo")), at=T + 4 * HOUR) == [3.0]


def test_hours_from_the_declared_peak_go_round_the_clock() -> None:
    rows = [a_row(peak_hour=hour) for hour in (12, 23, 1, -1)]
    assert _of("hours_from_peak", *rows[:3]) == [0.0, 11.0, 11.0]
    assert np.isnan(_of("hours_from_peak", rows[3])[0])


def test_a_row_served_alone_has_the_features_it_has_in_a_crowd() -> None:
    rows = [a_row(i + 1, zone=zone_number("Asia/Tokyo") if i % 2 else 0, deliveries=float(i)) for i in range(20)]
    crowd = subscriber_features(a_page(rows), T)
    for i in (0, 7, 19):
        assert subscriber_features(a_page([rows[i]]), T).tobytes() == crowd[[i]].tobytes()


def test_a_declared_interest_meets_its_category_and_a_lately_mailed_offer_is_remembered() -> None:
    page = a_page(
        [
            a_row(
                1,
                topics=topic_mask(["finance"]),
                recent_offers=(102, 101, *(0,) * 6),
                recent_sends=(T - DAY, T - 3 * DAY, *(0,) * 6),
            ),
            a_row(2, topics=0, recent_offers=(0,) * 8, recent_sends=(0,) * 8),
        ]
    )
    cross = cross_features(page, T, np.array([101, 102, 103]), ["finance", "health", "finance"])
    assert cross.shape == (2, 3, len(CROSS))
    assert cross[0, :, 0].tolist() == [1, 0, 1] and cross[0, :, 1].tolist() == [0, 1, 0]
    assert cross[1, :, :2].sum() == 0, "who declared nothing has neither"
    assert cross[0, :2, 2].tolist() == [3.0, 1.0] and np.isnan(cross[0, 2, 2]) and np.isnan(cross[1, :, 2]).all()


def test_clicks_are_remembered_by_the_topic_of_their_offer() -> None:
    row = a_row(1, recent_clicks=(topic_number("finance"), topic_number("home"), topic_number("finance"), *(0,) * 5))
    cross = cross_features(a_page([row, a_row(2)]), T, np.array([101, 102]), ["Finance", "health"])
    assert cross[0, :, 3:].tolist() == [[2, 1], [0, 3]]
    assert cross[1, :, 3:].sum() == 0
    assert cross_features(a_page([row]), T, np.array([101]), [""])[0, 0, 3:].tolist() == [0, 3], "no category is no topic"


def test_offers_have_their_money_their_tone_and_their_asset() -> None:
    creatives = [
        Creative("soft", "Shop", "Dear {{ first_name }}", "<p>{{first_name}} in {{ city }}: {{ offer_url }}</p>"),
        Creative("standard", "Shop", "News", "<a href='{{ offer_url }}'>look</a>"),
    ]
    table = offer_features(
        np.array([20e6, 5e6]), np.array([1.2, 0.8]), np.array([0.02, 0.1]), ["soft", "standard"], ["finance", "health"], creatives
    )
    assert table.shape == (2, len(OFFER))
    assert table[:, OFFER.index("epc_dollars")].tolist() == pytest.approx([0.4, 0.5])
    assert table[:, OFFER.index("is_soft")].tolist() == [1, 0] and table[:, OFFER.index("is_discount")].tolist() == [0, 0]
    assert table[:, OFFER.index("personalisation")].tolist() == [1 - 0.5**4, 0.0]
    assert [1 << int(number) for number in table[:, OFFER.index("category")]] == [topic_mask(["finance"]), topic_mask(["health"])]


def test_a_numbered_asset_has_its_tone() -> None:
    asset = Creative("", "Shop", "News", "<p></p>")
    one = np.ones(3)
    table = offer_features(one, one, one, ["soft", "soft-2", "discount-12"], ["finance"] * 3, [asset] * 3)
    assert table[:, OFFER.index("is_soft")].tolist() == [1, 1, 0]
    assert table[:, OFFER.index("is_discount")].tolist() == [0, 0, 1]


def test_buying_is_read_from_what_the_row_keeps() -> None:
    year = 365 * DAY
    steady = 4 / 90 * 90 / np.log(2) * (1 - 2 ** (-365 / 90))  # four a quarter for a year, as the counter then stands
    buyer = a_row(created_at=T - year, decayed_at=T, conversions=steady, revenue_micros=int(4 * 365 / 90 * 25e6))
    assert _of("purchases_of_quarter", buyer) == pytest.approx([4.0]) and _of("order_dollars", buyer) == pytest.approx([25.0])
    assert np.isnan(_of("order_dollars", a_row(conversions=0.0, revenue_micros=0))[0])


def test_a_buying_cycle_is_a_recent_click_or_purchase() -> None:
    clicked = a_row(last_human_click_at=T - 3 * DAY, last_conversion_at=0)
    bought = a_row(last_human_click_at=T - 60 * DAY, last_conversion_at=T - 14 * DAY)
    never = a_row(last_human_click_at=0, last_conversion_at=0)
    assert _of("buying_cycle", clicked, bought, never) == pytest.approx([0.5, 0.5, 0.0])


def test_the_peak_hour_reaches_two_hours_either_way() -> None:
    assert _of("is_peak_hour", *(a_row(peak_hour=hour) for hour in (12, 14, 10, 15))) == [1.0, 1.0, 1.0, 0.0]
    assert np.isnan(_of("is_peak_hour", a_row(peak_hour=-1))[0])


def test_without_a_value_model_worth_is_not_known() -> None:
    page = a_page([a_row(1), a_row(2)])
    assert np.isnan(subscriber_features(page, T)[:, len(BASE) :]).all()
    told = np.arange(8, dtype=np.float32).reshape(2, 4)
    both = subscriber_features(page, T, told)
    assert both[:, len(BASE) :].tolist() == told.tolist() and both[:, : len(BASE)].tobytes() == base_features(page, T).tobytes()


def test_the_schema_names_everything_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import revenue_engine.prediction.features as module

    before = schema_hash()
    assert before == schema_hash() and len(before) == 16
    for name, value in (("SUBSCRIBER", SUBSCRIBER[::-1]), ("SCHEMA", 1), ("FATIGUE_HALF_LIFE_DAYS", 5.0)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, value)
            assert schema_hash() != before, name
