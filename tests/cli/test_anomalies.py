"""Anomalies on the command line: shown with their figures, released, rejected."""

from __future__ import annotations

import json
from datetime import date

from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.anomaly import Flag, Severity
from tests.builders import NOW, Org
from tests.cli.conftest import Run

FACTS = {"offer": "1042", "payout_micros": 32_500_000, "currency": "USD", "converted_at": epoch_seconds(NOW)}


def listed(org: Org) -> tuple[str, str]:
    """An offer-day and a conversion that wait."""
    burst = Flag("conversion_burst", Severity.HOLD, {"chance": 2e-7, "conversions": 70})
    org.w.offer_days.flag(org.name, date(2026, 3, 4), "7", burst, now=NOW)
    key = f"{org.name}#conversion#t1#0"
    instant = Flag("instant_conversion", Severity.HOLD, {"seconds_from_click": 2.25})
    commit([org.w.anomalies.raising(org.name, key, [instant], facts=FACTS, now=NOW)])
    return "offer_day#2026-03-04#7#conversion_burst", key


def test_they_are_listed_with_what_was_seen_and_decided_by_their_key(run: Run, org: Org) -> None:
    assert run("anomalies", "list").stdout == "no anomalies\n"
    day, conversion = listed(org)
    shown = run("anomalies", "list").stdout
    for text in (day, conversion, "32.50 USD", "hold: conversion_burst chance 2e-07", "seconds_from_click 2.25"):
        assert text in shown
    assert [one["key"] for one in json.loads(run("anomalies", "list", "--json").stdout)] == [day, conversion]

    assert run("anomalies", "release", day).stdout == "released\n"
    assert run("anomalies", "reject", conversion).stdout == "rejected\n"
    assert run("anomalies", "list").stdout == "no anomalies\n"
    settled = run("anomalies", "list", "--settled").stdout
    assert day in settled and "rejected" in settled


def test_what_does_not_wait_is_one_clear_line(run: Run) -> None:
    for command in ("release", "reject"):
        said = run("anomalies", command, "nonsense")
        assert said.exit_code == 1
        assert said.stderr == "Error: key: nothing_waits (nonsense)\n"
