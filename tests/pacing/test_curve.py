"""Send-time curves: a taste is found, being mailed at an hour is none, strangers have the population's, levels play no part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.arrays import Floats
from revenue_engine.pacing.curve import (
    FLAT,
    HOURS,
    NOT_DECLARED,
    POPULATION_STRENGTH,
    STRENGTH,
    Answers,
    Taste,
    dump,
    load,
    population_curve,
    taste_of,
    week,
    weekdays,
)
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
    anyway = np.full(50_000, 0.05)
    found = week(population_curve(Answers(hour, clicked, anyway)))
    assert found.prior[NOT_DECLARED] == pytest.approx(FLAT, abs=0.02)
    # 357 clicks a day are to be expected: chance alone moves a day by a nineteenth
    assert found.days == pytest.approx(np.ones(7), abs=3 * 357**-0.5)
    assert population_curve(Answers(hour, anyway, anyway)) == pytest.approx(FLAT)
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


def test_weekdays_are_clicks_over_the_clicks_that_were_to_be_expected() -> None:
    """A known answer: forty clicks to be expected of each day's mails at nine; Wednesday has eighty, Sunday none."""
    clicks = np.array([40.0, 40, 80, 40, 40, 40, 0])
    nine = Answers(24 * np.arange(7) + 9, clicks, np.full(7, 40.0))
    assert weekdays(nine).reshape(7, 24) == pytest.approx(np.repeat([[1, 1, 100 / 60, 1, 1, 1, 20 / 60]], 24, axis=0).T)
    # at twice the level, twice the evidence
    twice = weekdays(Answers(nine.hour, 2 * clicks, nine.expected)).reshape(7, 24)[:, 0]
    assert twice == pytest.approx([1, 1, 180 / 100, 1, 1, 1, 20 / 100])
    # mailed at other hours, and twice as often on a Monday: no taste for it
    spread = Answers(np.repeat(nine.hour - 9, 2) + np.tile([3, 20], 7), np.repeat(clicks / 2, 2), np.full(14, 20.0))
    assert weekdays(spread) == pytest.approx(weekdays(nine))
    on_mondays = np.array([3.0, 1, 1, 1, 1, 1, 1])
    assert weekdays(Answers(nine.hour, 40 * on_mondays, 40 * on_mondays)) == pytest.approx(FLAT)


def test_weekdays_move_no_hours_and_start_from_what_was_known() -> None:
    random = np.random.default_rng(7)
    hours = 1 + 0.5 * np.cos(2 * np.pi * (np.arange(24) - 20) / 24)
    before = (hours * np.array([[0.8], [1.0], [1.3], [1.1], [1.0], [0.9], [0.9]])).reshape(HOURS)
    assert weekdays(NOBODY, before) == pytest.approx(before) and population_curve(NOBODY, before) == pytest.approx(before)
    # clicks exactly as it says move nothing, at whichever hours and level
    hour, expected = random.integers(0, HOURS, 300), random.random(300) * 9
    as_told = Answers(hour, 3.0 * expected * before[hour], expected)
    assert weekdays(as_told, before) == pytest.approx(before) and population_curve(as_told, before) == pytest.approx(before)
    moved = weekdays(mails(random, 20_000, taste=9.0, at=(0, 48)), before)
    shape = moved.reshape(7, 24) / before.reshape(7, 24)
    assert shape == pytest.approx(np.repeat(shape[:, :1], 24, axis=1))
    # a known answer: of a day that was to have 1.3, and 52 of 280 clicks, it has 26
    nine = 24 * np.arange(7) + 9
    clicks = 40 * before[nine]
    clicks[2] /= 2
    level = clicks.sum() / (40 * before[nine]).sum()
    found = before * np.repeat((POPULATION_STRENGTH + clicks) / (POPULATION_STRENGTH + level * 40 * before[nine]), 24)
    assert weekdays(Answers(nine, clicks, np.full(7, 40.0)), before) == pytest.approx(found / found.mean())


def test_the_population_s_weekdays_and_hours_are_both_found() -> None:
    """No chance in it: so many clicks as there would be on average, of plenty of mails."""
    days = np.array([0.9, 1.1, 1.4, 1.2, 0.8, 0.9, 0.7])
    hours = 1 + 0.6 * np.cos(2 * np.pi * (np.arange(24) - 19) / 24)
    truth = (days[:, None] * hours).reshape(HOURS)
    found = week(population_curve(Answers(WHOLE_WEEK, 300 * truth, np.full(HOURS, 300.0))))
    assert found.days == pytest.approx(days, abs=0.01)
    of_day = found.prior[NOT_DECLARED].reshape(7, 24)
    assert of_day.argmax(axis=1).tolist() == [19] * 7
    assert of_day == pytest.approx(np.repeat(hours[None], 7, axis=0), abs=0.1)  # the kernel flattens the peak
    # days that are mailed seldom, at another hour than others, are told apart from that hour
    some = np.where((WHOLE_WEEK // 24 == 2) == (WHOLE_WEEK % 24 == 4), 300.0, 0.0)  # Wednesday at four, others at all other hours
    assert week(population_curve(Answers(WHOLE_WEEK, some, some))).days == pytest.approx(np.ones(7))


POSITIVE = st.lists(st.floats(0.01, 100.0), min_size=HOURS, max_size=HOURS).map(np.array)


@given(POSITIVE)
def test_a_week_is_hours_of_mean_one_times_weekdays_of_mean_one(population: Floats) -> None:
    known = week(population)
    assert known.prior.reshape(25, 7, 24).mean(axis=2) == pytest.approx(np.ones((25, 7)))
    assert known.parts.mean(axis=1) == pytest.approx(np.ones(25))
    assert known.days.mean() == pytest.approx(1.0)
    both = known.prior[NOT_DECLARED] * np.repeat(known.days, 24)
    assert both == pytest.approx(population / population.mean())


@given(st.lists(st.floats(0.01, 100.0), min_size=7, max_size=7))
def test_weekdays_alone_make_no_hour_better_than_another_not_by_a_rounding(days: list[float]) -> None:
    """Else everybody would be moved by it, to the first hour of some day."""
    known = week(np.repeat(days, 24))
    assert known.is_flat and known.prior.tobytes() == week(FLAT).prior.tobytes()
    assert taste_of(a_page([a_row(1), a_row(2, peak_hour=20)]), known).matters.tolist() == [1]


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
