"""Single decisions explained from the stored record, and whole cycles decided again, on the local plane."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from revenue_engine import __version__
from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import from_epoch, iso_millis
from revenue_engine.errors import BadInput
from revenue_engine.services.explain import explain_decisions
from revenue_engine.services.replay import replay_cycle
from tests.e2e.house import ORG, House, house
from workbench.cli.connection import Connection
from workbench.cli.main import main

CYCLE = "20260302T1400"


@pytest.fixture(scope="module")
def made() -> Iterator[House]:
    """A cycle over thirty people, half of whom the day's budget mails on a Monday, and on Wednesday another: they wait for it."""
    with house(30, by_hand=True, max_daily_emails=15) as one:
        one.cycle()
        one.run(48 * 60 - 15)
        one.cycle()
        yield one


def command(made: House, *arguments: str, columns: int = 200) -> Result:
    connection = Connection(ORG, made.plane.stage, clock=made.plane.clock.now)
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(main, list(arguments), obj=connection)


def test_a_receipt_names_its_mail_and_no_other_does(made: House) -> None:
    mailed = {r["send_id"]: r for r in made.receipts() if r["mailed"]}
    assert {mail.tags["send_id"] for mail in made.mails} == set(mailed)
    assert {r["send_id"] for r in made.receipts() if not r["mailed"]} == {None}
    assert {r["decision_type"] for r in made.receipts()} == {"autonomous_send"}
    sends = {key: made.w.sends.get(key) for key in mailed}
    assert all(send is not None and send["decision_id"] == mailed[key]["decision_id"] for key, send in sends.items())


def test_a_send_is_explained_with_what_became_of_it(made: House) -> None:
    send_id = made.mails[0].tags["send_id"]
    (found,) = explain_decisions(made.w, ORG, send_id, last=3)
    assert found.record["send_id"] == send_id
    assert found.send is not None
    assert found.send["state"] == "SENT"
    said = command(made, "explain", send_id)
    assert said.exit_code == 0
    for word in ("propensity", "runner-up", "below_shadow_price", "passed", "what would have changed it", "sent_at"):
        assert word in said.output
    assert "@" not in said.output  # P4


def test_a_subscribers_decisions_are_explained_newest_first(made: House) -> None:
    subscriber = next(r["subscriber"] for r in made.receipts() if r["reason"] == "daily_limit_reached")
    found = explain_decisions(made.w, ORG, subscriber, last=10)
    stored = sorted((r["ts"] for r in made.receipts() if r["subscriber"] == subscriber), reverse=True)
    assert [one.record["ts"] for one in found] == stored
    assert len(stored) == 2
    assert len(explain_decisions(made.w, ORG, subscriber, last=1)) == 1
    cut = next(one for one in found if one.record["reason"] == "daily_limit_reached")
    placed = {r["row_index_micros"] for r in made.receipts() if r["page"] == cut.record["page"] and r["mailed"]}
    assert placed == {cut.record["row_index_micros"]}, "all are alike on this list"
    (rank,) = (one for one in cut.steps if one.what == "place by rank")
    assert rank.detail.endswith("is that of the last one placed, equals go by lot")
    document = json.loads(command(made, "explain", subscriber, "--json").output)
    assert [one["record"] for one in document] == [one.record for one in found]


def test_all_offers_of_a_decision_are_shown_with_what_is_known_of_them(made: House) -> None:
    mailed = next(r for r in made.receipts() if r["mailed"])
    cell = {"offer": mailed["offer"], "variant": mailed["content"], "segment": mailed["segment"]}
    for day in ("2026-03-01", "2026-03-31"):
        counted = {"deliveries": 50, "clicks": 4}
        commit([made.w.offers.adding_evidence(ORG, day=day, **cell, amounts=counted)])
    (one,) = json.loads(command(made, "explain", mailed["send_id"], "--offers", "--json").output)
    offers = {of["offer"]: of for of in one["offers"]}
    assert set(offers) == {offer.offer for offer in made.w.offers.catalogue(ORG)}
    own = offers[mailed["offer"]]
    assert own["propensity"] == pytest.approx(mailed["propensity_offer"]) and own["ineligible"] is None
    scores = [of["expected"]["score_micros"] for of in one["offers"] if of["ineligible"] is None]
    assert scores == sorted(scores, reverse=True)
    (known,) = (of for of in one["stats"] if (of["offer"], of["variant"]) == (mailed["offer"], mailed["content"]))
    assert known["segment"] == mailed["segment"]
    assert (known["total_deliveries"], known["total_clicks"], known["click_rate"]) == (50, 4, 0.08), (
        "what came after it is no part"
    )
    shown = command(made, "explain", mailed["send_id"], "--offers")
    assert shown.exit_code == 0
    for word in ("best first", "of topics", "exposure", "EPM", mailed["offer_name"]):
        assert word in shown.output
    assert "best first" not in command(made, "explain", mailed["send_id"]).output
    assert "@" not in shown.output  # P4
    narrow = command(made, "explain", mailed["send_id"], "--offers", columns=80).output
    assert max(map(len, narrow.splitlines())) <= 80
    assert all(
        any(word in line for line in narrow.splitlines()) for word in ("P(click)", "propensity", "affinity", "conversions")
    )
    assert f"sent_at {iso_millis(from_epoch(made.w.sends.get(mailed['send_id'])['sent_at']))}" in shown.output  # type: ignore[index]


def test_what_is_neither_send_nor_subscriber_is_said_so(made: House) -> None:
    with pytest.raises(BadInput, match="unknown"):
        explain_decisions(made.w, ORG, "a" * 26, last=1)
    for name in ("nobody", "", "a" * 3_000):
        said = command(made, "explain", name)
        assert (said.exit_code, said.stderr) == (1, "Error: name: unknown (neither a send nor a subscriber of this org)\n")


def test_a_cycle_replays_bit_for_bit(made: House) -> None:
    found = replay_cycle(made.w, ORG, CYCLE)
    assert (found.pages, found.rows, found.same) == (1, 30, True)
    said = command(made, "replay", CYCLE)
    assert (said.exit_code, said.output) == (0, "30 rows in 1 pages decided again: bit for bit the same\n")
    assert command(made, "replay", "20260302T1300").exit_code == 1


def test_a_difference_is_counted_by_field_and_ends_with_1(made: House) -> None:
    key = next(key for key in made.w.decisions.keys("decisions/") if CYCLE in key)
    stored = made.w.decisions.get(key)
    assert stored is not None
    lines: list[dict[str, Any]] = [json.loads(line) for line in gzip.decompress(stored).splitlines()]
    lines[3]["reason"], lines[4]["reason"], lines[4]["p_click"] = "holdout", "ghost", 0.5
    put(made, key, gzip.compress(b"\n".join(json.dumps(line, separators=(",", ":")).encode() for line in lines) + b"\n"))
    try:
        found = replay_cycle(made.w, ORG, CYCLE)
        assert found.fields["reason"] == 2
        assert found.fields["p_click"] == 1
        assert "'holdout', now" in found.examples["reason"]
        said = command(made, "replay", CYCLE)
        assert said.exit_code == 1
        assert "reason: 2 rows differ" in said.output
        assert (
            f"NumPy: {np.__version__} decided then, the same now\ncode: {__version__} decided then, the same now\n" in said.output
        )
        decided_elsewhere(made, numpy="1.26.4", code_version="0.0.1")
        said = command(made, "replay", CYCLE)
        assert f"NumPy: 1.26.4 decided then, {np.__version__} now\ncode: 0.0.1 decided then, {__version__} now\n" in said.output
    finally:
        put(made, key, stored)
        decided_elsewhere(made, numpy=np.__version__, code_version=__version__)


def test_a_page_that_was_never_decided_or_has_lost_its_inputs_is_no_replay(made: House) -> None:
    page = f"cycles/{ORG}/{CYCLE}/page-0000.npz"
    stored = made.w.decisions.get(page)
    assert stored is not None
    put(made, page.replace("0000", "0007"), stored)
    made.plane.client("s3").delete_object(Bucket=made.w.decisions.name, Key=page)
    try:
        found = replay_cycle(made.w, ORG, CYCLE)
        assert set(found.missing) == {page, page.replace("0000", "0007")}
        assert not found.same
    finally:
        put(made, page, stored)
        made.plane.client("s3").delete_object(Bucket=made.w.decisions.name, Key=page.replace("0000", "0007"))


def decided_elsewhere(made: House, **versions: str) -> None:
    key = f"cycles/{ORG}/{CYCLE}/context.json"
    put(made, key, json.dumps(json.loads(made.w.decisions.get(key) or b"") | versions).encode())


def put(made: House, key: str, body: bytes) -> None:
    made.plane.client("s3").put_object(Bucket=made.w.decisions.name, Key=key, Body=body)
