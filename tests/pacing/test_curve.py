"""Send-time curves: a taste is found, being mailed at an hour is none, strangers have the population's, levels play no part."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.arrays import Floats
from revenue_engine.pacing.curve import FLAT, HOURS, STRENGTH, Answers, Taste, dump, load, population_curve, taste_of, week
from revenue_engine.records.batch import Batch
from tests.core_cases import a_page, a_row

NOBODY = Answers(np.zeros(0, np.intp), np.zeros(0), np.zeros(0))
NONE = (0,) * 8
WHOLE_WEEK = np.arange(HOURS)


def mails(random: np.random.Generator, n: int, *, taste: float, level: float = 1.0, at: tuple[int, int] = (0, HOURS)) -> Answers:
    hour = random.integers(*at, n)
    chance = 0.05 * (1 + 0.9 * np.cos(2 * np.pi * (hour % 24 - taste) / 24))
    return Answers(hour, (random.random(n) < level * chance).astype(np.float64), np.full(n, 0.05))


def curves(page: Batch, population: Floats = FLAT) -> Floats:
    return taste_of(page, week(population)).at(np.broadcast_to(WHOLE_WEEK, (len(page), HOURS)))


def test_nothing_known_is_flat_and_a_declared_hour_is_a_bump_on_its_own_clock() -> None:
    assert population_curve(NOBODY).tolist() == FLAT.tolist()
    stranger, declared = curves(a_page([a_row(1), a_row(2, peak_hour=20)]))
    assert stranger.tolist() == FLAT.tolist()
    assert declared.mean() == pytest.approx(1.0)
    assert declared.reshape(7, 24).argmax(axis=1).tolist() == [20] * 7
    assert declared.min() >= 0.4


def test_rows_for_whom_all_hours_are_alike_do_not_matter() -> None:
    page = a_page(
        [
            a_row(1),
            a_row(2, peak_hour=20),
            a_row(3, hour_mails=(9,) * 8, hour_clicks=(1, *NONE[1:])),
            a_row(4, hour_mails=(9,) * 8),
        ]
    )
    assert taste_of(page, week(FLAT)).matters.tolist() == [1, 2]
    assert taste_of(page, week(np.linspace(0.9, 1.1, HOURS))).matters.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
def test_the_population_s_taste_is_found_whatever_the_level(level: float) -> None:
    curve = population_curve(mails(np.random.default_rng(1), 200_000, taste=14.0, level=level))
    assert curve.reshape(7, 24).mean(axis=0).argmax() in (13, 14, 15)
    best, worst = np.sort(curve)[-20:].mean(), np.sort(curve)[:20].mean()
    assert 3 < best / worst < 19


def test_being_mailed_at_nine_is_no_taste_for_nine() -> None:
    hour = np.random.default_rng(2).integers(0, 7, 50_000) * 24 + 9
    clicked = (np.random.default_rng(3).random(50_000) < 0.05).astype(np.float64)
    assert population_curve(Answers(hour, clicked, np.full(50_000, 0.05))) == pytest.approx(FLAT, abs=0.02)
    (mailed_at_nine,) = curves(a_page([a_row(1, hour_mails=(0, 0, 0, 40, 0, 0, 0, 0), hour_clicks=(0, 0, 0, 4, 0, 0, 0, 0))]))
    assert mailed_at_nine == pytest.approx(FLAT)


def test_own_clicks_count_against_what_the_mails_would_have_been_clicked_anyway() -> None:
    """A known answer: four clicks of forty mails, all on the ten that left from 18 to 21 o'clock."""
    row = a_row(1, hour_mails=(0, 0, 0, 10, 10, 10, 10, 0), hour_clicks=(0, 0, 0, 0, 0, 0, 4, 0))
    (curve,) = curves(a_page([row]))
    evening, noon, night = curve[18:21], curve[9:18], curve[0:9]
    assert evening == pytest.approx([(STRENGTH + 4) / (STRENGTH + 1)] * 3)
    assert noon == pytest.approx([STRENGTH / (STRENGTH + 1)] * 9)
    assert night == pytest.approx([1.0] * 9)  # nobody knows
    # with ten times as much of the same the data speak
    much = curves(a_page([a_row(1, hour_mails=(0, 0, 0, 100, 100, 100, 100, 0), hour_clicks=(0, 0, 0, 0, 0, 0, 40, 0))]))[0]
    assert much[18] / much[12] == pytest.approx(2.0) and curve[18] / curve[12] == pytest.approx(1.1)


def test_a_page_s_curves_do_not_depend_on_who_else_is_on_it() -> None:
    random = np.random.default_rng(5)
    rows = [
        a_row(
            i,
            peak_hour=int(random.integers(-1, 24)),
            hour_mails=tuple(random.integers(0, 60, 8).tolist()),
            hour_clicks=tuple(random.integers(0, 4, 8).tolist()),
        )
        for i in range(1, 60)
    ]
    population = population_curve(mails(random, 5_000, taste=9.0))
    whole = curves(a_page(rows), population)
    assert all(curves(a_page([row]), population)[0].tobytes() == mine.tobytes() for row, mine in zip(rows, whole, strict=True))


def test_taking_rows_takes_their_curves() -> None:
    taste = taste_of(a_page([a_row(1, peak_hour=3), a_row(2, peak_hour=9)]), week(FLAT))
    some: Taste = taste.take(np.array([1]))
    assert some.at(WHOLE_WEEK[None]).argmax() % 24 == 9


def test_a_curve_is_stored_to_the_last_digit_and_nothing_else_is_read_as_one() -> None:
    curve = population_curve(mails(np.random.default_rng(6), 999, taste=3.0))
    assert load(dump(curve)).tobytes() == curve.tobytes()
    for raw in (b"[]", b"{}", b'{"hours": [1, 2]}', dump(-curve), b'{"hours": "x"}', b"x"):
        with pytest.raises(ValueError, match=r"hours|convert|Expecting|not"):
            load(raw)
