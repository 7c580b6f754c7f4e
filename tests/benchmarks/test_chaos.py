"""The chaos benchmark in small, and the proof that it would notice: each protection taken away shows in its figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import chaos_monkey
from benchmarks.chaos import QUICK, play, result_of
from revenue_engine.aws.control import Control
from revenue_engine.aws.mailer import Mailer, Result
from revenue_engine.aws.sends import Sends
from revenue_engine.aws.subscribers import Subscribers
from revenue_engine.aws.suppression import Suppression
from revenue_engine.safety.claim import may_claim
from workbench.local.ses_recorder import Fault

LIVES = {"decide": 1, "execute": 60, "engage": 12, "attribute": 12}
SMALL = replace(
    QUICK[0],
    people=300,
    daily_cap=90,
    days=1,
    hours=1.5,
    lives=LIVES,
    deaths={"decide": 2, "execute": 15, "engage": 10, "attribute": 5},
)
CLEAN = {"double_mails": 0, "lost_sends": 0, "after_opt_out": 0, "cap_violations": 0, "books_equal": 1}
_CONDITION = ("ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues")


def test_everything_breaks_and_nothing_does() -> None:
    outcome = play(SMALL)
    assert outcome.verdict["due"] == outcome.verdict["decided"] == 300
    assert outcome.verdict["mails"] > 50
    assert all(outcome.kills.get(name) for name in ("decide", "execute", "engage"))
    assert set(outcome.verdict["states"]) <= {"SENT", "FAILED", "DROPPED"}
    found = dict(result_of([outcome]).figures)
    assert found.pop("kills") >= 15
    assert found == CLEAN


def claims_without_conditions(patch: pytest.MonkeyPatch) -> None:
    """Whoever comes second claims again, and the person's gap does not stop it either."""
    claiming = Sends.claiming

    def unconditional(self: Sends, *given: Any, **named: Any) -> dict[str, Any]:
        action = claiming(self, *given, **named)
        for name in _CONDITION:
            action["Put"].pop(name, None)
        return action

    gaps = ("too_soon_since_last_email", "subscriber_frequency_limit")
    patch.setattr(Sends, "claiming", unconditional)
    patch.setattr("revenue_engine.services.compose.may_claim", lambda **facts: None if (no := may_claim(**facts)) in gaps else no)


def mails_again_what_is_unknown(patch: pytest.MonkeyPatch) -> None:
    send = Mailer.send

    def twice(self: Mailer, **mail: Any) -> Any:
        answer = send(self, **mail)
        return send(self, **mail) if answer.result is Result.UNKNOWN else answer

    patch.setattr(Mailer, "send", twice)
    patch.setattr(chaos_monkey, "SES_FAULTS", ((Fault.LOST_ANSWER, 0.1),))


def claims_by_what_was_read(patch: pytest.MonkeyPatch) -> None:
    """The claim's transaction looks neither at the person nor at the suppression list."""
    writing, checking = Subscribers.writing_row, Suppression.checking

    def blind(self: Subscribers, *given: Any, **named: Any) -> dict[str, Any]:
        action = writing(self, *given, **named)
        if named["must_be_mailable"]:
            update = action["Update"]
            update["ConditionExpression"] = "attribute_exists(pk)"
            for part in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
                used = update["UpdateExpression"].replace(",", " ").split()
                update[part] = {name: value for name, value in update[part].items() if name in used}
        return action

    patch.setattr(Subscribers, "writing_row", blind)
    patch.setattr(Suppression, "checking", lambda self, org, digest: checking(self, org, "nobody"))
    patch.setattr(chaos_monkey, "OPT_OUT_BEFORE_CLAIM", 0.2)


def reserves_without_a_cap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Control, "reserve", lambda self, org, day, *, wanted, **others: wanted)
    patch.setattr(Control, "budget_reserved", lambda self, org, day: 0)


def never_sweeps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sends, "in_state", lambda self, *given, **named: [])
    patch.setattr(chaos_monkey, "SES_FAULTS", ((Fault.LOST_REQUEST, 0.1),))


@pytest.mark.parametrize(
    ("mutation", "figure"),
    [
        (claims_without_conditions, "double_mails"),
        (mails_again_what_is_unknown, "double_mails"),
        (claims_by_what_was_read, "after_opt_out"),
        (reserves_without_a_cap, "cap_violations"),
        (never_sweeps, "lost_sends"),
    ],
)
def test_a_protection_taken_away_shows(
    monkeypatch: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None], figure: str
) -> None:
    mutation(monkeypatch)
    assert result_of([play(SMALL)]).figures[figure] > 0
