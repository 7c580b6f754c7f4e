"""The packed row and the events that change it."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.records.subscriber import (
    ROW_BYTES,
    Row,
    apply_claim,
    apply_conversion,
    apply_rest,
    apply_touch,
    country_code,
    country_number,
    decay,
    forget_click,
    pack,
    provider_of,
    remember_click,
    sends_within,
    topic_mask,
    topic_number,
    unpack,
)
from revenue_engine.records.zones import zone_number

DAY = 86_400
T = 1_770_000_000
ROW = Row(decayed_at=T, draw_key=2**63 + 5, created_at=T, revenue_micros=-7, price_sensitivity=0.5, peak_hour=-1, zone=3, arm=2)


def test_a_row_survives_packing() -> None:
    assert unpack(pack(ROW)) == ROW
    assert len(pack(ROW)) == ROW_BYTES


@pytest.mark.parametrize("raw", [b"", pack(ROW)[:-1], pack(ROW) + b"x", b"\0\0\0\0" + pack(ROW)[4:]])
def test_a_row_of_another_layout_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match="row_schema_mismatch"):
        unpack(raw)


def test_counters_halve_with_their_own_half_lives() -> None:
    faded = decay(replace(ROW, sends=8.0, conversions=8.0), T + 90 * DAY)
    assert faded.sends == pytest.approx(1.0)
    assert faded.conversions == pytest.approx(4.0)


def test_time_never_runs_backwards() -> None:
    row = replace(ROW, sends=8.0)
    assert decay(row, T - DAY) is row


def test_a_claim_counts_towards_caps_and_gaps_at_once() -> None:
    row = ROW
    for n in range(10):
        row = apply_claim(row, at=T + n * DAY, offer_number=n)
    assert row.last_send_at == T + 9 * DAY
    assert row.recent_offers == (9, 8, 7, 6, 5, 4, 3, 2)
    assert sends_within(row, now=T + 9 * DAY, seconds=7 * DAY) == 7
    assert sends_within(row, now=T + 9 * DAY, seconds=7 * DAY + 1) == 8


def test_what_no_mail_could_be_made_of_is_remembered_apart_from_mails_newest_first_and_once() -> None:
    row = ROW
    for hour, offer in enumerate((6, 7, 8, 7, 9, 10, 11, 12, 13, 14, 9)):
        row = apply_rest(row, at=T + hour, offer_number=offer)
    assert row.rested_offers == (9, 14, 13, 12, 11, 10, 7, 8)
    assert row.rested_at == tuple(T + hour for hour in (10, 9, 8, 7, 6, 5, 3, 2))
    assert unpack(pack(row)) == row
    assert replace(row, rested_offers=ROW.rested_offers, rested_at=ROW.rested_at) == ROW


def test_machines_leave_no_human_trace() -> None:
    row = apply_touch(apply_touch(ROW, kind="machine_open", at=T), kind="machine_click", at=T)
    assert (row.human_opens, row.human_clicks, row.last_human_open_at, row.last_human_click_at) == (0, 0, 0, 0)
    assert row.machine_opens == 1


def test_a_conversion_taken_back_leaves_the_books_as_before() -> None:
    row = apply_conversion(apply_conversion(ROW, at=T, revenue_micros=5_000_000), at=T, revenue_micros=-5_000_000, conversions=-1)
    assert (row.revenue_micros, row.conversions) == (ROW.revenue_micros, 0.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["human_open", "human_click", "delivery"]), st.integers(0, 60)), max_size=8), st.randoms()
)
def test_touches_in_any_order_give_the_same_row(touches: list[tuple[str, int]], random: object) -> None:
    def play(order: list[tuple[str, int]]) -> Row:
        row = ROW
        for kind, day in order:
            row = apply_touch(row, kind=kind, at=T + day * DAY)
        return decay(row, T + 61 * DAY)

    shuffled = list(touches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = play(touches), play(shuffled)
    assert (one.last_human_click_at, one.last_human_open_at) == (other.last_human_click_at, other.last_human_open_at)
    assert one.human_clicks == pytest.approx(other.human_clicks)
    assert one.deliveries == pytest.approx(other.deliveries)


@pytest.mark.parametrize(
    ("address", "provider"), [("a@gmail.com", "gmail"), ("a@aol.com", "yahoo"), ("a@gmail.com.evil.org", "other")]
)
def test_the_provider_is_that_of_the_whole_domain(address: str, provider: str) -> None:
    assert provider_of(address) == provider


def test_every_country_code_fits_a_row_and_comes_back() -> None:
    letters = string.ascii_uppercase
    codes = [a + b for a in letters for b in letters]
    assert [country_code(country_number(code)) for code in codes] == codes
    assert (country_number(""), country_code(0)) == (0, "")
    assert unpack(pack(replace(ROW, country=country_number("ZZ")))).country == 676


def test_the_topics_of_the_last_clicks_are_remembered_and_one_that_was_none_is_forgotten() -> None:
    row = ROW
    for topic in (3, 0, 5, 3, *range(6, 12)):
        row = remember_click(row, topic, sent_at=T)
    assert row.recent_clicks == (11, 10, 9, 8, 7, 6, 3, 5)
    assert forget_click(row, 9, sent_at=T).recent_clicks == (11, 10, 8, 7, 6, 3, 5, 0)
    assert forget_click(row, 31, sent_at=T).recent_clicks == forget_click(row, 0, sent_at=T).recent_clicks == row.recent_clicks
    assert unpack(pack(row)) == row


def test_mails_and_clicks_are_counted_by_the_part_of_the_reader_s_day_in_which_the_mail_left() -> None:
    """Across his change of clocks: New York's on the 8th of March 2026 at 2:00."""
    row = replace(ROW, zone=zone_number("America/New_York"))
    before, after = (epoch_seconds(datetime(2026, 3, day, 13, 30, tzinfo=UTC)) for day in (7, 8))  # 8:30 and 9:30 there
    for at in (before, after):
        row = apply_claim(row, at=at, offer_number=1)
    assert row.hour_mails == (0, 0, 1, 1, 0, 0, 0, 0)
    row = remember_click(row, 0, sent_at=after)
    assert row.hour_clicks == (0, 0, 0, 1, 0, 0, 0, 0)
    assert forget_click(row, 0, sent_at=after).hour_clicks == (0,) * 8
    assert forget_click(row, 0, sent_at=before).hour_clicks == row.hour_clicks  # never below nothing
    back = unpack(pack(row))
    assert (back.hour_mails, back.hour_clicks) == (row.hour_mails, row.hour_clicks)


def test_a_full_count_is_halved_with_all_others_so_that_the_past_fades() -> None:
    row = replace(ROW, zone=0, hour_mails=(255, 9, 0, 0, 0, 0, 0, 0), hour_clicks=(20, 3, 0, 0, 0, 0, 0, 0))
    row = apply_claim(row, at=T // 86_400 * 86_400, offer_number=1)
    assert (row.hour_mails, row.hour_clicks) == ((128, 4, 0, 0, 0, 0, 0, 0), (10, 1, 0, 0, 0, 0, 0, 0))


def test_topics_are_numbers_of_a_mask_s_bits() -> None:
    for name in ("finance", " Health ", "home & garden"):
        assert topic_mask([name]) == 1 << (topic_number(name) - 1)
    assert topic_number("  ") == 0
