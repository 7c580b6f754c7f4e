"""`person export` and `person erase`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.builders import Org
from tests.cli.conftest import Run

PAT = "pat@recipient.example"


def test_a_persons_data_goes_to_the_screen_or_a_file(run: Run, org: Org, tmp_path: Path) -> None:
    org.add_person(PAT)
    shown = json.loads(run("person", "export", PAT).stdout)
    assert (shown["person"]["address"], shown["person"]["consent_source"]) == (PAT, "form")
    assert run("person", "export", PAT, "--out", tmp_path / "pat.json").stdout == ""
    assert json.loads((tmp_path / "pat.json").read_text()) == shown


def test_erasing_asks_first_and_says_what_it_did(run: Run, org: Org) -> None:
    org.add_person(PAT)
    assert run("person", "erase", PAT, input="n\n").exit_code == 1
    assert json.loads(run("person", "export", PAT).stdout)["person"] is not None
    assert run("person", "erase", PAT, input="y\n").stdout.endswith("erased\n")
    assert run("person", "erase", PAT, "--yes").stdout == "nobody by this address; it will not be mailed all the same\n"
    again = run("person", "export", PAT)
    assert json.loads(again.stdout)["person"] is None
    assert again.stderr == "nobody by this address; it is on the list of those never mailed (erased)\n"


def test_what_is_no_address_is_refused(run: Run) -> None:
    refused = run("person", "erase", "pat", "--yes")
    assert (refused.exit_code, refused.stderr.startswith("Error: email")) == (1, True)
