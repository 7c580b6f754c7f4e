"""A log as evaluation takes it: what counts as outcome, as payment and as exit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.evaluation.test_decided import line
from tests.logs.test_log_files import MAIL, SALE
from workbench.logs import Log
from workbench.logs.evidence import became, ghost_log, stored_in

AT = int(line().ts.timestamp())


def test_a_mail_has_what_is_approved_of_it_in_the_logs_currency() -> None:
    sales = [
        SALE,
        replace(SALE, key="more", approved_micros=500_000),
        replace(SALE, key="foreign", currency="EUR"),
        replace(SALE, key="waiting", state="provisional", provisional_micros=9, approved_micros=0),
        replace(SALE, key="nobody's", send_id=""),
    ]
    unmailed = replace(MAIL, decision_id="other", send_id="def", first_human_click_at=7.0)
    found = became(Log([MAIL, unmailed], sales), "USD")
    assert (found[MAIL.decision_id].approved_micros, found["other"].approved_micros) == (13_000_000, 0)
    assert (found[MAIL.decision_id].unsubscribed_at, found["other"].clicked_at) == (MAIL.unsubscribed_at, 7.0)


def test_would_be_recipients_are_those_whom_a_lot_and_the_switch_could_reach() -> None:
    receipts = [
        line(subscriber="s2"),
        line(subscriber="s3", action="ghost", propensity_joint=0.02),
        line(subscriber="s1", autonomy="shadow"),
        line(subscriber="s1", arm="fixed", off_policy_support=False),
    ]
    log = Log(
        [replace(MAIL, subscriber="s3", complained_at=11.0), replace(MAIL, subscriber="s2", unsubscribed_at=None)],
        [replace(SALE, subscriber="s3"), replace(SALE, subscriber="s3", currency="EUR"), replace(SALE, subscriber="")],
    )
    found = ghost_log(receipts, log, "USD")
    assert found.decisions.sent.tolist() == [True, False]
    assert found.decisions.at.tolist() == [AT, AT]
    assert found.decisions.propensity_send.tolist() == [0.98, 0.98]
    second, third = found.decisions.subscriber.tolist()
    assert second != third
    assert (found.paid.subscriber.tolist(), found.paid.amount.tolist()) == ([third], [12_500_000])
    assert (found.exits.subscriber.tolist(), found.exits.at.tolist()) == ([third, third], [int(MAIL.unsubscribed_at or 0), 11])


def test_a_name_that_leads_out_of_the_folder_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "log" / "cycles" / "main" / "c").mkdir(parents=True)
    (tmp_path / "log" / "cycles" / "main" / "c" / "context.json").write_bytes(b"{}")
    (tmp_path / "secret").write_bytes(b"secret")
    find = stored_in(tmp_path / "log")
    assert find("cycles/main/c/context.json") == b"{}"
    (tmp_path / "log" / "cycles" / "main" / "c" / "page-0000.npz").write_bytes(b"rows")
    assert find("cycles/main/c/page-0000.npz") == b"rows"
    for name in ("../secret", "cycles/main/d/context.json", "cycles/main/../../../secret", "cycles/main/../c/context.json"):
        assert find(name) is None
