"""`status`: what an operator sees first, to be read in a terminal of 80 columns."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.clock import epoch_seconds
from tests.builders import CYCLE, NOW, Org
from tests.cli.conftest import Run


def told(shown: str) -> dict[str, str]:
    """The tables' rows of two cells, folded lines joined again."""
    rows: dict[str, str] = {}
    name = ""
    for line in shown.splitlines():
        if line.startswith("│"):
            first, value = (cell.strip() for cell in line.split("│")[1:-1])
            name = first or name
            rows[name] = f"{rows[name]} {value}" if name in rows else value
    return rows


def test_status_says_what_an_operator_wants_to_know(run: Run, org: Org) -> None:
    org.w.control.finish_cycle(org.name, "20260304T0945", now=NOW, report={"lambda_micros": 4_000, "kappa_micros": 1_500_000})
    shown = run("status").stdout
    for word in (
        "autonomy",
        "full",
        "breaker.state",
        "closed",
        "budget.cap",
        "2026-03-04 10:00:00 UTC",
        "0.004 USD",
        "velocity.sends_per_minute",
    ):
        assert word in shown
    assert "[]" not in shown and ".pk" not in shown and ".sk" not in shown
    found = json.loads(run("status", "--json").stdout)
    assert (found["autonomy"], found["findings"], found["velocity"]["sends_per_minute"]) == ("full", [], 100)


def test_status_shows_what_the_last_cycles_came_to(run: Run, org: Org) -> None:
    org.mailed()
    assert org.w.control.lease_cycle(org.name, CYCLE, now=NOW, seconds=60) is not None
    report = {"outcome": "completed", "ended_at": epoch_seconds(NOW), "planned": 7, "predicted_revenue_micros": 350_000}
    org.w.control.finish_cycle(org.name, CYCLE, now=NOW, report=report)
    shown = run("status", columns=80).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert told(shown)[CYCLE] == (
        "completed, ended 10:00, planned 7, sent 1, failed 0, unknown 0, dropped 0, predicted revenue 0.35 USD"
    )


def test_a_cycle_is_read_on_one_or_two_lines_of_80_columns(run: Run, org: Org) -> None:
    assert org.w.control.lease_cycle(org.name, CYCLE, now=NOW, seconds=60) is not None
    report = {
        "outcome": "completed",
        "started_at": epoch_seconds(NOW),
        "ended_at": epoch_seconds(NOW + timedelta(minutes=2)),
        "duration_seconds": 121.7,
        "decided": 12_345,
        "planned": 678,
        "predicted_revenue_micros": 350_000_000,
    }
    org.w.control.finish_cycle(org.name, CYCLE, now=NOW, report=report)
    lines = run("status", columns=80).stdout.partition("the last cycles (UTC)")[2].splitlines()
    (first,) = [n for n, line in enumerate(lines) if CYCLE in line]
    assert [line.split("│")[2].strip() for line in lines[first:-1]] == [
        "completed, began 10:00, ended 10:02, took 122 s, decided",
        "12,345, planned 678, sent 0, failed 0, unknown 0, dropped 0,",
        "predicted revenue 350.00 USD",
    ]


_LOOK = {"sends_per_minute": 75, "begins_at": 100, "cycle_id": "x", "stepped_at": 0, "trouble": None}


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (
            {"state": "underperforming_predictions", "came": 12, "expected": 40.2, "ratio": 12 / 40.2, "tail": 0.00123},
            "12 came where 40.2 were due by now: 0.30 times as many; by chance as few or fewer: 0.12%",
        ),
        (
            {"state": "on_track", "came": 44, "expected": 40.0, "ratio": 1.1, "tail": 0.25},
            "44 came where 40.0 were due by now: 1.10 times as many; by chance as many or more: 25.00%",
        ),
        (
            {"state": "too_early", "came": 1, "expected": 2.5, "ratio": None, "tail": None},
            "1 came where 2.5 were due by now: too few to say anything",
        ),
        ({"state": "on_track"}, "-"),
    ],
)
def test_the_velocity_says_what_it_was_held_against(run: Run, org: Org, look: dict[str, Any], words: str) -> None:
    org.w.control.keep_velocity(org.name, _LOOK | look, before=100, now=NOW)
    rows = told(run("status", columns=80).stdout)
    assert (rows["velocity.conversions"], rows["velocity.last_step.conversions"]) == (words, words)
    assert rows["velocity.sends_per_minute"] == "75"
    assert not [name for name in rows if name.endswith((".tail", ".ratio"))]
    found = json.loads(run("status", "--json").stdout)["velocity"]
    figures = {name: look.get(name) for name in ("came", "expected", "ratio", "tail")}
    assert figures.items() <= found.items() and figures.items() <= found["last_step"].items()


def test_no_look_is_no_words(run: Run) -> None:
    assert told(run("status").stdout)["velocity.conversions"] == "-"
