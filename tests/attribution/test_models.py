"""Who gets credit: four models with known answers."""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.models import (
    MODELS,
    allocate,
    last_click,
    linear,
    position_based,
    primary,
    time_decay,
    touches_per_mail,
    weights,
)
from revenue_engine.records.conversion import Allocation
from revenue_engine.records.send import Touch
from tests.shared_data import shared_path

AT = datetime(2026, 3, 31, 12, tzinfo=UTC)


def touch(send: str, *, days: float = 1, kind: str = "click", human: bool = True) -> Touch:
    """A touch `days` before the conversion."""
    return Touch(kind, AT - timedelta(days=days), send, human, 0.95 if human else 0.02)


touches = st.lists(
    st.builds(
        touch,
        st.sampled_from("abcdefgh"),
        days=st.floats(min_value=-2, max_value=40, allow_nan=False),
        kind=st.sampled_from(["open", "click"]),
        human=st.booleans(),
    ),
    max_size=25,
)


def journey(*marks: str) -> tuple[Touch, ...]:
    """One click a mail and day, the last just before the conversion."""
    return tuple(touch(mark, days=len(marks) - i) for i, mark in enumerate(marks))


def test_a_mail_counts_once_by_its_latest_click() -> None:
    prefetches = [touch("a", days=d, kind="open") for d in (1, 2, 3)]
    clicks = [touch("a", days=6), touch("a", days=5)]
    assert touches_per_mail([*prefetches, *clicks], AT, 30) == (clicks[1],)


def test_without_a_click_the_latest_open_counts() -> None:
    assert touches_per_mail([touch("a", days=3, kind="open"), touch("a", days=2, kind="open")], AT, 30) == (
        touch("a", days=2, kind="open"),
    )


def test_machines_count_for_nothing() -> None:
    assert touches_per_mail([touch("a", human=False), touch("b", kind="open", human=False)], AT, 30) == ()


@pytest.mark.parametrize(("days", "counts"), [(-0.001, False), (0, True), (29.999, True), (30, False), (31, False)])
def test_the_window_ends_at_the_conversion_and_begins_its_length_before(days: float, counts: bool) -> None:
    assert bool(touches_per_mail([touch("a", days=days)], AT, 30)) is counts


@given(touches, st.randoms(use_true_random=False))
def test_the_order_in_which_touches_are_read_does_not_matter(some: list[Touch], shuffler: random.Random) -> None:
    shuffled = some.copy()
    shuffler.shuffle(shuffled)
    assert touches_per_mail(shuffled, AT, 30) == touches_per_mail(some, AT, 30)


@given(touches)
def test_every_model_gives_non_negative_weights_that_sum_to_one(some: list[Touch]) -> None:
    counted = touches_per_mail(some, AT, 30)
    for model in MODELS:
        got = weights(model, counted, half_life_days=7, click_weight=2)
        assert len(got) == len(counted)
        assert all(w >= 0 for w in got)
        assert not counted or sum(got) == pytest.approx(1, abs=1e-12)


@given(touches, st.integers(min_value=-(10**12), max_value=10**12))
def test_every_model_gives_out_the_amount_to_the_last_micro(some: list[Touch], amount: int) -> None:
    counted = touches_per_mail(some, AT, 30)
    for model in MODELS:
        shares = allocate(amount, counted, model, half_life_days=7, click_weight=2)
        assert sum(share.micros for share in shares) == (amount if counted else 0)
        assert len({share.send_id for share in shares}) == len(shares)


@given(touches, st.floats(min_value=0.01, max_value=10))
def test_a_mail_touched_later_never_gets_less_by_time_decay(some: list[Touch], later: float) -> None:
    counted = touches_per_mail(some, AT, 30)
    if not counted:
        return
    first = counted[0]
    moved = Touch(first.kind, min(AT, first.at + timedelta(days=later)), first.send_id, True, 0.95)
    after = touches_per_mail([moved, *counted[1:]], AT, 30)
    before_weight = time_decay(counted, half_life_days=7, click_weight=2)[0]
    after_weight = time_decay(after, half_life_days=7, click_weight=2)[after.index(moved)]
    assert after_weight >= before_weight - 1e-12


def test_last_click_is_the_last_click_though_an_open_came_later() -> None:
    counted = touches_per_mail([touch("a", days=3), touch("b", days=2), touch("c", days=1, kind="open")], AT, 30)
    assert last_click(counted) == (0.0, 1.0, 0.0)
    assert last_click((touch("a", days=3, kind="open"), touch("b", days=2, kind="open"))) == (0.0, 1.0)


def test_time_decay_halves_a_week_and_doubles_for_a_click() -> None:
    counted = (touch("a", days=14), touch("b", days=7, kind="open"), touch("c", days=0))
    assert time_decay(counted, half_life_days=7, click_weight=2) == pytest.approx((0.5 / 3, 0.5 / 3, 2 / 3))


def test_time_decay_of_a_journey_of_years_does_not_underflow() -> None:
    old = (touch("a", days=40_000), touch("b", days=39_999))
    assert time_decay(old, half_life_days=0.01, click_weight=1) == pytest.approx((0, 1))


@pytest.mark.parametrize(
    ("n", "want"), [(0, ()), (1, (1,)), (2, (0.5, 0.5)), (3, (0.4, 0.2, 0.4)), (5, (0.4, 0.2 / 3, 0.2 / 3, 0.2 / 3, 0.4))]
)
def test_position_based_gives_forty_twenty_forty(n: int, want: tuple[float, ...]) -> None:
    assert position_based(journey(*"abcde"[:n])) == pytest.approx(want)


def test_primary_gives_everything_to_the_mail_the_click_names() -> None:
    assert primary(25_996_000, "a") == (Allocation("a", 1.0, 25_996_000),)
    assert primary(25_996_000, None) == ()


def test_three_mails_share_ten_dollars_without_losing_a_micro() -> None:
    shares = allocate(10_000_000, journey("a", "b", "c"), "linear", half_life_days=7, click_weight=2)
    assert [s.micros for s in shares] == [3_333_334, 3_333_333, 3_333_333]


def golden(paths: list[tuple[str, int]], model: str) -> Counter[str]:
    """Conversions credited by channel: every position of a path is a mail of its own, credit is summed by channel."""
    credit: Counter[str] = Counter()
    for path, conversions in paths:
        marks = path.split(">")
        steps = journey(*map(str, range(len(marks))))
        for mark, weight in zip(marks, last_click(steps) if model == "last" else linear(steps), strict=True):
            credit[mark.strip()] += weight * conversions  # type: ignore[assignment]
    return credit


def test_last_and_linear_equal_the_published_credits_of_the_small_fixture() -> None:
    paths = [("A>B>C", 10), ("A>C", 5), ("B>C>C", 4), ("A", 8), ("B", 3), ("C>A", 2)]
    assert golden(paths, "last") == pytest.approx({"A": 10, "B": 3, "C": 19})
    assert golden(paths, "linear") == pytest.approx({"A": 14.833333333333334, "B": 7.666666666666667, "C": 9.5})


def test_last_and_linear_equal_the_published_credits_of_ten_thousand_paths() -> None:
    with gzip.open(shared_path("data/attribution_paths/channelattribution_paths.csv.gz"), "rt") as lines:
        paths = [
            (row["path"], int(row["total_conversions"]))
            for row in csv.DictReader(lines, delimiter=";")
            if int(row["total_conversions"])
        ]
    last, equal = golden(paths, "last"), golden(paths, "linear")
    published = {
        "alpha": (8447, 7574.719),
        "beta": (989, 2083.5),
        "delta": (5, 1.725),
        "epsilon": (531, 272.17),
        "eta": (4167, 3539.951),
        "gamma": (92, 121.042),
        "iota": (3355, 3857.096),
        "kappa": (230, 137.964),
        "lambda": (1207, 1035.258),
        "mi": (2, 2.222),
        "theta": (653, 1022.801),
        "zeta": (107, 136.552),
    }
    assert {c: v for c, v in last.items() if v} == pytest.approx({c: v[0] for c, v in published.items()})
    assert dict(equal) == pytest.approx({c: v[1] for c, v in published.items()}, abs=6e-4)
