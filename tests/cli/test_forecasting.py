"""`revenue-engine forecast`: what groups of a log's sends will bring, from its own receipts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from revenue_engine.services import approvals, cycle_inputs
from tests.cli.test_evidence import a_log, ask
from tests.core_cases import T
from tests.e2e.house import ORG, House, house
from workbench.logs import Conversion, read_decisions, write_conversions
from workbench.logs.export import export


def sends(folder: Path) -> list[dict[str, Any]]:
    return [one for one in read_decisions(folder) if one["mailed"]]


def test_groups_are_those_that_were_asked_for_and_add_up_to_what_receipts_expect(tmp_path: Path) -> None:
    folder = a_log(tmp_path / "log", people=2_000)
    by_day = json.loads(ask("forecast", folder, "--json").stdout)
    fine = json.loads(ask("forecast", folder, "--by", "offer", "--by", "segment", "--json").stdout)
    expected = sum(one["expected_revenue_micros"] for one in sends(folder))
    for said in (by_day, fine):
        assert said["currency"] == "USD" and said["level_from_days"] == 0
        assert sum(one["sends"] for one in said["groups"]) == len(sends(folder))
        assert sum(one["predicted_micros"] for one in said["groups"]) == pytest.approx(expected, rel=1e-4)
        assert all(one["low_micros"] <= one["high_micros"] for one in said["groups"])
    first = by_day["groups"][0]
    assert first["low_micros"] < first["predicted_micros"] < first["high_micros"]
    assert [one["day"] for one in by_day["groups"]] == ["2026-03-04", "2026-03-08"]
    assert {(one["offer"], one["segment"]) for one in fine["groups"]} == {(one["offer"], one["segment"]) for one in sends(folder)}
    shown = ask("forecast", folder).stdout
    assert "2026-03-04" in shown and "USD" in shown


def test_what_came_is_shown_beside_it(tmp_path: Path) -> None:
    folder = a_log(tmp_path / "log", people=500)
    first = next(one for one in sends(folder) if one["ts"].startswith("2026-03-04"))
    sale = Conversion(
        "k", f"m{first['subscriber']}", first["subscriber"], first["offer"], T + 900.0, "approved", 0, 7_000_000, "USD"
    )
    write_conversions(folder, [sale])
    groups = json.loads(ask("forecast", folder, "--by", "offer", "--json").stdout)["groups"]
    assert {one["offer"] for one in groups if one["came_micros"] >= 7_000_000} == {first["offer"]}


def test_no_sends_and_rubbish_are_said(tmp_path: Path) -> None:
    folder = a_log(tmp_path / "log", people=50)
    untold = ask("forecast", folder, "--waiting")  # receipts alone do not say what became of a plan
    assert untold.exit_code == 2 and "waiting.json: missing" in untold.stderr
    (folder / "waiting.json").write_text("[]")
    assert ask("forecast", folder, "--waiting").stdout == "no sends\n"
    assert ask("forecast", folder, "--by", "weather").exit_code == 2
    broken = folder / "decisions" / "b.ndjson"
    broken.write_text(json.dumps(sends(folder)[0] | {"p_click": 2}) + "\n")
    failed = ask("forecast", folder)
    assert failed.exit_code == 2 and "p_click" in failed.stderr


def test_of_plans_only_those_that_still_wait_are_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 2)

    def told(made: House, name: str) -> list[Any]:
        export(made.w, ORG, tmp_path / name, days=2, now=made.now)
        return [
            (g["cycle"], g["sends"])
            for g in json.loads(ask("forecast", tmp_path / name, "--waiting", "--by", "cycle", "--json").stdout)["groups"]
        ]

    with house(8, autonomy="approval", by_hand=True, approval_valid_hours=1) as made:
        made.cycle()
        cycle_id = made.receipts()[0]["cycle_id"]
        assert told(made, "all") == [(cycle_id, 8)]
        approvals.approve(made.w, ORG, f"{cycle_id}-0001", by="ann", now=made.now)
        approvals.reject(made.w, ORG, f"{cycle_id}-0002", by="ann", now=made.now)
        assert told(made, "two") == [(cycle_id, 4)]
        made.watch(60)
        assert told(made, "expired") == []
