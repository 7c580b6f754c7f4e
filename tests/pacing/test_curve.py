"""Curves: answers are held against what was sent, and whoever is unknown is like everybody."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.pacing.curve import HOURS, Answers, ahead, population_curve, send_time_curves
from revenue_engine.records.zones import zone_number

NOBODY = Answers(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.zeros(0))
FLAT = np.ones(HOURS)


def mails(random: np.random.Generator, n: int, each: int, taste: float, *, at: int | None = None) -> Answers:
    """Everybody answers twice as often as expected near an hour of the day, less elsewhere."""
    row = np.repeat(np.arange(n), each)
    hour = np.full(n * each, at) if at is not None else random.integers(0, HOURS, n * each)
    factor = 1.0 + np.cos(2 * np.pi * (hour % 24 - taste) / 24)
    return Answers(row, hour, (random.random(n * each) < 0.05 * factor).astype(np.float64), np.full(n * each, 0.05))


def test_without_evidence_all_hours_are_alike_but_for_the_declared_one() -> None:
    assert population_curve(NOBODY) == pytest.approx(FLAT)
    curves = send_time_curves(NOBODY, FLAT, np.array([-1, 20], dtype=np.int16))
    assert curves[0] == pytest.approx(FLAT)
    assert curves.mean(axis=1) == pytest.approx([1.0, 1.0])
    assert set((np.flatnonzero(curves[1] == curves[1].max()) % 24).tolist()) == {20}
    assert curves[1].min() > 0.4


def test_a_population_s_taste_comes_back_and_is_everybody_s_prior() -> None:
    answers = mails(np.random.default_rng(3), 2_000, 20, taste=9.0)
    curve = population_curve(answers)
    truth = 1.0 + np.cos(2 * np.pi * (np.arange(HOURS) % 24 - 9.0) / 24)
    assert np.corrcoef(curve, truth)[0, 1] > 0.97
    assert curve.mean() == pytest.approx(1.0)
    stranger = send_time_curves(NOBODY, curve, np.array([-1], dtype=np.int16))[0]
    assert stranger == pytest.approx(curve)


def test_being_mailed_often_at_an_hour_is_no_taste_for_it() -> None:
    """Everybody is mailed at ten alone, and answers there as expected."""
    row = np.zeros(4_000, np.intp)
    at_ten = Answers(row, np.full(4_000, 10), (np.arange(4_000) % 20 == 0).astype(np.float64), np.full(4_000, 0.05))
    assert population_curve(at_ten) == pytest.approx(FLAT, abs=0.02)


def test_a_few_answers_move_a_person_little_and_many_move_him_home() -> None:
    random = np.random.default_rng(4)
    prior = population_curve(mails(random, 2_000, 20, taste=9.0))
    few, many = (
        send_time_curves(mails(random, 1, n, taste=21.0), prior, np.array([-1], dtype=np.int16))[0] for n in (10, 10_000)
    )
    assert np.corrcoef(few, prior)[0, 1] > 0.8
    assert int(many.argmax()) % 24 in (20, 21, 22)


def test_hours_to_come_are_read_on_the_reader_s_clock() -> None:
    zones = np.array(
        [zone_number(name, field="zone") for name in ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kolkata")], dtype=np.uint16
    )
    curves = np.tile(np.arange(HOURS, dtype=np.float64), (4, 1))  # the hour itself
    start = 1_774_735_200  # Saturday 2026-03-28T22:00Z; clocks in Berlin go forward three hours later
    seen = ahead(curves, zones, np.array([0, 0, 0, 1_800]), start=start, hours=4)
    assert seen.tolist() == [
        [142, 143, 144, 145],
        [143, 144, 145, 147],
        [147, 148, 149, 150],
        [148, 149, 150, 151],
    ]
