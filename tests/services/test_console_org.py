"""The console of an org that the stack does not have: refused by name, as on the command line."""

from __future__ import annotations

import json

import pytest

from revenue_engine.aws import names
from revenue_engine.services.console import answer
from revenue_engine.services.http import request_of
from tests.builders import NOW, Org
from tests.http_events import http_event

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator"}


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", "status"), ("GET", "approvals"), ("POST", "autonomy/off"), ("POST", "breaker/close")]
)
def test_an_org_there_is_not_is_refused_by_name_and_nothing_is_made_for_it(org: Org, method: str, rest: str) -> None:
    switch = names.autonomy_parameter(org.w.stage, "mian")
    said = answer(org.w, request_of(http_event(method, f"/console/mian/{rest}")), now=NOW)
    detail = f"no parameter {switch}; the stack's org is {org.name}"
    assert (said.status, json.loads(said.body)) == (404, {"error": "org_unknown", "detail": detail})
    org.w.parameters.forget()
    assert not org.w.parameters.has_switch("mian")
    assert org.w.control.breaker("mian") is None
    assert answer(org.w, request_of(http_event(method, f"/console/MIAN/{rest}")), now=NOW).status == 404


def test_the_deployed_console_may_not_read_another_orgs_switch_and_knows_no_such_org(org: Org) -> None:
    for name in (org.name, "mian"):  # the first has a switch, which is not of the stack's making
        said = org.system.http("POST", f"/console/{name}/autonomy/off", SIGNED)
        assert (said.status, json.loads(said.body)["error"]) == (404, "org_unknown")
    assert org.w.parameters.autonomy(org.name).value == "full"
