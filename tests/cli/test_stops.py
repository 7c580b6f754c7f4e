"""What the judge has stopped, and Gmail's figures, on the command line."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

from revenue_engine.clock import epoch_seconds
from revenue_engine.records.causes import Cause, Stop
from tests.builders import NOW, Org
from tests.cli.conftest import Run

T = epoch_seconds(NOW)


def test_stops_are_listed_with_their_figures_and_lifted_under_a_name(run: Run, org: Org) -> None:
    assert run("stops", "list").stdout == "nothing is stopped\n"
    org.w.safety.stop(org.name, Stop(Cause("offer", "1042"), "complaint_rate_exceeded", T, None, "0.004, limit 0.001"))
    org.w.safety.stop(org.name, Stop(Cause("segment", "silent"), "bounce_rate_exceeded", T, T + 7 * 86_400, "0.06, limit 0.02"))
    told = run("stops", "list").stdout
    for word in ("offer#1042", "complaint_rate_exceeded", "a person lifts it", "0.004, limit 0.001", "2026-03-11 10:00"):
        assert word in told
    shown = run("status").stdout
    assert "stopped.offer#1042.reason" in shown
    assert run("stops", "lift", "offer#1042").stdout == "offer#1042 may be mailed again\n"
    assert [stop.cause.key for stop in org.w.safety.stops(org.name, now=T)] == ["segment#silent"]
    item = org.w.safety.table.get(org.name, "stop#offer#1042")
    assert item is not None
    assert (item["lifted_by"], item["lifted_at"]) == (getpass.getuser(), T)


def test_what_is_not_stopped_or_no_key_is_refused(run: Run) -> None:
    for key, reason in (("offer#7", "not_stopped"), ("offer", "unknown"), ("weather#rain", "unknown"), ("offer#", "unknown")):
        refused = run("stops", "lift", key)
        assert (refused.exit_code, reason in refused.stderr) == (1, True)


def test_postmasters_days_are_imported_and_their_age_is_seen(run: Run, org: Org, tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    days = [
        {"name": "domains/mail.example.com/trafficStats/20260302", "userReportedSpamRatio": 0.0007},
        {"name": "domains/mail.example.com/trafficStats/20260301"},
    ]
    file.write_text(json.dumps({"trafficStats": days}))
    told = run("import", "postmaster", file, "--dry-run").stdout
    assert told == "postmaster: 1 days, 1 days without a ratio (dry run: nothing was written)\n"
    assert json.loads(run("status", "--json").stdout)["postmaster"]["newest_day"] is None
    assert run("import", "postmaster", file).exit_code == 0
    seen = json.loads(run("status", "--json").stdout)["postmaster"]
    assert seen == {"newest_day": "2026-03-02", "age_days": 2, "spam_ratio": 0.0007}


def test_a_bad_file_of_postmasters_is_refused_by_field(run: Run, org: Org, tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    file.write_text('{"trafficStats": [{"name": "domains/x.example/trafficStats/20260302", "userReportedSpamRatio": 3}]}')
    refused = run("import", "postmaster", file)
    assert refused.exit_code == 1
    assert "trafficStats.0.userReportedSpamRatio" in refused.stderr
    file.write_bytes(b"\xff")
    assert "not_utf8" in run("import", "postmaster", file).stderr
