"""Requests reach functions by the template's routes, in payload 2.0."""

from __future__ import annotations

import base64
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.conftest import Functions
from workbench.local.plane import Plane

ECHO = "def handle(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"


@pytest.fixture
def echo(plane: Plane, functions: Functions) -> Plane:
    functions.write("web", ECHO)
    return plane


def event_of(plane: Plane, method: str, url: str, **more: Any) -> dict[str, Any]:
    answer = plane.http(method, url, **more)
    assert answer.status == 200
    event: dict[str, Any] = answer.json()
    return event


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/hooks/main/t0k", "GET /hooks/{org}/{token}", {"org": "main", "token": "t0k"}),
        ("POST", "/hooks/main/t0k", "POST /hooks/{org}/{token}", {"org": "main", "token": "t0k"}),
        ("GET", "/hooks/main/exact", "GET /hooks/main/exact", None),
        ("GET", "/hooks/a%20b/c", "GET /hooks/{org}/{token}", {"org": "a b", "token": "c"}),
        ("GET", "/hooks/a/b/c", "ANY /{proxy+}", {"proxy": "hooks/a/b/c"}),
        ("DELETE", "/hooks/main/t0k", "ANY /{proxy+}", {"proxy": "hooks/main/t0k"}),
    ],
)
def test_the_most_specific_route_wins(echo: Plane, method: str, path: str, route: str, parameters: dict[str, str] | None) -> None:
    event = event_of(echo, method, path)
    assert (event["routeKey"], event.get("pathParameters")) == (route, parameters)
    assert event["requestContext"]["routeKey"] == route


def test_an_event_has_the_fields_of_payload_2(echo: Plane) -> None:
    event = event_of(
        echo,
        "POST",
        "https://api.example.com/hooks/main/t?sub1=a%20b&sub1=c&empty=",
        headers={"User-Agent": "everflow", "Content-Type": "application/json", "Cookie": "a=1; b=2"},
        body='{"x": 1}',
    )
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/hooks/main/t"
    assert event["rawQueryString"] == "sub1=a%20b&sub1=c&empty="
    assert event["queryStringParameters"] == {"sub1": "a b,c", "empty": ""}
    assert event["headers"] == {"host": "api.example.com", "user-agent": "everflow", "content-type": "application/json"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/hooks/main/t",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "everflow",
    }
    assert context["time"] == "04/Mar/2026:09:00:00 +0000"
    assert context["timeEpoch"] == int(echo.clock.now().timestamp() * 1000)


def test_an_event_leaves_out_what_was_not_sent(echo: Plane) -> None:
    assert not {"body", "queryStringParameters", "cookies"} & set(event_of(echo, "GET", "/hooks/main/t"))


def test_a_form_arrives_in_base64_as_from_api_gateway(echo: Plane) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    event = event_of(echo, "POST", "/hooks/main/t", headers=headers, body="List-Unsubscribe=One-Click")
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"List-Unsubscribe=One-Click"


def test_an_iam_route_is_closed_to_an_unsigned_request(echo: Plane) -> None:
    assert echo.http("GET", "/console/kpis").status == 403
    assert echo.http("GET", "/console/kpis", {"Authorization": "Bearer x"}).status == 403
    event = event_of(echo, "GET", "/console/kpis", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x"})
    assert event["pathParameters"] == {"proxy": "kpis"}
    assert event["requestContext"]["authorizer"]["iam"]["accountId"] == "123456789012"


def test_a_path_without_route_is_not_found(plane: Plane) -> None:
    answer = plane.http("GET", "/")
    assert (answer.status, answer.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize(
    ("value", "status", "body", "content_type"),
    [
        ("{'statusCode': 204}", 204, b"", "text/plain;charset=UTF-8"),
        ("{'statusCode': 200, 'body': 'aGk=', 'isBase64Encoded': True, 'headers': {'Content-Type': 'x/y'}}", 200, b"hi", "x/y"),
        ("{'ok': True}", 200, b'{"ok": true}', "application/json"),
        ("1 / 0", 500, b'{"message": "Internal Server Error"}', "application/json"),
    ],
)
def test_an_answer_becomes_a_response(
    plane: Plane, functions: Functions, value: str, status: int, body: bytes, content_type: str
) -> None:
    functions.write("web", f"def handle(event, context):\n    return {value}\n")
    answer = plane.http("GET", "/hooks/main/t")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (status, body, content_type)


def test_the_same_routes_answer_on_localhost(echo: Plane) -> None:
    with echo.serve() as origin:
        port = urlsplit(origin).port
        assert origin == f"http://127.0.0.1:{port}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/hooks/main/t?x=1", body="{}", headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert b'"rawQueryString": "x=1"' in answer.read()
        connection.request("HEAD", "/hooks/main/t")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        connection.close()
