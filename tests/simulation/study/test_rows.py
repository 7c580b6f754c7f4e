"""The array forms of row events give what engage's own functions give, event by event."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.records.batch import ROW_DTYPE
from revenue_engine.records.subscriber import LAYOUT, Row, apply_claim, apply_conversion, apply_touch, remember_click, unpack
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.worlds import World, named

T = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
COUNTERS = {"delivery": "deliveries", "human_open": "human_opens", "machine_open": "machine_opens", "human_click": "human_clicks"}
EVENTS = st.lists(st.tuples(st.sampled_from([*COUNTERS, "claim", "sale", "back"]), st.integers(0, 40 * 86_400)), max_size=25)


def _start(n: int) -> packed.Rows:
    return packed.rows_of(World(named("default"), 3, n).observables(0), T)


def _row(rows: packed.Rows, who: int) -> Row:
    return unpack(rows[who].tobytes())


def test_a_list_declares_the_middle_of_somebody_s_openings_on_the_clock() -> None:
    bins = np.array(
        [[0, 0, 8, 0, 0, 0], [3, 3, 0, 0, 0, 0], [2, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 1, 1, 1, 0]]
    )
    assert packed.peak_hours(bins.astype(np.uint8)).tolist() == [10, 4, 0, -1, -1, 14]


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_events_change_rows_as_they_change_one_row(events: list[tuple[str, int]]) -> None:
    rows = _start(3)
    row, others = _row(rows, 1), rows[[0, 2]].tobytes()
    for kind, after in events:
        who, at = np.array([1]), np.array([T + after])
        if kind == "claim":
            packed.claimed(rows, who, at, np.array([1_007]))
            row = apply_claim(row, at=T + after, offer_number=1_007)
        elif kind in COUNTERS:
            packed.touched(rows, COUNTERS[kind], who, at)
            row = apply_touch(row, kind=kind, at=T + after)
        else:
            sign = 1 if kind == "sale" else -1
            packed.converted(rows, who, at, np.array([sign * 25_000_000]), np.array([sign]))
            row = apply_conversion(row, at=T + after, revenue_micros=sign * 25_000_000, conversions=sign)
    got = _row(rows, 1)
    for name, code, _ in LAYOUT[1:]:
        if code == "f":
            assert np.isclose(getattr(got, name), getattr(row, name), rtol=1e-4, atol=1e-5, equal_nan=True), name
        else:
            assert getattr(got, name) == getattr(row, name), name
    assert rows[[0, 2]].tobytes() == others


def test_events_of_one_call_count_as_if_told_one_by_one() -> None:
    together, apart = _start(4), _start(4)
    who, at = np.array([2, 0, 2, 2]), T + 86_400 * np.array([3, 1, 9, 5])
    packed.touched(together, "human_clicks", who, at)
    for one, moment in zip(who, at, strict=True):
        packed.touched(apart, "human_clicks", np.array([one]), np.array([moment]))
    for name in ROW_DTYPE.names or ():
        assert np.allclose(together[name], apart[name], rtol=1e-5, equal_nan=True), name


def test_people_are_imported_with_what_a_list_knows_of_them() -> None:
    seen = World(named("default"), 3, 500).observables(0)
    rows = packed.rows_of(seen, T)
    assert len(set(rows["draw_key"].tolist())) == 500
    assert (rows["topics"] > 0).tolist() == seen.topics.any(axis=1).tolist()
    assert rows["peak_hour"].tolist() == packed.peak_hours(seen.past_opens).tolist()
    assert not (rows["peak_hour"] >= 0)[~seen.past_opens.any(axis=1)].any()
    assert np.array_equal(T - rows["created_at"].astype(np.int64), np.minimum(seen.tenure_days * 86_400, T - 1).astype(np.int64))
    assert set(rows["arm"].tolist()) == {0} and not rows["sends"].any()


def test_clicked_topics_are_remembered_as_one_by_one() -> None:
    rows, topics = _start(3), [3, 7, 3, 0, 9, 12, 1, 2, 4, 5]
    row = _row(rows, 1)
    sent_at = T + 5_000 * np.arange(len(topics))
    who, when = np.array([1, 0, *[1] * (len(topics) - 1)]), np.array([T, T, *sent_at[1:]])
    packed.clicked(rows, who, np.array([topics[0], 30, *topics[1:]]), when)
    for topic, at in zip(topics, sent_at.tolist(), strict=True):
        row = remember_click(row, topic, sent_at=at)
    assert _row(rows, 1).recent_clicks == row.recent_clicks
    assert _row(rows, 1).hour_clicks == row.hour_clicks
    assert _row(rows, 0).recent_clicks[:2] == (30, 0)
