"""An org's log on disk and what it is asked: written from a running stack, evaluated, refused with reasons."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner, Result

from revenue_engine.audit import receipts
from revenue_engine.aws.dynamo import commit
from revenue_engine.bundle import dump
from revenue_engine.context import prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.records.controls import Controls
from revenue_engine.services.engage import engage_message
from revenue_engine.snapshot import save_context, save_page
from tests.builders import DAY, NOW, Org
from tests.cli.conftest import Run
from tests.core_cases import T, a_context, many
from tests.e2e.house import MINUTE, ORG, house
from tests.services.test_books import LATER, arrival, booked, report
from tests.ses_events import ses_event
from workbench.cli.connection import Connection
from workbench.cli.main import main
from workbench.logs import Conversion, MailOutcome, read_decisions, read_log, write_conversions, write_outcomes
from workbench.simulation import events

CYCLE = "cycles/main/c/context.json"


# --- export ------------------------------------------------------------------------------------------------------------------
def test_a_log_is_what_was_decided_what_became_of_it_and_the_books(tmp_path: Path) -> None:
    with house(12, by_hand=True, ghost_share=0.2) as made:
        made.cycle()
        clicked, complained, *_ = made.mails
        made.delivered(clicked)
        made.clicked(clicked)
        made.converted(clicked)
        made.publish(events.complaint(complained, complained.at + MINUTE, feedback_id="f"))
        made.plane.http("GET", f"{made.webhook_path}?kind=conversion&transaction_id=t9&payout=3&offer_id=1001&event_id=0&sub1=")
        made.plane.settle()
        connection = Connection(ORG, made.plane.stage, clock=lambda: made.now)
        arguments = ["logs", "export", str(tmp_path / "log"), "--days", "2"]
        shown = CliRunner().invoke(main, arguments, obj=connection)
        assert shown.exit_code == 0, shown.output
        again = CliRunner().invoke(main, arguments, obj=connection)
        decided, sent = made.receipts(), made.mails
    assert shown.stdout == f"1 pages, 1 contexts, 1 bundles, {len(sent)} mails, 2 conversions\n"
    assert "decisions of 2026-03-02" in shown.stderr
    assert (again.exit_code, "folder: not_empty" in again.stderr) == (2, True)

    log = read_log(tmp_path / "log")
    assert list(read_decisions(tmp_path / "log")) == decided
    assert {one["action"] for one in decided} == {"send", "ghost"}
    by_send = {mail.send_id: mail for mail in log.outcomes}
    assert {one["decision_id"] for one in decided if one["mailed"]} == {mail.decision_id for mail in log.outcomes}
    good, bad = by_send[clicked.send_id], by_send[complained.send_id]
    assert (good.delivered, good.human_clicks, good.hard_bounced, good.complained_at) == (True, 1, False, None)
    assert good.first_human_click_at is not None and good.first_human_click_at > good.sent_at
    assert (bad.complained_at, bad.delivered) == ((complained.at + MINUTE).timestamp(), False)
    sales = {sale.send_id: sale for sale in log.conversions}
    assert (sales[clicked.send_id].subscriber, sales[clicked.send_id].provisional_micros) == (good.subscriber, 20_000_000)
    assert (sales[""].state, sales[""].provisional_micros, sales[""].subscriber) == ("provisional", 3_000_000, "")
    for one in decided:
        context = orjson.loads((tmp_path / "log" / one["context"]).read_bytes())
        assert context["cycle_id"] == one["cycle_id"]
    written = b"".join(gzip.decompress(p.read_bytes()) for p in tmp_path.rglob("*.gz"))
    assert b"@" not in written  # nobody's address


def test_only_a_bounce_for_good_is_a_hard_one(run: Run, org: Org, tmp_path: Path) -> None:
    hard, soft = org.mailed(), org.mailed()
    hard, soft = (replace(plan, decision_id=name) for plan, name in ((hard, "hard"), (soft, "soft")))
    engage_message(org.w, ses_event("ses-event-bounce-transient.json", soft), now=NOW)
    engage_message(org.w, ses_event("ses-event-bounce-transient.json", hard), now=NOW)  # tried again, and then
    other = {"send_id": "another mail to the same person", "bounce_type": "Permanent"}
    commit([org.w.timeline.recording(org.name, soft.subscriber, at=LATER, kind="bounce", event_id="o", facts=other)])
    later = {"timestamp": "2026-03-04T14:00:05.669Z", "feedbackId": "another"}
    engage_message(org.w, ses_event("ses-event-bounce-permanent.json", hard, **later), now=NOW)
    assert run("logs", "export", tmp_path / "log").exit_code == 0
    bounced = {mail.send_id: mail.hard_bounced for mail in read_log(tmp_path / "log").outcomes}
    assert bounced == {hard.send_id: True, soft.send_id: False}


def test_what_is_older_than_the_days_is_left_out(run: Run, org: Org, tmp_path: Path) -> None:
    plan = org.mailed()
    commit([org.w.sends.dropping(org.plan("s", decision="d2"), reason="opted_out", now=NOW, day=DAY)])  # it never left
    booked(org, arrival(org, plan), report(org, plan, "c1"))
    for days, wanted in (
        (1, "0 pages, 0 contexts, 0 bundles, 1 mails, 1 conversions"),
        (3, "0 pages, 0 contexts, 0 bundles, 1 mails, 1 conversions"),
    ):
        assert run("logs", "export", tmp_path / str(days), "--days", str(days)).stdout == wanted + "\n"
    (sale,) = read_log(tmp_path / "1").conversions
    assert (sale.send_id, sale.subscriber, sale.state, sale.approved_micros) == (
        plan.send_id, plan.subscriber, "approved", 10_000_001,
    )  # fmt: skip
    connection = Connection(org.name, org.system.stage, clock=lambda: NOW + timedelta(days=2))
    later = ["logs", "export", str(tmp_path / "later"), "--days"]
    assert "0 mails, 0 conversions" in CliRunner().invoke(main, [*later, "2"], obj=connection).stdout


# --- a log of known truth ---------------------------------------------------------------------------------------------------
def a_log(folder: Path, *, people: int = 16_000, contexts: bool = True) -> Path:
    """Two cycles of one state of mind, four days apart. `101/standard` is clicked four times as often as the others."""
    random = np.random.default_rng(3)
    outcomes, lines = [], []
    for number, days in enumerate((0, 4)):
        context = a_context(
            controls=Controls(ghost_share=0.1, epsilon_per_day=0.2, sends_per_minute=1_000),
            now=NOW + timedelta(hours=2, days=days),
        )
        page, cycle = many(people if number == 0 else 20), prepare(context)
        raw = receipts(
            decide_batch(page, cycle),
            page,
            cycle,
            page_key=f"{CYCLE.removesuffix('context.json')}page-0000.npz",
            context_key=CYCLE,
            granted=people,
        )
        lines.append(raw)
        if number == 0:
            path = folder / CYCLE
            path.parent.mkdir(parents=True)
            if contexts:
                path.write_bytes(save_context(context))
                path.with_name("page-0000.npz").write_bytes(save_page(page))
                for name, body in dump(context.bundle).items():
                    place = folder / "models" / context.bundle.version / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(body)
            for one in map(orjson.loads, raw.splitlines()):
                if one["action"] == "send":
                    rate = 0.2 if (one["offer"], one["content"]) == ("101", "standard") else 0.05
                    outcomes.append(mail_of(one, clicked=random.random() < rate))
    (folder / "decisions").mkdir()
    (folder / "decisions" / "a.ndjson.gz").write_bytes(gzip.compress(b"".join(lines)))
    write_outcomes(folder, outcomes)
    write_conversions(folder, [])
    return folder


def mail_of(one: dict[str, Any], *, clicked: bool) -> MailOutcome:
    return MailOutcome(
        one["decision_id"], f"m{one['subscriber']}", one["subscriber"], "engine", one["offer"], one["content"], one["segment"],
        one["provider"], float(T), True, False, 0, int(clicked), T + 60.0 if clicked else None, None, None,
    )  # fmt: skip


def ask(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_log(tmp_path_factory.mktemp("log"))


def test_a_better_arm_is_found_with_its_interval_and_what_it_rests_on(log: Path) -> None:
    said = ask("evaluate", log, "--target", "always:101/standard", "--json")
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    true = 0.2 * 0.02 * 20e6  # clicks, conversions a click, payout
    for method in ("dr", "snips"):
        assert found[method]["lower"] <= true <= found[method]["upper"]
    assert found["gain"]["lower"] > 0
    assert found["played"]["upper"] < found["dr"]["lower"]
    assert found["left_out"] == {"not_matured": 20}
    assert (found["decisions"], found["overlap"]["subscribers"]) == (16_000, 16_000)
    assert 2_000 < found["overlap"]["effective"] < 6_000
    assert found["overlap"]["mean"] == pytest.approx(1, abs=0.1)
    shown = ask("evaluate", log, "--target", "always:101/standard").stdout
    for text in ("doubly robust", "self-normalised", "more than the policy as played", "effective sample", "give --worth"):
        assert text in shown, text


def test_what_the_log_cannot_carry_is_refused_with_a_reason_and_is_an_answer(log: Path, tmp_path: Path) -> None:
    small = ask("evaluate", a_log(tmp_path / "small", people=300), "--target", "even", "--json")
    assert small.exit_code == 0, small.output
    assert json.loads(small.stdout)["dr"]["reason"] == "too_few_effective_samples"
    blind = ask("evaluate", a_log(tmp_path / "blind", people=300, contexts=False), "--target", "greedy", "--json")
    assert blind.exit_code == 0, blind.output
    found = json.loads(blind.stdout)
    assert (found["refused"], found["left_out"]) == (
        "nothing_left_to_chance", {"inputs_missing": 300, "not_matured": 20},
    )  # fmt: skip
    assert "inputs missing" in ask("evaluate", tmp_path / "blind", "--target", "greedy").stdout


def _rubbish(folder: Path, **changes: Any) -> None:
    path = folder / "decisions" / "a.ndjson.gz"
    first, *rest = gzip.decompress(path.read_bytes()).splitlines()
    path.write_bytes(gzip.compress(b"\n".join([orjson.dumps(orjson.loads(first) | changes), *rest])))


@pytest.mark.parametrize(
    ("arguments", "spoil", "field"),
    [
        (("--target", "sometimes"), lambda folder: None, "target: unknown"),
        *(
            (("--target", name), lambda folder: None, "target: unknown (")
            for name in ("always:", "always:101", "always:/", "always:a/b/c")
        ),
        (("--target", "always:9/z"), lambda folder: None, "target: unknown_arm"),
        (("--target", "even", "--worth", "much"), lambda folder: None, "worth: not_a_number"),
        (("--target", "even", "--worth", "-1"), lambda folder: None, "worth: negative"),
        (("--target", "even"), lambda folder: (folder / "outcomes.ndjson.gz").unlink(), "outcomes.ndjson.gz: missing"),
        (("--target", "even"), lambda folder: _rubbish(folder, propensity_joint=2), ": propensity_joint"),
        (("--target", "even"), lambda folder: _rubbish(folder, offer=None), "line: value_error (Value error, off_policy_support"),
        (("--target", "even"), lambda folder: _rubbish(folder, currency="EUR"), "currency: not_one"),
        (("--target", "even"), lambda folder: _rubbish(folder, ts="soon"), "ts: not_a_time"),
        (("--target", "even"), lambda folder: (folder / "decisions" / "b.ndjson").write_text("[1]\n"), "line: not_an_object"),
    ],
)
def test_bad_input_is_named_by_its_field_and_exits_2(
    tmp_path: Path, arguments: tuple[str, ...], spoil: Callable[[Path], None], field: str
) -> None:
    folder = a_log(tmp_path / "log", people=50)
    spoil(folder)
    said = ask("evaluate", folder, *arguments)
    assert said.exit_code == 2
    assert field in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_what_a_mail_adds_is_read_off_a_log_or_refused(tmp_path: Path) -> None:
    """400 ghosts of 4,000; everybody pays two units after a mail, one without."""
    folder = a_log(tmp_path / "log", people=4_000)
    decided = [one for one in read_decisions(folder) if one["ts"].startswith("2026-03-04")]
    write_conversions(
        folder,
        [
            Conversion(
                str(n), "", one["subscriber"], "101", T + 3_600.0, "approved", 0, 2_000_000 if one["mailed"] else 10**6, "USD"
            )
            for n, one in enumerate(decided)
        ],
    )
    said = ask("incremental", folder, "--days", "3", "--json")
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    ghosts = sum(one["ghost"] for one in decided)
    assert (found["sends"], found["ghosts"], found["not_matured"]) == (4_000 - ghosts, ghosts, 20)
    assert found["revenue_micros"]["added"]["value"] == pytest.approx(1_000_000)
    assert found["exits"]["reason"] == "too_few_rewards"
    shown = ask("incremental", folder, "--days", "3").stdout
    for text in ("2.0000", "1.0000", "too_few_rewards", "ghosts"):
        assert text in shown, text
    none = ask("incremental", folder, "--json")
    assert json.loads(none.stdout)["revenue_micros"]["reason"] == "too_few_subscribers"
