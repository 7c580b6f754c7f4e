"""Steering a running system: the switch, the controls, the quarantine, plans that wait, and clear words when something is wrong."""

from __future__ import annotations

import getpass
import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from revenue_engine.aws import names
from revenue_engine.intake.everflow import RawPostback, understand_postback
from revenue_engine.records.controls import Autonomy
from revenue_engine.services import quarantine as quarantining
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.http import Request
from revenue_engine.services.take_postback import take_postback
from tests.builders import NOW, Org
from tests.cli.conftest import Run
from workbench.cli.main import main
from workbench.local.plane import Plane

BUNDLED = Path(__file__).resolve().parents[2] / "workbench" / "data" / "offers.json"


def _postback(org: Org, transaction: str, *, seconds: int = 0, **changes: str) -> None:
    query = {"kind": "conversion", "transaction_id": transaction, "payout": "20", "offer_id": "1001", "sub1": "", "event_id": "0"}
    request = Request("GET", "/", {"org": org.name, "token": org.token}, urlencode(query | changes), {}, "")
    assert take_postback(org.w, request, now=NOW + timedelta(seconds=seconds)).status == 200
    _attribute(org)


def _attribute(org: Org) -> None:
    """What the attribute function does with its queue, for an org that the stack's functions have no grants for."""
    for body in org.drained(names.POSTBACKS_QUEUE_URL):
        attribute_message(org.w, body, now=NOW)


def test_a_postback_of_an_unknown_offer_waits_and_is_booked_once_the_offer_is_there(run: Run, org: Org) -> None:
    _postback(org, "t1")
    _postback(org, "t2", payout="{payout}")
    listed = run("quarantine", "list").stdout
    assert "unknown_offer" in listed and "unreplaced_macro" in listed

    run("import", "offers", BUNDLED)
    assert run("quarantine", "replay", "--all").stdout == "2 queued again\n"
    _attribute(org)
    head = org.w.ledger.head(f"{org.name}#conversion#t1#0")
    assert head is not None and head.position.amounts.provisional_micros == 20_000_000
    # what still cannot be understood stays
    listed = run("quarantine", "list").stdout
    assert "unknown_offer" not in listed and "unreplaced_macro" in listed
    assert "unknown_offer" in run("quarantine", "list", "--replayed").stdout

    assert run("quarantine", "replay", "--all").stdout == "1 queued again\n"
    _attribute(org)
    assert len(org.w.ledger.entries(f"{org.name}#conversion#t1#0")) == 1


def test_a_long_quarantine_is_listed_by_pages(run: Run, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantining, "PAGE", 2)
    for n in range(3):
        _postback(org, f"t{n}", seconds=n)
    newest, _, oldest = (entry["receipt_id"] for entry in org.w.quarantine.newest_first(org.name))
    shown = run("quarantine", "list").stdout
    assert newest in shown and oldest not in shown
    (more,) = [line for line in shown.splitlines() if "--before" in line]
    assert more.startswith("1 more")
    shown = run("quarantine", "list", "--before", more.split()[-1]).stdout
    assert oldest in shown and newest not in shown and "--before" not in shown


def test_one_entry_is_replayed_by_its_receipt(run: Run, org: Org) -> None:
    assert run("quarantine", "list").stdout == "nothing in quarantine\n"
    _postback(org, "t1")
    (entry,) = org.w.quarantine.newest_first(org.name)
    run("import", "offers", BUNDLED)
    assert run("quarantine", "replay", entry["receipt_id"]).stdout == "1 queued again\n"
    _attribute(org)
    assert run("quarantine", "list").stdout == "nothing in quarantine\n"
    again = run("quarantine", "replay", entry["receipt_id"])
    assert again.exit_code == 1
    assert again.stderr == f"Error: receipt: no_open_entry ({entry['receipt_id']})\n"


@pytest.mark.parametrize("arguments", [(), ("abc", "--all")])
def test_replay_wants_one_receipt_or_all(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("quarantine", "replay", *arguments)
    assert result.exit_code == 2
    assert "give a RECEIPT, or --all" in result.stderr


def test_the_switch_is_shown_and_turned(run: Run, org: Org) -> None:
    assert run("autonomy", "show").stdout == "full\n"
    assert run("autonomy", "set", "off").stdout == "off\n"
    assert run("autonomy", "show").stdout == "off\n"
    org.w.parameters.forget()
    assert org.w.parameters.autonomy(org.name) is Autonomy.OFF


def test_the_switch_does_not_take_an_unknown_word(run: Run) -> None:
    result = run("autonomy", "set", "maximum")
    assert (result.exit_code, result.stderr) == (1, "Error: autonomy_unreadable: maximum\n")
    assert run("autonomy", "show").stdout == "full\n"


def test_controls_are_replaced_whole_and_a_value_beyond_its_limit_is_refused_by_name(run: Run, org: Org, tmp_path: Path) -> None:
    file = tmp_path / "controls.json"
    file.write_text(json.dumps({"max_daily_emails": 500, "zone": "Europe/Paris"}))
    assert run("controls", "set", file).stdout == "controls set\n"
    shown = json.loads(run("controls", "show").stdout)
    assert (shown["max_daily_emails"], shown["zone"], shown["min_hours_between_emails"]) == (500, "Europe/Paris", 24)
    file.write_text(json.dumps({"min_hours_between_emails": 1}))
    refused = run("controls", "set", file)
    assert refused.exit_code == 1
    assert "controls_unreadable: min_hours_between_emails" in refused.stderr
    assert json.loads(run("controls", "show").stdout)["max_daily_emails"] == 500


def test_controls_with_a_rate_of_a_day_to_come_are_refused_by_name(run: Run, tmp_path: Path) -> None:
    file, before = tmp_path / "controls.json", run("controls", "show").stdout
    file.write_text(json.dumps({"fx_rates": {"EUR": {"rate": "1.08", "as_of": "2026-03-05"}}}))
    refused = run("controls", "set", file)
    assert (refused.exit_code, refused.stderr) == (1, "Error: fx_rates.EUR.as_of: in_the_future (2026-03-05)\n")
    assert run("controls", "show").stdout == before
    file.write_text(json.dumps({"zone": "Pacific/Kiritimati", "fx_rates": {"EUR": {"rate": "1.08", "as_of": "2026-03-05"}}}))
    assert run("controls", "set", file).stdout == "controls set\n"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('{"same_offer_gap_days": 30, "zone": "UTC"}', "same_offer_gap_days: at most 14"),
        ('{"sender": {"reply_to": "Help <help@x.example>"}}', "sender.reply_to: Value error, not_an_address"),
        ('{"zone": "UTC", "zone": "Europe/Paris"}', "zone: given twice"),
        ("{", "document: Invalid JSON"),
    ],
)
def test_controls_that_are_refused_are_shown_as_they_stand_and_why(run: Run, org: Org, document: str, reason: str) -> None:
    org.w.parameters.put(names.controls_parameter(org.w.stage, org.name), document)
    shown = run("controls", "show")
    assert (shown.exit_code, shown.stdout) == (1, document + "\n")
    assert shown.stderr.startswith("Error: controls_unreadable: ") and reason in shown.stderr


def test_init_again_changes_nothing(run: Run, org: Org) -> None:
    key = org.key
    assert run("init").stdout == "nothing: everything was there\n"
    org.w.parameters.forget()
    assert org.key == key


def test_init_shows_the_postback_address_once(system: Plane, org: Org) -> None:
    org.w.parameters.put(names.autonomy_parameter(org.w.stage, f"{org.name}-new"), "off")  # as a stack makes it
    made = CliRunner().invoke(main, ["--org", f"{org.name}-new", "init"])
    assert made.exit_code == 0
    conversion, event = made.stdout.splitlines()[-2:]
    for url, kind in ((conversion, "conversion"), (event, "event")):
        assert url.startswith("https://") and f"/everflow/v1/{org.name}-new/" in url
        # rendered as Everflow renders it, the engine understands it
        rendered = re.sub(r"{(\w+)}", lambda macro: {"payout_amount": "32.5", "event_id": "77"}.get(macro[1], "1042"), url)
        arrival = understand_postback(RawPostback("r1", org.name, NOW, "GET", rendered.partition("?")[2], "", ""))
        assert (arrival.kind, arrival.payout_micros, arrival.sub1) == (kind, 32_500_000, "1042")
    assert "/everflow/" not in CliRunner().invoke(main, ["--org", f"{org.name}-new", "init"]).stdout


def test_plans_that_wait_are_listed_approved_and_rejected(run: Run, org: Org) -> None:
    assert run("approvals", "list").stdout == "no plans\n"
    facts = {
        "approval_id": "p1",
        "status": "waiting",
        "valid_until": 1_772_640_000,
        "sends": 3,
        "predicted_revenue_micros": 123_456,
        "groups": [
            {
                "offer": "1042",
                "offer_name": "Loans",
                "variant": "soft",
                "subject": "Any time",
                "segment": "quiet",
                "sends": 2,
                "predicted_revenue_micros": 90_000,
            },
            {"smaller_groups": 1, "sends": 1, "predicted_revenue_micros": 33_456},
        ],
    }
    org.w.control.put_approval(org.name, "p1", facts)
    org.w.control.note_reasons(org.name, "p1", ["new_offer", "unusual_volume"])
    listed = run("approvals", "list").stdout
    assert "p1" in listed and "waiting" in listed and "0.12 USD" in listed and "new_offer" in listed
    shown = run("approvals", "show", "p1").stdout
    for word in (
        "1042 Loans",
        "soft",
        "Any time",
        "quiet",
        "0.09 USD",
        "and 1 sends in 1 smaller groups, 0.033456 USD",
        "not routine: new_offer, unusual_volume",
    ):
        assert word in shown
    assert run("approvals", "show", "p2").stderr.startswith("Error: plan: unknown (p2")
    assert run("approvals", "reject", "p1").stdout == "rejected\n"
    for plan, why in (("p1", f"rejected by {getpass.getuser()}"), ("p2", "unknown")):
        again = run("approvals", "approve", plan)
        assert (again.exit_code, again.stderr) == (1, f"Error: does_not_wait: {plan}: {why}\n")


def test_plans_are_read_while_the_controls_are_refused_for_something_else(run: Run, org: Org) -> None:
    facts = {"status": "waiting", "valid_until": 1_772_640_000, "sends": 3, "predicted_revenue_micros": 123_456, "groups": []}
    org.w.control.put_approval(org.name, "p1", {"approval_id": "p1"} | facts)
    org.set_controls(currency="EUR", zone="Mars/Base")
    assert "0.12 EUR" in run("approvals", "list").stdout
    shown = run("approvals", "show", "p1")
    assert shown.exit_code == 0 and "is not known: controls_unreadable" in shown.stdout
    org.set_controls(currency="XYZ")
    refused = run("approvals", "list")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: controls_unreadable: currency: ")


def test_a_stage_that_is_not_there_is_one_clear_line(system: Plane) -> None:
    result = CliRunner().invoke(main, ["--stage", "nowhere", "status"])
    assert result.exit_code == 1
    assert result.stderr == "Error: stage_unknown: no parameter /revenue-engine/nowhere/environment in this account and region\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("autonomy", "set", "off"),
        ("autonomy", "show"),
        ("controls", "set", "FILE.json"),
        ("import", "subscribers", "FILE.csv"),
        ("import", "subscribers", "FILE.csv", "--dry-run"),
        ("import", "offers", str(BUNDLED)),
        ("import", "suppression", "7", "FILE.txt"),
        ("init",),
        ("secret", "rotate"),
        ("status",),
    ],
)
def test_a_mistyped_org_is_refused_by_name_and_nothing_is_made_for_it(
    system: Plane, org: Org, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    for name, text in {
        "FILE.csv": "email,status\nada@example.com,unsubscribed\n",
        "FILE.json": "{}",
        "FILE.txt": "ada@example.com\n",
    }.items():
        (tmp_path / name).write_text(text)
    given = [str(tmp_path / word) if word.startswith("FILE") else word for word in arguments]
    result = CliRunner().invoke(main, ["--org", "mian", *given])
    switch = names.autonomy_parameter("dev", "mian")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: org_unknown: no parameter {switch}; the stack's org is main\n"
    root = {"Path": switch.rpartition("/")[0], "Recursive": True}
    assert system.client("ssm").get_parameters_by_path(**root)["Parameters"] == []


def test_the_stacks_own_switch_can_be_made_again(system: Plane, org: Org) -> None:
    """Whatever became of the parameter: the switch goes off."""
    name = names.autonomy_parameter("dev", "main")
    before = system.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    system.client("ssm").delete_parameter(Name=name)
    assert CliRunner().invoke(main, ["autonomy", "set", before]).stdout == f"{before}\n"
    assert system.client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--org", org) for org in ("", "No Such", "a" * 33)),
        *(("--endpoint-url", url) for url in ("banana", "", "http://", "http://[")),
    ],
)
def test_what_can_name_no_org_and_no_address_is_said_before_anything_is_asked(option: str, value: str) -> None:
    result = CliRunner().invoke(main, [option, value, "status"])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr


def test_a_contradicting_postback_is_listed_with_both_amounts(run: Run, org: Org) -> None:
    run("import", "offers", BUNDLED)
    _postback(org, "t1")
    _postback(org, "t1", seconds=1, payout="25")
    listed = run("quarantine", "list").stdout
    assert "contradicts_booked_amount" in listed
    assert "25000000 micros USD, booked are 20000000 micros USD" in listed
    assert run("quarantine", "replay", "--all").stdout == "1 queued again\n"
    _attribute(org)
    assert "contradicts_booked_amount" in run("quarantine", "list").stdout


def test_a_postback_that_was_cut_is_listed_and_not_replayed(run: Run, org: Org) -> None:
    _postback(org, "t1", note="x" * 20_000)
    assert "too_long" in run("quarantine", "list").stdout
    (entry,) = org.w.quarantine.newest_first(org.name)
    assert run("quarantine", "replay", "--all").stdout == "0 queued again\n"
    refused = run("quarantine", "replay", entry["receipt_id"])
    assert refused.exit_code == 1
    assert refused.stderr == "Error: too_long: only the beginning of this request was kept; the report books what it meant\n"
    assert org.drained(names.POSTBACKS_QUEUE_URL) == []


def test_a_person_closes_the_breaker_under_a_name(run: Run, org: Org) -> None:
    org.w.control.trip(org.name, reason="bounce_rate", now=NOW)
    assert run("breaker", "close").stdout == "breaker closed\n"
    breaker = org.w.control.breaker(org.name)
    assert breaker is not None
    assert (breaker["state"], breaker["reason"]) == ("closed", f"closed by {getpass.getuser()}")
    parameter = names.breaker_parameter(org.w.stage, org.name)
    assert org.system.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"] == "closed"
    again = run("breaker", "close")
    assert (again.exit_code, again.stderr) == (1, "Error: breaker: not_open (nothing is changed)\n")


@pytest.mark.parametrize("document", [b"\xff\xfe{", b"[" * 20_000, b'{"max_daily_emails": ' + b"9" * 5_000 + b"}", b"[]"])
def test_a_controls_file_that_is_none_is_refused_in_one_line(run: Run, tmp_path: Path, document: bytes) -> None:
    file = tmp_path / "controls.json"
    file.write_bytes(document)
    refused = run("controls", "set", file)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("Error: ")
