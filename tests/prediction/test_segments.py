"""Segments and engagement, from the packed row."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.prediction.segments import engagement_score, planned_sends, risk, segment_of
from revenue_engine.records.evidence import SEGMENTS
from tests.core_cases import DAY, T, a_page, a_row

NEVER = {"last_human_click_at": 0, "last_human_open_at": 0}


@pytest.mark.parametrize(
    ("facts", "segment"),
    [
        ({"last_human_click_at": T - 29 * DAY, "created_at": T}, "clicker"),
        ({"last_human_click_at": T - 31 * DAY, "last_human_open_at": T - 29 * DAY}, "opener"),
        (NEVER | {"created_at": T - 29 * DAY}, "new"),
        (NEVER | {"created_at": T - 300 * DAY, "last_send_at": 0}, "new"),
        (NEVER | {"last_human_open_at": T - 31 * DAY}, "quiet"),
        (NEVER | {"last_human_click_at": T - 179 * DAY}, "quiet"),
        (NEVER | {"last_human_click_at": T - 181 * DAY}, "silent"),
        (NEVER, "silent"),
    ],
)
def test_each_segment_is_what_its_definition_says(facts: dict[str, int], segment: str) -> None:
    assert SEGMENTS[segment_of(a_page([a_row(1, **facts)]), T)[0]] == segment


def test_machine_opens_make_nobody_engaged() -> None:
    page = a_page([a_row(1, machine_opens=50.0, human_clicks=0.0, **NEVER), a_row(2, human_clicks=0.0, **NEVER)])
    score = engagement_score(page, T, np.full(2, 0.002))
    assert score[0] == score[1]
    assert SEGMENTS[segment_of(page, T)[0]] == "silent"


def test_without_mails_the_score_is_the_segment_s_first_click_rate_over_four_mails() -> None:
    page = a_page([a_row(1, sends=0.0, deliveries=0.0, human_clicks=0.0)])
    missed_all = (9.5 / 10) * (10.5 / 11) * (11.5 / 12) * (12.5 / 13)  # a little more than 0.95 ** 4: people differ
    assert engagement_score(page, T, np.array([0.05]))[0] == pytest.approx(1 - missed_all)


def test_the_score_is_a_beta_binomial_probability() -> None:
    page = a_page([a_row(1, deliveries=20.0, human_clicks=6.0)])
    rng = np.random.default_rng(0)
    p = rng.beta(6 + 0.5, 14 + 9.5, 400_000)
    assert engagement_score(page, T, np.array([0.05]))[0] == pytest.approx((1 - (1 - p) ** 4).mean(), abs=0.002)


def test_planned_mails_follow_the_present_pace_within_the_cap() -> None:
    three_a_week = 3 / 7 * 30 / np.log(2)
    page = a_page([a_row(n, sends=s) for n, s in enumerate((0.0, three_a_week, 1_000.0))])
    assert planned_sends(page, T, most_per_week=4) == pytest.approx([1.0, 3 / 7 * 30, 4 / 7 * 30])
    assert planned_sends(page, T, most_per_week=0) == pytest.approx([1.0, 1.0, 1.0])


def test_risk_grows_per_mail_not_per_day() -> None:
    assert risk(np.array([0.002, 0.002]), np.array([1.0, 17.0])) == pytest.approx([1 - np.exp(-0.002), 1 - np.exp(-0.034)])
