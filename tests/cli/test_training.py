"""`train`: from the stack's stores and from an exported log, the same mails teach the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from revenue_engine.bundle import load
from revenue_engine.services.models import champion
from revenue_engine.services.status import status
from tests.e2e.house import ORG, House, house
from workbench.cli.connection import Connection
from workbench.cli.main import main

PEOPLE = 30


@pytest.fixture(scope="module")
def made() -> Iterator[House]:
    """Thirty people were mailed; ten clicked, two bought, and one sale was of a machine's click."""
    with house(PEOPLE, by_hand=True) as made:
        made.run(15)
        made.cycle()
        for number, mail in enumerate(made.mails):
            if number < PEOPLE - 2:
                made.delivered(mail)
            if number < 10:
                made.clicked(mail)
            if number < 2:
                made.converted(mail)
        yield made


def ask(made: House, *arguments: str | Path, days: int = 17) -> Result:
    connection = Connection(ORG, made.plane.stage, clock=lambda: made.now + timedelta(days=days))
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(each) for each in arguments], obj=connection)


def test_the_stack_s_stores_teach_and_the_verdict_is_shown(made: House) -> None:
    before = champion(made.w, ORG)
    said = ask(made, "train")
    assert said.exit_code == 0, said.output
    assert "too few clicks for rates" in said.stdout
    assert f"the champion stays: {before.version}" in said.stdout
    assert "28 delivered mails" in said.stderr
    assert not [line for line in said.stdout.splitlines() if line.startswith("{")]  # logs and metrics are not for people
    report = made.w.bundles.last_report(ORG)
    assert report is not None
    assert (report["promoted"], report["mails"]) == (
        None,
        {"learned_from": 22, "tested_on": 6, "censored": 0, "not_delivered": 2},
    )
    for one in report["candidates"]:
        assert load(made.w.bundles.files(ORG, one["version"])).manifest.metrics == one["metrics"]
    shown = status(made.w, ORG, now=made.now)["training"]["funnel"]
    assert (shown["promoted"], shown["drift"], shown["kept_aside"]["kept"]) == (None, [], ["too_few_clicks"])


def test_a_fortnight_must_be_over_before_a_mail_teaches(made: House) -> None:
    assert ask(made, "train", days=13).exit_code == 0
    report = made.w.bundles.last_report(ORG)
    assert report is not None and report["mails"]["censored"] == report["mails"]["not_matured"] == 28
    assert report["mails"]["learned_from"] == report["mails"]["tested_on"] == 0


def test_an_exported_log_teaches_the_same(made: House, tmp_path: Path) -> None:
    exported = ask(made, "logs", "export", tmp_path / "log", "--days", "30", "--inputs")
    assert exported.exit_code == 0, exported.output
    said = ask(made, "train", tmp_path / "log", "--out", tmp_path / "bundles")
    assert said.exit_code == 0, said.output
    # the log knows up to its last decision: all its mails are younger than a fortnight
    assert "28 delivered mails" in said.stderr
    (bundle,) = (tmp_path / "bundles").iterdir()
    assert load({path.name: path.read_bytes() for path in bundle.iterdir()}).version == bundle.name
    assert "the champion stays" in said.stdout


def test_a_log_without_inputs_is_refused_with_what_to_do(made: House, tmp_path: Path) -> None:
    assert ask(made, "logs", "export", tmp_path / "log", "--days", "30").exit_code == 0
    said = ask(made, "train", tmp_path / "log")
    assert (said.exit_code, "evidence.ndjson.gz: missing" in said.stderr, "--inputs" in said.stderr) == (2, True, True)


@pytest.mark.parametrize("bundle", [{"version": "as engines before wrote it", "rates": {}}, "0" * 32])
def test_a_context_whose_bundle_cannot_be_had_is_exported_and_counted(made: House, tmp_path: Path, bundle: object) -> None:
    (key,) = made.w.decisions.keys(f"cycles/{ORG}/2")[:1]
    stored = made.object(key)
    made.w.decisions.put(key, json.dumps(json.loads(stored) | {"bundle": bundle}).encode())
    exported = ask(made, "logs", "export", tmp_path / "log", "--days", "30", "--inputs")
    made.w.decisions.put(key, stored)
    assert exported.exit_code == 0, exported.output
    assert "1 contexts, 0 bundles" in exported.stdout and "1 contexts without a bundle" in exported.stdout


def test_before_the_first_mail_there_is_no_value_model_and_no_table_of_none(made: House) -> None:
    said = ask(made, "train", "--value", days=-30)
    assert said.exit_code == 0, said.output
    assert "fitting 0 mails of 0 whole days" in said.stderr
    assert "no value model" in said.stdout and "bundles" not in said.stdout


def test_out_belongs_to_a_log(made: House, tmp_path: Path) -> None:
    assert ask(made, "train", "--out", tmp_path).exit_code == 2


def test_the_report_is_json_beside_the_bundle(made: House) -> None:
    ask(made, "train")
    report = made.w.bundles.last_report(ORG)
    assert report is not None
    for one in report["candidates"]:
        raw = made.w.bundles.bucket.get(f"models/{ORG}/{one['version']}/report.json")
        assert raw is not None and json.loads(raw) == report
