"""`import offers` and `import suppression`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import NOW, Org
from tests.cli.conftest import Run

BUNDLED = Path(__file__).resolve().parents[2] / "workbench" / "data" / "offers.json"


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(BUNDLED.read_text())
    return document


def test_the_bundled_offers_are_imported_and_again_unchanged(run: Run, org: Org) -> None:
    before = len(org.w.offers.catalogue(org.name))
    first = run("import", "offers", BUNDLED)
    assert (first.stdout, first.stderr) == ("offers: 5 created\n", "")
    assert run("import", "offers", BUNDLED).stdout == "offers: 5 unchanged\n"
    assert len(org.w.offers.catalogue(org.name)) == before + 5


def test_a_changed_offer_is_updated_and_a_dry_run_only_says_so(run: Run, org: Org, tmp_path: Path) -> None:
    run("import", "offers", BUNDLED)
    document = _document()
    document["offers"][0]["relationship"]["payouts"]["entries"][0]["payout_amount"] = 35
    file = tmp_path / "offers.json"
    file.write_text(json.dumps(document))
    dry = run("import", "offers", file, "--dry-run")
    assert dry.stdout == "offers: 4 unchanged, 1 updated (dry run: nothing was written)\n"
    offer = org.w.offers.get(org.name, "1001")
    assert offer is not None and offer.payout_micros == 32_500_000
    assert run("import", "offers", file).stdout == "offers: 4 unchanged, 1 updated\n"
    offer = org.w.offers.get(org.name, "1001")
    assert offer is not None and offer.payout_micros == 35_000_000


def test_one_bad_offer_stops_the_file_and_its_line_is_named(run: Run, org: Org, tmp_path: Path) -> None:
    document = _document()
    document["offers"][2]["currency_id"] = "XQZ"
    file = tmp_path / "offers.json"
    file.write_text(json.dumps(document, indent=1))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if '"network_offer_id": 1003,' in text)
    result = run("import", "offers", file)
    assert result.exit_code == 2
    assert f"{file}:{line}: currency_id: unknown_currency (offer 1003)" in result.stderr
    assert org.w.offers.get(org.name, "1001") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"offers": [\n  {,\n]}', ":2: document: not_json"), ('{"things": []}', ": offers: missing"), ("[[1]]", "offers[0]")],
)
def test_a_document_that_holds_no_offers_says_why(run: Run, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "offers.json"
    file.write_text(text)
    result = run("import", "offers", file)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("email_subject", "", "email_subject: missing (offer 1001)"),
        ("variant", "shouting", "variant: unknown_variant (offer 1001: shouting)"),
        (
            "html_code",
            "<p>{{ offer_url }} {{ offer_url.name }}</p>",
            "html_code: does_not_render (offer 1001: 'str object' has no",
        ),
    ],
)
def test_an_asset_that_cannot_be_used_stops_the_file(
    run: Run, org: Org, tmp_path: Path, member: str, value: str, said: str
) -> None:
    document = _document()
    document["offers"][0]["relationship"]["creatives"]["entries"][1][member] = value
    file = tmp_path / "offers.json"
    file.write_text(json.dumps(document))
    result = run("import", "offers", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f":1: relationship.creatives[1].{said}" in result.stderr and "nothing was imported" in result.stderr
    assert org.w.offers.get(org.name, "1001") is None


def test_the_fields_an_asset_needs_are_a_warning_that_says_how_to_do_without(run: Run, tmp_path: Path) -> None:
    document = _document()
    document["offers"][0]["relationship"]["creatives"]["entries"][0]["email_subject"] = "{{ first_name }}, look"
    file = tmp_path / "offers.json"
    file.write_text(json.dumps(document))
    result = run("import", "offers", file)
    assert (result.exit_code, result.stdout) == (0, "offers: 5 created\n")
    assert result.stderr == (
        f"warning: {file}:1: relationship.creatives[0]: needs_fields (offer 1001: first_name: nobody without is mailed it;"
        " {{ first_name | default('there') }} is for all)\n"
    )


def test_an_advertisers_opt_outs_are_found_in_every_form(run: Run, org: Org, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    md5 = hashlib.md5(b"ben@example.com").hexdigest()
    file.write_text(f"email\nAda@Example.com\n{md5}\n")
    dry = run("import", "suppression", "12", file, "--dry-run")
    assert dry.stdout == "list 12: 2 people (dry run: nothing was written)\n"
    assert org.w.suppression.refreshed_at(org.name, "12") is None
    assert run("import", "suppression", "12", file).stdout == "list 12: 2 people\n"
    assert org.w.suppression.refreshed_at(org.name, "12") == int(NOW.timestamp())
    for address, forbidden in (("ada@example.com", True), ("ben@example.com", True), ("cy@example.com", False)):
        assert org.w.suppression.advertiser_forbids(org.name, "12", address) is forbidden


def test_a_list_with_a_bad_line_is_not_taken_as_fresh(run: Run, org: Org, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("ada@example.com\nwhat is this\n")
    result = run("import", "suppression", "12", file)
    assert result.exit_code == 2
    assert f"{file}:2: line: neither_address_nor_hash" in result.stderr
    assert org.w.suppression.refreshed_at(org.name, "12") is None


@pytest.mark.parametrize("text", ["", "\n\n", "email\n"])
@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_an_opt_out_list_of_nobody_does_not_become_fresh(
    run: Run, org: Org, tmp_path: Path, text: str, how: tuple[str, ...]
) -> None:
    file = tmp_path / "list.txt"
    file.write_text(text)
    result = run("import", "suppression", "12", file, *how)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0] == f"{file}: file: empty"
    assert org.w.suppression.refreshed_at(org.name, "12") is None


def test_a_list_id_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("ada@example.com\n")
    result = run("import", "suppression", "../12", file)
    assert (result.exit_code, result.stderr) == (1, "Error: list_id: not_a_list_id (../12)\n")


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("network_offer_id", "9" * 5_000, "document: not_json"),
        ("network_offer_id", "1e5000", "network_offer_id: wrong_type"),
        ("network_offer_id", "1e999999999", "network_offer_id: wrong_type"),
        ("daily_conversion_cap", "9" * 4_000, "daily_conversion_cap: wrong_type"),
        ("suppression_list_id", "1e5000", "suppression_list_id: wrong_type"),
        ("date_live_until", "1e5000", "date_live_until.str: wrong_type"),
        ("date_live_until", '"9999-12-31T23:59:59-05:00"', "date_live_until: not_a_time"),
        ("date_live_until", '"0001-01-01T00:00:00+05:00"', "date_live_until: not_a_time"),
        ("name", '"\\ud800"', "name: wrong_type"),
        ("relationship", "[" * 20_000 + "]" * 20_000, "document: too_deep"),
    ],
)
def test_absurd_values_are_problems_of_the_file(run: Run, tmp_path: Path, member: str, value: str, said: str) -> None:
    offer = _document()["offers"][0] | {member: "@"}
    file = tmp_path / "offers.json"
    file.write_text(json.dumps([offer]).replace('"@"', value))
    result = run("import", "offers", file)
    assert result.exit_code == 2
    assert said in result.stderr


def test_bytes_that_are_no_text_are_a_problem_of_every_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rubbish"
    file.write_bytes(bytes(range(256)) * 40)
    for arguments in (("offers",), ("subscribers",), ("suppression", "12")):
        result = run("import", *arguments, file)
        assert result.exit_code == 2
        assert f"{file}:2: file: not_utf8" in result.stderr
