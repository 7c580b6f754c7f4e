"""`import subscribers`: whole files or nothing, problems by line, never an opt-out undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Org
from tests.cli.conftest import Run
from workbench.local.plane import Plane

HEADER = "email,first_name,zone,consent_source,consent_at,status\n"
GOOD = "ada@example.com,Ada,Europe/Paris,shop,2026-01-01,\n"
OTHER = "ben@example.com,Ben,,shop,2026-01-01,\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def _people(org: Org, system: Plane) -> int:
    """How many person items the org has."""
    table = org.w.subscribers.table.name
    items = system.client("dynamodb").scan(TableName=table)["Items"]
    return sum(item.get("org", {}).get("S") == org.name and "row" in item for item in items)


def test_a_good_file_is_imported_and_importing_it_again_changes_nothing(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER + GOOD + OTHER)
    first = run("import", "subscribers", file)
    assert (first.exit_code, first.stdout) == (0, "subscribers: 2 created\n")
    again = run("import", "subscribers", file)
    assert (again.exit_code, again.stdout) == (0, "subscribers: 2 unchanged\n")
    assert _people(org, system) == 2
    person = org.person(org.subscriber("ada@example.com"))
    assert (person["zone"], person["profile"], person["consent_source"]) == ("Europe/Paris", {"first_name": "Ada"}, "shop")


def test_changed_facts_are_updated_and_nobody_is_doubled(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER + GOOD)
    run("import", "subscribers", file)
    file.write_text(HEADER + "ADA@Example.com,Adela,Europe/Berlin,shop,2026-01-01,\n")
    assert run("import", "subscribers", file).stdout == "subscribers: 1 updated\n"
    assert _people(org, system) == 1
    assert org.person(org.subscriber("ada@example.com"))["profile"] == {"first_name": "Adela"}


def test_any_bad_line_stops_the_whole_file_and_is_named(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER + GOOD + "not an address,X,,shop,2026-01-01,\n" + "cy@example.com,Cy,Mars/Base,shop,2026-01-01,\n")
    result = run("import", "subscribers", file)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[:2] == [
        f"{file}:3: email: not_an_address",
        f"{file}:4: zone: unknown_time_zone (Mars/Base)",
    ]
    assert "2 problems, nothing was imported" in result.stderr
    assert _people(org, system) == 0


def test_bad_lines_are_skipped_when_asked_for_and_still_named(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER + GOOD + "not an address,X,,shop,2026-01-01,\n" + OTHER)
    result = run("import", "subscribers", file, "--skip-bad-lines")
    assert (result.exit_code, result.stdout) == (0, "subscribers: 2 created, 1 bad lines skipped\n")
    assert f"skipped: {file}:3: email: not_an_address" in result.stderr
    assert _people(org, system) == 2


def test_a_dry_run_says_what_would_happen_and_writes_nothing(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER + GOOD)
    run("import", "subscribers", file)
    file.write_text(HEADER + GOOD + OTHER + "cy@example.com,Cy,,,,unsubscribed\n")
    result = run("import", "subscribers", file, "--dry-run")
    assert result.stdout == "subscribers: 1 known, 1 new, 1 opted out (dry run: nothing was written)\n"
    assert _people(org, system) == 1


def test_an_import_never_resurrects_an_opt_out(run: Run, file: Path, org: Org) -> None:
    file.write_text(HEADER + GOOD)
    run("import", "subscribers", file)
    file.write_text(HEADER + "ada@example.com,Ada,,,,unsubscribed\n")
    assert run("import", "subscribers", file).stdout == "subscribers: 1 opted out\n"
    file.write_text(HEADER + GOOD)
    assert run("import", "subscribers", file, "--dry-run").stdout.startswith("subscribers: 1 opted out")
    assert run("import", "subscribers", file).stdout == "subscribers: 1 opted out\n"
    assert org.person(org.subscriber("ada@example.com"))["status"] == "unsubscribed"


@pytest.mark.parametrize("line", ["ada@example.com,Ada,,,,unsubscribed,\n", "ada@example.com,Ada,unsubscribed\n"])
def test_a_broken_line_that_says_an_opt_out_opts_out(run: Run, file: Path, org: Org, line: str) -> None:
    file.write_text(HEADER + GOOD)
    run("import", "subscribers", file)
    file.write_text(HEADER + line)
    warning = f"warning: {file}:2: row: ragged_opt_out ({line.count(',') + 1} cells instead of 6, taken as unsubscribed)\n"
    dry = run("import", "subscribers", file, "--dry-run")
    assert (dry.stdout, dry.stderr) == ("subscribers: 1 opted out (dry run: nothing was written)\n", warning)
    taken = run("import", "subscribers", file)
    assert (taken.stdout, taken.stderr) == ("subscribers: 1 opted out\n", warning)
    person = org.person(org.subscriber("ada@example.com"))
    assert (person["status"], person["profile"]) == ("unsubscribed", {"first_name": "Ada"})


def test_opt_outs_are_imported_while_the_controls_are_refused(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER + GOOD)
    run("import", "subscribers", file)
    org.set_controls(zone="Mars/Base")
    out = HEADER + "ada@example.com,,,,,unsubscribed\n" + "cy@example.com,,,,,complained\n"
    file.write_text(out + OTHER)
    dry = run("import", "subscribers", file, "--dry-run")
    assert _people(org, system) == 1
    refused = run("import", "subscribers", file)
    assert (refused.exit_code, refused.stdout) == (dry.exit_code, dry.stdout) == (1, "")
    assert refused.stderr.startswith("Error: controls_unreadable: zone: ")
    assert refused.stderr.endswith(": 2 opt-outs are taken, nobody else is imported (1)\n")
    assert dry.stderr == refused.stderr.rstrip() + " (dry run: nothing was written)\n"
    assert _people(org, system) == 2
    statuses = [org.person(org.subscriber(f"{who}@example.com"))["status"] for who in ("ada", "cy")]
    assert statuses == ["unsubscribed", "complained"]
    assert all(org.w.suppression.is_suppressed(org.name, org.address_hash(f"{who}@example.com")) for who in ("ada", "cy"))
    file.write_text(out)
    dry = run("import", "subscribers", file, "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "subscribers: 2 opted out (dry run: nothing was written)\n")
    again = run("import", "subscribers", file)
    assert (again.exit_code, again.stdout) == (0, "subscribers: 2 opted out\n")


def test_columns_are_mapped_and_consent_may_be_given_for_the_file(run: Run, file: Path, org: Org) -> None:
    file.write_text("E-Mail,Vorname\nada@example.com,Ada\n")
    refused = run("import", "subscribers", file, "--map", "email=E-Mail")
    assert refused.exit_code == 2
    assert f"{file}:2: consent_source: no_recorded_consent" in refused.stderr
    mapped = ("--map", "email=E-Mail", "--map", "first_name=Vorname", "--map", "profile.name=Vorname")
    result = run("import", "subscribers", file, *mapped, "--consent-source", "fair 2026", "--consent-at", "2026-02-01")
    assert result.stdout == "subscribers: 1 created\n"
    assert org.person(org.subscriber("ada@example.com"))["profile"] == {"first_name": "Ada", "name": "Ada"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1: header: empty_file"),
        (b"name\nAda\n", ":1: email: missing_column (email)"),
        ("email\nada@example.com\nz\xfc\n".encode("latin-1"), ":3: file: not_utf8"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_says_why(run: Run, file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    result = run("import", "subscribers", file)
    assert result.exit_code == 2
    assert f"{file}{said}" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--map", "email"), "--map: not_ours_equals_theirs (email)"),
        (("--map", "email=a", "--map", "email=b"), "--map: duplicate_column (email=b)"),
        (("--consent-at", "yesterday"), "--consent-at: not_a_time (yesterday)"),
        (("--consent-at", "0001-01-01T00:00+05:00"), "--consent-at: out_of_range (0001-01-01T00:00+05:00)"),
    ],
)
def test_a_bad_option_is_named(run: Run, file: Path, arguments: tuple[str, ...], said: str) -> None:
    file.write_text(HEADER + GOOD)
    result = run("import", "subscribers", file, *arguments)
    assert (result.exit_code, result.stderr) == (1, f"Error: {said}\n")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "1969-12-31", "2026-03-06"])
@pytest.mark.parametrize("column", ["created_at", "consent_at"])
def test_a_time_that_cannot_be_kept_is_a_bad_line(run: Run, file: Path, org: Org, system: Plane, column: str, time: str) -> None:
    file.write_text(f"email,{column}\nada@example.com,{time}\n")
    result = run("import", "subscribers", file, "--consent-source", "fair", "--consent-at", "2026-02-01")
    assert result.exit_code == 2
    reason = "in_the_future" if time == "2026-03-06" else "out_of_range"
    assert f"{file}:2: {column}: {reason} ({time})" in result.stderr
    assert _people(org, system) == 0


def test_columns_that_are_not_read_are_named(run: Run, file: Path, org: Org) -> None:
    file.write_text("email,Consent,Vorname\nada@example.com,no,Ada\n")
    consent = ("--consent-source", "fair", "--consent-at", "2026-02-01")
    result = run("import", "subscribers", file, *consent, "--dry-run")
    assert result.exit_code == 0
    said = "columns_ignored ('Consent', 'Vorname'; --map reads a column under another name)"
    assert result.stderr == f"warning: {file}:1: header: {said}\n"
    mapped = run("import", "subscribers", file, *consent, "--map", "consent=Consent", "--map", "first_name=Vorname")
    assert mapped.exit_code == 2
    assert f"{file}:2: consent: no_consent" in mapped.stderr
    assert "warning" not in mapped.stderr


def test_who_did_not_consent_is_left_out_of_the_others_import(run: Run, file: Path, org: Org, system: Plane) -> None:
    file.write_text(HEADER.replace("status", "consent") + GOOD.strip() + "Yes\n" + OTHER.strip() + "no\n")
    assert run("import", "subscribers", file).exit_code == 2
    result = run("import", "subscribers", file, "--skip-bad-lines")
    assert result.stdout == "subscribers: 1 created, 1 bad lines skipped\n"
    assert _people(org, system) == 1
