"""RFC 8058: a post opts out at once and for good, a visit changes nothing (P3)."""

from __future__ import annotations

from typing import Any

import pytest

from revenue_engine import ids
from revenue_engine.records.send import PlannedSend
from revenue_engine.services.http import Response
from revenue_engine.services.unsubscribe import unsubscribe
from tests.builders import COUNTED_SENT, DAY, NOW, Org
from tests.http_events import unsubscribe_request
from tests.shared_data import shared_path

FORM = {"headers": {"content-type": "application/x-www-form-urlencoded"}, "body": "List-Unsubscribe=One-Click"}
MULTIPART = {
    "headers": {"content-type": "multipart/form-data; boundary=----b"},
    "body": '------b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n------b--\r\n',
}
BODIES: dict[str, dict[str, Any]] = {"form": FORM, "form, encoded": FORM | {"encoded": True}, "multipart": MULTIPART, "empty": {}}


def token(org: Org, plan: PlannedSend) -> str:
    return ids.unsubscribe_token(org.key, org=org.name, subscriber=plan.subscriber, send_id=plan.send_id)


def visit(org: Org, text: str, **request: Any) -> Response:
    return unsubscribe(org.w, unsubscribe_request(org.name, text, **request), now=NOW)


@pytest.mark.parametrize("body", BODIES)
def test_a_post_opts_out_at_once_whatever_its_body(org: Org, body: str) -> None:
    plan = org.mailed(email="pat@recipient.example")
    answer = visit(org, token(org, plan), **BODIES[body])
    assert (answer.status, answer.headers) == (200, {})
    person = org.person(plan.subscriber)
    assert (person["status"], person["consent_status"], person["opt_out_source"]) == ("unsubscribed", "withdrawn", "one_click")
    assert org.w.suppression.is_suppressed(org.name, org.address_hash("pat@recipient.example"))
    assert org.execute([org.plan(plan.subscriber, decision="d2")]).outcomes == {"opted_out": 1}


def test_it_is_counted_once_per_mail_however_often_it_is_posted(org: Org) -> None:
    plan = org.mailed()
    for _ in range(3):
        assert visit(org, token(org, plan)).status == 200
    assert org.counters() == COUNTED_SENT | {"unsubscribes": 1}
    assert org.evidence() == {DAY: {"unsubscribes": 1}}
    assert "unsubscribed_at" in org.send(plan)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_visit_shows_a_button_and_changes_nothing(org: Org, method: str) -> None:
    plan = org.mailed()
    before = org.person(plan.subscriber)
    answer = visit(org, token(org, plan), method=method)
    assert answer.status == 200
    assert f'<form method="post" action="/u/{org.name}/{token(org, plan)}">' in answer.body
    assert org.person(plan.subscriber) == before
    assert "unsubscribes" not in org.counters()


def test_a_link_outlives_the_mails_row(org: Org) -> None:
    plan = org.plan(org.add_person())
    assert visit(org, token(org, plan)).status == 200
    assert org.person(plan.subscriber)["status"] == "unsubscribed"


def test_a_link_that_was_tampered_with_does_nothing(org: Org) -> None:
    plan, other = org.mailed(), org.mailed()
    good = token(org, plan)
    swapped = good[:1] + other.subscriber + good[27:]
    for text in (
        "",
        "x",
        good[:-1],
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        "2" + good[1:],
        swapped,
        good + "a",
        "ü" * 79,
    ):
        assert visit(org, text).status == 404
    assert org.person(plan.subscriber)["status"] == org.person(other.subscriber)["status"] == "active"


@pytest.mark.parametrize("name", ["nobody", "", "../x", "a b", "A", "x" * 33])
def test_an_org_there_is_not_is_no_error_of_ours(org: Org, name: str) -> None:
    assert unsubscribe(org.w, unsubscribe_request(name, "1" + "a" * 78), now=NOW).status == 404


def recorded_requests() -> dict[str, dict[str, Any]]:
    """The requests of unsubscribe-one-click.txt by the comment above them."""
    found: dict[str, dict[str, Any]] = {}
    for part in shared_path("contracts/unsubscribe-one-click.txt").read_text().split("# ")[1:]:
        title, _, raw = part.partition("\n")
        head, _, body = raw.strip("\n").partition("\n\n")
        first, *headers = head.splitlines()
        named = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
        found[title] = {"method": first.split()[0], "headers": named, "body": body.replace("\n", "\r\n") or None}
    return found


def test_the_recorded_posts_opt_out_and_the_recorded_visit_does_not(org: Org) -> None:
    methods = []
    for request in recorded_requests().values():
        plan = org.mailed()
        answer = visit(org, token(org, plan), **request)
        assert (answer.status, answer.headers) == (200, {})
        opted_out = org.person(plan.subscriber)["status"] == "unsubscribed"
        assert opted_out is (request["method"] == "POST")
        methods.append(request["method"])
    assert methods == ["POST", "POST", "GET"]
