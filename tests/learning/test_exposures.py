"""Rows of exposure: one a mail on a clock of mails, and the baseline that is read off them."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.learning.exposures import Exposures, baseline_grid, of_mails
from revenue_engine.value.contact import CONTACT


def rows_of(start: list[float], stop: list[float], left: list[bool]) -> Exposures:
    n = len(start)
    return Exposures(np.array(start), np.array(stop), np.array(left), np.zeros((n, 1)), ("x",))


def test_a_clock_of_mails_by_hand() -> None:
    """Person 4 had ten mails before, gets three and leaves with the second; person 2 stays."""
    person, day = np.array([4, 2, 4, 2, 4]), np.array([9, 3, 1, 30, 5])
    left = np.array([False, False, False, False, True])
    rows = of_mails(
        person,
        day,
        left,
        sent_before=np.where(person == 4, 10.0, 0.0),
        tenure_days=50.0 + day,
        traits=(person == 4).astype(np.float64)[:, None],
        trait_names=("four",),
    )
    assert rows.names == (*CONTACT, "four")
    assert rows.start.tolist() == [0.0, 1.0, 10.0, 11.0] and rows.stop.tolist() == [1.0, 2.0, 11.0, 12.0]
    assert rows.left.tolist() == [False, False, False, True]
    assert rows.covariates[:, 0].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert rows.covariates[:, 1] == pytest.approx(np.log1p([53.0, 80.0, 51.0, 55.0]))
    assert rows.covariates[:, -1].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_mails_of_the_week_are_of_the_seven_days_before() -> None:
    day = np.array([0, 1, 7, 8, 9, 40])
    rows = of_mails(
        np.zeros(6, dtype=np.int64),
        day,
        np.zeros(6, dtype=bool),
        sent_before=np.zeros(6),
        tenure_days=day.astype(np.float64),
        traits=np.zeros((6, 0)),
        trait_names=(),
    )
    assert rows.covariates[:, 0].tolist() == [0.0, 1.0, 2.0, 2.0, 2.0, 0.0]


def test_later_mails_do_not_change_earlier_rows() -> None:
    random = np.random.default_rng(2)
    person, day = (place.astype(np.int64) for place in np.nonzero(random.random((50, 60)) < 0.4))
    left = random.random(len(person)) < 0.01

    def rows(until: int) -> Exposures:
        known = day <= until
        return of_mails(
            person[known],
            day[known],
            left[known],
            sent_before=np.zeros(known.sum()),
            tenure_days=day[known].astype(np.float64),
            traits=np.zeros((known.sum(), 0)),
            trait_names=(),
        )

    early, late = rows(30), rows(59)
    shared = late.covariates[:, 1] <= np.log1p(30.5)
    assert np.array_equal(late.covariates[shared], early.covariates)
    assert np.array_equal(late.left[shared], early.left) and np.array_equal(late.stop[shared], early.stop)


def test_the_baseline_by_hand_with_late_entries() -> None:
    """At 2 one of three at risk leaves, at 5 one of the two that are there then; the last quarter of exposure starts at 2."""
    rows = rows_of([0, 0, 0, 4], [2, 3, 6, 6], [True, False, False, False])
    rows = Exposures(rows.start, np.array([2.0, 3.0, 5.0, 6.0]), np.array([True, False, True, False]), rows.covariates, ("x",))
    clock, cumulative, tail = baseline_grid(rows, np.array([1.0, 1.0, 2.0, 2.0]))
    assert clock.tolist() == [0.0, 2.0, 5.0]
    assert cumulative == pytest.approx([0.0, 1 / 4, 1 / 4 + 1 / 4])
    assert tail == pytest.approx(1 / (1 * 1 + 2 * 3 + 2 * 2))


def test_the_grid_ends_where_hardly_anybody_is_left() -> None:
    """99 leave by 3, the hundredth goes on to 50: what he does there is one person's luck."""
    rows = rows_of([0.0] * 100, [1.0 + (k % 3) for k in range(99)] + [50.0], [True] * 100)
    assert baseline_grid(rows, np.ones(100))[0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="end after"):
        rows_of([1.0], [1.0], [True])
    with pytest.raises(ValueError, match="a name"):
        Exposures(np.zeros(1), np.ones(1), np.zeros(1, dtype=bool), np.zeros((1, 2)), ("x",))
