"""The four models in whole numbers: known answers, exact fractions, and a hundred thousand conversions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.models import MODELS
from revenue_engine.attribution.shares import MAX_MICROS, decayed, micros_of, weights_of
from tests.attribution import oracle
from tests.attribution.batches import Batch, drawn

DAY = 86_400_000

amounts = st.one_of(st.integers(-MAX_MICROS, MAX_MICROS), st.integers(-30, 30))
journeys = st.lists(st.tuples(st.integers(0, 90 * DAY), st.booleans()), min_size=1, max_size=40).map(
    lambda touches: Batch(
        np.array([0]), np.array([0, len(touches)]), np.sort([at for at, _ in touches]), np.array([click for _, click in touches])
    )
)


def weights(one: Batch, *, half_life_days: float = 7.0, click_weight: float = 2.0) -> dict[str, list[float]]:
    at_millis, clicked = one.at_millis[:, None], one.clicked[:, None]
    decay = decayed(at_millis, clicked, half_life_days=half_life_days, click_weight=click_weight)
    return dict(zip(MODELS, weights_of(clicked, decay)[:, :, 0].tolist(), strict=True))


def micros(amount: int, one: Batch) -> dict[str, list[int]]:
    at_millis, clicked = one.at_millis[:, None], one.clicked[:, None]
    decay = decayed(at_millis, clicked, half_life_days=7, click_weight=2)
    return dict(zip(MODELS, micros_of(np.array([amount]), clicked, decay)[:, :, 0].tolist(), strict=True))


def journey(*days_before: float, clicks: str) -> Batch:
    """Touches so long before the conversion, `c` a click."""
    at = np.array([-round(days * DAY) for days in days_before])
    return Batch(np.array([0]), np.array([0, len(at)]), at, np.array([mark == "c" for mark in clicks]))


@given(journeys)
def test_weights_are_not_negative_and_sum_to_one(one: Batch) -> None:
    for got in weights(one).values():
        assert min(got) >= 0
        assert sum(got) == pytest.approx(1, abs=1e-12)


@given(amounts, journeys)
def test_micros_are_the_largest_remainders_of_exact_fractions(amount: int, one: Batch) -> None:
    decay = decayed(one.at_millis[:, None], one.clicked[:, None], half_life_days=7, click_weight=2)[:, 0]
    n = len(one.at_millis)
    assert micros(amount, one) == {
        "last_click": oracle.split(amount, oracle.last_click(one.clicked.tolist())),
        "linear": oracle.split(amount, [1] * n),
        "time_decay": oracle.split(amount, [int(weight) for weight in decay]),
        "position_based": oracle.split(amount, oracle.position_based(n)),
    }


@given(amounts, journeys)
def test_micros_are_less_than_a_micro_from_the_weights(amount: int, one: Batch) -> None:
    for model, shares in weights(one).items():
        for share, part in zip(shares, micros(amount, one)[model], strict=True):
            assert abs(part - Fraction(share) * amount) < 1 + Fraction(abs(amount), 10**15)
            assert part * amount >= 0
            assert share > 0 or part == 0


@given(amounts, journeys)
def test_a_reversal_takes_back_what_was_given(amount: int, one: Batch) -> None:
    given_back = micros(-amount, one)
    assert {model: [-part for part in parts] for model, parts in given_back.items()} == micros(amount, one)


@given(journeys, st.data())
def test_a_touch_that_moves_later_never_loses_weight(one: Batch, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(one.at_millis) - 1))
    moved = one.at_millis.copy()
    moved[i] += data.draw(st.integers(0, 30 * DAY))
    order = np.argsort(moved, kind="stable")
    after = weights(Batch(one.amounts, one.starts, moved[order], one.clicked[order]))["time_decay"]
    assert after[order.tolist().index(i)] >= weights(one)["time_decay"][i] - 1e-12


@given(journeys, st.integers(-(10**12), 10**12))
def test_only_distances_in_time_count(one: Batch, later: int) -> None:
    assert weights(Batch(one.amounts, one.starts, one.at_millis + later, one.clicked)) == weights(one)


def test_last_click_is_the_last_click_though_an_open_came_later() -> None:
    assert weights(journey(3, 2, 1, clicks="cco"))["last_click"] == [0, 1, 0]
    assert weights(journey(3, 2, clicks="oo"))["last_click"] == [0, 1]


def test_time_decay_halves_a_week_and_doubles_for_a_click() -> None:
    assert weights(journey(14, 7, 0, clicks="coc"))["time_decay"] == pytest.approx([0.5 / 3, 0.5 / 3, 2 / 3], abs=1e-12)


def test_time_decay_is_the_formula_of_the_specification() -> None:
    random = np.random.default_rng(3)
    days, clicks = np.sort(random.random(20) * 30)[::-1], random.random(20) < 0.5
    raw = [0.5 ** (day / 7) * (2 if click else 1) for day, click in zip(days, clicks, strict=True)]
    got = weights(journey(*days, clicks="".join("c" if click else "o" for click in clicks)))["time_decay"]
    assert got == pytest.approx([weight / sum(raw) for weight in raw], abs=1e-9)


def test_time_decay_of_a_journey_of_years_does_not_underflow() -> None:
    got = weights(journey(40_000, 39_999, clicks="oo"), half_life_days=0.01, click_weight=1)
    assert got["time_decay"] == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("n", "want"), [(1, [1]), (2, [0.5, 0.5]), (3, [0.4, 0.2, 0.4]), (5, [0.4, 0.2 / 3, 0.2 / 3, 0.2 / 3, 0.4])]
)
def test_position_based_gives_forty_twenty_forty(n: int, want: list[float]) -> None:
    assert weights(journey(*range(n, 0, -1), clicks="o" * n))["position_based"] == pytest.approx(want)


def test_three_touches_share_ten_dollars_without_losing_a_micro() -> None:
    got = micros(10_000_000, journey(3, 2, 1, clicks="ooo"))
    assert got["linear"] == [3_333_334, 3_333_333, 3_333_333]
    assert got["position_based"] == [4_000_000, 2_000_000, 4_000_000]


@pytest.mark.parametrize("n", [255, 256, 300])
def test_a_journey_of_hundreds_of_touches_is_split_exactly(n: int) -> None:
    one = journey(*np.linspace(30, 0, n), clicks="oc" * (n // 2) + "o" * (n % 2))
    assert {model: sum(parts) for model, parts in micros(999_999_999_999_989, one).items()} == dict.fromkeys(
        MODELS, 999_999_999_999_989
    )
    assert micros(10**9 + 7, one)["linear"] == oracle.split(10**9 + 7, [1] * n)


def test_an_amount_too_large_to_be_exact_is_refused() -> None:
    for amount in (MAX_MICROS + 1, -MAX_MICROS - 1):
        with pytest.raises(ValueError, match="amounts"):
            micros(amount, journey(1, clicks="c"))


def test_a_hundred_thousand_amounts_of_any_size_are_given_out_to_the_last_micro() -> None:
    for largest in (100, MAX_MICROS):
        batch = drawn(50_000, seed=largest % 97, largest=largest)
        whole = np.where(np.diff(batch.starts) > 0, batch.amounts, 0)
        for parts in batch.micros().values():
            assert np.array_equal(batch.sums(parts), whole)
            assert (parts * np.repeat(np.sign(batch.amounts), np.diff(batch.starts)) >= 0).all()
