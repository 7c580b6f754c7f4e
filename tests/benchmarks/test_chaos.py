"""The chaos benchmark in small, and the proof that it would notice: each protection taken away shows in its figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.chaos import QUICK, Outcome, play, result_of
from revenue_engine.aws.control import Control
from revenue_engine.aws.mailer import Answer, Mailer, Result
from revenue_engine.aws.sends import Sends
from revenue_engine.aws.subscribers import Subscribers
from revenue_engine.services import execute, judge

SMALL = replace(
    QUICK[0], people=400, daily_cap=150, days=1, hours=1.0, lives={"decide": 1, "execute": 60, "engage": 60, "attribute": 60}
)


def figures(outcome: Outcome) -> dict[str, float]:
    return dict(result_of([outcome]).figures)


def test_everything_breaks_and_nothing_does() -> None:
    outcome = play(SMALL)
    assert outcome.verdict["due"] == 400
    assert outcome.verdict["mails"] > 100
    assert all(outcome.kills[name] > 0 for name in ("decide", "execute", "engage"))
    found = figures(outcome)
    assert found.pop("kills") >= 20
    assert found == {"double_mails": 0, "lost_sends": 0, "after_opt_out": 0, "cap_violations": 0, "books_equal": 1}
    assert set(outcome.verdict["states"]) <= {"SENT", "FAILED", "DROPPED"}
