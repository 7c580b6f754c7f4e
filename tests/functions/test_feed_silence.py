"""The alarm on a silent feed: what it reads is what the functions print, and it rings for silence alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from revenue_engine.aws import names
from tests.builders import NOW, Org
from tests.infra.template import Template
from tests.ses_events import ses_event
from workbench.local.plane import GOLDEN_TEMPLATE, Plane

GOOD = "transaction_id=t1&payout=5&offer_id=1042"
Dimensions = frozenset[tuple[str, str]]


@pytest.fixture
def main(emulator: Any) -> Iterator[Org]:
    with Plane.start(now=NOW, backend=emulator()) as plane:
        yield Org.open(plane, "main")


def alarm() -> dict[str, Any]:
    template = Template(json.loads(Path(GOLDEN_TEMPLATE).read_text()))
    (found,) = (p for id_, p in template.of_type("CloudWatch::Alarm").items() if "PostbackFeedSilent" in id_)
    return found


def printed(plane: Plane) -> Counter[tuple[str, str, Dimensions]]:
    """Sums of the metrics in the functions' logs (embedded metric format): by namespace, name and dimensions."""
    sums: Counter[tuple[str, str, Dimensions]] = Counter()
    for line in plane.executor.log:
        document = json.loads(line) if line.startswith('{"_aws"') else {}
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", []):
            (dimensions,) = directive["Dimensions"]
            for metric in directive["Metrics"]:
                key = (directive["Namespace"], metric["Name"], frozenset((name, document[name]) for name in dimensions))
                sums[key] += sum(document[metric["Name"]])
    return sums


def watched() -> dict[str, tuple[str, str, Dimensions]]:
    """What the alarm's expression calls its metrics, and which they are."""
    found = {}
    for query in alarm()["Metrics"]:
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            assert query["MetricStat"]["Stat"] == "Sum"
            dimensions = frozenset((d["Name"], d["Value"]) for d in metric["Dimensions"])
            found[query["Id"]] = (metric["Namespace"], metric["MetricName"], dimensions)
    return found


def rings(**sums: int | None) -> bool:
    """The alarm's expression over sums of a period, None for one without any datum; of the functions of CloudWatch those it uses."""
    (expression,) = (query["Expression"] for query in alarm()["Metrics"] if "Expression" in query)
    python = re.sub(r"^IF\((.+), 1, 0\)$", r"int(\1)", expression).replace(" AND ", " and ")
    filled: dict[str, Any] = {"FILL": lambda value, rest: rest if value is None else value}
    said = eval(python, {"__builtins__": {"int": int}}, filled | sums)
    assert alarm()["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    return bool(said >= alarm()["Threshold"])


def test_a_taken_postback_is_a_datum_of_the_alarm_and_a_strangers_is_none(main: Org) -> None:
    metric = watched()["postbacks"]
    for path in (f"{main.token}?{GOOD}", f"{main.token}?rubbish", f"guess?{GOOD}"):
        assert main.system.http("GET", f"/everflow/v1/main/{path}").status == 200
    assert printed(main.system)[metric] == 2
    assert main.system.http("HEAD", f"/everflow/v1/main/{main.token}").status == 200
    assert printed(main.system)[metric] == 2


def test_a_human_click_is_a_datum_of_the_alarm(main: Org) -> None:
    client, url = main.system.client("sqs"), main.w.value(names.ENGAGEMENT_QUEUE_URL)
    client.send_message(QueueUrl=url, MessageBody=ses_event("ses-event-click.json", main.mailed()))
    main.system.settle()
    assert printed(main.system)[watched()["clicks"]] == 1


@pytest.mark.parametrize(
    ("clicks", "postbacks", "rung"),
    [(201, None, True), (5_000, None, True), (201, 1, False), (200, None, False), (None, None, False), (None, 3, False)],
)
def test_it_rings_when_many_click_and_no_postback_comes(clicks: int | None, postbacks: int | None, rung: bool) -> None:
    assert rings(clicks=clicks, postbacks=postbacks) is rung


def test_it_reads_six_hours_at_once() -> None:
    periods = {query["MetricStat"]["Period"] for query in alarm()["Metrics"] if "MetricStat" in query}
    assert (periods, alarm()["EvaluationPeriods"]) == ({6 * 3600}, 1)
