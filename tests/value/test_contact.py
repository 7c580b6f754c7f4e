"""Covariates of the hazard: the same for a log and for a plan."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.value.contact import CONTACT, covariates, names, plan


def test_tenure_counts_by_its_logarithm_with_two_bends() -> None:
    row = covariates(np.array([3.0]), np.array([120.0]), np.array([[1.0, 0.0]]))
    assert row.shape == (1, len(names(("checkout", "gmail"))))
    assert row[0] == pytest.approx([3.0, np.log(121), np.log(121 / 31), 0.0, 1.0, 0.0])
    young = covariates(np.array([0.0]), np.array([10.0]), np.zeros((1, 0)))
    assert young[0] == pytest.approx([0.0, np.log(11), 0.0, 0.0])
    assert names(()) == CONTACT


def test_a_plan_starts_from_the_week_that_was_and_grows_older() -> None:
    ahead = plan(
        np.array([4.0, 1.0]),
        3,
        mails_of_week=np.array([2.0, 1.0]),
        tenure_days=np.array([0.0, 100.0]),
        traits=np.array([[1.0], [0.0]]),
    )
    assert ahead.mails.tolist() == [[4.0] * 3, [1.0] * 3]
    assert ahead.covariates[:, :, 0].tolist() == [[3.0, 4.0, 4.0], [1.0, 1.0, 1.0]]
    assert ahead.covariates[0, :, 1] == pytest.approx(np.log1p([3.5, 10.5, 17.5]))
    assert ahead.covariates[:, :, -1].tolist() == [[1.0] * 3, [0.0] * 3]
