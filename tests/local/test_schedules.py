"""Schedule expressions mean what EventBridge means by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.local.conftest import START, Document, Functions, Starter, item
from workbench.local.plane import Plane
from workbench.local.schedules import parse

MADE_AT = datetime(2026, 3, 4, 9, 7, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("rate(1 minute)", "2026-03-04 09:07", "2026-03-04 09:08"),
        ("rate(15 minutes)", "2026-03-04 09:21:59", "2026-03-04 09:22"),
        ("rate(15 minutes)", "2026-03-04 09:22", "2026-03-04 09:37"),
        ("rate(2 hours)", "2026-03-04 09:07", "2026-03-04 11:07"),
        ("rate(1 day)", "2026-03-06 00:00", "2026-03-06 09:07"),
        ("cron(15 23 * * ? *)", "2026-03-04 09:07", "2026-03-04 23:15"),
        ("cron(15 23 * * ? *)", "2026-03-04 23:15", "2026-03-05 23:15"),
        ("cron(0 3 ? * SUN *)", "2026-03-04 09:07", "2026-03-08 03:00"),
        ("cron(0 3 ? * 1 *)", "2026-03-04 09:07", "2026-03-08 03:00"),
        ("cron(0/15 8-9 ? * MON-FRI *)", "2026-03-06 09:45", "2026-03-09 08:00"),
        ("cron(0 0 ? * FRI-MON *)", "2026-03-03 00:00", "2026-03-06 00:00"),
        ("cron(5,35 * * * ? *)", "2026-03-04 09:05", "2026-03-04 09:35"),
        ("cron(0 12 L * ? *)", "2026-02-01 00:00", "2026-02-28 12:00"),
        ("cron(0 12 29 2 ? *)", "2026-03-01 00:00", "2028-02-29 12:00"),
        ("cron(0 12 ? * 2#1 *)", "2026-03-02 12:00", "2026-04-06 12:00"),
        ("cron(0 12 ? * FRIL *)", "2026-03-01 00:00", "2026-03-27 12:00"),
        ("cron(0 12 1 JAN,JUL ? *)", "2026-03-04 00:00", "2026-07-01 12:00"),
        ("cron(0 12 1 1 ? 2026)", "2026-03-04 00:00", None),
    ],
)
def test_the_next_moment_of_an_expression(expression: str, after: str, expected: str | None) -> None:
    found = parse(expression, MADE_AT).next_after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == (None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "every 5 minutes",
        "cron(0 3 * * SUN *)",
        "cron(0 3 ? * ? *)",
        "cron(0 3 * * ?)",
        "cron(60 3 * * ? *)",
        "cron(0 3 ? * FOO *)",
        "cron(0/0 3 * * ? *)",
        "cron(0 3 15W * ? *)",
    ],
)
def test_an_expression_eventbridge_would_refuse_or_that_is_not_supported_is_refused_by_name(expression: str) -> None:
    with pytest.raises(
        ValueError, match="^" + expression.replace("(", r"\(").split(" ")[0].replace("?", r"\?").replace("*", r"\*")
    ):
        parse(expression, MADE_AT)


TICKER = """
import datetime
seen = []
def handle(event, context):
    seen.append(datetime.datetime.now(datetime.UTC).strftime("%H:%M"))
    things("ticks", event=event, at=seen)
    if len(seen) in FAIL:
        raise RuntimeError("once")
"""


def test_a_rule_invokes_its_function_with_the_constant_input(plane: Plane, functions: Functions) -> None:
    functions.write("ticker", "FAIL = ()" + TICKER)
    plane.run_until(START + timedelta(hours=1))
    assert item(plane, "ticks") == {"event": {"org": "main"}, "at": ["09:15", "09:30", "09:45", "10:00"]}


def test_a_disabled_rule_does_not_fire(start: Starter, template: Document, functions: Functions) -> None:
    functions.write("ticker", "FAIL = ()" + TICKER)
    template["Resources"]["Minute"]["Properties"]["State"] = "DISABLED"
    with start(template) as plane:
        plane.run_until(START + timedelta(hours=1))
        assert item(plane, "ticks") is None


def test_a_failed_scheduled_invocation_is_repeated_twice_as_lambda_does(plane: Plane, functions: Functions) -> None:
    functions.write("ticker", "FAIL = (1, 2, 3)" + TICKER)
    plane.run_until(START + timedelta(minutes=29))
    assert item(plane, "ticks") == {"event": {"org": "main"}, "at": ["09:15", "09:16", "09:18"]}
