"""The plane as a whole: order of time, expiry, secrets, isolation, and what a quiet minute costs."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from revenue_engine.aws import names
from tests.local.conftest import START, Document, Functions, Starter, item
from workbench.local import ministack_backend
from workbench.local.backend import BackendError
from workbench.local.plane import Plane


def test_everything_that_falls_due_is_done_in_the_order_of_its_time(plane: Plane, functions: Functions) -> None:
    seen: list[tuple[str, str]] = []

    def note(what: str) -> None:
        seen.append((what, plane.clock.now().strftime("%H:%M")))

    plane.at(START + timedelta(minutes=20), lambda: note("second"))
    plane.at(START + timedelta(minutes=10), lambda: note("first"))
    plane.at(START + timedelta(minutes=10), lambda: plane.at(plane.clock.now(), lambda: note("at once")))
    plane.at(START - timedelta(minutes=10), lambda: note("late"))
    plane.at(START + timedelta(minutes=31), lambda: note("not yet"))
    plane.run_until(START + timedelta(minutes=30))
    assert seen == [("late", "09:00"), ("first", "09:10"), ("at once", "09:10"), ("second", "09:20")]
    assert plane.clock.now() == START + timedelta(minutes=30)
    assert len(plane.executor.failures) == 0


def test_time_never_runs_backwards(plane: Plane) -> None:
    plane.run_until(START + timedelta(minutes=5))
    plane.run_until(START)
    assert plane.clock.now() == START + timedelta(minutes=5)
    with pytest.raises(ValueError, match="runs forward"):
        plane.clock.move_to(START)


def test_handlers_and_stamps_of_the_emulator_live_in_simulated_time(plane: Plane, functions: Functions) -> None:
    functions.write(
        "worker", "import datetime\ndef handle(event, context):\n    return datetime.datetime.now(datetime.UTC).isoformat()\n"
    )
    plane.run_until(START + timedelta(days=3))
    assert plane.invoke("worker", {}) == "2026-03-07T09:00:00+00:00"
    plane.client("ssm").put_parameter(Name="/x", Value="1", Type="String")
    assert plane.client("ssm").get_parameter(Name="/x")["Parameter"]["LastModifiedDate"] == START + timedelta(days=3)


def test_the_machines_own_time_is_back_afterwards(start: Starter, template: Document) -> None:
    before = datetime.now(UTC)
    with start(template):
        assert datetime.now(UTC) == START
    assert timedelta(0) <= datetime.now(UTC) - before < timedelta(minutes=1)


def test_items_past_their_time_to_live_go_within_the_hour_and_others_stay(plane: Plane) -> None:
    client = plane.client("dynamodb")
    for key, minutes in (("soon", 30), ("later", 90)):
        expires_at = str(int((START + timedelta(minutes=minutes)).timestamp()))
        client.put_item(TableName="Things", Item={"pk": {"S": key}, "day": {"S": "d"}, "expires_at": {"N": expires_at}})
    client.put_item(TableName="Things", Item={"pk": {"S": "always"}, "day": {"S": "d"}})

    def indexed() -> list[str]:
        items = client.query(
            TableName="Things",
            IndexName="by_day",
            KeyConditionExpression="#day = :day",
            ExpressionAttributeNames={"#day": "day"},
            ExpressionAttributeValues={":day": {"S": "d"}},
        )["Items"]
        return [each["pk"]["S"] for each in items]

    plane.run_until(START + timedelta(minutes=59))
    assert indexed() == ["always", "later", "soon"]
    plane.run_until(START + timedelta(minutes=60))
    assert indexed() == ["always", "later"]
    plane.run_until(START + timedelta(minutes=100))
    assert plane.expire() == 1
    assert indexed() == ["always"]


def test_each_plane_begins_empty(start: Starter, template: Document) -> None:
    for _ in range(2):
        with start(template) as plane:
            assert item(plane, "left") is None
            plane.client("dynamodb").put_item(TableName="Things", Item={"pk": {"S": "left"}})


def test_a_second_plane_at_the_same_time_is_refused(plane: Plane, start: Starter, template: Document) -> None:
    with pytest.raises(BackendError, match="another local plane"), start(template):
        pass
    assert plane.client("dynamodb").list_tables()["TableNames"] == ["Things"]


def test_secrets_are_secure_strings_where_the_engine_looks_for_them(plane: Plane) -> None:
    plane.put_secrets("main", {names.TRACKING_KEY: "aa"})
    name = names.secret_parameter("test", "main", names.TRACKING_KEY)
    ssm = plane.client("ssm")
    assert ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == "aa"
    sealed = ssm.get_parameter(Name=name)["Parameter"]
    assert sealed["Type"] == "SecureString"
    assert sealed["Value"] != "aa"
    with pytest.raises(ValueError, match="other"):
        plane.put_secrets("main", {"other": "x"})


def test_no_thread_of_the_emulator_runs_beside_the_plane(plane: Plane) -> None:
    plane.run_until(START + timedelta(hours=2))
    running = {thread.name for thread in threading.enumerate() if thread is not threading.main_thread()}
    assert running <= {"process.stderr_sink"}  # CDK's, where its tests ran before in this process


def test_another_version_of_the_emulator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ministack_backend, "KNOWN_VERSION", "0.0.1")
    with pytest.raises(BackendError, match=r"0\.0\.1"):
        ministack_backend.MiniStackBackend()


def test_outside_a_plane_no_call_is_answered(start: Starter, template: Document) -> None:
    with start(template) as plane:
        client = plane.client("dynamodb")
    with pytest.raises(Exception, match=r"[Cc]onnect"):
        client.list_tables()


def test_a_quiet_minute_costs_at_most_five_milliseconds(start: Starter, golden: Document, golden_functions: Functions) -> None:
    with start(golden) as plane:
        begun = time.process_time()
        plane.run_until(START + timedelta(hours=4))
        assert (time.process_time() - begun) / 240 < 0.005
