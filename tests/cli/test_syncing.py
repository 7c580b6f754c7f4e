"""`sync offers` and `sync show`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from revenue_engine.attribution.reconciliation import Absence
from revenue_engine.aws import names
from revenue_engine.records.offer import ineligible_reason
from tests.builders import NOW, Org
from tests.cli.conftest import Run
from tests.everflow_members import a_mail, a_member
from tests.services.test_reconcile import deal
from workbench.cli import connection
from workbench.simulation.everflow import EverflowApi


@pytest.fixture
def api(org: Org, monkeypatch: pytest.MonkeyPatch) -> Iterator[EverflowApi]:
    """An API where the stage's stack says it is."""
    api = EverflowApi("the-key")
    found = connection.wiring_of
    with api.serve() as origin:

        def with_everflow(stage: str) -> object:
            environment = dict(found(stage).environment)
            assert names.EVERFLOW_BASE_URL in environment  # the stack tells operators
            return type(found(stage))(tuple(sorted((environment | {names.EVERFLOW_BASE_URL: origin}).items())))

        monkeypatch.setattr(connection, "wiring_of", with_everflow)
        yield api


def test_the_catalogue_is_read_at_once_and_shown_again_later(run: Run, org: Org, api: EverflowApi) -> None:
    org.set_secret(names.EVERFLOW_API_KEY, "the-key")
    assert run("sync", "show").stdout == "no sync yet\n"
    api.files["/list.txt"] = b"ada@x.example\n"
    api.offers = [
        a_member(1042, is_using_suppression_list=True, suppression_list_id=12),
        a_member(2077, r_ruleset={"countries": ["Atlantis"]}),
        a_member(3003, is_force_terms_and_conditions=True),
    ]
    said = run("sync", "offers")
    assert (said.exit_code, said.stdout.splitlines()[:2]) == (
        0,
        ["offers: 3 listed: 1 created, 1 updated", "suppression list 12: no_link"],
    )
    for line in ("offer 2077", "relationship.ruleset.countries", "unknown_country", "offer 3003", "terms_to_accept"):
        assert line in said.stdout
    assert not [line for line in said.stdout.splitlines() if line.startswith("{")]  # logs and metrics are not for people
    shown = run("sync", "show")
    assert shown.stdout == f"synced {NOW:%Y-%m-%d %H:%M} UTC\n{said.stdout}"
    offer = org.w.offers.get(org.name, "1042")
    assert offer is not None and ineligible_reason(offer, now=NOW) is None


def test_why_an_asset_makes_no_mail_and_which_fields_it_needs_can_be_read(run: Run, org: Org, api: EverflowApi) -> None:
    org.set_secret(names.EVERFLOW_API_KEY, "the-key")
    entries = [a_mail(1, email_subject="{{ first_name }}, look"), a_mail(2, html_code="<p>{{ offer_url }} {{ 1 // 0 }}</p>")]
    api.offers = [a_member(2077, r_creatives={"entries": entries})]
    for how in ("offers", "show"):
        said = run("sync", how, columns=80).stdout
        words = " ".join(cell.strip() for line in said.splitlines() if "│" in line for cell in line.split("│")[2:3])
        assert "needs_fields first_name: nobody without is mailed it" in words
        assert "does_not_render integer division or modulo by zero" in words
        assert "relationship.creatives[1].html_code" in said and max(map(len, said.splitlines())) <= 80


def test_without_a_key_it_says_how_to_give_one(run: Run, api: EverflowApi) -> None:
    said = run("sync", "offers")
    assert said.exit_code == 1
    assert "everflow-api-key" in said.stderr


def test_an_api_that_refuses_is_one_line(run: Run, org: Org, api: EverflowApi) -> None:
    org.set_secret(names.EVERFLOW_API_KEY, "another")
    said = run("sync", "offers")
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (1, "Error: 401 No Authentication Method Found")


def test_the_opt_outs_of_a_list_that_one_offer_has_can_be_imported(run: Run, org: Org, tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "list.txt"
    file.write_text("ada@example.com\n")
    assert run("import", "suppression", "offer-1042", file).stdout == "list offer-1042: 1 people\n"
    assert org.w.suppression.advertiser_forbids(org.name, "offer-1042", "ada@example.com")


def test_money_is_read_at_once_and_what_is_gone_needs_a_confirmation(run: Run, org: Org, api: EverflowApi) -> None:
    org.set_secret(names.EVERFLOW_API_KEY, "the-key")
    times = {"clicked_at": NOW - timedelta(days=4), "converted_at": NOW - timedelta(days=3)}
    rows = [deal(f"c{n}", **times) for n in range(8)]
    api.listed, api.known = (lambda start, end: rows), (lambda one: next((row for row in rows if row.conversion_id == one), None))
    assert run("sync", "money").stdout == "8 booked\n"
    del rows[1:]
    for conversion in range(1, 8):
        absence = Absence(f"{org.name}#conversion#t-c{conversion}#0", 1, NOW - timedelta(days=1))
        org.w.absences.put(org.name, f"c{conversion}", absence)
    assert "7 reversals_held" in run("sync", "money").stdout
    assert org.counters()["conversions"] == 8
    assert "7 reversed" in run("sync", "money", "--confirm-reversals").stdout
    assert org.counters()["conversions"] == 1
